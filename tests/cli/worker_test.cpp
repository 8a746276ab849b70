// lathe worker: any number of processes on one study, some of which die.
#include <array>
#include <deque>
#include <thread>

#include "process.h"
#include "program_config.h"
#include "search_config.h"

#include <doctest/doctest.h>

using namespace lathe::test;
namespace fs = std::filesystem;

namespace {

/// Starts three workers, kills two of them while they work, and starts two others.
void help_and_die(const std::vector<std::string>& worker) {
  std::deque<Process> workers;
  for (int i = 0; i < 3; ++i) workers.emplace_back(worker);
  for (int i = 0; i < 2; ++i) {
    const bool working = workers[static_cast<std::size_t>(i)].read_until(" segment=");
    workers[static_cast<std::size_t>(i)].signal(SIGKILL);
    const int code = workers[static_cast<std::size_t>(i)].wait();
    CAPTURE(workers[static_cast<std::size_t>(i)].err());
    CHECK((code == 128 + SIGKILL || (!working && code == 0)));
    workers.emplace_back(worker);
  }
  for (std::size_t i = 2; i < workers.size(); ++i) {
    const int code = workers[i].wait();
    CAPTURE(workers[i].err());
    CHECK(code == 0);
    CHECK(has(workers[i].err(), "the study is finished; "));
  }
}

}  // namespace

TEST_CASE("a search with three workers, some of which are killed, is the search of one process") {
  const Workplace place;
  write_search({.trials = 60});
  REQUIRE(call({"search", "lathe.toml", "--out", "whole"}).code == 0);
  Process search({"search", "lathe.toml", "--out", "b", "--workers", "1"});
  REQUIRE(search.read_until(" commit="));
  std::thread reader([&] { CHECK(search.wait() == 0); });  // it goes on while the others come and go
  help_and_die({"worker", "b"});
  reader.join();
  CHECK(study_hash("b") == study_hash("whole"));
  CHECK(read("b/model/model.safetensors") == read("whole/model/model.safetensors"));
}

TEST_CASE("workers finish a study whose search was killed; the search then retrains and tests") {
  const Workplace place;
  write_search({.trials = 40});
  REQUIRE(call({"search", "lathe.toml", "--out", "whole"}).code == 0);
  {
    Process search({"search", "lathe.toml", "--out", "b", "--workers", "1"});
    REQUIRE(search.read_until(" commit="));
    search.signal(SIGKILL);
    search.wait();
  }
  help_and_die({"worker", "sqlite:///b/study.db", "-c", "b/config.toml"});
  CHECK(study_hash("b") == study_hash("whole"));
  CHECK_FALSE(fs::exists("b/results.json"));
  REQUIRE(call({"search", "--resume", "b"}).code == 0);
  CHECK(read("b/model/model.safetensors") == read("whole/model/model.safetensors"));
}

TEST_CASE("workers of a program's study") {
  const Workplace place;
  write_program();
  write_study("a.toml", {.command = "sh objective.sh curve 0.02",
                         .trials = 30,
                         .objective = "max_reports = 3",
                         .search = "pruner = \"asha\"\npruner_settings = { min_resource = 1 }"});
  REQUIRE(call({"search", "a.toml", "--out", "whole", "--workers", "3"}).code == 0);
  Process search({"search", "a.toml", "--out", "b", "--workers", "1"});
  REQUIRE(search.read_until(" commit="));
  std::thread reader([&] { CHECK(search.wait() == 0); });
  help_and_die({"worker", "b"});
  reader.join();
  CHECK(study_hash("b") == study_hash("whole"));

  // A study that nobody searches: it is made, and workers do it all, knowing the database and the configuration.
  REQUIRE(call({"study", "create", "a.toml", "made.db"}).code == 0);
  help_and_die({"worker", "made.db", "-c", "a.toml", "--out", "logs"});
  const std::string events = call({"study", "export", "b", "--format", "log"}).out;
  const std::string made = call({"study", "export", "made.db", "--format", "log"}).out;
  CHECK(made == events);  // header included: who computes it is not part of a study
  CHECK(fs::exists("logs/trials/trial-0.err"));
}

TEST_CASE("a worker refuses what is not the study, and says why") {
  const Workplace place;
  write_search({.trials = 4});
  REQUIRE(call({"search", "lathe.toml", "--out", "a", "--until-commit", "4"}).code == 0);
  CHECK(
      has(error_of({"worker", "a/study.db", "-c", "a/config.toml", "--seed", "5"}),
          "a/study.db: the configuration changed since the study began (`seed` was 1, is 5); a worker joins only the same study"));
  CHECK(has(error_of({"worker", "a", "--seed", "5"}), "--seed cannot be changed"));
  fs::remove("lathe.toml");  // which would be taken
  CHECK(has(error_of({"worker", "a/study.db"}), "a worker needs the configuration of the study; give -c FILE"));
  CHECK(has(error_of({"worker", "nowhere", "-c", "a/config.toml"}), "nowhere"));
  write("reviews.tsv", read("reviews.tsv") + "one more film\tpos\n");
  CHECK(has(error_of({"worker", "a"}), "a/study.db: data changed since the study began ("));
  CHECK(error_of({"worker"}).starts_with("which study?"));
}

TEST_CASE("a trial that kills its machine three times stops workers and search with exit code 3") {
  const Workplace place;
  write_program();
  write_study("a.toml", {.command = "sh poison.sh", .trials = 12});
  write("poison.sh", "[ \"$LATHE_TRIAL\" != 5 ] || [ -e cured ] || { sleep 0.1; kill -KILL $$; }\n" + read("objective.sh"));
  Process search({"search", "a.toml", "--out", "b", "--workers", "1"});
  REQUIRE(search.read_until("writes  b"));
  while (!fs::exists("b/study.db") || study_hash("b").size() < 64 || has(study_hash("b"), "exit code"))
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  Process worker({"worker", "b"});
  std::thread reader([&] { CHECK(search.wait() == 3); });
  CHECK(worker.wait() == 3);
  reader.join();
  CHECK(has(worker.err(), "trial 5 failed 3 times for reasons of the machine"));
  CHECK(has(search.err(), "trial 5 failed 3 times for reasons of the machine"));
  write("cured", "");
  CHECK(call({"worker", "b"}).code == 3);  // a worker does not forget
  CHECK(call({"search", "--resume", "b"}).code == 0);
}
