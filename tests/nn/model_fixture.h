// Small models and ragged batches for the tests of nn and optim.
#pragma once
#include <lathe/base/random.h>
#include <lathe/nn/transformer.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lathe::test {

inline ContextOptions options(const std::string& backend = "", int threads = 1, std::uint64_t seed = 1) {
  ContextOptions o;
  o.backend = backend;
  o.threads = threads;
  o.seed = seed;
  return o;
}

/// Ids below `vocab` for sequences of these lengths, drawn from a stream of its own.
inline nn::Batch random_batch(Context& context, std::span<const std::int32_t> lengths, Index vocab, std::uint64_t seed = 5,
                              Index types = 0) {
  Random random(random_key(seed, 0, "test batch"));
  const Offsets offsets = Offsets::from_lengths(lengths);
  std::vector<std::int32_t> ids, kinds;
  for (Index i = 0; i < offsets.tokens(); ++i) {
    ids.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(vocab))));
    if (types > 0) kinds.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(types))));
  }
  return nn::make_batch(context, ids, offsets, kinds);
}

inline Tensor random_labels(Context& context, Index rows, Index classes, std::uint64_t seed = 6) {
  Random random(random_key(seed, 0, "test labels"));
  std::vector<std::int32_t> labels;
  for (Index i = 0; i < rows; ++i) labels.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(classes))));
  return Tensor::from(context, labels, {rows});
}

inline nn::TransformerConfig small_config() {
  nn::TransformerConfig config = nn::TransformerConfig::uniform({.layers = 2, .hidden = 32, .heads = 4, .ffn = 48});
  config.vocab_size = 50;
  config.max_tokens = 20;
  config.classes = 3;
  return config;
}

}  // namespace lathe::test
