#include "tests/storage/server.h"

#include <lathe/base/error.h>
#include <lathe/nas/storage/postgresql_connection.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <memory>
#include <thread>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lathe::test {
namespace {

constexpr const char* kUser = "postgres";  // of the system, when the tests run as root: the server refuses to be root

/// The newest of Debian's, or LATHE_POSTGRESQL_BIN.
std::string bin_folder() {
  if (const char* named = std::getenv("LATHE_POSTGRESQL_BIN")) return named;
  std::string best;
  int newest = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
    const int version = std::atoi(entry.path().filename().c_str());
    if (version > newest && std::filesystem::exists(entry.path() / "bin" / "initdb", error)) {
      newest = version;
      best = (entry.path() / "bin").string();
    }
  }
  return best;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

std::string PostgresServer::missing() {
  if (bin_folder().empty()) return "no PostgreSQL server (Debian: postgresql, or LATHE_POSTGRESQL_BIN names the folder of initdb)";
  if (geteuid() == 0 && !getpwnam(kUser)) return "PostgreSQL does not run as root, and there is no user postgres";
  return "";
}

PostgresServer* PostgresServer::instance() {
  static const std::unique_ptr<PostgresServer> server(missing().empty() ? new PostgresServer : nullptr);
  return server.get();
}

PostgresServer::PostgresServer() : bin_(bin_folder()), owner_(getpid()) {
  if (geteuid() == 0) {
    const passwd* user = getpwnam(kUser);
    if (chown(folder_.path().c_str(), user->pw_uid, user->pw_gid) != 0) throw InfrastructureError("cannot give the folder away");
  }
  const pid_t initdb =
      launch("initdb", {"-D", (folder_ / "data").string(), "-U", "lathe", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"});
  int status = 0;
  waitpid(initdb, &status, 0);
  if (status != 0) throw InfrastructureError("initdb failed: " + text_of(folder_ / "log"));
  start();
}

PostgresServer::~PostgresServer() {
  if (getpid() == owner_) stop(Stop::crash);
}

pid_t PostgresServer::launch(const char* program, const std::vector<std::string>& arguments) const {
  const std::string path = bin_ + "/" + program, log = (folder_ / "log").string();
  std::vector<char*> argv{const_cast<char*>(path.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const passwd* user = geteuid() == 0 ? getpwnam(kUser) : nullptr;
  const pid_t child = fork();
  if (child != 0) return child;
  const auto require = [](bool ok) {
    if (!ok) _exit(71);
  };
  if (user) require(setgroups(0, nullptr) == 0 && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0);
  prctl(PR_SET_PDEATHSIG, SIGQUIT);  // ends with the test, even if that is killed
  setsid();                          // a Ctrl-C is for the test
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), in = open("/dev/null", O_RDONLY);
  require(out >= 0 && in >= 0 && dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2 && chdir("/") == 0);
  execv(path.c_str(), argv.data());
  _exit(72);
}

void PostgresServer::start() {
  const std::string folder = folder_.path().string();
  server_ = launch("postgres", {"-D", folder + "/data", "-k", folder, "-c", "listen_addresses=", "-c", "max_connections=60"});
  // After a crash the server first syncs every file of its folder, which takes a busy disk a minute.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(4);
  while (std::chrono::steady_clock::now() < deadline) {
    try {
      nas::PostgresqlConnection(url("postgres"), "test server").open(std::chrono::seconds(5));
      started_ = std::chrono::steady_clock::now();
      return;
    } catch (const InfrastructureError&) {
      if (waitpid(server_, nullptr, WNOHANG) == server_) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  throw InfrastructureError("the PostgreSQL server did not start: " + text_of(folder_ / "log"));
}

void PostgresServer::stop(Stop how) {
  if (server_ <= 0) return;
  kill(server_, how == Stop::fast ? SIGINT : SIGQUIT);
  waitpid(server_, nullptr, 0);
  server_ = -1;
}

void PostgresServer::wait_for_uptime(std::chrono::milliseconds uptime) const { std::this_thread::sleep_until(started_ + uptime); }

std::string PostgresServer::url(const std::string& database) const {
  return "postgresql://lathe@/" + database + "?host=" + folder_.path().string();
}

std::string PostgresServer::fresh_database() {
  const std::string name = "test" + std::to_string(++databases_);
  nas::PostgresqlConnection connection(url("postgres"), "test server");
  connection.open(std::chrono::seconds(10));
  connection.run("CREATE DATABASE " + name);
  return url(name);
}

}  // namespace lathe::test
