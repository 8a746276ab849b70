#include <lathe/cli/signals.h>

#include <atomic>
#include <csignal>
#include <string_view>

#include <unistd.h>

namespace lathe::cli {
namespace {

// Handlers can reach nothing but globals, and may only call what is async-signal-safe.
std::atomic<nas::StopFlag*> active_flag{nullptr};
std::atomic<int> last_signal{0};
std::atomic<bool> announced{false};

void write_err(std::string_view text) {
  const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
  static_cast<void>(ignored);  // there is nobody left to tell
}

extern "C" void lathe_stop_handler(int signal) {
  nas::StopFlag* flag = active_flag.load();
  if (!flag || flag->requested()) ::_exit(128 + signal);
  last_signal.store(signal);
  flag->request();
  if (announced.load()) write_err("\nstopping after the running step… (^C again ends at once)\n");
}

}  // namespace

StopSignals::StopSignals(bool announce) {
  announced.store(announce);
  active_flag.store(&flag_);
  struct sigaction action {};
  action.sa_handler = lathe_stop_handler;
  ::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // a read or write that is under way goes on
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

StopSignals::~StopSignals() {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  active_flag.store(nullptr);
}

bool StopSignals::asked() {
  const nas::StopFlag* flag = active_flag.load();
  return flag && flag->requested();
}

int StopSignals::exit_code() { return last_signal.load() == SIGTERM ? 128 + SIGTERM : 128 + SIGINT; }

}  // namespace lathe::cli
