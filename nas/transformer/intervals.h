// 95 % intervals of test scores, and whether two models differ. Private to nas/transformer but for its use in tests.
#pragma once
#include <lathe/data/metrics.h>
#include <lathe/train/config.h>

#include <cstdint>
#include <span>
#include <vector>

namespace lathe::nas {

/// Wilson's interval of a share p of `rows` rows, which need not be whole: 95 %. Unlike p ± 1.96 σ it stays within [0, 1] and does
/// not shrink to nothing where every row is right or wrong. Rows ≤ 0 give [0, 1].
data::Interval wilson(double p, double rows);

/// A mean over trainings, with its interval over trainings and rows.
struct ScoreInterval {
  double mean = 0, low = 0, high = 1;
};

/// `answers`: of each training, one label a row. The variance of the mean is v = s²/k + r, with s² the variance over the k
/// trainings and r that over rows: p(1 − p)/n for accuracy, else a bootstrap (500 resamples of the rows, Philox). The interval is
/// Wilson's for p(1 − p)/v rows, at most n: as many independent rows as would vary like that. No trainings or rows: mean 0, [0, 1].
ScoreInterval score_interval(std::span<const std::vector<std::int32_t>> answers, std::span<const std::int32_t> labels,
                             std::int32_t classes, train::Metric metric);

/// Student's t: its 97.5 % quantile for so many degrees of freedom, rounded down (below one: that of one, which is the widest).
double student_quantile(double degrees);

/// a − b of two groups of trainings that answered the same rows: difference of the mean scores, its standard error, and how many of
/// those make half of a 95 % interval.
struct ScoreDifference {
  double mean = 0;
  double error = 0;
  double quantile = 0;
};
/// Of each row the share of trainings in `a` that are right less that in `b`.
std::vector<double> row_differences(std::span<const std::vector<std::int32_t>> a, std::span<const std::vector<std::int32_t>> b,
                                    std::span<const std::int32_t> labels);
/// A group of one training has no variance over seeds here: right for what has no seed, else the caller's to say.
/// error² = r + s²ₐ/kₐ + s²_b/k_b with s² the variances over the k trainings and r that over the n rows: of the mean of the paired
/// differences for accuracy, else a bootstrap that draws the same rows for both (500 resamples, Philox). The quantile is Student's
/// for the degrees of freedom of Welch and Satterthwaite, error⁴ / (r²/(n−1) + (s²ₐ/kₐ)²/(kₐ−1) + (s²_b/k_b)²/(k_b−1)).
ScoreDifference score_difference(std::span<const std::vector<std::int32_t>> a, std::span<const std::vector<std::int32_t>> b,
                                 std::span<const std::int32_t> labels, std::int32_t classes, train::Metric metric);

/// Two-sided p-value of "the differences are symmetric around 0" by flipping their signs: all 2ᵐ ways for m ≤ 14 differences that
/// are not 0, by the normal approximation for m > 200, else 10,000 random ways (Philox), the given one included. Of differences of
/// ±1 it is McNemar's exact test. 1 without differences.
double sign_flip_p_value(std::span<const double> differences);

}  // namespace lathe::nas
