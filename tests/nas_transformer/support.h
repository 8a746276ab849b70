// What the tests of the transformer search share: rows that are learned in moments, a base candidate, a space around it.
#pragma once
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/random.h>
#include <lathe/nas/space.h>
#include <lathe/nas/transformer/finalists.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/folder.h"
#include "tests/support/message.h"

namespace lathe::nas::test {

inline data::EncodedDataset rows(int count, std::uint64_t seed) {
  Random random(random_key(seed, 0, "test rows"));
  data::EncodedDataset out;
  for (int i = 0; i < count; ++i) {
    const auto label = static_cast<std::int32_t>(random.below(2));
    std::vector<std::int32_t> ids = {1, 2 + label};
    for (std::uint32_t n = random.below(6); n > 0; --n) ids.push_back(static_cast<std::int32_t>(4 + random.below(8)));
    out.add(ids, label);
  }
  return out;
}

/// Training, validation and test rows.
inline data::EncodedSplits splits() {
  data::EncodedSplits out{rows(40, 1), rows(24, 2), rows(30, 3), {}};
  out.hash[0] = 7;
  return out;
}

inline TaskShape task() { return {.vocab_size = 12, .max_tokens = 8, .classes = 2}; }

inline Candidate base() {
  Candidate c;
  c.layers = 1;
  c.hidden = 8;
  c.all = {.heads = 2, .expansion = 2};
  c.training.epochs = 4;
  c.training.batch_rows = 16;
  c.training.lr = 0.01;
  c.training.patience = 0;
  return c;
}

/// The point with these values, in a space that has nothing else.
inline Point point(const std::vector<std::pair<std::string, Value>>& values) {
  SpaceBuilder builder;
  for (const auto& [name, value] : values) builder.add({name, Categorical{{value}}, ""});
  return builder.build().point(values);
}

using Folder = lathe::test::TemporaryFolder;

using lathe::test::has;
using lathe::test::message_of;

}  // namespace lathe::nas::test
