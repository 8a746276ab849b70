// lathe search with a program as objective, from end to end.
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>

#include "process.h"
#include "program_config.h"
#include "search_config.h"

#include <doctest/doctest.h>

using namespace lathe::test;
namespace fs = std::filesystem;

namespace {

/// What was found, whatever the study is called.
nlohmann::json without_name(nlohmann::json results) {
  results.at("study").erase("name");
  return results;
}
nlohmann::json results(const std::string& folder) { return without_name(nlohmann::json::parse(read(folder + "/results.json"))); }

const ProgramStudy kCurve = {.command = "sh objective.sh curve",
                             .trials = 24,
                             .objective = "max_reports = 3",
                             .search = "pruner = \"asha\"\npruner_settings = { min_resource = 1, reduction_factor = 2 }"};

}  // namespace

TEST_CASE("the example of a shell script: one study for any number of workers, from any folder") {
  const Workplace place;
  const std::string example = LATHE_EXAMPLES "/objective.toml";
  const Answer one = call({"search", example, "--out", "a", "--workers", "1"});
  CAPTURE(one.err);
  REQUIRE(one.code == 0);
  REQUIRE(call({"search", example, "--out", "b", "--workers", "3"}).code == 0);
  CHECK(study_hash("a") == study_hash("b"));
  CHECK(has(one.out, "study   " + study_hash("a").substr(0, 64)));
  CHECK(has(one.out, "more    lathe search --resume a --trials 48"));

  const nlohmann::json a = results("a");
  CHECK(a == results("b"));
  CHECK(a.at("trials").size() == 24);
  double best = -1e9;
  int number = -1, pruned = 0;
  for (const auto& trial : a.at("trials")) {
    pruned += trial.at("state") == "pruned";
    if (trial.at("state") != "complete") continue;
    const double x = trial.at("point").at("x"), layers = trial.at("point").at("layers"), value = trial.at("value");
    CHECK(value == doctest::Approx(-(x * x + layers) / 4).epsilon(1e-4));
    CHECK(trial.at("reports") == 4);
    if (value > best) best = value, number = trial.at("trial");
  }
  CHECK(pruned > 0);
  CHECK(a.at("best") == nlohmann::json::array({number}));
  CHECK(has(one.out, "best    #" + std::to_string(number) + " "));
  CHECK(has(read("a/trials/trial-" + std::to_string(number) + ".err"), "trial " + std::to_string(number) + ": x = "));

  // The run is whole: its own configuration searches again, also from another folder.
  CHECK_FALSE(has(read("a/config.toml"), "[train]"));
  fs::create_directory("elsewhere");
  fs::current_path("elsewhere");
  REQUIRE(call({"search", "../a/config.toml", "--out", "c"}).code == 0);
  CHECK(study_hash("c") == study_hash("../a"));
  fs::current_path("..");

  REQUIRE(call({"search", "--resume", "a", "--trials", "30"}).code == 0);
  REQUIRE(call({"search", "--resume", "b", "--trials", "30", "--workers", "3"}).code == 0);
  CHECK(results("a").at("trials").size() == 30);
  CHECK(study_hash("a") == study_hash("b"));
  CHECK(has(error_of({"report", "a"}), "a: is the run of a program, which has no report"));
  CHECK(has(error_of({"search", example, "--out", "a"}), "holds a finished study"));
}

TEST_CASE("a program's search goes on after kill -9 and after ^C") {
  const Workplace place;
  write_program();
  ProgramStudy study = kCurve;
  write_study("fast.toml", study);
  REQUIRE(call({"search", "fast.toml", "--out", "whole", "--workers", "2"}).code == 0);
  // The command is part of the study, so what makes it slow is told by the environment.
  write("objective.sh", "[ -z \"$SLOW\" ] || sleep 0.05\n" + read("objective.sh"));
  ::setenv("SLOW", "1", 1);
  {
    Process process({"search", "fast.toml", "--out", "b", "--workers", "2"});
    REQUIRE(process.read_until(" commit="));
    process.signal(SIGKILL);
    CHECK(process.wait() == 128 + SIGKILL);
  }
  {
    Process process({"search", "--resume", "b", "--workers", "1"});
    REQUIRE(process.read_until(" commit="));
    process.signal(SIGINT);
    CHECK(process.wait() == 130);
    CHECK(process.last_line().starts_with("lathe: stopped at commit "));
    CHECK(process.last_line().ends_with(". Resume: lathe search --resume b"));
  }
  ::unsetenv("SLOW");
  CHECK(study_hash("b") != study_hash("whole"));
  CHECK_FALSE(fs::exists("b/results.json"));
  const Answer resumed = call({"search", "--resume", "b", "--workers", "3", "--json"});
  CAPTURE(resumed.err);
  CHECK(resumed.code == 0);
  CHECK(study_hash("b") == study_hash("whole"));
  std::string last;
  std::istringstream lines(resumed.out);
  for (std::string line; std::getline(lines, line); last = line) CHECK(nlohmann::json::accept(line));
  CHECK(nlohmann::json::parse(last).at("hash").get<std::string>() == study_hash("b").substr(0, 64));
  CHECK(without_name(nlohmann::json::parse(last).at("results")) == results("whole"));

  const Answer part = call({"search", "fast.toml", "--out", "c", "--until-commit", "20"});
  CHECK(part.code == 0);
  CHECK(has(part.err, "Go on: lathe search --resume c"));
  REQUIRE(call({"search", "--resume", "c"}).code == 0);
  CHECK(study_hash("c") == study_hash("whole"));
}

TEST_CASE("several objectives and a constraint") {
  const Workplace place;
  write("two.sh",
        "read -r line\nx=$(printf '%s' \"$line\" | sed 's/.*\"x\":\\([-0-9.e]*\\).*/\\1/')\n"
        "awk -v x=\"$x\" 'BEGIN { printf \"{\\\"values\\\": [%.6f, %.6f], \\\"constraints\\\": [%.6f]}\\n\", x*x, (x-2)*(x-2), "
        "0.5-x }'\n");
  write_study("two.toml",
              {.command = "sh two.sh",
               .trials = 40,
               .objective = "metrics = [\"f\", \"g\"]\ndirections = [\"minimise\", \"minimise\"]\nconstraints = [\"x\"]",
               .search = "sampler = \"nsga2\"\nsampler_settings = { population_size = 8 }\npruner = \"none\""});
  const Answer answer = call({"search", "two.toml", "--out", "a", "--workers", "2"});
  CAPTURE(answer.err);
  REQUIRE(answer.code == 0);
  CHECK(has(answer.out, "\nfront   #"));
  // The front by its definition.
  const nlohmann::json a = results("a");
  std::set<int> front;
  for (const auto& t : a.at("trials")) {
    if (t.at("constraints")[0] > 0) continue;
    bool dominated = false;
    for (const auto& u : a.at("trials"))
      dominated |= u.at("constraints")[0] <= 0 && u.at("values")[0] <= t.at("values")[0] &&
                   u.at("values")[1] <= t.at("values")[1] && u.at("values") != t.at("values");
    if (!dominated) front.insert(t.at("trial").get<int>());
  }
  REQUIRE(front.size() > 1);
  CHECK(a.at("best").get<std::set<int>>() == front);
  const Answer best = call({"study", "best", "a", "--json"});
  CHECK(std::count(best.out.begin(), best.out.end(), '\n') == static_cast<long>(front.size()));
  const Answer shown = call({"study", "show", "a"});
  CHECK(has(shown.out, "goals   minimise f, minimise g\nfront   #"));
  CHECK(has(shown.out, "violation"));
  CHECK(call({"study", "export", "a", "--format", "csv"}).out.starts_with("trial,state,f,g,x,reports,x,layers\n"));

  write_study("wrong.toml", {.command = "echo '{\"value\": 1}'",
                             .trials = 2,
                             .objective = "metrics = [\"f\", \"g\"]\ndirections = [\"minimise\", \"minimise\"]"});
  const Answer wrong = call({"search", "wrong.toml", "--out", "wrong"});
  CHECK(wrong.code == 1);
  CHECK(has(wrong.out, "expected 2 values and 0 constraints"));
}

TEST_CASE("what is the machine's fault stops with exit code 3, and goes on to the same study") {
  const Workplace place;
  write_program();
  write_study("a.toml", {.trials = 12});
  REQUIRE(call({"search", "a.toml", "--out", "whole"}).code == 0);
  write("objective.sh", "[ ! -e broken ] || kill -KILL $$\n" + read("objective.sh"));
  write("broken", "");
  fs::remove("runs.txt");
  const Answer stopped = call({"search", "a.toml", "--out", "b", "--workers", "1", "--set", "objective.retries=1"});
  CHECK(stopped.code == 3);
  CHECK(has(stopped.err, "of trial 0 failed 2 times for reasons of the machine, at last: the program was ended by signal 9"));
  CHECK(has(stopped.err, "Resume: lathe search --resume b"));
  CHECK(call({"search", "--resume", "b"}).code == 3);
  fs::remove("broken");
  REQUIRE(call({"search", "--resume", "b"}).code == 0);
  CHECK(study_hash("b") == study_hash("whole"));
}

TEST_CASE("a later study sees the trials of an earlier one") {
  const Workplace place;
  write_program();
  write_study("a.toml", {.trials = 16});
  REQUIRE(call({"search", "a.toml", "--out", "a"}).code == 0);
  // Half of the range is gone: those trials stay away.
  write("b.toml",
        "[objective]\ncommand = \"sh objective.sh\"\n[space]\nx = [0.0, 5.0]\nlayers = [1, 6]\n"
        "[search]\ntrials = 12\nsampler = \"tpe\"\nsampler_settings = { n_startup_trials = 4 }\npruner = \"none\"\n");
  std::string hash;
  for (const char* workers : {"1", "3"}) {
    const Answer answer = call({"search", "b.toml", "--out", workers, "--warm-start", "a", "--workers", workers});
    CAPTURE(answer.err);
    REQUIRE(answer.code == 0);
    CHECK(has(answer.err, "warm    "));
    CHECK(has(answer.err, " of an earlier study, "));
    if (hash.empty()) hash = study_hash(workers);
    CHECK(study_hash(workers) == hash);
  }
  CHECK(has(call({"study", "export", "1", "--format", "log"}).out, "\"warm_start\":\"" + study_hash("a").substr(0, 64)));
  REQUIRE(call({"search", "1/config.toml", "--out", "again"}).code == 0);  // it names the earlier one
  CHECK(study_hash("again") == hash);
  REQUIRE(call({"search", "b.toml", "--out", "cold"}).code == 0);
  CHECK(study_hash("cold") != hash);
  REQUIRE(call({"search", "b.toml", "--out", "part", "--warm-start", "a", "--until-commit", "0"}).code == 0);
  fs::remove_all("a");  // what was adopted is in the log
  REQUIRE(call({"search", "--resume", "part"}).code == 0);
  CHECK(study_hash("part") == hash);
  CHECK(error_of({"search", "b.toml", "--out", "x", "--warm-start", "nowhere.db"})
            .starts_with("--warm-start: warm start: nowhere.db"));
}

TEST_CASE("a search for a transformer takes settings, duplicates and an earlier run") {
  const Workplace place;
  write_search({.trials = 5});
  REQUIRE(call({"search", "lathe.toml", "--out", "a"}).code == 0);
  std::string hash;
  for (const char* workers : {"1", "3"}) {
    const Answer answer = call({"search", "lathe.toml", "--out", workers, "--warm-start", "a", "--workers", workers, "--set",
                                "search.sampler_settings.n_startup_trials=3", "--set", "search.duplicates=reuse"});
    CAPTURE(answer.err);
    REQUIRE(answer.code == 0);
    if (hash.empty()) hash = study_hash(workers);
    CHECK(study_hash(workers) == hash);
  }
  const std::string log = call({"study", "export", "1", "--format", "log"}).out;
  CHECK(has(log, "\"duplicates\":\"reuse\""));
  CHECK(has(log, "\"sampler\":\"tpe@optuna-5.0\",\"sampler_settings\":{\"n_startup_trials\":3}"));
  CHECK(has(log, " adopt "));
}

TEST_CASE("mistakes about objectives and strategies") {
  const Workplace place;
  write("reviews.tsv", reviews(200));
  write_program();
  write_study("a.toml");
  CHECK(error_of({"search", "a.toml", "--label", "x"}) == "--label is about training; here objective.command is searched with");
  CHECK(has(error_of({"search", "reviews.tsv", "-c", "a.toml"}), "reads its data by itself"));
  CHECK(has(error_of({"search", "a.toml", "--set", "objective.comand=x"}), "did you mean `objective.command`?"));
  write("s.toml", read("a.toml") + "sampler_settings = { n_startup = 5 }\n");
  CHECK(error_of({"search", "s.toml", "--set", "search.sampler=tpe", "--out", "s"}) ==
        "s.toml:11:20: sampler tpe has no setting `n_startup`; did you mean `n_startup_trials`?");
  CHECK_FALSE(fs::exists("s"));
  CHECK(has(error_of({"search", "reviews.tsv", "--set", "search.sampler=grid"}), "--set: "));
  CHECK(has(error_of({"search", "reviews.tsv", "--set", "search.pruner_settings.percentil=5"}), "did you mean `percentile`?"));
  CHECK(call({"check", "a.toml"}).code == 0);
  const Answer plan = call({"search", "a.toml", "--dry-run"});
  CHECK(plan.code == 0);
  CHECK(has(plan.out, "20 trials, random@1 sampler"));
  CHECK_FALSE(fs::exists("runs"));
}
