#include <lathe/nas/pruner/wilcoxon.h>

#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/pruner/questions.h>
#include <lathe/nas/sampler/sampler.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

namespace lathe::nas {
namespace {

constexpr std::size_t kMostExact = 50, kMostExactWithTies = 13;

/// P(sum of a random half of the doubled ranks ≥ sum). Counts are whole numbers up to 2⁵⁰, exact in a double.
double exact_p(const std::vector<std::size_t>& doubled_ranks, std::size_t sum) {
  std::vector<double> ways(1, 1.0);
  for (const std::size_t rank : doubled_ranks) {
    std::vector<double> next(ways.size() + rank, 0.0);
    for (std::size_t i = 0; i < ways.size(); ++i) {
      next[i] += ways[i];
      next[i + rank] += ways[i];
    }
    ways = std::move(next);
  }
  double above = 0, all = 0;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    all += ways[i];
    if (i >= sum) above += ways[i];
  }
  return above / all;
}

/// Newest report of each unit.
std::map<int, const Report*> newest_reports(const Trial& trial) {
  std::map<int, const Report*> newest;
  for (const Report& report : trial.reports) newest[report.unit] = &report;
  return newest;
}

bool finite(const Trial& trial, std::size_t objective) {
  return std::all_of(trial.reports.begin(), trial.reports.end(),
                     [&](const Report& report) { return std::isfinite(report.values[objective]); });
}

}  // namespace

double wilcoxon_p_greater(std::vector<double> d) {
  const std::size_t n = d.size();
  if (n == 0) return std::numeric_limits<double>::quiet_NaN();
  std::sort(d.begin(), d.end(), [](double a, double b) { return std::fabs(a) < std::fabs(b); });
  std::vector<std::size_t> ranks(n);  // doubled: an average of ties may be half a rank
  std::size_t zeros = 0;
  double ties = 0;  // Σ t³ − t
  for (std::size_t from = 0, to = 0; from < n; from = to) {
    while (to < n && std::fabs(d[to]) == std::fabs(d[from])) ++to;
    std::fill(ranks.begin() + static_cast<std::ptrdiff_t>(from), ranks.begin() + static_cast<std::ptrdiff_t>(to), from + 1 + to);
    const auto t = static_cast<double>(to - from);
    ties += t * t * t - t;
    if (d[from] == 0) zeros = to;
  }
  std::size_t positive = 0;
  for (std::size_t i = zeros; i < n; ++i) positive += d[i] > 0 ? ranks[i] : 0;
  const bool plain = zeros == 0 && ties == 0;
  // Zeros give half of their ranks to either side, whatever the signs: they do not change which outcomes are at least as large.
  if (n <= (plain ? kMostExact : kMostExactWithTies))
    return exact_p({ranks.begin() + static_cast<std::ptrdiff_t>(zeros), ranks.end()}, positive);
  const double zero_half =
      static_cast<double>(std::accumulate(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(zeros), std::size_t{0})) / 4;
  const auto m = static_cast<double>(n);
  const double deviation = math::sqrt((m * (m + 1) * (2 * m + 1) - ties / 2) / 24);
  const double z = (static_cast<double>(positive) / 2 + zero_half - m * (m + 1) / 4) / deviation;
  return 0.5 * math::erfc(z / math::sqrt(2.0));
}

WilcoxonPruner::WilcoxonPruner(const StudyHeader& header) : directions_(header.directions) {
  const Settings& s = header.pruner_settings;
  check_settings("pruner wilcoxon", s, {"p_threshold", "n_startup_steps"});
  threshold_ = setting(s, "p_threshold", 0.1);
  if (!(threshold_ >= 0 && threshold_ <= 1))
    throw InputError(str("pruner wilcoxon: p_threshold is ", threshold_, ", expected 0 to 1"));
  startup_ = std::max<std::size_t>(2, static_cast<std::size_t>(whole_setting("pruner wilcoxon", s, "n_startup_steps", 2, 0)));
}

bool WilcoxonPruner::surely_worse(const Trial& trial, const Trial& than) const {
  const auto mine = newest_reports(trial);
  auto theirs = newest_reports(than);
  std::size_t pairs = 0;
  for (const Report& report : than.reports) {
    const auto pair = mine.find(report.unit);
    if (pair == mine.end() || pair->second->step != report.step) continue;
    theirs[report.unit] = &report;
    ++pairs;
  }
  if (pairs < startup_) return false;
  for (std::size_t k = 0; k < directions_.size(); ++k) {
    if (!finite(trial, k) || !finite(than, k)) return false;
    const double sign = directions_[k] == Direction::minimise ? 1 : -1;
    std::vector<double> worse_by;
    double sum = 0, their_sum = 0;
    for (const auto& [unit, report] : mine) {
      sum += report->values[k];
      const auto pair = theirs.find(unit);
      if (pair != theirs.end() && pair->second->step == report->step)
        worse_by.push_back(sign * (report->values[k] - pair->second->values[k]));
    }
    for (const auto& [unit, report] : theirs) their_sum += report->values[k];
    if (!(wilcoxon_p_greater(std::move(worse_by)) < threshold_)) return false;
    if (!better(their_sum / static_cast<double>(theirs.size()), sum / static_cast<double>(mine.size()), directions_[k]))
      return false;
  }
  return true;
}

bool WilcoxonPruner::stops(const History& history, const Trial& trial) {
  if (trial.reports.empty()) return false;
  if (directions_.size() == 1) {
    const Trial* best = nullptr;
    for (const Trial& other : history.trials)
      if (other.state == TrialState::complete && feasible(other) &&
          (!best || better(other.values[0], best->values[0], directions_[0])))
        best = &other;
    return best && surely_worse(trial, *best);
  }
  return std::any_of(history.trials.begin(), history.trials.end(), [&](const Trial& other) {
    return other.state == TrialState::complete && feasible(other) && surely_worse(trial, other);
  });
}

}  // namespace lathe::nas
