#include <lathe/nas/program.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lathe/base/text.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

extern char** environ;

namespace lathe::nas {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kPollMs = 20, kRunAgain = 75, kCannotRun = 126, kNotFound = 127, kBySignal = 128, kMostSignal = 31;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() { close(); }
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

[[noreturn]] void fail(const char* what) { throw InfrastructureError(str("cannot ", what, ": ", std::strerror(errno))); }

/// Two ends of a connection that no other program inherits.
std::pair<Descriptor, Descriptor> connection() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("connect to a program");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

/// A running program; killed with its process group if it is still there at the end.
class Process {
 public:
  Process(const ProgramOptions& options, const TrialHandle& trial) {
    auto [mine_in, its_in] = connection();
    auto [mine_out, its_out] = connection();
    const Descriptor log(open_log(options, trial.number()));
    std::vector<std::string> variables = {str("LATHE_TRIAL=", trial.number()), str("LATHE_SEED=", trial.seed())};
    std::vector<char*> environment;
    for (std::string& variable : variables) environment.push_back(variable.data());
    for (char** entry = environ; *entry; ++entry) environment.push_back(*entry);
    environment.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, its_in.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, its_out.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, log.get(), 2);
    if (!options.folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, options.folder.c_str());
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    std::string shell = "sh", flag = "-c", command = options.command;
    char* arguments[] = {shell.data(), flag.data(), command.data(), nullptr};
    errno = ::posix_spawn(&pid_, "/bin/sh", &actions, &attributes, arguments, environment.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (errno != 0) {
      pid_ = -1;
      fail(options.folder.empty() ? "start /bin/sh" : str("start /bin/sh in ", options.folder.string()).c_str());
    }
    const std::string line = trial.point().json() + "\n";
    // A program that does not read its input is free not to.
    for (std::size_t sent = 0; sent < line.size();) {
      const ssize_t n = ::send(mine_in.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
      if (n < 0 && errno != EINTR) break;
      if (n > 0) sent += static_cast<std::size_t>(n);
    }
    output_.emplace_back(std::move(mine_out));
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    if (pid_ < 0) return;
    ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
  }

  /// What it has written since the last call, waiting a moment for it; nothing: no more will come.
  std::optional<std::string> read() {
    pollfd ready = {output_[0].get(), POLLIN, 0};
    if (::poll(&ready, 1, kPollMs) <= 0) return "";
    char buffer[4096];
    const ssize_t n = ::read(output_[0].get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) return "";
    if (n <= 0) return std::nullopt;
    return std::string(buffer, static_cast<std::size_t>(n));
  }

  /// Its status, if it has ended.
  std::optional<int> status() {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == 0) return std::nullopt;
    if (ended < 0) fail("wait for a program");
    ::kill(-pid_, SIGKILL);  // what it left running
    pid_ = -1;
    return status;
  }

 private:
  static int open_log(const ProgramOptions& options, std::int64_t trial) {
    std::string file = "/dev/null";
    if (!options.log_folder.empty()) {
      std::filesystem::create_directories(options.log_folder);
      file = (options.log_folder / str("trial-", trial, ".err")).string();
    }
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) fail(str("open ", file).c_str());
    return fd;
  }
  pid_t pid_ = -1;
  std::vector<Descriptor> output_;
};

struct Line {
  std::optional<int> step;
  std::vector<double> values, constraints;
};

Line read_line(const std::string& text, const ProgramOptions& options) {
  const auto refuse = [&](const char* expected) { return std::runtime_error(str("it wrote `", text, "`, expected ", expected)); };
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) throw refuse("a JSON object");
  const auto numbers = [&](const nlohmann::json& list, const char* expected) {
    std::vector<double> out;
    for (const auto& entry : list) {
      if (!entry.is_number()) throw refuse(expected);
      out.push_back(entry.get<double>());
    }
    return out;
  };
  Line line;
  for (const auto& [name, value] : json.items()) {
    if (name == "step" && value.is_number_integer()) {
      line.step = value.get<int>();
    } else if (name == "value" && value.is_number() && line.values.empty()) {
      line.values = {value.get<double>()};
    } else if (name == "values" && value.is_array() && line.values.empty()) {
      line.values = numbers(value, "numbers as values");
    } else if (name == "constraints" && value.is_array()) {
      line.constraints = numbers(value, "numbers as constraints");
    } else {
      throw refuse("step (a whole number), value or values, and constraints");
    }
  }
  if (line.values.empty()) throw refuse("value or values");
  if (options.objectives > 0 && (line.values.size() != options.objectives || line.constraints.size() != options.constraints))
    throw refuse(str(options.objectives, options.objectives == 1 ? " value" : " values", " and ", options.constraints,
                     options.constraints == 1 ? " constraint" : " constraints")
                     .c_str());
  line.values.insert(line.values.end(), line.constraints.begin(), line.constraints.end());
  return line;
}

void judge(int status) {
  if (WIFSIGNALED(status))
    throw InfrastructureError(str("the program was ended by signal ", WTERMSIG(status), " (", ::strsignal(WTERMSIG(status)), ")"));
  const int code = WEXITSTATUS(status);
  if (code > kBySignal && code <= kBySignal + kMostSignal)  // the shell outlived what it ran, and tells so
    throw InfrastructureError(str("the program was ended by signal ", code - kBySignal, " (", ::strsignal(code - kBySignal), ")"));
  if (code == kRunAgain) throw InfrastructureError("the program asked to be run again (exit code 75)");
  if (code == kCannotRun || code == kNotFound)
    throw InfrastructureError(str("the shell cannot run the command (exit code ", code, ")"));
  if (code != 0) throw std::runtime_error(str("the program ended with exit code ", code));
}

/// One trial.
std::vector<double> run(const ProgramOptions& options, TrialHandle& trial) {
  Process process(options, trial);
  const bool limited = options.time_limit.count() > 0;
  auto deadline = Clock::now() + options.time_limit;
  const auto check = [&] {
    if (limited && Clock::now() > deadline)
      throw std::runtime_error(str("the program took longer than ", 1e-3 * static_cast<double>(options.time_limit.count()), " s"));
  };
  std::vector<double> final;
  std::string pending;
  const auto take = [&](const std::string& text) {
    if (text.empty() || text[0] != '{') return;
    Line line = read_line(text, options);
    if (!final.empty()) throw std::runtime_error(str("it wrote `", text, "` behind its final value"));
    if (!line.step) {
      final = std::move(line.values);
      return;
    }
    const auto before = Clock::now();
    trial.report(*line.step, std::move(line.values));
    deadline += Clock::now() - before;  // time in which nobody asked for more
  };
  while (const auto text = process.read()) {
    if (trial.should_stop()) return {};
    check();
    pending += *text;
    for (std::size_t end = pending.find('\n'); end != std::string::npos && !trial.should_stop(); end = pending.find('\n')) {
      const std::string line = pending.substr(0, end);
      pending.erase(0, end + 1);
      take(line);
    }
  }
  take(pending);
  std::optional<int> status;
  while (!(status = process.status())) {
    if (trial.should_stop()) return {};
    check();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  judge(*status);
  if (final.empty()) throw std::runtime_error("the program wrote no final value");
  return final;
}

}  // namespace

Study::Function program(ProgramOptions options) {
  if (trim(options.command).empty()) throw InputError("the objective's command is empty");
  return [options = std::move(options)](TrialHandle& trial) { return run(options, trial); };
}

}  // namespace lathe::nas
