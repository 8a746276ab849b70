// Points that wait and trials of other programs, as rows: what Optuna would write is written here by SQL. Optuna itself:
// tests/storage/mixed.cpp.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/nas/foreign.h>
#include <lathe/nas/optimize.h>
#include <lathe/nas/proposals.h>
#include <lathe/nas/storage/memory.h>
#include <lathe/nas/storage/sqlite.h>
#include <lathe/nas/storage/sqlite_connection.h>

#include <map>

#include "tests/storage/study.h"
#include "tests/support/message.h"

namespace lathe::nas {
namespace {

using test::message_of;
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

void change(const std::filesystem::path& file, const std::string& sql) {
  SqliteConnection db(file, false);
  db.run("PRAGMA busy_timeout = 30000");
  db.run(sql.c_str());
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const char* const kStates = "SELECT group_concat(state) FROM (SELECT state FROM trials ORDER BY number)";

ForeignTrial trial_of(std::int64_t number, std::vector<ForeignTrial::Parameter> parameters) {
  ForeignTrial t;
  t.number = number;
  t.parameters = std::move(parameters);
  t.values = {1};
  return t;
}

const std::string kX = R"({"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}})";
const std::string kLayers = R"({"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 4}})";
const std::string kKind = R"({"name": "CategoricalDistribution", "attributes": {"choices": ["plain", "deep", "it's"]}})";

TEST_CASE("enqueued points wait as rows, become the rows of their trials, and end as FAIL if they are passed over") {
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  const StudyHeader header = small_study(6);
  auto storage = sqlite_backend(file, true)->create(header);
  const Point point = header.space.point({{"layers", 2}, {"activation", "silu"}, {"hidden", 64}, {"lr", 0.001}, {"bias", true}});
  enqueue(*storage, header.space, point);
  enqueue(*storage, header.space, header.space.partial({{"layers", 3}}));
  enqueue(*storage, header.space, point);  // a duplicate, when its turn comes
  CHECK(ask(file, kStates) == "WAITING,WAITING,WAITING");
  CHECK(ask(file, "SELECT value_json FROM trial_system_attributes WHERE key = 'fixed_params' ORDER BY trial_id") ==
        R"({"layers":2,"activation":"silu","hidden":64,"lr":0.001,"bias":true})"
        "\n"
        R"({"layers":3})"
        "\n"
        R"({"layers":2,"activation":"silu","hidden":64,"lr":0.001,"bias":true})");
  CHECK(storage->foreign_changes().empty());
  CHECK(storage->foreign_trials().empty());
  const StudyRun run = execute(header, *small_objective(), *storage);
  CHECK(run.finished);
  CHECK(run.history.trials[0].point == point);
  CHECK(run.history.trials[1].point.integer("layers") == 3);
  CHECK(ask(file, "SELECT count(*) FROM trials") == "7");  // six trials, and the one that was passed over
  CHECK(ask(file, "SELECT trial || ':' || trial_id FROM lathe_trials WHERE trial < 3 ORDER BY trial") == "0:1\n1:2\n2:4");
  CHECK(ask(file, "SELECT state FROM trials WHERE trial_id = 3") == "FAIL");
  CHECK(contains(ask(file, "SELECT value_json FROM trial_user_attributes WHERE trial_id = 3"), "passed over"));
  CHECK(ask(file, "SELECT count(*) FROM trials WHERE datetime_start IS NULL AND trial_id <> 3") == "0");
  CHECK(ask(file, "SELECT group_concat(number) FROM (SELECT number FROM trials ORDER BY trial_id)") == "0,1,2,3,4,5,6");
  CHECK(ask(file, "SELECT param_value FROM trial_params WHERE trial_id = 2 AND param_name = 'layers'") == "3.0");
  CHECK(storage->foreign_changes().empty());
  CHECK(execute(header, *small_objective(), *storage).hash == run.hash);
  // The same events in memory.
  auto memory = memory_storage(header);
  enqueue(*memory, header.space, point);
  enqueue(*memory, header.space, header.space.partial({{"layers", 3}}));
  enqueue(*memory, header.space, point);
  CHECK(execute(header, *small_objective(), *memory).hash == run.hash);
}

TEST_CASE("a waiting point that another program runs is adopted instead of run again") {
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  const StudyHeader header = small_study(5);
  auto storage = sqlite_backend(file, true)->create(header);
  const Point point = header.space.point({{"layers", 2}, {"activation", "silu"}, {"hidden", 64}, {"lr", 0.001}, {"bias", true}});
  enqueue(*storage, header.space, point);
  change(file, "UPDATE trials SET state = 'RUNNING'");
  CHECK(storage->foreign_changes() == std::vector<std::string>{"1 trial was added by another program"});
  CHECK(storage->foreign_trials().empty());  // it is not finished
  std::string parameters;
  const std::map<std::string, double> internal = {{"layers", 2}, {"activation", 1}, {"hidden", 1}, {"lr", 0.001}, {"bias", 0}};
  const std::map<std::string, std::string> distributions = {
      {"layers", kLayers},
      {"activation", R"({"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "silu"]}})"},
      {"hidden", R"({"name": "CategoricalDistribution", "attributes": {"choices": [32, 64, 128]}})"},
      {"lr", R"({"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.01, "log": true}})"},
      {"bias", R"({"name": "CategoricalDistribution", "attributes": {"choices": [true, false]}})"}};
  for (const auto& [name, value] : internal)
    change(file, "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (1, '" + name + "', " +
                     std::to_string(value) + ", '" + distributions.at(name) + "')");
  change(file, "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (1, 0, 0.625, 'FINITE')");
  change(file,
         "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) VALUES (1, 3, 0.5, "
         "'FINITE')");
  change(file, "UPDATE trials SET state = 'COMPLETE'");
  const StudyRun run = execute(header, *small_objective(), *storage);
  CHECK(run.finished);
  const auto log = storage->events(0);
  CHECK(log[1].line == "1 0 adopt foreign=0 state=complete step=3 values=0.625 point=" + point.json());
  for (const Trial& t : run.history.trials) CHECK_FALSE(t.point == point);  // passed over
  CHECK(ask(file, "SELECT count(*) FROM trials") == "6");
  CHECK(ask(file, "SELECT state FROM trials WHERE trial_id = 1") == "COMPLETE");  // what is finished stays
  CHECK(storage->foreign_trials().empty());
  CHECK(storage->foreign_changes() == std::vector<std::string>{"1 trial was added by another program"});
  CHECK(execute(header, *small_objective(), *storage).hash == run.hash);
  CHECK(read_adopted(header.space, log).at(0).foreign == 0);
}

TEST_CASE("trials that do not fit are told with the reason, once, and stay away") {
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  const StudyHeader header = small_study(4);
  auto storage = sqlite_backend(file, true)->create(header);
  change(file,
         "INSERT INTO trials (number, study_id, state) VALUES (0, 1, 'COMPLETE'), (1, 1, 'WAITING'), (2, 1, 'WAITING'), (3, 1, "
         "'FAIL'), "
         "(4, 1, 'RUNNING'), (5, 1, 'PRUNED');"
         "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (1, 0, NULL, 'INF_POS');"
         "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (2, 'fixed_params', '{\"layers\": 2, \"lr\": "
         "0.001}'), "
         "(3, 'fixed_params', '{\"widht\": 2}')");
  struct Log final : Observer {
    void refused(std::int64_t number, const std::string& why) override { reasons.emplace(number, why); }
    std::map<std::int64_t, std::string> reasons;
  } log;
  ExecutorOptions options;
  options.observer = &log;
  const StudyRun run = execute(header, *small_objective(), *storage, options);
  CHECK(run.finished);
  CHECK(run.history.trials[0].point.integer("layers") == 2);
  CHECK(run.history.trials[0].point.real("lr") == 0.001);
  CHECK(ask(file, "SELECT trial_id FROM lathe_trials WHERE trial = 0") == "2");  // it became its own row
  REQUIRE(log.reasons.size() == 3);
  CHECK(contains(log.reasons.at(0), "parameter `layers` has no value"));
  CHECK(contains(log.reasons.at(2), "no parameter `widht`"));
  CHECK(contains(log.reasons.at(5), "parameter `layers` has no value"));
  CHECK(ask(file, "SELECT state FROM trials WHERE number = 2") == "WAITING");  // others may run it
  CHECK(storage->foreign_changes() == std::vector<std::string>{"5 trials were added by another program"});
}

TEST_CASE("another program that tells a running trial's value, or an intermediate one, does not stop the study") {
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  const StudyHeader header = small_study(6);
  auto storage = sqlite_backend(file, true)->create(header);
  ExecutorOptions first;
  first.until_event = 6;
  CHECK_FALSE(execute(header, *small_objective(), *storage, first).finished);
  change(file,
         "INSERT INTO trial_values (trial_id, objective, value, value_type) SELECT trial_id, 0, 99, 'FINITE' FROM trials; "
         "INSERT OR IGNORE INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
         "SELECT trial_id, s.column1, 99, 'FINITE' FROM trials, (VALUES (1), (2), (3)) s; UPDATE trials SET state = 'COMPLETE'");
  const StudyRun run = execute(header, *small_objective(), *storage);
  CHECK(run.finished);
  CHECK(run.hash == execute(header, *small_objective(), *memory_storage(header)).hash);
  CHECK(ask(file, "SELECT count(*) FROM trial_values JOIN trials USING (trial_id) WHERE state = 'COMPLETE' AND value = 99") == "0");
}

TEST_CASE("what another program deletes is gone, and leaves its number to others") {
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  const StudyHeader header = small_study(6);
  auto backend = sqlite_backend(file, true);
  const std::string hash = execute(header, *small_objective(), *backend->create(header)).hash;
  // As Optuna does it, which knows no table of lathe's.
  change(file,
         "DELETE FROM trial_params; DELETE FROM trial_values; DELETE FROM trial_intermediate_values; DELETE FROM "
         "trial_user_attributes; DELETE FROM trial_system_attributes; DELETE FROM trials; DELETE FROM study_directions; DELETE "
         "FROM study_system_attributes; DELETE FROM studies");
  CHECK(backend->studies().empty());
  CHECK_THROWS_AS(backend->open("small"), InputError);
  change(file,
         "INSERT INTO studies (study_name) VALUES ('theirs'); "
         "INSERT INTO study_directions (study_id, direction, objective) VALUES (1, 'MAXIMIZE', 0)");
  REQUIRE(backend->studies().size() == 1);
  CHECK(backend->studies()[0].header.empty());
  CHECK(backend->studies()[0].events == 0);
  CHECK_THROWS_WITH_AS(backend->open("theirs"), doctest::Contains("was not made by lathe"), InputError);
  change(file, "DELETE FROM study_directions; DELETE FROM studies");
  CHECK(execute(header, *small_objective(), *backend->create(header)).hash == hash);
}

TEST_CASE("a Study tells of trials that do not fit, to its observer too, whether it optimises or asks") {
  for (const bool asks : {false, true}) {
    CAPTURE(asks);
    const TemporaryFolder folder;
    const auto file = folder / "study.db";
    StudyHeader header = small_study(4);
    header.judging.unit_value = Judging::UnitValue::last;  // as Study sets it
    sqlite_backend(file, true)->create(header);
    change(file, "INSERT INTO trials (number, study_id, state) VALUES (0, 1, 'COMPLETE')");
    const auto backend = sqlite_backend(file, false);
    Study study(header, backend.get());
    struct Log final : Observer {
      void refused(std::int64_t, const std::string&) override { ++count; }
      int count = 0;
    } log;
    if (asks) {
      CHECK(study.ask().has_value());
    } else {
      ExecutorOptions options;
      options.observer = &log;
      study.optimize([](TrialHandle&) { return std::vector<double>{1}; }, std::move(options));
      CHECK(log.count == 1);
    }
    REQUIRE(study.left_out().size() == 1);
    CHECK(contains(study.left_out()[0], "trial 0: "));
  }
}

TEST_CASE("trials that come while a study runs are taken up, by several processes alike") {
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  StudyHeader header;
  header.name = "small";
  header.space = SpaceBuilder().real("x", 0, 1).build();
  header.trials = 60;
  header.sampler = "tpe@optuna-5.0";
  sqlite_backend(file, true)->create(header);
  const auto objective = objective_of([](const Point& p) {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    return p.real("x");
  });
  std::thread other([&] {
    for (int i = 0; i < 5; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      const std::string x = std::to_string(0.9 + 0.01 * i);
      change(file,
             "BEGIN IMMEDIATE;"
             "INSERT INTO trials (number, study_id, state) SELECT count(*), 1, 'COMPLETE' FROM trials;"
             "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) SELECT max(trial_id), 'x', " +
                 x + ", '" + kX +
                 "' FROM trials;"
                 "INSERT INTO trial_values (trial_id, objective, value, value_type) SELECT max(trial_id), 0, " +
                 x + ", 'FINITE' FROM trials; COMMIT");
    }
  });
  std::vector<std::thread> workers;
  std::vector<std::string> hashes(3);
  for (std::size_t i = 0; i < 3; ++i)
    workers.emplace_back([&, i] {
      auto storage = sqlite_backend(file, false)->open("small");
      const StudyRun run = execute(header, *objective, *storage, {.workers = 1, .poll = std::chrono::milliseconds(5)});
      CHECK(run.finished);
      hashes[i] = run.hash;
    });
  for (std::thread& t : workers) t.join();
  other.join();
  auto storage = sqlite_backend(file, false)->open("small");
  const StudyRun run = execute(header, *objective, *storage);
  const auto adopted = read_adopted(header.space, storage->events(0));
  CHECK(adopted.size() == 5);
  CHECK(adopted[0].point.real("x") == 0.9);
  CHECK(run.history.trials.size() == 60);
  // What came in the middle is in the middle of the log, and the log is the study.
  const auto log = storage->events(0);
  std::size_t first = 0;
  while (!contains(log[first].line, " adopt ")) ++first;
  CHECK(first > 4);
  CHECK(first < log.size() - 5);
  for (const std::string& hash : hashes) CHECK_FALSE(hash.empty());
  CHECK(study_hash(header.json(), log) == run.hash);
  CHECK(execute(header, *objective, *storage).hash == run.hash);
}

TEST_CASE("the space of a study that another program made") {
  const auto space = [](const std::vector<ForeignTrial>& trials) { return foreign_space(trials).json(); };
  const std::string wider = R"({"name": "FloatDistribution", "attributes": {"step": null, "low": -2, "high": 0.5, "log": false}})";
  CHECK(space({trial_of(0, {{"x", 0.25, kX}, {"n", 2, kLayers}}), trial_of(1, {{"x", -1, wider}, {"n", 4, kLayers}})}) ==
        SpaceBuilder().real("x", -2, 1).integer("n", 1, 4).build().json());
  // Absent parameters: told by a choice, by a number, and by a parameter that is absent itself.
  const std::vector<ForeignTrial> tree = {
      trial_of(0, {{"kind", 0, kKind}, {"n", 1, kLayers}, {"x", 0.5, kX}}),
      trial_of(1, {{"kind", 1, kKind}, {"n", 3, kLayers}, {"width", 2, kLayers}, {"x", 0.5, kX}}),
      trial_of(2, {{"kind", 1, kKind}, {"n", 4, kLayers}, {"width", 3, kLayers}, {"tail", 0.5, kX}, {"x", 0.5, kX}}),
      trial_of(3, {{"kind", 1, kKind}, {"n", 2, kLayers}, {"width", 1, kLayers}, {"x", 0.5, kX}})};
  CHECK(space(tree) == SpaceBuilder()
                           .categorical("kind", {"plain", "deep", "it's"})
                           .integer("n", 1, 4)
                           .real("x", 0, 1)
                           .integer("width", 1, 4, {.when = "kind == 'deep'"})
                           .real("tail", 0, 1, {.when = "n > 3"})
                           .build()
                           .json());
  const auto refusal = [&](const std::vector<ForeignTrial>& trials) { return message_of([&] { foreign_space(trials); }); };
  CHECK(refusal({}) == "no finished trial has a parameter; give a space");
  CHECK(refusal({trial_of(0, {{"x", 0.5, kX}}), trial_of(1, {{"x", 0.5, kX}, {"y", 0.5, kX}})}) ==
        "parameter `y` is missing in 1 of 2 finished trials, and no other parameter tells in which; give a space");
  CHECK(contains(refusal({trial_of(0, {{"x", 0.5, kX}}), trial_of(1, {{"x", 1, kLayers}})}), "its kind changed"));
  CHECK(contains(refusal({trial_of(0, {{"x", 0, R"({"name": "CategoricalDistribution", "attributes": {"choices": [null, 1]}})"}})}),
                 "it has the choice null"));
  CHECK(contains(refusal({trial_of(0, {{"x", 0, R"({"name": "BetaDistribution", "attributes": {"low": 0, "high": 1}})"}})}),
                 "the distribution `BetaDistribution` is unknown"));
  CHECK(contains(refusal({trial_of(0, {{"x", 7, kKind}})}), "there is no choice number 7"));
  CHECK(contains(refusal({trial_of(0, {{"x", 0, "{\"name\": "}})}), "distribution `{\"name\": `, column 10"));
  CHECK(contains(refusal({trial_of(0, {{"a b", 0.5, kX}})}), "a b"));
}

TEST_CASE("a study that another program made is taken over once, with its directions") {
  const TemporaryFolder folder;
  const auto file = folder / "study.db";
  {
    auto backend = sqlite_backend(file, true);
    backend->create(small_study(1));
    change(file,
           "INSERT INTO studies (study_name) VALUES ('theirs');"
           "INSERT INTO study_directions (direction, study_id, objective) VALUES ('MINIMIZE', 2, 0);"
           "INSERT INTO trials (number, study_id, state) VALUES (0, 2, 'COMPLETE'), (1, 2, 'WAITING');"
           "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (1, 0, 0.5, 'FINITE');"
           "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (2, 'fixed_params', '{\"x\": 0.75}');"
           "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (1, 'x', 0.25, '" +
               kX + "')");
    CHECK(contains(message_of([&] { backend->open("theirs"); }), "study `theirs` was not made by lathe"));
    CHECK(contains(message_of([&] { backend->foreign_study("small"); }), "study `small` was made by lathe"));
    CHECK(contains(message_of([&] { backend->foreign_study("their"); }), "did you mean `theirs`?"));
    StudyHeader header = foreign_header(*backend, "theirs");
    CHECK(header.metrics == std::vector<std::string>{"value"});
    CHECK(header.directions == std::vector<Direction>{Direction::minimise});
    header.trials = 4;
    StudyHeader other = header;
    other.directions = {Direction::maximise};
    CHECK(contains(message_of([&] { backend->take_over(other); }), "has other directions"));
    auto storage = backend->take_over(header);
    CHECK(contains(message_of([&] { backend->take_over(header); }), "was made by lathe"));
    const auto objective = objective_of([](const Point& p) { return p.real("x"); });
    const StudyRun run = execute(header, *objective, *storage);
    CHECK(run.history.trials.size() == 4);
    CHECK(run.history.trials[0].point.real("x") == 0.75);
    CHECK(contains(storage->events(0)[0].line, "0 0 adopt foreign=0 state=complete step=0 values=0.5 point={\"x\":0.25}"));
    CHECK(contains(storage->events(0)[1].line, "1 0 enqueue foreign=1 point={\"x\":0.75}"));
    CHECK(storage->foreign_changes() == std::vector<std::string>{"1 trial was added by another program"});
    CHECK(backend->open("theirs")->header() == header.json());
  }
  CHECK(contains(message_of([] { memory_backend()->foreign_study("x"); }), "there is no study `x`"));
}

TEST_CASE("ask and tell, and a function that defines its space, go on with a study that another program made") {
  for (const bool asks : {false, true}) {
    const TemporaryFolder folder;
    const auto file = folder / "study.db";
    auto backend = sqlite_backend(file, true);
    change(file,
           "INSERT INTO studies (study_name) VALUES ('theirs');"
           "INSERT INTO study_directions (direction, study_id, objective) VALUES ('MINIMIZE', 1, 0);"
           "INSERT INTO trials (number, study_id, state) VALUES (0, 1, 'COMPLETE');"
           "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (1, 0, 0.5, 'FINITE');"
           "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (1, 'x', 0.25, '" +
               kX + "')");
    StudyHeader header;
    header.name = "theirs";
    header.trials = 3;
    header.directions = {Direction::minimise};
    if (asks) header.space = SpaceBuilder().real("x", 0, 1).build();
    Study study(header, backend.get());
    if (asks) {
      while (const auto trial = study.ask()) study.tell(trial->number, trial->point.real("x"));
    } else {
      study.optimize([](TrialHandle& t) { return t.real("x", 0, 1); });
    }
    CHECK(study.history().trials.size() == 3);
    auto storage = backend->open("theirs");
    CHECK(contains(storage->events(0)[0].line, "adopt foreign=0"));
    CHECK(ask(file, "SELECT count(*) FROM trials WHERE state = 'COMPLETE'") == "4");
    CHECK(study.hash() == study_hash(storage->header(), storage->events(0)));
  }
}

}  // namespace
}  // namespace lathe::nas
