// Studies that repeat each other with other seeds: how one way of searching does on average, and whether another is better.
//
// Everything random comes from Philox streams of `seed` alone: equal input gives equal intervals, on every machine.
#pragma once
#include <lathe/nas/study.h>

#include <cstdint>
#include <span>
#include <vector>

namespace lathe::nas {

/// How far a study had got after each finished trial (failed, pruned and infeasible ones are spent budget too): with one objective
/// the best feasible value, not a number before the first; with several the hypervolume from `reference` (nas/front.h).
std::vector<double> progress(const History& history, std::span<const Direction> directions, std::span<const double> reference = {});

/// Quantile q of the values, between two of them by linear interpolation (Hyndman and Fan's type 7, numpy's default). Not a number
/// without values or where one is no number. InputError: q outside of [0, 1].
double quantile(std::vector<double> values, double q);

struct Band {
  std::size_t trials = 0;                   ///< finished ones, from 1 on
  double lower = 0, median = 0, upper = 0;  ///< over the repeats: the first quartile, the median, the third
};
/// One entry for each number of trials that every repeat has reached and where each has a value.
std::vector<Band> bands(std::span<const std::vector<double>> repeats);

struct Interval {
  double low = 0, high = 0;
};

struct CompareOptions {
  double confidence = 0.95;  ///< of intervals and verdict, in (0, 1)
  int resamples = 10'000;    ///< of bootstrap and permutations, 100 to 10,000,000
  std::uint64_t seed = 1;
  bool paired = false;  ///< a[i] and b[i] belong together (the same seed); then both have the same number
};

/// Is A better than B? Of each repeat one number: its result.
struct Comparison {
  enum class Verdict { better, worse, no_difference };
  double median_a = 0, median_b = 0;
  Interval interval_a, interval_b;  ///< of the medians: percentile bootstrap
  /// Share of pairs (a, b) in which A is better, equal ones half: all pairs (Mann and Whitney's U / nm), paired ones alone if
  /// `paired`. ½: no difference.
  double superiority = 0.5;
  Interval superiority_interval;  ///< percentile bootstrap over the repeats (over the pairs)
  /// Permutation test of `superiority`: the share of random exchanges of A and B (of labels; within pairs) that are at least as far
  /// from ½, the given one included. Never 0; with few repeats it cannot become small, where a bootstrap would believe anything.
  double p_value = 1;
  /// Better or worse if the interval excludes ½ and p ≤ 1 − confidence.
  Verdict verdict = Verdict::no_difference;
};
const char* verdict_name(Comparison::Verdict verdict);  ///< "better", "worse", "no difference"

/// InputError: no repeats on a side, a value that is no number, paired sides of different length, an option out of range.
Comparison compare(std::span<const double> a, std::span<const double> b, Direction direction, const CompareOptions& options = {});

/// Interval of the median of `values`: percentile bootstrap, as in Comparison.
Interval median_interval(std::span<const double> values, const CompareOptions& options = {});

}  // namespace lathe::nas
