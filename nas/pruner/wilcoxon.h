// wilcoxon@1: stops a trial that is surely worse than the best one over the units seen so far, the rule of Optuna's
// WilcoxonPruner (Wilcoxon, Biometrics Bulletin 1, 1945). For units that are measured alike and differ in difficulty: folds, seeds,
// tasks.
//
// Each unit of the trial gives one pair: its newest report and the best trial's report of the same unit and step; a unit without
// such a report gives none. The best trial is the first of leaderboard(), if it is feasible. With one report per unit this is
// Optuna's rule with the unit as step.
//   fewer than max(2, n_startup_steps) pairs                                           keep
//   p < p_threshold for "the trial is worse" (signed-rank test), and the trial's mean is worse than the best one's   stop
// The mean of the best trial is over all its units: as paired where there is a pair, its newest report elsewhere.
//
// p of n differences, ranks of |d| averaged over ties, zeros counted half to each side: exact for n ≤ 50 without zeros and ties
// and for n ≤ 13 with them, else the normal approximation without correction for continuity, variance corrected for ties.
//
// Several objectives: there is no best trial; a trial stops if one complete, feasible trial is surely better in every objective.
//
// Settings and defaults: p_threshold 0.1 (0 to 1), n_startup_steps 2. The test is repeated at every report, so errors happen more
// often than p_threshold says.
#pragma once
#include <lathe/nas/pruner/pruner.h>

namespace lathe::nas {

class WilcoxonPruner final : public Pruner {
 public:
  explicit WilcoxonPruner(const StudyHeader& header);
  bool stops(const History& history, const Trial& trial) override;

 private:
  bool surely_worse(const Trial& trial, const Trial& than) const;
  std::vector<Direction> directions_;
  double threshold_;
  std::size_t startup_;
};

/// One-sided p of the signed-rank test: how likely is a rank sum of positive differences of at least that of `differences` if
/// positive and negative were equally likely. NaN without differences. Differences must not be NaN.
double wilcoxon_p_greater(std::vector<double> differences);

}  // namespace lathe::nas
