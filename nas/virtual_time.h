// The search engine: deterministic parallelism by virtual time.
//
// A study fixes V virtual workers, whatever the machine has. Each runs one trial at a time; a segment takes as many ticks
// as its plan says. VirtualTime is the state machine that plays this simulation: it decides which trials exist, which
// segments may run, and when a result becomes visible. Real workers compute results in any order and as early as they like;
// a result has no effect before the virtual time at which its segment finishes. So a study is a function of its header
// alone.
//
//   At virtual time 0 the V workers propose in index order. Then, again and again, at the smallest finish time t of the
//   running segments:
//     1. commit every segment that finishes at t, by trial number; a trial that failed, or has no segment left, ends;
//     2. ask the pruner for each trial that reported and did not end, by trial number; those it stops end as pruned;
//     3. trials that go on keep their virtual worker and start their next segment at t;
//     4. idle workers propose in index order, until the budget of trials is used up: the points that were enqueued, first come
//        first served, then the sampler's; each sees the earlier proposals as pending.
//   A segment is charged in full, whatever ended it sooner (patience inside it, NaN, an exception). After `unit_done` the
//   rest of that unit is neither run nor charged.
//
// One such step gives a *batch* of events. No threads, no clock, no files, no SQL here: a driver (executor.h) feeds results
// in and carries batches to a storage. Cost: O(V) a step besides sampler and pruner.
#pragma once
#include <lathe/nas/pruner/pruner.h>
#include <lathe/nas/sampler/sampler.h>
#include <lathe/nas/storage/storage.h>
#include <lathe/nas/study.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lathe::nas {

struct EventFields;

class VirtualTime {
 public:
  using PlanFunction = std::function<Plan(const Point&)>;
  using RefuseFunction = std::function<std::optional<std::string>(const Point&)>;

  /// InputError: bad header, a sampler or pruner that is unknown or cannot serve this space.
  VirtualTime(StudyHeader header, PlanFunction plan, RefuseFunction refuse,
              const SamplerRegistry& samplers = SamplerRegistry::builtin(),
              const PrunerRegistry& pruners = PrunerRegistry::builtin());

  /// Delivers the result of a segment, at any time and in any order. Ignored (false): the segment is committed, was
  /// skipped, is cut off by a stop decision, or has a result already. InputError: no such trial or segment.
  bool submit(TaskKey segment, SegmentResult result);
  bool has_result(TaskKey segment) const;

  /// Makes the next batch, if the results that it needs are there: the events of one virtual time. Empty: finished(), or
  /// results are missing (see tasks()). SpaceExhausted if not even the first trial finds a point.
  std::vector<Event> step();

  /// The segments that may run now and have no result yet: of each running trial the first one without a result, which may
  /// lie ahead of virtual time. By priority (virtual finish time if the trial goes on until then), trial.
  std::vector<Task> tasks() const;

  /// Plays recorded events again. Every proposal, commit and decision is made anew and must equal the record.
  /// InputError "event 17: recorded …, but this configuration gives …" at the first difference; the object is then of no
  /// further use. May be called again with what follows.
  struct Replayed {
    std::vector<Event> events;  ///< made anew
    std::size_t recorded = 0;   ///< so many of them were in the record; the rest of the last batch remains to be recorded
  };
  Replayed replay(std::span<const RecordedEvent> events);

  /// Raises the budget of a finished study; idle workers propose, all at the present virtual time. The extension is an event
  /// of its own: a study of 50 trials extended to 100 is not the study of 100. InputError: not finished(), or `trials` is
  /// not more than the budget.
  std::vector<Event> extend(std::int64_t trials);

  /// Puts a point before those of the sampler; an event of its own, at the present virtual time. When its turn comes it is passed
  /// over if the objective refuses it, or as a duplicate. It stays in the queue of a study whose budget is used up. A point with
  /// only some parameters (Space::partial) gets the others from the sampler when its turn comes; it is passed over if no draw of
  /// the sampler makes an admitted point of it. `foreign`: number of the trial in which another program enqueued it. InputError: a
  /// broken rule.
  std::vector<Event> enqueue(const Point& point, std::int64_t foreign = -1);

  /// Adds a trial that was not run here, for the sampler to see from now on: complete or pruned, with values (one per objective),
  /// constraints and point; reports: the last one, or none. It is no trial of this study, and no pruner knows it.
  ///   foreign < 0   of an earlier study. InputError: the study has begun, the header names no warm_start
  ///   foreign ≥ 0   of another program that wrote into this study, which calls it so: at any time, and duplicates know its point
  /// InputError also: wrong numbers of values or constraints, values that are not finite, a broken rule, a foreign trial that is
  /// known().
  std::vector<Event> adopt(const Trial& earlier, std::int64_t foreign = -1);
  /// Did an event of this kind (adopt, enqueue) take up the trial of another program?
  bool known(std::int64_t foreign, Event::Kind kind) const { return foreign_.count({kind, foreign}) > 0; }

  bool finished() const;                         ///< nothing runs and nothing will be proposed
  bool exhausted() const { return exhausted_; }  ///< the sampler found no further point; the budget was not used up
  std::uint64_t now() const { return now_; }
  std::uint64_t events() const { return index_; }  ///< number of events so far: the next commit index
  std::int64_t budget() const { return budget_; }
  const StudyHeader& header() const { return header_; }
  const History& history() const { return history_; }
  /// What the sampler sees: adopted trials and those of this study, numbered from 0 in the order in which they came.
  const History& sampler_history() const { return adopted_ ? seen_ : history_; }
  std::size_t queued() const { return queue_.size(); }  ///< enqueued points that were not proposed yet

 private:
  struct Running {
    std::int64_t trial = 0;
    int segment = 0;                       // the one that runs in virtual time
    std::uint64_t finish = 0;              // of that segment
    std::set<int> done_units;              // ended by patience
    std::map<int, SegmentResult> results;  // of this and later segments, not committed
    std::map<int, SegmentResult> done;     // committed; kept with Duplicates::reuse only
  };
  Trial& trial(std::int64_t number) { return history_.trials[static_cast<std::size_t>(number)]; }
  const Trial& trial(std::int64_t number) const { return history_.trials[static_cast<std::size_t>(number)]; }
  const Running* running(std::int64_t trial) const;
  std::optional<Task> first_missing(const Running& running) const;
  Event& add_event(std::vector<Event>& batch, Event::Kind kind, std::int64_t trial);
  bool commit(Running& running, std::vector<Event>& batch);
  void end_trial(Trial& trial, TrialState state, std::vector<Event>& batch);
  void propose(std::vector<Event>& batch);
  std::optional<Point> next_point(std::int64_t number, std::int64_t& queued);
  std::optional<Point> fill(const Point& fixed, std::int64_t number) const;
  void start(Trial trial, std::int64_t queued, std::vector<Event>& batch);
  void show(const Trial& trial);
  bool admits(const Point& point) const;
  void check_adoption(const Trial& earlier, std::int64_t foreign) const;
  Plan checked_plan(const Point& point) const;
  std::optional<std::vector<Event>> replay_outside(const EventFields& fields);
  std::vector<Event> replay_batch(std::span<const RecordedEvent> record);

  StudyHeader header_;
  PlanFunction plan_;
  RefuseFunction refuse_;
  SamplerRegistry samplers_;
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<Pruner> pruner_;
  History history_;
  History seen_;                                            // where there are adopted trials: these and history_, as they came
  std::vector<std::int64_t> seen_as_;                       // the number there of each trial
  bool adopted_ = false;                                    // are there any?
  std::set<std::pair<Event::Kind, std::int64_t>> foreign_;  // trials of other programs that were taken up, and how
  struct Queued {
    Point point;
    std::int64_t event = 0;
  };
  std::deque<Queued> queue_;
  std::vector<std::int64_t> passed_over_;  // enqueue events, since the last proposal
  struct Reusable {
    std::int64_t trial = 0;
    std::map<int, SegmentResult> results;
  };
  std::map<std::string, Reusable> reusable_;  // the first complete trial of a point, by canonical text
  std::vector<std::optional<Running>> workers_;
  std::set<std::string> known_;  // canonical texts of all points: only membership is asked
  std::uint64_t now_ = 0, index_ = 0;
  std::int64_t budget_ = 0;
  bool started_ = false, exhausted_ = false;
};

}  // namespace lathe::nas
