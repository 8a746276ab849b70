// Every pruner: one study whatever runs it, in one objective and in two.
#include <vector>

#include "tests/nas/executor_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

/// The curves of support.h with a price: late, and sometimes lost for reasons of the machine.
class PricedObjective final : public Objective {
 public:
  PricedObjective(std::uint64_t schedule, std::size_t objectives) : late_(schedule, 200, 0.05), objectives_(objectives) {}
  Plan plan(const Point& p) const override { return curve_plan(p); }
  SegmentResult run(const Point& p, const SegmentContext& c, const Checkpoint& checkpoint) override {
    SegmentResult result = late_.run(p, c, checkpoint);
    if (objectives_ == 2 && result.failure == Failure::none)
      result.values.push_back(static_cast<double>(p.integer("hidden") * p.integer("layers")) + 0.1 * c.segment.step);
    return result;
  }

 private:
  ShakyObjective late_;
  std::size_t objectives_;
};

struct Pruned {
  const char* pruner;
  Settings settings;
};

const std::vector<Pruned> kPruners = {
    {"median@1", {{"n_startup_trials", 3}}},
    {"asha@1", {{"min_resource", 1}, {"reduction_factor", 2}}},
    {"asha@1", {{"reduction_factor", 2}}},  // finds its rungs from the first complete trial
    {"hyperband@1", {{"max_resource", 4}, {"reduction_factor", 2}}},
    {"hyperband@1", {{"reduction_factor", 2}}},
    {"wilcoxon@1", {{"p_threshold", 0.3}}},
    {"threshold@1", {{"lower", 0.55}, {"n_warmup_steps", 2}}},
    {"patient@1", {{"patience", 1}}},
    {"patient@1:asha@1", {{"patience", 0}, {"min_resource", 1}, {"reduction_factor", 2}}},
    {"patient@1:median@1", {{"patience", 0}, {"n_startup_trials", 2}}},
};

StudyHeader header_of(const Pruned& pruned, std::size_t objectives, std::uint64_t seed) {
  StudyHeader header = small_header(seed, 40);
  header.pruner = pruned.pruner;
  header.pruner_settings = pruned.settings;
  if (objectives == 2) {
    header.directions = {Direction::maximise, Direction::minimise};
    header.metrics = {"quality", "price"};
  }
  return header;
}

}  // namespace

TEST_CASE("pruners: one study hash for 1, 2, 3, 5 and 8 workers that are late, fail, and lose their leases") {
  for (const Pruned& pruned : kPruners)
    for (const std::size_t objectives : {1u, 2u}) {
      CAPTURE(pruned.pruner);
      CAPTURE(objectives);
      const StudyHeader header = header_of(pruned, objectives, 4);
      std::string hash;
      std::int64_t stopped = 0;
      for (const int workers : {1, 2, 3, 5, 8}) {
        const auto storage = memory_storage(header, true);
        PricedObjective objective(static_cast<std::uint64_t>(workers), objectives);
        ExecutorOptions options = with_workers(workers);
        options.max_failures = 1000;
        if (workers % 2) options.lease = std::chrono::milliseconds(0);  // every claimed segment may be taken over at once
        const StudyRun run = execute(header, objective, *storage, options);
        CHECK(run.finished);
        if (hash.empty()) hash = run.hash;
        CHECK(run.hash == hash);
        stopped = count_states(run.history).pruned;
      }
      if (objectives == 1) CHECK(stopped > 0);
    }
}

TEST_CASE("pruners: a study stopped anywhere goes on to the same end, with what the pruner remembers made anew") {
  for (const Pruned& pruned : kPruners) {
    CAPTURE(pruned.pruner);
    const StudyHeader header = header_of(pruned, 1, 9);
    const std::string hash = reference_hash(header);
    for (const std::uint64_t cut : {5u, 23u, 60u, 111u}) {
      const auto storage = memory_storage(header);
      const auto objective = curve_objective();
      ExecutorOptions options = with_workers(2);
      options.until_event = cut;
      CHECK_FALSE(execute(header, *objective, *storage, options).finished);
      options.until_event = ExecutorOptions{}.until_event;
      CHECK(execute(header, *objective, *storage, options).hash == hash);
    }
  }
}
