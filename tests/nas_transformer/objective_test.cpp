// The objective that searches run on: its plan is exact, and its results do not depend on what a checkpoint holds.
#include <lathe/nas/transformer/objective.h>
#include <lathe/nn/cost.h>
#include <lathe/train/trainer.h>

#include <map>

#include "tests/nas_transformer/support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

SegmentContext segment(const Plan& plan, int index) {
  SegmentContext context;
  context.trial = 3;
  context.index = index;
  context.segment = plan.segments[static_cast<std::size_t>(index)];
  context.seed = 11;
  return context;
}

/// Runs segments 0 … n − 1 against a store; the hashed part of every result.
std::vector<std::string> run_all(TrainingObjective& objective, const Point& p, CheckpointStore* store) {
  const Plan plan = objective.plan(p);
  std::vector<std::string> results;
  for (int i = 0; i < static_cast<int>(plan.segments.size()); ++i) {
    const SegmentResult result = objective.run(p, segment(plan, i), Checkpoint(store, 3, i));
    results.push_back(to_text(result));
    if (result.unit_done) break;
  }
  return results;
}

/// Forgets, or spoils what it keeps.
struct BadStore final : CheckpointStore {
  explicit BadStore(std::function<void(std::string&)> spoil_bytes) : spoil(std::move(spoil_bytes)) {}
  std::optional<std::pair<int, std::string>> load(std::int64_t, int before) override {
    const auto at = states.upper_bound(before);
    if (at == states.begin()) return {};
    ++loads;
    return *std::prev(at);
  }
  void save(std::int64_t, int at, std::string bytes) override {
    spoil(bytes);
    states[at] = std::move(bytes);
  }
  void drop(std::int64_t) override {}
  std::function<void(std::string&)> spoil;
  std::map<int, std::string> states;
  int loads = 0;
};

TrainingSetting setting() { return {base(), task(), {}, ""}; }

}  // namespace

TEST_CASE("a plan has a segment an epoch, at the exact cost of its FLOPs") {
  const data::EncodedSplits data = splits();
  std::vector<Candidate> candidates(6, base());
  candidates[1].hidden = 64;
  candidates[1].layers = 2;
  candidates[2].norm = NormKind::kRms;
  candidates[2].norm_place = nn::NormPlace::kPost;
  candidates[2].pooling = nn::Pooling::kFirst;
  candidates[3].positions = nn::Positions::kRotary;
  candidates[3].training.optimizer = train::OptimizerKind::kSgd;
  candidates[4].positions = nn::Positions::kSinusoidal;
  candidates[4].dropout = 0.3;
  candidates[5].layers = 2;
  candidates[5].per_layer = {candidates[5].all, candidates[5].all};
  candidates[5].per_layer[1].activation = UnaryOp::kSilu;
  for (const Candidate& candidate : candidates) {
    CAPTURE(candidate.architecture(task()).summary());
    const TrainingObjective objective({candidate, task(), {}, ""}, data.train, data.valid);
    const Plan plan = objective.plan(Point());
    const CandidateCost cost = objective.cost(Point());
    REQUIRE(plan.segments.size() == 4);
    for (int i = 0; i < 4; ++i) {
      CHECK(plan.segments[static_cast<std::size_t>(i)].unit == 0);
      CHECK(plan.segments[static_cast<std::size_t>(i)].step == i + 1);
      CHECK(plan.segments[static_cast<std::size_t>(i)].ticks == std::max<std::int64_t>(1, cost.epoch_flops / (1 << 20)));
    }
    // The same epoch on a device that computes: its counter, its parameters.
    Context context;
    const data::EncodedDataset none;
    train::Trainer trainer(context, candidate.architecture(task()), candidate.training, data.train, none);
    const std::uint64_t before = static_cast<std::uint64_t>(context.flops().total());
    trainer.run_epoch();
    CHECK(static_cast<std::uint64_t>(cost.epoch_flops) == static_cast<std::uint64_t>(context.flops().total()) - before);
    // Batches of many groups, each with its own forward and backward pass.
    Candidate many = candidate;
    many.training.batch_rows = 300;
    const data::EncodedDataset crowd = rows(700, 5);
    Context other;
    train::Trainer longer(other, many.architecture(task()), many.training, crowd, none);
    const std::int64_t already = other.flops().total();
    longer.run_epoch();
    CHECK(cost_of(many, task(), crowd).epoch_flops == other.flops().total() - already);
    // Batches of one group among rows of many: the loss of a row, 12 FLOPs a class, is counted once too often.
    many.training.batch_rows = 20;
    Context third;
    train::Trainer shorter(third, many.architecture(task()), many.training, crowd, none);
    const std::int64_t yet = third.flops().total();
    shorter.run_epoch();
    CHECK(cost_of(many, task(), crowd).epoch_flops - (third.flops().total() - yet) == 700 * 12 * 2);
    std::int64_t parameters = 0;
    for (const Var& p : trainer.model().parameters()) parameters += p.value().numel();
    CHECK(cost.parameters == parameters);
    CHECK(has(plan.attributes, "\"params\":" + std::to_string(parameters)));
    CHECK(has(plan.attributes, candidate.architecture(task()).summary()));
  }
}

TEST_CASE("points that are no model, or beyond the limits, are refused before they exist") {
  const data::EncodedSplits data = splits();
  const TrainingObjective objective(setting(), data.train, data.valid);
  CHECK_FALSE(objective.refuse(Point()));
  const auto heads = objective.refuse(point({{"heads", 3}}));
  REQUIRE(heads);
  CHECK(has(*heads, "8 is not divisible by"));
  CHECK(has(objective.refuse(point({{"lr", -1.0}})).value_or("none"), "lr = -1"));
  const std::int64_t size = objective.cost(Point()).parameters;
  const auto at_most = [](std::int64_t bound) {
    return Limit{Quantity::kParams, false, static_cast<double>(bound), "limits.params = " + std::to_string(bound)};
  };
  CHECK_FALSE(TrainingObjective({base(), task(), {at_most(size)}, ""}, data.train, data.valid).refuse(Point()));
  CHECK(TrainingObjective({base(), task(), {at_most(size - 1)}, ""}, data.train, data.valid).refuse(Point()) ==
        "limits.params = " + std::to_string(size - 1) + ", this model has " + std::to_string(size));
}

TEST_CASE("results are those of one undisturbed training, whatever became of the checkpoints") {
  const data::EncodedSplits data = splits();
  TrainingObjective objective(setting(), data.train, data.valid);
  Context context({.seed = 11, .trial = 3});
  train::Trainer trainer(context, base().architecture(task()), base().training, data.train, data.valid);
  std::vector<std::string> expected;
  while (!trainer.done()) {
    const train::EpochResult result = trainer.run_epoch();
    SegmentResult segment_result = SegmentResult::of(result.valid.accuracy);
    segment_result.digest = trainer.weights_hash().substr(0, 16);
    expected.push_back(to_text(segment_result));
  }
  REQUIRE(expected.size() == 4);

  const auto kept = memory_checkpoints();
  CHECK(run_all(objective, Point(), kept.get()) == expected);
  struct Forgetful final : CheckpointStore {
    std::optional<std::pair<int, std::string>> load(std::int64_t, int) override { return {}; }
    void save(std::int64_t, int, std::string) override {}
    void drop(std::int64_t) override {}
  } forgetful;
  CHECK(run_all(objective, Point(), &forgetful) == expected);
  const std::vector<std::function<void(std::string&)>> damages = {
      [](std::string& bytes) { bytes.resize(bytes.size() / 2); }, [](std::string& bytes) { bytes.clear(); },
      [](std::string& bytes) { bytes[bytes.size() - 9] = static_cast<char>(bytes[bytes.size() - 9] ^ 1); }};
  for (const auto& damage : damages) {
    BadStore store(damage);
    CHECK(run_all(objective, Point(), &store) == expected);
    CHECK(store.loads == 3);
  }
  // The checkpoint of another trial's training (a folder used twice): not taken for this one's.
  BadStore foreign([](std::string&) {});
  TrainingObjective other({base(), task(), {}, ""}, data.valid, data.train);
  other.run(Point(), segment(other.plan(Point()), 0), Checkpoint(&foreign, 3, 0));
  CHECK(to_text(objective.run(Point(), segment(objective.plan(Point()), 1), Checkpoint(&foreign, 3, 1))) == expected[1]);
}

TEST_CASE("patience ends the unit early, but not at its last epoch") {
  const data::EncodedSplits data = splits();
  Candidate still = base();
  still.training.lr = 1e-9;  // no epoch is better than the first
  still.training.patience = 2;
  TrainingObjective objective({still, task(), {}, ""}, data.train, data.valid);
  const auto store = memory_checkpoints();
  const std::vector<std::string> results = run_all(objective, Point(), store.get());
  REQUIRE(results.size() == 3);
  CHECK_FALSE(has(results[1], " end"));
  CHECK(has(results[2], " end"));
  still.training.epochs = 3;
  TrainingObjective shorter({still, task(), {}, ""}, data.train, data.valid);
  const std::vector<std::string> whole = run_all(shorter, Point(), memory_checkpoints().get());
  REQUIRE(whole.size() == 3);
  CHECK_FALSE(has(whole[2], " end"));
}

TEST_CASE("a loss that is not finite fails the trial; a request to stop and a full disk do not") {
  const data::EncodedSplits data = splits();
  TrainingObjective objective(setting(), data.train, data.valid);
  const Point wild = point({{"lr", 1e37}});
  const SegmentResult failed = objective.run(wild, segment(objective.plan(wild), 0), Checkpoint(memory_checkpoints().get(), 3, 0));
  CHECK(failed.failure == Failure::non_finite);
  CHECK(failed.values.empty());
  CHECK(has(failed.note, "["));

  SegmentContext stopped = segment(objective.plan(Point()), 0);
  stopped.stop_requested = [] { return true; };
  CHECK_THROWS_AS(objective.run(Point(), stopped, Checkpoint(memory_checkpoints().get(), 3, 0)), Interrupted);

  BadStore full([](std::string&) { throw InfrastructureError("trial-3-0.ckpt: cannot write: No space left on device"); });
  CHECK(message_of<InfrastructureError>([&] {
          objective.run(Point(), segment(objective.plan(Point()), 0), Checkpoint(&full, 3, 0));
        }) == "trial-3-0.ckpt: cannot write: No space left on device");
}
