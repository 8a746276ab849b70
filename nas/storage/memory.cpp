#include <lathe/nas/storage/memory.h>

#include <lathe/base/text.h>

#include <chrono>
#include <map>
#include <mutex>

namespace lathe::nas {
namespace {

struct Entry {
  TaskRow row;
  std::int64_t deadline = 0;
};

struct StudyData {
  std::mutex mutex;
  std::string name, header;
  std::vector<RecordedEvent> log;
  std::map<TaskKey, Entry> tasks;
  std::int64_t trials = 0;
};

class MemoryStorage final : public Storage {
 public:
  MemoryStorage(std::shared_ptr<StudyData> data, bool shared, ClockMs clock)
      : data_(std::move(data)), shared_(shared), clock_(std::move(clock)) {}

  std::string name() const override { return data_->name; }
  std::string header() const override { return data_->header; }
  bool shared() const override { return shared_; }

  std::vector<RecordedEvent> events(std::uint64_t from) override {
    const std::lock_guard lock(data_->mutex);
    if (from >= data_->log.size()) return {};
    return {data_->log.begin() + static_cast<std::ptrdiff_t>(from), data_->log.end()};
  }

  bool append(std::uint64_t from, std::span<const Event> events, const Space&) override {
    const std::lock_guard lock(data_->mutex);
    if (data_->log.size() != from) return false;
    for (const Event& event : events) {
      data_->log.push_back(record(event));
      if (event.kind == Event::Kind::propose) ++data_->trials;
      if (event.kind == Event::Kind::report) data_->tasks.erase({event.trial, event.segment});
      if (event.kind == Event::Kind::finish)
        data_->tasks.erase(data_->tasks.lower_bound({event.trial, 0}), data_->tasks.lower_bound({event.trial + 1, 0}));
    }
    return true;
  }

  bool offer(std::uint64_t at, std::span<const Task> tasks) override {
    const std::lock_guard lock(data_->mutex);
    if (data_->log.size() != at) return false;
    for (const Task& task : tasks) {
      Entry entry;
      entry.row.task = task;
      data_->tasks.emplace(task.key, std::move(entry));
    }
    return true;
  }

  std::optional<Lease> claim(const std::string& owner, std::chrono::milliseconds lease, int max_failures) override {
    const std::lock_guard lock(data_->mutex);
    const std::int64_t now = clock_();
    // Only the task that is taken loses its lease: another one that ran out may still be submitted by its owner.
    Entry* best = nullptr;
    for (;;) {
      best = nullptr;
      for (auto& [key, entry] : data_->tasks) {  // by key, so that the first of equal priority wins
        const bool expired = entry.row.state == TaskState::claimed && entry.deadline <= now;
        if (!expired && (entry.row.state != TaskState::ready || entry.row.failures >= max_failures)) continue;
        if (!best || entry.row.task.priority < best->row.task.priority) best = &entry;
      }
      if (!best) return std::nullopt;
      if (best->row.state == TaskState::claimed) give_back(*best, str("lease of ", best->row.owner, " ran out"), true);
      if (best->row.failures < max_failures) break;
    }
    best->row.state = TaskState::claimed;
    best->row.owner = owner;
    best->deadline = now + lease.count();
    return Lease{best->row.task.key, owner, ++best->row.attempt};
  }

  int renew(const std::string& owner, std::chrono::milliseconds lease) override {
    const std::lock_guard lock(data_->mutex);
    int count = 0;
    for (auto& [key, entry] : data_->tasks)
      if (entry.row.state == TaskState::claimed && entry.row.owner == owner) {
        entry.deadline = clock_() + lease.count();
        ++count;
      }
    return count;
  }

  bool release(const Lease& lease, Release how, const std::string& reason) override {
    const std::lock_guard lock(data_->mutex);
    Entry* entry = current(lease);
    if (entry) give_back(*entry, reason, how == Release::failed);
    return entry != nullptr;
  }

  bool submit(const Lease& lease, const SegmentResult& result) override {
    const std::lock_guard lock(data_->mutex);
    Entry* entry = current(lease);
    if (!entry) return false;
    entry->row.state = TaskState::done;
    entry->row.owner.clear();
    entry->row.result = result;
    return true;
  }

  std::vector<TaskRow> tasks() override {
    const std::lock_guard lock(data_->mutex);
    std::vector<TaskRow> out;
    for (const auto& [key, entry] : data_->tasks) out.push_back(entry.row);
    return out;
  }

  int abandon(const std::string& owner, const std::string& reason) override {
    const std::lock_guard lock(data_->mutex);
    int count = 0;
    for (auto& [key, entry] : data_->tasks)
      if (entry.row.state == TaskState::claimed && entry.row.owner == owner) {
        give_back(entry, reason, true);
        ++count;
      }
    return count;
  }

  void reset_failures() override {
    const std::lock_guard lock(data_->mutex);
    for (auto& [key, entry] : data_->tasks) entry.row.failures = 0;
  }

 private:
  static void give_back(Entry& entry, const std::string& reason, bool failed) {
    entry.row.state = TaskState::ready;
    if (failed) {
      ++entry.row.failures;
      entry.row.reason = reason;
    }
    entry.row.owner.clear();
  }

  Entry* current(const Lease& lease) {
    const auto found = data_->tasks.find(lease.key);
    if (found == data_->tasks.end()) return nullptr;
    const TaskRow& row = found->second.row;
    const bool same = row.state == TaskState::claimed && row.owner == lease.owner && row.attempt == lease.attempt;
    return same ? &found->second : nullptr;
  }

  std::shared_ptr<StudyData> data_;
  bool shared_;
  ClockMs clock_;
};

std::shared_ptr<StudyData> make_data(const StudyHeader& header) {
  header.check();
  auto data = std::make_shared<StudyData>();
  data->name = header.name;
  data->header = header.json();
  return data;
}

class MemoryBackend final : public Backend {
 public:
  explicit MemoryBackend(ClockMs clock) : clock_(std::move(clock)) {}

  std::vector<StudySummary> studies() override {
    std::vector<StudySummary> out;
    for (const auto& [name, data] : studies_) {
      const std::lock_guard lock(data->mutex);
      out.push_back({name, data->header, data->trials, data->log.size()});
    }
    return out;
  }

  std::unique_ptr<Storage> create(const StudyHeader& header) override {
    if (studies_.count(header.name)) throw InputError(str("study `", header.name, "` exists already"));
    auto data = make_data(header);
    studies_[header.name] = data;
    return std::make_unique<MemoryStorage>(std::move(data), true, clock_);
  }

  std::unique_ptr<Storage> open(const std::string& name) override {
    const auto found = studies_.find(name);
    if (found != studies_.end()) return std::make_unique<MemoryStorage>(found->second, true, clock_);
    std::vector<std::string> names;
    for (const auto& [known, data] : studies_) names.push_back(known);
    std::string message = str("there is no study `", name, "`");
    if (const auto close = nearest(name, names)) message += str("; did you mean `", *close, "`?");
    throw InputError(message);
  }

  void remove(const std::string& name) override {
    open(name);  // throws, with the nearest name
    studies_.erase(name);
  }

 private:
  std::map<std::string, std::shared_ptr<StudyData>> studies_;
  ClockMs clock_;
};

}  // namespace

// Storages that only lathe writes to hold no studies of others.
ForeignStudy Backend::foreign_study(const std::string& name) {
  open(name);
  throw InputError(str("study `", name, "` was made by lathe"));
}
std::unique_ptr<Storage> Backend::take_over(const StudyHeader& header) {
  open(header.name);
  throw InputError(str("study `", header.name, "` was made by lathe"));
}

ClockMs steady_clock_ms() {
  return [] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
}

std::unique_ptr<Storage> memory_storage(const StudyHeader& header, bool shared, ClockMs clock) {
  return std::make_unique<MemoryStorage>(make_data(header), shared, std::move(clock));
}

std::unique_ptr<Backend> memory_backend(ClockMs clock) { return std::make_unique<MemoryBackend>(std::move(clock)); }

}  // namespace lathe::nas
