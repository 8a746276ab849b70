#include <lathe/tensor/lanes.h>

#include <lathe/base/error.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace lathe {

bool runs_lanes(const Context& context) {
  return context.threads() > 1 && context.allocator().limit() == 0 && !context.check_finite() &&
         context.group() == Context::kNoGroup;
}

namespace {

/// A lane in this thread, while it lives.
class InLane {
 public:
  InLane(Context& context, Lane& lane) : before_(std::exchange(CurrentLane::here, {&context, &lane})) {}
  ~InLane() { CurrentLane::here = before_; }
  InLane(const InLane&) = delete;
  InLane& operator=(const InLane&) = delete;

 private:
  CurrentLane before_;
};

/// The exception of the lowest group.
class Failures {
 public:
  bool before(std::int64_t group) const { return lowest_.load(std::memory_order_acquire) < group; }
  void add(std::int64_t group) {
    const std::lock_guard lock(mutex_);
    if (lowest_.load(std::memory_order_relaxed) < group) return;
    lowest_.store(group, std::memory_order_release);
    failure_ = std::current_exception();
  }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::atomic<std::int64_t> lowest_{std::numeric_limits<std::int64_t>::max()};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

}  // namespace

void run_lanes(Context& context, std::int64_t groups, const std::function<void(std::int64_t)>& f) {
  LATHE_CHECK(runs_lanes(context), "groups run side by side only where runs_lanes() says so");
  const auto threads = static_cast<std::size_t>(context.threads());
  std::vector<std::unique_ptr<Lane>>& lanes = context.lanes_;
  Lane& own = context.lane();
  while (lanes.size() < threads) {
    lanes.push_back(std::make_unique<Lane>());
    lanes.back()->allocator = std::make_shared<Allocator>(0, !context.computes());
  }
  for (const auto& lane : lanes) {
    lane->rows = own.rows;
    lane->grad_mode = own.grad_mode;
    lane->sequence = own.sequence;
  }
  std::vector<std::int64_t> peaks(static_cast<std::size_t>(groups));  // of the groups' own memory
  std::atomic<std::int64_t> next{0};
  Failures failures;
  const auto work = [&](Lane& lane) {
    for (std::int64_t group; (group = next.fetch_add(1, std::memory_order_relaxed)) < groups && !failures.before(group);) {
      lane.group = group;
      lane.allocator->reset_peak();
      const std::int64_t before = lane.allocator->statistics().current;
      try {
        f(group);
      } catch (...) {
        failures.add(group);
      }
      peaks[static_cast<std::size_t>(group)] = lane.allocator->statistics().peak - before;
    }
    lane.group = Context::kNoGroup;
  };
  own.allocator->set_shared(true);
  if (context.computes()) {
    parallel(context.exec(), context.threads(), [&](std::int64_t, int thread) {
      Lane& lane = *lanes[static_cast<std::size_t>(thread)];
      const InLane in_lane(context, lane);
      work(lane);
    });
  } else {
    const InLane in_lane(context, *lanes[0]);
    work(*lanes[0]);
  }
  const std::size_t together = std::min(threads, peaks.size());
  std::partial_sort(peaks.begin(), peaks.begin() + static_cast<std::ptrdiff_t>(together), peaks.end(), std::greater<>());
  std::int64_t groups_peak = 0;
  for (std::size_t i = 0; i < together; ++i) groups_peak += peaks[i];
  own.allocator->raise_peak(own.allocator->statistics().current + groups_peak);
  own.allocator->set_shared(false);
  for (const auto& lane : lanes) {
    own.flops.add(lane->flops);
    lane->flops.reset();
    own.sequence = std::max(own.sequence, lane->sequence);
  }
  failures.rethrow();
}

LastingMemory::LastingMemory(Context& context) : lane_(context.lane()), before_(lane_.allocator) {
  lane_.allocator = context.own_.allocator;
}
LastingMemory::~LastingMemory() { lane_.allocator = std::move(before_); }

}  // namespace lathe
