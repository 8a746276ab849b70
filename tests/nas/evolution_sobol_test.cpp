// evolution@1 and sobol@1: what their definitions promise.
#include <lathe/nas/sampler/evolution.h>
#include <lathe/nas/sampler/sobol.h>

#include <set>

#include "tests/nas/optuna_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

int differences(const Point& a, const Point& b) {
  int count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a.value(i) != b.value(i);
  return count;
}

}  // namespace

TEST_CASE("evolution: a child differs from the best of its tournament in one parameter; the old leave") {
  StudyHeader header;
  header.space = SpaceBuilder().integer("a", 0, 99).real("r", 1e-4, 1, {.log = true}).categorical("c", {"x", "y", "z"}).build();
  header.directions = {Direction::maximise};
  header.sampler_settings = {{"population_size", 10}, {"sample_size", 10}};
  History history;
  for (int n = 0; n < 40; ++n) {
    // Trial 20 is the best of all, but not among the newest ten; 35 is the best of those, apart from a broken constraint of 36.
    const double value = n == 20 ? 100 : n == 36 ? 50 : n == 35 ? 20 : 0;
    add_trial(history, header.space.uniform(5, static_cast<std::uint64_t>(n), 0), TrialState::complete, {value},
              {n == 36 ? 1.0 : -1.0});
  }
  EvolutionSampler evolution(header);
  std::set<std::size_t> changed;
  int from_best = 0;
  for (std::uint32_t attempt = 0; attempt < 200; ++attempt) {
    const Point child = *evolution.draw({header, history, 40, nullptr}, attempt);
    int nearest = 3, parent = -1;
    for (int n = 39; n >= 0; --n)
      if (differences(child, history.trials[static_cast<std::size_t>(n)].point) < nearest) {
        parent = n;
        nearest = differences(child, history.trials[static_cast<std::size_t>(n)].point);
      }
    CHECK(nearest == 1);
    CHECK(parent >= 30);
    CHECK(parent != 36);
    from_best += parent == 35;
    for (std::size_t i = 0; i < child.size(); ++i)
      if (parent >= 0 && child.value(i) != history.trials[static_cast<std::size_t>(parent)].point.value(i)) changed.insert(i);
  }
  CHECK(from_best > 100);  // 1 − 0.9^10 = 65 % of 200
  CHECK(from_best < 160);
  CHECK(changed.size() == 3);
  // In the first population: uniform.
  history.trials.resize(9);
  history.finished.resize(9);
  CHECK(*evolution.draw({header, history, 9, nullptr}, 3) == header.space.uniform(header.seed, 9, 3));
}

TEST_CASE("evolution: parameters that a change makes active are drawn, those it makes inactive go") {
  StudyHeader header;
  header.space = optuna_space("tree");
  header.directions = {Direction::minimise};
  header.sampler_settings = {{"population_size", 2}, {"sample_size", 1}};
  History history;
  for (int n = 0; n < 2; ++n)
    add_trial(history, header.space.point({{"kind", "a"}, {"depth", 1}, {"x", 0.5}}), TrialState::complete, {1.0 * n});
  EvolutionSampler evolution(header);
  int to_b = 0, deeper = 0;
  for (std::uint32_t attempt = 0; attempt < 200; ++attempt) {
    const Point child = *evolution.draw({header, history, 2, nullptr}, attempt);
    CHECK(header.space.parse(child.json()) == child);
    CHECK_FALSE(child == history.trials[0].point);
    to_b += child.has("n");
    deeper += child.has("lr");
  }
  CHECK(to_b > 10);
  CHECK(deeper > 30);
}

TEST_CASE("evolution: settings and objectives") {
  StudyHeader header;
  header.space = optuna_space("mixed");
  header.sampler = "evolution";
  const auto message = [&](Settings settings) {
    header.sampler_settings = std::move(settings);
    return message_of([&] { SamplerRegistry::builtin().make(header); });
  };
  CHECK(message({{"population_size", 1}}) == "sampler evolution: population_size is 1, expected a whole number from 2 to 1000000");
  CHECK(message({{"sample_size", 51}}) == "sampler evolution: sample_size is 51, expected a whole number from 1 to 50");
  CHECK(message({{"population", 5}}) == "sampler evolution has no setting `population`; did you mean `population_size`?");
  header.directions = {Direction::minimise, Direction::minimise};
  CHECK(contains(message({}), "serves one objective, the study has 2"));
}

TEST_CASE("sobol: every dimension is a net, pairs are spread, scrambling keeps both") {
  const auto directions = sobol_directions(100);
  REQUIRE(directions.size() == 100);
  for (const auto& v : directions) {
    std::set<std::uint32_t> cells;
    for (std::uint32_t i = 0; i < 256; ++i) cells.insert(sobol_point(v, i) >> 24);
    CHECK(cells.size() == 256);  // (0, 1)-sequence: each of 256 shares once
  }
  // Sobol's classical first two dimensions: a (0, 2)-sequence in base 2.
  for (std::uint32_t a = 0; a <= 6; ++a) {
    std::set<std::pair<std::uint32_t, std::uint32_t>> boxes;
    for (std::uint32_t i = 0; i < 64; ++i)
      boxes.insert({a ? sobol_point(directions[0], i) >> (32 - a) : 0, a < 6 ? sobol_point(directions[1], i) >> (26 + a) : 0});
    CHECK(boxes.size() == 64);
  }
  // Any two dimensions of the first 32: 64 points in 64 equal squares, at least as many as the direction numbers of Joe and Kuo
  // (2008) hit: 8 at worst, 41.9 on average.
  int worst = 64, sum = 0, pairs = 0;
  for (std::size_t a = 0; a < 32; ++a)
    for (std::size_t b = 0; b < a; ++b) {
      std::set<std::pair<std::uint32_t, std::uint32_t>> squares;
      for (std::uint32_t i = 0; i < 64; ++i)
        squares.insert({sobol_point(directions[a], i) >> 29, sobol_point(directions[b], i) >> 29});
      worst = std::min(worst, static_cast<int>(squares.size()));
      sum += static_cast<int>(squares.size());
      ++pairs;
    }
  CHECK(worst >= 8);
  CHECK(sum > 43 * pairs);
  StudyHeader header;
  header.space = SpaceBuilder().real("x", 0, 1).integer("n", 0, 63).categorical("c", {"a", "b", "c", "d"}).build();
  SobolSampler sobol(header);
  History history;
  std::set<int> x, n;
  std::map<std::string, int> c;
  for (int i = 0; i < 64; ++i) {
    const Point p = *sobol.draw({header, history, i, nullptr}, 0);
    x.insert(static_cast<int>(p.real("x") * 64));
    n.insert(static_cast<int>(p.integer("n")));
    ++c[p.text("c")];
  }
  CHECK(x.size() == 64);
  CHECK(n.size() == 64);
  for (const auto& [choice, count] : c) CHECK(count == 16);
}
