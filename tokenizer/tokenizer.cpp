// Construction, vocabulary, decoding.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/tokenizer/state.h>
#include <lathe/tokenizer/tokenizer.h>
#include <lathe/tokenizer/wordpiece.h>

#include <algorithm>
#include <map>
#include <utility>

namespace lathe::tokenizer {
namespace detail {
namespace {

constexpr const char* kBertSpecials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

void add_text(Sha256& sha, std::string_view text) { sha.add_u64(text.size()).add(text); }

void add_template(Sha256& sha, const Template& pieces) {
  sha.add_u64(pieces.size());
  for (const TemplatePiece& piece : pieces) {
    sha.add_u64(static_cast<std::uint64_t>(piece.sequence + 1))
        .add_u64(static_cast<std::uint64_t>(piece.type_id))
        .add_u64(piece.ids.size());
    for (const std::int32_t id : piece.ids) sha.add_u64(static_cast<std::uint64_t>(id));
  }
}

Digest content_hash(const State& state) {
  Sha256 sha;
  add_text(sha, "lathe tokenizer 1");
  add_text(sha, state.model->kind());
  state.model->hash(sha);
  sha.add_u64(static_cast<std::uint64_t>(state.model->size())).add_u64(state.tokens.size());
  for (const std::string& token : state.tokens) add_text(sha, token);
  sha.add_u64(state.added.list().size());
  for (const AddedToken& t : state.added.list())
    sha.add_u64(static_cast<std::uint64_t>(t.id)).add_u64(t.special).add_u64(t.single_word).add_u64(t.lstrip).add_u64(t.rstrip);
  add_template(sha, state.single);
  add_template(sha, state.pair);
  sha.add_u64(state.decoder.wordpiece);
  add_text(sha, state.decoder.prefix);
  sha.add_u64(state.decoder.cleanup);
  return sha.finish();
}

std::optional<std::int32_t> find_id(const State& state, std::string_view token) {
  if (const auto id = state.model->id(token)) return id;
  const AddedToken* added = state.added.find(token);
  return added ? std::optional(added->id) : std::nullopt;
}

std::int32_t first_of(const State& state, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const auto id = find_id(state, name)) return *id;
  return SpecialIds::kNone;
}

}  // namespace

std::shared_ptr<const State> finish(State state, std::string_view name) {
  LATHE_CHECK(state.model != nullptr);
  for (const Template* pieces : {&state.single, &state.pair})
    for (const TemplatePiece& piece : *pieces)
      for (const std::int32_t id : piece.ids)
        if (id < 0 || static_cast<std::size_t>(id) >= state.tokens.size())
          throw InputError(
              str(name, ": special token '", piece.name, "' has id ", id, ", expected 0 to ", state.tokens.size() - 1));
  state.special = {first_of(state, {"[PAD]", "<pad>"}), state.model->unk(), first_of(state, {"[CLS]", "<s>"}),
                   first_of(state, {"[SEP]", "</s>"}), first_of(state, {"[MASK]", "<mask>"})};
  state.hash = content_hash(state);
  return std::make_shared<const State>(std::move(state));
}

void set_bert_template(State& state, std::string_view cls, std::int32_t cls_id, std::string_view sep, std::int32_t sep_id) {
  const TemplatePiece begin{-1, std::string(cls), {cls_id}, 0}, end{-1, std::string(sep), {sep_id}, 0},
      end_b{-1, std::string(sep), {sep_id}, 1};
  const TemplatePiece a{0, "A", {}, 0}, b{1, "B", {}, 1};
  state.single = {begin, a, end};
  state.pair = {begin, a, end, b, end_b};
  state.has_template = true;
}

std::shared_ptr<const State> make_bert(std::vector<std::string> tokens, bool lowercase, std::size_t max_word_chars,
                                       std::string_view name) {
  std::vector<AddedToken> added;
  std::vector<std::string> missing;
  for (const char* special : kBertSpecials) {
    const auto at = std::find(tokens.begin(), tokens.end(), special);
    if (at == tokens.end())
      missing.push_back(special);
    else
      added.push_back({special, static_cast<std::int32_t>(at - tokens.begin())});
  }
  if (!missing.empty()) {
    // Usually the file is of another kind, or somebody lower-cased it.
    const auto close = std::find_if(tokens.begin(), tokens.end(),
                                    [&](const std::string& t) { return lathe::lower(t) == lathe::lower(missing[0]); });
    throw InputError(str(name, ": missing special token ", join(missing, ", "),
                         close == tokens.end() ? "" : str(" (the file has ", *close, ")"),
                         ", expected a BERT vocabulary, one token a line"));
  }
  State state;
  const std::int32_t unk = added[1].id, cls = added[2].id, sep = added[3].id;
  state.model = std::make_unique<WordPiece>(WordPiece::Settings{BertRules(true, true, lowercase, lowercase), "##", max_word_chars},
                                            tokens, unk);
  state.tokens = std::move(tokens);
  state.added = AddedTokens(std::move(added));
  set_bert_template(state, "[CLS]", cls, "[SEP]", sep);
  return finish(std::move(state), name);
}

}  // namespace detail

Tokenizer Tokenizer::load(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != text.npos && text[first] == '{') return from_json(text, file.string());
  return from_vocab(text, {}, file.string());
}

Tokenizer Tokenizer::from_vocab(std::string_view text, std::optional<bool> lowercase, std::string_view name,
                                std::size_t max_word_chars) {
  if (max_word_chars < 1) throw InputError("[tokenizer] max_word_chars is 0, expected at least 1");
  if (text.empty()) throw InputError(str(name, ": the vocabulary is empty, expected one token a line"));
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<std::string> tokens;
  std::map<std::string_view, std::size_t> line_of;
  bool capitals = false;
  for (std::string_view line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t number = tokens.size() + 1;
    if (line.empty()) throw InputError(str(name, ":", number, ": empty line, expected a token"));
    if (const auto at = invalid_utf8(line)) throw InputError(str(name, ":", number, ": invalid UTF-8 at byte ", *at));
    if (const auto [at, fresh] = line_of.emplace(line, number); !fresh)
      throw InputError(str(name, ":", number, ": token '", line, "' is already on line ", at->second));
    tokens.emplace_back(line);
    if (!(line.starts_with('[') && line.ends_with(']')))
      capitals = capitals || std::any_of(line.begin(), line.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  }
  return Tokenizer(detail::make_bert(std::move(tokens), lowercase.value_or(!capitals), max_word_chars, name));
}

void Tokenizer::save(const std::filesystem::path& file) const { write_file_atomic(file, to_json()); }

std::string Tokenizer::normalize(std::string_view text) const { return state_->model->normalize(text); }
std::string_view Tokenizer::kind() const { return state_->model->kind(); }
std::int32_t Tokenizer::vocab_size() const { return static_cast<std::int32_t>(state_->tokens.size()); }
std::optional<std::int32_t> Tokenizer::id(std::string_view token) const { return detail::find_id(*state_, token); }
const SpecialIds& Tokenizer::special() const { return state_->special; }
std::span<const AddedToken> Tokenizer::added_tokens() const { return state_->added.list(); }
bool Tokenizer::lowercase() const { return state_->model->lowercase(); }
const Digest& Tokenizer::hash() const { return state_->hash; }

std::string_view Tokenizer::token(std::int32_t id) const {
  if (id < 0 || id >= vocab_size())
    throw InputError(str("[tokenizer] id ", id, " is outside the vocabulary, expected 0 to ", vocab_size() - 1));
  return state_->tokens[static_cast<std::size_t>(id)];
}

std::size_t Tokenizer::special_count(bool pair) const {
  std::size_t count = 0;
  for (const detail::TemplatePiece& piece : pair ? state_->pair : state_->single) count += piece.ids.size();
  return count;
}

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

/// The clean-up of English text that the field's decoders share, in their order, on one token with its leading space.
void clean_up(std::string& piece) {
  static constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kRules) replace_all(piece, from, to);
}

}  // namespace

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  std::string out, piece;
  bool first = true;
  for (const std::int32_t id : ids) {
    const std::string_view text = token(id);
    if (skip_special) {
      const AddedToken* added = state_->added.find(id);
      if (added && added->special) continue;
    }
    const detail::Decoder& decoder = state_->decoder;
    const bool continues = !first && decoder.wordpiece && text.starts_with(decoder.prefix);
    piece.clear();
    if (!first && !continues) piece.push_back(' ');
    piece.append(continues ? text.substr(decoder.prefix.size()) : text);
    if (decoder.wordpiece && decoder.cleanup) clean_up(piece);
    out += piece;
    first = false;
  }
  return out;
}

}  // namespace lathe::tokenizer
