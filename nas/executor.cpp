#include <lathe/nas/executor.h>

#include <lathe/base/text.h>
#include <lathe/nas/event_reader.h>
#include <lathe/nas/foreign.h>
#include <lathe/nas/thread_share.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <set>
#include <system_error>
#include <thread>

namespace lathe::nas {
namespace {

/// What became of one run of a segment.
struct Attempt {
  enum class End { result, interrupted, machine, bug };
  End end = End::result;
  SegmentResult result;
  std::string reason;        // machine
  std::exception_ptr error;  // bug
};

std::string one_line(std::string text) {
  for (char& c : text)
    if (c == '\n' || c == '\r') c = ' ';
  return text;
}

Attempt run_segment(Objective& objective, const Point& point, const SegmentContext& context, const Checkpoint& checkpoint) {
  const auto outcome = [](Failure why, const char* what) {
    return Attempt{Attempt::End::result, SegmentResult::failed(why, one_line(what)), {}, {}};
  };
  const auto machine = [](const char* what) { return Attempt{Attempt::End::machine, {}, one_line(what), {}}; };
  try {
    return {Attempt::End::result, objective.run(point, context, checkpoint), {}, {}};
  } catch (const Interrupted&) {
    return {Attempt::End::interrupted, {}, {}, {}};
  } catch (const NonFiniteError& e) {
    return outcome(Failure::non_finite, e.what());
  } catch (const MemoryLimitError& e) {
    return outcome(Failure::memory_limit, e.what());
  } catch (const InfrastructureError& e) {
    return machine(e.what());
  } catch (const InternalError&) {
    return {Attempt::End::bug, {}, {}, std::current_exception()};
  } catch (const std::bad_alloc&) {
    return machine("out of memory");
  } catch (const std::system_error& e) {  // files and streams of the standard library throw these
    return machine(e.what());
  } catch (const std::exception& e) {
    return outcome(Failure::error, e.what());
  } catch (...) {
    return outcome(Failure::error, "an exception of unknown type");
  }
}

constexpr auto kForeignPoll = std::chrono::seconds(1);  // how often other programs' trials are looked for

/// One call of execute(). `mutex_` guards everything but the running of segments.
class Run {
 public:
  Run(const StudyHeader& header, Objective& objective, Storage& storage, const ExecutorOptions& options)
      : objective_(objective),
        storage_(storage),
        options_(options),
        owner_(options.owner.empty() ? owner_name() : options.owner),
        share_(options.threads > 0 ? options.threads : threads_of(options.workers)),
        own_checkpoints_(options.checkpoints ? nullptr : memory_checkpoints()),
        checkpoints_(options.checkpoints ? options.checkpoints : own_checkpoints_.get()),
        observer_(options.observer ? options.observer : &silent_),
        engine_(new_engine(header)) {}

  StudyRun execute() {
    if (options_.workers < 1) throw InputError(str("workers is ", options_.workers, ", expected at least 1"));
    const std::string header = engine_.header().json();
    if (const auto difference = header_difference(storage_.header(), header))
      throw InputError(str("study `", storage_.name(), "` was made with another configuration: ", *difference));
    try {
      resume();
      work();
    } catch (...) {
      fail(std::current_exception());
    }
    try {
      storage_.settle();
    } catch (...) {
      fail(std::current_exception());
    }
    if (error_) std::rethrow_exception(error_);
    return summary(header);
  }

 private:
  VirtualTime new_engine(const StudyHeader& header) {
    return VirtualTime(
        header, [this](const Point& p) { return objective_.plan(p); }, [this](const Point& p) { return objective_.refuse(p); },
        options_.samplers, options_.pruners);
  }

  // ---- start and end

  void resume() {
    const auto recorded = storage_.events(0);
    const auto replayed = engine_.replay(recorded);
    observer_->resumed(engine_);
    append({replayed.events.begin() + static_cast<std::ptrdiff_t>(replayed.recorded), replayed.events.end()});
    // Nobody else works on a storage that is not shared: whoever holds a task there is gone.
    for (const TaskRow& row : storage_.tasks())
      if (row.state == TaskState::claimed && row.owner != owner_ && (!storage_.shared() || dead(row.owner)))
        storage_.abandon(row.owner, str("worker ", row.owner, " died"));
    if (options_.resume) storage_.reset_failures();
    take_results();
    take_up_foreign();
    // Again, if another process was faster with something else.
    while (engine_.finished() && options_.extend_to > engine_.budget()) append(engine_.extend(options_.extend_to));
  }

  void work() {
    std::vector<std::thread> threads;
    std::thread heartbeat;
    try {
      if (storage_.shared()) heartbeat = std::thread([this] { renew_leases(); });
      for (int i = 1; i < options_.workers; ++i) threads.emplace_back([this] { worker(); });
    } catch (const std::system_error& e) {
      fail(std::make_exception_ptr(InfrastructureError(str("cannot start a worker thread: ", e.what()))));
    }
    worker();
    for (std::thread& thread : threads) thread.join();
    {
      const std::lock_guard lock(mutex_);
      workers_done_ = true;
    }
    heartbeat_.notify_all();
    if (heartbeat.joinable()) heartbeat.join();
  }

  StudyRun summary(const std::string& header) {
    StudyRun run;
    run.events = limit_ ? limit_->events : engine_.events();
    run.now = limit_ ? limit_->now : engine_.now();
    auto events = storage_.events(0);
    if (events.size() > run.events) events.resize(static_cast<std::size_t>(run.events));
    run.hash = study_hash(header, events);
    run.finished = engine_.finished() && !limit_;
    run.exhausted = engine_.exhausted() && !limit_;
    run.history = limit_ ? read_history(engine_.header().space, events) : engine_.history();
    return run;
  }

  void fail(std::exception_ptr error) {
    ended_.store(true, std::memory_order_relaxed);  // first: who holds the lock may be waiting for events that never come
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    end();
  }

  void end() {  // with the lock held
    ended_.store(true, std::memory_order_relaxed);
    changed_.notify_all();
  }

  bool stopping() const {
    return ended_.load(std::memory_order_relaxed) || options_.stop.requested() ||
           std::chrono::steady_clock::now() >= options_.deadline;
  }

  bool dead(const std::string& owner) const {
    return options_.owner_is_dead ? options_.owner_is_dead(owner) : owner_is_dead(owner);
  }

  // ---- keeping engine and storage together; with the lock held

  void tell(const Event& event) {
    if (event.kind == Event::Kind::finish) checkpoints_->drop(event.trial);
    observer_->committed(event, engine_);
  }

  /// Adds what the engine decided to the log. If another process was faster, its events must be the same.
  void append(const std::vector<Event>& batch) {
    if (batch.empty()) return;
    const std::uint64_t from = batch.front().index;
    if (!storage_.append(from, batch, engine_.header().space)) {
      const auto recorded = storage_.events(from);
      if (recorded.empty())
        throw InfrastructureError(str("the log of study `", storage_.name(), "` has lost events: ", from, " were expected"));
      if (comes_from_outside(batch[0].kind) || comes_from_outside(read_event(recorded[0].line).kind)) return start_over(from);
      for (std::size_t i = 0; i < std::min(batch.size(), recorded.size()); ++i)
        if (recorded[i].line != batch[i].line())
          throw InputError(str("event ", from + i, ": another process recorded `", recorded[i].line, "`, this one gives `",
                               batch[i].line(), "`"));
      if (recorded.size() < batch.size()) throw InfrastructureError(str("event ", from, ": another process recorded half a step"));
      for (const Event& event : batch) tell(event);
      catch_up(std::span(recorded).subspan(batch.size()));
      return;
    }
    for (const Event& event : batch) tell(event);
  }

  /// The log got an event from outside where the engine had decided without it, or the other way round: decides anew from the log,
  /// event `from` on.
  void start_over(std::uint64_t from) {
    engine_ = new_engine(engine_.header());
    const auto replayed = engine_.replay(storage_.events(0));
    for (std::size_t i = static_cast<std::size_t>(from); i < replayed.recorded; ++i) tell(replayed.events[i]);
    append({replayed.events.begin() + static_cast<std::ptrdiff_t>(replayed.recorded), replayed.events.end()});
    take_results();
    changed_.notify_all();
  }

  void catch_up(std::span<const RecordedEvent> recorded) {
    if (recorded.empty()) return;
    const auto replayed = engine_.replay(recorded);
    for (std::size_t i = 0; i < replayed.recorded; ++i) tell(replayed.events[i]);
    append({replayed.events.begin() + static_cast<std::ptrdiff_t>(replayed.recorded), replayed.events.end()});
    changed_.notify_all();
  }

  void take_results() {
    for (const TaskRow& row : storage_.tasks()) {
      if (row.result && static_cast<std::size_t>(row.task.key.trial) < engine_.history().trials.size())
        engine_.submit(row.task.key, *row.result);
      if (row.state == TaskState::ready && row.failures >= options_.max_failures)
        throw InfrastructureError(str("segment ", row.task.key.segment, " of trial ", row.task.key.trial, " failed ", row.failures,
                                      " times for reasons of the machine, at last: ", row.reason));
    }
  }

  /// Adopts and enqueues what other programs left in the study.
  void take_up_foreign() {
    const auto begin = std::chrono::steady_clock::now();
    const auto trials = storage_.foreign_trials();
    const auto end = std::chrono::steady_clock::now();
    look_again_ =
        end + std::max<std::chrono::steady_clock::duration>(kForeignPoll, 50 * (end - begin));  // large studies: less often
    for (const ForeignTrial& trial : trials)
      while (!taken_up(engine_, trial) && !unfit_.count({trial.number, trial.state}) && engine_.events() < options_.until_event) {
        std::vector<Event> batch;
        try {
          batch = take_up(engine_, trial);
        } catch (const InputError& e) {
          unfit_.emplace(trial.number, trial.state);
          observer_->refused(trial.number, e.what());
          continue;
        }
        append(batch);  // another process may have been faster, with something else: then once more
      }
  }

  /// Lets the study go as far as the results allow and offers what may run. False: finished, or time to stop.
  bool advance() {
    for (;;) {
      if (stopping()) return false;
      if (storage_.shared()) {
        catch_up(storage_.events(engine_.events()));
        take_results();
        if (std::chrono::steady_clock::now() > look_again_) take_up_foreign();
      }
      while (!engine_.finished()) {
        if (stopping() || engine_.events() >= options_.until_event) return false;
        const Limit before{engine_.events(), engine_.now()};
        const auto batch = engine_.step();
        if (batch.empty()) break;
        if (engine_.events() > options_.until_event) {
          limit_ = before;
          return false;
        }
        append(batch);
        changed_.notify_all();
      }
      if (engine_.finished()) return false;
      std::vector<Task> fresh;
      for (const Task& task : engine_.tasks())
        if (!offered_.count(task.key)) fresh.push_back(task);
      if (fresh.empty()) return true;
      if (storage_.offer(engine_.events(), fresh)) {
        for (const Task& task : fresh) offered_.insert(task.key);
        changed_.notify_all();
        return true;
      }
      if (!storage_.shared()) throw InfrastructureError(str("study `", storage_.name(), "` was changed by another process"));
    }
  }

  // ---- workers

  void worker() {
    try {
      std::unique_lock lock(mutex_);
      while (!ended_.load(std::memory_order_relaxed)) {
        if (!advance()) return end();
        const auto lease = storage_.claim(owner_, options_.lease, options_.max_failures);
        if (!lease)
          idle(lock);
        else
          run(*lease, lock);
      }
    } catch (...) {
      fail(std::current_exception());
    }
  }

  void idle(std::unique_lock<std::mutex>& lock) {
    take_results();  // throws if a task has failed too often
    if (storage_.shared())
      for (const TaskRow& row : storage_.tasks())
        if (row.state == TaskState::claimed && row.owner != owner_ && dead(row.owner)) {
          storage_.abandon(row.owner, str("worker ", row.owner, " died"));
          return;
        }
    changed_.wait_for(lock, options_.poll);
  }

  void run(const Lease& lease, std::unique_lock<std::mutex>& lock) {
    const auto number = static_cast<std::size_t>(lease.key.trial);
    if (number >= engine_.history().trials.size()) catch_up(storage_.events(engine_.events()));  // proposed by another process
    LATHE_CHECK(number < engine_.history().trials.size(), str("a task of trial ", lease.key.trial, " precedes its proposal"));
    const Trial& trial = engine_.history().trials[number];
    const Point point = trial.point;
    SegmentContext context;
    context.trial = lease.key.trial;
    context.index = lease.key.segment;
    context.segment = trial.plan.segments.at(static_cast<std::size_t>(lease.key.segment));
    context.seed = engine_.header().seed;
    context.attempt = lease.attempt;
    context.stop_requested = [this] { return stopping(); };
    context.threads = [this] { return share_.each(); };
    observer_->started(lease.key, context.segment);
    std::optional<ThreadShare::Use> use(share_);
    lock.unlock();
    Attempt attempt = run_segment(objective_, point, context, Checkpoint(checkpoints_, lease.key.trial, lease.key.segment));
    use.reset();
    lock.lock();
    settle(lease, std::move(attempt));
  }

  void settle(const Lease& lease, Attempt attempt) {
    switch (attempt.end) {
      case Attempt::End::result:
        submit(lease, std::move(attempt.result));
        break;
      case Attempt::End::interrupted:
        if (stopping())
          storage_.release(lease, Release::stopped, "stopped on request");
        else
          submit(lease, SegmentResult::failed(Failure::error, "the objective stopped without being asked to"));
        break;
      case Attempt::End::machine:
        if (storage_.release(lease, Release::failed, attempt.reason)) observer_->retried(lease.key, attempt.reason);
        take_results();
        break;
      case Attempt::End::bug:
        storage_.release(lease, Release::stopped, "internal error");
        std::rethrow_exception(attempt.error);
    }
    // A trial that was stopped while its segment ran may have left a checkpoint behind.
    const Trial& trial = engine_.history().trials[static_cast<std::size_t>(lease.key.trial)];
    if (trial.state != TrialState::running) checkpoints_->drop(trial.number);
    changed_.notify_all();
  }

  void submit(const Lease& lease, SegmentResult result) {
    try {
      result = checked(std::move(result), engine_.header().directions.size(), engine_.header().constraints.size());
    } catch (const InputError&) {
      storage_.release(lease, Release::stopped, "malformed result");
      throw;
    }
    if (!storage_.submit(lease, result)) return;  // cut off, or the lease went to another worker: the result comes to nothing
    observer_->computed(lease.key, result);
    engine_.submit(lease.key, std::move(result));
  }

  /// Runs in a thread of its own until every worker is done, so that a long segment keeps its lease.
  void renew_leases() {
    try {
      std::unique_lock lock(mutex_);
      while (!heartbeat_.wait_for(lock, options_.lease / 3, [this] { return workers_done_; }))
        storage_.renew(owner_, options_.lease);
    } catch (...) {
      fail(std::current_exception());
    }
  }

  Objective& objective_;
  Storage& storage_;
  const ExecutorOptions& options_;
  const std::string owner_;
  ThreadShare share_;
  Observer silent_;
  std::unique_ptr<CheckpointStore> own_checkpoints_;
  CheckpointStore* checkpoints_;
  Observer* observer_;

  std::mutex mutex_;
  std::condition_variable changed_, heartbeat_;
  VirtualTime engine_;
  std::set<TaskKey> offered_;
  std::set<std::pair<std::int64_t, ForeignTrial::State>> unfit_;  // trials of other programs that do not fit
  std::chrono::steady_clock::time_point look_again_;
  std::exception_ptr error_;
  std::atomic<bool> ended_{false};
  bool workers_done_ = false;
  struct Limit {  // until_event lay inside a batch: the engine is that batch ahead of the study
    std::uint64_t events, now;
  };
  std::optional<Limit> limit_;
};

}  // namespace

StudyRun execute(const StudyHeader& header, Objective& objective, Storage& storage, const ExecutorOptions& options) {
  return Run(header, objective, storage, options).execute();
}

}  // namespace lathe::nas
