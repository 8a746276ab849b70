// Trials, the history that samplers and pruners see, and the events that a study consists of.
#pragma once
#include <lathe/nas/objective.h>
#include <lathe/nas/value.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lathe::nas {

enum class TrialState { running, complete, pruned, failed };
const char* state_name(TrialState state);  ///< "running", "complete", "pruned", "failed"

/// A committed report.
struct Report {
  int segment = 0, unit = 0, step = 0;
  std::vector<double> values;
  std::uint64_t time = 0;           ///< virtual
  std::vector<double> constraints;  ///< one per StudyHeader::constraints
};

struct Trial {
  std::int64_t number = 0;  ///< 0, 1, 2, … in the order of proposals
  int worker = 0;           ///< virtual worker
  Point point;
  Plan plan;
  std::int64_t reused = -1;  ///< its results are those of this earlier trial (Duplicates::reuse); −1: its own
  TrialState state = TrialState::running;
  std::vector<Report> reports;  ///< committed ones, in order
  std::vector<double> values;   ///< complete: the verdict; pruned: the verdict over what was reported; else empty
  /// Where there are values: per constraint the largest over the units, each unit by the report that counts for its value (so a
  /// constraint has to hold in every unit). c ≤ 0 is feasible; none: feasible.
  std::vector<double> constraints;
  Failure failure = Failure::none;
  std::string note;                         ///< message of the failure
  std::uint64_t started = 0, finished = 0;  ///< virtual times
  std::uint64_t finish_event = 0;           ///< index of its finish event
  std::int64_t foreign = -1;                ///< adopted: number of the trial in which another program left it; −1: none did
};

/// All trials by number, and the numbers of the finished ones in the order of their commits. What is not committed does
/// not exist here.
struct History {
  std::vector<Trial> trials;
  std::vector<std::int64_t> finished;
};

/// The verdict over a trial's reports: each unit's value (last or best), aggregated over the units that reported.
std::vector<double> verdict(const Trial& trial, const Judging& judging, std::span<const Direction> directions);
/// The constraints over a trial's reports, as Trial::constraints says.
std::vector<double> constraints_of(const Trial& trial, const Judging& judging, std::span<const Direction> directions);
/// Σ max(0, c): 0 for a feasible trial, one without constraints included.
double violation(const Trial& trial);
inline bool feasible(const Trial& trial) { return violation(trial) == 0; }

/// One line of a study's log. Events are numbered from 0 without gaps; the number is the *commit index*.
struct Event {
  enum class Kind {
    propose,  ///< trial, worker, point, plan: decided; may run from now on
    report,   ///< trial, segment, result: a segment finished in virtual time
    finish,   ///< trial, state, values, failure: follows the report that ended it
    extend,   ///< trials: the budget was raised
    enqueue,  ///< point: comes before the sampler's next one (proposals.h)
    adopt,    ///< state, planned.step, values, constraints, point: a trial of an earlier study or of another program (proposals.h)
  };
  std::uint64_t index = 0;
  std::uint64_t time = 0;  ///< virtual
  Kind kind = Kind::propose;
  std::int64_t trial = 0;
  int worker = 0;
  Point point;
  Plan plan;                 ///< propose; also with a report, for intermediate_step()
  std::int64_t reused = -1;  ///< propose, as Trial::reused
  int segment = 0;
  Segment planned;  ///< report: the plan's entry for `segment`
  SegmentResult result;
  TrialState state = TrialState::running;
  std::vector<double> values, constraints;  ///< finish
  Failure failure = Failure::none;
  std::string note;  ///< finish after a failure: its message. Not in line()
  std::int64_t trials = 0;
  std::int64_t foreign = -1;  ///< enqueue, adopt: number of the trial in which another program left this; −1: none did
  bool partial = false;       ///< enqueue: `point` has only the parameters that are fixed
  std::int64_t queued = -1;   ///< propose: commit index of the enqueueing that it fulfils; −1: the sampler's. Not in line()
  std::vector<std::int64_t> passed_over;  ///< propose: such indices of what was passed over before it. Not in line()

  /// Canonical text, one line, exactly what the study hash covers. No times of day, hosts, attempts, notes, attributes:
  ///   7 120 propose trial=3 worker=0 plan=0/1/40,0/2/40 point={"layers":2,"lr":0.001}
  ///   8 160 report trial=3 segment=0 values=0.75
  ///   9 160 finish trial=3 state=pruned values=0.75
  ///   9 160 enqueue point={"layers":1,"lr":0.01}
  ///   9 160 enqueue fixed={"layers":1}
  ///   0 0 adopt state=complete step=4 values=0.75 point={"layers":2,"lr":0.001}
  /// Constraints, if the study has any, follow the values: `values=0.75 constraints=-1,0.5`. A proposal whose results are taken
  /// from trial 1 says `reused=1` behind its worker. What another program's trial 12 held says `foreign=12` before anything else.
  std::string line() const;
};

/// Does it depend on something that an engine cannot know from the log before it?
inline bool comes_from_outside(Event::Kind kind) {
  return kind == Event::Kind::extend || kind == Event::Kind::enqueue || kind == Event::Kind::adopt;
}

/// An event as a storage gives it back. Proposals are made anew when a study is resumed and compared with `line`; only
/// reports are read.
struct RecordedEvent {
  std::string line;
  std::string note;        ///< report: result.note
  std::string attributes;  ///< propose: plan.attributes; report: result.attributes
  bool operator==(const RecordedEvent&) const = default;
};
RecordedEvent record(const Event& event);

/// Index of the intermediate value that a report has in Optuna's tables: the step, or, in a plan of several units (where
/// steps repeat), segment + 1.
int intermediate_step(const Plan& plan, int segment);

}  // namespace lathe::nas
