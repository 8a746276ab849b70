// nas/importance.h beside Optuna 5.0.0, and its edges.
#include <lathe/nas/importance.h>

#include "tests/nas/optuna_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

TEST_CASE("importance: PED-ANOVA of Optuna 5.0.0") {
  int compared = 0;
  for (const OptunaStudy& study : read_optuna("importance.txt")) {
    CAPTURE(study.header.name);
    std::vector<Importance> found;
    for (const auto& fact : study.facts) {
      if (fact[0] == "region") {
        ImportanceOptions options;
        options.region_quantile = *parse_double(fact[1]);
        found = importances(study.header.space, study.history, study.header.directions, options);
        double shares = 0;
        for (std::size_t i = 0; i < found.size(); ++i) {
          shares += found[i].share;
          if (i) CHECK(found[i].value <= found[i - 1].value);
        }
        CHECK(shares == doctest::Approx(1));
        continue;
      }
      CAPTURE(fact[1]);
      const auto at = std::find_if(found.begin(), found.end(), [&](const Importance& i) { return i.parameter == fact[1]; });
      REQUIRE(at != found.end());
      CHECK(close(at->value, *parse_double(fact[2])));
      ++compared;
    }
  }
  CHECK(compared > 60);
}

TEST_CASE("importance: finds what decides; empty and single histories; wrong options") {
  const Space space = SpaceBuilder().real("x", 0, 1).real("y", 0, 1).categorical("c", {"a", "b", "d"}).build();
  const std::vector<Direction> up = {Direction::maximise};
  History history;
  CHECK(importances(space, history, up).empty());
  for (int n = 0; n < 200; ++n) {
    const Point p = space.uniform(1, static_cast<std::uint64_t>(n), 0);
    add_trial(history, p, TrialState::complete, {10 * p.real("y") + 0.1 * p.real("x") + (p.text("c") == "b" ? 2 : 0)});
    if (n == 0) CHECK(importances(space, history, up)[2].share == doctest::Approx(1.0 / 3));
  }
  const auto found = importances(space, history, up);
  CHECK(found[0].parameter == "y");
  CHECK(found[1].parameter == "c");
  CHECK(found[0].share > 0.6);
  CHECK(found[2].share < 0.1);
  ImportanceOptions options;
  options.objective = 1;
  CHECK(contains(message_of([&] { importances(space, history, up, options); }), "there is no objective 1, the study has 1"));
  options = {1.0, 1.0, {}};
  CHECK(contains(message_of([&] { importances(space, history, up, options); }), "expected 0 < target < region <= 1"));
}

TEST_CASE("importance: what breaks a constraint is behind what breaks none, however good its value") {
  const Space space = SpaceBuilder().real("x", 0, 1).real("y", 0, 1).build();
  for (const std::size_t objectives : {1, 2}) {
    CAPTURE(objectives);
    const std::vector<Direction> down(objectives, Direction::minimise);
    // The twin has values in which infeasible trials are worst, and no constraints.
    History history, twin, broken;
    for (int n = 0; n < 100; ++n) {
      const Point p = space.uniform(1, static_cast<std::uint64_t>(n), 0);
      const double x = p.real("x"), y = p.real("y"), excess = 0.5 - y;
      const bool infeasible = excess > 0;  // there the best values lie, and only x tells them apart
      const double value = infeasible ? x - 10 : y + 0.01 * x;
      const auto values = [&](double first) {
        return objectives == 1 ? std::vector<double>{first} : std::vector<double>{first, first};
      };
      add_trial(history, p, TrialState::complete, values(value), {excess});
      add_trial(twin, p, TrialState::complete, values(infeasible ? 100 + excess : value));
      add_trial(broken, p, TrialState::complete, values(x), {1 + x});
    }
    for (const double quantile : {0.1, 0.7}) {  // fewer and more than are feasible
      CAPTURE(quantile);
      ImportanceOptions options;
      options.target_quantile = quantile;
      const auto found = importances(space, history, down, options), expected = importances(space, twin, down, options);
      REQUIRE(found.size() == 2);
      for (std::size_t i = 0; i < 2; ++i) {
        CHECK(found[i].parameter == expected[i].parameter);
        CHECK(found[i].value == expected[i].value);
      }
      CHECK(found[0].parameter == "y");
    }
    CHECK(importances(space, broken, down)[0].parameter == "x");  // nothing is feasible: by violation
  }
}
