// median@1: the percentile rule of Optuna's PercentilePruner (Golovin et al., KDD 2017, "median stopping"), paired by unit.
//
// A trial stops if the best value it reported in the current unit is worse than the percentile of the values that COMPLETE
// trials reported at the same step of the same unit (linear interpolation between ranks, NaN left out). With one unit this
// is Optuna's rule exactly. Several objectives: it stops if that holds for each of them. Order of the tests:
//   fewer than n_startup_trials COMPLETE (or none)       keep
//   step < n_warmup_steps                                keep
//   not the first report since the last multiple of interval_steps (counted from n_warmup_steps)   keep
//   every value of the trial in this unit is NaN         stop
//   fewer than n_min_trials values at this step          keep
//
// Settings and defaults: percentile 50 (of the trials that count as best: 25 keeps the top quarter), n_startup_trials 5,
// n_warmup_steps 0, interval_steps 1, n_min_trials 1.
#pragma once
#include <lathe/nas/pruner/pruner.h>

#include <vector>

namespace lathe::nas {

class MedianPruner final : public Pruner {
 public:
  explicit MedianPruner(const StudyHeader& header);
  bool stops(const History& history, const Trial& trial) override;

 private:
  bool below_line(const History& history, const Trial& trial, std::size_t objective) const;
  std::vector<Direction> directions_;
  double percentile_;
  std::int64_t startup_, warmup_, interval_, min_trials_;
};

/// The percentile (0 … 100) of `values` by linear interpolation between closest ranks, as numpy computes it; NaN values are
/// left out; NaN if none is left.
double percentile_of(std::vector<double> values, double percentile);

}  // namespace lathe::nas
