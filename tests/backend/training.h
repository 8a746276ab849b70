// What a backend with bits of its own must show in a training: used by the tests of each.
#pragma once
#include <lathe/tensor/backend.h>

#include <memory>
#include <string>

#include "tests/train/support.h"

namespace lathe::test {

/// Rows of 3 to 30 tokens; the third of the vocabulary that the first one is from is the label.
inline data::EncodedDataset labelled_rows(int count, std::uint64_t seed) {
  Random random(random_key(seed, 0, "backend rows"));
  data::EncodedDataset out;
  for (int i = 0; i < count; ++i) {
    std::vector<std::int32_t> ids(3 + random.below(28));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.below(train::test::kVocabulary));
    out.add(ids, ids[0] * 3 / static_cast<std::int32_t>(train::test::kVocabulary));
  }
  return out;
}

/// For those rows; an odd inner width on request, with dropout.
inline nn::TransformerConfig small_transformer(Index ffn, UnaryOp activation = UnaryOp::kGeluTanh) {
  nn::TransformerConfig config =
      nn::TransformerConfig::uniform({.layers = 2, .hidden = 24, .heads = 2, .ffn = ffn, .activation = activation});
  config.vocab_size = train::test::kVocabulary;
  config.max_tokens = 30;
  config.classes = 3;
  config.dropout = config.attention_dropout = 0.1;
  return config;
}

/// A checkpoint of `backend` is refused, by its tag, by a Trainer on another backend, whose own it refuses; `equal` goes on with
/// it.
inline void check_checkpoints(const std::string& backend, const std::string& equal) {
  const data::EncodedDataset train = labelled_rows(40, 1), valid = labelled_rows(20, 2);
  const auto session = [&](const std::string& name) {
    return std::make_unique<train::test::Session>(train::test::training(), train, valid, small_transformer(50),
                                                  ContextOptions{.backend = name});
  };
  const auto own = session(backend), same = session(equal), other = session("scalar");
  own->advance(2);
  other->advance(1);
  const auto refuses = [&](train::Trainer& trainer, const std::string& bytes) {
    try {
      trainer.restore(bytes, "c");
    } catch (const InputError& e) {
      return std::string(e.what()).find(numerics_tag(backend) + "\"") != std::string::npos;
    }
    return false;
  };
  CHECK(refuses(other->trainer, own->trainer.checkpoint()));
  CHECK(refuses(own->trainer, other->trainer.checkpoint()));
  CHECK_NOTHROW(same->trainer.restore(own->trainer.checkpoint(), "c"));
}

}  // namespace lathe::test
