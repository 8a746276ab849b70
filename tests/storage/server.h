// A PostgreSQL server of the tests' own: in a temporary folder, reached by a Unix socket in it, so it meets no other server. Its
// data are synced as by default. It ends with the test program, whatever becomes of that.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/support/folder.h"

namespace lathe::test {

class PostgresServer {
 public:
  /// The one of this program, started at the first call. Null if there is no PostgreSQL: missing() says why.
  static PostgresServer* instance();
  static std::string missing();

  /// A new, empty database: its URL.
  std::string fresh_database();

  enum class Stop {
    fast,   ///< sessions are ended, transactions rolled back
    crash,  ///< as if the machine lost power
  };
  void stop(Stop how);
  void start();  ///< returns when it accepts connections; it ends with the thread that calls this
  /// Leases are not taken over right after a start (nas/storage/postgresql.h).
  void wait_for_uptime(std::chrono::milliseconds uptime) const;
  std::string url(const std::string& database) const;

  ~PostgresServer();

 private:
  PostgresServer();
  /// Starts bin/program as the server's user; its output goes to the log.
  pid_t launch(const char* program, const std::vector<std::string>& arguments) const;

  TemporaryFolder folder_;
  std::string bin_;
  pid_t server_ = -1;
  pid_t owner_ = -1;  // the process that started it: children of the test leave it alone
  int databases_ = 0;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace lathe::test
