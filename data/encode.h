// Labelled text through a tokenizer into an encoded data set.
#pragma once
#include <lathe/data/batch.h>
#include <lathe/data/classification.h>
#include <lathe/data/load.h>
#include <lathe/tokenizer/tokenizer.h>

#include <cstdint>

namespace lathe::data {

/// Rows in order, with the tokenizer's special tokens; what is longer than max_tokens (0: no limit) is cut at its end, for
/// pairs the longer text first. Segment ids only for pairs. A row of which nothing is left (no special tokens and a text of
/// blanks) gets the unknown token, so that every sequence has a token. InputError "file:line: …" from the tokenizer.
EncodedDataset encode(const Examples& examples, const tokenizer::Tokenizer& tokenizer, std::int64_t max_tokens);

struct EncodedSplits {
  EncodedDataset train, valid, test;
  Digest hash{};  ///< data_hash() of the three
};
EncodedSplits encode(const ClassificationData& data, const tokenizer::Tokenizer& tokenizer, std::int64_t max_tokens);

}  // namespace lathe::data
