// What a search will take: interpolation, sums, and a time budget turned into numbers of trials and epochs.
#include <lathe/nas/transformer/plan.h>

#include "tests/nas_transformer/support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

/// 100 FLOPs a second up to 200 FLOPs, then 300 more in 1 s.
SpeedModel speed() { return SpeedModel({{100, 1}, {200, 2}, {500, 3}}); }

SpaceSample sample(const std::vector<std::int64_t>& flops) {
  SpaceSample out;
  for (const std::int64_t f : flops) {
    out.points.emplace_back();
    out.costs.push_back({.parameters = f, .epoch_flops = f, .training_bytes = 1000 + f});
  }
  out.drawn = static_cast<std::int64_t>(flops.size());
  return out;
}

}  // namespace

TEST_CASE("speed: linear between the measured points, in proportion beyond them") {
  CHECK(speed().epoch_seconds(100) == 1);
  CHECK(speed().epoch_seconds(150) == 1.5);
  CHECK(speed().epoch_seconds(350) == 2.5);
  CHECK(speed().epoch_seconds(500) == 3);
  CHECK(speed().epoch_seconds(50) == 0.5);
  CHECK(speed().epoch_seconds(1000) == 6);
  CHECK(speed().flops_per_second() == 100);
  CHECK(SpeedModel({{100, 1}}).epoch_seconds(300) == 3);
}

TEST_CASE("estimate: mean candidates search, the larger half and the default are retrained, workers share") {
  const SpaceSample s = sample({200, 50, 500, 100});  // 2, 0.5, 3 and 1 s an epoch: mean 1.625, larger half 2.5
  const CandidateCost fallback{.epoch_flops = 150};   // 1.5 s
  const SearchSize size{.trials = 8, .epochs = 2, .finalists = 3, .seeds = 2, .finalist_epochs = 4};
  const Estimate one = estimate(s, speed(), size, fallback, 1);
  CHECK(one.search_seconds == doctest::Approx(8 * 2 * 1.625));
  CHECK(one.finalist_seconds == doctest::Approx(2 * 4 * (3 * 2.5 + 1.5)));
  CHECK(one.total() == doctest::Approx(one.search_seconds + one.finalist_seconds));
  CHECK(one.worker_bytes == 1500);
  const Estimate two = estimate(s, speed(), size, fallback, 2);
  CHECK(two.search_seconds == doctest::Approx(one.search_seconds / 2));
  CHECK(two.finalist_seconds == doctest::Approx(one.finalist_seconds / 2));
}

TEST_CASE("estimate: what comes before and behind, and what is cheaper") {
  const SpaceSample s = sample({200, 50, 500, 100});  // as above
  const CandidateCost fallback{.epoch_flops = 150};
  SearchSize size{.trials = 8, .epochs = 2, .finalists = 3, .seeds = 2, .finalist_epochs = 4};
  size.cheap_share = 0.25;
  size.kept_share = 0.5;
  size.baselines = 1;
  size.calibrated = 30;
  size.shared_epochs = 5;
  size.shared_random = 2;
  size.ablations = 3;
  size.other_seconds = 7;
  const Estimate e = estimate(s, speed(), size, fallback, 2);
  CHECK(e.search_seconds == doctest::Approx(8 * 2 * 1.625 / 8 / 2));
  CHECK(e.preparation_seconds == doctest::Approx(2 * 1.5 / 4 + 30 * 2 * 1.625 * 1.25 / 2 + 5 * (3 + 0.5 + 2 * 1.625) / 2));
  CHECK(e.ablation_seconds == doctest::Approx(4 * 2 * 2 * 2.5 / 2));
  SearchSize learning = size;  // a calibration draws from the whole space all the same
  learning.larger = true;
  const Estimate l = estimate(s, speed(), learning, fallback, 2);
  CHECK(l.search_seconds == doctest::Approx(8 * 2 * (3 * 1.625 + 2.5) / 4 / 8 / 2));
  CHECK(l.preparation_seconds == e.preparation_seconds);
  CHECK(e.total() == doctest::Approx(e.search_seconds + e.preparation_seconds + e.finalist_seconds + e.ablation_seconds + 7));
  SpaceSample begun = s;  // two of the eight trials are known before
  begun.first = {CandidateCost{.epoch_flops = 100}, CandidateCost{.epoch_flops = 100}};
  CHECK(estimate(begun, speed(), size, fallback, 2).search_seconds == doctest::Approx(2 * (2 * 1 + 6 * 1.625) / 8 / 2));
  size.finalists = 0;  // nothing is trained again
  CHECK(estimate(s, speed(), size, fallback, 2).finalist_seconds == 0);
  CHECK(estimate(s, speed(), size, fallback, 2).ablation_seconds == 0);
}

TEST_CASE("a time budget asks for no more trials than the space has points") {
  const SpaceSample s = sample({200, 50, 500, 100});
  SearchSize wanted{.trials = 5, .epochs = 1, .finalists = 0};
  CHECK(resolve_time(1000, s, speed(), wanted, CandidateCost{.epoch_flops = 150}, 1).trials > 17);
  wanted.most_trials = 17;
  CHECK(resolve_time(1000, s, speed(), wanted, CandidateCost{.epoch_flops = 150}, 1).trials == 17);
}

TEST_CASE("early stopping leaves a share of the epochs that its pruner decides") {
  StudyHeader header;
  header.space = SpaceBuilder().real("x", 0, 1).build();
  header.trials = 64;
  CHECK(epochs_kept(header, 3) == 1);  // no pruner
  header.pruner = "median@1";
  const double median = epochs_kept(header, 4);
  CHECK(median < 0.85);
  CHECK(median > 0.4);
  CHECK(epochs_kept(header, 4) == median);
  CHECK(epochs_kept(header, 1) == 1);
  header.pruner = "asha@1";
  const double asha = epochs_kept(header, 4);  // two in three stop behind the first epoch
  CHECK(asha < median);
  CHECK(asha > 0.25);
  header.trials = 4;
  header.pruner = "median@1";
  CHECK(epochs_kept(header, 4) == 1);  // it has seen too few to judge
  header.pruner = "threshold@1";
  CHECK(epochs_kept(header, 4) == 1);
}

TEST_CASE("finalists take the time that is left") {
  const std::vector<double> best = {2, 1, 4};
  const SearchSize wanted{.finalists = 3, .seeds = 3, .finalist_epochs = 5};
  const auto sizes = [&](double seconds, int workers) {
    const SearchSize s = resolve_finalists(seconds, best, 1.5, wanted, workers);
    return std::vector<std::int64_t>{s.finalists, s.seeds, s.finalist_epochs};
  };
  using Sizes = std::vector<std::int64_t>;
  CHECK(sizes(3 * 5 * 8.5, 1) == Sizes{3, 3, 5});  // just enough
  CHECK(sizes(3 * 5 * 8.5 - 1, 1) == Sizes{3, 2, 5});
  CHECK(sizes(5 * 8.5, 1) == Sizes{3, 1, 5});
  CHECK(sizes(5 * 8.5 - 1, 1) == Sizes{2, 1, 5});
  CHECK(sizes(5 * 3.5 - 1, 1) == Sizes{1, 1, 4});
  CHECK(sizes(-10, 1) == Sizes{1, 1, 3});          // not less than a trial had: that would be another model
  CHECK(sizes(5 * 5 * 8.5, 1) == Sizes{3, 5, 5});  // two more seeds
  CHECK(sizes(1e9, 1) == Sizes{3, 9, 5});
  CHECK(sizes(13, 4) == Sizes{3, 1, 5});  // the longest training would take 20 by one thread
  CHECK(resolve_finalists(100, std::vector<double>{1}, 1, wanted, 1).finalists == 1);  // there are no more
  CHECK(resolve_finalists(1e9, {}, 1, wanted, 1).finalists == 0);
}

TEST_CASE("a time budget becomes a search that fits into it") {
  const SpaceSample s = sample({200, 50, 500, 100});
  const CandidateCost fallback{.epoch_flops = 150};
  const SearchSize wanted{.trials = 5, .epochs = 3, .finalists = 3, .seeds = 3, .finalist_epochs = 6};
  std::int64_t trials = 0;
  for (const double seconds : {15.0, 25.0, 40.0, 100.0, 300.0, 1000.0, 10000.0})
    for (const int workers : {1, 2}) {
      CAPTURE(seconds);
      const SearchSize size = resolve_time(seconds, s, speed(), wanted, fallback, workers);
      const Estimate e = estimate(s, speed(), size, fallback, workers);
      CHECK(e.total() <= seconds);
      CHECK(e.search_seconds <= 0.75 * seconds);
      CHECK(size.trials >= 1);
      for (const auto& [got, most] :
           {std::pair(size.epochs, wanted.epochs), std::pair(size.finalists, wanted.finalists), std::pair(size.seeds, wanted.seeds),
            std::pair(size.finalist_epochs, wanted.finalist_epochs)}) {
        CHECK(got >= 1);
        CHECK(got <= most);
      }
      if (workers == 1 && size.epochs == wanted.epochs) {
        CHECK(size.trials > trials);  // more time, more trials
        trials = size.trials;
      }
    }
  const SearchSize large = resolve_time(10000, s, speed(), wanted, fallback, 1);
  CHECK(large.epochs == 3);  // nothing shrinks without need
  CHECK(large.finalists == 3);
  CHECK(large.seeds == 3);
  CHECK(large.finalist_epochs == 6);

  SearchSize alone = wanted;
  alone.finalists = 0;  // nothing is kept for what is not asked for
  const Estimate whole = estimate(s, speed(), resolve_time(1000, s, speed(), alone, fallback, 1), fallback, 1);
  CHECK(whole.search_seconds > 990);
  CHECK(whole.total() <= 1000);

  const std::string refusal = message_of([&] { resolve_time(2, s, speed(), wanted, fallback, 1); });
  CAPTURE(refusal);
  CHECK(refusal.starts_with("search.time = 2.0s is too short for one trial of one epoch; at least "));
  const std::size_t at = refusal.find("at least ") + 9;
  const double enough = std::stod(refusal.substr(at));
  CHECK(resolve_time(enough, s, speed(), wanted, fallback, 1).trials >= 1);  // what it advises would do
}

TEST_CASE("a sample of a space counts what is valid and within the limits") {
  const data::EncodedSplits data = splits();
  const Space space = SpaceBuilder().categorical("hidden", {8, 16, 24, 32}).categorical("heads", {1, 2, 3}).build();
  const TrainingObjective objective({base(), task(), {}, ""}, data.train, data.valid);
  const SpaceSample all = sample_space(space, objective, 60);
  CHECK(all.drawn == 60);
  CHECK(all.points.size() < 60);  // hidden 8, 16 and 32 with 3 heads are no model
  CHECK(all.points.size() > 30);
  CHECK(all.admissible() == doctest::Approx(static_cast<double>(all.points.size()) / 60));
  for (std::size_t i = 0; i < all.points.size(); ++i) {
    CHECK_FALSE(objective.refuse(all.points[i]));
    CHECK(all.costs[i].parameters == objective.cost(all.points[i]).parameters);
  }
  const TrainingObjective limited({base(), task(), {{Quantity::kParams, false, 10, "limits.params = 10"}}, ""}, data.train,
                                  data.valid);
  CHECK(message_of([&] { sample_space(space, limited, 60); }) ==
        "none of 60 architectures drawn from the space is valid and within the limits; widen the space or the limits");

  const SpeedModel measured = measure_speed(all, objective, 2, 0.02);
  REQUIRE_FALSE(measured.points().empty());
  for (std::size_t i = 0; i < measured.points().size(); ++i) {
    CHECK(measured.points()[i].epoch_seconds > 0);
    if (i > 0) CHECK(measured.points()[i].epoch_flops > measured.points()[i - 1].epoch_flops);
    if (i > 0) CHECK(measured.points()[i].epoch_seconds >= measured.points()[i - 1].epoch_seconds);
  }
}
