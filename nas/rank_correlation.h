// Do two ways of judging agree on which architectures are better? Kendall's τ-b, τ among the best, and the recall of the best, each
// with a bootstrap interval. For proxies of a training (nas/transformer/calibration.h), predictors, and inherited weights.
//
// Greater is better on both sides. Everything random comes from Philox streams of `seed`: equal input gives equal bits, everywhere.
#pragma once
#include <lathe/nas/comparison.h>

#include <cstdint>
#include <span>

namespace lathe::nas {

/// Kendall's τ-b (Kendall 1945) in O(n log n) (Knight 1966): (C − D) / sqrt((P − Tx)·(P − Ty)) over the P = n(n−1)/2 pairs, C of
/// them in the same order on both sides, D in opposite order, Tx and Ty tied in x and in y. In [−1, 1]; not a number (undefined)
/// for fewer than two entries or a side that is constant. Infinities are values like others. InputError: sides of different length,
/// a value that is no number, more than 10⁷ entries.
double kendall_tau(std::span<const double> x, std::span<const double> y);

/// τ-b among the best ⌈share·n⌉ by `reference` alone (ties: the earlier entries): what counts when a search has come near the top,
/// where an overall τ misleads. InputError also: share outside of (0, 1].
double kendall_tau_top(std::span<const double> reference, std::span<const double> score, double share = 0.2);

/// Share of the k best by `reference` that are among the k best by `score` (ties on either side: the earlier entries). k is at most
/// n; not a number without entries. InputError also: k < 1.
double top_k_recall(std::span<const double> reference, std::span<const double> score, std::int64_t k);

struct RankOptions {
  double top_share = 0.2;    ///< of kendall_tau_top
  std::int64_t top_k = 5;    ///< of top_k_recall
  double confidence = 0.95;  ///< of the intervals, in (0, 1)
  int resamples = 2000;      ///< 100 to 1,000,000
  std::uint64_t seed = 1;
};

struct RankEstimate {
  double value = 0;
  Interval interval;
};

struct RankAgreement {
  std::int64_t entries = 0;
  RankEstimate tau, tau_top, recall;
};

/// The three with percentile bootstrap intervals over the entries; the best ones are chosen anew in each resample. A resample that
/// leaves a number undefined tells nothing about agreement and counts as 0. InputErrors as above.
RankAgreement rank_agreement(std::span<const double> reference, std::span<const double> score, const RankOptions& options = {});

}  // namespace lathe::nas
