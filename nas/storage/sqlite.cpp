#include <lathe/base/error.h>
#include <lathe/nas/storage/sql_database.h>
#include <lathe/nas/storage/sqlite.h>
#include <lathe/nas/storage/sqlite_connection.h>

#include <chrono>
#include <map>
#include <thread>
#include <utility>

namespace lathe::nas {
namespace {

const std::map<std::string, std::string, std::less<>> kWords = {
    {"types", ""},
    {"id", "INTEGER"},
    {"integer", "INTEGER"},
    {"float", "FLOAT"},
    {"time", "DATETIME"},
    {"direction", "VARCHAR(8)"},
    {"state", "VARCHAR(8)"},
    {"kind", "VARCHAR(7)"},
    {"step kind", "VARCHAR(7)"},
    {"clustered", "WITHOUT ROWID"},
    {"now", "strftime('%Y-%m-%d %H:%M:%f000', 'now')"},  // naive UTC, as Optuna 5 writes it
    {"now_ms", "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"},
    {"and leases hold", ""},
    {"alone", ""},  // one transaction writes at a time anyway
    {"own tables", ""},
    {"last table", "lathe_outside"},
    {"for update", ""},
    {"for update skip locked", ""},
    {"table $1", "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1"},
    {"members of $2 after $1",
     "SELECT $1, key, CASE type WHEN 'object' THEN value WHEN 'array' THEN value WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
     "ELSE json_quote(value) END FROM json_each($2) WHERE true"},
};

class Row final : public SqlRow {
 public:
  explicit Row(const Statement& statement) : statement_(statement) {}
  std::int64_t integer(int column) const override { return statement_.integer(column); }
  double real(int column) const override { return statement_.real(column); }
  std::string text(int column) const override { return statement_.text(column); }
  bool is_null(int column) const override { return statement_.is_null(column); }

 private:
  const Statement& statement_;
};

class SqliteDatabase final : public SqlDatabase {
 public:
  SqliteDatabase(const std::filesystem::path& file, bool create) : SqlDatabase(kWords), db_(file, create) {}

  std::string place() const override { return db_.file().string(); }

  void transaction(SqlWork work, const std::function<void()>& body) override {
    const std::lock_guard lock(mutex());
    if (work != SqlWork::structure) write_ahead();
    // FULL: on the disk when the transaction returns. NORMAL: with the next transaction that is FULL.
    const bool full = work != SqlWork::tasks;
    if (full != full_) db_.run(full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    full_ = full;
    Transaction transaction(db_);
    body();
    transaction.commit();
  }

  void script(const std::string& sql) override { db_.run(sql.c_str()); }

  std::int64_t execute(std::string_view sql, const SqlValues& values) override {
    const Use use(prepared(sql), values);
    use.statement.execute();
    return db_.changes();
  }

  void query(std::string_view sql, const SqlValues& values, const std::function<void(const SqlRow&)>& row) override {
    const std::lock_guard lock(mutex());
    const Use use(prepared(sql), values);
    const Row found(use.statement);
    while (use.statement.step()) row(found);
  }

  void settle() override {
    const std::lock_guard lock(mutex());
    db_.run("PRAGMA wal_checkpoint(TRUNCATE)");
    // Only the last connection can leave WAL mode; where another process still works on the study, it will.
    Statement mode(db_, "PRAGMA journal_mode = DELETE");
    try {
      mode.step();
      wal_ = false;
    } catch (const InfrastructureError&) {
      if (!other_connections()) throw;
    }
  }

 private:
  /// A prepared statement with its parameters, given back even when it fails: an open one would keep its lock.
  struct Use {
    Use(Statement& prepared, const SqlValues& values) : statement(prepared) {
      for (const SqlValue& value : values)
        std::visit(
            [&](const auto& v) {
              if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>)
                statement.bind_null();
              else
                statement.bind(v);
            },
            value.get());
    }
    ~Use() { statement.reset(); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    Statement& statement;
  };

  Statement& prepared(std::string_view sql) {
    auto found = statements_.find(sql);
    if (found == statements_.end()) {
      auto statement = std::make_unique<Statement>(db_, fill(sql).c_str());
      statement->require_ordered_parameters();
      found = statements_.emplace(std::string(sql), std::move(statement)).first;
    }
    return *found->second;
  }

  /// SQLite refuses to leave WAL mode only because of other connections: a probe tells that refusal from a failing disk.
  bool other_connections() {
    Statement mode(db_, "PRAGMA journal_mode");
    return mode.step() && mode.text(0) == "wal";
  }

  /// Of connections that make this switch at the same moment SQLite refuses some at once, without its busy timeout: each holds what
  /// the other waits for. Processes that start together meet here, so the refused one tries again.
  void write_ahead() {
    constexpr auto kPatience = std::chrono::seconds(30);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!wal_) {
      try {
        Statement(db_, "PRAGMA journal_mode = WAL").step();
        wal_ = true;
      } catch (const InfrastructureError&) {
        if (!db_.busy() || std::chrono::steady_clock::now() > deadline) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }
  }

  SqliteConnection db_;
  std::map<std::string, std::unique_ptr<Statement>, std::less<>> statements_;  // gone before the connection
  bool wal_ = false, full_ = true;                                             // SQLite begins with FULL
};

}  // namespace

std::unique_ptr<Backend> sqlite_backend(const std::filesystem::path& file, bool create) {
  return sql_backend(std::make_shared<SqliteDatabase>(file, create), create);
}

}  // namespace lathe::nas
