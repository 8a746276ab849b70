#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/random.h>
#include <lathe/base/text.h>
#include <lathe/nas/rank_correlation.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace lathe::nas {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

void check(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size()) throw InputError(str("rank correlation: ", x.size(), " and ", y.size(), " values, expected as many"));
  if (x.size() > 10'000'000) throw InputError(str("rank correlation: ", x.size(), " values, expected at most 10,000,000"));
  for (const std::span<const double> side : {x, y})
    for (std::size_t i = 0; i < side.size(); ++i)
      if (std::isnan(side[i])) throw InputError(str("rank correlation: value ", i, " is no number"));
}

using Pair = std::pair<double, double>;

/// Σ t(t − 1)/2 over the runs of equal neighbours.
template <class Same>
std::int64_t tied_pairs(const std::vector<Pair>& items, Same&& same) {
  std::int64_t pairs = 0, run = 1;
  for (std::size_t i = 1; i <= items.size(); ++i) {
    if (i < items.size() && same(items[i - 1], items[i])) {
      ++run;
    } else {
      pairs += run * (run - 1) / 2;
      run = 1;
    }
  }
  return pairs;
}

/// Sorts by y and counts the pairs that were in the wrong order: a merge sort from below.
std::int64_t exchanges(std::vector<Pair>& items) {
  std::vector<Pair> merged(items.size());
  std::int64_t count = 0;
  for (std::size_t width = 1; width < items.size(); width *= 2) {
    for (std::size_t low = 0; low < items.size(); low += 2 * width) {
      const std::size_t middle = std::min(low + width, items.size()), high = std::min(low + 2 * width, items.size());
      std::size_t left = low, right = middle;
      for (std::size_t to = low; to < high; ++to) {
        if (left < middle && (right >= high || items[left].second <= items[right].second)) {
          merged[to] = items[left++];
        } else {
          count += static_cast<std::int64_t>(middle - left);
          merged[to] = items[right++];
        }
      }
    }
    items.swap(merged);
  }
  return count;
}

double tau(std::vector<Pair> items) {
  const auto n = static_cast<std::int64_t>(items.size());
  if (n < 2) return kUndefined;
  std::sort(items.begin(), items.end());
  const std::int64_t pairs = n * (n - 1) / 2;
  const std::int64_t tied_x = tied_pairs(items, [](const Pair& a, const Pair& b) { return a.first == b.first; });
  const std::int64_t tied_both = tied_pairs(items, [](const Pair& a, const Pair& b) { return a == b; });
  const std::int64_t discordant = exchanges(items);
  const std::int64_t tied_y = tied_pairs(items, [](const Pair& a, const Pair& b) { return a.second == b.second; });
  if (tied_x == pairs || tied_y == pairs) return kUndefined;
  const auto surplus = static_cast<double>(pairs - tied_x - tied_y + tied_both - 2 * discordant);
  const double value = surplus / math::sqrt(static_cast<double>(pairs - tied_x) * static_cast<double>(pairs - tied_y));
  return std::clamp(value, -1.0, 1.0);
}

std::vector<Pair> paired(std::span<const double> x, std::span<const double> y) {
  std::vector<Pair> items;
  for (std::size_t i = 0; i < x.size(); ++i) items.emplace_back(x[i], y[i]);
  return items;
}

/// Indices of the best `count`, ties: the earlier ones.
std::vector<std::size_t> best(std::span<const double> values, std::size_t count) {
  std::vector<std::size_t> order(values.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(std::min(count, order.size()));
  std::partial_sort(order.begin(), middle, order.end(), [&](std::size_t a, std::size_t b) {
    return values[a] != values[b] ? values[a] > values[b] : a < b;  // no two are equal, so the order is one
  });
  order.erase(middle, order.end());
  return order;
}

double tau_of_best(std::span<const double> reference, std::span<const double> score, double share) {
  const double wanted = share * static_cast<double>(reference.size()), whole = math::floor(wanted);
  const std::size_t count = static_cast<std::size_t>(whole) + (whole < wanted ? 1 : 0);
  std::vector<Pair> items;
  for (const std::size_t i : best(reference, count)) items.emplace_back(reference[i], score[i]);
  return tau(std::move(items));
}

double recall_of_best(std::span<const double> reference, std::span<const double> score, std::int64_t k) {
  if (reference.empty()) return kUndefined;
  const auto count = static_cast<std::size_t>(std::min(k, static_cast<std::int64_t>(reference.size())));
  std::vector<bool> wanted(reference.size());
  for (const std::size_t i : best(reference, count)) wanted[i] = true;
  std::size_t found = 0;
  for (const std::size_t i : best(score, count)) found += wanted[i];
  return static_cast<double>(found) / static_cast<double>(count);
}

void check_share(double share) {
  if (!(share > 0 && share <= 1))
    throw InputError(str("rank correlation: the share of the best is ", share, ", expected above 0 to 1"));
}

void check_k(std::int64_t k) {
  if (k < 1) throw InputError(str("rank correlation: the number of the best is ", k, ", expected at least 1"));
}

Interval percentiles(std::vector<double> statistics, double confidence) {
  const double tail = (1 - confidence) / 2;
  return {quantile(statistics, tail), quantile(std::move(statistics), 1 - tail)};
}

}  // namespace

double kendall_tau(std::span<const double> x, std::span<const double> y) {
  check(x, y);
  return tau(paired(x, y));
}

double kendall_tau_top(std::span<const double> reference, std::span<const double> score, double share) {
  check(reference, score);
  check_share(share);
  return tau_of_best(reference, score, share);
}

double top_k_recall(std::span<const double> reference, std::span<const double> score, std::int64_t k) {
  check(reference, score);
  check_k(k);
  return recall_of_best(reference, score, k);
}

RankAgreement rank_agreement(std::span<const double> reference, std::span<const double> score, const RankOptions& options) {
  check(reference, score);
  check_share(options.top_share);
  check_k(options.top_k);
  if (!(options.confidence > 0 && options.confidence < 1))
    throw InputError(str("rank correlation: confidence ", options.confidence, ", expected between 0 and 1"));
  if (options.resamples < 100 || options.resamples > 1'000'000)
    throw InputError(str("rank correlation: ", options.resamples, " resamples, expected 100 to 1,000,000"));
  RankAgreement out;
  const std::size_t n = reference.size();
  out.entries = static_cast<std::int64_t>(n);
  out.tau.value = tau(paired(reference, score));
  out.tau_top.value = tau_of_best(reference, score, options.top_share);
  out.recall.value = recall_of_best(reference, score, options.top_k);
  std::vector<double> taus, tops, recalls;
  const auto known = [](double value) { return std::isnan(value) ? 0 : value; };
  const RandomKey key = random_key(options.seed, 0, "rank agreement");
  std::vector<double> x(n), y(n);
  for (int i = 0; i < options.resamples; ++i) {
    Random random(key, static_cast<std::uint32_t>(i));
    for (std::size_t at = 0; at < n; ++at) {
      const std::size_t row = random.below(static_cast<std::uint32_t>(n));
      x[at] = reference[row];
      y[at] = score[row];
    }
    taus.push_back(known(tau(paired(x, y))));
    tops.push_back(known(tau_of_best(x, y, options.top_share)));
    recalls.push_back(known(recall_of_best(x, y, options.top_k)));
  }
  out.tau.interval = percentiles(std::move(taus), options.confidence);
  out.tau_top.interval = percentiles(std::move(tops), options.confidence);
  out.recall.interval = percentiles(std::move(recalls), options.confidence);
  return out;
}

}  // namespace lathe::nas
