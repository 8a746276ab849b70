// nas/why.h against brute force: additive objectives on whole grids, all orders of few trials, maxima of known distributions.
#include <lathe/nas/why.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tests/nas/optuna_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();

Space grid() {
  return SpaceBuilder().integer("layers", 1, 3).categorical("norm", {"layer", "rms"}).ordinal("width", {64, 128, 256}).build();
}

/// What each choice adds; no choice changes what another adds.
double value_of(const Point& p) {
  return 0.1 * static_cast<double>(p.integer("layers")) + (p.text("norm") == "rms" ? 0.03 : 0) +
         0.001 * static_cast<double>(p.integer("width"));
}

History every_point(
    const Space& space, const std::function<bool(const Point&)>& keep = [](const Point&) { return true; }) {
  History history;
  space.enumerate([&](const Point& p) {
    if (keep(p)) add_trial(history, p, TrialState::complete, {value_of(p)});
    return true;
  });
  return history;
}

std::int64_t number_of(const History& history, const std::string& json) {
  for (const Trial& trial : history.trials)
    if (trial.point.json() == json) return trial.number;
  FAIL("no trial ", json);
  return -1;
}

const Effect& effect(const std::vector<Effect>& effects, const std::string& parameter, const std::string& other) {
  for (const Effect& e : effects)
    if (e.parameter == parameter && e.other == other) return e;
  FAIL("no effect of ", parameter, " ", other);
  return effects[0];
}

}  // namespace

TEST_CASE("effects on a whole grid are the exact differences") {
  const Space space = grid();
  const History history = every_point(space);
  const auto effects = effects_around(space, history, number_of(history, R"({"layers":2,"norm":"rms","width":128})"));
  REQUIRE(effects.size() == 5);  // two other depths, one other norm, two other widths
  for (const Effect& e : effects) {
    CHECK(e.source == Effect::Source::trials);
    CHECK(e.trials == 1);
    CHECK(std::isnan(e.error));  // one trial a side
  }
  CHECK(effect(effects, "layers", "1").difference == doctest::Approx(-0.1));
  CHECK(effect(effects, "layers", "3").difference == doctest::Approx(0.1));
  CHECK(effect(effects, "layers", "3").chosen == "2");
  CHECK(effect(effects, "norm", "layer").difference == doctest::Approx(-0.03));
  CHECK(effect(effects, "width", "64").difference == doctest::Approx(-0.064));
  CHECK(effect(effects, "width", "256").difference == doctest::Approx(0.128));
}

TEST_CASE("without such trials the estimate finds an additive effect, and says how many trials are behind it") {
  const Space space = grid();
  // The direct neighbours in `norm` and `width` are missing; around them the grid is whole, so the local means are symmetric.
  const History history = every_point(
      space, [](const Point& p) { return !(p.integer("layers") == 2 && p.integer("width") == 128 && p.text("norm") == "layer"); });
  const auto effects = effects_around(space, history, number_of(history, R"({"layers":2,"norm":"rms","width":128})"));
  const Effect& norm = effect(effects, "norm", "layer");
  CHECK(norm.source == Effect::Source::estimate);
  CHECK(norm.trials > 2);
  CHECK(norm.trials < 8.01);  // eight trials have it
  CHECK(norm.error > 0);
  // By hand: weights exp(−½ (d/0.25)²) over layers and width (distances in cells of a third of the range).
  double sums[2] = {}, weights[2] = {};
  for (const Trial& t : history.trials) {
    const double a = static_cast<double>(t.point.integer("layers") - 2) / 3 / 0.25;
    const double index = t.point.integer("width") == 64 ? -1 : t.point.integer("width") == 128 ? 0 : 1;
    const double w = std::exp(-0.5 * a * a) * std::exp(-0.5 * (index / 3 / 0.25) * (index / 3 / 0.25));
    const int side = t.point.text("norm") == "rms";
    sums[side] += w * t.values[0], weights[side] += w;
  }
  CHECK(norm.difference == doctest::Approx(sums[0] / weights[0] - sums[1] / weights[1]));
  CHECK(effect(effects, "layers", "3").source == Effect::Source::trials);
}

TEST_CASE("conditional parameters: what exists only because of a change does not hide it") {
  const Space space = SpaceBuilder()
                          .categorical("norm", {"layer", "rms"})
                          .real("eps", 1e-6, 1e-3, {.log = true, .when = "norm == 'rms'"})
                          .integer("layers", 1, 2)
                          .build();
  History history;
  add_trial(history, space.parse(R"({"norm":"layer","layers":2})"), TrialState::complete, {0.5});
  add_trial(history, space.parse(R"({"norm":"rms","eps":0.0001,"layers":2})"), TrialState::complete, {0.7});
  add_trial(history, space.parse(R"({"norm":"rms","eps":0.00001,"layers":2})"), TrialState::complete, {0.8});
  add_trial(history, space.parse(R"({"norm":"rms","eps":0.00001,"layers":1})"), TrialState::failed, {});
  const auto effects = effects_around(space, history, 0);
  REQUIRE(effects.size() == 1);  // depth 1 failed; nothing can be said about it
  CHECK(effects[0].parameter == "norm");
  CHECK(effects[0].trials == 2);
  CHECK(effects[0].difference == doctest::Approx(0.25));
  const auto of_rms = effects_around(space, history, 1);
  CHECK(effect(of_rms, "norm", "layer").difference == doctest::Approx(-0.2));
  CHECK(effect(of_rms, "eps", "5.62e-06 to 3.16e-05").difference == doctest::Approx(0.1));
  CHECK(message_of([&] { effects_around(space, history, 3); }) == "trial 3 is no complete trial of the study");
  CHECK(message_of([&] { effects_around(space, history, 9); }) == "trial 9 is no complete trial of the study");
}

TEST_CASE("neighbours differ in one parameter, are valid and new") {
  const Space space = SpaceBuilder()
                          .integer("hidden", 32, 128, {.step = 32})
                          .categorical("heads", {1, 2, 3})
                          .real("lr", 1e-4, 1e-2, {.log = true})
                          .rule("hidden % heads == 0")
                          .build();
  History history;
  const Point point = space.parse(R"({"hidden":64,"heads":2,"lr":0.001})");
  add_trial(history, point, TrialState::complete, {1});
  add_trial(history, space.parse(R"({"hidden":32,"heads":2,"lr":0.001})"), TrialState::complete, {1});
  const std::vector<std::string> order = {"heads", "hidden", "lr"};
  const auto all = one_step_neighbours(space, history, point, order, 100, 1);
  std::vector<std::string> texts;
  for (const Point& p : all) texts.push_back(p.json());
  REQUIRE(texts.size() == 4);
  CHECK(texts[0] == R"({"hidden":64,"heads":1,"lr":0.001})");  // heads 3 does not divide 64
  CHECK(texts[1] == R"({"hidden":96,"heads":2,"lr":0.001})");  // hidden 32 is known
  for (const Point& p : all) CHECK(space.valid(p));
  CHECK(one_step_neighbours(space, history, point, order, 2, 1).size() == 2);
}

TEST_CASE("the best after m trials over all orders") {
  const std::vector<double> values = {0.3, kNaN, 0.9, 0.5, 0.1, 0.7};
  const auto curve = best_after(values, Direction::maximise, 6);
  REQUIRE(curve.size() == 6);
  for (const BestAfter& at : curve) {
    // Every order of the six.
    std::vector<std::size_t> order(6);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<double> best;
    do {
      double b = -std::numeric_limits<double>::infinity();
      for (std::size_t i = 0; i < at.trials; ++i)
        if (!std::isnan(values[order[i]])) b = std::max(b, values[order[i]]);
      best.push_back(b);
    } while (std::next_permutation(order.begin(), order.end()));
    std::sort(best.begin(), best.end());
    const auto at_share = [&](double q) {
      return best[static_cast<std::size_t>(std::ceil(q * static_cast<double>(best.size()) - 1e-9)) - 1];
    };
    CAPTURE(at.trials);
    CHECK(at.low == at_share(0.05));
    CHECK(at.median == at_share(0.5));
    CHECK(at.high == at_share(0.95));
  }
  CHECK(curve.back().low == 0.9);
  const auto losses = best_after(std::vector<double>{3, 1, 2, 5, 4}, Direction::minimise, 5);
  CHECK(losses.back().median == 1);
  CHECK(losses.front().median == 3);
  CHECK(best_after(std::vector<double>{1, 2, 3, kNaN, kNaN}, Direction::maximise, 9).empty());
  CHECK(best_after(std::vector<double>{}, Direction::maximise, 9).empty());
}

TEST_CASE("a tail's shape and scale are found again from its own quantiles") {
  for (const double shape : {-0.5, -0.2, 0.0, 0.2}) {
    const ParetoTail tail{shape, 0.7};
    std::vector<double> excesses;
    constexpr int kMany = 4000;
    for (int i = kMany; i-- > 0;) excesses.push_back(tail.excess((i + 0.35) / kMany));
    const ParetoTail fitted = fit_tail(excesses);
    CAPTURE(shape);
    CHECK(fitted.shape == doctest::Approx(shape).epsilon(0.02).scale(1));
    CHECK(fitted.scale == doctest::Approx(0.7).epsilon(0.02));
  }
  CHECK(ParetoTail{-0.5, 1}.excess(0.25) == doctest::Approx(1));  // (1 − √0.25)/0.5
  CHECK(ParetoTail{0, 2}.excess(0.5) == doctest::Approx(2 * std::log(2.0)));
  CHECK(fit_tail(std::vector<double>{0, 0, 0}).scale == 0);
}

TEST_CASE("twice the budget: as often above as below what independent draws really bring") {
  int below = 0, inside = 0;
  constexpr int kStudies = 200;
  for (int study = 0; study < kStudies; ++study) {
    Random random(random_key(static_cast<std::uint64_t>(study), 0, "draws"));
    std::vector<double> values;
    for (int i = 0; i < 60; ++i) values.push_back(1 - 0.2 * std::sqrt(random.uniform()));  // no value above 1
    double best = 0;
    for (const double v : values) best = std::max(best, v);
    double later = best;
    for (int i = 0; i < 60; ++i) later = std::max(later, 1 - 0.2 * std::sqrt(random.uniform()));
    const auto curve = best_after(values, Direction::maximise, 120, {.seed = static_cast<std::uint64_t>(study), .bound = 1});
    const BestAfter& end = curve.back();
    CHECK(end.trials == 120);
    CHECK(end.low >= best);
    CHECK(end.high <= 1);
    below += later <= end.median;
    inside += later >= end.low && later <= end.high;
  }
  CHECK(below > 70);  // half of 200, and the law of large numbers
  CHECK(below < 150);
  CHECK(inside > 170);  // 90 %, and a fit from the tail of 60 values
}

TEST_CASE("the outlook never falls, is the same again, and needs a spread to see anything") {
  std::vector<double> values(40, 0.8);
  for (const BestAfter& b : best_after(values, Direction::maximise, 80)) CHECK(b.high == 0.8);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.5 + 0.01 * static_cast<double>(i * 17 % 40);
  const auto curve = best_after(values, Direction::maximise, 80);
  CHECK(curve.size() <= 64);
  CHECK(std::any_of(curve.begin(), curve.end(), [](const BestAfter& b) { return b.trials == 40; }));
  for (std::size_t i = 1; i < curve.size(); ++i) {
    CHECK(curve[i].trials > curve[i - 1].trials);
    CHECK(curve[i].low >= curve[i - 1].low);
    CHECK(curve[i].median >= curve[i - 1].median);
    CHECK(curve[i].high >= curve[i - 1].high);
  }
  const auto again = best_after(values, Direction::maximise, 80);
  for (std::size_t i = 0; i < curve.size(); ++i) CHECK(again[i].high == curve[i].high);
  std::vector<double> mirrored;
  for (const double v : values) mirrored.push_back(-v);
  const auto down = best_after(mirrored, Direction::minimise, 80);
  for (std::size_t i = 0; i < curve.size(); ++i) CHECK(down[i].median == -curve[i].median);
}

TEST_CASE("how many trials are random") {
  StudyHeader header;
  header.trials = 40;
  CHECK(random_trials(header) == 40);
  header.sampler = "tpe@optuna-5.0";
  CHECK(random_trials(header) == 10);
  header.sampler_settings = {{"n_startup_trials", 60}};
  CHECK(random_trials(header) == 40);
  header.sampler = "evolution@1";
  CHECK(random_trials(header) == 40);
  header.sampler_settings = {{"population_size", 8}};
  CHECK(random_trials(header) == 8);
  header.sampler = "grid@1";
  CHECK(random_trials(header) == 0);
}
