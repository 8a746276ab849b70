// Runs the command as a process of its own, for what cannot be tried inside the test's: signals, limits, death.
#pragma once
#include <csignal>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lathe::test {

/// Standard output goes nowhere, standard error into a pipe of one page: a process that is not read from is soon blocked by it, so
/// what a test does after it saw a line does not depend on how fast either of them is.
class Process {
 public:
  /// `file_bytes` > 0: no file of the process can grow beyond.
  explicit Process(const std::vector<std::string>& arguments, long file_bytes = 0) {
    std::vector<const char*> argv = {LATHE_PROGRAM};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    argv.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    ::fcntl(ends[1], F_SETPIPE_SZ, 4096);
    child_ = ::fork();
    if (child_ == 0) {
      const int nowhere = ::open("/dev/null", O_RDWR);
      ::dup2(nowhere, STDIN_FILENO);
      ::dup2(nowhere, STDOUT_FILENO);
      ::dup2(ends[1], STDERR_FILENO);
      if (file_bytes > 0) {
        const rlimit limit{static_cast<rlim_t>(file_bytes), static_cast<rlim_t>(file_bytes)};
        ::setrlimit(RLIMIT_FSIZE, &limit);
      }
      ::execv(LATHE_PROGRAM, const_cast<char* const*>(argv.data()));
      ::_exit(127);
    }
    ::close(ends[1]);
    from_ = ends[0];
  }
  ~Process() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      wait();
    }
    ::close(from_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Reads standard error until it holds `part`; false if it ended before.
  bool read_until(const std::string& part) {
    while (err_.find(part) == std::string::npos)
      if (!read_some()) return false;
    return true;
  }
  void signal(int number) const { ::kill(child_, number); }
  /// Reads to the end. Exit code, or 128 + the signal that ended it.
  int wait() {
    while (read_some()) {
    }
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  const std::string& err() const { return err_; }
  /// The last line of standard error.
  std::string last_line() const {
    const std::size_t end = err_.empty() ? 0 : err_.size() - 1, at = err_.rfind('\n', end ? end - 1 : 0);
    return err_.substr(at == std::string::npos ? 0 : at + 1, end - (at == std::string::npos ? 0 : at + 1));
  }

 private:
  bool read_some() {
    char buffer[256];
    const ssize_t n = ::read(from_, buffer, sizeof buffer);
    if (n > 0) err_.append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }

  pid_t child_ = 0;
  int from_ = -1;
  std::string err_;
};

}  // namespace lathe::test
