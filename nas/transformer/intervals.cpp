#include <lathe/base/math.h>
#include <lathe/base/random.h>
#include <lathe/nas/transformer/intervals.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr double kZ = 1.959963984540054;
constexpr int kResamples = 500, kFlips = 10'000;
constexpr std::size_t kAllFlips = 14, kNormalFrom = 200;

double size_of(double x) { return x < 0 ? -x : x; }

double variance_of(std::span<const double> values, double mean) {
  double sum = 0;
  for (const double v : values) sum += (v - mean) * (v - mean);
  return values.size() > 1 ? sum / static_cast<double>(values.size() - 1) : 0;
}

double mean_of(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

/// Variance over rows of the mean macro F1 of all trainings.
double bootstrap_variance(std::span<const std::vector<std::int32_t>> answers, std::span<const std::int32_t> labels,
                          std::int32_t classes) {
  const auto n = static_cast<std::uint32_t>(labels.size());
  const auto width = static_cast<std::size_t>(classes);
  std::vector<double> means;
  std::vector<std::uint32_t> rows(n);
  for (int resample = 0; resample < kResamples; ++resample) {
    Random random(random_key(1, static_cast<std::uint64_t>(resample), "rows"));
    for (std::uint32_t& row : rows) row = random.below(n);
    double sum = 0;
    for (const std::vector<std::int32_t>& given : answers) {
      data::ConfusionMatrix matrix{classes, std::vector<std::int64_t>(width * width)};
      for (const std::uint32_t row : rows)
        ++matrix.counts[static_cast<std::size_t>(labels[row]) * width + static_cast<std::size_t>(given[row])];
      sum += data::macro_f1(matrix);
    }
    means.push_back(sum / static_cast<double>(answers.size()));
  }
  return variance_of(means, mean_of(means));
}

}  // namespace

data::Interval wilson(double p, double rows) {
  if (!(rows > 0)) return {0, 1};
  const double z2 = kZ * kZ / rows, center = (p + z2 / 2) / (1 + z2);
  const double half = kZ / (1 + z2) * math::sqrt(std::max(p * (1 - p) / rows + z2 / rows / 4, 0.0));
  // At 0 and 1 rounding must not leave the ends a bit inside.
  return {p <= 0 ? 0.0 : std::max(center - half, 0.0), p >= 1 ? 1.0 : std::min(center + half, 1.0)};
}

ScoreInterval score_interval(std::span<const std::vector<std::int32_t>> answers, std::span<const std::int32_t> labels,
                             std::int32_t classes, train::Metric metric) {
  ScoreInterval out;
  if (answers.empty() || labels.empty()) return out;
  const auto n = static_cast<double>(labels.size()), k = static_cast<double>(answers.size());
  std::vector<double> scores;
  for (const std::vector<std::int32_t>& given : answers)
    scores.push_back(metric == train::Metric::kAccuracy ? data::accuracy(labels, given) : data::macro_f1(labels, given, classes));
  const double p = out.mean = mean_of(scores);
  const double rows = metric == train::Metric::kAccuracy ? p * (1 - p) / n : bootstrap_variance(answers, labels, classes);
  const double variance = variance_of(scores, p) / k + rows;
  const data::Interval interval = wilson(p, variance > 0 ? std::min(p * (1 - p) / variance, n) : n);
  out.low = interval.low;
  out.high = interval.high;
  return out;
}

double sign_flip_p_value(std::span<const double> differences) {
  std::vector<double> sizes;
  double given = 0, squares = 0;
  for (const double d : differences) {
    if (d == 0) continue;
    sizes.push_back(size_of(d));
    given += d;
    squares += d * d;
  }
  given = size_of(given) * (1 - 1e-12);  // equal sums in another order count as equal
  const std::size_t m = sizes.size();
  if (m == 0) return 1;
  if (m > kNormalFrom) return math::erfc(given / math::sqrt(2 * squares));
  const auto extreme = [&](const auto& flipped) {
    double sum = 0;
    for (std::size_t i = 0; i < m; ++i) sum += flipped(i) ? -sizes[i] : sizes[i];
    return size_of(sum) >= given;
  };
  std::int64_t hits = 0;
  if (m <= kAllFlips) {
    for (std::uint32_t way = 0; way < 1U << m; ++way) hits += extreme([&](std::size_t i) { return (way >> i & 1U) != 0; });
    return static_cast<double>(hits) / static_cast<double>(1U << m);
  }
  Random random(random_key(1, 0, "flips"));
  std::vector<std::uint32_t> words((m + 31) / 32);
  for (int way = 1; way < kFlips; ++way) {
    for (std::uint32_t& word : words) word = random.next();
    hits += extreme([&](std::size_t i) { return (words[i / 32] >> (i % 32) & 1U) != 0; });
  }
  return static_cast<double>(hits + 1) / kFlips;
}

}  // namespace lathe::nas
