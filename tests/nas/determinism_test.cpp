// Every sampler with every pruner gives one study, whatever its workers do: threads here, processes in tests/storage/crash.cpp.
#include <algorithm>
#include <set>

#include "tests/nas/combinations.h"
#include "tests/nas/executor_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

TEST_CASE("determinism: the combinations are all that exist") {
  const auto names = [](const std::vector<Choice>& choices) {
    std::set<std::string> out;
    for (const Choice& choice : choices) out.insert(choice.tag.substr(0, choice.tag.find(':')));
    return out;
  };
  const auto samplers = all_samplers().tags(), pruners = PrunerRegistry::builtin().tags();
  CHECK(names(kEverySampler) == std::set<std::string>(samplers.begin(), samplers.end()));
  CHECK(names(kEveryPruner) == std::set<std::string>(pruners.begin(), pruners.end()));
}

TEST_CASE("determinism: every sampler with every pruner, 1, 2, 3, 5 and 8 threads that are late and lose their leases") {
  std::set<std::string> hashes;
  std::int64_t pruned = 0;
  int refused = 0;
  for (const Choice& sampler : kEverySampler)
    for (const Choice& pruner : kEveryPruner) {
      CAPTURE(sampler.tag);
      CAPTURE(pruner.tag);
      const StudyHeader header = combined(sampler, pruner, 20);
      const auto calm = memory_storage(header);
      const auto objective = curve_objective();
      const StudyRun reference = execute(header, *objective, *calm, knowing_all());
      REQUIRE(reference.finished);
      hashes.insert(reference.hash);
      if (pruner.tag != "none@1") pruned += count_states(reference.history).pruned;
      for (const int workers : {1, 2, 3, 5, 8}) {
        const auto storage = memory_storage(header, true);
        FickleStorage fickle(*storage, static_cast<std::uint64_t>(workers));
        ShakyObjective shaky(static_cast<std::uint64_t>(workers), 60, 0.05);
        ExecutorOptions options = knowing_all(with_workers(workers));
        options.max_failures = 1000;
        options.lease = std::chrono::milliseconds(30);
        const StudyRun run = execute(header, shaky, fickle, options);
        CHECK(run.finished);
        CHECK(run.hash == reference.hash);
        CHECK(storage->tasks().empty());
        refused += fickle.refused;
      }
    }
  CHECK(hashes.size() == kEverySampler.size() * kEveryPruner.size());  // no two combinations are the same study
  CHECK(pruned > 100);
  CHECK(refused > 500);
}

TEST_CASE("determinism: every sampler with two objectives, constraints and each way with duplicates") {
  std::int64_t all_reused = 0;
  for (const Choice& sampler : kEverySampler)
    for (const Duplicates duplicates : {Duplicates::reject, Duplicates::reuse, Duplicates::allow})
      for (const std::size_t objectives : {std::size_t{1}, std::size_t{2}}) {
        if (objectives == 2 && serves_one(sampler.tag)) continue;
        CAPTURE(sampler.tag);
        const std::string policy = duplicates_name(duplicates);
        CAPTURE(policy);
        StudyHeader header = combined(sampler, kEveryPruner[0], 24, 2);
        // Few points, so that duplicates happen.
        header.space = SpaceBuilder()
                           .integer("layers", 1, 2)
                           .integer("hidden", 32, 128, {.step = 32})
                           .real("lr", 0.1, 0.4, {.step = 0.1})
                           .build();
        header.duplicates = duplicates;
        header.constraints = {"price"};
        if (objectives == 2) {
          header.directions = {Direction::maximise, Direction::minimise};
          header.metrics = {"quality", "size"};
        }
        std::string hash;
        std::int64_t reused = 0;
        for (const int workers : {1, 2, 3, 5, 8}) {
          Random chance(random_key(static_cast<std::uint64_t>(workers), 0, "schedule"));
          std::mutex mutex;
          const auto objective = objective_of(curve_plan, [&](const Point& p, const SegmentContext& c, const Checkpoint&) {
            sleep_somewhat(chance, mutex, 60);
            SegmentResult result = curve(p, c.segment, c.trial, c.seed);
            if (result.failure != Failure::none) return result;
            if (objectives == 2) result.values.push_back(static_cast<double>(p.integer("hidden")));
            result.constraints = {static_cast<double>(p.integer("hidden") * p.integer("layers")) - 150};
            return result;
          });
          const StudyRun run =
              execute(header, *objective, *memory_storage(header, workers > 2), knowing_all(with_workers(workers)));
          CHECK(run.finished);
          if (hash.empty()) hash = run.hash;
          CHECK(run.hash == hash);
          reused =
              std::count_if(run.history.trials.begin(), run.history.trials.end(), [](const Trial& t) { return t.reused >= 0; });
        }
        all_reused += reused;
        if (duplicates != Duplicates::reuse) CHECK(reused == 0);
      }
  CHECK(all_reused > 5);
}
