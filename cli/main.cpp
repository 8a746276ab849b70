// lathe: the command. Everything it does is in run().
#include <lathe/cli/run.h>

#include <csignal>

int main(int argc, char** argv) {
  // A file that may not grow any more (ulimit -f, a quota) is a full disk: an error with a message and an exit code, not a death.
  std::signal(SIGXFSZ, SIG_IGN);
  lathe::cli::Streams streams = lathe::cli::system_streams();
  return lathe::cli::run(argc, argv, streams);
}
