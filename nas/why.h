// Why this one: what each decision of a trial was worth, as far as the study tells, and what more trials would bring.
//
// Everything random comes from Philox streams of `seed` alone, and all sums run in a fixed order: equal input gives equal numbers
// everywhere. One objective.
#pragma once
#include <lathe/nas/study.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe::nas {

/// What another choice would have given, everything else left as it is.
struct Effect {
  enum class Source {
    trials,    ///< complete trials that differ from the chosen one only there
    estimate,  ///< a local mean over all complete trials
    retrained  ///< trained for this purpose
  };
  std::string parameter;
  std::string chosen, other;  ///< value, or range of values, as shown
  Source source = Source::estimate;
  double difference = 0;                ///< value with `other` − value with `chosen`, in units of the objective
  double error = 0;                     ///< standard error of the difference; not a number where one trial a side leaves it unknown
  double trials = 0;                    ///< number behind `other`; for an estimate the effective one, (Σw)²/Σw²
  double quantile = 1.959963984540054;  ///< errors in half of a 95 % interval; more where few trainings tell them
  double half_width() const { return quantile * error; }
};
const char* source_name(Effect::Source source);  ///< "trials", "estimate", "retrained"

/// The effects of one-step changes of complete trial `chosen`, by parameter in the order of the space, by value within it.
///
/// Values are compared as they are where a parameter has at most eight, else by quarters of its range (of the logarithm, if it is
/// `log`). Where trials exist that differ from the chosen one in this parameter alone (and in what exists only because of it),
/// their mean is compared with the chosen trial's own value: exact, but the chosen one was picked for being good, so its value
/// flatters. Else both sides are local means of the same kind over all complete trials: a trial weighs Π over the other parameters
/// of exp(−½ (d/0.25)²), d the distance as a share of the range, or of 0.3 for another category or a parameter that only one of the
/// two has. An estimate with fewer than two effective trials on a side is left out. InputError: `chosen` is no complete trial of
/// the history.
std::vector<Effect> effects_around(const Space& space, const History& history, std::int64_t chosen);

/// Points of the space that are valid, differ from `point` in one parameter alone and have no trial in `history`: at most `count`,
/// the parameters of `order` first, in that order, one step down and up (of up to eight values or quarters, the neighbouring ones;
/// of categories all). What a change makes active takes the value that a uniform draw of (seed, 0) gives.
std::vector<Point> one_step_neighbours(const Space& space, const History& history, const Point& point,
                                       std::span<const std::string> order, std::size_t count, std::uint64_t seed);

/// The best value after so many trials, were they drawn anew: 5 %, median and 95 %.
struct BestAfter {
  std::size_t trials = 0;
  double low = 0, median = 0, high = 0;
};

struct OutlookOptions {
  int resamples = 500;
  std::uint64_t seed = 1;
  /// No value can be better (1 for an accuracy, 0 for a loss).
  std::optional<double> bound;
};

/// How good the best of `horizon` trials is, given the values of some trials (those without a value, failed or stopped ones, are
/// not a number). Up to values.size() trials exactly, over all orders in which these could have come: of n trials, m drawn without
/// replacement have none above the k-th smallest with probability C(k, m)/C(n, m). Beyond, the further trials are taken to be drawn
/// as the given ones were: the best tail (a quarter, at least ten values) is resampled, fitted by a generalised Pareto distribution
/// with probability-weighted moments (Hosking and Wallis 1987), and its maximum drawn. So nothing is assumed about a sampler that
/// still learns. At most 64 numbers of trials, 1 and `horizon` among them. Empty with fewer than five values.
std::vector<BestAfter> best_after(std::span<const double> values, Direction direction, std::size_t horizon,
                                  const OutlookOptions& options = {});

/// Generalised Pareto distribution of excesses y ≥ 0: F(y) = 1 − (1 + shape · y/scale)^(−1/shape), exponential at shape 0.
struct ParetoTail {
  double shape = 0, scale = 0;
  /// y with probability p of a larger one, 0 < p ≤ 1.
  double excess(double p) const;
};
/// By probability-weighted moments with plotting positions (i − 0.35)/n; shape within [−1, 0.5]. `excesses` ascending, ≥ 0.
ParetoTail fit_tail(std::span<const double> excesses);

/// How many trials of a study are certainly uniform draws: all of `random` and `sobol`, the start of `tpe`, `gp`, `evolution` and
/// `nsga2` (with their settings or defaults), none of others.
std::int64_t random_trials(const StudyHeader& header);

}  // namespace lathe::nas
