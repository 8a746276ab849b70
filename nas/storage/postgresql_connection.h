// A thin, safe cover over libpq: a connection, prepared statements, and errors told apart by what helps. Private to the storage.
#pragma once
#include <lathe/base/error.h>
#include <lathe/nas/storage/sql_database.h>

#include <libpq-fe.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace lathe::nas {

/// The server went away, or refuses connections for now.
class ConnectionLost : public InfrastructureError {
 public:
  ConnectionLost(const std::string& message, bool starting) : InfrastructureError(message), starting_(starting) {}
  bool starting() const { return starting_; }  ///< the server is there, and will soon accept connections

 private:
  bool starting_;
};

/// The server rolled back to resolve a conflict between transactions: run it again.
class TransactionConflict : public InfrastructureError {
 public:
  using InfrastructureError::InfrastructureError;
};

/// Another session held a lock for kLockTimeout. The connection lives; a transaction is to be rolled back and may run again.
class LockTimeout : public InfrastructureError {
 public:
  using InfrastructureError::InfrastructureError;
};

/// No statement waits longer for a lock, so that whoever waits can still be stopped. Above the second after which the server looks
/// for deadlocks (deadlock_timeout).
inline constexpr std::chrono::milliseconds kLockTimeout{2'000};

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using PgResult = std::unique_ptr<PGresult, ResultDeleter>;

class PostgresqlConnection {
 public:
  /// Does not connect yet. InputError: no URL that libpq understands.
  PostgresqlConnection(std::string url, std::string place);
  ~PostgresqlConnection() { close(); }
  PostgresqlConnection(const PostgresqlConnection&) = delete;
  PostgresqlConnection& operator=(const PostgresqlConnection&) = delete;

  /// Both sides then notice a dead peer within half a minute: a session that hangs would keep its locks.
  /// ConnectionLost: no answer within `timeout`, or not now. InputError: no such database or user, wrong password, no permission.
  void open(std::chrono::milliseconds timeout);
  void close();
  bool is_open() const { return handle_ != nullptr; }

  /// Statements without parameters.
  PgResult run(const std::string& sql);
  /// One statement, prepared under `key` at its first use on this connection; `sql` gives its text then.
  PgResult run(std::string_view key, const std::function<std::string()>& sql, const SqlValues& values);

 private:
  PgResult checked(PGresult* result);
  void prepare_session();
  [[noreturn]] void refuse_connection(PGconn* connection);

  std::string url_, place_;
  PGconn* handle_ = nullptr;
  std::map<std::string, std::string, std::less<>> prepared_;  // names by key
};

}  // namespace lathe::nas
