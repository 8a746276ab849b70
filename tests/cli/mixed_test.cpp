// lathe search goes on with a study that Optuna made. Needs a Python with optuna 5 (LATHE_PYTHON, or build/python that test.sh
// makes); skipped, saying so, without.
#include <filesystem>

#include "program_config.h"
#include "search_config.h"
#include "tests/storage/python.h"

#include <doctest/doctest.h>

using namespace lathe::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kMake = R"py(
import sys
import optuna
study = optuna.create_study(storage="sqlite:///" + sys.argv[1], study_name="theirs", direction="maximize")
study.optimize(lambda t: -(t.suggest_float("x", -5, 5) ** 2 + t.suggest_int("layers", 1, 6)), n_trials=6)
study.enqueue_trial({"x": 0.25, "layers": 2})
)py";

constexpr const char* kRead = R"py(
import sys
import optuna
study = optuna.load_study(storage="sqlite:///" + sys.argv[1], study_name="theirs")
states = [t.state.name for t in study.trials]
assert states == ["COMPLETE"] * 16, states
assert [t for t in study.trials if t.params == {"x": 0.25, "layers": 2}][0].value == -2.0625
study.optimize(lambda t: -(t.suggest_float("x", -5, 5) ** 2 + t.suggest_int("layers", 1, 6)), n_trials=2)
assert len(study.trials) == 18
)py";

}  // namespace

TEST_CASE("lathe goes on with a study that Optuna made, and Optuna with what lathe added") {
  if (!python_runs("import optuna")) {
    MESSAGE("SKIPPED: no Python with optuna (LATHE_PYTHON, or test.sh makes build/python)");
    return;
  }
  const Workplace place;
  const std::string database = (fs::current_path() / "theirs.db").string();
  REQUIRE(run_python(fs::current_path(), kMake, {database}) == 0);
  CHECK(has(call({"study", "list", database}).out, "another program"));

  write_program();
  ProgramStudy study{.trials = 10};
  study.search += "\n[storage]\nurl = \"sqlite:///" + database + "\"\nname = \"theirs\"";
  write_study("study.toml", study);
  const Answer answer = call({"search", "study.toml", "--out", "run", "--workers", "2"});
  CAPTURE(answer.err);
  REQUIRE(answer.code == 0);
  CHECK(has(answer.err, "goes on with study theirs of another program, 7 trials"));
  CHECK(has(call({"study", "show", database}).out, "mixed   6 trials were added by another program"));
  CHECK(study_hash("run").size() >= 64);
  CHECK(call({"study", "hash", database}).out.substr(0, 64) == study_hash("run").substr(0, 64));
  CHECK(run_python(fs::current_path(), kRead, {database}) == 0);

  study.search.replace(study.search.find("pruner = \"none\""), 15, "pruner = \"median\"");
  write_study("other.toml", study);
  CHECK(has(error_of({"search", "other.toml", "--out", "other"}), "the configuration changed since the study began"));
}
