#include <lathe/base/error.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/encodings.h>

#include <algorithm>

namespace lathe::nas {
namespace {

std::size_t bytes_of(const data::EncodedSplits& rows) {
  return (rows.train.tokens() + rows.valid.tokens() + rows.test.tokens()) * sizeof(std::int32_t);
}

}  // namespace

Encodings::Encodings(const data::ClassificationData& text, tokenizer::Tokenizer base, Index max_tokens,
                     std::map<Index, tokenizer::Tokenizer> learned)
    : text_(text), base_(std::move(base)), max_tokens_(max_tokens), learned_(std::move(learned)) {}

const tokenizer::Tokenizer& Encodings::of_size(Index vocab) const {
  if (vocab == 0) return base_;
  const auto found = learned_.find(vocab);
  if (found == learned_.end()) throw InputError(str("no vocabulary of ", vocab, " tokens was learned"));
  return found->second;
}

const tokenizer::Tokenizer& Encodings::tokenizer(const Candidate& candidate) const { return of_size(candidate.vocab); }

std::shared_ptr<const data::EncodedSplits> Encodings::rows(const Candidate& candidate) const {
  return encoded({candidate.vocab, candidate.max_tokens != 0 ? candidate.max_tokens : max_tokens_});
}

std::shared_ptr<const data::EncodedSplits> Encodings::encoded(const Key& key) const {
  const std::lock_guard lock(mutex_);  // also while encoding: two workers that need the same rows encode them once
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& entry) { return entry.first == key; });
  if (found != kept_.end()) {
    std::rotate(kept_.begin(), found, found + 1);
    return kept_.front().second;
  }
  auto rows = std::make_shared<const data::EncodedSplits>(data::encode(text_, of_size(key.first), key.second));
  kept_.emplace(kept_.begin(), key, rows);
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < kept_.size(); ++i)
    if ((bytes += bytes_of(*kept_[i].second)) > kKeptBytes && i > 0) kept_.resize(i);
  return rows;
}

std::map<Index, Index> Encodings::sizes() const {
  std::map<Index, Index> sizes;
  for (const auto& [asked, tokenizer] : learned_) sizes[asked] = tokenizer.vocab_size();
  return sizes;
}

Digest Encodings::hash(Index longest) const {
  Sha256 sha;
  const auto add = [&](Index vocab) { sha.add(str(vocab, " ", to_hex(encoded({vocab, longest})->hash), "\n")); };
  add(0);
  for (const auto& [vocab, tokenizer] : learned_) add(vocab);
  return sha.finish();
}

}  // namespace lathe::nas
