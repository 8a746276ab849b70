// What a search optimises: any function of a point that reports numbers.
//
// A trial is a list of *segments*, planned before it runs. A segment ends at a report; each report names its *unit* (a
// fold, a seed, a task, a device; unit 0 unless said otherwise). Segments of one trial run one after the other, perhaps on
// different workers and with a restart between them, so state travels through a Checkpoint, which is only a cache.
//
// Two kinds of failure are kept apart. Outcome failures belong to the point (a loss that is not finite, a model over the
// accounted memory limit, an exception of the model): the trial is FAIL, for ever, on every machine. Infrastructure
// failures belong to the machine (InfrastructureError, std::bad_alloc, std::system_error, a killed process): the segment
// runs again, and three of them in one segment stop the study, which can be resumed.
#pragma once
#include <lathe/base/error.h>
#include <lathe/nas/value.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe::nas {

enum class Direction { minimise, maximise };

/// One planned piece of a trial.
struct Segment {
  int unit = 0;             ///< fold, seed, task, … that this segment is about
  int step = 1;             ///< what the report's curve counts: epochs, rungs; ascending within a unit
  std::uint64_t ticks = 1;  ///< virtual cost, at least 1: max(1, training FLOPs >> 20)
  bool operator==(const Segment&) const = default;
};

/// Cost of a segment in ticks from its floating-point operations.
constexpr std::uint64_t ticks_of_flops(std::uint64_t flops) { return flops >> 20 ? flops >> 20 : 1; }

/// Everything about a trial that is known before it runs. A pure function of the point.
struct Plan {
  std::vector<Segment> segments = std::vector<Segment>(1);
  /// JSON object of facts to store with the trial (parameters, predicted latency): shown, never part of the study hash.
  std::string attributes;
};

/// Why a trial failed. Only outcome failures have a name here; infrastructure failures never reach a result.
enum class Failure { none, non_finite, memory_limit, error };
const char* failure_name(Failure failure);  ///< "none", "non_finite", "memory_limit", "error"

/// What a segment gives back.
struct SegmentResult {
  std::vector<double> values;  ///< one per objective; not finite = Failure::non_finite; empty after a failure
  bool unit_done = false;      ///< patience: the remaining segments of this unit are not run (and not charged)
  Failure failure = Failure::none;
  std::string digest;  ///< optional, [0-9A-Za-z_:.-]*: hash of the weights, so that the study hash covers them
  /// One per StudyHeader::constraints: c ≤ 0 holds, c > 0 says by how much it is broken. Not finite = Failure::non_finite.
  std::vector<double> constraints;

  std::string note;        ///< message of a failure. Not part of the study hash
  std::string attributes;  ///< JSON object of facts to store (seconds, train loss). Not part of the study hash

  static SegmentResult of(double value) { return {{value}, false, Failure::none, {}, {}, {}, {}}; }
  static SegmentResult failed(Failure why, std::string message) { return {{}, false, why, {}, {}, std::move(message), {}}; }
  bool operator==(const SegmentResult&) const = default;
};

/// The hashed part as text without line breaks: `values=0.25,3 constraints=-1,0.5 end digest=9f…` (what is absent or empty is
/// left out) or `failure=non_finite`.
std::string to_text(const SegmentResult& result);
/// The inverse; `note` and `attributes` stay empty. InputError if `text` is no such text.
SegmentResult parse_segment_result(std::string_view text);
/// Makes a result fit for the log: values and constraints that are not finite become Failure::non_finite. InputError: wrong
/// number of values or constraints, or characters in the digest that are not allowed.
SegmentResult checked(SegmentResult result, std::size_t objectives, std::size_t constraints = 0);

/// How the units of a trial become one number per objective. Part of the header.
struct Judging {
  enum class Aggregate { mean, worst, weighted };
  enum class UnitValue { last, best };  ///< a unit counts as its last report, or its best one by the first objective
  Aggregate aggregate = Aggregate::mean;
  UnitValue unit_value = UnitValue::best;  ///< best: what patience with restored weights gives
  std::vector<double> weights;             ///< weighted: one per unit, positive
};

/// Where a trial keeps its state between segments. Losing it costs time and never changes a result.
class CheckpointStore {
 public:
  virtual ~CheckpointStore() = default;
  /// State after the latest segment ≤ `segment`, with that segment's index; nothing if there is none.
  virtual std::optional<std::pair<int, std::string>> load(std::int64_t trial, int segment) = 0;
  virtual void save(std::int64_t trial, int segment, std::string bytes) = 0;
  virtual void drop(std::int64_t trial) = 0;  ///< the trial is finished
};

/// Keeps states in memory, the newest two of each trial. Safe to use from several threads.
std::unique_ptr<CheckpointStore> memory_checkpoints();
/// Keeps states as files `trial-<n>-<segment>.ckpt` of a folder, each complete or absent.
std::unique_ptr<CheckpointStore> file_checkpoints(const std::string& folder);

/// The checkpoint of one trial as its objective sees it.
class Checkpoint {
 public:
  Checkpoint(CheckpointStore* store, std::int64_t trial, int segment) : store_(store), trial_(trial), segment_(segment) {}
  struct State {
    int segment;  ///< state after this segment; the objective redoes what lies between it and its own segment
    std::string bytes;
  };
  std::optional<State> load() const;   ///< newest state before the running segment
  void save(std::string bytes) const;  ///< state after the running segment

 private:
  CheckpointStore* store_;
  std::int64_t trial_;
  int segment_;
};

/// Thrown by an objective that saw stop_requested() in the middle of a segment: the segment is given back, not failed.
class Interrupted : public Error {
 public:
  Interrupted() : Error("stopped on request") {}
};

/// What an objective may know besides its point. Nothing here but `trial`, `index`, `segment` and `seed` may influence values.
struct SegmentContext {
  std::int64_t trial = 0;
  int index = 0;           ///< which segment of the plan
  Segment segment;         ///< the plan's entry
  std::uint64_t seed = 0;  ///< of the study: random_key(seed, trial, stream)
  std::int64_t attempt = 1;
  std::function<bool()> stop_requested = [] { return false; };  ///< cheap; ask once a step
  /// How many threads the segment may use now: idle workers lend theirs. Cheap; ask once a step. No result may depend on it.
  std::function<int()> threads = [] { return 1; };
};

/// An objective. All functions may be called from several threads at once.
class Objective {
 public:
  virtual ~Objective() = default;
  /// Segments and costs of a point, before it runs. Pure.
  virtual Plan plan(const Point& params) const;
  /// Limits that are known before training (latency, parameters, memory): a reason to refuse the point, or nothing. Pure.
  virtual std::optional<std::string> refuse(const Point& params) const;
  /// Runs one segment. A pure function of the point, the segment and the seed, whatever the checkpoint holds.
  virtual SegmentResult run(const Point& params, const SegmentContext& segment, const Checkpoint& checkpoint) = 0;
};

/// Any callable double(const Point&): one segment of one tick.
std::unique_ptr<Objective> objective_of(std::function<double(const Point&)> function);
/// Any callable with a plan of its own.
std::unique_ptr<Objective> objective_of(std::function<Plan(const Point&)> plan,
                                        std::function<SegmentResult(const Point&, const SegmentContext&, const Checkpoint&)> run);

}  // namespace lathe::nas
