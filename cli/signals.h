// ^C: the first one asks the running command to stop where nothing is lost, the second one ends the process at once.
#pragma once
#include <lathe/base/error.h>
#include <lathe/nas/executor.h>

namespace lathe::cli {

/// Catches SIGINT and SIGTERM while it lives. One at a time.
class StopSignals {
 public:
  /// `announce`: the first signal says "stopping after the running step…" on standard error.
  explicit StopSignals(bool announce = true);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  nas::StopFlag flag() const { return flag_; }
  bool requested() const { return flag_.requested(); }

  /// Has the one that lives been asked to stop?
  static bool asked();
  /// Exit code for the latest signal of the process: 143 after SIGTERM, else 130.
  static int exit_code();

 private:
  nas::StopFlag flag_;
};

/// The work was stopped on request and can be taken up again. Exit code 130 or 143; the message says how.
class StoppedByUser : public Error {
 public:
  using Error::Error;
};

}  // namespace lathe::cli
