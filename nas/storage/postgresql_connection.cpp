#include <lathe/base/text.h>
#include <lathe/nas/storage/postgresql_connection.h>

#include <poll.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace lathe::nas {
namespace {

constexpr int kOldest = 130000;  // pg_xact_status() of 64-bit transaction numbers

std::string one_line(const char* text) {
  std::string out(trim(text ? text : ""));
  std::replace(out.begin(), out.end(), '\n', ' ');
  return out;
}

/// PostgreSQL's text holds well-formed UTF-8 without NUL; what a failing program printed need not be that.
std::string storable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t good = std::min(invalid_utf8(text).value_or(text.size()), text.find('\0'));
    const std::size_t end = std::min(good, text.size());
    out += text.substr(0, end);
    if (end == text.size()) break;
    append_utf8(out, U'\uFFFD');
    text.remove_prefix(end + 1);
  }
  return out;
}

/// SQLSTATEs that say: not now, or not by this connection.
bool goes_away(std::string_view state) {
  return state.empty() || state.starts_with("08") || state == "57P01" || state == "57P02" || state == "57P03" || state == "53300" ||
         state == "25006" || state == "25P03";
}

/// The SQLSTATE and the text of a connection's error in its verbose form, "…: FATAL:  3D000: database … does not exist LOCATION:
/// …".
std::pair<std::string, std::string> state_and_text(std::string message) {
  if (const std::size_t location = message.find("LOCATION:"); location != std::string::npos) message.erase(location);
  std::string state;
  for (std::size_t at = message.find(":  "); at != std::string::npos; at = message.find(":  ", at + 1)) {
    const std::string_view code = std::string_view(message).substr(at + 3, 7);
    if (code.size() == 7 && code.substr(5) == ": " &&
        std::all_of(code.begin(), code.begin() + 5, [](unsigned char c) { return std::isdigit(c) || std::isupper(c); })) {
      state = code.substr(0, 5);
      message.erase(at + 2, 8);
      break;
    }
  }
  return {state, std::string(trim(message))};
}

}  // namespace

PostgresqlConnection::PostgresqlConnection(std::string url, std::string place) : url_(std::move(url)), place_(std::move(place)) {
  char* error = nullptr;
  PQconninfoOption* options = PQconninfoParse(url_.c_str(), &error);
  const bool understood = options != nullptr;
  std::string message = one_line(error);
  if (const std::size_t quoted = message.find(url_); quoted != std::string::npos) message.replace(quoted, url_.size(), place_);
  PQfreemem(error);
  PQconninfoFree(options);
  if (!understood) throw InputError(str(place_, ": ", message));
}

void PostgresqlConnection::close() {
  PQfinish(handle_);
  handle_ = nullptr;
  prepared_.clear();
}

void PostgresqlConnection::refuse_connection(PGconn* connection) {
  const bool password = PQconnectionNeedsPassword(connection) != 0;
  const auto [state, text] = state_and_text(one_line(PQerrorMessage(connection)));
  const std::string message = str(place_, ": ", text);
  PQfinish(connection);
  if (password || state.starts_with("28") || state == "3D000" || state == "42501") throw InputError(message);
  throw ConnectionLost(message, state == "57P03");
}

void PostgresqlConnection::open(std::chrono::milliseconds timeout) {
  close();
  // What precedes the URL are defaults that it may change: a dead peer is noticed within half a minute.
  const char* keys[] = {"fallback_application_name", "keepalives_idle", "keepalives_interval", "keepalives_count",
                        "tcp_user_timeout",          "dbname",          "client_encoding",     nullptr};
  const char* values[] = {"lathe", "10", "5", "3", "25000", url_.c_str(), "UTF8", nullptr};
  PGconn* connection = PQconnectStartParams(keys, values, 1);
  if (!connection) throw InfrastructureError(place_ + ": out of memory");
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);  // with SQLSTATE, which libpq tells of a connection in no other way
  PQsetNoticeProcessor(
      connection, [](void*, const char*) {}, nullptr);
  if (PQstatus(connection) == CONNECTION_BAD) refuse_connection(connection);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  PostgresPollingStatusType want = PGRES_POLLING_WRITING;
  while (want != PGRES_POLLING_OK) {
    if (want == PGRES_POLLING_FAILED) refuse_connection(connection);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd socket{PQsocket(connection), static_cast<short>(want == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    if (left <= 0 || poll(&socket, 1, static_cast<int>(left)) == 0) {
      PQfinish(connection);
      throw ConnectionLost(str(place_, ": no answer within ", timeout.count() / 1000, " s"), false);
    }
    want = PQconnectPoll(connection);
  }
  PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
  if (const int version = PQserverVersion(connection); version < kOldest) {
    PQfinish(connection);
    throw InputError(str(place_, ": the server is PostgreSQL ", version / 10000, ", expected ", kOldest / 10000, " or later"));
  }
  handle_ = connection;
  try {
    prepare_session();
  } catch (...) {
    close();
    throw;
  }
}

/// The server's side of the keepalives above: by default it notices after two hours that a client is gone, and keeps the locks of
/// its open transaction until then. On a Unix socket these have no effect.
void PostgresqlConnection::prepare_session() {
  run(
      str("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; "
          "SET tcp_user_timeout = 25000; SET lock_timeout = ",
          kLockTimeout.count()));
}

PgResult PostgresqlConnection::checked(PGresult* raw) {
  PgResult result(raw);
  const ExecStatusType status = raw ? PQresultStatus(raw) : PGRES_FATAL_ERROR;
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return result;
  const char* field = raw ? PQresultErrorField(raw, PG_DIAG_SQLSTATE) : nullptr;
  const std::string state = field ? field : "";
  const char* primary = raw ? PQresultErrorField(raw, PG_DIAG_MESSAGE_PRIMARY) : nullptr;
  const std::string message = str(place_, ": ", one_line(primary ? primary : PQerrorMessage(handle_)));
  if (PQstatus(handle_) == CONNECTION_BAD || goes_away(state)) throw ConnectionLost(message, false);
  if (state == "55P03") throw LockTimeout(str(place_, ": another session holds a lock"));
  if (state == "40001" || state == "40P01") throw TransactionConflict(message);
  throw InfrastructureError(message);
}

PgResult PostgresqlConnection::run(const std::string& sql) { return checked(PQexec(handle_, sql.c_str())); }

PgResult PostgresqlConnection::run(std::string_view key, const std::function<std::string()>& sql, const SqlValues& values) {
  auto found = prepared_.find(key);
  if (found == prepared_.end()) {
    const std::string name = str("lathe", prepared_.size());
    checked(PQprepare(handle_, name.c_str(), sql().c_str(), 0, nullptr));
    found = prepared_.emplace(std::string(key), name).first;
  }
  std::vector<std::string> texts(values.size());
  std::vector<const char*> pointers(values.size(), nullptr);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto& value = values[i].get();
    if (const auto* whole = std::get_if<std::int64_t>(&value)) texts[i] = std::to_string(*whole);
    if (const auto* real = std::get_if<double>(&value)) texts[i] = number(*real);
    if (const auto* text = std::get_if<std::string_view>(&value)) texts[i] = storable(*text);
    if (!std::holds_alternative<std::monostate>(value)) pointers[i] = texts[i].c_str();
  }
  return checked(
      PQexecPrepared(handle_, found->second.c_str(), static_cast<int>(values.size()), pointers.data(), nullptr, nullptr, 0));
}

}  // namespace lathe::nas
