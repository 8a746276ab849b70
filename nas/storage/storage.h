// Where a study lives. Implemented in memory, on SQLite and on PostgreSQL.
//
// A storage holds two things:
//
// 1. The *log*: the study's events, numbered from 0 without gaps. append() adds a batch (everything that happens at one
//    virtual time) in one transaction, if the log still ends where the caller believes it does (compare-and-swap on the
//    log's length). Any number of processes may therefore drive one study: they compute the same batch, one of them
//    appends it, the others find it there and compare. The same transaction shows the events to the outside: a proposal
//    becomes a RUNNING trial with all its parameters, a report an intermediate value, a finish the trial's end.
// 2. The *tasks*: segments that may run, keyed (trial, segment). A worker claims one by compare-and-swap for a limited
//    time (lease), renews while it works, and submits the result. Owner and attempt must match (fencing), so a worker
//    that lost its lease cannot write.
//
// What a crash leaves behind, and why nothing is lost:
//   before append          nothing; the batch is computed again from results that lie in the tasks
//   after append           trials without tasks; offer() is repeated on resume and ignores tasks that exist
//   while a segment runs   a claimed task; its lease runs out (or its owner is found dead) and it runs again
//   after submit           a done task with its result; resume reads it from tasks()
// Tasks are a cache of work, the log is the study: a storage without any task resumes to the same bits.
//
// All functions throw InfrastructureError when the machine fails (disk full, database locked or unreachable) and then have
// had no effect. Calls are serialised by the caller but may come from different threads.
#pragma once
#include <lathe/nas/study.h>

#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lathe::nas {

struct TaskKey {
  std::int64_t trial = 0;
  int segment = 0;
  auto operator<=>(const TaskKey&) const = default;
};

/// A segment that may run.
struct Task {
  TaskKey key;
  std::uint64_t priority = 0;  ///< its virtual finish time: the smallest is needed first
};

/// The right to run one task. `attempt` grows with every claim of the task and is never reused.
struct Lease {
  TaskKey key;
  std::string owner;
  std::int64_t attempt = 0;
};

enum class TaskState { ready, claimed, done };

struct TaskRow {
  Task task;
  TaskState state = TaskState::ready;
  std::string owner;                    ///< claimed: who
  std::int64_t attempt = 0;             ///< claims so far
  int failures = 0;                     ///< infrastructure failures since the last reset_failures()
  std::string reason;                   ///< of the latest infrastructure failure
  std::optional<SegmentResult> result;  ///< done
};

/// How a claimed task is given back.
enum class Release {
  stopped,  ///< on request; costs nothing
  failed,   ///< infrastructure failure: failures + 1
};

/// A trial of the study that another program wrote, as it lies there. What it means to the study: foreign.h.
struct ForeignTrial {
  enum class State { complete, pruned, waiting };
  struct Parameter {
    std::string name;
    double value = 0;          ///< the number itself, or the index of the choice
    std::string distribution;  ///< Optuna's JSON
  };
  std::int64_t number = 0;  ///< its number there, unique in the study
  State state = State::complete;
  std::vector<Parameter> parameters;                             ///< in the order in which they were asked for
  std::vector<double> values;                                    ///< by objective; infinities are possible
  std::int64_t last_step = 0;                                    ///< of its intermediate values; 0: none
  std::vector<std::pair<std::string, std::string>> constraints;  ///< `constraints` or `constraints:<name>`, JSON
  std::string fixed = "{}";                                      ///< waiting: the parameters that are fixed, a JSON object
};

/// One study in one storage.
class Storage {
 public:
  virtual ~Storage() = default;

  virtual std::string name() const = 0;
  /// StudyHeader::json() as it was when the study was created.
  virtual std::string header() const = 0;
  /// May other processes work on this study at the same time? Then the log and the tasks are polled and leases renewed.
  virtual bool shared() const = 0;

  // ---- log

  /// The events with index ≥ from, in order.
  virtual std::vector<RecordedEvent> events(std::uint64_t from) = 0;

  /// Adds events[0] at index `from`, and so on, in one transaction. False and no effect if the log does not have exactly
  /// `from` events. In the same transaction:
  ///   propose  a trial appears as RUNNING with its number, all active parameters and plan.attributes
  ///   report   values (objective 0) become the intermediate value at intermediate_step(); a failed segment has none;
  ///            result.attributes are kept; the task (trial, segment) is removed
  ///   finish   state, values, constraints, failure and note are set (in multi-objective studies PRUNED is shown as FAIL with the
  ///            attribute lathe:state=PRUNED); every task of the trial is removed, claimed ones too: their results come to
  ///            nothing; constraints become Optuna's system attribute `constraints`
  ///   enqueue  a trial appears as WAITING with the fixed parameters, or (foreign ≥ 0) the one that has them is kept; a proposal
  ///   with
  ///            `queued` sets that trial to RUNNING instead of adding one, if it is WAITING still; those in `passed_over` end as
  ///            FAIL with the attribute lathe:note
  ///   adopt    a foreign trial is no longer among foreign_trials()
  ///   extend   only the log
  /// `space` is the study's space (distributions of the parameters).
  virtual bool append(std::uint64_t from, std::span<const Event> events, const Space& space) = 0;

  // ---- tasks

  /// Adds tasks in state ready. One that exists already, in whatever state, is left alone. False and no effect if the log does
  /// not have exactly `at` events (in the same transaction): otherwise a process that lags behind could bring back a task
  /// that another one has committed.
  virtual bool offer(std::uint64_t at, std::span<const Task> tasks) = 0;

  /// Claims the task with the smallest (priority, trial, segment) among those that are ready or whose lease has run out,
  /// and that have fewer than `max_failures` failures. Taking over a lease that ran out is an infrastructure failure of the
  /// task (failures + 1, reason "lease of <owner> ran out"), counted before the comparison. Nothing if there is no such
  /// task. The claim itself is one compare-and-swap: two claims never get the same (task, attempt).
  virtual std::optional<Lease> claim(const std::string& owner, std::chrono::milliseconds lease, int max_failures) = 0;

  /// Extends every task claimed by `owner` to now + lease; how many those were.
  virtual int renew(const std::string& owner, std::chrono::milliseconds lease) = 0;

  /// Gives a task back (ready). False and no effect if the lease is no longer the current one.
  virtual bool release(const Lease& lease, Release how, const std::string& reason) = 0;

  /// Stores a result and makes the task done. False and no effect if the lease is no longer the current one (claimed by
  /// someone else, or removed by a stop decision). A lease that ran out but was not taken over still counts.
  virtual bool submit(const Lease& lease, const SegmentResult& result) = 0;

  /// All tasks, by key. Few: at most the segments that running trials are ahead of the log, plus one each.
  virtual std::vector<TaskRow> tasks() = 0;

  /// Gives back every task claimed by `owner`, who is known to be dead: as release(…, failed, reason). How many.
  virtual int abandon(const std::string& owner, const std::string& reason) = 0;

  /// Forgets infrastructure failures: the user resumes, so the machine is said to be fine again. Attempts stay.
  virtual void reset_failures() = 0;

  // ---- state of the study

  /// Trials of the study that other programs have finished (complete or pruned) or enqueued, and that no event speaks of, by
  /// number.
  virtual std::vector<ForeignTrial> foreign_trials() { return {}; }

  /// What others than lathe changed (trials added or edited behind the log), one sentence each: the study is `mixed`.
  virtual std::vector<std::string> foreign_changes() { return {}; }

  /// The study stops being written: flush, and leave the files as other programs expect them. Called at the end of a run,
  /// also after errors; the storage stays usable.
  virtual void settle() {}
};

/// A place with studies in it.
struct StudySummary {
  std::string name;
  std::string header;  ///< empty: not made by lathe
  std::int64_t trials = 0;
  std::uint64_t events = 0;
};

/// A study that another program made.
struct ForeignStudy {
  std::vector<Direction> directions;
  std::vector<std::string> metrics;  ///< empty: none were named
  std::vector<ForeignTrial> trials;  ///< finished and waiting ones, by number
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::vector<StudySummary> studies() = 0;  ///< by name
  /// InputError if a study of this name exists.
  virtual std::unique_ptr<Storage> create(const StudyHeader& header) = 0;
  /// InputError with the nearest name if there is none.
  virtual std::unique_ptr<Storage> open(const std::string& name) = 0;
  /// Deletes the study and everything that belongs to it, for ever. InputError as open().
  virtual void remove(const std::string& name) = 0;

  /// A study without a header of lathe. InputError: no such study, or one of lathe.
  virtual ForeignStudy foreign_study(const std::string& name);
  /// Gives the study `header.name`, which another program made, this header: from now on it is one of lathe, with an empty log.
  /// InputError: no such study, one of lathe, or other directions.
  virtual std::unique_ptr<Storage> take_over(const StudyHeader& header);
};

}  // namespace lathe::nas
