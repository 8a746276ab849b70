// What is SQLite's own: files, Optuna's rows, journal modes.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/nas/storage/memory.h>
#include <lathe/nas/storage/sqlite.h>
#include <lathe/nas/storage/sqlite_connection.h>

#include <atomic>
#include <thread>

#include "tests/storage/study.h"

namespace lathe::nas {
namespace {

using test::small_objective;
using test::small_study;
using test::TemporaryFolder;

std::string ask(const std::filesystem::path& file, const std::string& sql) {
  SqliteConnection db(file, false);
  Statement rows(db, sql.c_str());
  std::string out;
  while (rows.step()) out += (out.empty() ? "" : "\n") + rows.text(0);
  return out;
}

TEST_CASE("files that are no study database are refused with one line") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(sqlite_backend(folder / "none.db", false), doctest::Contains("no such file"), InputError);
  write_file_atomic(folder / "text.db", std::string(5000, 'x'));
  CHECK_THROWS_WITH_AS(sqlite_backend(folder / "text.db", false), doctest::Contains("is not an SQLite database"), InputError);
  {
    SqliteConnection other(folder / "other.db", true);
    other.run("CREATE TABLE t (x); ");
  }
  CHECK_THROWS_WITH_AS(sqlite_backend(folder / "other.db", false), doctest::Contains("holds no studies"), InputError);
  {
    SqliteConnection old(folder / "old.db", true);
    old.run("CREATE TABLE alembic_version (version_num VARCHAR(32)); INSERT INTO alembic_version VALUES ('v1.3.0.a')");
  }
  CHECK_THROWS_WITH_AS(sqlite_backend(folder / "old.db", true), doctest::Contains("database revision v1.3.0.a, expected v3.2.0.a"),
                       InputError);
}

TEST_CASE("the rows are what Optuna writes") {
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  {
    auto storage = sqlite_backend(file, true)->create(small_study(30));
    CHECK(execute(small_study(30), *small_objective(), *storage).finished);
    storage->settle();
  }
  CHECK(ask(file, "PRAGMA journal_mode") == "delete");
  CHECK(ask(file, "SELECT version_num FROM alembic_version") == "v3.2.0.a");
  CHECK(ask(file, "SELECT direction FROM study_directions") == "MAXIMIZE");
  CHECK(ask(file, "SELECT value_json FROM study_system_attributes WHERE key = 'study:metric_names'") == "[\"accuracy\"]");
  CHECK(ask(file, "SELECT count(*) FROM trials") == "30");
  CHECK(ask(file, "SELECT count(*) FROM trials WHERE number = trial_id - 1") == "30");
  CHECK(ask(file, "SELECT count(*) FROM trials WHERE state NOT IN ('COMPLETE', 'PRUNED', 'FAIL') OR datetime_complete IS NULL") ==
        "0");
  CHECK(ask(file, "SELECT state FROM trials WHERE number IN (12, 25)") == "FAIL\nFAIL");
  CHECK(ask(file, "SELECT count(*) > 0 FROM trials WHERE state = 'PRUNED'") == "1");
  CHECK(ask(file, "SELECT count(*) FROM trial_values v JOIN trials t USING (trial_id) WHERE t.state = 'FAIL'") == "0");
  CHECK(ask(file,
            "SELECT value_json FROM trial_user_attributes WHERE trial_id = 1 AND key IN ('params', 'arch', 'flag', 'list', "
            "'train_loss') ORDER BY key") == "\"L\\\"2\\\"\"\ntrue\n[1,2]\n1234\n0.5");
  CHECK(ask(file, "SELECT DISTINCT distribution_json FROM trial_params ORDER BY param_name, 1") ==
        R"({"name":"CategoricalDistribution","attributes":{"choices":["relu","silu"]}})"
        "\n"
        R"({"name":"CategoricalDistribution","attributes":{"choices":[true,false]}})"
        "\n"
        R"({"name":"CategoricalDistribution","attributes":{"choices":[32,64,128]}})"
        "\n"
        R"({"name":"IntDistribution","attributes":{"log":false,"step":1,"low":1,"high":4}})"
        "\n"
        R"({"name":"FloatDistribution","attributes":{"step":null,"low":1e-04,"high":0.01,"log":true}})"
        "\n"
        R"({"name":"FloatDistribution","attributes":{"step":0.1,"low":0,"high":0.9,"log":false}})");
  CHECK(ask(file, "SELECT count(*) FROM lathe_tasks") == "0");
  CHECK(ask(file, "SELECT datetime_start LIKE '20__-__-__ __:__:__.___000' FROM trials LIMIT 1") == "1");
}

TEST_CASE("connections that start to write at the same moment all succeed") {
  // SQLite refuses one of two simultaneous switches to write-ahead logging at once, without its busy timeout.
  constexpr int kRounds = 150, kConnections = 4;
  std::atomic<int> failed{0};
  for (int round = 0; round < kRounds; ++round) {
    const TemporaryFolder folder;
    const auto file = folder / "study.db";
    sqlite_backend(file, true)->create(small_study(5));
    std::atomic<int> waiting{kConnections};
    std::vector<std::thread> threads;
    for (int i = 0; i < kConnections; ++i)
      threads.emplace_back([&] {
        auto storage = sqlite_backend(file, false)->open("small");
        --waiting;
        while (waiting > 0) std::this_thread::yield();
        try {
          storage->offer(0, std::vector<Task>{{{0, 0}, 1}});
        } catch (const Error&) {
          ++failed;
        }
      });
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(failed == 0);
}

TEST_CASE("what other programs changed is told") {
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  auto storage = sqlite_backend(file, true)->create(small_study(5));
  CHECK(execute(small_study(5), *small_objective(), *storage).finished);
  CHECK(storage->foreign_changes().empty());
  {
    SqliteConnection other(file, false);
    other.run(
        "INSERT INTO trials (number, study_id, state) VALUES (5, 1, 'WAITING'); UPDATE trials SET state = 'FAIL' WHERE number = 0");
  }
  const std::vector<std::string> changes = storage->foreign_changes();
  REQUIRE(changes.size() == 2);
  CHECK(changes[0] == "1 trial was added by another program");
  CHECK(changes[1] == "trial 0 (COMPLETE) was set to FAIL by another program");
}

TEST_CASE("multi-objective studies keep Optuna's samplers alive: a pruned trial is shown as failed") {
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  StudyHeader header = small_study(12);
  header.directions = {Direction::maximise, Direction::minimise};
  header.metrics = {"accuracy", "latency_ms"};
  header.pruner_settings = {{"n_startup_trials", 1}};
  header.virtual_workers = 1;
  auto storage = sqlite_backend(file, true)->create(header);
  const auto objective = objective_of(
      [](const Point&) {
        return Plan{{{0, 1, 1}, {0, 2, 1}}, ""};
      },
      [](const Point&, const SegmentContext& c, const Checkpoint&) {
        SegmentResult r;
        const bool bad = c.trial % 3 == 1;  // trials 1, 4, 7, 10 are worse than the median in both objectives
        r.values = {bad ? 0.0 : 1.0, bad ? 3.5 : 2.5};
        return r;
      });
  const StudyRun run = execute(header, *objective, *storage);
  CHECK(run.finished);
  CHECK(count_states(run.history).pruned == 4);
  CHECK(ask(file, "SELECT group_concat(direction) FROM study_directions") == "MAXIMIZE,MINIMIZE");
  CHECK(ask(file, "SELECT count(*) FROM trial_values WHERE objective = 1 AND value = 2.5") == "8");
  CHECK(ask(file, "SELECT group_concat(number) FROM trials WHERE state = 'FAIL'") == "1,4,7,10");
  CHECK(ask(file,
            "SELECT group_concat(number) FROM trials JOIN trial_user_attributes USING (trial_id) WHERE key = 'lathe:state' AND "
            "value_json = '\"PRUNED\"'") == "1,4,7,10");
  CHECK(storage->foreign_changes().empty());
}

TEST_CASE("constraints become Optuna's system attribute, and a resumed study has them again") {
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  StudyHeader header = small_study(6);
  header.constraints = {"latency_ms", "size_mb"};
  const auto objective = objective_of(
      [](const Point&) {
        return Plan{{{0, 1, 1}, {0, 2, 1}}, ""};
      },
      [](const Point&, const SegmentContext& c, const Checkpoint&) {
        if (c.trial == 4) return SegmentResult::failed(Failure::error, "no");
        SegmentResult r = SegmentResult::of(1 + c.segment.step);
        r.constraints = {static_cast<double>(c.trial) - 2.5, -1};
        return r;
      });
  auto storage = sqlite_backend(file, true)->create(header);
  ExecutorOptions half;
  half.until_event = 20;
  const StudyRun begun = execute(header, *objective, *storage, half);
  CHECK_FALSE(begun.finished);
  const StudyRun run = execute(header, *objective, *storage);
  CHECK(run.finished);
  CHECK(
      ask(file,
          "SELECT number || ' ' || value_json FROM trials JOIN trial_system_attributes USING (trial_id) WHERE key = 'constraints' "
          "ORDER BY number") == "0 [-2.5,-1]\n1 [-1.5,-1]\n2 [-0.5,-1]\n3 [0.5,-1]\n5 [2.5,-1]");
  const History history = read_history(header.space, storage->events(0));
  for (std::size_t i = 0; i < 6; ++i) CHECK(history.trials[i].constraints == run.history.trials[i].constraints);
  CHECK(history.trials[3].reports[1].constraints == std::vector<double>{0.5, -1});
  CHECK(feasible(history.trials[2]));
  CHECK_FALSE(feasible(history.trials[3]));
  CHECK(leaderboard(history, Direction::maximise) == std::vector<std::int64_t>{0, 1, 2, 3, 5});
  const auto memory = memory_storage(header);
  CHECK(execute(header, *objective, *memory).hash == run.hash);
  CHECK(memory->events(0) == storage->events(0));
}

}  // namespace
}  // namespace lathe::nas
