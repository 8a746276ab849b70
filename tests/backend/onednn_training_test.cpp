// A training with the overlay `onednn` runs beside that of the CPU table, and its checkpoints say what made them.
#include <lathe/tensor/backend.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "tests/backend/onednn.h"
#include "tests/train/support.h"

namespace lathe {
namespace {

// Rows of 3 to 30 tokens; the third of the vocabulary that the first one is from is the label.
data::EncodedDataset rows(int count, std::uint64_t seed) {
  Random random(random_key(seed, 0, "onednn rows"));
  data::EncodedDataset out;
  for (int i = 0; i < count; ++i) {
    std::vector<std::int32_t> ids(3 + random.below(28));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.below(train::test::kVocabulary));
    out.add(ids, ids[0] * 3 / static_cast<std::int32_t>(train::test::kVocabulary));
  }
  return out;
}

nn::TransformerConfig architecture(UnaryOp activation) {
  nn::TransformerConfig config =
      nn::TransformerConfig::uniform({.layers = 2, .hidden = 24, .heads = 2, .ffn = 50, .activation = activation});
  config.vocab_size = train::test::kVocabulary;
  config.max_tokens = 30;
  config.classes = 3;
  config.dropout = config.attention_dropout = 0.1;
  return config;
}

TEST_CASE("a training with it stays beside that of the CPU table, in groups and with threads") {
  if (!test::onednn()) return;
  const data::EncodedDataset train = rows(200, 1), valid = rows(40, 2);
  train::TrainConfig config = train::test::training();
  config.batch_rows = 40;  // about 650 tokens: several groups
  config.lr = 3e-3;
  for (const UnaryOp activation : {UnaryOp::kGeluTanh, UnaryOp::kSquaredRelu})
    for (const int threads : {1, 2}) {
      std::vector<double> losses[2];
      for (int which = 0; which < 2; ++which) {
        const ContextOptions options{.backend = which ? "onednn" : available_backends().front(), .threads = threads, .seed = 3};
        train::test::Session session(config, train, valid, architecture(activation), options);
        session.trainer.on_step = [&](std::int64_t, std::int64_t, double loss) { losses[which].push_back(loss); };
        session.finish();
        for (const train::EpochResult& e : session.trainer.history()) losses[which].push_back(e.valid.loss);
        CHECK(session.trainer.history().back().train_loss < session.trainer.history().front().train_loss);
      }
      REQUIRE(losses[0].size() == losses[1].size());
      REQUIRE(losses[0].size() > 15);
      double worst = 0;
      for (std::size_t i = 0; i < losses[0].size(); ++i) worst = std::max(worst, std::abs(losses[0][i] - losses[1][i]));
      MESSAGE("largest difference of a loss: " << worst);
      CHECK(worst < 1e-4);
    }
}

TEST_CASE("a checkpoint that it made is not gone on with by another backend, nor the other way round") {
  if (!test::onednn()) return;
  const data::EncodedDataset train = rows(40, 1), valid = rows(20, 2);
  const auto session = [&](const std::string& backend) {
    return std::make_unique<train::test::Session>(train::test::training(), train, valid, architecture(UnaryOp::kRelu),
                                                  ContextOptions{.backend = backend});
  };
  const auto own = session("onednn"), same = session("onednn"), other = session("scalar");
  own->advance(2);
  other->advance(1);
  const auto refuses = [](train::Trainer& trainer, const std::string& bytes) {
    try {
      trainer.restore(bytes, "c");
    } catch (const InputError& e) {
      return std::string(e.what()).find(numerics_tag("onednn") + "\"") != std::string::npos;
    }
    return false;
  };
  CHECK(refuses(other->trainer, own->trainer.checkpoint()));
  CHECK(refuses(own->trainer, other->trainer.checkpoint()));
  CHECK_NOTHROW(same->trainer.restore(own->trainer.checkpoint(), "c"));
}

}  // namespace
}  // namespace lathe
