#include <cmath>
#include <limits>

#include "tests/nas/support.h"

#include <lathe/nas/pruner/median.h>

using namespace lathe;
using namespace lathe::nas;
using nas::test::contains;
using nas::test::message_of;

namespace {

const double kNan = std::numeric_limits<double>::quiet_NaN();

Trial trial_with(std::int64_t number, std::vector<double> curve, TrialState state = TrialState::complete, int unit = 0) {
  Trial t;
  t.number = number;
  t.state = state;
  for (std::size_t i = 0; i < curve.size(); ++i)
    t.reports.push_back({static_cast<int>(i), unit, static_cast<int>(i) + 1, {curve[i]}, 0});
  return t;
}

StudyHeader header_of(Settings settings, Direction direction = Direction::maximise) {
  StudyHeader header;
  header.directions = {direction};
  header.pruner = "median@1";
  header.pruner_settings = std::move(settings);
  return header;
}

bool stops(const StudyHeader& header, std::vector<Trial> others, std::vector<double> curve, int unit = 0) {
  History history;
  history.trials = std::move(others);
  history.trials.push_back(trial_with(99, std::move(curve), TrialState::running, unit));
  return MedianPruner(header).stops(history, history.trials.back());
}

std::vector<Trial> complete(const std::vector<std::vector<double>>& curves) {
  std::vector<Trial> out;
  for (const auto& c : curves) out.push_back(trial_with(static_cast<std::int64_t>(out.size()), c));
  return out;
}

}  // namespace

TEST_CASE("percentile: linear interpolation as numpy computes it") {
  CHECK(percentile_of({3, 1, 2}, 50) == 2);
  CHECK(percentile_of({4, 1, 2, 3}, 50) == 2.5);
  CHECK(percentile_of({1, 2, 3, 4}, 25) == 1.75);
  CHECK(percentile_of({10, 20, 30, 40, 50}, 90) == 46);
  CHECK(percentile_of({10, 20}, 0) == 10);
  CHECK(percentile_of({10, 20}, 100) == 20);
  CHECK(percentile_of({7}, 33) == 7);
  CHECK(percentile_of({kNan, 5, kNan, 7}, 50) == 6);
  CHECK(std::isnan(percentile_of({kNan}, 50)));
  CHECK(std::isnan(percentile_of({}, 50)));
}

TEST_CASE("median: best so far against the median at the same step") {
  const auto others = complete({{0.1, 0.5}, {0.2, 0.6}, {0.3, 0.7}, {0.4, 0.8}, {0.5, 0.9}});  // medians 0.3, 0.7
  const StudyHeader header = header_of({});
  CHECK(stops(header, others, {0.29}));
  CHECK_FALSE(stops(header, others, {0.3}));  // equal is not worse
  CHECK_FALSE(stops(header, others, {0.31}));
  CHECK(stops(header, others, {0.9, 0.1}) == false);  // best so far 0.9 > 0.7
  CHECK(stops(header, others, {0.69, 0.1}));
  const StudyHeader down = header_of({}, Direction::minimise);
  CHECK(stops(down, others, {0.31}));
  CHECK_FALSE(stops(down, others, {0.3}));
  CHECK_FALSE(stops(down, others, {0.29, 5}));
}

TEST_CASE("median: start-up, warm-up, interval, minimum of values") {
  const auto four = complete({{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}});
  CHECK_FALSE(stops(header_of({}), four, {0}));
  CHECK(stops(header_of({{"n_startup_trials", 4}}), four, {0}));
  CHECK_FALSE(stops(header_of({{"n_startup_trials", 0}}), {}, {0}));
  auto pruned = four;
  pruned[0].state = TrialState::pruned;  // does not count
  CHECK_FALSE(stops(header_of({{"n_startup_trials", 4}}), pruned, {0}));
  const StudyHeader warm = header_of({{"n_startup_trials", 4}, {"n_warmup_steps", 3}});
  CHECK_FALSE(stops(warm, four, {0, 0}));
  CHECK(stops(warm, four, {0, 0, 0}));
  // Checks at steps 3, 5, 7, …; step 4 is skipped.
  const StudyHeader every = header_of({{"n_startup_trials", 4}, {"n_warmup_steps", 3}, {"interval_steps", 2}});
  CHECK(stops(every, four, {0, 0, 0}));
  CHECK_FALSE(stops(every, four, {0, 0, 0, 0}));
  const StudyHeader many = header_of({{"n_startup_trials", 4}, {"n_min_trials", 5}});
  CHECK_FALSE(stops(many, four, {0}));
  // Steps may begin at 0; without a warm-up the rule applies there.
  History history;
  for (int i = 0; i < 5; ++i) {
    Trial t = trial_with(i, {i == 4 ? 0.0 : 1.0}, i == 4 ? TrialState::running : TrialState::complete);
    t.reports[0].step = 0;
    history.trials.push_back(t);
  }
  CHECK(MedianPruner(header_of({{"n_startup_trials", 4}})).stops(history, history.trials[4]));
  CHECK_FALSE(MedianPruner(header_of({{"n_startup_trials", 4}, {"n_warmup_steps", 1}})).stops(history, history.trials[4]));
  // No one else reached this step.
  CHECK_FALSE(stops(header_of({{"n_startup_trials", 4}}), four, {0, 0, 0, 0, 0}));
}

TEST_CASE("median: percentile 25 keeps the top quarter") {
  const auto others = complete({{1}, {2}, {3}, {4}, {5}});
  const StudyHeader up = header_of({{"percentile", 25}});  // line at the 75th percentile: 4
  CHECK(stops(up, others, {3.9}));
  CHECK_FALSE(stops(up, others, {4}));
  const StudyHeader down = header_of({{"percentile", 25}}, Direction::minimise);  // 2
  CHECK(stops(down, others, {2.1}));
  CHECK_FALSE(stops(down, others, {2}));
}

TEST_CASE("median: NaN") {
  const auto others = complete({{1}, {kNan}, {3}, {kNan}, {5}});
  CHECK(stops(header_of({}), others, {kNan}));     // never reported a number
  CHECK_FALSE(stops(header_of({}), others, {3}));  // median of 1, 3, 5
  CHECK(stops(header_of({}), others, {2.9}));
  CHECK_FALSE(stops(header_of({}), complete({{kNan}, {kNan}, {kNan}, {kNan}, {kNan}}), {0}));
}

TEST_CASE("median: units are paired") {
  // Unit 1 is harder for everybody; only values of the same unit count.
  std::vector<Trial> others;
  for (int i = 0; i < 5; ++i) {
    Trial t = trial_with(i, {0.9});
    t.reports.push_back({1, 1, 1, {0.5}, 0});
    others.push_back(t);
  }
  CHECK_FALSE(stops(header_of({}), others, {0.6}, 1));
  CHECK(stops(header_of({}), others, {0.4}, 1));
  CHECK(stops(header_of({}), others, {0.6}, 0));
}

TEST_CASE("median: settings are checked") {
  const auto refusal = [](Settings s) { return message_of([&] { MedianPruner{header_of(std::move(s))}; }); };
  CHECK(contains(refusal({{"percentile", 101}}), "percentile is 101"));
  CHECK(contains(refusal({{"interval_steps", 0}}), "interval_steps is 0, expected a whole number of at least 1"));
  CHECK(contains(refusal({{"n_startup_trials", 2.5}}), "n_startup_trials is 2.5"));
  CHECK(contains(refusal({{"n_startup_trials", kNan}}), "n_startup_trials"));
  CHECK(contains(refusal({{"n_startup_trial", 2}}), "did you mean `n_startup_trials`?"));
}
