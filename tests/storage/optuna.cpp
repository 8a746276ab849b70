// Optuna itself opens the study: needs a Python with optuna 5, named by LATHE_PYTHON or build/python. Skipped, saying so, without.
#include <doctest/doctest.h>
#include <lathe/base/file.h>
#include <lathe/nas/storage/sqlite.h>

#include <cstdlib>

#include "tests/storage/study.h"

namespace lathe::nas {
namespace {

using test::small_objective;
using test::small_study;
using test::TemporaryFolder;

const char* const kScript = R"py(
import sys, warnings
warnings.simplefilter("ignore")
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
file, best, trials = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
study = optuna.load_study(study_name="small", storage="sqlite:///" + file)
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

std::string python() {
  if (const char* named = std::getenv("LATHE_PYTHON")) return named;
  return LATHE_BUILD_PYTHON;
}

TEST_CASE("Optuna opens the study, lists its trials and goes on with it") {
  const std::string interpreter = python();
  if (std::system((interpreter + " -c 'import optuna' >/dev/null 2>&1").c_str()) != 0) {
    MESSAGE("SKIPPED: no Python with optuna (LATHE_PYTHON, or test.sh makes build/python)");
    return;
  }
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  const StudyHeader header = small_study(40);
  auto storage = sqlite_backend(file, true)->create(header);
  const StudyRun run = execute(header, *small_objective(), *storage);
  storage->settle();
  const std::vector<std::int64_t> board = leaderboard(run.history, Direction::maximise);
  REQUIRE_FALSE(board.empty());
  const double best = run.history.trials[static_cast<std::size_t>(board[0])].values[0];
  write_file_atomic(folder / "check.py", kScript);
  char number[64];
  snprintf(number, sizeof number, "%.17g", best);
  const std::string command = interpreter + " '" + (folder / "check.py").string() + "' '" + file.string() + "' " + number + " 40";
  CHECK(std::system(command.c_str()) == 0);
  const std::vector<std::string> changes = storage->foreign_changes();
  REQUIRE(changes.size() == 1);
  CHECK(changes[0] == "12 trials were added by another program");
}

}  // namespace
}  // namespace lathe::nas
