#include <lathe/nas/pruner/median.h>

#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/pruner/questions.h>
#include <lathe/nas/sampler/sampler.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe::nas {

double percentile_of(std::vector<double> values, double percentile) {
  values.erase(std::remove_if(values.begin(), values.end(), [](double v) { return std::isnan(v); }), values.end());
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double rank = static_cast<double>(values.size() - 1) * (percentile / 100);
  const double below = math::floor(rank), t = rank - below;
  const double a = values[static_cast<std::size_t>(below)];
  const double b = values[std::min(static_cast<std::size_t>(below) + 1, values.size() - 1)];
  // From the nearer end, so that t = 1 gives b exactly.
  return t < 0.5 ? a + (b - a) * t : b - (b - a) * (1 - t);
}

MedianPruner::MedianPruner(const StudyHeader& header) : directions_(header.directions) {
  const Settings& s = header.pruner_settings;
  check_settings("pruner median", s, {"percentile", "n_startup_trials", "n_warmup_steps", "interval_steps", "n_min_trials"});
  percentile_ = setting(s, "percentile", 50);
  if (!(percentile_ >= 0 && percentile_ <= 100))
    throw InputError(str("pruner median: percentile is ", percentile_, ", expected 0 to 100"));
  startup_ = whole_setting("pruner median", s, "n_startup_trials", 5, 0);
  warmup_ = whole_setting("pruner median", s, "n_warmup_steps", 0, 0);
  interval_ = whole_setting("pruner median", s, "interval_steps", 1, 1);
  min_trials_ = whole_setting("pruner median", s, "n_min_trials", 1, 1);
}

bool MedianPruner::below_line(const History& history, const Trial& trial, std::size_t objective) const {
  const Report& newest = trial.reports.back();
  const Direction direction = directions_[objective];
  double best = std::numeric_limits<double>::quiet_NaN();
  for (const Report& report : trial.reports) {
    const double value = report.values[objective];
    if (report.unit == newest.unit && !std::isnan(value) && (std::isnan(best) || better(value, best, direction))) best = value;
  }
  if (std::isnan(best)) return true;
  std::vector<double> others;
  for (const Trial& other : history.trials)
    if (other.state == TrialState::complete)
      for (const Report& report : other.reports)
        if (report.unit == newest.unit && report.step == newest.step) others.push_back(report.values[objective]);
  if (static_cast<std::int64_t>(others.size()) < min_trials_) return false;
  const double line = percentile_of(std::move(others), direction == Direction::maximise ? 100 - percentile_ : percentile_);
  return !std::isnan(line) && better(line, best, direction);
}

bool MedianPruner::stops(const History& history, const Trial& trial) {
  if (trial.reports.empty()) return false;
  const auto complete = std::count_if(history.trials.begin(), history.trials.end(),
                                      [](const Trial& other) { return other.state == TrialState::complete; });
  if (complete == 0 || complete < startup_ || trial.reports.back().step < warmup_) return false;
  if (!first_in_interval(trial, trial.reports.size() - 1, warmup_, interval_)) return false;
  for (std::size_t k = 0; k < directions_.size(); ++k)
    if (!below_line(history, trial, k)) return false;
  return true;
}

}  // namespace lathe::nas
