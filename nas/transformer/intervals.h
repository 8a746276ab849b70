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

/// Two-sided p-value of "the differences are symmetric around 0" by flipping their signs: all 2ᵐ ways for m ≤ 14 differences that
/// are not 0, by the normal approximation for m > 200, else 10,000 random ways (Philox), the given one included. Of differences of
/// ±1 it is McNemar's exact test. 1 without differences.
double sign_flip_p_value(std::span<const double> differences);

}  // namespace lathe::nas
