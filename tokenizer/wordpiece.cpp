#include <lathe/tokenizer/wordpiece.h>

#include <utility>

namespace lathe::tokenizer::detail {
namespace {

std::vector<std::vector<DoubleArray::Key>> trie_keys(std::span<const std::string> tokens, std::string_view prefix) {
  std::vector<std::vector<DoubleArray::Key>> roots(2);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i];
    const auto id = static_cast<std::int32_t>(i);
    roots[0].push_back({token, id});
    if (token.size() > prefix.size() && token.starts_with(prefix)) roots[1].push_back({token.substr(prefix.size()), id});
  }
  return roots;
}

/// Spells words with the vocabulary.
template <bool kOrigins>
struct Speller {
  const DoubleArray& trie;
  std::int32_t unk;
  std::uint32_t word_root, inside_root;
  std::vector<std::int32_t>& ids;
  std::vector<Offset>* offsets;

  void word(const char* bytes, std::size_t size, const Offset* origin) {
    const std::size_t before = ids.size();
    std::uint32_t root = word_root;
    for (std::size_t at = 0; at < size; root = inside_root) {
      const DoubleArray::Match match = trie.longest(root, bytes + at, size - at);
      if (match.size == 0) {
        ids.resize(before);
        if constexpr (kOrigins) {
          offsets->resize(before);
          offsets->push_back({origin[0].begin, origin[size - 1].end});
        }
        ids.push_back(unk);
        return;
      }
      ids.push_back(match.value);
      if constexpr (kOrigins) offsets->push_back({origin[at].begin, origin[at + match.size - 1].end});
      at += match.size;
    }
  }

  void long_word(Offset origin) {
    ids.push_back(unk);
    if constexpr (kOrigins) offsets->push_back(origin);
  }
};

}  // namespace

WordPiece::WordPiece(Settings settings, std::span<const std::string> tokens, std::int32_t unk)
    : settings_(std::move(settings)),
      tokens_(tokens.begin(), tokens.end()),
      unk_(unk),
      trie_(trie_keys(tokens_, settings_.prefix)) {}

void WordPiece::append(std::string_view text, std::size_t begin, std::size_t end, std::vector<std::int32_t>& ids,
                       std::vector<Offset>* offsets) const {
  const auto run = [&]<bool kOrigins>(std::bool_constant<kOrigins>) {
    Speller<kOrigins> speller{trie_, unk_, kWordRoot, kInsideRoot, ids, offsets};
    WordSplitter<kOrigins, Speller<kOrigins>>(settings_.rules, settings_.max_chars, speller).split(text, begin, end);
  };
  offsets ? run(std::true_type{}) : run(std::false_type{});
}

std::optional<std::int32_t> WordPiece::id(std::string_view token) const {
  const std::int32_t found = trie_.find(kWordRoot, token);
  return found == DoubleArray::kNoValue ? std::nullopt : std::optional(found);
}

void WordPiece::hash(Sha256& sha) const {
  const BertRules& rules = settings_.rules;
  sha.add_u64(rules.clean_text).add_u64(rules.handle_chinese_chars).add_u64(rules.strip_accents).add_u64(rules.lowercase);
  sha.add_u64(settings_.prefix.size()).add(settings_.prefix).add_u64(settings_.max_chars).add_u64(static_cast<std::uint64_t>(unk_));
}

void WordPiece::write_pipeline(JsonWriter& json) const {
  const BertRules& rules = settings_.rules;
  json.key("normalizer").begin_object().member("type", "BertNormalizer").member("clean_text", rules.clean_text);
  json.member("handle_chinese_chars", rules.handle_chinese_chars).key("strip_accents");
  // null means "as lowercase": the field's usual form.
  rules.strip_accents == rules.lowercase ? json.null() : json.value(rules.strip_accents);
  json.member("lowercase", rules.lowercase).end_object();
  json.key("pre_tokenizer").begin_object().member("type", "BertPreTokenizer").end_object();
}

void WordPiece::write_model(JsonWriter& json) const {
  json.key("model").begin_object().member("type", "WordPiece").member("unk_token", tokens_[static_cast<std::size_t>(unk_)]);
  json.member("continuing_subword_prefix", settings_.prefix);
  json.member("max_input_chars_per_word", std::uint64_t{settings_.max_chars}).key("vocab").begin_object();
  for (std::size_t id = 0; id < tokens_.size(); ++id) json.member(tokens_[id], static_cast<std::int64_t>(id));
  json.end_object().end_object();
}

}  // namespace lathe::tokenizer::detail
