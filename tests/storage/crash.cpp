// Processes that are killed, and processes that compete.
#include <doctest/doctest.h>

#include <csignal>
#include <map>
#include <set>

#include "tests/storage/place.h"
#include "tests/storage/process.h"
#include "tests/storage/study.h"

namespace lathe::nas {
namespace {

using namespace std::chrono_literals;
using test::kinds_of_storage;
using test::Place;
using test::small_objective;
using test::small_study;
using test::spawn;
using test::wait_for;

/// Of those that several processes may share. The parent keeps no connection, which its children would inherit.
std::vector<std::string> shared_kinds() {
  std::vector<std::string> kinds = kinds_of_storage();
  kinds.erase(kinds.begin());
  return kinds;
}

std::string reference_hash(const StudyHeader& header) {
  auto storage = memory_storage(header);
  return execute(header, *small_objective(), *storage).hash;
}

TEST_CASE("twenty kill -9, and a server that crashes meanwhile, leave the study that an undisturbed run gives") {
  const StudyHeader header = small_study(150);
  const std::string expected = reference_hash(header);
  for (const std::string& kind : shared_kinds()) {
    CAPTURE(kind);
    Place place(kind);
    place.backend->create(header);
    place.backend.reset();
    int killed = 0;
    Random random(random_key(1, 0, "kill"));
    for (int round = 0; round < 200 && killed < 20; ++round) {
      std::vector<pid_t> children;
      for (int i = 0; i < 2; ++i)
        children.push_back(spawn([&] {
          auto storage = open_backend(place.url, false)->open("small");
          return execute(header, *small_objective(20000), *storage, {.workers = 1 + round % 3}).finished ? 0 : 1;
        }));
      std::this_thread::sleep_for(std::chrono::milliseconds(20 + random.below(80)));
#ifdef LATHE_WITH_POSTGRESQL
      if (kind == "postgresql" && round == 7) {
        test::PostgresServer::instance()->stop(test::PostgresServer::Stop::crash);
        std::this_thread::sleep_for(200ms);
        test::PostgresServer::instance()->start();
        std::this_thread::sleep_for(700ms);
      }
#endif
      for (const pid_t child : children) {
        kill(child, SIGKILL);
        if (wait_for(child) == 128 + SIGKILL) ++killed;
      }
    }
    CHECK(killed >= 20);
    auto storage = open_backend(place.url, false)->open("small");
    const StudyRun run = execute(header, *small_objective(), *storage, {.workers = 2});
    CHECK(run.finished);
    CHECK(run.hash == expected);
    CHECK(storage->tasks().empty());
  }
}

TEST_CASE("any number of workers and processes gives one hash") {
  const StudyHeader header = small_study(60);
  const std::string expected = reference_hash(header);
  for (const std::string& kind : shared_kinds())
    for (const int processes : {1, 2, 3})
      for (const int workers : {1, 2, 5}) {
        CAPTURE(kind);
        CAPTURE(processes);
        CAPTURE(workers);
        Place place(kind);
        place.backend->create(header);
        place.backend.reset();
        std::vector<pid_t> children;
        for (int i = 0; i < processes; ++i)
          children.push_back(spawn([&] {
            auto storage = open_backend(place.url, false)->open("small");
            const StudyRun run = execute(header, *small_objective(1500), *storage, {.workers = workers, .poll = 2ms});
            return run.finished && run.hash == expected ? 0 : 1;
          }));
        for (const pid_t child : children) CHECK(wait_for(child) == 0);
        auto storage = open_backend(place.url, false)->open("small");
        CHECK(execute(header, *small_objective(), *storage).hash == expected);
      }
}

void claim_with_four_processes(const Place& place) {
  constexpr int kTasks = 2000;
  {
    auto storage = open_backend(place.url, false)->open("small");
    std::vector<Task> tasks;
    for (int i = 0; i < kTasks; ++i) tasks.push_back({{i, 0}, static_cast<std::uint64_t>(i)});
    REQUIRE(storage->offer(0, tasks));
  }
  std::vector<pid_t> children;
  std::vector<int> pipes;
  for (int p = 0; p < 4; ++p) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    children.push_back(spawn([&] {
      auto mine = open_backend(place.url, false)->open("small");
      const std::string owner = "worker " + std::to_string(p);
      while (const auto lease = mine->claim(owner, 600s, 3)) {
        const auto trial = static_cast<std::int32_t>(lease->key.trial);
        if (write(ends[1], &trial, sizeof trial) != sizeof trial) return 1;
        if (lease->attempt != 1) return 2;
        std::this_thread::sleep_for(200us);  // some work between claims, so that all of them get their turn
      }
      return 0;
    }));
    close(ends[1]);
    pipes.push_back(ends[0]);
  }
  std::map<std::int32_t, int> claims;
  std::set<int> busy;
  for (std::size_t p = 0; p < pipes.size(); ++p) {
    for (std::int32_t trial; read(pipes[p], &trial, sizeof trial) == sizeof trial;) {
      ++claims[trial];
      busy.insert(static_cast<int>(p));
    }
    close(pipes[p]);
  }
  for (const pid_t child : children) CHECK(wait_for(child) == 0);
  CHECK(claims.size() == kTasks);
  int doubles = 0;
  for (const auto& [trial, count] : claims) doubles += count > 1;
  CHECK(doubles == 0);
  CHECK(busy.size() == 4);
}

TEST_CASE("four processes claim 2,000 tasks without one double claim") {
  for (const std::string& kind : shared_kinds()) {
    CAPTURE(kind);
    Place place(kind);
    place.backend->create(small_study());
    place.backend.reset();
    claim_with_four_processes(place);
  }
}

}  // namespace
}  // namespace lathe::nas
