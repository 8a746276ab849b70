// Programs as objectives: what they write, how they end, what is left of them.
#include <lathe/base/file.h>
#include <lathe/nas/program.h>

#include <filesystem>

#include "tests/nas/executor_support.h"
#include "tests/support/folder.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

StudyHeader header_of(std::int64_t trials) {
  StudyHeader header;
  header.space = SpaceBuilder().real("x", -5, 5).integer("layers", 1, 6).build();
  header.trials = trials;
  return header;
}

/// The note of the only trial under this command.
std::string note_of(const std::string& command, std::chrono::milliseconds limit = std::chrono::milliseconds(0)) {
  Study study(header_of(1));
  study.set_max_reports(3);
  const StudyRun run = study.optimize(program({.command = command, .time_limit = limit, .log_folder = {}}));
  CHECK(run.history.trials[0].state == TrialState::failed);
  return run.history.trials[0].note;
}

}  // namespace

TEST_CASE("program: the example gives one study for any number of workers, and keeps its standard error") {
  lathe::test::TemporaryFolder folder;
  std::string hash;
  for (const int workers : {1, 2, 4}) {
    StudyHeader header = header_of(16);
    header.pruner = "asha";
    header.pruner_settings = {{"min_resource", 1}, {"reduction_factor", 2}};
    Study study(header);
    study.set_max_reports(3);
    const auto logs = folder.path() / str("logs-", workers);
    const StudyRun run = study.optimize(
        program(
            {.command = str("sh ", LATHE_EXAMPLES, "/objective.sh"), .time_limit = std::chrono::seconds(60), .log_folder = logs}),
        workers);
    CHECK(run.finished);
    CHECK(count_states(run.history).failed == 0);
    CHECK(count_states(run.history).pruned > 0);
    if (hash.empty()) hash = run.hash;
    CHECK(run.hash == hash);
    const double x = run.history.trials[0].point.real("x");
    const auto layers = static_cast<double>(run.history.trials[0].point.integer("layers"));
    CHECK(run.history.trials[0].reports[0].values[0] == doctest::Approx(-(x * x + layers)).epsilon(1e-4));
    CHECK(contains(read_file(logs / "trial-0.err"), "trial 0: x = "));
  }
}

TEST_CASE("program: what fails a trial") {
  CHECK(note_of("exit 3") == "the program ended with exit code 3");
  CHECK(note_of("true") == "the program wrote no final value");
  CHECK(contains(note_of("echo '{\"value\": }'"), "expected a JSON object"));
  CHECK(contains(note_of("echo '{\"valeu\": 1}'"), "expected step"));
  CHECK(contains(note_of("echo '{\"step\": 1}'"), "expected value or values"));
  CHECK(contains(note_of("echo '{\"step\": 2, \"value\": 1}'; sleep 9"), "report of step 2, expected 1"));
  CHECK(contains(note_of("echo '{\"value\": 1}'; echo '{\"value\": 2}'"), "behind its final value"));
  const auto begin = std::chrono::steady_clock::now();
  CHECK(contains(note_of("sleep 30 & sleep 30", std::chrono::milliseconds(150)), "took longer than 0.15 s"));
  CHECK(contains(note_of("exec >&-; sleep 30", std::chrono::milliseconds(150)), "took longer than 0.15 s"));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
  CHECK(contains(message_of([] { program({.command = " ", .time_limit = {}, .log_folder = {}}); }), "command is empty"));
  Study study(header_of(1));  // lines that are no objects, no line feed at the end, an input that nobody reads
  const StudyRun run =
      study.optimize(program({.command = "echo hello; printf '{\"value\": 2.5}'", .time_limit = {}, .log_folder = {}}));
  CHECK(run.history.trials[0].values == std::vector<double>{2.5});
}

TEST_CASE("program: constraints, a folder of its own, wrong numbers") {
  lathe::test::TemporaryFolder folder;
  write_file_atomic(folder.path() / "answer", "{\"values\": [1, 2], \"constraints\": [-1, 0.5]}\n");
  StudyHeader header = header_of(1);
  header.directions = {Direction::maximise, Direction::minimise};
  header.metrics = {"a", "b"};
  header.constraints = {"c", "d"};
  const auto trial_of = [&](const std::string& command) {
    Study study(header);
    ProgramOptions options;
    options.command = command;
    options.folder = folder.path();
    options.objectives = options.constraints = 2;
    return study.optimize(program(options)).history.trials[0];
  };
  const Trial good = trial_of("cat answer");
  CHECK(good.values == std::vector<double>{1, 2});
  CHECK(good.constraints == std::vector<double>{-1, 0.5});
  CHECK(contains(trial_of("echo '{\"values\": [1, 2]}'").note, "expected 2 values and 2 constraints"));
  CHECK(contains(trial_of("echo '{\"values\": [1, 2, -1], \"constraints\": [0]}'").note, "expected 2 values and 2 constraints"));
  CHECK(contains(trial_of("echo '{\"values\": [1, 2], \"constraints\": [true, 0]}'").note, "expected numbers as constraints"));
  ProgramOptions nowhere;
  nowhere.command = "true";
  nowhere.folder = folder.path() / "nowhere";
  Study study(header);
  CHECK(contains(message_of<InfrastructureError>([&] { study.optimize(program(nowhere)); }), "cannot start /bin/sh in "));
}

TEST_CASE("program: what is the machine's fault is tried again, and stops the study the third time") {
  lathe::test::TemporaryFolder folder;
  const auto reason = [](const std::string& command) {
    Study study(header_of(2));
    return message_of<InfrastructureError>(
        [&] { study.optimize(program({.command = command, .time_limit = {}, .log_folder = {}})); });
  };
  CHECK(contains(reason("kill -KILL $$"), "ended by signal 9"));
  CHECK(contains(reason("sh -c 'kill -KILL $$'; exit $?"), "ended by signal 9"));  // as a shell tells it
  CHECK(contains(reason("exit 75"), "asked to be run again"));
  CHECK(contains(reason("/no/such/program"), "cannot run the command (exit code 127)"));
  const std::string mark = (folder.path() / "mark").string();
  Study study(header_of(1));
  const StudyRun run = study.optimize(program(
      {.command = "if [ -e " + mark + " ]; then echo '{\"value\": 1}'; else touch " + mark + "; echo first >&2; kill -KILL $$; fi",
       .time_limit = {},
       .log_folder = folder.path()}));
  CHECK(run.history.trials[0].state == TrialState::complete);
  CHECK(read_file(folder.path() / "trial-0.err") == "first\n");
}
