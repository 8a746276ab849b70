#include <lathe/nas/pruner/asha.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/sampler/sampler.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe::nas {

Rungs::Rungs(std::int64_t least, std::int64_t factor, std::int64_t rate, std::int64_t bootstrap, std::vector<Direction> directions)
    : least_(least), factor_(factor), rate_(rate), bootstrap_(bootstrap), directions_(std::move(directions)) {}

std::int64_t Rungs::step_of(std::size_t rung) const {
  std::int64_t step = least_;
  for (std::int64_t i = 0; i < rate_ + static_cast<std::int64_t>(rung); ++i) {
    if (step > std::numeric_limits<std::int64_t>::max() / factor_) return std::numeric_limits<std::int64_t>::max();
    step *= factor_;
  }
  return step;
}

bool Rungs::enter(int unit, std::size_t rung, const std::vector<double>& values) {
  auto& entered = values_[{unit, rung}];
  entered.push_back(values);
  const auto n = static_cast<std::int64_t>(entered.size());
  if (n <= bootstrap_) return false;
  const std::int64_t best = std::max<std::int64_t>(1, n / factor_);
  const auto ahead = std::count_if(entered.begin(), entered.end(),
                                   [&](const std::vector<double>& other) { return dominates(other, values, directions_); });
  return ahead < best;
}

bool Rungs::stops(const Question& question) {
  const Report& report = question.trial->reports[question.report];
  std::size_t& rung = next_[{question.trial->number, report.unit}];
  while (report.step >= step_of(rung)) {
    if (std::any_of(report.values.begin(), report.values.end(), [](double v) { return std::isnan(v); })) return true;
    if (!enter(report.unit, rung++, report.values)) return true;
  }
  return false;
}

std::optional<std::int64_t> largest_complete_step(const History& history, std::uint64_t time) {
  std::optional<std::int64_t> largest;
  for (const Trial& trial : history.trials)
    if (trial.state == TrialState::complete && trial.finished <= time)
      for (const Report& report : trial.reports) largest = std::max<std::int64_t>(largest.value_or(0), report.step);
  return largest;
}

AshaPruner::AshaPruner(const StudyHeader& header) : directions_(header.directions) {
  const Settings& s = header.pruner_settings;
  check_settings("pruner asha", s, {"min_resource", "reduction_factor", "min_early_stopping_rate", "bootstrap_count"});
  least_ = whole_setting("pruner asha", s, "min_resource", 0, 0);
  factor_ = whole_setting("pruner asha", s, "reduction_factor", 4, 2);
  rate_ = whole_setting("pruner asha", s, "min_early_stopping_rate", 0, 0);
  bootstrap_ = whole_setting("pruner asha", s, "bootstrap_count", 0, 0);
  if (bootstrap_ > 0 && least_ == 0)
    throw InputError("pruner asha: bootstrap_count needs a min_resource, which is found from the first complete trial otherwise");
}

bool AshaPruner::stops(const History& history, const Trial& trial) {
  if (trial.reports.empty()) return false;
  bool stop = false;
  for (const Question& question : questions_.until(history, trial)) {
    if (!rungs_) {
      std::int64_t least = least_;
      if (least == 0) {
        const auto largest = largest_complete_step(history, question.trial->reports[question.report].time);
        if (!largest) continue;
        least = std::max<std::int64_t>(1, *largest / 100);
      }
      rungs_.emplace(least, factor_, rate_, bootstrap_, directions_);
    }
    const bool answer = rungs_->stops(question);
    if (question.trial == &trial && question.report + 1 == trial.reports.size()) stop = answer;
  }
  return stop;
}

}  // namespace lathe::nas
