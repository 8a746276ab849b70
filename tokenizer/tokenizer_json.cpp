// Hugging Face's tokenizer.json, version 1.0: read and written. Reading accepts what means the same here and refuses the rest by
// name; a tokenizer that silently differed from its model's would be worse than none.
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tokenizer/state.h>
#include <lathe/tokenizer/tokenizer.h>
#include <lathe/tokenizer/wordpiece.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace lathe::tokenizer {
namespace detail {
namespace {

using Json = nlohmann::json;

/// Reads members with messages that name the file and the key. `where` is "<file>: model" or the like.
class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) throw InputError(str(where_, ": expected an object, got ", json.type_name()));
  }

  [[noreturn]] void fail(std::string_view message) const { throw InputError(str(where_, ": ", message)); }

  bool has(const char* key) const { return json_.contains(key) && !json_[key].is_null(); }
  const Json& at(const char* key) const {
    if (!json_.contains(key)) fail(str("'", key, "' is missing"));
    return json_[key];
  }
  std::string string(const char* key) const { return typed<std::string>(key, "a string", at(key).is_string()); }
  std::string string_or(const char* key, const char* fallback) const { return has(key) ? string(key) : fallback; }
  bool flag_or(const char* key, bool fallback) const {
    return has(key) ? typed<bool>(key, "true or false", at(key).is_boolean()) : fallback;
  }
  std::int64_t integer(const char* key) const { return typed<std::int64_t>(key, "an integer", is_integer(at(key))); }
  std::int64_t integer_or(const char* key, std::int64_t fallback) const { return has(key) ? integer(key) : fallback; }
  const Json& array(const char* key) const { return typed_ref(key, "an array", at(key).is_array()); }
  const Json& object(const char* key) const { return typed_ref(key, "an object", at(key).is_object()); }
  Reader child(const char* key) const { return Reader(at(key), str(where_, ".", key)); }
  const std::string& where() const { return where_; }

  /// The value of "type", which must be one of `supported`.
  std::string type(const char* what, std::initializer_list<const char*> supported) const {
    // Old files leave the type of the model out.
    const std::string found = has("type") ? string("type") : std::string("(none)");
    std::vector<std::string> names(supported.begin(), supported.end());
    if (std::find(names.begin(), names.end(), found) == names.end())
      fail(str(what, " '", found, "' is not supported, expected ", join(names, " or ")));
    return found;
  }

  static bool is_integer(const Json& json) {
    return json.is_number_integer() &&
           !(json.is_number_unsigned() &&
             json.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  }

 private:
  template <class T>
  T typed(const char* key, const char* expected, bool right) const {
    return typed_ref(key, expected, right).get<T>();
  }
  const Json& typed_ref(const char* key, const char* expected, bool right) const {
    if (!right) fail(str("'", key, "' is ", json_[key].type_name(), ", expected ", expected));
    return json_[key];
  }

  const Json& json_;
  std::string where_;
};

/// An id that fits; the count of tokens bounds it later.
std::int32_t to_id(std::int64_t value, const Reader& reader, std::string_view token) {
  if (value < 0 || value > 0x7FFFFFFE)
    reader.fail(str("token '", token, "' has id ", value, ", expected a small non-negative integer"));
  return static_cast<std::int32_t>(value);
}

/// The tokens by id. Every id from 0 on must have one.
std::vector<std::string> read_vocab(const Reader& model) {
  const Json& vocab = model.object("vocab");
  if (vocab.empty()) model.fail("'vocab' is empty");
  std::vector<std::string> tokens(vocab.size());
  for (const auto& [token, value] : vocab.items()) {
    if (!Reader::is_integer(value))
      model.fail(str("the id of token '", token, "' is ", value.type_name(), ", expected an integer"));
    const std::int32_t id = to_id(value.get<std::int64_t>(), model, token);
    if (token.empty()) model.fail(str("the token with id ", id, " is empty"));
    if (static_cast<std::size_t>(id) >= tokens.size())
      model.fail(str("token '", token, "' has id ", id, ", but 'vocab' has ", tokens.size(), " tokens: ids must be 0 to ",
                     tokens.size() - 1, " without gaps"));
    std::string& slot = tokens[static_cast<std::size_t>(id)];
    if (!slot.empty()) model.fail(str("tokens '", slot, "' and '", token, "' both have id ", id));
    slot = token;
  }
  return tokens;
}

BertRules read_rules(const Reader& file) {
  if (!file.has("normalizer")) return BertRules(false, false, false, false);
  const Reader normalizer = file.child("normalizer");
  normalizer.type("normalizer", {"BertNormalizer"});
  const bool lowercase = normalizer.flag_or("lowercase", true);
  return BertRules(normalizer.flag_or("clean_text", true), normalizer.flag_or("handle_chinese_chars", true),
                   normalizer.flag_or("strip_accents", lowercase), lowercase);
}

void read_model(const Reader& file, State& state) {
  const Reader model = file.child("model");
  model.type("model", {"WordPiece"});
  state.tokens = read_vocab(model);
  if (!file.has("pre_tokenizer")) file.fail("'pre_tokenizer' is missing, expected BertPreTokenizer");
  file.child("pre_tokenizer").type("pre-tokenizer", {"BertPreTokenizer"});

  WordPiece::Settings settings{read_rules(file)};
  settings.prefix = model.string_or("continuing_subword_prefix", "##");
  const std::int64_t max_chars = model.integer_or("max_input_chars_per_word", 100);
  if (max_chars < 1 || max_chars > 1'000'000)
    model.fail(str("max_input_chars_per_word is ", max_chars, ", expected 1 to 1,000,000"));
  settings.max_chars = static_cast<std::size_t>(max_chars);
  const std::string unk = model.string_or("unk_token", "[UNK]");
  const auto at = std::find(state.tokens.begin(), state.tokens.end(), unk);
  if (at == state.tokens.end()) {
    const auto close = nearest(unk, state.tokens);
    model.fail(
        str("missing special token: unk_token '", unk, "' is not in 'vocab'", close ? str(" (nearest: '", *close, "')") : ""));
  }
  state.model =
      std::make_unique<WordPiece>(std::move(settings), state.tokens, static_cast<std::int32_t>(at - state.tokens.begin()));
}

/// Added tokens are in the vocabulary or follow it.
void read_added(const Reader& file, State& state) {
  std::vector<AddedToken> added;
  if (file.has("added_tokens")) {
    for (const Json& element : file.array("added_tokens")) {
      const Reader reader(element, str(file.where(), ".added_tokens[", added.size(), "]"));
      AddedToken token;
      token.content = reader.string("content");
      if (token.content.empty()) reader.fail("'content' is empty");
      token.id = to_id(reader.integer("id"), reader, token.content);
      token.special = reader.flag_or("special", false);
      token.single_word = reader.flag_or("single_word", false);
      token.lstrip = reader.flag_or("lstrip", false);
      token.rstrip = reader.flag_or("rstrip", false);
      if (reader.flag_or("normalized", !token.special))
        reader.fail(str("added token '", token.content, "' has normalized = true, which is not supported, expected false"));
      added.push_back(std::move(token));
    }
  }
  std::sort(added.begin(), added.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  std::set<std::string_view> seen;
  for (const AddedToken& token : added) {
    if (!seen.insert(token.content).second) file.fail(str("added token '", token.content, "' appears twice"));
    const auto known = state.model->id(token.content);
    if (known ? *known != token.id : static_cast<std::size_t>(token.id) != state.tokens.size())
      file.fail(str("added token '", token.content, "' has id ", token.id, ", expected ",
                    known ? static_cast<std::size_t>(*known) : state.tokens.size()));
    if (!known) state.tokens.push_back(token.content);
  }
  state.added = AddedTokens(std::move(added));
}

Template read_template(const Reader& processor, const char* key, std::array<int, 2> expected) {
  Template pieces;
  std::array<int, 2> seen{};
  const Reader special_tokens = processor.child("special_tokens");
  for (const Json& element : processor.array(key)) {
    const Reader reader(element, str(processor.where(), ".", key, "[", pieces.size(), "]"));
    TemplatePiece piece;
    const bool is_text = reader.has("Sequence");
    const Reader inner = reader.child(is_text ? "Sequence" : "SpecialToken");
    piece.name = inner.string("id");
    piece.type_id = to_id(inner.integer_or("type_id", 0), inner, piece.name);
    if (is_text) {
      if (piece.name != "A" && piece.name != "B") inner.fail(str("sequence '", piece.name, "', expected A or B"));
      piece.sequence = piece.name == "B";
      ++seen[static_cast<std::size_t>(piece.sequence)];
    } else {
      for (const Json& id : special_tokens.child(piece.name.c_str()).array("ids")) {
        if (!Reader::is_integer(id)) inner.fail("the ids of a special token must be integers");
        piece.ids.push_back(to_id(id.get<std::int64_t>(), inner, piece.name));
      }
    }
    pieces.push_back(std::move(piece));
  }
  if (seen != expected)
    processor.fail(str("'", key, "' has sequence A ", seen[0], " times and B ", seen[1], " times, expected ", expected[0], " and ",
                       expected[1]));
  return pieces;
}

/// BertProcessing and RobertaProcessing give a special token as ["[SEP]", 3].
TemplatePiece read_special(const Reader& processor, const char* key) {
  const Json& pair = processor.array(key);
  if (pair.size() != 2 || !pair[0].is_string() || !Reader::is_integer(pair[1]))
    processor.fail(str("'", key, "' must be [token, id]"));
  const std::string name = pair[0].get<std::string>();
  return {-1, name, {to_id(pair[1].get<std::int64_t>(), processor, name)}, 0};
}

void read_templates(const Reader& file, State& state) {
  const TemplatePiece a{0, "A", {}, 0};
  if (!file.has("post_processor")) {
    state.single = {a};
    state.pair = {a, {1, "B", {}, 1}};
    return;
  }
  const Reader processor = file.child("post_processor");
  const std::string type = processor.type("post-processor", {"TemplateProcessing", "BertProcessing", "RobertaProcessing"});
  state.has_template = true;
  if (type == "TemplateProcessing") {
    state.single = read_template(processor, "single", {1, 0});
    state.pair = read_template(processor, "pair", {1, 1});
    return;
  }
  const TemplatePiece cls = read_special(processor, "cls"), sep = read_special(processor, "sep");
  if (type == "BertProcessing") return set_bert_template(state, cls.name, cls.ids[0], sep.name, sep.ids[0]);
  state.single = {cls, a, sep};
  state.pair = {cls, a, sep, sep, {1, "B", {}, 0}, sep};
}

void read_decoder(const Reader& file, State& state) {
  if (!file.has("decoder")) {
    state.decoder = {false, "", false};
    return;
  }
  const Reader decoder = file.child("decoder");
  decoder.type("decoder", {"WordPiece"});
  state.decoder = {true, decoder.string_or("prefix", "##"), decoder.flag_or("cleanup", true)};
}

void write_template(JsonWriter& json, const char* key, const Template& pieces) {
  json.key(key).begin_array();
  for (const TemplatePiece& piece : pieces) {
    json.begin_object().key(piece.sequence >= 0 ? "Sequence" : "SpecialToken").begin_object();
    json.member("id", piece.name).member("type_id", std::int64_t{piece.type_id}).end_object().end_object();
  }
  json.end_array();
}

void write_post_processor(JsonWriter& json, const State& state) {
  json.key("post_processor");
  if (!state.has_template) {
    json.null();
    return;
  }
  json.begin_object().member("type", "TemplateProcessing");
  write_template(json, "single", state.single);
  write_template(json, "pair", state.pair);
  json.key("special_tokens").begin_object();
  std::set<std::string> written;
  for (const Template* pieces : {&state.single, &state.pair}) {
    for (const TemplatePiece& piece : *pieces) {
      if (piece.sequence >= 0 || !written.insert(piece.name).second) continue;
      json.key(piece.name).begin_object().member("id", piece.name).key("ids").begin_array();
      for (const std::int32_t id : piece.ids) json.value(std::int64_t{id});
      json.end_array().key("tokens").begin_array();
      for (const std::int32_t id : piece.ids) json.value(state.tokens[static_cast<std::size_t>(id)]);
      json.end_array().end_object();
    }
  }
  json.end_object().end_object();
}

}  // namespace
}  // namespace detail

Tokenizer Tokenizer::from_json(std::string_view text, std::string_view name) {
  using namespace detail;
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    std::string reason = error.what();
    if (const std::size_t end = reason.find("] "); end != reason.npos) reason.erase(0, end + 2);
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    throw InputError(str(name, ": not valid JSON: ", reason));
  }
  const Reader file(json, std::string(name));
  if (const std::string version = file.string_or("version", "(none)"); version != "1.0")
    file.fail(str("version ", version, " is not supported, expected 1.0"));
  State state;
  read_model(file, state);
  read_added(file, state);
  read_templates(file, state);
  read_decoder(file, state);
  return Tokenizer(finish(std::move(state), name));
}

std::string Tokenizer::to_json() const {
  JsonWriter json;
  json.begin_object().member("version", "1.0").key("truncation").null().key("padding").null().key("added_tokens").begin_array();
  for (const AddedToken& token : state_->added.list()) {
    json.begin_object()
        .member("id", std::int64_t{token.id})
        .member("content", token.content)
        .member("single_word", token.single_word);
    json.member("lstrip", token.lstrip).member("rstrip", token.rstrip).member("normalized", false).member("special", token.special);
    json.end_object();
  }
  json.end_array();
  state_->model->write_pipeline(json);
  detail::write_post_processor(json, *state_);
  json.key("decoder");
  if (const detail::Decoder& decoder = state_->decoder; decoder.wordpiece)
    json.begin_object()
        .member("type", "WordPiece")
        .member("prefix", decoder.prefix)
        .member("cleanup", decoder.cleanup)
        .end_object();
  else
    json.null();
  state_->model->write_model(json);
  json.end_object();
  return json.text();
}

}  // namespace lathe::tokenizer
