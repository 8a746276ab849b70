// Studies that Optuna 5 and lathe write in turn, in either order of birth. Skipped, saying so, without Optuna.
#include <doctest/doctest.h>
#include <lathe/nas/foreign.h>
#include <lathe/nas/pareto.h>
#include <lathe/nas/proposals.h>
#include <lathe/nas/storage/memory.h>
#include <lathe/nas/storage/sqlite.h>

#include <algorithm>
#include <set>

#include "tests/storage/python.h"
#include "tests/storage/study.h"

namespace lathe::nas {
namespace {

using test::run_python;
using test::small_objective;
using test::small_study;
using test::TemporaryFolder;

namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool have_optuna() {
  if (test::python_runs("import optuna; assert int(optuna.__version__.split(\".\")[0]) >= 5")) return true;
  MESSAGE("SKIPPED: no Python with optuna 5 (LATHE_PYTHON, or test.sh makes build/python)");
  return false;
}

const char* const kBegin = R"py(
import json, sys, warnings
warnings.simplefilter("ignore")
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
storage = "sqlite:///" + sys.argv[1]
)py";

/// Goes on with small_study(): 14 trials with curves, some pruned and two failed; then two points are enqueued.
const char* const kGoesOn = R"py(
study = optuna.load_study(study_name="small", storage=storage, sampler=optuna.samplers.TPESampler(seed=1),
                          pruner=optuna.pruners.MedianPruner(n_startup_trials=2))
before = len(study.trials)
def objective(t):
    layers = t.suggest_int("layers", 1, 4); act = t.suggest_categorical("activation", ["relu", "silu"])
    hidden = t.suggest_categorical("hidden", [32, 64, 128]); lr = t.suggest_float("lr", 1e-4, 1e-2, log=True)
    if act == "relu": t.suggest_float("momentum", 0, 0.9, step=0.1)
    t.suggest_categorical("bias", [True, False])
    if t.number % 7 == 3: raise RuntimeError("no")
    for step in (1, 2, 3):
        t.report(hidden / 256 + 10 * lr - 1 / step, step)
        if t.should_prune(): raise optuna.TrialPruned()
    return hidden / 256 + 10 * lr
study.optimize(objective, n_trials=14, catch=(RuntimeError,))
assert [t.number for t in study.trials] == list(range(before + 14))
study.enqueue_trial({"layers": 3, "activation": "silu"})
study.enqueue_trial({"layers": 1, "activation": "relu", "hidden": 128, "lr": 0.0099, "momentum": 0.3, "bias": True})
done = [t for t in study.trials[before:] if t.state.name in ("COMPLETE", "PRUNED")]
open(sys.argv[2], "w").write("\n".join(f"{t.number} {t.state.name} {t.value!r}" for t in done) + "\n")
)py";

/// What Optuna reads when lathe has gone on: the enqueued points became trials, all numbers are there, nothing foreign changed.
const char* const kReads = R"py(
study = optuna.load_study(study_name="small", storage=storage)
trials = study.trials
assert [t.number for t in trials] == list(range(len(trials))), [t.number for t in trials]
first = int(sys.argv[2])  # Optuna's first own trial
waited = [t for t in trials if "fixed_params" in t.system_attrs]
assert len(waited) == 2, len(waited)
for t in waited:
    assert t.state.name in ("COMPLETE", "PRUNED", "FAIL"), t.state
    for name, value in t.system_attrs["fixed_params"].items(): assert t.params[name] == value, (t.params, name)
assert waited[0].number == first + 14 and len(waited[0].params) >= 5
assert {t.state.name for t in trials} == {"COMPLETE", "PRUNED", "FAIL"}
done = {f"{t.number} {t.state.name} {t.value!r}" for t in trials}
assert set(open(sys.argv[3]).read().split("\n")[:-1]) <= done
)py";

std::vector<std::string> lines_of(const fs::path& file) {
  std::vector<std::string> out;
  std::string line;
  for (const char c : read_file(file)) {
    if (c != '\n') {
      line += c;
    } else {
      out.push_back(line);
      line.clear();
    }
  }
  return out;
}

TEST_CASE("a lathe study that Optuna went on with: lathe goes on with it, knows its trials, and keeps one hash") {
  if (!have_optuna()) return;
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  StudyHeader header = small_study(20);
  header.sampler = "tpe@optuna-5.0";
  std::string alone;  // the study that nobody else touched
  {
    auto storage = sqlite_backend(file, true)->create(header);
    CHECK(execute(header, *small_objective(), *storage).finished);
    storage->settle();
    auto memory = memory_storage(header);
    execute(header, *small_objective(), *memory);
    alone = execute(header, *small_objective(), *memory, {.extend_to = 32}).hash;
  }
  REQUIRE(run_python(folder.path(), std::string(kBegin) + kGoesOn, {file.string(), (folder / "done").string()}) == 0);
  const std::vector<std::string> done = lines_of(folder / "done");
  REQUIRE(done.size() >= 8);
  std::string hash;
  for (const int workers : {1, 2, 3, 5, 8}) {
    CAPTURE(workers);
    const auto copy = folder / ("copy" + std::to_string(workers) + ".db");
    fs::copy_file(file, copy);
    auto storage = sqlite_backend(copy, false)->open("small");
    CHECK(storage->foreign_changes() == std::vector<std::string>{"16 trials were added by another program"});
    const StudyRun run =
        execute(header, *small_objective(workers == 1 ? 0 : 2000), *storage, {.workers = workers, .extend_to = 32});
    CHECK(run.finished);
    CHECK(run.history.trials.size() == 32);
    if (hash.empty()) hash = run.hash;
    CHECK(run.hash == hash);
    CHECK(execute(header, *small_objective(), *storage, {.extend_to = 32}).hash == hash);  // replayed, nothing is taken up twice
    const auto log = storage->events(0);
    CHECK(study_hash(header.json(), log) == hash);
    const auto adopted = read_adopted(header.space, log);
    REQUIRE(adopted.size() == done.size());
    for (std::size_t i = 0; i < done.size(); ++i)
      CHECK(done[i].starts_with(std::to_string(adopted[i].foreign) +
                                (adopted[i].state == TrialState::pruned ? " PRUNED" : " COMPLETE")));
    CHECK(run.history.trials[20].point.integer("layers") == 3);
    CHECK(run.history.trials[20].point.text("activation") == "silu");
    CHECK(run.history.trials[21].point.real("lr") == 0.0099);
    CHECK(storage->foreign_changes() == std::vector<std::string>{"14 trials were added by another program"});
    CHECK(storage->foreign_trials().empty());
    storage->settle();
    if (workers == 1 || workers == 8)  // Optuna takes seconds to start, and the files are equal
      CHECK(run_python(folder.path(), std::string(kBegin) + kReads, {copy.string(), "20", (folder / "done").string()}) == 0);
  }
  CHECK(hash != alone);  // what Optuna found was used
  // Once more each.
  const auto again = folder / "copy3.db";
  REQUIRE(run_python(folder.path(), std::string(kBegin) + kGoesOn, {again.string(), (folder / "more").string()}) == 0);
  auto storage = sqlite_backend(again, false)->open("small");
  const StudyRun run = execute(header, *small_objective(), *storage, {.workers = 2, .extend_to = 40});
  CHECK(run.finished);
  CHECK(run.history.trials.size() == 40);
  CHECK(read_adopted(header.space, storage->events(0)).size() == done.size() + lines_of(folder / "more").size());
  CHECK(execute(header, *small_objective(), *storage, {.extend_to = 40}).hash == run.hash);
}

/// Two studies of Optuna's own: a tree of parameters with curves, and two objectives with constraints.
const char* const kMakes = R"py(
tree = optuna.create_study(study_name="tree", storage=storage, direction="minimize", sampler=optuna.samplers.TPESampler(seed=3),
                           pruner=optuna.pruners.MedianPruner(n_startup_trials=3))
def grow(t):
    x = t.suggest_float("x", -5, 5)
    loss = x * x
    n = t.suggest_int("n_layers", 1, 3)
    for i in range(n): loss += abs(t.suggest_int(f"units_{i}", 4, 64, log=True) - 16) / 16
    if t.suggest_categorical("optimizer", ["sgd", "adam"]) == "sgd": loss += t.suggest_float("momentum", 0, 0.9, step=0.1)
    if t.number == 4: raise RuntimeError("no")
    for step in range(1, 5):
        t.report(loss + 4 / step, step)
        if t.should_prune(): raise optuna.TrialPruned()
    return loss
tree.optimize(grow, n_trials=40, catch=(RuntimeError,))
tree.enqueue_trial({"x": 0.125, "optimizer": "adam"})
two = optuna.create_study(study_name="two", storage=storage, directions=["minimize", "maximize"],
                          sampler=optuna.samplers.NSGAIISampler(seed=1, population_size=10))
two.set_metric_names(["loss", "speed"])
def both(t):
    x, y = t.suggest_float("x", 0, 1), t.suggest_float("y", 0, 1)
    t.set_constraint("size", x + y - 1.2)
    t.set_constraint("heat", 0.1 - y)
    return x * x + y, 1 - (x - 1) ** 2 + y
two.optimize(both, n_trials=30)
)py";

/// Goes on with both, and tells what it takes for the Pareto front of `two`.
const char* const kGoesOnWithBoth = R"py(
for name, own in (("tree", int(sys.argv[2])), ("two", int(sys.argv[3]))):
    study = optuna.load_study(study_name=name, storage=storage)
    trials = study.trials
    assert [t.number for t in trials] == list(range(len(trials)))
    assert len(trials) == own, (name, len(trials))
    assert all(t.state.is_finished() for t in trials)
two = optuna.load_study(study_name="two", storage=storage)
assert two.metric_names == ["loss", "speed"]
assert all(len(t.constraints) == 2 for t in two.trials), [t.constraints for t in two.trials]
print("front", *sorted(t.number for t in two.best_trials), file=open(sys.argv[4], "w"))
tree = optuna.load_study(study_name="tree", storage=storage, sampler=optuna.samplers.TPESampler(seed=9))
point = next(t for t in tree.trials if "fixed_params" in t.system_attrs)
assert point.params["x"] == 0.125 and point.params["optimizer"] == "adam" and "momentum" not in point.params, point.params
)py";

TEST_CASE("a study of Optuna's own becomes one of lathe: its parameters are the space, its trials are known") {
  if (!have_optuna()) return;
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  REQUIRE(run_python(folder.path(), std::string(kBegin) + kMakes, {file.string()}) == 0);
  auto backend = sqlite_backend(file, false);
  REQUIRE(backend->studies().size() == 2);
  CHECK(backend->studies()[0].header.empty());
  StudyHeader tree = foreign_header(*backend, "tree");
  CHECK(tree.directions == std::vector<Direction>{Direction::minimise});
  CHECK(tree.space.json() == SpaceBuilder()
                                 .real("x", -5, 5)
                                 .integer("n_layers", 1, 3)
                                 .integer("units_0", 4, 64, {.log = true})
                                 .integer("units_1", 4, 64, {.log = true, .when = "n_layers > 1"})
                                 .integer("units_2", 4, 64, {.log = true, .when = "n_layers > 2"})
                                 .categorical("optimizer", {"sgd", "adam"})
                                 .real("momentum", 0, 0.9, {.step = 0.1, .when = "optimizer == 'sgd'"})
                                 .build()
                                 .json());
  tree.sampler = "tpe@optuna-5.0";
  tree.trials = 15;
  StudyHeader two = foreign_header(*backend, "two");
  CHECK(two.metrics == std::vector<std::string>{"loss", "speed"});
  CHECK(two.constraints == std::vector<std::string>{"heat", "size"});
  two.sampler = "nsga2@1";
  two.sampler_settings = {{"population_size", 10}};
  two.trials = 20;
  const auto grow = objective_of(
      [](const Point&) {
        return Plan{{{0, 1, 1}, {0, 2, 1}, {0, 3, 1}, {0, 4, 1}}, ""};
      },
      [](const Point& p, const SegmentContext& c, const Checkpoint&) {
        double loss = p.real("x") * p.real("x") + (p.has("momentum") ? p.real("momentum") : 0);
        for (const char* units : {"units_0", "units_1", "units_2"})
          if (p.has(units)) loss += std::abs(static_cast<double>(p.integer(units)) - 16) / 16;
        return SegmentResult::of(loss + (c.segment.step < 4 ? 4.0 / c.segment.step : 0));
      });
  const auto both = objective_of([](const Point&) { return Plan{}; },
                                 [](const Point& p, const SegmentContext&, const Checkpoint&) {
                                   const double x = p.real("x"), y = p.real("y");
                                   SegmentResult r;
                                   r.values = {x * x + y, 1 - (x - 1) * (x - 1) + y};
                                   r.constraints = {0.1 - y, x + y - 1.2};
                                   return r;
                                 });
  backend->take_over(tree)->settle();
  backend->take_over(two)->settle();
  std::set<std::string> hashes[2];
  for (const int workers : {1, 2, 3, 5, 8}) {
    CAPTURE(workers);
    const auto copy = folder / ("copy" + std::to_string(workers) + ".db");
    fs::copy_file(file, copy);
    const auto place = sqlite_backend(copy, false);
    auto first = place->open("tree"), second = place->open("two");
    const StudyRun grown = execute(tree, *grow, *first, {.workers = workers});
    const StudyRun ran = execute(two, *both, *second, {.workers = workers});
    CHECK(grown.finished);
    CHECK(grown.history.trials[0].point.real("x") == 0.125);
    CHECK(grown.history.trials[0].point.text("optimizer") == "adam");
    hashes[0].insert(grown.hash);
    hashes[1].insert(ran.hash);
    const auto adopted = read_adopted(tree.space, first->events(0)), others = read_adopted(two.space, second->events(0));
    CHECK(adopted.size() == 39);
    CHECK(others.size() == 30);
    CHECK(std::any_of(adopted.begin(), adopted.end(), [](const Trial& t) { return t.state == TrialState::pruned; }));
    CHECK(first->foreign_changes() == std::vector<std::string>{"40 trials were added by another program"});
    if (workers != 1 && workers != 8) continue;  // Optuna takes seconds to start, and the files are equal
    first->settle();
    REQUIRE(run_python(folder.path(), std::string(kBegin) + kGoesOnWithBoth,
                       {copy.string(), "55", "50", (folder / "front").string()}) == 0);
    // The front over both programs' trials, by number in the database: lathe's begin behind Optuna's 30.
    LossTable losses(2);
    std::vector<double> broken;
    std::vector<std::int64_t> numbers;
    const auto add = [&](const Trial& t, std::int64_t number) {
      if (t.state != TrialState::complete) return;
      const std::vector<double> row = {t.values[0], -t.values[1]};
      losses.add(row);
      broken.push_back(violation(t));
      numbers.push_back(number);
    };
    for (const Trial& t : others) add(t, t.foreign);
    for (const Trial& t : ran.history.trials) add(t, 30 + t.number);
    std::string front = "front";
    const auto ranks = non_domination_ranks(losses, broken);
    for (std::size_t i = 0; i < ranks.size(); ++i)
      if (ranks[i] == 0 && broken[i] == 0) front += " " + std::to_string(numbers[i]);
    CHECK(front.size() > 15);
    CHECK(read_file(folder / "front") == front + "\n");
  }
  CHECK(hashes[0].size() == 1);
  CHECK(hashes[1].size() == 1);
}

TEST_CASE("a narrower space than Optuna's: what lies outside is left out and told") {
  if (!have_optuna()) return;
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  REQUIRE(run_python(folder.path(), std::string(kBegin) + kMakes, {file.string()}) == 0);
  auto backend = sqlite_backend(file, false);
  StudyHeader two = foreign_header(*backend, "two");
  two.space = SpaceBuilder().real("x", 0, 0.5).real("y", 0, 1).build();
  two.sampler = "tpe@optuna-5.0";
  two.trials = 8;
  struct Count final : Observer {
    void refused(std::int64_t, const std::string& why) override {
      CHECK(contains(why, "parameter `x` = "));
      CHECK(contains(why, "is outside of its range"));
      ++count;
    }
    std::size_t count = 0;
  } refused;
  ExecutorOptions options;
  options.observer = &refused;
  const auto both = objective_of([](const Point&) { return Plan{}; },
                                 [](const Point& p, const SegmentContext&, const Checkpoint&) {
                                   SegmentResult r;
                                   r.values = {p.real("x"), p.real("y")};
                                   r.constraints = {-1, -1};
                                   return r;
                                 });
  auto storage = backend->take_over(two);
  CHECK(execute(two, *both, *storage, options).finished);
  const auto adopted = read_adopted(two.space, storage->events(0));
  CHECK(refused.count > 0);
  CHECK(adopted.size() > 0);
  CHECK(adopted.size() + refused.count == 30);
}

const char* const kWaits = R"py(
study = optuna.load_study(study_name="small", storage=storage)
waiting = study.get_trials(states=(optuna.trial.TrialState.WAITING,))
assert [t.system_attrs["fixed_params"] for t in waiting] == [{"layers": 4}, {"layers": 2, "bias": False}], waiting
def objective(t):
    layers = t.suggest_int("layers", 1, 4); act = t.suggest_categorical("activation", ["relu", "silu"])
    hidden = t.suggest_categorical("hidden", [32, 64, 128]); lr = t.suggest_float("lr", 1e-4, 1e-2, log=True)
    if act == "relu": t.suggest_float("momentum", 0, 0.9, step=0.1)
    t.suggest_categorical("bias", [True, False])
    return float(layers)
study.sampler = optuna.samplers.RandomSampler(seed=2)
study.optimize(objective, n_trials=1)  # Optuna takes what waits first
done = study.trials[0]
assert done.state.name == "COMPLETE" and done.params["layers"] == 4 and done.value == 4
)py";

TEST_CASE("Optuna sees the points that lathe enqueued, takes one, and lathe runs the other") {
  if (!have_optuna()) return;
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  const StudyHeader header = small_study(6);
  auto storage = sqlite_backend(file, true)->create(header);
  enqueue(*storage, header.space, header.space.partial({{"layers", 4}}));
  enqueue(*storage, header.space, header.space.partial({{"layers", 2}, {"bias", false}}));
  storage->settle();
  REQUIRE(run_python(folder.path(), std::string(kBegin) + kWaits, {file.string()}) == 0);
  const StudyRun run = execute(header, *small_objective(), *storage, {.workers = 2});
  CHECK(run.finished);
  CHECK(contains(storage->events(0)[2].line, "adopt foreign=0 state=complete step=0 values=4"));
  // Lathe's own queue is a part of its log: the first point is proposed as well, with a row of its own.
  CHECK(run.history.trials[0].point.integer("layers") == 4);
  CHECK(run.history.trials[1].point.integer("layers") == 2);
  CHECK_FALSE(run.history.trials[1].point.flag("bias"));
  CHECK(storage->foreign_changes() == std::vector<std::string>{"1 trial was added by another program"});
}

/// Compares what the dashboard serves with what Optuna itself reads.
const char* const kDashboard = R"py(
    summaries = get("/api/studies")["study_summaries"]
    assert sorted(s["study_name"] for s in summaries) == ["small", "tree", "two"], summaries
    curves = 0
    for summary in summaries:
        name = summary["study_name"]
        shown = get(f"/api/studies/{summary['study_id']}?after=0")
        read = optuna.load_study(study_name=name, storage=storage)
        assert shown["directions"] == [d.name.lower() for d in read.directions]
        assert [t["number"] for t in shown["trials"]] == [t.number for t in read.trials], name
        for a, b in zip(shown["trials"], read.trials):
            assert a["state"].lower() == b.state.name.lower(), (a, b)
            if b.state.name in ("COMPLETE", "PRUNED") and b.values: assert a["values"] == list(b.values), (a["values"], b.values)
            steps = {i["step"]: i["value"] for i in a["intermediate_values"]}
            assert steps == b.intermediate_values, (name, steps, b.intermediate_values)
            curves += len(steps) > 1
            assert {p["name"]: p["param_external_value"] for p in a["params"]} == {k: str(v) for k, v in b.params.items()}, a["params"]
            if name == "two" and a["state"] == "Complete": assert len(a["constraints"]) in (0, 2)
    lathes = [t for t in optuna.load_study(study_name="small", storage=storage).trials if t.state.name == "COMPLETE"]
    assert lathes and all(list(t.intermediate_values) == [1, 2, 3] for t in lathes)
    assert curves > 30, curves
    print("optuna-dashboard shows", len(summaries), "studies with", curves, "learning curves")
)py";

TEST_CASE("optuna-dashboard shows studies of either origin, with values and learning curves") {
  if (!have_optuna()) return;
  if (!test::python_runs("import optuna_dashboard")) {
    MESSAGE("SKIPPED: no Python with optuna-dashboard (LATHE_PYTHON, or test.sh makes build/python)");
    return;
  }
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  REQUIRE(run_python(folder.path(), std::string(kBegin) + kMakes, {file.string()}) == 0);
  auto backend = sqlite_backend(file, false);
  StudyHeader tree = foreign_header(*backend, "tree"), two = foreign_header(*backend, "two"), small = small_study(20);
  tree.trials = two.trials = 10;
  const auto constant = [](std::size_t values, std::size_t constraints) {
    return objective_of(
        [](const Point&) {
          return Plan{{{0, 1, 1}, {0, 2, 1}, {0, 3, 1}}, ""};
        },
        [=](const Point&, const SegmentContext& c, const Checkpoint&) {
          SegmentResult r;
          r.values.assign(values, 1.0 / c.segment.step);
          r.constraints.assign(constraints, -1);
          return r;
        });
  };
  CHECK(execute(tree, *constant(1, 0), *backend->take_over(tree)).finished);
  CHECK(execute(two, *constant(2, 2), *backend->take_over(two)).finished);
  auto storage = backend->create(small);
  CHECK(execute(small, *small_objective(), *storage).finished);
  storage->settle();
  CHECK(run_python(folder.path(), std::string(kBegin) + test::with_dashboard("storage", kDashboard), {file.string()}) == 0);
}

}  // namespace
}  // namespace lathe::nas
