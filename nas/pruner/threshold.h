// threshold@1: stops a trial whose newest report lies outside of [lower, upper], the rule of Optuna's ThresholdPruner.
//
// Order of the tests: step < n_warmup_steps keep; not the first report of its unit since the last multiple of interval_steps
// (counted from n_warmup_steps) keep; NaN stop; value < lower or > upper stop.
//
// Settings: lower and upper (at least one of them), n_warmup_steps 0, interval_steps 1, objective 0 (the one that is compared; the
// others may be anything).
#pragma once
#include <lathe/nas/pruner/pruner.h>

namespace lathe::nas {

class ThresholdPruner final : public Pruner {
 public:
  explicit ThresholdPruner(const StudyHeader& header);
  bool stops(const History& history, const Trial& trial) override;

 private:
  double lower_, upper_;
  std::int64_t warmup_, interval_;
  std::size_t objective_;
};

}  // namespace lathe::nas
