// Every sampler with every pruner in one database, worked on by processes that come, lose leases and are killed.
#include <doctest/doctest.h>
#include <lathe/base/text.h>
#include <lathe/nas/storage/memory.h>

#include <csignal>

#include "tests/nas/combinations.h"
#include "tests/nas/executor_support.h"
#include "tests/storage/place.h"
#include "tests/storage/process.h"
#include "tests/storage/study.h"

namespace lathe::nas {
namespace {

using namespace std::chrono_literals;
using lathe::test::wait_for;
using test::Choice;
using test::combined;
using test::FickleStorage;
using test::kEveryPruner;
using test::kEverySampler;
using test::ShakyObjective;

/// A process that works on the study, with leases that get lost. It exits with 0 if the study is finished and has this hash.
pid_t start(const StudyHeader& header, const std::string& url, const std::string& hash, int workers, std::uint64_t schedule) {
  return lathe::test::spawn([&] {
    const auto storage = open_backend(url, false)->open(header.name);
    FickleStorage fickle(*storage, schedule);
    ShakyObjective objective(schedule, 400, 0.02);
    ExecutorOptions options = test::knowing_all();
    options.workers = workers;
    options.poll = 2ms;
    options.lease = 60ms;
    options.max_failures = 1000;
    const StudyRun run = execute(header, objective, fickle, options);
    return run.finished && run.hash == hash ? 0 : 1;
  });
}

std::string calm_hash(const StudyHeader& header) {
  const auto objective = test::curve_objective();
  return execute(header, *objective, *memory_storage(header), test::knowing_all()).hash;
}

/// Of databases. The parent keeps no connection, which its children would inherit.
std::vector<std::string> databases() {
  std::vector<std::string> kinds = lathe::test::kinds_of_storage();
  kinds.erase(kinds.begin());
  return kinds;
}

/// The hash and the tasks that processes left in the database.
void check_finished(const std::string& url, const StudyHeader& header, const std::string& hash) {
  const auto storage = open_backend(url, false)->open(header.name);
  CHECK(study_hash(header.json(), storage->events(0)) == hash);
  CHECK(storage->tasks().empty());
}

void one_hash_for_any_workers(const std::string& kind) {
  // Each sampler with two pruners and each pruner with two samplers: the diagonal and the one beside it.
  for (std::size_t i = 0; i < kEverySampler.size(); ++i)
    for (const std::size_t shift : {std::size_t{0}, std::size_t{1}}) {
      const Choice &sampler = kEverySampler[i], &pruner = kEveryPruner[(i + shift) % kEveryPruner.size()];
      CAPTURE(sampler.tag);
      CAPTURE(pruner.tag);
      StudyHeader header = combined(sampler, pruner, 16, 3);
      const std::string hash = calm_hash(header);
      lathe::test::Place place(kind);
      place.backend.reset();
      for (const int workers : {1, 2, 3, 5, 8}) {
        CAPTURE(workers);
        header.name = str("with ", workers);  // a label, not in the hash
        open_backend(place.url, true)->create(header);
        const int processes = std::min(workers, 1 + workers / 2 + (workers == 2));
        std::vector<pid_t> children;
        for (int p = 0; p < processes; ++p)
          children.push_back(start(header, place.url, hash, workers / processes + (p < workers % processes),
                                   static_cast<std::uint64_t>(10 * workers + p)));
        for (const pid_t child : children) CHECK(wait_for(child) == 0);
        check_finished(place.url, header, hash);
      }
    }
}

TEST_CASE("every sampler and every pruner: one hash for 1, 2, 3, 5 and 8 workers in one to five processes") {
  for (const std::string& kind : databases()) {
    CAPTURE(kind);
    one_hash_for_any_workers(kind);
  }
}

TEST_CASE("every sampler and every pruner: killed again and again, the study is the one that an undisturbed run gives") {
  Random chance(random_key(5, 0, "kills"));
  int killed = 0;
  const std::vector<std::string> kinds = databases();
  for (std::size_t i = 0; i < kEverySampler.size(); ++i) {
    const Choice &sampler = kEverySampler[i], &pruner = kEveryPruner[(i + 3) % kEveryPruner.size()];
    CAPTURE(sampler.tag);
    CAPTURE(pruner.tag);
    const StudyHeader header = combined(sampler, pruner, 24, 4);
    const std::string hash = calm_hash(header);
    lathe::test::Place place(kinds[i % kinds.size()]);
    place.backend.reset();
    open_backend(place.url, true)->create(header);
    for (int kills = 0, round = 0; kills < 6 && round < 40; ++round) {
      const pid_t victim = start(header, place.url, hash, 1 + round % 3, static_cast<std::uint64_t>(round));
      std::this_thread::sleep_for(std::chrono::milliseconds(5 + chance.below(40)));
      kill(victim, SIGKILL);
      const bool died = wait_for(victim) == 128 + SIGKILL;
      kills += died;
      killed += died;
      if (!died) break;  // it was faster
    }
    CHECK(wait_for(start(header, place.url, hash, 2, 99)) == 0);
    check_finished(place.url, header, hash);
  }
  CHECK(killed >= 20);
  MESSAGE(killed << " kills in " << kEverySampler.size() << " studies");
}

}  // namespace
}  // namespace lathe::nas
