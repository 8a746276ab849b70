// What the tests of the executor share: objectives that are late or lost, a storage whose process dies, the study that must come
// out.
#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>

#include "tests/nas/support.h"

namespace lathe::nas::test {

/// Sleeps that have nothing to do with the segment: another schedule in every run.
inline void sleep_somewhat(Random& chance, std::mutex& mutex, std::uint32_t most_us) {
  std::uint32_t us = 0;
  {
    const std::lock_guard lock(mutex);
    us = chance.below(most_us + 1);
  }
  std::this_thread::sleep_for(std::chrono::microseconds(us));
}

/// The curves of support.h, late, and sometimes lost for reasons of the machine.
class ShakyObjective final : public Objective {
 public:
  ShakyObjective(std::uint64_t schedule, std::uint32_t most_us, double failures)
      : chance_(random_key(schedule, 0, "schedule")), most_us_(most_us), failures_(failures) {}
  Plan plan(const Point& p) const override { return curve_plan(p); }
  SegmentResult run(const Point& p, const SegmentContext& c, const Checkpoint&) override {
    ++runs;
    if (most_us_) sleep_somewhat(chance_, mutex_, most_us_);
    bool fails = false;
    {
      const std::lock_guard lock(mutex_);
      fails = c.attempt == 1 && chance_.uniform() < failures_;
    }
    if (fails) throw InfrastructureError("the disk is full");
    return curve(p, c.segment, c.trial, c.seed);
  }
  std::atomic<int> runs{0};

 private:
  Random chance_;
  std::mutex mutex_;
  std::uint32_t most_us_;
  double failures_;
};

struct Killed {};  // not a std::exception: nothing may handle it

/// A storage whose process is killed at one of its calls, before or after the call took effect.
class DyingStorage final : public Storage {
 public:
  DyingStorage(Storage& storage, int calls, bool after) : storage_(storage), left_(calls), after_(after) {}
  std::string name() const override { return storage_.name(); }
  std::string header() const override { return storage_.header(); }
  bool shared() const override { return storage_.shared(); }
  std::vector<RecordedEvent> events(std::uint64_t from) override {
    return call([&] { return storage_.events(from); });
  }
  bool append(std::uint64_t from, std::span<const Event> events, const Space& space) override {
    return call([&] { return storage_.append(from, events, space); });
  }
  bool offer(std::uint64_t at, std::span<const Task> tasks) override {
    return call([&] { return storage_.offer(at, tasks); });
  }
  std::optional<Lease> claim(const std::string& owner, std::chrono::milliseconds lease, int max) override {
    return call([&] { return storage_.claim(owner, lease, max); });
  }
  int renew(const std::string& owner, std::chrono::milliseconds lease) override { return dead_ ? 0 : storage_.renew(owner, lease); }
  bool release(const Lease& lease, Release how, const std::string& reason) override {
    return call([&] { return storage_.release(lease, how, reason); });
  }
  bool submit(const Lease& lease, const SegmentResult& result) override {
    return call([&] { return storage_.submit(lease, result); });
  }
  std::vector<TaskRow> tasks() override {
    return call([&] { return storage_.tasks(); });
  }
  int abandon(const std::string& owner, const std::string& reason) override {
    return call([&] { return storage_.abandon(owner, reason); });
  }
  void reset_failures() override {
    call([&] {
      storage_.reset_failures();
      return 0;
    });
  }

 private:
  template <class F>
  std::invoke_result_t<F> call(const F& f) {
    if (dead_) throw Killed{};  // threads that outlive the kill for a moment change nothing
    if (--left_ > 0) return f();
    dead_ = true;
    if (after_) f();
    throw Killed{};
  }
  Storage& storage_;
  int left_;
  bool after_;
  std::atomic<bool> dead_{false};
};

/// Passes every call on. Shared, whatever the storage behind it says.
class StorageOver : public Storage {
 public:
  explicit StorageOver(Storage& storage) : storage_(storage) {}
  std::string name() const override { return storage_.name(); }
  std::string header() const override { return storage_.header(); }
  bool shared() const override { return true; }
  std::vector<RecordedEvent> events(std::uint64_t from) override { return storage_.events(from); }
  bool append(std::uint64_t from, std::span<const Event> events, const Space& space) override {
    return storage_.append(from, events, space);
  }
  bool offer(std::uint64_t at, std::span<const Task> tasks) override { return storage_.offer(at, tasks); }
  std::optional<Lease> claim(const std::string& owner, std::chrono::milliseconds lease, int max) override {
    return storage_.claim(owner, lease, max);
  }
  int renew(const std::string& owner, std::chrono::milliseconds lease) override { return storage_.renew(owner, lease); }
  bool release(const Lease& lease, Release how, const std::string& reason) override { return storage_.release(lease, how, reason); }
  bool submit(const Lease& lease, const SegmentResult& result) override { return storage_.submit(lease, result); }
  std::vector<TaskRow> tasks() override { return storage_.tasks(); }
  int abandon(const std::string& owner, const std::string& reason) override { return storage_.abandon(owner, reason); }
  void reset_failures() override { storage_.reset_failures(); }

 protected:
  Storage& storage_;
};

/// A storage whose log can take no more after some appends: the disk is full.
class FullStorage final : public StorageOver {
 public:
  FullStorage(Storage& storage, int appends) : StorageOver(storage), left_(appends) {}
  bool append(std::uint64_t from, std::span<const Event> events, const Space& space) override {
    if (left_-- <= 0) throw InfrastructureError("no space left on device");
    return StorageOver::append(from, events, space);
  }

 private:
  int left_;
};

/// A storage that loses leases: some can be taken over at once, some results are refused, heartbeats may not arrive.
class FickleStorage final : public StorageOver {
 public:
  FickleStorage(Storage& storage, std::uint64_t seed) : StorageOver(storage), chance_(random_key(seed, 0, "fickle")) {}
  std::optional<Lease> claim(const std::string& owner, std::chrono::milliseconds lease, int max) override {
    const bool runs_out = happens(0.2);
    return storage_.claim(owner, runs_out ? std::chrono::milliseconds(0) : lease, max);
  }
  int renew(const std::string& owner, std::chrono::milliseconds lease) override {
    return happens(0.5) ? 0 : storage_.renew(owner, lease);
  }
  bool submit(const Lease& lease, const SegmentResult& result) override {
    if (!happens(0.1)) return storage_.submit(lease, result);
    ++refused;
    storage_.release(lease, Release::failed, "the lease was lost");
    return false;
  }
  std::atomic<int> refused{0};

 private:
  bool happens(double probability) {
    const std::lock_guard lock(mutex_);
    return chance_.uniform() < probability;
  }
  std::mutex mutex_;
  Random chance_;
};

inline std::string reference_hash(const StudyHeader& header) {
  const auto storage = memory_storage(header);
  const auto objective = curve_objective();
  const StudyRun run = execute(header, *objective, *storage);
  CHECK(run.finished);
  CHECK(run.history.trials.size() == static_cast<std::size_t>(header.trials));
  return run.hash;
}

inline ExecutorOptions with_workers(int workers) {
  ExecutorOptions options;
  options.workers = workers;
  options.poll = std::chrono::milliseconds(1);
  return options;
}

/// A study of one segment a trial, x = 0 … 9.
inline StudyHeader plain_header(std::int64_t trials = 10) {
  StudyHeader header;
  header.space = SpaceBuilder().integer("x", 0, 9).build();
  header.sampler = "grid@1";
  header.trials = trials;
  return header;
}

}  // namespace lathe::nas::test
