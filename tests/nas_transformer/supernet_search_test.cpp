// A search on inherited weights: preparing them, the objective, and one study for any number of workers.
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/storage/memory.h>
#include <lathe/nas/transformer/supernet_objective.h>
#include <lathe/nas/transformer/supernet_preparation.h>
#include <lathe/nn/cost.h>

#include "tests/nas_transformer/supernet_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;
namespace fs = std::filesystem;

namespace {

struct Setup {
  data::EncodedSplits data = splits();
  Space space = shared_space();
  TrainingObjective training{{shared_base(), task(), {}, ""}, data.train, data.valid};
  Folder folder;

  SupernetJob job() {
    SupernetJob job;
    job.folder = folder.path();
    job.space = &space;
    job.training = &training;
    job.train = &data.train;
    job.valid = &data.valid;
    job.seed = 3;
    job.options = short_training();
    job.warn = [this](const std::string& text) { warnings.push_back(text); };
    return job;
  }
  std::vector<std::string> warnings;
};

SegmentContext segment(const Plan& plan) {
  SegmentContext context;
  context.segment = plan.segments[0];
  return context;
}

StudyHeader header_of(const Setup& setup, const SupernetFacts& facts, const std::string& sampler) {
  StudyHeader header;
  header.space = setup.space;
  header.trials = 24;
  header.seed = 3;
  header.metrics = {"accuracy"};
  header.sampler = sampler;
  if (sampler == "evolution@1") header.sampler_settings = {{"population_size", 8}, {"sample_size", 3}};
  header.preparation = JsonWriter().begin_object().key("supernet").raw(facts.json()).end_object().text();
  return header;
}

}  // namespace

TEST_CASE("supernet: a preparation that is stopped, killed, damaged or done again ends with the same weights") {
  Setup whole;
  const SupernetPreparation expected = prepare_supernet(whole.job());
  CHECK(expected.history.size() == 2);
  CHECK(expected.facts.weights == expected.supernet->hash());
  CHECK(SupernetFacts::parse(expected.facts.json()) == expected.facts);
  CHECK(has(message_of([] { SupernetFacts::parse("{\"epochs\":1}"); }), "does not describe a supernet"));

  Setup stopped;
  const fs::path file = fs::path(stopped.folder.path()) / "supernet.ckpt";
  SupernetJob job = stopped.job();
  int asked = 0;
  job.stop_requested = [&] { return ++asked % 2 == 0; };
  int stops = 0;
  std::vector<std::string> states;  // after each stop: what a kill would leave
  for (bool done = false; !done;) {
    job.threads = stops % 3 + 1;
    try {
      const SupernetPreparation prepared = prepare_supernet(job);
      CHECK(prepared.facts == expected.facts);
      CHECK(prepared.supernet->hash() == expected.supernet->hash());
      done = true;
    } catch (const Interrupted&) {
      ++stops;
      states.push_back(read_file(file));
    }
  }
  CHECK(stops >= 6);
  job.stop_requested = [] { return false; };
  for (const std::string& state : states) {
    write_file_atomic(file, state);
    CHECK(prepare_supernet(job).facts == expected.facts);
  }
  int steps = 0, epochs = 0;
  job.on_step = [&](std::int64_t, std::int64_t, std::int64_t, double) { ++steps; };
  job.on_epoch = [&](const SupernetEpoch&) { ++epochs; };
  CHECK(prepare_supernet(job).facts == expected.facts);  // found, not trained
  CHECK(steps == 0);
  CHECK(epochs == 2);
  CHECK(stopped.warnings.empty());
  write_file_atomic(file, states[0].substr(0, 1000));
  CHECK(prepare_supernet(job).facts == expected.facts);
  CHECK(steps == 8);
  REQUIRE(stopped.warnings.size() == 1);
  CHECK(has(stopped.warnings[0], "supernet.ckpt: "));

  job.expected = expected.facts;
  CHECK_NOTHROW(prepare_supernet(job));
  job.expected->weights = "0";
  CHECK(has(message_of([&] { prepare_supernet(job); }), "[supernet] the study was made with"));
}

TEST_CASE("supernet: an inherited score is a pure function of the point, at the cost of its evaluation") {
  Setup setup;
  const SupernetPreparation prepared = prepare_supernet(setup.job());
  SupernetObjective objective(prepared.supernet, setup.training, setup.data.valid);
  std::set<std::string> results;
  for (std::uint32_t i = 0; i < 20; ++i) {
    const Point point = setup.space.uniform(1, 1, i);
    const nn::TransformerConfig architecture = apply(shared_base(), point).architecture(task());
    const Plan plan = objective.plan(point);
    REQUIRE(plan.segments.size() == 1);
    std::vector<std::int32_t> lengths;
    for (std::size_t r = 0; r < setup.data.valid.rows(); ++r) lengths.push_back(setup.data.valid.length(r));
    CHECK(plan.segments[0].ticks ==
          ticks_of_flops(static_cast<std::uint64_t>(nn::cost_of(architecture, lengths).inference_flops.total())));
    CHECK(objective.plan(point).segments == plan.segments);
    CHECK(has(plan.attributes, "\"params\":" + std::to_string(nn::count_parameters(architecture))));
    SegmentContext context = segment(plan);
    const SegmentResult first = objective.run(point, context, Checkpoint(nullptr, 0, 0));
    context.seed = 99;
    context.trial = 7;
    SupernetObjective again(prepared.supernet, setup.training, setup.data.valid);
    CHECK(again.run(point, context, Checkpoint(nullptr, 7, 0)) == first);
    context.stop_requested = [] { return true; };
    CHECK(objective.run(point, context, Checkpoint(nullptr, 7, 0)) == first);  // kept
    Context own;
    const nn::Classifier model = prepared.supernet->network(own, architecture);
    const train::Scores scores = train::score(train::predict(model, setup.data.valid), setup.data.valid.labels);
    REQUIRE(first.values.size() == 1);
    CHECK(first.values[0] == scores.accuracy);
    CHECK(first.digest == train::weights_hash(model.parameters()).substr(0, 16));
    results.insert(first.attributes);
  }
  CHECK(results.size() > 5);
  SegmentContext stopped;
  stopped.stop_requested = [] { return true; };
  SupernetObjective fresh(prepared.supernet, setup.training, setup.data.valid);
  CHECK_THROWS_AS(fresh.run(setup.space.uniform(1, 1, 0), stopped, Checkpoint(nullptr, 0, 0)), Interrupted);

  std::vector<Supernet::Weight> spoiled = prepared.supernet->weights();
  spoiled.back().values[0] = std::numeric_limits<float>::infinity();
  SupernetObjective bad(std::make_shared<Supernet>(prepared.supernet->whole(), spoiled), setup.training, setup.data.valid);
  const Point point = setup.space.uniform(1, 1, 0);
  CHECK(bad.run(point, segment(bad.plan(point)), Checkpoint(nullptr, 0, 0)).failure == Failure::non_finite);
}

TEST_CASE("supernet: a search on inherited weights is one study for 1, 2 and 5 workers and any sampler") {
  Setup setup;
  const SupernetPreparation prepared = prepare_supernet(setup.job());
  std::set<std::string> hashes;
  for (const char* sampler : {"evolution@1", "random@1", "tpe@optuna-5.0"}) {
    CAPTURE(sampler);
    const StudyHeader header = header_of(setup, prepared.facts, sampler);
    std::string expected;
    for (const int workers : {1, 2, 5}) {
      SupernetObjective objective(prepared.supernet, setup.training, setup.data.valid);
      const auto storage = memory_storage(header);
      ExecutorOptions options;
      options.workers = workers;
      const StudyRun run = execute(header, objective, *storage, options);
      CHECK(run.finished);
      CHECK(count_states(run.history).complete == 24);
      if (expected.empty()) expected = run.hash;
      CHECK(run.hash == expected);
    }
    hashes.insert(expected);
  }
  CHECK(hashes.size() == 3);
}

TEST_CASE("supernet: limits refuse points of the search, and spaces that cannot be shared are refused before training") {
  Setup setup;
  const std::int64_t limit = 700;
  const std::vector<Limit> limits = {{Quantity::kParams, false, static_cast<double>(limit), "limits.params = 700"},
                                     {Quantity::kLoss, false, 0.5, "limits.loss = 0.5"}};
  TrainingObjective limited({shared_base(), task(), limits, "", {Quantity::kMacroF1, Quantity::kFlops}}, setup.data.train,
                            setup.data.valid);
  SupernetJob job = setup.job();
  job.training = &limited;
  const SupernetPreparation prepared = prepare_supernet(job);
  SupernetObjective objective(prepared.supernet, limited, setup.data.valid);
  int refused = 0;
  for (std::uint32_t i = 0; i < 30; ++i) {
    const Point point = setup.space.uniform(1, 1, i);
    const bool over = nn::count_parameters(apply(shared_base(), point).architecture(task())) > limit;
    CHECK(objective.refuse(point).has_value() == over);
    refused += over;
    if (over) continue;
    const SegmentResult result = objective.run(point, segment(objective.plan(point)), Checkpoint(nullptr, 0, 0));
    Context own;
    const nn::Classifier model = prepared.supernet->network(own, limited.candidate(point).architecture(task()));
    const train::Scores scores = train::score(train::predict(model, setup.data.valid), setup.data.valid.labels);
    CHECK(result.values == std::vector<double>{scores.macro_f1, static_cast<double>(limited.cost(point).sentence_flops)});
    CHECK(result.constraints == std::vector<double>{scores.loss - 0.5});
  }
  CHECK(refused > 3);
  CHECK(refused < 27);

  const Space rates = SpaceBuilder().integer("layers", 1, 2).real("lr", 1e-3, 1e-2).build();
  job.space = &rates;
  CHECK(has(message_of([&] { prepare_supernet(job); }), "`lr` cannot be searched on shared weights"));
  const data::EncodedDataset none;
  job.valid = &none;
  CHECK(message_of([&] { prepare_supernet(job); }) == "[supernet] a search on inherited weights needs validation rows");
}
