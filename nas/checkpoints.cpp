#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/nas/objective.h>

#include <filesystem>
#include <map>
#include <mutex>

namespace lathe::nas {
namespace {

class MemoryCheckpoints final : public CheckpointStore {
 public:
  std::optional<std::pair<int, std::string>> load(std::int64_t trial, int segment) override {
    const std::lock_guard lock(mutex_);
    const auto found = states_.find(trial);
    if (found == states_.end()) return std::nullopt;
    auto after = found->second.upper_bound(segment);
    if (after == found->second.begin()) return std::nullopt;
    return *--after;
  }

  void save(std::int64_t trial, int segment, std::string bytes) override {
    const std::lock_guard lock(mutex_);
    auto& states = states_[trial];
    states[segment] = std::move(bytes);
    while (states.size() > 2) states.erase(states.begin());
  }

  void drop(std::int64_t trial) override {
    const std::lock_guard lock(mutex_);
    states_.erase(trial);
  }

 private:
  std::mutex mutex_;
  std::map<std::int64_t, std::map<int, std::string>> states_;
};

// trial-<n>-<segment>.ckpt. Several processes may share the folder: a file is complete or absent, and equal work writes equal
// bytes, so it does not matter who wrote it.
class FileCheckpoints final : public CheckpointStore {
 public:
  explicit FileCheckpoints(const std::string& folder) : folder_(folder) { make_folder(folder_); }

  std::optional<std::pair<int, std::string>> load(std::int64_t trial, int segment) override {
    const auto saved = segments(trial);
    auto after = saved.upper_bound(segment);
    while (after != saved.begin()) {
      --after;
      try {
        return std::pair{after->first, read_file(after->second)};
      } catch (const Error&) {
        continue;  // dropped by another process since it was listed; an older one, or none, will do: it is a cache
      }
    }
    return std::nullopt;
  }

  void save(std::int64_t trial, int segment, std::string bytes) override {
    write_file_atomic(folder_ / str("trial-", trial, "-", segment, ".ckpt"), bytes);
    const auto saved = segments(trial);
    std::size_t left = saved.size();
    for (auto it = saved.begin(); left > 2; ++it, --left) remove(it->second);
  }

  void drop(std::int64_t trial) override {
    for (const auto& [segment, path] : segments(trial)) remove(path);
  }

 private:
  static void remove(const std::filesystem::path& path) {
    std::error_code gone_already;
    std::filesystem::remove(path, gone_already);
  }

  std::map<int, std::filesystem::path> segments(std::int64_t trial) const {
    const std::string prefix = str("trial-", trial, "-"), suffix = ".ckpt";
    std::map<int, std::filesystem::path> found;
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (!name.starts_with(prefix) || !name.ends_with(suffix) || name.size() <= prefix.size() + suffix.size()) continue;
      const auto segment = parse_int(std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
      if (segment && *segment >= 0 && *segment <= 1'000'000'000) found[static_cast<int>(*segment)] = it->path();
    }
    if (error) throw InfrastructureError(str(folder_.string(), ": cannot list the checkpoints: ", error.message()));
    return found;
  }

  std::filesystem::path folder_;
};

}  // namespace

std::unique_ptr<CheckpointStore> memory_checkpoints() { return std::make_unique<MemoryCheckpoints>(); }
std::unique_ptr<CheckpointStore> file_checkpoints(const std::string& folder) { return std::make_unique<FileCheckpoints>(folder); }

}  // namespace lathe::nas
