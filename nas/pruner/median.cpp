#include <lathe/nas/pruner/median.h>

#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
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

MedianPruner::MedianPruner(const StudyHeader& header) : direction_(header.directions.at(0)) {
  const Settings& s = header.pruner_settings;
  check_settings("pruner median", s, {"percentile", "n_startup_trials", "n_warmup_steps", "interval_steps", "n_min_trials"});
  const auto whole = [&](const char* name, double otherwise, std::int64_t least) {
    const double value = setting(s, name, otherwise);
    if (!(value >= static_cast<double>(least) && value <= 1e9 && value == math::floor(value)))
      throw InputError(str("pruner median: ", name, " is ", value, ", expected a whole number of at least ", least));
    return static_cast<std::int64_t>(value);
  };
  percentile_ = setting(s, "percentile", 50);
  if (!(percentile_ >= 0 && percentile_ <= 100))
    throw InputError(str("pruner median: percentile is ", percentile_, ", expected 0 to 100"));
  startup_ = whole("n_startup_trials", 5, 0);
  warmup_ = whole("n_warmup_steps", 0, 0);
  interval_ = whole("interval_steps", 1, 1);
  min_trials_ = whole("n_min_trials", 1, 1);
}

bool MedianPruner::stops(const History& history, const Trial& trial) {
  if (trial.reports.empty()) return false;
  const int unit = trial.reports.back().unit;
  const std::int64_t step = trial.reports.back().step;
  std::int64_t complete = 0;
  std::vector<double> others;
  for (const Trial& other : history.trials) {
    if (other.state != TrialState::complete) continue;
    ++complete;
    for (const Report& report : other.reports)
      if (report.unit == unit && report.step == step) others.push_back(report.values[0]);
  }
  if (complete == 0 || complete < startup_ || step < warmup_) return false;

  std::int64_t before = -1;  // the last earlier report in this unit
  double best = std::numeric_limits<double>::quiet_NaN();
  for (const Report& report : trial.reports) {
    if (report.unit != unit) continue;
    if (report.step != step) before = std::max<std::int64_t>(before, report.step);
    const double value = report.values[0];
    if (!std::isnan(value) && (std::isnan(best) || better(value, best, direction_))) best = value;
  }
  if (before >= (step - warmup_) / interval_ * interval_ + warmup_) return false;
  if (std::isnan(best)) return true;
  if (static_cast<std::int64_t>(others.size()) < min_trials_) return false;
  const double line = percentile_of(std::move(others), direction_ == Direction::maximise ? 100 - percentile_ : percentile_);
  return !std::isnan(line) && better(line, best, direction_);
}

}  // namespace lathe::nas
