// Stands between a client and the tests' PostgreSQL server and breaks the connection at a chosen moment of a COMMIT.
#pragma once
#include <atomic>
#include <string>
#include <thread>

#include "tests/support/folder.h"

namespace lathe::test {

class Proxy {
 public:
  enum class Cut {
    none,
    before_commit,  ///< the server never hears of it
    after_commit,   ///< it is carried out, but the client never hears of it
  };
  /// Forwards to the Unix socket `server`.
  explicit Proxy(std::string server);
  ~Proxy();
  /// The folder that a client names as its host.
  std::string host() const { return folder_.path().string(); }
  /// Breaks the connection at the next COMMIT, once.
  void cut(Cut how) { cut_ = how; }
  /// Breaks it at every n-th COMMIT, before and after it in turn.
  void cut_every(int n) { every_ = n; }
  int cuts() const { return cuts_; }
  /// Accepts no more clients, until it is let go.
  void hold(bool held) { held_ = held; }

 private:
  void serve();
  void forward(int client);
  Cut decide();

  TemporaryFolder folder_;
  std::string server_;
  int listener_ = -1;
  std::atomic<Cut> cut_{Cut::none};
  std::atomic<int> cuts_{0}, every_{0};
  int commits_ = 0;
  std::atomic<bool> ended_{false}, held_{false};
  std::thread thread_;
};

}  // namespace lathe::test
