// Cheaper trainings and the objectives on them: what is left of data and architecture, what is charged, what is refused.
#include <lathe/nas/executor.h>
#include <lathe/nas/storage/memory.h>
#include <lathe/nas/transformer/proxy.h>
#include <lathe/nas/transformer/search.h>
#include <lathe/nn/cost.h>
#include <lathe/train/trainer.h>

#include <algorithm>
#include <map>

#include "tests/nas_transformer/support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

using Row = std::vector<std::int32_t>;

std::vector<Row> rows_of(const data::EncodedDataset& rows) {
  std::vector<Row> out;
  for (std::size_t i = 0; i < rows.rows(); ++i) out.emplace_back(rows.sequence(i).begin(), rows.sequence(i).end());
  return out;
}

std::map<std::int32_t, int> classes(const data::EncodedDataset& rows) {
  std::map<std::int32_t, int> out;
  for (const std::int32_t label : rows.labels) ++out[label];
  return out;
}

/// Row i is {i}, of class i % 10 == 0 ? 1 : 0.
data::EncodedDataset numbered(int count) {
  data::EncodedDataset out;
  for (int i = 0; i < count; ++i) out.add(Row{i}, i % 10 == 0);
  return out;
}

TrainingSetting setting() { return {base(), task()}; }

SegmentContext segment(const Plan& plan, int index, std::int64_t trial = 3) {
  SegmentContext context;
  context.trial = trial;
  context.index = index;
  context.segment = plan.segments.at(static_cast<std::size_t>(index));
  context.seed = 11;
  return context;
}

}  // namespace

TEST_CASE("a subset has its share of every class, in the old order, and smaller ones lie in larger ones") {
  const data::EncodedDataset all = numbered(200);
  const RandomKey key = random_key(1, 0, "proxy data");
  std::vector<Row> larger = rows_of(all);
  for (const double share : {1.0, 0.5, 0.25, 0.1, 0.001}) {
    const data::EncodedDataset some = stratified_subset(all, share, key);
    const auto count = classes(some);
    CHECK(count.at(0) == std::max(1, static_cast<int>(180 * share + 0.5)));
    CHECK(count.at(1) == std::max(1, static_cast<int>(20 * share + 0.5)));
    const std::vector<Row> rows = rows_of(some);
    CHECK(std::is_sorted(rows.begin(), rows.end()));
    CHECK(std::includes(larger.begin(), larger.end(), rows.begin(), rows.end()));
    for (std::size_t i = 0; i < some.rows(); ++i) CHECK(some.labels[i] == (rows[i][0] % 10 == 0));
    larger = rows;
  }
  CHECK(rows_of(stratified_subset(all, 0.5, key)) == rows_of(stratified_subset(all, 0.5, key)));
  CHECK(rows_of(stratified_subset(all, 0.5, key)) != rows_of(stratified_subset(all, 0.5, random_key(2, 0, "proxy data"))));
  CHECK(stratified_subset({}, 0.5, key).rows() == 0);
  CHECK(has(message_of([&] { stratified_subset(all, 0, key); }), "above 0 to 1"));
}

TEST_CASE("long texts are cut as the encoder cuts them") {
  data::EncodedDataset rows;
  rows.add(Row{2, 10, 11, 12, 13, 3}, 1);
  rows.add(Row{2, 10, 3}, 0);
  rows.add(Row{7}, 0);
  const data::EncodedDataset cut = truncated(rows, 4);
  CHECK(rows_of(cut) == std::vector<Row>{{2, 10, 11, 3}, {2, 10, 3}, {7}});
  CHECK(cut.labels == rows.labels);
  CHECK(cut.cut_rows == 1);
  CHECK(rows_of(truncated(rows, 6)) == rows_of(rows));

  data::EncodedDataset pairs;
  pairs.add(Row{2, 10, 11, 12, 13, 3, 20, 3}, 1);
  pairs.types = {0, 0, 0, 0, 0, 0, 1, 1};
  const data::EncodedDataset shorter = truncated(pairs, 6);
  CHECK(rows_of(shorter) == std::vector<Row>{{2, 10, 11, 3, 20, 3}});
  CHECK(shorter.types == std::vector<std::int32_t>{0, 0, 0, 0, 1, 1});
  CHECK(rows_of(truncated(pairs, 4)) == std::vector<Row>{{2, 3, 20, 3}});
}

TEST_CASE("smaller architectures stay architectures of their kind") {
  nn::TransformerConfig a = nn::TransformerConfig::uniform({.layers = 4, .hidden = 96, .heads = 4, .ffn = 384});
  a.vocab_size = 12;
  for (std::size_t i = 0; i < 4; ++i) a.layers[i].ffn = static_cast<Index>(100 * (i + 1));
  CHECK(scaled(a, 1, 1) == a);
  const nn::TransformerConfig half = scaled(a, 0.5, 0.5);
  CHECK(half.hidden == 48);
  REQUIRE(half.layers.size() == 2);
  CHECK(half.layers[0].ffn == 100);  // of layers 1 and 3: the middle of each half
  CHECK(half.layers[1].ffn == 200);
  CHECK(half.layers[0].heads == 4);
  CHECK(scaled(a, 0.01, 0.01).hidden == 4);
  CHECK(scaled(a, 0.01, 0.01).layers.size() == 1);
  nn::TransformerConfig mixed = a;
  mixed.positions = nn::Positions::kRotary;
  mixed.hidden = 120;
  mixed.layers[0].heads = 3;
  mixed.layers[1].heads = 5;
  mixed.layers[2].head_dim = 10;
  mixed.layers[3].heads = 2;
  for (const double width : {0.9, 0.5, 0.3, 0.1, 0.01})
    for (const double depth : {1.0, 0.75, 0.3}) {
      const nn::TransformerConfig s = scaled(mixed, width, depth);
      s.validate();
      CHECK(s.hidden <= mixed.hidden);
      for (const nn::LayerConfig& layer : s.layers) CHECK(layer.head_dim % 2 == 0);
    }
  CHECK(scaled(mixed, 0.5, 1).layers[2].head_dim == 6);
}

TEST_CASE("a cheap training has the steps, rows, lengths and sizes that the fidelity says") {
  const data::EncodedDataset train = rows(400, 1), valid = rows(30, 2);
  TrainingSetting full = setting();  // 4 epochs of 25 steps
  const auto of = [&](const Fidelity& f) { return cheapened(full, train, valid, f, 1); };
  CHECK(of({.steps = 0.5}).setting.base.training.epochs == 2);
  CHECK(of({.steps = 0.5}).train.rows() == 400);
  const CheapTraining quarter = of({.steps = 0.2});  // 0.8 epochs
  CHECK(quarter.setting.base.training.epochs == 1);
  CHECK(std::abs(static_cast<int>(quarter.train.rows()) - 320) <= 1);
  const CheapTraining most = of({.steps = 0.7});  // 2.8 epochs: 3 of 14/15
  CHECK(most.setting.base.training.epochs == 3);
  CHECK(std::abs(static_cast<int>(most.train.rows()) - 373) <= 1);
  CHECK(std::abs(static_cast<int>(of({.steps = 0.2, .data = 0.5}).train.rows()) - 160) <= 1);
  const CheapTraining all = of({.steps = 0.25, .data = 0.25, .max_tokens = 4, .width = 0.5, .depth = 1});
  CHECK(all.train.longest() <= 4);
  CHECK(all.valid.longest() <= 4);
  CHECK(all.valid.rows() == 30);
  CHECK(all.setting.task.max_tokens == 4);
  CHECK(all.setting.base.architecture(all.setting.task).hidden == 4);
  CHECK(of({.max_tokens = 1000}).setting.task.max_tokens == task().max_tokens);
  for (const Fidelity& bad : {Fidelity{.steps = 0}, Fidelity{.data = 1.5}, Fidelity{.max_tokens = 3}, Fidelity{.max_tokens = -1},
                              Fidelity{.width = -1}, Fidelity{.depth = std::numeric_limits<double>::quiet_NaN()}})
    CHECK(has(message_of([&] { of(bad); }), "proxy."));
  CHECK(Fidelity{.steps = 0.5}.json() == R"({"steps":0.5,"data":1,"max_tokens":0,"width":1,"depth":1})");
}

TEST_CASE("a cheap training is the training that one would write by hand, at its exact cost") {
  const data::EncodedDataset train = rows(80, 1), valid = rows(24, 2);
  const TrainingObjective full(setting(), train, valid);
  ProxySetting proxy;
  proxy.fidelity = {.steps = 0.5, .data = 0.5, .max_tokens = 4, .width = 0.5};
  ProxyObjective objective(full, proxy, train, valid, 7);
  const Plan plan = objective.plan(Point());
  REQUIRE(plan.segments.size() == 2);
  CHECK(plan.attributes == full.plan(Point()).attributes);

  Candidate small = base();
  small.hidden = 4;
  small.training.epochs = 2;
  TaskShape shape = task();
  shape.max_tokens = 4;
  const data::EncodedDataset some = truncated(stratified_subset(train, 0.5, random_key(7, 0, "proxy data")), 4),
                             shorter = truncated(valid, 4);
  TrainingObjective by_hand({small, shape}, some, shorter);
  for (int i = 0; i < 2; ++i) {
    CHECK(plan.segments[static_cast<std::size_t>(i)] == by_hand.plan(Point()).segments[static_cast<std::size_t>(i)]);
    const auto store = memory_checkpoints(), other = memory_checkpoints();
    CHECK(to_text(objective.run(Point(), segment(plan, i), Checkpoint(store.get(), 3, i))) ==
          to_text(by_hand.run(Point(), segment(plan, i), Checkpoint(other.get(), 3, i))));
  }
  // The real architecture's limits hold.
  const std::int64_t size = full.cost(Point()).parameters;
  const TrainingObjective limited(
      {base(), task(), {Limit{.quantity = Quantity::kParams, .bound = static_cast<double>(size - 1), .text = "limits.params"}}},
      train, valid);
  CHECK(ProxyObjective(limited, proxy, train, valid, 7).refuse(Point()).has_value());
  CHECK_FALSE(objective.refuse(Point()).has_value());
  CHECK(objective.refuse(point({{"heads", 3}})).has_value());
}

TEST_CASE("a score is one segment, charged as it costs, the same for every trial") {
  const data::EncodedDataset train = rows(200, 1), valid = rows(24, 2);
  const TrainingObjective full(setting(), train, valid);
  for (const ProxyScore kind : proxy_scores()) {
    ProxySetting proxy = ProxySetting::of_kind(name_of(kind));
    proxy.batch_rows = 16;
    ProxyObjective objective(full, proxy, train, valid, 7);
    const Point wide = point({{"hidden", 16}, {"layers", 3}});
    const Plan plan = objective.plan(wide);
    REQUIRE(plan.segments.size() == 1);
    CHECK(plan.segments[0].ticks >= 1);
    CHECK(plan.segments[0].ticks < full.plan(wide).segments[0].ticks + 8);
    const auto store = memory_checkpoints();
    const SegmentResult a = objective.run(wide, segment(plan, 0, 3), Checkpoint(store.get(), 3, 0));
    const SegmentResult b = objective.run(wide, segment(plan, 0, 4), Checkpoint(store.get(), 4, 0));
    REQUIRE(a.values.size() == 1);
    CHECK(a == b);
    const data::EncodedDataset batch = stratified_subset(train, 16.0 / 200, random_key(7, 0, "proxy batch"));
    Context context({.threads = 1, .seed = 11});
    nn::Classifier model(context, full.candidate(wide).architecture(task()));
    CHECK(a.values[0] == proxy_score(kind, model, batch));
    TrainingSetting several = setting();
    several.objectives = {Quantity::kParams, Quantity::kLoss};
    const TrainingObjective both(several, train, valid);
    ProxyObjective turned(both, proxy, train, valid, 7);
    CHECK(turned.measured_objective() == 1);
    const double size = static_cast<double>(both.cost(wide).parameters);
    CHECK(turned.run(wide, segment(plan, 0), Checkpoint(store.get(), 3, 0)).values == std::vector<double>{size, -a.values[0]});
    SegmentContext stopped = segment(plan, 0);
    stopped.stop_requested = [] { return true; };
    CHECK_THROWS_AS(objective.run(wide, stopped, Checkpoint(store.get(), 3, 0)), Interrupted);
  }
}

TEST_CASE("a cheap training of several objectives states the size of the real architecture") {
  const data::EncodedDataset train = rows(80, 1), valid = rows(24, 2);
  TrainingSetting several = setting();
  several.objectives = {Quantity::kAccuracy, Quantity::kParams, Quantity::kLoss};
  const TrainingObjective full(several, train, valid);
  ProxySetting proxy;
  proxy.fidelity = {.width = 0.5};
  ProxyObjective objective(full, proxy, train, valid, 7);
  const auto store = memory_checkpoints();
  const SegmentResult result = objective.run(Point(), segment(objective.plan(Point()), 0), Checkpoint(store.get(), 3, 0));
  REQUIRE(result.values.size() == 3);
  CHECK(result.values[1] == static_cast<double>(full.cost(Point()).parameters));
  // Two numbers that training measures, one score; and none.
  CHECK(has(message_of([&] { ProxyObjective(full, ProxySetting::of_kind("snip"), train, valid, 7); }), "2 measured objectives"));
  TrainingSetting known = setting();
  known.objectives = {Quantity::kParams};
  const TrainingObjective none(known, train, valid);
  CHECK(has(message_of([&] { ProxyObjective(none, proxy, train, valid, 7); }), "no objective of the study is measured"));
  TrainingSetting bounded = setting();
  bounded.limits = {{.quantity = Quantity::kAccuracy, .at_least = true, .bound = 0.5, .text = "accuracy >= 0.5"}};
  const TrainingObjective limited(bounded, train, valid);
  CHECK(has(message_of([&] { ProxyObjective(limited, ProxySetting::of_kind("snip"), train, valid, 7); }),
            "accuracy >= 0.5: only training"));
  CHECK(ProxyObjective(limited, proxy, train, valid, 7).setting().kind() == "training");
}

TEST_CASE("settings that mean nothing are refused") {
  CHECK(has(message_of([] { ProxySetting::of_kind("sinflow"); }), "did you mean synflow?"));
  CHECK(ProxySetting::of_kind("training").kind() == "training");
  CHECK(has(message_of([] { ProxySetting::of_kind("training").validate(); }), "training in full"));
  ProxySetting both = ProxySetting::of_kind("snip");
  CHECK(both.json() == R"({"kind":"snip","batch_rows":32})");
  both.fidelity.steps = 0.5;
  CHECK(has(message_of([&] { both.validate(); }), "trains nothing"));
  both.fidelity = {};
  both.batch_rows = 1;
  CHECK(has(message_of([&] { both.validate(); }), "batch_rows = 1"));
}

TEST_CASE("a length that cuts no text is no proxy") {
  const data::EncodedDataset train = rows(40, 1), valid = rows(24, 2);
  const TrainingObjective full(setting(), train, valid);
  ProxySetting proxy = ProxySetting::of_kind("training");
  for (const std::int64_t tokens : {task().max_tokens, task().max_tokens + 1}) {
    proxy.fidelity = {.max_tokens = tokens};
    CHECK(message_of([&] { ProxyObjective(full, proxy, train, valid, 7); }) ==
          message_of([] { ProxySetting::of_kind("training").validate(); }));
    proxy.fidelity.data = 0.5;
    CHECK(ProxyObjective(full, proxy, train, valid, 7).cheap().setting.task.max_tokens == task().max_tokens);
  }
  proxy.fidelity = {.max_tokens = task().max_tokens - 1};
  CHECK(ProxyObjective(full, proxy, train, valid, 7).cheap().setting.task.max_tokens == task().max_tokens - 1);
}

TEST_CASE("a search on a proxy has one hash for any number of workers") {
  const data::EncodedDataset train = rows(120, 1), valid = rows(24, 2);
  const TrainingObjective full(setting(), train, valid);
  StudyHeader header;
  header.space = SpaceBuilder().ordinal("hidden", {4, 8, 12}).integer("layers", 1, 3).ordinal("lr", {0.001, 0.01}).build();
  header.trials = 12;
  header.metrics = {"accuracy"};
  header.sampler = "tpe@optuna-5.0";
  header.sampler_settings = {{"n_startup_trials", 4}};
  for (const char* kind : {"training", "synflow", "diversity"}) {
    ProxySetting proxy = ProxySetting::of_kind(kind);
    if (!proxy.score) proxy.fidelity = {.steps = 0.5, .data = 0.5, .depth = 0.5};
    std::vector<std::string> hashes;
    for (const int workers : {1, 2, 5}) {
      ProxyObjective objective(full, proxy, train, valid, header.seed);
      const auto storage = memory_storage(header);
      const StudyRun run = execute(header, objective, *storage, {.workers = workers});
      REQUIRE(run.finished);
      hashes.push_back(run.hash);
      // The finalists of such a study are to be trained in full.
      for (const Finalist& finalist : choose_finalists(run.history, header, base(), 3, 0)) {
        CHECK(finalist.candidate.training.epochs == 4);
        const nn::TransformerConfig architecture = finalist.candidate.architecture(task());
        if (finalist.trial < 0) continue;
        const Point& point = run.history.trials[static_cast<std::size_t>(finalist.trial)].point;
        CHECK(static_cast<std::int64_t>(architecture.layers.size()) == point.integer("layers"));
        CHECK(architecture.hidden == point.integer("hidden"));
      }
    }
    CHECK(hashes[0] == hashes[1]);
    CHECK(hashes[0] == hashes[2]);
  }
}
