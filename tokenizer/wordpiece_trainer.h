// Learns a WordPiece vocabulary from text.
//
// The algorithm is the one that the field's WordPiece trainers run: byte-pair encoding (Sennrich et al., 2016) on characters
// with the prefix "##" inside a word. Start with all characters, then repeatedly join the most frequent adjacent pair of
// pieces into a new piece until the vocabulary is full. (The likelihood criterion of Schuster & Nakajima, 2012, is not used by
// anybody's trainer.) What other trainers leave to the order of a hash table is fixed here, so equal texts in any order
// give equal vocabularies:
//   ids: special tokens [PAD] [UNK] [CLS] [SEP] [MASK], then the characters that start or stand in words by code point, then
//   the "##" characters by code point, then the joined pieces in the order of joining;
//   ties: the pair with the smaller (left id, right id); among equally frequent characters the smaller code point is kept.
#pragma once
#include <lathe/tokenizer/tokenizer.h>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace lathe::tokenizer {

struct WordPieceOptions {
  std::int32_t vocab_size = 8000;      ///< upper limit; reached unless the text has too few pairs
  bool lowercase = true;               ///< lower case and no accents
  std::int64_t min_frequency = 2;      ///< pairs that occur less often are not joined
  std::int32_t limit_alphabet = 1000;  ///< keep this many characters, the most frequent; words with others become [UNK]
};

/// Counts words as texts come in, so the texts need not be in memory together.
class WordPieceTrainer {
 public:
  explicit WordPieceTrainer(const WordPieceOptions& options = {});

  /// Counts the words of one text. Words of more than 100 characters are skipped: they would encode as [UNK] anyway.
  /// InputError with the byte position for invalid UTF-8; then nothing of this text is counted.
  void add(std::string_view text);

  /// The tokenizer for what was added. No text gives a vocabulary of the special tokens only. InputError if vocab_size has no
  /// room for the special tokens and the alphabet; the message says how much it needs.
  Tokenizer train() const;

 private:
  WordPieceOptions options_;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
  };
  std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> words_;  // sorted before its order could matter
};

/// All texts at once. InputError "text <index>: …" for invalid UTF-8.
Tokenizer train_wordpiece(std::span<const std::string> texts, const WordPieceOptions& options = {});
Tokenizer train_wordpiece(std::span<const std::string_view> texts, const WordPieceOptions& options = {});

}  // namespace lathe::tokenizer
