// A training small enough to be repeated from every step: rows whose label is told by one token among noise.
#pragma once
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/random.h>
#include <lathe/train/trainer.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/message.h"
#include "tests/train/advance.h"

namespace lathe::train::test {

constexpr Index kVocabulary = 20;

/// Rows of 2 to 9 tokens; token `2 + label` stands in each. `shift` ≠ 0: labels that contradict the tokens.
inline data::EncodedDataset rows(int count, std::uint64_t seed, std::int32_t classes = 2, std::int32_t shift = 0) {
  Random random(random_key(seed, 0, "test rows"));
  data::EncodedDataset out;
  for (int i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(classes)));
    std::vector<std::int32_t> ids = {1, 2 + label};
    for (std::uint32_t n = random.below(8); n > 0; --n) ids.push_back(static_cast<std::int32_t>(8 + random.below(12)));
    out.add(ids, (label + shift) % classes);
  }
  return out;
}

inline nn::TransformerConfig architecture(Index classes = 2, Index layers = 1) {
  nn::TransformerConfig config = nn::TransformerConfig::uniform({.layers = layers, .hidden = 8, .heads = 2, .ffn = 16});
  config.vocab_size = kVocabulary;
  config.max_tokens = 12;
  config.classes = classes;
  config.dropout = config.attention_dropout = config.head_dropout = 0.1;
  return config;
}

inline TrainConfig training() {
  TrainConfig config;
  config.epochs = 3;
  config.batch_rows = 8;
  config.lr = 0.01;
  config.patience = 0;
  return config;
}

/// A trainer with a Context of its own.
struct Session {
  Session(const TrainConfig& config, const data::EncodedDataset& train, const data::EncodedDataset& valid,
          const nn::TransformerConfig& shape = architecture(), const ContextOptions& options = {.seed = 3, .trial = 5})
      : context(options), trainer(context, shape, config, train, valid) {}
  Context context;
  Trainer trainer;

  /// Runs exactly `steps` more steps.
  void advance(std::int64_t steps) { lathe::test::advance(trainer, steps); }
  void finish() {
    while (!trainer.done()) trainer.run_epoch();
  }
};

/// Everything that a training leaves, as text: weights after the last step, weights of the best epoch, every number of the history.
inline std::string outcome(Session& session) {
  std::string text = session.trainer.weights_hash();
  session.trainer.restore_best();
  text += " best " + session.trainer.weights_hash();
  char line[200];
  for (const EpochResult& e : session.trainer.history()) {
    snprintf(line, sizeof line, "\n%lld %a %a %a %a %d %lld %lld", static_cast<long long>(e.epoch), e.train_loss, e.valid.accuracy,
             e.valid.macro_f1, e.valid.loss, e.best ? 1 : 0, static_cast<long long>(e.steps), static_cast<long long>(e.tokens));
    text += line;
  }
  return text;
}

using lathe::test::has;
using lathe::test::message_of;

}  // namespace lathe::train::test
