// A space as decisions, their masks, and what trials are worth.
#include <lathe/nas/controller/decisions.h>
#include <lathe/nas/controller/rewards.h>

#include <cstdlib>
#include <limits>
#include <map>
#include <set>

#include "tests/nas/optuna_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

TEST_CASE("decisions: every point is found again, values and parts, by logarithm where the range says so") {
  for (const std::string name : {"mixed", "tree"}) {
    const Space space = optuna_space(name);
    const Decisions decisions(space, 8);
    for (std::uint64_t trial = 0; trial < 300; ++trial) {
      const Point point = space.uniform(1, trial, 0);
      const auto chosen = decisions.chosen(point);
      REQUIRE(chosen.size() == decisions.size());
      for (std::size_t d = 0; d < chosen.size(); ++d) {
        const std::size_t i = decisions.parameter(d);
        CHECK((chosen[d] == Decisions::kInactive) == !point.value(i));
        CHECK(chosen[d] < decisions.choices(d));
        if (chosen[d] < 0) continue;
        for (const double uniform : {0.01, 0.5, 0.99}) {
          const Value value = decisions.value(d, chosen[d], uniform);
          CHECK(space.parameter(i).contains(value));
          const Point again = space.make([&](std::size_t k, const Parameter& p) {
            return k == i ? value : point.value(k) ? *point.value(k) : p.choices() ? p.choices()->front() : Axis(p).at(0.5);
          });
          if (again.value(i)) CHECK(decisions.chosen(again)[d] == chosen[d]);
        }
      }
    }
  }
  const Space space = SpaceBuilder()
                          .real("lr", 1e-4, 1, {.log = true})
                          .integer("n", 0, 7)
                          .integer("m", 0, 8)
                          .ordinal("o", {"s", "m", "l"})
                          .integer("one", 5, 5)
                          .categorical("c", {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"})
                          .build();
  const Decisions decisions(space, 8);
  REQUIRE(decisions.size() == 5);
  CHECK_FALSE(decisions.of_parameter(4).has_value());
  for (const auto& [d, choices] : {std::pair{0, 8}, {1, 8}, {2, 8}, {3, 3}, {4, 10}})
    CHECK(decisions.choices(static_cast<std::size_t>(d)) == choices);
  CHECK(*decisions.value(0, 2, 0).real() == doctest::Approx(1e-3));  // 8 parts of 4 decades
  CHECK(*decisions.value(0, 7, 1 - 0x1p-53).real() == 1);
  for (int n = 0; n < 8; ++n) CHECK(*decisions.value(1, n, 0.7).integer() == n);
  std::set<std::int64_t> ninths;
  for (int part = 0; part < 8; ++part)
    for (const double u : {0.0, 0.5, 0.999}) ninths.insert(*decisions.value(2, part, u).integer());
  CHECK(ninths.size() == 9);  // none is out of reach
}

TEST_CASE("decisions: a value is of one part alone, the one that draws it, and as likely as its neighbours there") {
  const Space space =
      SpaceBuilder()
          .integer("tenths", 0, 9)
          .integer("odd", -7, 41, {.step = 3})
          .integer("log", 1, 300, {.log = true})
          .integer("short_log", 1, 9, {.log = true})
          .real("stepped", 0.1, 1.2, {.step = 0.1})
          .ordinal("o", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20})
          .integer("huge", std::numeric_limits<std::int64_t>::min() / 2, std::numeric_limits<std::int64_t>::max() / 2)
          .integer("huge_log", 1, std::int64_t{1} << 60, {.log = true})
          .build();
  for (const std::int64_t bins : {2, 3, 8}) {
    const Decisions decisions(space, bins);
    REQUIRE(decisions.size() == space.size());
    for (std::size_t d = 0; d < decisions.size(); ++d) {
      const Parameter& parameter = space.parameter(d);
      CAPTURE(parameter.name);
      const auto chosen = [&](const Value& value) {
        return decisions.chosen(space.make([&](std::size_t i, const Parameter& p) { return i == d ? value : p.at(0); }))[d];
      };
      constexpr int kDraws = 3000;
      std::map<std::uint64_t, std::pair<std::int32_t, int>> drawn;  // index → its part and how often it was drawn
      for (std::int32_t part = 0; part < bins; ++part)
        for (int draw = 0; draw <= kDraws; ++draw) {
          const Value value = decisions.value(d, part, draw < kDraws ? draw / double{kDraws} : 1 - 0x1p-53);
          REQUIRE(chosen(value) == part);
          auto& seen = drawn.try_emplace(parameter.index_of(value).value(), part, 0).first->second;
          REQUIRE(seen.first == part);
          ++seen.second;
        }
      std::int32_t before = 0;
      for (const auto& [index, seen] : drawn) {
        CHECK(seen.first >= before);
        before = seen.first;
      }
      if (*parameter.count() > 1000) continue;
      CHECK(drawn.size() == *parameter.count());  // none is out of reach
      std::map<std::int32_t, int> values;
      for (const auto& [index, seen] : drawn) ++values[seen.first];
      for (const auto& [index, seen] : drawn)
        if (!Axis(parameter).log()) CHECK(std::abs(seen.second * values[seen.first] - kDraws) <= 2 * values[seen.first]);
    }
  }
  const Decisions decisions(space, 8);
  const auto log_values = [&](std::int32_t part) {
    return std::pair{*decisions.value(2, part, 0).integer(), *decisions.value(2, part, 1 - 0x1p-53).integer()};
  };
  CHECK(log_values(0) == std::pair<std::int64_t, std::int64_t>{1, 1});  // the cell of 1 alone is wider than an eighth
  CHECK(log_values(7) == std::pair<std::int64_t, std::int64_t>{136, 300});
}

TEST_CASE("decisions: what a rule forbids is masked at its last parameter, and nothing where all would be") {
  const Space space = SpaceBuilder()
                          .integer("hidden", 8, 12)
                          .categorical("heads", {1, 2, 3, 5, 7})
                          .categorical("norm", {"layer", "rms"})
                          .categorical("kind", {"a", "b"}, {.when = "norm == 'rms'"})
                          .real("x", 0, 1)
                          .rule("hidden % heads == 0")
                          .rule("kind == 'a' or hidden > 20")
                          .rule("x < 0.5")
                          .build();
  const Decisions decisions(space, 8);
  const auto allowed = [&](std::size_t d, std::vector<std::optional<Value>> values) {
    values.resize(space.size());
    return decisions.allowed(d, values);
  };
  CHECK(allowed(1, {Value(10)}) == std::vector{true, true, false, true, false});
  CHECK(allowed(1, {Value(11)}) == std::vector{true, false, false, false, false});
  CHECK(allowed(3, {Value(10), Value(1), Value("rms")}) == std::vector{true, false});
  CHECK(allowed(2, {Value(10), Value(1)}) == std::vector{true, true});
  CHECK_FALSE(decisions.masked(0));
  CHECK_FALSE(decisions.masked(4));  // a part is not one value
  const Space none = SpaceBuilder().integer("a", 1, 3).integer("b", 1, 3).rule("a != 2 or b > 5").build();
  std::vector<std::optional<Value>> two = {Value(2), std::nullopt};
  CHECK(Decisions(none, 8).allowed(1, two) == std::vector{true, true, true});
}

TEST_CASE("rewards: by place, of mean 0 and deviation 1; failures last, then what breaks constraints; a limit of history") {
  History history;
  add_trial(history, {}, TrialState::complete, {3});
  add_trial(history, {}, TrialState::failed);
  add_trial(history, {}, TrialState::pruned, {1});
  add_trial(history, {}, TrialState::running);
  add_trial(history, {}, TrialState::complete, {-100}, {0.5});
  add_trial(history, {}, TrialState::complete, {-200}, {2});
  add_trial(history, {}, TrialState::complete, {1e300});
  add_trial(history, {}, TrialState::complete, {3});
  const auto low = rewards(history, Direction::minimise, 7);
  const double third = 1.7320508075688772 / 7;
  const std::vector<double> expected = {3 * third, -6 * third, 6 * third, -2 * third, -4 * third, 0, 3 * third};
  for (std::size_t i = 0; i < 7; ++i) CHECK(low[i] == doctest::Approx(expected[i]));
  const auto high = rewards(history, Direction::maximise, 7);
  CHECK(high[5] > high[0]);
  CHECK(high[0] > high[2]);
  CHECK(high[2] > high[3]);  // infeasible, whatever its value
  CHECK(rewards(history, Direction::minimise, 1) == std::vector<double>{0});
  CHECK(rewards(history, Direction::minimise, 0).empty());
  double sum = 0, squares = 0;
  for (int i = 0; i < 100; ++i) add_trial(history, {}, TrialState::complete, {i * 0.37});
  for (const double r : rewards(history, Direction::minimise, 107)) sum += r, squares += r * r;
  CHECK(sum == doctest::Approx(0).epsilon(1e-9));
  CHECK(squares / 107 == doctest::Approx(1).epsilon(0.01));
}
