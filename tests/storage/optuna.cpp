// Optuna itself and its dashboard open the study: needs a Python with optuna 5 and optuna-dashboard, named by LATHE_PYTHON or
// build/python (test.sh makes it). Skipped, saying so, without.
#include <doctest/doctest.h>
#include "tests/storage/place.h"
#include "tests/storage/python.h"
#include "tests/storage/study.h"

namespace lathe::nas {
namespace {

using test::kinds_of_storage;
using test::Place;
using test::small_objective;
using test::small_study;

const char* const kScript = R"py(
import sys, warnings
warnings.simplefilter("ignore")
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
place, best, trials = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
study = optuna.load_study(study_name="small", storage=place)
assert len(study.trials) == trials, len(study.trials)
assert [t.number for t in study.trials] == list(range(trials))
assert abs(study.best_value - best) < 1e-15, (study.best_value, best)
assert study.metric_names == ["accuracy"], study.metric_names
states = {t.state.name for t in study.trials}
assert {"COMPLETE", "PRUNED", "FAIL"} <= states, states
done = next(t for t in study.trials if t.state.name == "COMPLETE")
assert list(done.intermediate_values) == [1, 2, 3], done.intermediate_values
assert done.params["activation"] in ("relu", "silu") and done.params["hidden"] in (32, 64, 128) and isinstance(done.params["bias"], bool)
assert ("momentum" in done.params) == (done.params["activation"] == "relu")
assert done.user_attrs["params"] == 1234 and done.user_attrs["list"] == [1, 2]
assert done.datetime_complete >= done.datetime_start
# The samplers accept the distributions: a study that Optuna goes on with.
study.sampler = optuna.samplers.TPESampler(seed=1)
def objective(t):
    layers = t.suggest_int("layers", 1, 4); act = t.suggest_categorical("activation", ["relu", "silu"])
    hidden = t.suggest_categorical("hidden", [32, 64, 128]); lr = t.suggest_float("lr", 1e-4, 1e-2, log=True)
    if act == "relu": t.suggest_float("momentum", 0, 0.9, step=0.1)
    t.suggest_categorical("bias", [True, False])
    return hidden / 256 + lr
study.optimize(objective, n_trials=12)
assert len(study.trials) == trials + 12
print("optuna", optuna.__version__, "agrees")
)py";

// What the dashboard serves.
const char* const kDashboard = R"py(
    best, trials = float(sys.argv[2]), int(sys.argv[3])
    studies = get("/api/studies")["study_summaries"]
    assert [s["study_name"] for s in studies] == ["small"], studies
    study = get(f"/api/studies/{studies[0]['study_id']}?after=0")
    assert study["directions"] == ["maximize"], study["directions"]
    assert [t["number"] for t in study["trials"]] == list(range(trials)), len(study["trials"])
    states = {t["state"] for t in study["trials"]}
    assert states == {"Complete", "Pruned", "Fail"}, states
    complete = [t["values"][0] for t in study["trials"] if t["state"] == "Complete"]
    assert abs(max(complete) - best) < 1e-15, (max(complete), best)
    print("optuna-dashboard shows", len(study["trials"]), "trials, best", max(complete))
)py";

/// A finished study of 40 trials.
struct Finished {
  Place place;
  std::string url;  // as SQLAlchemy takes it
  std::unique_ptr<Storage> storage;
  std::string best;

  explicit Finished(const std::string& kind) : place(kind) {
    const StudyHeader header = small_study(40);
    storage = place.backend->create(header);
    const StudyRun run = execute(header, *small_objective(), *storage);
    storage->settle();
    const std::vector<std::int64_t> board = leaderboard(run.history, Direction::maximise);
    REQUIRE_FALSE(board.empty());
    char number[64];
    snprintf(number, sizeof number, "%.17g", run.history.trials[static_cast<std::size_t>(board[0])].values[0]);
    best = number;
    url = kind == "sqlite" ? "sqlite:///" + place.url : "postgresql+psycopg2" + place.url.substr(place.url.find("://"));
  }
  /// Exit status of a Python program with the arguments URL, best value, number of trials.
  int check(const std::string& script) const { return test::run_python(place.folder.path(), script, {url, best, "40"}); }
};

/// The kinds that Optuna can open here.
std::vector<std::string> kinds_for_python() {
  std::vector<std::string> kinds = kinds_of_storage();
  kinds.erase(kinds.begin());
  if (kinds.size() > 1 && !test::python_runs("import psycopg2")) {
    MESSAGE("SKIPPED: Optuna on PostgreSQL: no Python with psycopg2 (test.sh makes build/python with it)");
    kinds.pop_back();
  }
  return kinds;
}

TEST_CASE("Optuna opens the study, lists its trials and goes on with it") {
  if (!test::python_runs("import optuna")) {
    MESSAGE("SKIPPED: no Python with optuna (LATHE_PYTHON, or test.sh makes build/python)");
    return;
  }
  for (const std::string& kind : kinds_for_python()) {
    CAPTURE(kind);
    const Finished study(kind);
    CHECK(study.check(kScript) == 0);
    const std::vector<std::string> changes = study.storage->foreign_changes();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0] == "12 trials were added by another program");
  }
}

TEST_CASE("Optuna's dashboard serves the study and leaves it as it was") {
  if (!test::python_runs("import optuna_dashboard")) {
    MESSAGE("SKIPPED: no Python with optuna-dashboard (LATHE_PYTHON, or test.sh makes build/python)");
    return;
  }
  for (const std::string& kind : kinds_for_python()) {
    CAPTURE(kind);
    const Finished study(kind);
    CHECK(study.check(test::with_dashboard("sys.argv[1]", kDashboard)) == 0);
    CHECK(study.storage->foreign_changes().empty());
  }
}

}  // namespace
}  // namespace lathe::nas
