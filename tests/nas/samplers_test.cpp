// What holds of every sampler that learns: one study whatever runs it, fresh equals cached, the edges of histories and spaces.
#include <lathe/nas/sampler/sampler.h>

#include "tests/nas/executor_support.h"
#include "tests/nas/optuna_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

const std::vector<std::string> kSamplers = {"evolution@1", "gp@1", "nsga2@1", "sobol@1", "tpe@optuna-5.0"};

std::string written(const Point& point) { return point.json(); }

/// Asks `trials` times; `judge` gives state, values and constraints. Every answer is checked against that of a fresh sampler.
struct Verdict {
  TrialState state = TrialState::complete;
  std::vector<double> values, constraints;
};
History grow(const StudyHeader& header, int trials, const std::function<Verdict(const Point&, int)>& judge, bool check = true) {
  const auto samplers = SamplerRegistry::builtin();
  const auto kept = samplers.make(header);
  History history;
  for (int number = 0; number < trials; ++number) {
    const SamplerView view{header, history, number, [&](const Point& p) { return header.space.valid(p); }};
    const auto point = ask(*kept, view);
    REQUIRE(point.has_value());
    CHECK(header.space.parse(written(*point)) == *point);  // every value lies in its domain, inactive ones are absent
    if (check && number % 7 == 0) {
      const auto fresh = samplers.make(header);
      for (const std::uint32_t attempt : {1u, 0u, 30u, 200u}) {
        const auto a = kept->draw(view, attempt), b = fresh->draw(view, attempt);
        CHECK(written(*a) == written(*b));
      }
    }
    Verdict verdict = judge(*point, number);
    add_trial(history, *point, verdict.state, verdict.values, verdict.constraints);
  }
  return history;
}

/// Small populations, so that short studies leave the first, uniform one.
Settings settings_of(const std::string& sampler) {
  if (sampler == "evolution@1") return {{"population_size", 12}, {"sample_size", 5}};
  if (sampler == "nsga2@1") return {{"population_size", 10}};
  return {};
}

StudyHeader header_of(const std::string& sampler, Space space, std::uint64_t seed = 1) {
  StudyHeader header;
  header.sampler = sampler;
  header.sampler_settings = settings_of(sampler);
  header.space = std::move(space);
  header.directions = {Direction::minimise};
  header.seed = seed;
  return header;
}

double bowl(const Point& p) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (!p.value(i)) continue;
    const auto x = p.value(i)->number();
    sum += x ? (*x - 0.3) * (*x - 0.3) : *p.value(i)->text() == "b" ? 0 : 0.5;
  }
  return sum;
}

Space bowl_space() {
  return SpaceBuilder()
      .real("x", -1, 1)
      .real("y", -1, 1)
      .real("z", -1, 1)
      .categorical("c", {"a", "b", "d", "e"})
      .integer("n", -5, 5)
      .build();
}

double best_of(const StudyHeader& header, int trials) {
  double best = 1e9;
  for (const Trial& trial : grow(
                                header, trials,
                                [](const Point&p, int) {
                                  return Verdict{TrialState::complete, {bowl(p)}, {}};
                                },
                                false)
                                .trials)
    best = std::min(best, trial.values[0]);
  return best;
}

}  // namespace

TEST_CASE("samplers: one study hash for 1, 2, 3, 5 and 8 workers") {
  for (const std::string& sampler : kSamplers) {
    CAPTURE(sampler);
    StudyHeader header = small_header(4, 45);
    header.sampler = sampler;
    header.sampler_settings = settings_of(sampler);
    const std::string hash = reference_hash(header);
    for (const int workers : {1, 2, 3, 5, 8}) {
      const auto storage = memory_storage(header, workers > 3);
      ShakyObjective objective(static_cast<std::uint64_t>(workers), 200, 0);
      CHECK(execute(header, objective, *storage, with_workers(workers)).hash == hash);
    }
  }
}

TEST_CASE("samplers: a fresh one answers as the one that saw every trial") {
  for (const std::string& sampler : kSamplers) {
    CAPTURE(sampler);
    for (const std::string space : {"mixed", "tree"}) {
      Random noise(random_key(3, 0, space));
      grow(header_of(sampler, optuna_space(space)), 60, [&](const Point&, int number) -> Verdict {
        if (number % 9 == 4) return {TrialState::failed, {}, {}};
        if (number % 9 == 7) return {TrialState::running, {}, {}};
        return {number % 9 == 5 ? TrialState::pruned : TrialState::complete, {noise.normal()}, {noise.normal()}};
      });
    }
    if (sampler == "evolution@1" || sampler == "gp@1") continue;
    StudyHeader two = header_of(sampler, optuna_space("tree"));
    two.directions = {Direction::minimise, Direction::maximise};
    two.metrics = {"a", "b"};
    Random noise(random_key(3, 0, "two"));
    grow(two, 60, [&](const Point&, int) -> Verdict { return {TrialState::complete, {noise.normal(), noise.normal()}, {}}; });
  }
}

TEST_CASE("samplers: edges of histories and spaces") {
  for (const std::string& sampler : kSamplers) {
    CAPTURE(sampler);
    const Space space = optuna_space("mixed");
    const auto complete = [](double v) { return [v](const Point&, int) -> Verdict { return {TrialState::complete, {v}, {}}; }; };
    grow(header_of(sampler, space), 30, complete(1));                                                                // all equal
    grow(header_of(sampler, space), 30, [](const Point&, int) -> Verdict { return {TrialState::failed, {}, {}}; });  // all failed
    grow(header_of(sampler, space), 30, [](const Point&, int) -> Verdict { return {TrialState::running, {}, {}}; });
    grow(header_of(sampler, space), 30, [](const Point&, int n) -> Verdict { return {TrialState::complete, {1.0 * n}, {1.0}}; });
    grow(header_of(sampler, space), 30, [](const Point&, int) -> Verdict { return {TrialState::pruned, {0.5}, {}}; });
    grow(header_of(sampler, SpaceBuilder().integer("one", 3, 3).categorical("c", {"only"}).build()), 20, complete(1));
    grow(header_of(sampler, Space()), 15, complete(1));
    grow(header_of(sampler, SpaceBuilder().ordinal("o", {"s", "m", "l"}).build()), 30,
         complete(1));  // the same points again and again
    grow(header_of(sampler, SpaceBuilder().real("r", 1e-300, 1e300, {.log = true}).integer("i", 0, std::int64_t{1} << 40).build()),
         40, [](const Point& p, int) -> Verdict {
           return {TrialState::complete, {static_cast<double>(p.integer("i"))}, {}};
         });
  }
}

TEST_CASE("samplers: draws of one trial differ by attempt, trial and seed") {
  for (const std::string& sampler : kSamplers) {
    CAPTURE(sampler);
    const Space space = SpaceBuilder().real("x", 0, 1).real("y", 0, 1).build();
    for (const int trials : {0, 40}) {
      StudyHeader header = header_of(sampler, space);
      const History history = grow(
          header, trials,
          [](const Point& p, int) -> Verdict {
            return {TrialState::complete, {bowl(p)}, {}};
          },
          false);
      const auto make = SamplerRegistry::builtin().make(header);
      std::set<std::string> points;
      for (std::uint32_t attempt = 0; attempt < kSamplerDraws; ++attempt)
        points.insert(written(*make->draw({header, history, trials, nullptr}, attempt)));
      CHECK(points.size() > (sampler == "nsga2@1" ? 150 : 250));  // ten parents with two numbers each make few children
      const std::string first = written(*make->draw({header, history, trials, nullptr}, 0));
      header.seed = 77;
      CHECK(written(*SamplerRegistry::builtin().make(header)->draw({header, history, trials, nullptr}, 0)) != first);
    }
  }
}

TEST_CASE("samplers: better than random after 80 trials") {
  for (const std::string& sampler : kSamplers) {
    if (sampler == "sobol@1") continue;
    CAPTURE(sampler);
    int wins = 0;
    for (std::uint64_t seed = 1; seed <= 7; ++seed)
      wins += best_of(header_of(sampler, bowl_space(), seed), 80) < best_of(header_of("random@1", bowl_space(), seed), 80);
    CHECK(wins >= 6);
  }
}
