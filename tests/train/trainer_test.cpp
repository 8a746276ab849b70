// The loop around the steps: epochs, patience, the best epoch, stopping, and losses that are not finite.
#include <algorithm>
#include <limits>

#include "tests/train/support.h"

using namespace lathe;
using namespace lathe::train;
using namespace lathe::train::test;

namespace {

/// Puts a NaN into the first parameter whose name holds `part`; its whole name.
std::string poison(Trainer& trainer, const std::string& part) {
  for (Var parameter : trainer.model().parameters()) {
    if (!has(parameter.name(), part)) continue;
    parameter.mutable_value().fill(std::numeric_limits<double>::quiet_NaN());
    return parameter.name();
  }
  return "no parameter " + part;
}

}  // namespace

TEST_CASE("an easy task is learned") {
  const data::EncodedDataset train = rows(200, 1, 3), valid = rows(60, 2, 3);
  TrainConfig config = training();
  config.epochs = 12;
  Session session(config, train, valid, architecture(3));
  session.finish();
  CHECK(session.trainer.best()->valid.accuracy > 0.95);
  CHECK(session.trainer.history().front().train_loss > 2 * session.trainer.history().back().train_loss);
}

TEST_CASE("an epoch: every row once, the loss is the mean over rows") {
  const data::EncodedDataset train = rows(37, 1), valid = rows(20, 2);
  Session session(training(), train, valid);
  CHECK(session.trainer.steps_in_epoch() == 5);  // 8 + 8 + 8 + 8 + 5
  std::vector<double> losses;
  session.trainer.on_step = [&](std::int64_t step, std::int64_t steps, double loss) {
    losses.push_back(loss);
    CHECK(step == static_cast<std::int64_t>(losses.size()));
    CHECK(steps == 5);
  };
  const EpochResult result = session.trainer.run_epoch();
  REQUIRE(losses.size() == 5);
  CHECK(result.train_loss ==
        doctest::Approx((8 * (losses[0] + losses[1] + losses[2] + losses[3]) + 5 * losses[4]) / 37).epsilon(1e-14));
  CHECK(result.epoch == 1);
  CHECK(result.steps == 5);
  CHECK(result.tokens == static_cast<std::int64_t>(train.tokens()));
  CHECK(result.best);
  const Scores scores = score(predict(session.trainer.model(), valid), valid.labels);
  CHECK(result.valid.accuracy == scores.accuracy);
  CHECK(result.valid.loss == scores.loss);
}

TEST_CASE("the schedule spans every step of every epoch, of which its share warms up") {
  const data::EncodedDataset train = rows(37, 1);
  TrainConfig config = training();  // 3 epochs of 8 + 8 + 8 + 8 + 5 rows
  config.warmup = 0.3;
  config.schedule = optim::ScheduleKind::kLinear;
  const RandomKey key = random_key(3, 5, "shuffle");
  const optim::Schedule schedule = make_schedule(config, train, key);
  CHECK(schedule.kind == optim::ScheduleKind::kLinear);
  CHECK(schedule.peak == 0.01);
  CHECK(schedule.total_steps == 15);
  CHECK(schedule.warmup_steps == 4);  // of 4.5
  CHECK(schedule.final_fraction == 0);
  config.batch_rows = 0;
  config.batch_tokens = 20;
  std::int64_t steps = 0;
  data::BatchIterator batches(train, batch_options(config), key);
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    batches.seek(epoch);
    for (data::PackedBatch batch; batches.next(batch);) ++steps;
  }
  CHECK(make_schedule(config, train, key).total_steps == steps);
  config.batch_tokens = 0;
  config.batch_rows = 8;
  CHECK_THROWS_AS(make_schedule(config, {}, key), InputError);  // no step to span
}

TEST_CASE("patience counts epochs without a better score") {
  const data::EncodedDataset train = rows(24, 1), valid = rows(20, 2);
  TrainConfig config = training();
  config.epochs = 9;
  config.lr = 1e-9;  // nothing moves, so no epoch is better than the first
  for (const std::int64_t patience : {1, 2, 4}) {
    config.patience = patience;
    Session session(config, train, valid);
    session.finish();
    CHECK(session.trainer.out_of_patience());
    CHECK(session.trainer.epoch() == 1 + patience);
    CHECK(session.trainer.best()->epoch == 1);  // the earliest of equals
    CHECK(message_of([&] { session.trainer.run_epoch(); }) == "[train] training is finished, expected an epoch to be left");
  }
  config.patience = 0;
  Session endless(config, train, valid);
  endless.finish();
  CHECK(endless.trainer.epoch() == 9);
  config.patience = 1;
  const data::EncodedDataset none;
  Session blind(config, train, none);  // nothing to be impatient about
  blind.finish();
  CHECK(blind.trainer.epoch() == 9);
  CHECK_FALSE(blind.trainer.out_of_patience());
  CHECK(blind.trainer.best()->epoch == 9);
  const std::string last = blind.trainer.weights_hash();
  blind.trainer.restore_best();
  CHECK(blind.trainer.weights_hash() == last);
}

TEST_CASE("the weights of the best epoch come back") {
  const data::EncodedDataset train = rows(80, 1), valid = rows(40, 2, 2, 1);  // validation contradicts training
  TrainConfig config = training();
  config.epochs = 6;
  for (const Metric metric : {Metric::kAccuracy, Metric::kMacroF1}) {
    config.metric = metric;
    Session session(config, train, valid);
    CHECK(session.trainer.best() == nullptr);
    std::vector<std::string> hashes;
    while (!session.trainer.done()) {
      session.trainer.run_epoch();
      hashes.push_back(session.trainer.weights_hash());
    }
    const std::vector<EpochResult>& history = session.trainer.history();
    double most = 0;
    for (const EpochResult& e : history) {
      CHECK(e.best == (e.epoch == 1 || e.valid.of(metric) > most));
      most = std::max(most, e.valid.of(metric));
    }
    const EpochResult* best = session.trainer.best();
    REQUIRE(best->epoch < 6);
    CHECK(best->valid.of(metric) == most);
    CHECK(session.trainer.weights_hash() == hashes.back());
    session.trainer.restore_best();
    CHECK(session.trainer.weights_hash() == hashes[static_cast<std::size_t>(best->epoch) - 1]);
    CHECK(session.trainer.weights_hash() != hashes.back());
    CHECK(score(predict(session.trainer.model(), valid), valid.labels).of(metric) == most);
  }
}

TEST_CASE("a request to stop is heard between steps, and loses nothing") {
  const data::EncodedDataset train = rows(37, 1), valid = rows(20, 2);
  Session whole(training(), train, valid);
  whole.finish();
  Session session(training(), train, valid);
  CHECK_THROWS_AS(session.trainer.run_epoch([] { return true; }), Stopped);
  int asked = 0;
  CHECK_THROWS_AS(session.trainer.run_epoch([&] { return ++asked > 3; }), Stopped);
  CHECK(session.trainer.epoch() == 0);
  session.finish();
  CHECK(outcome(session) == outcome(whole));
}

TEST_CASE("a loss that is not finite is named with step, operation and layer") {
  const data::EncodedDataset train = rows(37, 1), valid = rows(20, 2);
  Session session(training(), train, valid, architecture(2, 2));
  session.advance(7);
  const std::string name = poison(session.trainer, "layers.1.");
  CAPTURE(name);
  const std::string message = message_of<NonFiniteError>([&] { session.trainer.run_epoch(); });
  CAPTURE(message);
  CHECK(message.starts_with("["));
  CHECK(has(message, "got nan"));
  CHECK(has(message, "layers.1"));
  CHECK(message.ends_with(" in step 7"));
  CHECK_FALSE(session.context.check_finite());  // the slow checks are off again
}

TEST_CASE("weights that broke in the last step of an epoch are no result") {
  const data::EncodedDataset train = rows(16, 1), valid = rows(20, 2);
  TrainConfig config = training();
  config.batch_rows = 16;  // one step an epoch: only the evaluation sees what it did
  config.epochs = 1;
  config.warmup = 0;
  config.schedule = optim::ScheduleKind::kConstant;
  config.lr = 1e38;
  Session session(config, train, valid);
  const std::string message = message_of<NonFiniteError>([&] { session.trainer.run_epoch(); });
  CAPTURE(message);
  CHECK(message.starts_with("["));
  CHECK(message.ends_with(" in the evaluation of epoch 1"));
  CHECK(session.trainer.history().empty());
  CHECK_FALSE(session.context.check_finite());
}

TEST_CASE("what cannot be trained is refused") {
  const data::EncodedDataset train = rows(20, 1), valid = rows(10, 2), none;
  const auto refusal = [&](const TrainConfig& config) { return message_of([&] { Session(config, train, valid); }); };
  const auto with = [](auto set) {
    TrainConfig config = training();
    set(config);
    return config;
  };
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(refusal(with([](TrainConfig& c) { c.epochs = 0; })) == "epochs = 0, expected at least 1");
  CHECK(refusal(with([](TrainConfig& c) { c.batch_rows = 0; })) == "batch_rows = 0, expected at least 1");
  CHECK(refusal(with([](TrainConfig& c) { c.batch_tokens = -1; })) == "batch_tokens = -1, expected 0 or more");
  CHECK(refusal(with([](TrainConfig& c) { c.lr = 0; })) == "lr = 0, expected a positive number");
  CHECK(refusal(with([&](TrainConfig& c) { c.lr = infinity; })) == "lr = inf, expected a positive number");
  CHECK(refusal(with([](TrainConfig& c) { c.weight_decay = -1; })) == "weight_decay = -1, expected 0 or more");
  CHECK(refusal(with([](TrainConfig& c) { c.warmup = 1; })) == "warmup = 1, expected a share of the steps, at least 0 and below 1");
  CHECK(refusal(with([](TrainConfig& c) { c.clip = -1; })) == "clip = -1, expected 0 or more");
  CHECK(refusal(with([](TrainConfig& c) { c.patience = -1; })) == "patience = -1, expected 0 or more");

  CHECK_THROWS_AS(Session(training(), none, valid), InputError);
  const data::EncodedDataset three = rows(20, 1, 3);
  CHECK(message_of([&] { Session(training(), three, valid); }) == "[train] training rows have label 2, expected 0 … 1");
  CHECK(message_of([&] { Session(training(), train, three); }) == "[train] validation rows have label 2, expected 0 … 1");
  data::EncodedDataset strange = valid;
  strange.ids[4] = kVocabulary;
  CHECK(message_of([&] { Session(training(), train, strange); }) == "[train] validation rows have token id 20, expected 0 … 19");

  CHECK(metric_kind("macro_f1") == Metric::kMacroF1);
  CHECK(optimizer_kind("sgd") == OptimizerKind::kSgd);
  CHECK(message_of([] { optimizer_kind("adam"); }) == "unknown optimizer `adam`; did you mean `adamw`?");
  CHECK(message_of([] { metric_kind("x"); }) == "unknown metric `x`; expected accuracy or macro_f1");
}
