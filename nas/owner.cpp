// Names of the processes that hold leases, and whether they still live (POSIX; start times and namespaces from Linux' /proc).
#include <lathe/base/text.h>
#include <lathe/nas/executor.h>

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <sstream>

namespace lathe::nas {
namespace {

struct Process {
  bool readable = false, dead = false;
  std::string start = "0";
};

// State and start time (clock ticks since boot) are fields 3 and 22 of /proc/<pid>/stat; field 2, the command, is in
// parentheses and may hold anything.
Process process(std::int64_t pid) {
  Process out;
  std::ifstream file(str("/proc/", pid, "/stat"));
  std::stringstream text;
  text << file.rdbuf();
  const std::string content = text.str();
  const auto close = content.rfind(')');
  if (!file || close == std::string::npos || close + 2 >= content.size()) return out;
  const auto fields = split(std::string_view(content).substr(close + 2), ' ');
  if (fields.size() < 20) return out;
  out.readable = true;
  out.dead = fields[0] == "Z" || fields[0] == "X";  // killed, but its parent has not asked yet
  out.start = std::string(fields[19]);
  return out;
}

// Process numbers mean something only within one host and one process namespace (container).
std::string place() {
  std::array<char, 256> host{}, space{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {'?'};
  const auto length = readlink("/proc/self/ns/pid", space.data(), space.size() - 1);
  std::string out = str(host.data(), "/");
  for (const char c : std::string_view(space.data(), length > 0 ? static_cast<std::size_t>(length) : 0))
    if (c >= '0' && c <= '9') out += c;
  for (char& c : out)
    if (c == ':' || c == ' ') c = '_';
  return out;
}

}  // namespace

std::string owner_name() {
  static std::atomic<std::uint64_t> counter{0};  // tells the executors of one process apart; nothing else depends on it
  return str(place(), ":", static_cast<std::int64_t>(getpid()), ":", process(getpid()).start, ":", ++counter);
}

bool owner_is_dead(const std::string& owner) {
  const auto parts = split(owner, ':');
  if (parts.size() != 4 || parts[0] != place()) return false;
  const auto pid = parse_int(parts[1]);
  if (!pid || *pid <= 0) return false;
  if (kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH) return true;
  const Process now = process(*pid);
  return now.readable && (now.dead || now.start != parts[2]);
}

}  // namespace lathe::nas
