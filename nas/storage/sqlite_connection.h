// A thin, safe cover over SQLite's C interface: connections, statements and transactions that close themselves.
//
// Private to the storage. Every failure of the database is an InfrastructureError "<file>: <what SQLite says>".
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace lathe::nas {

class SqliteConnection {
 public:
  /// Opens the file, creating it if `create`. InputError: no such file, or no database.
  SqliteConnection(const std::filesystem::path& file, bool create);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  const std::filesystem::path& file() const { return file_; }
  sqlite3* handle() const { return handle_; }
  /// Runs statements without parameters or results.
  void run(const char* sql);
  /// Rows changed by the latest INSERT, UPDATE or DELETE: the answer of a compare-and-swap.
  int changes() const;
  bool in_transaction() const;
  bool busy() const;  ///< the latest call failed because another connection holds a lock
  [[noreturn]] void fail() const;

 private:
  std::filesystem::path file_;
  sqlite3* handle_ = nullptr;
};

/// One prepared statement. Parameters are bound in order: Statement(db, "… ? …").bind(7).bind("x").
class Statement {
 public:
  Statement(SqliteConnection& connection, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::int64_t value);
  Statement& bind(int value) { return bind(std::int64_t{value}); }
  Statement& bind(double value);
  Statement& bind(std::string_view text);
  Statement& bind(const char* text) { return bind(std::string_view(text)); }
  Statement& bind_null();

  /// Its parameters are $1, $2, … and first appear in this order, which is the order of bind().
  void require_ordered_parameters() const;

  bool step();  ///< true: a row is there
  void execute();
  void reset();  ///< for the next set of parameters

  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  SqliteConnection& connection_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

/// BEGIN IMMEDIATE: takes the write lock at once, so what is read inside stays true until commit(). Rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(SqliteConnection& connection);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  SqliteConnection& connection_;
  bool open_ = true;
};

}  // namespace lathe::nas
