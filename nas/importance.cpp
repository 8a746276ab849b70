#include <lathe/nas/importance.h>

#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/normal.h>
#include <lathe/nas/pareto.h>
#include <lathe/nas/sampler/axis.h>

#include <algorithm>
#include <limits>

namespace lathe::nas {
namespace {

constexpr std::size_t kBins = 50;
constexpr double kFloor = 1e-12;

std::size_t share_of(double quantile, std::size_t n) {
  const double exact = quantile * static_cast<double>(n);
  const double floor = math::floor(exact);
  return std::min(n, static_cast<std::size_t>(floor) + (exact > floor));
}

std::size_t bins_of(const Axis& axis) {
  if (axis.kind() == Axis::Kind::choice) return static_cast<std::size_t>(axis.count());
  if (axis.kind() == Axis::Kind::continuous) return kBins;
  if (!axis.log()) return static_cast<std::size_t>(std::min<std::uint64_t>(axis.count(), kBins));
  std::size_t digits = 0;  // ⌈log₂ count⌉
  while (digits < 63 && (std::uint64_t{1} << digits) < axis.count()) ++digits;
  return std::min(digits + 1, kBins);
}

std::size_t bin_of(const Axis& axis, double x, std::size_t bins) {
  if (axis.kind() == Axis::Kind::choice) return static_cast<std::size_t>(x);
  const double low = axis.layout(axis.first()), high = axis.layout(axis.last());
  const double width = (high - low) / static_cast<double>(bins - 1);
  const double index = -math::floor(-((axis.layout(x) - low) / width - 0.5));  // halves go down
  return static_cast<std::size_t>(std::min(std::max(index, 0.0), static_cast<double>(bins - 1)));
}

std::vector<double> counts_of(const Axis& axis, const std::vector<double>& values, std::size_t bins) {
  std::vector<double> counts(bins, 0);
  for (const double x : values) counts[bin_of(axis, x, bins)] += 1;
  return counts;
}

// σ of the kernels over the bins.
double scott(const std::vector<double>& counts, double total) {
  double mean = 0, variance = 0;
  for (std::size_t b = 0; b < counts.size(); ++b) mean += counts[b] * static_cast<double>(b);
  mean /= total;
  for (std::size_t b = 0; b < counts.size(); ++b)
    variance += counts[b] * (static_cast<double>(b) - mean) * (static_cast<double>(b) - mean);
  const double deviation = math::sqrt(variance / std::max(1.0, total - 1));
  // Quartiles: the first bin whose cumulated count reaches ⌊W/4⌋, the first that exceeds ⌊3W/4⌋.
  const double quarter = math::floor(total / 4), three = math::floor(3 * total / 4);
  double cumulated = 0, low = -1, high = -1, last = 0;
  for (std::size_t b = 0; b < counts.size(); ++b) {
    if (counts[b] == 0) continue;
    cumulated += counts[b];
    last = static_cast<double>(b);
    if (low < 0 && cumulated >= quarter) low = last;
    if (high < 0 && cumulated > three) high = last;
  }
  if (high < 0) high = last;
  return std::max(1.059 * std::min((high - low) / 1.34, deviation) * math::pow(total, -0.2), 0.5 / 1.64);
}

std::vector<double> density(const Axis& axis, const std::vector<double>& values, std::size_t bins) {
  const std::vector<double> counts = counts_of(axis, values, bins);
  const auto total = static_cast<double>(values.size());
  const double size = static_cast<double>(bins);
  std::vector<double> out(bins, 0);
  if (axis.kind() == Axis::Kind::choice) {
    double kernels = 1;
    for (const double c : counts) kernels += c > 0;
    const double share = 1 / kernels, sum = 1 + size * share;
    for (std::size_t b = 0; b < bins; ++b) out[b] = (total * share / sum + counts[b] / sum + 1 / size) / (total + 1);
  } else {
    const double sigma = scott(counts, total);
    const auto add = [&](double weight, double mu, double s) {
      const double cut = log_normal_mass((-0.5 - mu) / s, (size - 0.5 - mu) / s);
      for (std::size_t b = 0; b < bins; ++b) {
        const double at = static_cast<double>(b) - mu;
        out[b] += weight / (total + 1) * math::exp(log_normal_mass((at - 0.5) / s, (at + 0.5) / s) - cut);
      }
    };
    for (std::size_t b = 0; b < bins; ++b)
      if (counts[b] > 0) add(counts[b], static_cast<double>(b), sigma);
    add(1, (size - 1) / 2, size);
  }
  for (double& p : out) p += kFloor;
  return out;
}

double divergence(const Axis& axis, const std::vector<double>& top, const std::vector<double>& region) {
  const std::size_t bins = bins_of(axis);
  const auto q = density(axis, top, bins), p = density(axis, region, bins);
  double sum = 0;
  for (std::size_t b = 0; b < bins; ++b) sum += p[b] * (q[b] / p[b] - 1) * (q[b] / p[b] - 1);
  return sum;
}

// Which rows are among the best `quantile`.
std::vector<bool> best(const LossTable& losses, const std::vector<double>& violations, double quantile) {
  std::vector<bool> out(losses.size(), quantile == 1.0);
  if (quantile == 1.0) return out;
  const std::size_t count = share_of(quantile, losses.size());
  std::vector<std::size_t> feasible;
  LossTable of_feasible(losses.objectives());
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (violations[i] > 0) continue;
    feasible.push_back(i);
    of_feasible.add(losses[i]);
  }
  // All that are no worse than the last one that counts.
  const auto up_to = [&](const auto& rank) {
    std::vector<double> sorted;
    for (std::size_t i = 0; i < out.size(); ++i) sorted.push_back(rank(i));
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = rank(i) <= sorted[count - 1];
  };
  if (feasible.size() < count) {
    up_to([&](std::size_t i) { return violations[i]; });
  } else if (losses.objectives() > 1) {
    for (const std::size_t i : best_by_rank_and_volume(of_feasible, count)) out[feasible[i]] = true;
  } else {
    up_to([&](std::size_t i) { return violations[i] > 0 ? std::numeric_limits<double>::infinity() : losses[i][0]; });
  }
  return out;
}

LossTable losses_of(const std::vector<const Trial*>& trials, std::span<const Direction> directions,
                    std::optional<std::size_t> objective) {
  LossTable losses(objective ? 1 : directions.size());
  for (const Trial* trial : trials) {
    std::vector<double> row;
    for (std::size_t k = 0; k < directions.size(); ++k)
      if (!objective || *objective == k)
        row.push_back(directions[k] == Direction::minimise ? trial->values.at(k) : -trial->values.at(k));
    losses.add(row);
  }
  return losses;
}

double importance(const Axis& axis, std::size_t index, const std::vector<const Trial*>& trials, const std::vector<bool>& top,
                  const std::vector<bool>& region) {
  std::vector<double> in_top, in_region;
  double tops = 0, regions = 0;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    tops += top[i];
    regions += region[i];
    const auto& value = trials[i]->point.value(index);
    if (!value || !region[i]) continue;
    in_region.push_back(axis.coordinate(*value));
    if (top[i]) in_top.push_back(axis.coordinate(*value));
  }
  if (axis.single() || in_top.empty() || in_region.size() < 2) return 0;
  const double gamma = tops / regions;
  const double alpha = static_cast<double>(in_top.size()) / tops, beta = static_cast<double>(in_region.size()) / regions;
  return gamma * gamma * alpha * alpha / beta * divergence(axis, in_top, in_region);
}

}  // namespace

std::vector<Importance> importances(const Space& space, const History& history, std::span<const Direction> directions,
                                    const ImportanceOptions& options) {
  if (!(options.target_quantile > 0 && options.target_quantile < options.region_quantile && options.region_quantile <= 1))
    throw InputError(str("importance: the quantiles are ", options.target_quantile, " and ", options.region_quantile,
                         ", expected 0 < target < region <= 1"));
  if (options.objective && *options.objective >= directions.size())
    throw InputError(str("importance: there is no objective ", *options.objective, ", the study has ", directions.size()));
  std::vector<const Trial*> trials;
  for (const Trial& trial : history.trials)
    if (trial.state == TrialState::complete) trials.push_back(&trial);
  const LossTable losses = losses_of(trials, directions, options.objective);
  std::vector<double> violations;
  for (const Trial* trial : trials) violations.push_back(violation(*trial));
  const auto top = best(losses, violations, options.target_quantile), region = best(losses, violations, options.region_quantile);
  std::vector<Importance> out;
  double sum = 0;
  for (std::size_t i = 0; i < space.size(); ++i) {
    const bool occurs = std::any_of(trials.begin(), trials.end(), [&](const Trial* t) { return t->point.value(i).has_value(); });
    if (!occurs) continue;
    const double value = trials.size() < 2 ? 0 : importance(Axis(space.parameter(i)), i, trials, top, region);
    out.push_back({space.parameter(i).name, value, 0});
    sum += value;
  }
  for (Importance& i : out) i.share = sum > 0 ? i.value / sum : 1 / static_cast<double>(out.size());
  std::stable_sort(out.begin(), out.end(), [](const Importance& a, const Importance& b) { return a.value > b.value; });
  return out;
}

}  // namespace lathe::nas
