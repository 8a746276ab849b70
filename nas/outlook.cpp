// What further trials would bring (why.h).
#include <lathe/base/math.h>
#include <lathe/base/random.h>
#include <lathe/nas/comparison.h>
#include <lathe/nas/sampler/axis.h>
#include <lathe/nas/why.h>

#include <algorithm>
#include <limits>

namespace lathe::nas {
namespace {

constexpr std::size_t kPoints = 64, kFewestValues = 5, kSmallestTail = 10;
constexpr double kNothing = -std::numeric_limits<double>::infinity();

/// 1 … horizon, at most kPoints of them, `turn` (if it is in between) among them.
std::vector<std::size_t> places(std::size_t horizon, std::size_t turn) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < kPoints; ++i) out.push_back(1 + i * (horizon - 1) / (kPoints - 1));
  if (turn <= horizon) {
    std::size_t nearest = 1;
    const auto distance = [&](std::size_t i) { return out[i] > turn ? out[i] - turn : turn - out[i]; };
    for (std::size_t i = 1; i + 1 < out.size(); ++i)
      if (distance(i) < distance(nearest)) nearest = i;
    if (turn > 1 && turn < horizon) out[nearest] = turn;
  }
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

/// Larger is better from here on. `sorted` ascending; those without a value come first, as −∞.
/// The smallest x with P(best of m ≤ x) ≥ q.
double order_quantile(const std::vector<double>& sorted, std::size_t m, double q) {
  const std::size_t n = sorted.size();
  for (std::size_t k = m; k <= n; ++k) {
    double p = 1;  // C(k, m) / C(n, m)
    for (std::size_t j = 0; j < m; ++j) p *= static_cast<double>(k - j) / static_cast<double>(n - j);
    if (p >= q) return sorted[k - 1];
  }
  return sorted[n - 1];
}

/// The upper end of a sample: what lies above the threshold, which share of all trials that is, and its distribution.
struct Tail {
  double threshold = 0, share = 0;
  ParetoTail model;
};

Tail tail_of(const std::vector<double>& sorted) {
  const auto first = static_cast<std::size_t>(std::upper_bound(sorted.begin(), sorted.end(), kNothing) - sorted.begin());
  const std::size_t values = sorted.size() - first;
  const std::size_t count = std::min(values - 1, std::max(kSmallestTail, (values + 3) / 4));
  Tail tail;
  const std::size_t from = sorted.size() - count;
  tail.threshold = sorted[from - 1];
  tail.share = static_cast<double>(count) / static_cast<double>(sorted.size());
  std::vector<double> excesses;
  for (std::size_t i = from; i < sorted.size(); ++i) excesses.push_back(sorted[i] - tail.threshold);
  tail.model = fit_tail(excesses);
  return tail;
}

/// The largest of m draws that the number `u` in [0, 1) selects, or −∞ where it lies below the tail.
double largest_of(const Tail& tail, std::size_t m, double u) {
  const double above = -math::expm1(math::log(std::max(u, 1e-300)) / static_cast<double>(m));  // 1 − u^(1/m)
  if (above > tail.share) return kNothing;
  return tail.threshold + tail.model.excess(std::max(above / tail.share, 1e-300));
}

}  // namespace

double ParetoTail::excess(double p) const {
  if (shape > -1e-9 && shape < 1e-9) return -scale * math::log(p);
  return scale * math::expm1(-shape * math::log(p)) / shape;
}

ParetoTail fit_tail(std::span<const double> excesses) {
  const auto n = static_cast<double>(excesses.size());
  double a0 = 0, a1 = 0;
  for (std::size_t i = 0; i < excesses.size(); ++i) {
    a0 += excesses[i] / n;
    a1 += (1 - (static_cast<double>(i) + 0.65) / n) * excesses[i] / n;
  }
  ParetoTail tail;
  if (!(a0 > 0)) return tail;
  // Hosking and Wallis write k = −shape: k = a0/(a0 − 2a1) − 2, scale = 2 a0 a1/(a0 − 2a1).
  const double d = a0 - 2 * a1;
  const double shape = d > 0 ? 2 - a0 / d : -1;
  tail.shape = std::min(std::max(shape, -1.0), 0.5);
  tail.scale = tail.shape == shape ? 2 * a0 * a1 / d : a0 * (1 - tail.shape);  // clipped: keep the mean
  return tail;
}

std::vector<BestAfter> best_after(std::span<const double> values, Direction direction, std::size_t horizon,
                                  const OutlookOptions& options) {
  const double sign = direction == Direction::minimise ? -1 : 1;
  std::vector<double> sorted;
  std::size_t finite = 0;
  for (const double v : values) {
    const bool is_number = v - v == 0;
    finite += is_number;
    sorted.push_back(is_number ? sign * v : kNothing);
  }
  if (finite < kFewestValues || horizon == 0) return {};
  std::sort(sorted.begin(), sorted.end());
  const std::size_t n = sorted.size();
  const double best = sorted.back(), bound = options.bound ? sign * *options.bound : -kNothing;
  const std::vector<std::size_t> counts = places(horizon, n);

  std::vector<std::vector<double>> drawn(counts.size());
  if (horizon > n)
    for (int resample = 0; resample < options.resamples; ++resample) {
      Random random(random_key(options.seed, static_cast<std::uint64_t>(resample), "outlook"));
      std::vector<double> sample;
      std::size_t numbers = 0;
      for (std::size_t i = 0; i < n; ++i) {
        sample.push_back(sorted[random.below(static_cast<std::uint32_t>(n))]);
        numbers += sample.back() > kNothing;
      }
      if (numbers < 2) continue;
      std::sort(sample.begin(), sample.end());
      const Tail tail = tail_of(sample);
      const double u = uniform53(random);
      for (std::size_t i = 0; i < counts.size(); ++i)
        if (counts[i] > n) drawn[i].push_back(std::max(best, std::min(bound, largest_of(tail, counts[i] - n, u))));
    }

  std::vector<BestAfter> out;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto at = [&](double q) { return counts[i] <= n ? order_quantile(sorted, counts[i], q) : quantile(drawn[i], q); };
    const double low = sign * at(0.05), median = sign * at(0.5), high = sign * at(0.95);
    out.push_back({counts[i], low, median, high});
  }
  return out;
}

}  // namespace lathe::nas
