// Text to ids and back.
//
// A Tokenizer is a small handle to immutable state: copies are cheap and share it, every member is const, and any number
// of threads may use one tokenizer at once. It is made from a BERT vocabulary (vocab.txt), from a Hugging Face
// tokenizer.json, or learned from text (wordpiece_trainer.h).
//
// The kind that exists is WordPiece as BERT uses it (Devlin et al., 2019; Wu et al., 2016), with the results of Hugging Face's
// tokenizers 0.23, token for token:
//   1. added tokens such as [MASK] are cut out of the raw text, leftmost-longest;
//   2. BertNormalizer: control characters dropped, every white space becomes a space, CJK ideographs stand alone,
//      accents stripped (NFD without category Mn), lower case character by character;
//   3. BertPreTokenizer: split at white space, every punctuation character is a word;
//   4. WordPiece: from the left, the longest vocabulary entry, continuing with entries that begin with "##". A word that
//      cannot be spelled, or is too long (100 characters; 200 with a BERT vocabulary file), is one [UNK];
//   5. special tokens around it by a template: [CLS] A [SEP], or [CLS] A [SEP] B [SEP] with token types 0 and 1.
//
// Lengths and positions of text are bytes of UTF-8. Ids are int32, dense from 0 to vocab_size() − 1.
#pragma once
#include <lathe/base/sha256.h>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lathe::tokenizer {

/// Ids of the tokens that models treat specially; kNone where the vocabulary has no such token.
struct SpecialIds {
  static constexpr std::int32_t kNone = -1;
  std::int32_t pad = kNone, unk = kNone, cls = kNone, sep = kNone, mask = kNone;
  bool operator==(const SpecialIds&) const = default;
};

/// Which text of a pair loses tokens when both do not fit. kLongestFirst keeps the shorter text whole as long as it leaves
/// the longer one at least as much; otherwise both get half (an odd token goes to the longer one, or the second). The other two are
/// errors (InputError) if the named text would become empty.
enum class Truncation { kLongestFirst, kOnlyFirst, kOnlySecond };

/// Which end of a text is kept.
enum class Keep { kBegin, kEnd };

struct EncodeOptions {
  bool add_special = true;     ///< put [CLS] and [SEP] around the text, as the tokenizer's template says
  bool match_special = true;   ///< "[SEP]" written in the text becomes that token, as in Hugging Face; false: it is plain text
  std::size_t max_tokens = 0;  ///< limit including special tokens; 0 = none. Below the number of special tokens: InputError
  Truncation truncation = Truncation::kLongestFirst;
  Keep keep = Keep::kBegin;
};

/// Where a token came from: bytes [begin, end) of its text. Special tokens of the template have {0, 0}. (Equal to Hugging Face's,
/// which count characters, except where NFD reorders marks: theirs then follow the position, these the mark.)
struct Offset {
  std::uint32_t begin = 0, end = 0;
  bool operator==(const Offset&) const = default;
};

/// Everything about one encoded text or pair. The vectors have the same length.
struct Encoding {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;  ///< 0 for the first text and its special tokens, 1 for the second (by the template)
  std::vector<Offset> offsets;
  std::size_t dropped = 0;  ///< tokens lost to max_tokens
};

/// One token that is looked for in the raw text before anything else.
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool special = true;       ///< decode() leaves it out unless asked
  bool single_word = false;  ///< only where no letter, digit, mark or underscore touches it
  bool lstrip = false;       ///< swallows white space before it
  bool rstrip = false;       ///< swallows white space behind it
  bool operator==(const AddedToken&) const = default;
};

namespace detail {
struct State;
}

class Tokenizer {
 public:
  // ---- making one

  /// A file: JSON (first character '{') as tokenizer.json, anything else as a BERT vocabulary. InputError names file, line
  /// or key.
  static Tokenizer load(const std::filesystem::path& file);

  /// BERT's vocab.txt: one token a line, id = line number from 0. Two things are not in the file. `lowercase` (which also strips
  /// accents): if not given, true unless a token that is not in brackets has an ASCII capital. `max_word_chars`: BERT's own code
  /// has 200, Hugging Face's tokenizers 100. InputError "<name>:<line>: …" for an empty line, a repeated token or invalid UTF-8,
  /// "<name>: …" for an empty file or a missing [PAD], [UNK], [CLS], [SEP] or [MASK].
  static Tokenizer from_vocab(std::string_view text, std::optional<bool> lowercase = {}, std::string_view name = "vocab.txt",
                              std::size_t max_word_chars = 200);

  /// Hugging Face's tokenizer.json, "version" "1.0", model WordPiece. Its truncation and padding are ignored: they are the
  /// last caller's settings, not the tokenizer's. InputError says which kind of model, normalizer, pre-tokenizer,
  /// post-processor or decoder is not supported, and which are.
  static Tokenizer from_json(std::string_view text, std::string_view name = "tokenizer.json");

  // ---- writing

  /// tokenizer.json that Hugging Face loads with the same results. Equal tokenizers give equal bytes. (transformers also wants
  /// "tokenizer_class": "PreTrainedTokenizerFast" in tokenizer_config.json, else it replaces parts by its own defaults.)
  std::string to_json() const;
  /// to_json() into a file, whole or not at all.
  void save(const std::filesystem::path& file) const;

  // ---- text to ids. InputError names the position of the first byte that is not UTF-8.

  std::vector<std::int32_t> encode(std::string_view text, const EncodeOptions& options = {}) const;

  /// Appends the ids of `text` to `ids` and returns how many. Allocates nothing but what `ids` needs to grow. If it
  /// throws, `ids` is as before. `dropped`, if given, receives the number of tokens lost to max_tokens.
  std::size_t append(std::string_view text, std::vector<std::int32_t>& ids, const EncodeOptions& options = {},
                     std::size_t* dropped = nullptr) const;

  /// The same for a pair, with token types.
  std::size_t append_pair(std::string_view first, std::string_view second, std::vector<std::int32_t>& ids,
                          std::vector<std::int32_t>& type_ids, const EncodeOptions& options = {},
                          std::size_t* dropped = nullptr) const;

  /// Ids, types and offsets.
  Encoding encode_full(std::string_view text, const EncodeOptions& options = {}) const;
  Encoding encode_full_pair(std::string_view first, std::string_view second, const EncodeOptions& options = {}) const;

  /// The text after step 2, as a string (words are still together). For looking at, and for tests.
  std::string normalize(std::string_view text) const;

  // ---- ids to text

  /// Tokens joined by spaces, "##" pieces joined without, and the usual clean-up before punctuation (" ." → ".",
  /// " n't" → "n't", …). InputError for an id outside the vocabulary.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const;

  // ---- vocabulary

  std::string_view kind() const;  ///< "wordpiece"
  std::int32_t vocab_size() const;
  std::string_view token(
      std::int32_t id) const;  ///< InputError outside the vocabulary; lives as long as any copy of this tokenizer
  std::optional<std::int32_t> id(std::string_view token) const;
  const SpecialIds& special() const;
  std::span<const AddedToken> added_tokens() const;  ///< ascending id
  bool lowercase() const;
  /// How many special tokens the template puts around one text or a pair.
  std::size_t special_count(bool pair = false) const;

  /// SHA-256 of everything that decides the result of encode and decode, in a fixed form: the same on every machine and for
  /// every file format the tokenizer came from. Part of the data hash.
  const Digest& hash() const;

  // ---- inside

  explicit Tokenizer(std::shared_ptr<const detail::State> state) : state_(std::move(state)) {}
  const detail::State& state() const { return *state_; }

 private:
  std::shared_ptr<const detail::State> state_;
};

}  // namespace lathe::tokenizer
