#include <lathe/base/error.h>
#include <lathe/nas/storage/sqlite_connection.h>
#include <sqlite3.h>

#include <string>
#include <system_error>

namespace lathe::nas {
namespace {

/// Another process may hold the write lock for the length of one short transaction; more than this means that it hangs.
constexpr int kBusyMilliseconds = 30000;

}  // namespace

SqliteConnection::SqliteConnection(const std::filesystem::path& file, bool create) : file_(file) {
  std::error_code error;
  if (!create && !std::filesystem::exists(file, error)) throw InputError(file.string() + ": no such file");
  const std::filesystem::path folder = file.parent_path();
  if (create && !folder.empty() && !std::filesystem::is_directory(folder, error))
    throw InputError(file.string() + ": there is no folder " + folder.string());
  const int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_FULLMUTEX;
  if (sqlite3_open_v2(file.c_str(), &handle_, flags, nullptr) != SQLITE_OK) {
    const std::string message = file.string() + ": cannot open: " + (handle_ ? sqlite3_errmsg(handle_) : "out of memory");
    sqlite3_close(handle_);
    throw InfrastructureError(message);
  }
  sqlite3_busy_timeout(handle_, kBusyMilliseconds);
  // The first read finds out whether this is a database at all.
  sqlite3_stmt* probe = nullptr;
  const int code = sqlite3_prepare_v2(handle_, "SELECT count(*) FROM sqlite_master", -1, &probe, nullptr);
  const int result = code == SQLITE_OK ? sqlite3_step(probe) : code;
  sqlite3_finalize(probe);
  if (result == SQLITE_NOTADB || result == SQLITE_CORRUPT) {
    sqlite3_close(handle_);
    throw InputError(file.string() + ": is not an SQLite database");
  }
  if (result != SQLITE_ROW) {
    const std::string message = file.string() + ": " + sqlite3_errmsg(handle_);
    sqlite3_close(handle_);
    throw InfrastructureError(message);
  }
}

SqliteConnection::~SqliteConnection() { sqlite3_close(handle_); }

void SqliteConnection::fail() const { throw InfrastructureError(file_.string() + ": " + sqlite3_errmsg(handle_)); }

void SqliteConnection::run(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail();
}

int SqliteConnection::changes() const { return sqlite3_changes(handle_); }
bool SqliteConnection::busy() const { return (sqlite3_errcode(handle_) & 0xff) == SQLITE_BUSY; }
bool SqliteConnection::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

Statement::Statement(SqliteConnection& connection, const char* sql) : connection_(connection) {
  if (sqlite3_prepare_v2(connection.handle(), sql, -1, &statement_, nullptr) != SQLITE_OK) connection.fail();
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(std::int64_t value) {
  if (sqlite3_bind_int64(statement_, ++bound_, value) != SQLITE_OK) connection_.fail();
  return *this;
}

Statement& Statement::bind(double value) {
  if (sqlite3_bind_double(statement_, ++bound_, value) != SQLITE_OK) connection_.fail();
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  const char* data = text.data() ? text.data() : "";  // a null pointer would bind NULL
  if (sqlite3_bind_text64(statement_, ++bound_, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8) != SQLITE_OK) connection_.fail();
  return *this;
}

Statement& Statement::bind_null() {
  if (sqlite3_bind_null(statement_, ++bound_) != SQLITE_OK) connection_.fail();
  return *this;
}

void Statement::require_ordered_parameters() const {
  for (int i = 1; i <= sqlite3_bind_parameter_count(statement_); ++i) {
    const char* name = sqlite3_bind_parameter_name(statement_, i);
    LATHE_CHECK(name && name == "$" + std::to_string(i), sqlite3_sql(statement_));
  }
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) connection_.fail();
  return false;
}

void Statement::execute() {
  while (step()) {
  }
}

void Statement::reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  bound_ = 0;
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }
std::string Statement::text(int column) const {
  const auto* data = sqlite3_column_text(statement_, column);
  return data ? std::string(reinterpret_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)))
              : std::string();
}
bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

Transaction::Transaction(SqliteConnection& connection) : connection_(connection) { connection.run("BEGIN IMMEDIATE"); }

Transaction::~Transaction() {
  // SQLite rolls some failed transactions back by itself. If this fails, closing the connection does it.
  if (open_ && connection_.in_transaction()) sqlite3_exec(connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  connection_.run("COMMIT");
  open_ = false;
}

}  // namespace lathe::nas
