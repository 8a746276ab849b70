// Runs a study: real workers around the virtual-time engine.
//
//   auto storage = memory_storage(header);
//   auto objective = objective_of([](const Point& p) { return p.real("x") * p.real("x"); });
//   StudyRun run = execute(header, *objective, *storage, {.workers = 2});
//
// Every worker does the same: bring the engine up to date with the storage, let it step, append what it decided, offer what
// may run, claim the most urgent task, run it, submit the result. There is no master: any number of processes may execute
// the same study on a shared storage, and the study does not depend on how many there are. One worker runs in the calling
// thread; `workers` − 1 further threads are started, and one more that renews leases if the storage is shared.
#pragma once
#include <lathe/nas/objective.h>
#include <lathe/nas/storage/storage.h>
#include <lathe/nas/virtual_time.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>

namespace lathe::nas {

/// A request to stop. Copies share it. Setting it is async-signal-safe.
class StopFlag {
 public:
  void request() noexcept { flag_->store(true, std::memory_order_relaxed); }
  bool requested() const noexcept { return flag_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

/// Watches a run. Calls come one at a time, from any worker's thread; they should return soon and must not call back.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void resumed(const VirtualTime&) {}                     ///< recorded events were played again; none: a new study
  virtual void committed(const Event&, const VirtualTime&) {}     ///< an event is in the log (also one that another process added)
  virtual void started(const TaskKey&, const Segment&) {}         ///< a worker of this process begins a segment
  virtual void computed(const TaskKey&, const SegmentResult&) {}  ///< its result is stored, not committed yet
  virtual void retried(const TaskKey&, const std::string&) {}     ///< infrastructure failure; the segment will run again
  virtual void refused(std::int64_t, const std::string&) {}       ///< another program's trial does not fit (foreign.h), and why
};

struct ExecutorOptions {
  int workers = 1;  ///< real ones, in this process
  int threads = 0;  ///< that they share: those that wait lend theirs (SegmentContext::threads); 0: threads_of(workers)
  StopFlag stop;    ///< finish nothing more, give tasks back, return
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();  ///< as `stop`, when it has passed
  /// Stop as soon as the log has this many events or the next batch would pass it.
  std::uint64_t until_event = std::numeric_limits<std::uint64_t>::max();
  std::int64_t extend_to = 0;  ///< raise the budget of a finished study to so many trials
  bool resume = true;          ///< false (a worker that joins): do not forget earlier infrastructure failures
  int max_failures = 3;        ///< infrastructure failures of one segment that stop the study
  std::chrono::milliseconds lease{30'000};
  std::chrono::milliseconds poll{50};  ///< how often a shared storage is asked when there is nothing to do
  std::string owner;                   ///< empty: owner_name(); must be unique among all executors that are alive
  /// Tells whether the owner of a claimed task is certainly dead, so that its tasks need not wait for their lease.
  std::function<bool(const std::string&)> owner_is_dead = nullptr;  ///< null: owner_is_dead() of this header
  CheckpointStore* checkpoints = nullptr;                           ///< null: in memory
  Observer* observer = nullptr;
  SamplerRegistry samplers = SamplerRegistry::builtin();
  PrunerRegistry pruners = PrunerRegistry::builtin();
};

/// How a run ended, and the study as far as it got.
struct StudyRun {
  bool finished = false;     ///< every trial is decided; else stopped by request, deadline or until_event
  bool exhausted = false;    ///< the space had fewer points than the budget
  std::uint64_t events = 0;  ///< commit index: the study is the prefix of this length
  std::uint64_t now = 0;     ///< virtual time
  std::string hash;          ///< study hash of that prefix
  History history;
};

/// Runs or resumes the study that lies in `storage`.
/// InputError: the storage's header differs from `header` (names the first difference), the recorded events are not what
/// this configuration gives (names the event), SpaceExhausted.
/// InfrastructureError: a segment failed `max_failures` times for reasons of the machine, or the storage failed. Everything
/// committed is kept; execute again to resume.
/// InternalError of the objective: a bug, passed on.
StudyRun execute(const StudyHeader& header, Objective& objective, Storage& storage, const ExecutorOptions& options = {});

/// "host:pid:start time:counter": unique among processes on the machines that share a storage, and again within a process.
std::string owner_name();
/// True if `owner` was made by owner_name() on this host and that process is gone. False when in doubt.
bool owner_is_dead(const std::string& owner);

}  // namespace lathe::nas
