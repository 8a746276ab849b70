#include <lathe/base/file.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lathe {
namespace {

namespace fs = std::filesystem;

/// "; did you mean x?" for a missing file, from the names in its folder.
std::string neighbour_hint(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code error;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (const auto& entry : fs::directory_iterator(folder, error)) names.push_back(entry.path().filename().string());
  if (const auto name = nearest(path.filename().string(), names))
    return "; did you mean " + (path.parent_path() / *name).string() + "?";
  return "";
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close() {
    const int fd = fd_;
    fd_ = -1;
    return ::close(fd);
  }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

[[noreturn]] void write_failed(const fs::path& path, int code) {
  throw InfrastructureError(path.string() + ": cannot write: " + std::strerror(code));
}

}  // namespace

std::string read_file(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) throw InputError(path.string() + ": no such file" + neighbour_hint(path));
    throw InputError(path.string() + ": cannot read: " + std::strerror(errno));
  }
  struct stat info {};
  if (::fstat(file.get(), &info) == 0 && S_ISDIR(info.st_mode)) throw InputError(path.string() + ": is a folder, expected a file");
  std::string bytes;
  if (info.st_size > 0) bytes.reserve(static_cast<std::size_t>(info.st_size));
  std::vector<char> buffer(1 << 16);
  for (;;) {
    const ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw InfrastructureError(path.string() + ": cannot read: " + std::strerror(errno));
    if (n == 0) return bytes;
    bytes.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

void write_file_atomic(const fs::path& path, std::string_view bytes) {
  std::string temporary = path.string() + ".XXXXXX";
  Descriptor file(::mkstemp(temporary.data()));
  if (file.get() < 0) write_failed(path, errno);
  int code = 0;
  if (!write_all(file.get(), bytes) || ::fsync(file.get()) != 0 || ::fchmod(file.get(), 0644) != 0) code = errno;
  if (file.close() != 0 && code == 0) code = errno;
  if (code == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) code = errno;
  if (code != 0) {
    ::unlink(temporary.c_str());
    write_failed(path, code);
  }
  // The rename itself must reach the disk before anyone relies on it.
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Descriptor parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.get() >= 0 && ::fsync(parent.get()) != 0 && errno != EINVAL) write_failed(path, errno);
}

void append_line(const fs::path& path, std::string_view line) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (file.get() < 0) write_failed(path, errno);
  std::string bytes(line);
  bytes += '\n';
  if (!write_all(file.get(), bytes) || file.close() != 0) write_failed(path, errno);
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!fs::is_directory(path))
    throw InputError(path.string() + ": cannot create the folder" + (error ? ": " + error.message() : ": a file is in the way"));
}

}  // namespace lathe
