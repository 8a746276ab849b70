// A small model with its tokenizer, saved to a folder of its own.
#pragma once
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/version.h>
#include <lathe/deploy/model.h>
#include <lathe/nn/transformer.h>
#include <lathe/tokenizer/wordpiece_trainer.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/folder.h"
#include "tests/support/message.h"

namespace lathe::deploy::test {

namespace fs = std::filesystem;

using Folder = lathe::test::TemporaryFolder;

inline tokenizer::Tokenizer small_tokenizer(bool lowercase = true) {
  tokenizer::WordPieceTrainer trainer({.vocab_size = 90, .lowercase = lowercase});
  for (const char* text : {"a charming and warm film", "a dull, stale film!", "the Best of films", "naïve café talk"})
    trainer.add(text);
  return trainer.train();
}

/// What goes into a model folder, untrained.
struct Parts {
  explicit Parts(bool pair = false, bool lowercase = true, std::uint64_t seed = 1)
      : tokenizer(small_tokenizer(lowercase)), context({.seed = seed}), model(context, architecture(tokenizer.vocab_size(), pair)) {
    info.architecture = model.config();
    info.labels = {"neg", "pos", "so \"so\""};
    info.max_tokens = 12;
    info.pair = pair;
    info.name = "small";
    info.numerics = kNumerics;
    info.study = "3f9a";
  }
  static nn::TransformerConfig architecture(Index vocabulary, bool pair) {
    nn::TransformerConfig config = nn::TransformerConfig::uniform({.layers = 2, .hidden = 16, .heads = 2, .ffn = 24});
    config.vocab_size = vocabulary;
    config.max_tokens = 12;
    config.classes = 3;
    config.type_vocab_size = pair ? 2 : 0;
    config.dropout = config.head_dropout = 0.5;  // must not show in answers
    return config;
  }
  void save(const fs::path& folder, nn::StoredType weights = nn::StoredType::kF32) const {
    save_model(folder, info, model, tokenizer, "{\"test\":1}\n", "# card\n", weights);
  }

  tokenizer::Tokenizer tokenizer;
  Context context;
  nn::Classifier model;
  ModelInfo info;
};

using lathe::test::has;
using lathe::test::message_of;

}  // namespace lathe::deploy::test
