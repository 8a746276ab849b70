// The controller as a sampler: it learns, its proposals are a function of the history, what it cannot serve is refused.
#include <lathe/nas/controller/controller.h>
#include <lathe/nas/optimize.h>
#include <lathe/nas/proposals.h>
#include <lathe/tensor/backend.h>

#include <cmath>
#include <set>

#include "tests/nas/executor_support.h"
#include "tests/nas/optuna_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

StudyHeader header_of(const std::string& sampler, Space space, std::uint64_t seed, std::int64_t trials) {
  StudyHeader header;
  header.space = std::move(space);
  header.directions = {Direction::minimise};
  header.sampler = sampler;
  header.seed = seed;
  header.trials = trials;
  header.virtual_workers = 1;
  return header;
}

StudyRun run(const StudyHeader& header, const std::function<double(const Point&)>& f) {
  const auto objective = objective_of(f);
  ExecutorOptions options;
  options.samplers = all_samplers();
  return execute(header, *objective, *memory_storage(header), options);
}

/// Mean over the seeds of the mean of the last 20 of 100 values, and of the best one.
struct Result {
  double late = 0, best = 0;
  std::vector<double> bests;
};
Result searched(const std::string& sampler, const Space& space, const std::function<double(const Point&)>& f) {
  Result out;
  const int seeds = 10;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const StudyRun study = run(header_of(sampler, space, seed, 100), f);
    double best = 1e9;
    for (const Trial& t : study.history.trials) best = std::min(best, t.values[0]);
    for (std::size_t i = 80; i < 100; ++i) out.late += study.history.trials[i].values[0] / 20 / seeds;
    out.best += best / seeds;
    out.bests.push_back(best);
  }
  return out;
}

void check_learns(const Space& space, const std::function<double(const Point&)>& f) {
  const Result random = searched("random@1", space, f), learned = searched("controller@1", space, f);
  CHECK(learned.late < 0.6 * random.late);  // what it proposes at the end is far better on average
  CHECK(learned.best < random.best);
  int wins = 0;
  for (const double a : learned.bests)
    for (const double b : random.bests) wins += a < b;
  CHECK(wins >= 70);  // of 100 pairs
}

Space separable_space() {
  SpaceBuilder builder;
  for (int i = 0; i < 6; ++i) builder.categorical(str("c", i), {0, 1, 2, 3, 4});
  for (int i = 0; i < 2; ++i) builder.real(str("x", i), 0, 1);
  return builder.build();
}
double separable(const Point& p) {
  double sum = 0;
  for (int i = 0; i < 6; ++i) sum += static_cast<double>((p.integer(str("c", i)) + i) % 5);
  for (int i = 0; i < 2; ++i) sum += 4 * std::abs(p.real(str("x", i)) - 0.7);
  return sum;
}

/// The better branch has parameters of its own; a rule forbids half of its choices.
Space conditional_space() {
  return SpaceBuilder()
      .categorical("kind", {"plain", "deep"})
      .integer("layers", 1, 8, {.when = "kind == 'deep'"})
      .categorical("layers_kind", {1, 2, 3, 4, 5, 6}, {.when = "kind == 'deep'"})
      .real("rate", 1e-5, 1e-1, {.log = true})
      .real("width", 0, 1, {.when = "kind == 'plain'"})
      .rule("layers_kind % 2 == 0")
      .build();
}
double conditional(const Point& p) {
  const double rate = std::abs(math::log(p.real("rate")) - math::log(1e-3));
  if (p.text("kind") == "plain") return 6 + rate + 4 * p.real("width");
  return static_cast<double>(8 - p.integer("layers")) + std::abs(static_cast<double>(p.integer("layers_kind")) - 4) + rate;
}

}  // namespace

TEST_CASE("controller: learns a separable function") { check_learns(separable_space(), separable); }

TEST_CASE("controller: learns a function whose better half has parameters of its own") {
  check_learns(conditional_space(), conditional);
}

TEST_CASE("controller: what rules forbid is never drawn, and conditions hold") {
  StudyHeader header = header_of("controller@1", conditional_space(), 3, 40);
  const auto sampler = all_samplers().make(header);
  History history;
  for (int number = 0; number < 40; ++number) {
    for (const std::uint32_t attempt : {0u, 1u, 15u, 16u, 255u}) {
      const auto point = sampler->draw({header, history, number, nullptr}, attempt);
      REQUIRE(point.has_value());
      CHECK(header.space.valid(*point));
      CHECK(header.space.whole(*point));
    }
    const Point point = *sampler->draw({header, history, number, nullptr}, 0);
    add_trial(history, point, TrialState::complete, {conditional(point)});
  }
}

TEST_CASE("controller: a fresh sampler draws what the one draws that saw every step, whatever order it is asked in") {
  for (const std::string name : {"mixed", "tree"}) {
    StudyHeader header = header_of("controller@1", optuna_space(name), 5, 60);
    header.sampler_settings = {{"update_every", 4}, {"window", 9}};
    const auto kept = all_samplers().make(header);
    Random noise(random_key(3, 0, name));
    History history;
    for (int number = 0; number < 41; ++number) {
      const SamplerView view{header, history, number, nullptr};
      const Point point = *kept->draw(view, 0);
      if (number % 8 == 0) {
        const auto fresh = all_samplers().make(header);
        for (const std::uint32_t attempt : {200u, 1u, 16u, 0u})
          CHECK(fresh->draw(view, attempt)->json() == kept->draw(view, attempt)->json());
        const History shorter = {};  // another study, then this one again
        kept->draw({header, shorter, 0, nullptr}, 0);
        CHECK(kept->draw(view, 0)->json() == point.json());
      }
      const auto state = number % 9 == 4 ? TrialState::failed : number % 9 == 7 ? TrialState::pruned : TrialState::complete;
      add_trial(history, point, state, {noise.normal()}, {noise.normal()});
    }
  }
}

TEST_CASE("controller: resumed at any event, the study goes on as if it had never stopped") {
  StudyHeader header = small_header(4, 30);
  header.sampler = "controller@1";
  header.sampler_settings = {{"update_every", 5}, {"epochs", 2}};
  const auto objective = curve_objective();
  ExecutorOptions options = with_workers(1);
  options.samplers = all_samplers();
  const StudyRun whole = execute(header, *objective, *memory_storage(header), options);
  REQUIRE(whole.finished);
  for (const std::uint64_t stop : {whole.events / 5, whole.events / 2, whole.events - 3}) {
    const auto storage = memory_storage(header);
    options.until_event = stop;
    CHECK_FALSE(execute(header, *objective, *storage, options).finished);
    options.until_event = whole.events;
    CHECK(execute(header, *objective, *storage, options).hash == whole.hash);
  }
}

TEST_CASE("controller: by ask() and tell(), as by optimize()") {
  StudyHeader header = header_of("controller", separable_space(), 2, 25);
  Study asked(header, nullptr, all_samplers()), run_through(header, nullptr, all_samplers());
  while (const auto next = asked.ask()) asked.tell(next->number, separable(next->point));
  run_through.optimize([](TrialHandle& t) { return separable(t.point()); });
  CHECK(asked.hash() == run_through.hash());
  CHECK(asked.header().sampler == "controller@1");
  Study without(header);
  CHECK(contains(message_of([&] { without.ask(); }), "there is no sampler `controller`"));
}

TEST_CASE("controller: golden study, whatever kernels the environment names") {
  StudyHeader header = small_header(7, 40);
  header.sampler = "controller@1";
  const auto objective = curve_objective();
  ExecutorOptions options = with_workers(1);
  options.samplers = all_samplers();
  const StudyRun study = execute(header, *objective, *memory_storage(header), options);
  CHECK(study.hash.substr(0, 16) == "6f5585873893461b");
}

TEST_CASE("controller: refusals") {
  StudyHeader header = header_of("controller", separable_space(), 1, 10);
  header.directions = {Direction::minimise, Direction::maximise};
  header.metrics = {"a", "b"};
  CHECK(message_of([&] { all_samplers().make(header); }) ==
        "sampler controller serves one objective, the study has 2; take nsga2 or tpe");
  header = header_of("controller", separable_space(), 1, 10);
  header.sampler_settings = {{"entropie", 1}};
  CHECK(message_of([&] { all_samplers().make(header); }) ==
        "sampler controller has no setting `entropie`; did you mean `entropy`?");
  header.sampler_settings = {{"bins", 1}};
  CHECK(message_of([&] { all_samplers().make(header); }) ==
        "sampler controller: bins is 1, expected a whole number from 2 to 1000");
  header.sampler_settings = {{"update_every", 30}, {"window", 20}};
  CHECK(message_of([&] { all_samplers().make(header); }) ==
        "sampler controller: window is 20, expected a whole number from 30 to 100000");
  CHECK(all_samplers().resolve("controller") == "controller@1");
  CHECK(message_of([] { SamplerRegistry::builtin().resolve("controller"); }).find("there is no sampler `controller`") == 0);
  auto twice = all_samplers();
  CHECK(message_of([&] { add_controller(twice); }) == "sampler `controller@1` exists already");
}

TEST_CASE("controller: spaces with nothing to choose") {
  for (const Space& space : {Space(), SpaceBuilder().integer("one", 3, 3).build()}) {
    const StudyRun study = run(header_of("controller@1", space, 1, 10), [](const Point&) { return 1.0; });
    CHECK(study.exhausted);
    CHECK(study.history.trials.size() == 1);
  }
  // Every point once, then none is left.
  const StudyRun all = run(header_of("controller@1", SpaceBuilder().integer("a", 1, 4).categorical("b", {1, 2, 3}).build(), 1, 50),
                           [](const Point& p) { return static_cast<double>(p.integer("a")); });
  CHECK(all.exhausted);
  CHECK(all.history.trials.size() == 12);
}
