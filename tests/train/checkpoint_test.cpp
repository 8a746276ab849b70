// A training goes on from its checkpoint to the same bits, and from nothing but its own, undamaged checkpoint.
#include <lathe/nn/weights.h>
#include <lathe/tensor/backend.h>

#include "tests/train/support.h"

using namespace lathe;
using namespace lathe::train;
using namespace lathe::train::test;

namespace {

std::vector<TrainConfig> kinds_of_training() {
  TrainConfig adam = training();
  TrainConfig sgd = training();
  sgd.optimizer = OptimizerKind::kSgd;
  sgd.lr = 0.05;
  sgd.schedule = optim::ScheduleKind::kLinear;
  sgd.warmup = 0.3;
  TrainConfig tokens = training();
  tokens.batch_rows = 0;
  tokens.batch_tokens = 40;
  tokens.metric = Metric::kMacroF1;
  tokens.clip = 0;
  tokens.weight_decay = 0;
  return {adam, sgd, tokens};
}

}  // namespace

TEST_CASE("a training goes on from any step, to the same bits") {
  const data::EncodedDataset train = rows(37, 1), valid = rows(20, 2);
  for (const TrainConfig& config : kinds_of_training()) {
    CAPTURE(config.to_json());
    Session whole(config, train, valid);
    std::int64_t steps = 0;
    whole.trainer.on_step = [&](std::int64_t, std::int64_t, double) { ++steps; };
    whole.finish();
    const std::string expected = outcome(whole);
    REQUIRE(steps > 12);
    for (std::int64_t at = 0; at < steps; ++at) {
      CAPTURE(at);
      Session first(config, train, valid);
      first.advance(at);
      const std::string bytes = first.trainer.checkpoint();
      CHECK(first.trainer.checkpoint() == bytes);  // looking at it changes nothing
      Session second(config, train, valid);
      second.advance((at * 5) % steps);  // whatever it did before
      second.trainer.restore(bytes, "c");
      CHECK(second.trainer.epoch() == first.trainer.epoch());
      CHECK(second.trainer.checkpoint() == bytes);
      second.finish();
      CHECK(outcome(second) == expected);
      first.finish();
      CHECK(outcome(first) == expected);
    }
  }
}

TEST_CASE("the number of threads may change between steps, and no bit with it") {
  const data::EncodedDataset train = rows(37, 1), valid = rows(20, 2);
  Session whole(training(), train, valid), changing(training(), train, valid);
  whole.finish();
  int step = 0;
  while (!changing.trainer.done())
    changing.trainer.run_epoch([&] {
      changing.context.set_threads(1 + (step++ * 5) % 4);
      return false;
    });
  CHECK(outcome(changing) == outcome(whole));
}

TEST_CASE("go_on: from a checkpoint to the same bits, from none or a damaged one at the beginning") {
  const data::EncodedDataset train = rows(37, 1), valid = rows(20, 2);
  Session whole(training(), train, valid);
  whole.trainer.run_epoch();
  const std::string bytes = whole.trainer.checkpoint(), cut = bytes.substr(0, bytes.size() / 2);
  CHECK(whole.trainer.history().back().best);
  whole.trainer.run_epoch(), whole.trainer.run_epoch();
  for (const auto& [saved, epochs] :
       {std::pair(std::optional(bytes), 1), std::pair(std::optional(cut), 0), std::pair(std::optional<std::string>(), 0)}) {
    Context context({.seed = 3, .trial = 5});
    const std::unique_ptr<Trainer> trainer = go_on(saved, context, architecture(), training(), train, valid);
    CHECK(trainer->epoch() == epochs);
    while (!trainer->done()) trainer->run_epoch();
    CHECK(trainer->checkpoint() == whole.trainer.checkpoint());
  }
  Context context;
  CHECK_THROWS_AS(go_on(bytes, context, architecture(1), training(), train, valid), InputError);  // labels that it has no class for
}

TEST_CASE("a checkpoint moves between backends and numbers of threads") {
  const data::EncodedDataset train = rows(37, 1), valid = rows(20, 2);
  Session whole(training(), train, valid);
  whole.finish();
  const std::string expected = outcome(whole);
  std::string bytes = Session(training(), train, valid).trainer.checkpoint();
  int threads = 1;
  for (std::int64_t step = 0; step < 15; step += 2)
    for (const std::string& backend : available_backends()) {
      Session here(training(), train, valid, architecture(),
                   {.backend = backend, .threads = threads = threads % 3 + 1, .seed = 3, .trial = 5});
      here.trainer.restore(bytes, "c");
      if (backend == available_backends().back()) {
        here.advance(std::min<std::int64_t>(2, 15 - step));
        bytes = here.trainer.checkpoint();
      }
    }
  Session last(training(), train, valid);
  last.trainer.restore(bytes, "c");
  CHECK(last.trainer.done());
  CHECK(outcome(last) == expected);
}

TEST_CASE("every flipped bit and every cut of a checkpoint is refused, and the trainer stays as it was") {
  const data::EncodedDataset train = rows(20, 1), valid = rows(10, 2);
  Session whole(training(), train, valid);
  whole.finish();
  const std::string expected = outcome(whole);

  Session session(training(), train, valid);
  session.advance(4);  // in the second epoch: best weights, optimizer state and a position are there
  const std::string bytes = session.trainer.checkpoint();
  Session victim(training(), train, valid);
  victim.advance(2);
  const std::string before = victim.trainer.checkpoint();
  const auto refused = [&](std::string damaged) {
    const std::string message = message_of([&] { victim.trainer.restore(std::move(damaged), "run/checkpoint"); });
    return message.starts_with("run/checkpoint: ") && message.find('\n') == std::string::npos;
  };
  // All of the header, and a bit in every 61st byte of the numbers (coprime to the size of a float: each of its bytes is met).
  std::uint64_t header = 0;
  for (int i = 7; i >= 0; --i) header = header << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  for (std::size_t at = 0; at < bytes.size(); at += at < header + 8 ? 1 : 61) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    CAPTURE(at);
    CHECK(refused(damaged));
  }
  for (std::size_t size = 0; size < bytes.size(); size += size < 64 ? 1 : 97) {
    CAPTURE(size);
    CHECK(refused(bytes.substr(0, size)));
  }
  CHECK(refused(bytes + '\0'));
  CHECK(victim.trainer.checkpoint() == before);
  victim.finish();
  CHECK(outcome(victim) == expected);
}

TEST_CASE("a checkpoint of another training is refused, naming both") {
  const data::EncodedDataset train = rows(20, 1), valid = rows(10, 2);
  Session session(training(), train, valid);
  session.advance(4);
  const std::string bytes = session.trainer.checkpoint();
  const auto refusal = [&](Session&& other) { return message_of([&] { other.trainer.restore(bytes, "c"); }); };
  const auto differs_in = [](const std::string& message, const std::string& name) {
    return message.starts_with("c: the checkpoint is of another training: " + name + " is ") && message.size() < 150;
  };

  CHECK(refusal(Session(training(), train, valid)) == "nothing was thrown");
  CHECK(differs_in(refusal(Session(training(), train, valid, architecture(), {.seed = 4, .trial = 5})), "seed"));
  CHECK(differs_in(refusal(Session(training(), train, valid, architecture(), {.seed = 3, .trial = 6})), "trial"));
  nn::TransformerConfig shape = architecture();
  shape.dropout = 0.2;  // the same shapes of parameters
  CHECK(differs_in(refusal(Session(training(), train, valid, shape, {.seed = 3, .trial = 5})), "dropout"));
  CHECK(refusal(Session(training(), train, valid, architecture(2, 2), {.seed = 3, .trial = 5}))
            .starts_with("c: the checkpoint is of another training: "));
  std::vector<TrainConfig> others(10, training());
  others[0].epochs = 4;
  others[1].batch_rows = 9;
  others[2].batch_tokens = 100;
  others[3].optimizer = OptimizerKind::kSgd;
  others[4].lr = 0.02;
  others[5].weight_decay = 0.02;
  others[6].schedule = optim::ScheduleKind::kLinear;
  others[7].warmup = 0.1;
  others[8].clip = 2;
  others[9].metric = Metric::kMacroF1;
  const char* names[] = {"epochs",       "batch_rows", "batch_tokens", "optimizer", "lr",
                         "weight_decay", "schedule",   "warmup",       "clip",      "metric"};
  for (std::size_t i = 0; i < others.size(); ++i) CHECK(differs_in(refusal(Session(others[i], train, valid)), names[i]));
  CHECK(refusal(Session(others[4], train, valid)) == "c: the checkpoint is of another training: lr is 0.01 there and 0.02 here");

  data::EncodedDataset label = train;
  label.labels[7] ^= 1;
  CHECK(differs_in(refusal(Session(training(), label, valid)), "data"));
  data::EncodedDataset token = valid;
  token.ids[3] = token.ids[3] == 9 ? 10 : 9;
  CHECK(differs_in(refusal(Session(training(), train, token)), "data"));
  CHECK(differs_in(refusal(Session(training(), valid, train)), "data"));

  const std::vector<nn::StoredTensor> tensors = {nn::stored("w", session.trainer.model().parameters().front().value())};
  CHECK(message_of([&] { session.trainer.restore(nn::safetensors_bytes(tensors, {}), "weights"); }) ==
        "weights: is not a checkpoint (no `format` in its metadata)");
  CHECK(message_of([&] {
          session.trainer.restore(nn::safetensors_bytes(tensors, {{"format", "pt"}}), "weights");
        }) == "weights: is not a checkpoint of this version");
}
