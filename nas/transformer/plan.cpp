#include <lathe/base/error.h>
#include <lathe/base/random.h>
#include <lathe/base/text.h>
#include <lathe/nas/optimize.h>
#include <lathe/nas/transformer/plan.h>
#include <lathe/train/trainer.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

namespace lathe::nas {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Seconds of an epoch as TrainingObjective::run() takes it, in the mean over a trial: weights or a checkpoint, the steps, the next
/// checkpoint and the digest of the weights. From as many steps as fit into `seconds` (at least two; the first one, which
/// allocates, does not count).
double measure_epoch(const Candidate& candidate, const TrainingSetting& setting, const data::EncodedDataset& train,
                     double seconds) {
  Context context({.backend = setting.backend, .threads = 1});
  const data::EncodedDataset none;
  const double begin = now();
  train::Trainer trainer(context, candidate.architecture(setting.task), candidate.training, train, none);
  const double start = now();
  double first = 0, last = start;
  std::int64_t steps = 0;
  trainer.on_step = [&](std::int64_t, std::int64_t, double) {
    last = now();
    if (steps++ == 0) first = last;
  };
  try {
    trainer.run_epoch([&] { return steps >= 2 && now() - start > seconds; });
  } catch (const train::Stopped&) {
    // Enough was seen.
  }
  const double after = now();
  trainer.weights_hash();
  const double hashed = now();
  trainer.restore(trainer.checkpoint(), "checkpoint");
  // Weights are drawn once a trial, and checkpoints lie between its epochs.
  const auto epochs = static_cast<double>(candidate.training.epochs);
  const double around = hashed - after + ((start - begin) + (epochs - 1) * (now() - hashed)) / epochs;
  const double per_step = steps > 1 ? (last - first) / static_cast<double>(steps - 1) : last - start;
  return around + per_step * static_cast<double>(trainer.steps_in_epoch());
}

/// The same with `workers` trainings at a time: their mean, and the look at the validation rows, which takes a third of the FLOPs
/// that training takes a token.
double measure_together(const Candidate& candidate, const TrainingObjective& objective, int workers, double seconds) {
  const std::shared_ptr<const data::EncodedDataset> train = objective.train_rows(candidate);
  std::vector<double> measured(static_cast<std::size_t>(workers));
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&](std::size_t i) {
    try {
      measured[i] = measure_epoch(candidate, objective.setting(), *train, seconds);
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < measured.size(); ++i) threads.emplace_back(work, i);
  work(0);
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  double sum = 0;
  for (const double s : measured) sum += s;
  const double tokens = static_cast<double>(std::max<std::size_t>(train->tokens(), 1));
  return sum / workers * (1 + static_cast<double>(objective.valid_rows(candidate)->tokens()) / tokens / 3);
}

std::vector<std::size_t> by_flops(const SpaceSample& sample) {
  std::vector<std::size_t> order(sample.points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return sample.costs[a].epoch_flops < sample.costs[b].epoch_flops; });
  return order;
}

}  // namespace

double SpeedModel::epoch_seconds(double flops) const {
  LATHE_CHECK(!points_.empty());
  const SpeedPoint& low = points_.front();
  const SpeedPoint& high = points_.back();
  if (flops <= low.epoch_flops) return low.epoch_seconds * flops / low.epoch_flops;
  if (flops >= high.epoch_flops) return high.epoch_seconds * flops / high.epoch_flops;
  for (std::size_t i = 1;; ++i) {
    const SpeedPoint &a = points_[i - 1], &b = points_[i];
    if (flops <= b.epoch_flops)
      return a.epoch_seconds + (b.epoch_seconds - a.epoch_seconds) * (flops - a.epoch_flops) / (b.epoch_flops - a.epoch_flops);
  }
}

double SpeedModel::flops_per_second() const {
  const SpeedPoint& middle = points_[points_.size() / 2];
  return middle.epoch_flops / middle.epoch_seconds;
}

SpaceSample sample_space(const Space& space, const TrainingObjective& objective, std::int64_t draws) {
  SpaceSample sample;
  for (std::int64_t i = 0; i < draws; ++i) {
    const Point point = space.uniform(0, static_cast<std::uint64_t>(i), 0);
    ++sample.drawn;
    if (!space.valid(point) || objective.refuse(point)) continue;
    sample.costs.push_back(objective.cost(point));
    sample.points.push_back(point);
  }
  if (sample.points.empty())
    throw InputError(str("none of ", draws,
                         " architectures drawn from the space is valid and within the limits; widen the space or the limits"));
  return sample;
}

void add_first(SpaceSample& sample, const StudyHeader& header, const TrainingObjective& objective,
               const SamplerRegistry& samplers) {
  const bool learns = learns_from_results(header.sampler);
  if (learns && !header.warm_start.empty()) return;
  const std::unique_ptr<Sampler> sampler = samplers.make(header);
  const History nothing;
  const auto admits = [&](const Point& point) { return header.space.valid(point) && !objective.refuse(point); };
  for (std::int64_t number = 0; number < (learns ? 10 : 32); ++number) {
    const std::optional<Point> point = ask(*sampler, {header, nothing, number, admits});
    if (!point) return;
    sample.first.push_back(objective.cost(*point));
  }
}

SpeedModel measure_speed(const SpaceSample& sample, const TrainingObjective& objective, int workers, double seconds) {
  const std::vector<std::size_t> order = by_flops(sample);
  std::vector<SpeedPoint> points;
  for (const std::size_t percent : {10u, 50u, 90u}) {
    const std::size_t i = order[(order.size() - 1) * percent / 100];
    const auto flops = static_cast<double>(sample.costs[i].epoch_flops);
    if (!points.empty() && points.back().epoch_flops == flops) continue;
    const Candidate candidate = objective.candidate(sample.points[i]);
    const double measured = measure_together(candidate, objective, workers, seconds / 3);
    points.push_back({flops, points.empty() ? measured : std::max(measured, points.back().epoch_seconds)});
  }
  return SpeedModel(std::move(points));
}

Estimate estimate(const SpaceSample& sample, const SpeedModel& speed, const SearchSize& size, const CandidateCost& base,
                  int workers) {
  const std::vector<std::size_t> order = by_flops(sample);
  double all = 0, larger = 0;
  Estimate result;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const CandidateCost& cost = sample.costs[order[i]];
    const double seconds = speed.epoch_seconds(static_cast<double>(cost.epoch_flops));
    all += seconds;
    if (i >= order.size() / 2) larger += seconds;
    result.worker_bytes = std::max(result.worker_bytes, cost.training_bytes);
  }
  const double mean = all / static_cast<double>(order.size());
  const double mean_larger = larger / static_cast<double>(order.size() - order.size() / 2);
  const double of_base = speed.epoch_seconds(static_cast<double>(base.epoch_flops));
  const auto w = static_cast<double>(workers);
  const auto epochs = static_cast<double>(size.epochs), of_sample = epochs * mean * size.cheap_share;
  const double of_trial = epochs * (size.larger ? (3 * mean + mean_larger) / 4 : mean) * size.cheap_share;
  const auto known = std::min(static_cast<std::size_t>(size.trials), sample.first.size());
  double epochs_of_first = 0;
  for (std::size_t i = 0; i < known; ++i) epochs_of_first += speed.epoch_seconds(static_cast<double>(sample.first[i].epoch_flops));
  result.search_seconds = (epochs * epochs_of_first * size.cheap_share +
                           static_cast<double>(size.trials - static_cast<std::int64_t>(known)) * of_trial) *
                          size.kept_share / w;
  result.preparation_seconds = static_cast<double>(size.baselines) * epochs * of_base * size.cheap_share +
                               static_cast<double>(size.calibrated) * (epochs * mean + of_sample) / w;
  if (size.shared_epochs > 0) {
    const double smallest = speed.epoch_seconds(static_cast<double>(sample.costs[order.front()].epoch_flops));
    const double largest = speed.epoch_seconds(static_cast<double>(sample.costs[order.back()].epoch_flops));
    result.preparation_seconds +=
        static_cast<double>(size.shared_epochs) * (largest + smallest + static_cast<double>(size.shared_random) * mean) / w;
  }
  result.other_seconds = size.other_seconds;
  if (size.finalists == 0) return result;
  const auto trainings = static_cast<double>(size.seeds * size.finalist_epochs);
  result.finalist_seconds = trainings * (static_cast<double>(size.finalists) * mean_larger + of_base) / w;
  if (size.ablations > 0)
    result.ablation_seconds = static_cast<double>((size.ablations + 1) * size.seeds) * epochs * mean_larger / w;
  return result;
}

double epochs_kept(const StudyHeader& header, std::int64_t epochs) {
  if (epochs < 2 || header.directions.size() > 1) return 1;
  for (const std::string_view name : {"none@", "patient", "threshold@"})
    if (header.pruner.starts_with(name)) return 1;
  StudyHeader drawn = header;
  drawn.sampler = "random@1";
  drawn.sampler_settings = {};
  drawn.duplicates = Duplicates::allow;
  drawn.warm_start.clear();
  drawn.constraints.clear();
  drawn.trials = std::min<std::int64_t>(header.trials, 64);
  Study study(drawn);
  study.set_max_reports(static_cast<int>(epochs));
  std::int64_t reports = 0;
  std::mutex mutex;
  study.optimize([&](TrialHandle& trial) -> double {
    Random random(random_key(header.seed, static_cast<std::uint64_t>(trial.number()), "plan"));
    const double quality = random.normal();
    double value = quality;
    for (int step = 1; step <= epochs && !trial.should_stop(); ++step) {
      value = quality + 0.7 * random.normal();
      trial.report(step, value);
      const std::lock_guard lock(mutex);
      ++reports;
    }
    return value;
  });
  return static_cast<double>(reports) / static_cast<double>(drawn.trials * epochs);
}

namespace {

/// One training of finalists less: fewer seeds, then fewer finalists, then fewer epochs. False: there is nothing to take away.
bool shrink(SearchSize& size, std::int64_t least_epochs) {
  for (std::int64_t* const part : {&size.seeds, &size.finalists})
    if (*part > 1) return --*part, true;
  if (size.finalist_epochs <= least_epochs) return false;
  return --size.finalist_epochs, true;
}

}  // namespace

SearchSize resolve_finalists(double seconds, std::span<const double> epoch_seconds, double of_base, const SearchSize& wanted,
                             int workers) {
  SearchSize size = wanted;
  const auto most = static_cast<std::int64_t>(epoch_seconds.size());
  size.finalists = std::min(size.finalists, most);
  // Tasks begin in the order of finalists and seeds, the default last, each as soon as a worker is free.
  const auto takes = [&] {
    std::vector<double> free(static_cast<std::size_t>(workers), 0);
    for (std::int64_t i = 0; i <= size.finalists; ++i)
      for (std::int64_t seed = 0; seed < size.seeds; ++seed)
        *std::min_element(free.begin(), free.end()) +=
            static_cast<double>(size.finalist_epochs) * (i < size.finalists ? epoch_seconds[static_cast<std::size_t>(i)] : of_base);
    const double ablations = size.ablations > 0 && size.finalists > 0
                                 ? static_cast<double>((size.ablations + 1) * size.seeds * size.epochs) * epoch_seconds[0]
                                 : 0;  // with as many seeds, behind the others
    // Those that are through lend their threads to the others: four fifths of what they would idle is not lost.
    const double ideal = std::accumulate(free.begin(), free.end(), 0.0) / workers;
    return ideal + (*std::max_element(free.begin(), free.end()) - ideal) / 5 + ablations / workers;
  };
  while (size.finalists > 0 && takes() > seconds && shrink(size, std::min(size.epochs, size.finalist_epochs))) {
  }
  if (size.seeds < wanted.seeds || size.finalists < std::min(wanted.finalists, most)) return size;
  while (size.finalists > 0 && size.seeds < 3 * wanted.seeds) {
    ++size.seeds;
    if (takes() <= seconds) continue;
    --size.seeds;
    break;
  }
  return size;
}

SearchSize resolve_time(double seconds, const SpaceSample& sample, const SpeedModel& speed, const SearchSize& wanted,
                        const CandidateCost& base, int workers) {
  SearchSize size = wanted;
  const auto finalists = [&] { return estimate(sample, speed, size, base, workers).finalist_seconds; };
  // Finalists first, until they leave room for a search.
  while (finalists() > 0.4 * seconds && shrink(size, 1)) {
  }
  if (size.finalist_epochs < wanted.finalist_epochs) size.epochs = std::min(size.epochs, size.finalist_epochs);
  const double reserved = size.finalists > 0 ? 0.25 * seconds : 0;
  const auto trials_that_fit = [&] {
    SearchSize some = size;
    const auto fits = [&](std::int64_t trials) {
      some.trials = trials;
      const Estimate cost = estimate(sample, speed, some, base, workers);
      return cost.total() - cost.finalist_seconds + std::max(cost.finalist_seconds, reserved) <= seconds;
    };
    std::int64_t low = 0, high = 1;  // low fits, high does not
    while (high <= size.most_trials && fits(high)) low = high, high *= 2;
    while (high - low > 1) {
      const std::int64_t middle = low + (high - low) / 2;
      (fits(middle) ? low : high) = middle;
    }
    return low;
  };
  // A handful of trials is no search: shorter ones before so few.
  while (trials_that_fit() < 8 && size.epochs > 1) --size.epochs;
  size.trials = trials_that_fit();
  if (size.trials < 1) {
    size.trials = 1;
    throw InputError(str("search.time = ", fixed(seconds, 1), "s is too short for one trial of one epoch; at least ",
                         fixed(estimate(sample, speed, size, base, workers).total() / 0.6 + 1, 0), "s would do"));
  }
  size.trials = std::min(size.trials, size.most_trials);
  return size;
}

}  // namespace lathe::nas
