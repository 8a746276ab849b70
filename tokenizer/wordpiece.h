// WordPiece with BERT's text rules (internal; tokenizer.h says what it computes).
#pragma once
#include <lathe/tokenizer/bert_text.h>
#include <lathe/tokenizer/double_array.h>
#include <lathe/tokenizer/state.h>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::tokenizer::detail {

inline constexpr std::size_t kMaxWordChars = 100;  ///< what the field's files say

class WordPiece final : public Model {
 public:
  struct Settings {
    BertRules rules;
    std::string prefix = "##";
    std::size_t max_chars = kMaxWordChars;  ///< longer words are unknown
  };

  /// `tokens` by id; they are copied into the trie.
  WordPiece(Settings settings, std::span<const std::string> tokens, std::int32_t unk);

  std::string_view kind() const override { return "wordpiece"; }
  void append(std::string_view text, std::size_t begin, std::size_t end, std::vector<std::int32_t>& ids,
              std::vector<Offset>* offsets) const override;
  std::string normalize(std::string_view text) const override { return detail::normalize(settings_.rules, text); }
  bool lowercase() const override { return settings_.rules.lowercase; }
  std::optional<std::int32_t> id(std::string_view token) const override;
  std::int32_t unk() const override { return unk_; }
  std::int32_t size() const override { return static_cast<std::int32_t>(tokens_.size()); }
  void hash(Sha256& sha) const override;
  void write_pipeline(JsonWriter& json) const override;
  void write_model(JsonWriter& json) const override;

 private:
  static constexpr std::uint32_t kWordRoot = 0, kInsideRoot = 1;

  Settings settings_;
  std::vector<std::string> tokens_;
  std::int32_t unk_;
  DoubleArray trie_;
};

}  // namespace lathe::tokenizer::detail
