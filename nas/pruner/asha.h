// asha@1: asynchronous successive halving of the stopping kind, the rule of Optuna's SuccessiveHalvingPruner (Li et al., MLSys
// 2020, "A system for massively parallel hyperparameter tuning"), paired by unit.
//
// Rung k lies at step r·η^(s+k), in integers. At a report whose step has reached the trial's next rung, the trial enters its value
// there, and goes on iff it is among the best max(1, ⌊n/η⌋) of the n values entered so far, its own included (ties go on); then
// the next rung is looked at in the same way. The first to arrive always goes on. Each unit has its own rungs.
// Order of the tests:
//   r not known yet (min_resource 0 and no trial complete)   keep
//   step < the rung                                           keep
//   the value is NaN                                          stop, nothing is entered
//   at most bootstrap_count values at the rung, its own included   stop
//
// Several objectives: "among the best m" means that fewer than m of the values entered dominate it; so a trial that nothing
// dominates goes on, and with one objective this is the rule above.
//
// Settings and defaults: min_resource r 0 (0: a hundredth of the largest step of the trials that were complete at the first
// question with any, at least 1), reduction_factor η 4 (at least 2), min_early_stopping_rate s 0, bootstrap_count 0 (needs
// min_resource > 0).
#pragma once
#include <lathe/nas/pruner/questions.h>

#include <map>
#include <optional>

namespace lathe::nas {

/// The rungs of one bracket, filled question by question.
class Rungs {
 public:
  /// Rung k at step least·factor^(rate + k).
  Rungs(std::int64_t least, std::int64_t factor, std::int64_t rate, std::int64_t bootstrap, std::vector<Direction> directions);
  /// Enters what the question says. True: the trial stops.
  bool stops(const Question& question);

 private:
  bool enter(int unit, std::size_t rung, const std::vector<double>& values);
  std::int64_t step_of(std::size_t rung) const;  // saturates
  std::int64_t least_, factor_, rate_, bootstrap_;
  std::vector<Direction> directions_;
  std::map<std::pair<std::int64_t, int>, std::size_t> next_;                        // (trial, unit) → its next rung
  std::map<std::pair<int, std::size_t>, std::vector<std::vector<double>>> values_;  // (unit, rung) → entered
};

/// Largest step that trials which were complete at virtual time `time` reported; nothing: none was.
std::optional<std::int64_t> largest_complete_step(const History& history, std::uint64_t time);

class AshaPruner final : public Pruner {
 public:
  explicit AshaPruner(const StudyHeader& header);
  bool stops(const History& history, const Trial& trial) override;
  void only(Questions::Asked asked) override { questions_.only(std::move(asked)); }

 private:
  std::vector<Direction> directions_;
  std::int64_t least_, factor_, rate_, bootstrap_;
  Questions questions_;
  std::optional<Rungs> rungs_;
};

}  // namespace lathe::nas
