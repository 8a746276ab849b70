#include <lathe/nas/pruner/threshold.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/pruner/questions.h>
#include <lathe/nas/sampler/sampler.h>

#include <cmath>
#include <limits>

namespace lathe::nas {

ThresholdPruner::ThresholdPruner(const StudyHeader& header) {
  const Settings& s = header.pruner_settings;
  check_settings("pruner threshold", s, {"lower", "upper", "n_warmup_steps", "interval_steps", "objective"});
  if (!s.count("lower") && !s.count("upper")) throw InputError("pruner threshold: give `lower`, `upper` or both");
  lower_ = setting(s, "lower", -std::numeric_limits<double>::infinity());
  upper_ = setting(s, "upper", std::numeric_limits<double>::infinity());
  if (!(lower_ <= upper_)) throw InputError(str("pruner threshold: lower is ", lower_, ", expected at most upper, ", upper_));
  warmup_ = whole_setting("pruner threshold", s, "n_warmup_steps", 0, 0);
  interval_ = whole_setting("pruner threshold", s, "interval_steps", 1, 1);
  objective_ = static_cast<std::size_t>(whole_setting("pruner threshold", s, "objective", 0, 0));
  if (objective_ >= header.directions.size())
    throw InputError(
        str("pruner threshold: objective is ", objective_, ", the study has ", header.directions.size(), " (counted from 0)"));
}

bool ThresholdPruner::stops(const History&, const Trial& trial) {
  if (trial.reports.empty()) return false;
  const Report& newest = trial.reports.back();
  if (newest.step < warmup_ || !first_in_interval(trial, trial.reports.size() - 1, warmup_, interval_)) return false;
  const double value = newest.values[objective_];
  return std::isnan(value) || value < lower_ || value > upper_;
}

}  // namespace lathe::nas
