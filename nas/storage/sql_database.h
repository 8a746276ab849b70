// What the storages ask of an SQL database, so that one SqlStorage serves SQLite and PostgreSQL. Private to the storages.
//
// The SQL is the part that both speak, with parameters $1, $2, … that first appear in this order, and words in braces where the two
// differ ({now_ms}); each database gives its own text for those. Statements are prepared once and kept.
#pragma once
#include <lathe/nas/storage/storage.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace lathe::nas {

/// A parameter: NULL, a whole number, a number or a text.
class SqlValue {
 public:
  SqlValue() = default;
  template <class T>
  requires std::is_integral_v<T> SqlValue(T value) : value_(static_cast<std::int64_t>(value)) {}
  SqlValue(double value) : value_(value) {}
  SqlValue(std::string_view value) : value_(value) {}
  SqlValue(const std::string& value) : value_(std::string_view(value)) {}
  SqlValue(const char* value) : value_(std::string_view(value)) {}

  /// std::monostate is NULL. Texts are views: the caller keeps them while the statement runs.
  const std::variant<std::monostate, std::int64_t, double, std::string_view>& get() const { return value_; }

 private:
  std::variant<std::monostate, std::int64_t, double, std::string_view> value_;
};
using SqlValues = std::vector<SqlValue>;

class SqlRow {
 public:
  virtual ~SqlRow() = default;
  virtual std::int64_t integer(int column) const = 0;
  virtual double real(int column) const = 0;
  virtual std::string text(int column) const = 0;
  virtual bool is_null(int column) const = 0;
};

/// What a transaction changes, and so how it is kept.
enum class SqlWork {
  structure,  ///< tables and studies
  log,        ///< the study itself: on the disk when the transaction returns
  tasks,      ///< a cache of work: losing the latest in a power cut costs time, never a result
};

/// One connection. All functions throw InfrastructureError if the database fails.
class SqlDatabase {
 public:
  virtual ~SqlDatabase() = default;

  virtual std::string place() const = 0;  ///< for messages; without a password
  /// Runs `body` in one transaction that takes effect as a whole or not at all. `body` may be run again, if the database asks for
  /// it or went away meanwhile: it must have no effect outside the database except to set what it returns.
  virtual void transaction(SqlWork work, const std::function<void()>& body) = 0;
  /// Statements without parameters and results, separated by semicolons.
  virtual void script(const std::string& sql) = 0;
  /// Inside a transaction. How many rows were changed: the answer of a compare-and-swap.
  virtual std::int64_t execute(std::string_view sql, const SqlValues& values) = 0;
  /// Reads. Outside a transaction too, where it sees what is committed.
  virtual void query(std::string_view sql, const SqlValues& values, const std::function<void(const SqlRow&)>& row) = 0;
  /// The study stops being written.
  virtual void settle() {}

  /// `sql` with the words in braces filled in.
  std::string fill(std::string_view sql) const;
  /// Held during every transaction and every query: storages of one backend share the connection.
  std::recursive_mutex& mutex() { return mutex_; }

 protected:
  explicit SqlDatabase(std::map<std::string, std::string, std::less<>> words) : words_(std::move(words)) {}

 private:
  std::map<std::string, std::string, std::less<>> words_;
  std::recursive_mutex mutex_;
};

/// Some 64 bits that nobody else has drawn, as text: names of sessions and studies, which are no part of any result.
std::string random_token();

/// The studies in `database`, in Optuna's schema plus lathe's tables. `create`: the tables are made if they are missing.
/// InputError: no tables and not `create`, or a schema revision other than Optuna's v3.2.0.a.
std::unique_ptr<Backend> sql_backend(std::shared_ptr<SqlDatabase> database, bool create);

}  // namespace lathe::nas
