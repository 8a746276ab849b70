#include <lathe/base/math.h>
#include <lathe/base/random.h>
#include <lathe/nas/transformer/intervals.h>

#include <algorithm>
#include <limits>

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

using Answers = std::span<const std::vector<std::int32_t>>;

/// Mean macro F1 of trainings on these of the rows.
double mean_f1(Answers answers, std::span<const std::int32_t> labels, std::span<const std::uint32_t> rows, std::int32_t classes) {
  const auto width = static_cast<std::size_t>(classes);
  double sum = 0;
  for (const std::vector<std::int32_t>& given : answers) {
    data::ConfusionMatrix matrix{classes, std::vector<std::int64_t>(width * width)};
    for (const std::uint32_t row : rows)
      ++matrix.counts[static_cast<std::size_t>(labels[row]) * width + static_cast<std::size_t>(given[row])];
    sum += data::macro_f1(matrix);
  }
  return answers.empty() ? 0 : sum / static_cast<double>(answers.size());
}

/// Variance over rows of the mean macro F1 of `a` less that of `b`, which may be empty.
double bootstrap_variance(Answers a, Answers b, std::span<const std::int32_t> labels, std::int32_t classes) {
  const auto n = static_cast<std::uint32_t>(labels.size());
  std::vector<double> means;
  std::vector<std::uint32_t> rows(n);
  for (int resample = 0; resample < kResamples; ++resample) {
    Random random(random_key(1, static_cast<std::uint64_t>(resample), "rows"));
    for (std::uint32_t& row : rows) row = random.below(n);
    means.push_back(mean_f1(a, labels, rows, classes) - mean_f1(b, labels, rows, classes));
  }
  return variance_of(means, mean_of(means));
}

std::vector<double> scores_of(Answers answers, std::span<const std::int32_t> labels, std::int32_t classes, train::Metric metric) {
  std::vector<double> scores;
  for (const std::vector<std::int32_t>& given : answers)
    scores.push_back(metric == train::Metric::kAccuracy ? data::accuracy(labels, given) : data::macro_f1(labels, given, classes));
  return scores;
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
  const std::vector<double> scores = scores_of(answers, labels, classes, metric);
  const double p = out.mean = mean_of(scores);
  const double rows = metric == train::Metric::kAccuracy ? p * (1 - p) / n : bootstrap_variance(answers, {}, labels, classes);
  const double variance = variance_of(scores, p) / k + rows;
  const data::Interval interval = wilson(p, variance > 0 ? std::min(p * (1 - p) / variance, n) : n);
  out.low = interval.low;
  out.high = interval.high;
  return out;
}

double student_quantile(double degrees) {
  constexpr double kTable[] = {12.7062047361747, 4.30265272974946, 3.18244630528371, 2.77644510519779, 2.57058183563631,
                               2.44691185114498, 2.36462425159278, 2.30600413520417, 2.2621571627982,  2.22813885198627,
                               2.20098516009164, 2.17881282966723, 2.16036865646279, 2.1447866879178,  2.13144954555978,
                               2.11990529922125, 2.10981557783332, 2.10092204024104, 2.09302405440831, 2.08596344726586,
                               2.07961384472768, 2.07387306790403, 2.06865761041905, 2.06389856162802, 2.0595385527533,
                               2.05552943864287, 2.05183051648028, 2.04840714179525, 2.0452296421327,  2.04227245630124};
  const double v = std::max(math::floor(degrees + 1e-6), 1.0);  // rounding may leave a whole number a bit below
  if (v <= 30) return kTable[static_cast<std::size_t>(v) - 1];
  const double z = kZ, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;  // Cornish and Fisher's expansion in 1/v
  return z + (z3 + z) / (4 * v) + (5 * z5 + 16 * z3 + 3 * z) / (96 * v * v) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * v * v * v);
}

std::vector<double> row_differences(Answers a, Answers b, std::span<const std::int32_t> labels) {
  const auto right = [&](Answers answers, std::size_t row) {
    double sum = 0;
    for (const std::vector<std::int32_t>& given : answers) sum += given[row] == labels[row] ? 1 : 0;
    return sum / static_cast<double>(answers.size());
  };
  std::vector<double> differences;
  for (std::size_t row = 0; row < labels.size(); ++row) differences.push_back(right(a, row) - right(b, row));
  return differences;
}

ScoreDifference score_difference(Answers a, Answers b, std::span<const std::int32_t> labels, std::int32_t classes,
                                 train::Metric metric) {
  ScoreDifference out;
  out.error = out.quantile = std::numeric_limits<double>::quiet_NaN();
  if (a.empty() || b.empty() || labels.empty()) return out;
  const std::vector<double> of_a = scores_of(a, labels, classes, metric), of_b = scores_of(b, labels, classes, metric);
  out.mean = mean_of(of_a) - mean_of(of_b);
  const auto n = static_cast<double>(labels.size());
  const auto of_rows = [&] {
    const std::vector<double> differences = row_differences(a, b, labels);
    return variance_of(differences, mean_of(differences)) / n;
  };
  const double rows = metric == train::Metric::kAccuracy ? of_rows() : bootstrap_variance(a, b, labels, classes);
  double variance = rows, spread = rows * rows / std::max(n - 1, 1.0);
  for (const std::vector<double>* scores : {&of_a, &of_b}) {
    if (scores->size() < 2) continue;
    const auto k = static_cast<double>(scores->size());
    const double seeds = variance_of(*scores, mean_of(*scores)) / k;
    variance += seeds;
    spread += seeds * seeds / (k - 1);
  }
  out.error = math::sqrt(variance);
  out.quantile = student_quantile(spread > 0 ? variance * variance / spread : n - 1);
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
