#include "tests/storage/proxy.h"

#include <lathe/base/error.h>

#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace lathe::test {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw InfrastructureError("the path of a socket is too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

bool send_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

Proxy::Proxy(std::string server) : server_(std::move(server)) {
  const sockaddr_un address = address_of((folder_ / ".s.PGSQL.5432").string());
  listener_ = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(listener_, 8) != 0)
    throw InfrastructureError("cannot listen on a socket");
  thread_ = std::thread([this] { serve(); });
}

Proxy::~Proxy() {
  ended_ = true;
  thread_.join();
  close(listener_);
}

/// One client at a time: a backend has one connection.
void Proxy::serve() {
  while (!ended_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (held_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    if (poll(&waiting, 1, 20) <= 0) continue;
    const int client = accept(listener_, nullptr, nullptr);
    if (client < 0) continue;
    forward(client);
    close(client);
  }
}

Proxy::Cut Proxy::decide() {
  Cut cut = cut_.exchange(Cut::none);
  if (every_ > 0 && ++commits_ % every_ == 0) cut = cuts_ % 2 ? Cut::before_commit : Cut::after_commit;
  if (cut != Cut::none) ++cuts_;
  return cut;
}

void Proxy::forward(int client) {
  const int server = socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un address = address_of(server_);
  bool open = connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, deaf = false;
  char buffer[65536];
  while (open && !ended_) {
    pollfd ends[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    if (poll(ends, 2, 20) <= 0) continue;
    for (int i = 0; open && i < 2; ++i) {
      if (ends[i].revents == 0) continue;
      const ssize_t got = read(ends[i].fd, buffer, sizeof buffer);
      if (got <= 0) {
        open = false;
        break;
      }
      const std::string_view bytes(buffer, static_cast<std::size_t>(got));
      if (i == 1) {
        if (deaf) open = false;  // the server's answer to COMMIT: carried out, and nobody is told
        if (open) open = send_all(client, bytes);
        continue;
      }
      const Cut cut = bytes.find(std::string_view("COMMIT\0", 7)) == std::string_view::npos ? Cut::none : decide();
      if (cut == Cut::before_commit) open = false;
      if (cut == Cut::after_commit) deaf = true;
      if (open) open = send_all(server, bytes);
    }
  }
  close(server);
}

}  // namespace lathe::test
