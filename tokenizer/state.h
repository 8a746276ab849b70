// What a Tokenizer points to (internal).
//
// A kind of tokenizer is one Model: how a piece of plain text becomes ids, and its part of tokenizer.json. Everything around it
// (added tokens, templates, truncation, vocabulary) is shared by all kinds. The one virtual call is per piece of text, not per
// token.
#pragma once
#include <lathe/base/json_writer.h>
#include <lathe/base/sha256.h>
#include <lathe/tokenizer/added_tokens.h>
#include <lathe/tokenizer/tokenizer.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::tokenizer::detail {

class Model {
 public:
  virtual ~Model() = default;
  virtual std::string_view kind() const = 0;
  /// Appends the ids of text[begin, end), and where they come from if `offsets` is given.
  virtual void append(std::string_view text, std::size_t begin, std::size_t end, std::vector<std::int32_t>& ids,
                      std::vector<Offset>* offsets) const = 0;
  virtual std::string normalize(std::string_view text) const = 0;
  virtual bool lowercase() const = 0;
  virtual std::optional<std::int32_t> id(std::string_view token) const = 0;
  virtual std::int32_t unk() const = 0;
  /// Number of ids that the model itself knows; added tokens may follow.
  virtual std::int32_t size() const = 0;
  virtual void hash(Sha256& sha) const = 0;
  /// Members "normalizer" and "pre_tokenizer", and member "model".
  virtual void write_pipeline(JsonWriter& json) const = 0;
  virtual void write_model(JsonWriter& json) const = 0;
};

/// How tokens become text again.
struct Decoder {
  bool wordpiece = true;  ///< false: tokens joined by spaces, nothing else
  std::string prefix = "##";
  bool cleanup = true;
};

/// One element of a template: a text (sequence 0 or 1) or special tokens.
struct TemplatePiece {
  int sequence = -1;              ///< −1: special tokens
  std::string name;               ///< of the special token, as the file calls it
  std::vector<std::int32_t> ids;  ///< of the special token
  std::int32_t type_id = 0;
};
using Template = std::vector<TemplatePiece>;

struct State {
  std::vector<std::string> tokens;  ///< by id, added ones included
  std::unique_ptr<const Model> model;
  AddedTokens added;
  Template single, pair;
  bool has_template = false;  ///< false: the templates are the bare texts
  Decoder decoder;
  SpecialIds special;
  Digest hash{};
};

/// Checks the parts against each other, finds the special ids, computes the hash. `name` is for messages.
std::shared_ptr<const State> finish(State state, std::string_view name);

/// [CLS] A [SEP] and [CLS] A [SEP] B [SEP] with types 0 and 1.
void set_bert_template(State& state, std::string_view cls, std::int32_t cls_id, std::string_view sep, std::int32_t sep_id);

/// The tokenizer that BERT makes of these tokens: special tokens [PAD] [UNK] [CLS] [SEP] [MASK], all rules on.
std::shared_ptr<const State> make_bert(std::vector<std::string> tokens, bool lowercase, std::size_t max_word_chars,
                                       std::string_view name);

}  // namespace lathe::tokenizer::detail
