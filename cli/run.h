// The command as a function: what main() calls, and what tests call with streams of their own.
#pragma once
#include <lathe/cli/console.h>

namespace lathe::cli {

/// Exit codes. This is the only place where they are decided.
enum ExitCode : int {
  kDone = 0,       ///< done
  kNo = 1,         ///< done, but the answer is no: `check --strict` found warnings, the score is below --min, training diverged
  kUserError = 2,  ///< command line, configuration or data
  kInfrastructure = 3,  ///< disk, memory, database: what was done is kept, run again
  kBug = 4,             ///< please report it
  kInterrupted = 130,   ///< stopped by ^C
  kTerminated = 143,    ///< stopped by SIGTERM
};

/// Runs `lathe <arguments>`; argv[0] is ignored. Never throws, never exits; gives the exit code.
int run(int argc, const char* const* argv, Streams& streams);

}  // namespace lathe::cli
