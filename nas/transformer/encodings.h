// The same texts in other encodings: for searches that choose the size of the vocabulary (`vocab`) or the longest sequence
// (`max_tokens`).
//
// Vocabularies are learned before the search, one for each size that the space has. Rows are encoded when a candidate first needs
// them; the latest encodings are kept, up to kKeptBytes.
#pragma once
#include <lathe/data/encode.h>
#include <lathe/nas/transformer/candidate.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace lathe::nas {

class Encodings {
 public:
  /// `text` must outlive this. `base` and `max_tokens`: of candidates that choose none. `learned`: by the size that was asked for.
  Encodings(const data::ClassificationData& text, tokenizer::Tokenizer base, Index max_tokens,
            std::map<Index, tokenizer::Tokenizer> learned);

  /// The rows of this candidate. Safe to call from several threads. InputError: no vocabulary of its size was learned.
  std::shared_ptr<const data::EncodedSplits> rows(const Candidate& candidate) const;
  const tokenizer::Tokenizer& tokenizer(const Candidate& candidate) const;

  /// For TaskShape::vocabularies.
  std::map<Index, Index> sizes() const;
  /// SHA-256 of the data hashes of every vocabulary, the base's first, at `longest` tokens: of all that a search can use.
  Digest hash(Index longest) const;

  static constexpr std::size_t kKeptBytes = std::size_t{1} << 30;  ///< of ids that stay in memory without being used

 private:
  using Key = std::pair<Index, Index>;  // vocabulary (0: base), length
  const tokenizer::Tokenizer& of_size(Index vocab) const;
  std::shared_ptr<const data::EncodedSplits> encoded(const Key& key) const;

  const data::ClassificationData& text_;
  tokenizer::Tokenizer base_;
  Index max_tokens_;
  std::map<Index, tokenizer::Tokenizer> learned_;
  mutable std::mutex mutex_;
  mutable std::vector<std::pair<Key, std::shared_ptr<const data::EncodedSplits>>> kept_;  // the latest one first
};

}  // namespace lathe::nas
