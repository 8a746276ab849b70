// lathe: the command. Everything it does is in run().
#include <lathe/cli/run.h>

int main(int argc, char** argv) {
  lathe::cli::Streams streams = lathe::cli::system_streams();
  return lathe::cli::run(argc, argv, streams);
}
