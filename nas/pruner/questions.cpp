#include <lathe/nas/pruner/questions.h>

#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/sampler/sampler.h>

#include <algorithm>
#include <cmath>

namespace lathe::nas {

std::vector<Question> Questions::until(const History& history, const Trial& trial) {
  for (; known_ < history.trials.size(); ++known_) open_.push_back({static_cast<std::int64_t>(known_), 0});
  const std::uint64_t now = trial.reports.back().time;
  const auto due = [&](const Trial& t, std::size_t report) {
    const std::uint64_t time = t.reports[report].time;
    return time < now || (time == now && t.number <= trial.number);
  };
  std::vector<Question> out;
  for (Open& entry : open_) {
    const Trial& t = history.trials[static_cast<std::size_t>(entry.trial)];
    // The report that completes a trial is followed by no question.
    const std::size_t most = t.reports.size() - (t.state == TrialState::complete && !t.reports.empty() ? 1 : 0);
    for (; entry.given < most && due(t, entry.given); ++entry.given)
      if (!asked_ || asked_(t, entry.given)) out.push_back({&t, entry.given});
  }
  std::erase_if(open_, [&](const Open& entry) {
    const Trial& t = history.trials[static_cast<std::size_t>(entry.trial)];
    return t.state != TrialState::running && entry.given + (t.state == TrialState::complete ? 1 : 0) >= t.reports.size();
  });
  std::sort(out.begin(), out.end(), [](const Question& a, const Question& b) {
    const std::uint64_t ta = a.trial->reports[a.report].time, tb = b.trial->reports[b.report].time;
    if (ta != tb) return ta < tb;
    return a.trial->number != b.trial->number ? a.trial->number < b.trial->number : a.report < b.report;
  });
  return out;
}

std::int64_t whole_setting(const std::string& of, const Settings& settings, const std::string& name, std::int64_t otherwise,
                           std::int64_t least) {
  const double value = setting(settings, name, static_cast<double>(otherwise));
  if (!(value >= static_cast<double>(least) && value <= 1e9 && value == math::floor(value)))
    throw InputError(str(of, ": ", name, " is ", value, ", expected a whole number of at least ", least));
  return static_cast<std::int64_t>(value);
}

bool first_in_interval(const Trial& trial, std::size_t index, std::int64_t warmup, std::int64_t interval) {
  const Report& report = trial.reports[index];
  std::int64_t before = -1;  // the last earlier report of this unit
  for (std::size_t i = 0; i <= index; ++i)
    if (trial.reports[i].unit == report.unit && trial.reports[i].step != report.step)
      before = std::max<std::int64_t>(before, trial.reports[i].step);
  return before < (report.step - warmup) / interval * interval + warmup;
}

bool dominates(std::span<const double> a, std::span<const double> b, std::span<const Direction> directions) {
  bool somewhere = false;
  for (std::size_t k = 0; k < directions.size(); ++k) {
    if (std::isnan(a[k]) ? !std::isnan(b[k]) : better(b[k], a[k], directions[k])) return false;
    somewhere |= std::isnan(b[k]) ? !std::isnan(a[k]) : better(a[k], b[k], directions[k]);
  }
  return somewhere;
}

}  // namespace lathe::nas
