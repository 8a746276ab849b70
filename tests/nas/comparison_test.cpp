// nas/comparison.h beside numpy and SciPy, and its edges.
#include <lathe/nas/comparison.h>

#include <cmath>
#include <limits>

#include "tests/nas/optuna_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

bool near(double a, double b, double tolerance) { return a - b <= tolerance && b - a <= tolerance; }

struct Case {
  std::string name;
  bool paired = false;
  std::vector<double> a, b, interval, median;
  double superiority = 0, p = 0;
};

/// Cases of comparison.txt; quantiles are checked on the way.
std::vector<Case> read_cases(int& quantiles) {
  std::ifstream in(LATHE_COMPARISON);
  REQUIRE(in.good());
  std::vector<Case> out;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string kind, first, second, third;
    words >> kind >> first >> second >> third;
    if (kind == "quantile") {
      CHECK(close(quantile(numbers_of(third), *parse_double(first)), *parse_double(second)));
      ++quantiles;
    } else if (kind == "case") {
      out.push_back({first, second == "1", {}, {}, {}, {}, 0, 0});
    } else if (kind != "#") {
      Case& last = out.back();
      if (kind == "a") last.a = numbers_of(first);
      if (kind == "b") last.b = numbers_of(first);
      if (kind == "superiority") last.superiority = *parse_double(first);
      if (kind == "p") last.p = *parse_double(first);
      if (kind == "interval") last.interval = numbers_of(first);
      if (kind == "median") last.median = numbers_of(first);
    }
  }
  return out;
}

Trial finished(std::int64_t number, TrialState state, std::vector<double> values, std::vector<double> constraints = {}) {
  Trial trial;
  trial.number = number;
  trial.state = state;
  trial.values = std::move(values);
  trial.constraints = std::move(constraints);
  return trial;
}

}  // namespace

TEST_CASE("comparison: quantiles of numpy; superiority, tests and intervals of SciPy") {
  int quantiles = 0;
  const auto cases = read_cases(quantiles);
  CHECK(quantiles == 24);
  CHECK(cases.size() == 7);
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CompareOptions options;
    options.paired = c.paired;
    options.resamples = 100'000;
    const Comparison found = compare(c.a, c.b, Direction::maximise, options);
    CHECK(close(found.superiority, c.superiority));
    CHECK(near(found.p_value, c.p, 0.004));
    CHECK(near(found.superiority_interval.low, c.interval[0], 0.01));
    CHECK(near(found.superiority_interval.high, c.interval[1], 0.01));
    CHECK(near(found.interval_a.low, c.median[0], 0.05));
    CHECK(near(found.interval_a.high, c.median[1], 0.05));
    const Comparison back = compare(c.b, c.a, Direction::maximise, options);
    CHECK(close(back.superiority, 1 - found.superiority));
    CHECK(near(back.p_value, found.p_value, 0.004));
    const Comparison down = compare(c.b, c.a, Direction::minimise, options);
    CHECK(down.superiority == found.superiority);
    using Verdict = Comparison::Verdict;
    const Verdict expected = c.name == "far"                         ? Verdict::better
                             : c.name == "worse" || c.name == "ties" ? Verdict::worse
                                                                     : Verdict::no_difference;
    CHECK(found.verdict == expected);
    CHECK(back.verdict == (expected == Verdict::better ? Verdict::worse : expected == Verdict::worse ? Verdict::better : expected));
  }
}

TEST_CASE("comparison: deterministic; seeds differ; few repeats decide nothing; a larger confidence gives wider intervals") {
  std::vector<double> a, b;
  Random random(random_key(5, 0, "repeats"));
  for (int i = 0; i < 20; ++i) {
    a.push_back(random.normal());
    b.push_back(random.normal() + 0.5);
  }
  const Comparison one = compare(a, b, Direction::minimise), two = compare(a, b, Direction::minimise);
  CHECK(one.superiority_interval.low == two.superiority_interval.low);
  CHECK(one.p_value == two.p_value);
  CompareOptions options;
  options.seed = 2;
  CHECK(compare(a, b, Direction::minimise, options).p_value != one.p_value);
  options.confidence = 0.999;
  const Comparison wide = compare(a, b, Direction::minimise, options);
  CHECK(wide.superiority_interval.low < one.superiority_interval.low);
  CHECK(wide.interval_a.high > one.interval_a.high);
  // All four against all four: p = 2/70; three against three: 2/20.
  CHECK(compare(std::vector<double>{1, 2, 3, 4}, std::vector<double>{5, 6, 7, 8}, Direction::minimise).verdict ==
        Comparison::Verdict::better);
  CHECK(compare(std::vector<double>{1, 2, 3}, std::vector<double>{5, 6, 7}, Direction::minimise).verdict ==
        Comparison::Verdict::no_difference);
  // Each side wins half of the pairs, though the two are nothing alike: no verdict.
  const Comparison crossed =
      compare(std::vector<double>{0, 0, 0, 10, 10, 10}, std::vector<double>{1, 1, 1, 9, 9, 9}, Direction::minimise);
  CHECK(crossed.superiority == 0.5);
  CHECK(crossed.verdict == Comparison::Verdict::no_difference);
  const Comparison single = compare(std::vector<double>{1}, std::vector<double>{2}, Direction::minimise);
  CHECK(single.superiority == 1);
  CHECK(single.p_value == 1);
  const Comparison equal = compare(a, a, Direction::minimise);
  CHECK(equal.superiority == 0.5);
  CHECK(equal.p_value == 1);
}

TEST_CASE("comparison: false alarms are as rare as the confidence says") {
  CompareOptions options;
  options.resamples = 400;
  int alarms = 0;
  Random random(random_key(9, 0, "repeats"));
  for (int study = 0; study < 400; ++study) {
    std::vector<double> a, b;
    for (int i = 0; i < 15; ++i) a.push_back(random.normal()), b.push_back(random.normal());
    options.seed = static_cast<std::uint64_t>(study);
    alarms += compare(a, b, Direction::minimise, options).verdict != Comparison::Verdict::no_difference;
  }
  CHECK(alarms > 5);   // 20 expected, fewer because two conditions must hold
  CHECK(alarms < 35);  // 3.4 standard deviations above
}

TEST_CASE("comparison: what cannot be compared") {
  const std::vector<double> good = {1, 2}, none, broken = {1, std::numeric_limits<double>::quiet_NaN()};
  const auto complaint = [](const auto& a, const auto& b, CompareOptions options = {}) {
    return message_of([&] { compare(a, b, Direction::minimise, options); });
  };
  CHECK(complaint(none, good) == "compare: A has no repeats");
  CHECK(complaint(good, none) == "compare: B has no repeats");
  CHECK(complaint(good, broken) == "compare: a repeat of B has no value");
  CHECK(contains(complaint(good, std::vector<double>{1}, {.paired = true}), "pairs of 2 and 1 repeats"));
  CHECK(contains(complaint(good, good, {.confidence = 1}), "confidence 1, expected between 0 and 1"));
  CHECK(contains(complaint(good, good, {.resamples = 99}), "99 resamples, expected 100"));
  CHECK(contains(message_of([&] { quantile(good, 1.5); }), "quantile 1.5"));
  CHECK(std::isnan(quantile({}, 0.5)));
  CHECK(std::isnan(quantile(broken, 0.5)));
}

TEST_CASE("progress and bands: spent budget counts, infeasible values do not") {
  const double none = std::numeric_limits<double>::quiet_NaN();
  History history;
  history.trials = {finished(0, TrialState::failed, {}),    finished(1, TrialState::complete, {3}, {1}),
                    finished(2, TrialState::complete, {5}), finished(3, TrialState::pruned, {1}),
                    finished(4, TrialState::complete, {4}), finished(5, TrialState::complete, {6})};
  history.finished = {0, 1, 2, 3, 5, 4};
  const std::vector<Direction> down = {Direction::minimise};
  const auto steps = progress(history, down);
  REQUIRE(steps.size() == 6);
  CHECK(std::isnan(steps[0]));
  CHECK(std::isnan(steps[1]));
  CHECK(std::vector<double>(steps.begin() + 2, steps.end()) == std::vector<double>{5, 5, 5, 4});
  for (Trial& trial : history.trials)
    if (trial.state == TrialState::complete) trial.values.push_back(1);
  const std::vector<Direction> two = {Direction::minimise, Direction::maximise};
  CHECK(progress(history, two, std::vector<double>{7, 0}) == std::vector<double>{0, 0, 2, 2, 2, 3});

  const std::vector<std::vector<double>> repeats = {{none, 4, 3}, {9, 8, 7, 6}, {2, 2, 2}};
  const auto found = bands(repeats);
  REQUIRE(found.size() == 2);  // the second and the third trial
  CHECK(found[0].trials == 2);
  CHECK(found[0].median == 4);
  CHECK(found[1].lower == 2.5);
  CHECK(found[1].upper == 5);
  CHECK(bands({}).empty());
}
