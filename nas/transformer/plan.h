// What a search will take, before it starts: points, time, memory. And the other way round: a time budget as numbers of trials and
// epochs, resolved once, so that the numbers and not the clock define the study.
//
// Time is measured, not guessed: a few candidates of different size train for a fraction of a second each on the real rows, as many
// at a time as the search will, and every other candidate's time follows from its exact FLOPs by linear interpolation. How much
// early stopping saves is seen in a study of drawn values. Nothing here is part of a study.
#pragma once
#include <lathe/nas/sampler/sampler.h>
#include <lathe/nas/space.h>
#include <lathe/nas/transformer/objective.h>

#include <cstdint>
#include <span>
#include <vector>

namespace lathe::nas {

/// Seconds of training and FLOPs of one epoch, for candidates of ascending size.
struct SpeedPoint {
  double epoch_flops = 0, epoch_seconds = 0;
};

class SpeedModel {
 public:
  explicit SpeedModel(std::vector<SpeedPoint> points) : points_(std::move(points)) {}
  /// Seconds of an epoch of so many FLOPs, one thread: between the measured points linearly, beyond them in proportion.
  double epoch_seconds(double epoch_flops) const;
  double flops_per_second() const;  ///< of the middle point
  const std::vector<SpeedPoint>& points() const { return points_; }

 private:
  std::vector<SpeedPoint> points_;
};

/// A sample of the space: admissible points drawn uniformly, and their cost.
struct SpaceSample {
  std::int64_t drawn = 0;
  std::vector<Point> points;         ///< the admissible ones
  std::vector<CandidateCost> costs;  ///< of `points`
  std::vector<CandidateCost> first;  ///< of the study's first trials, as far as they are known before it: add_first()
  double admissible() const { return drawn > 0 ? static_cast<double>(points.size()) / static_cast<double>(drawn) : 0; }
};
SpaceSample sample_space(const Space& space, const TrainingObjective& objective, std::int64_t draws = 100);
/// What the study's sampler proposes without any result, as if each were the first (a repeated point would be drawn anew): the
/// first 10 of one that learns (none if it begins with an earlier study's trials), the first 32 of others.
void add_first(SpaceSample& sample, const StudyHeader& header, const TrainingObjective& objective, const SamplerRegistry& samplers);

/// Trains the sample's candidates at the 10th, 50th and 90th percentile of FLOPs for about `seconds` in all, each by `workers`
/// threads at the same time, which share the machine's memory and caches. An epoch includes its look at the validation rows.
SpeedModel measure_speed(const SpaceSample& sample, const TrainingObjective& objective, int workers = 1, double seconds = 1.5);

/// Share of the epochs that a study's early stopping leaves, from 0 to 1: as in a study of random points (at most 64 trials) whose
/// reports are a quality drawn for the trial plus 0.7 times as much noise drawn for each report. 1 for pruners that look at single
/// trials or at absolute values (patient, threshold), of which that study would say nothing.
double epochs_kept(const StudyHeader& header, std::int64_t epochs);

/// The sizes of a search, as in the configuration.
struct SearchSize {
  std::int64_t trials = 32, epochs = 3;
  std::int64_t finalists = 3, seeds = 3, finalist_epochs = 3;
  std::int64_t baselines = 0;      ///< trainings of the default before the first proposal (baseline.h), as cheap as a trial's
  std::int64_t calibrated = 0;     ///< architectures trained in full and cheaply before it (calibration.h)
  std::int64_t shared_epochs = 0;  ///< of the training of weights that all architectures share (supernet_trainer.h) …
  std::int64_t shared_random = 0;  ///< … with so many drawn sub-networks a step, beside the largest and the smallest
  std::int64_t ablations = 0;      ///< one-step changes of the winner, trained beside it (ablations.h)
  bool larger =
      false;  ///< the sampler learns, and towards what models are good at: a quarter of its trials is of the larger half alone
  std::int64_t most_trials = 100'000;  ///< as many points as the space has, where none may come twice
  double cheap_share = 1;              ///< of the time of training in full that judging a candidate takes
  double kept_share = 1;               ///< of the epochs of its trials that early stopping leaves: epochs_kept()
  double other_seconds = 0;            ///< of everything else
};

struct Estimate {
  double search_seconds = 0, finalist_seconds = 0;
  double preparation_seconds = 0;  ///< of baselines, shared weights and calibration
  double ablation_seconds = 0, other_seconds = 0;
  std::int64_t worker_bytes = 0;  ///< largest accounted peak of the sample
  double total() const { return preparation_seconds + search_seconds + finalist_seconds + ablation_seconds + other_seconds; }
};
/// Finalists are assumed to be of the larger half; the default is trained with them (none: nothing is). Trainings are spread over
/// `workers`.
Estimate estimate(const SpaceSample& sample, const SpeedModel& speed, const SearchSize& size, const CandidateCost& base,
                  int workers);

/// The largest search of at most `seconds`: at least a quarter of the time goes to the finalists, whose number, seeds and epochs
/// shrink only if they would take more than 40 %. InputError, naming the least time that would do, if not even one trial of one
/// epoch fits.
SearchSize resolve_time(double seconds, const SpaceSample& sample, const SpeedModel& speed, const SearchSize& wanted,
                        const CandidateCost& base, int workers);

/// Once the study is done: the finalists that `seconds` are enough for. As `wanted` where they fit; else fewer seeds, then fewer
/// finalists, then fewer epochs, but not fewer than a trial had (wanted.epochs) and never less than one of the others; where time
/// would be left over, more seeds (up to three times as many). `epoch_seconds`: of the best trials, the best first, and `of_base`:
/// of the default.
SearchSize resolve_finalists(double seconds, std::span<const double> epoch_seconds, double of_base, const SearchSize& wanted,
                             int workers);

}  // namespace lathe::nas
