#include <doctest/doctest.h>
#include <lathe/tokenizer/tokenizer.h>

#include <nlohmann/json.hpp>

#include "tests/tokenizer/small_vocab.h"

using namespace lathe::test;
using namespace lathe::tokenizer;
using Json = nlohmann::json;

namespace {
std::string vocab_error(std::string_view text) {
  return input_error([&] { Tokenizer::from_vocab(text, {}, "v.txt"); });
}
std::string json_error(const std::string& text) {
  return input_error([&] { Tokenizer::from_json(text, "t.json"); });
}
template <class Change>
std::string changed_error(Change change) {
  Json json = Json::parse(small().to_json());
  change(json);
  return json_error(json.dump());
}
}  // namespace

TEST_CASE("bad vocabularies") {
  CHECK(vocab_error("") == "v.txt: the vocabulary is empty, expected one token a line");
  CHECK(vocab_error("\n") == "v.txt:1: empty line, expected a token");
  CHECK(vocab_error("[PAD]\n\n[UNK]\n") == "v.txt:2: empty line, expected a token");
  CHECK(vocab_error("[PAD]\n\r\n[UNK]\n") == "v.txt:2: empty line, expected a token");
  CHECK(vocab_error(vocab_text({"a", "b", "a"})) == "v.txt:8: token 'a' is already on line 6");
  CHECK(vocab_error(vocab_text({"a", "b\xFF"})) == "v.txt:7: invalid UTF-8 at byte 1");
  CHECK(vocab_error("[pad]\n[UNK]\n[CLS]\n[SEP]\na\n") ==
        "v.txt: missing special token [PAD], [MASK] (the file has [pad]), expected a BERT vocabulary, one token a line");
  CHECK(vocab_error("a\tb\n") ==
        "v.txt: missing special token [PAD], [UNK], [CLS], [SEP], [MASK], expected a BERT vocabulary, one token a line");
}

TEST_CASE("missing file") { CHECK_THROWS_AS(Tokenizer::load("/nonexistent/tokenizer.json"), lathe::InputError); }

TEST_CASE("not a tokenizer.json") {
  CHECK(json_error("{").starts_with("t.json: not valid JSON: "));
  CHECK(json_error("{\"version\": \"1.0\", \xFF}").starts_with("t.json: not valid JSON: "));
  CHECK(json_error("[]") == "t.json: expected an object, got array");
  CHECK(json_error("{}") == "t.json: version (none) is not supported, expected 1.0");
  CHECK(json_error("{\"version\":\"2.0\"}") == "t.json: version 2.0 is not supported, expected 1.0");
  CHECK(json_error("{\"version\":1}") == "t.json: 'version' is number, expected a string");
  CHECK(json_error("{\"version\":\"1.0\"}") == "t.json: 'model' is missing");
  const std::string whole = small().to_json();
  for (std::size_t cut = 0; cut < whole.size(); cut += 7) CHECK(!json_error(whole.substr(0, cut)).empty());
}

TEST_CASE("unsupported kinds are named") {
  CHECK(changed_error([](Json& j) { j["model"]["type"] = "BPE"; }) ==
        "t.json.model: model 'BPE' is not supported, expected WordPiece");
  CHECK(changed_error([](Json& j) { j["model"].erase("type"); }) ==
        "t.json.model: model '(none)' is not supported, expected WordPiece");
  CHECK(changed_error([](Json& j) { j["normalizer"]["type"] = "NFKC"; }) ==
        "t.json.normalizer: normalizer 'NFKC' is not supported, expected BertNormalizer");
  CHECK(changed_error([](Json& j) { j["pre_tokenizer"]["type"] = "Whitespace"; }) ==
        "t.json.pre_tokenizer: pre-tokenizer 'Whitespace' is not supported, expected BertPreTokenizer");
  CHECK(changed_error([](Json& j) { j["pre_tokenizer"] = nullptr; }) ==
        "t.json: 'pre_tokenizer' is missing, expected BertPreTokenizer");
  CHECK(changed_error([](Json& j) { j["post_processor"]["type"] = "ByteLevel"; }) ==
        "t.json.post_processor: post-processor 'ByteLevel' is not supported, expected TemplateProcessing or BertProcessing or "
        "RobertaProcessing");
  CHECK(changed_error([](Json& j) { j["decoder"]["type"] = "Metaspace"; }) ==
        "t.json.decoder: decoder 'Metaspace' is not supported, expected WordPiece");
  CHECK(changed_error([](Json& j) { j["added_tokens"][4]["normalized"] = true; }) ==
        "t.json.added_tokens[4]: added token '[MASK]' has normalized = true, which is not supported, expected false");
}

TEST_CASE("broken contents") {
  CHECK(changed_error([](Json& j) { j["model"]["vocab"]["a"] = 6; }) == "t.json.model: tokens 'a' and 'b' both have id 6");
  CHECK(changed_error([](Json& j) { j["model"]["vocab"]["a"] = 99; }) ==
        "t.json.model: token 'a' has id 99, but 'vocab' has 16 tokens: ids must be 0 to 15 without gaps");
  CHECK(changed_error([](Json& j) { j["model"]["vocab"]["a"] = -1; }).find("id -1") != std::string::npos);
  CHECK(changed_error([](Json& j) { j["model"]["vocab"]["a"] = 1.5; }) ==
        "t.json.model: the id of token 'a' is number, expected an integer");
  CHECK(changed_error([](Json& j) { j["model"]["vocab"]["a"] = 18446744073709551615ull; }).find("expected an integer") !=
        std::string::npos);
  CHECK(changed_error([](Json& j) { j["model"]["vocab"] = Json::object(); }) == "t.json.model: 'vocab' is empty");
  CHECK(changed_error([](Json& j) { j["model"]["vocab"] = 3; }) == "t.json.model: 'vocab' is number, expected an object");
  CHECK(changed_error([](Json& j) {
          j["model"]["vocab"].erase("a");
          j["model"]["vocab"][""] = 5;
        }) == "t.json.model: the token with id 5 is empty");
  CHECK(changed_error([](Json& j) { j["model"]["unk_token"] = "[UNKN]"; }) ==
        "t.json.model: missing special token: unk_token '[UNKN]' is not in 'vocab' (nearest: '[UNK]')");
  CHECK(changed_error([](Json& j) { j["model"]["max_input_chars_per_word"] = 0; }).find("max_input_chars_per_word is 0") !=
        std::string::npos);
  CHECK(changed_error([](Json& j) { j["added_tokens"][0]["id"] = 3; }) == "t.json: added token '[PAD]' has id 3, expected 0");
  CHECK(changed_error([](Json& j) { j["added_tokens"][0]["content"] = "<new>"; }) ==
        "t.json: added token '<new>' has id 0, expected 16");
  CHECK(changed_error([](Json& j) { j["added_tokens"][0]["content"] = ""; }) == "t.json.added_tokens[0]: 'content' is empty");
  CHECK(changed_error([](Json& j) { j["added_tokens"].push_back(j["added_tokens"][0]); }) ==
        "t.json: added token '[PAD]' appears twice");
  CHECK(changed_error([](Json& j) { j["added_tokens"][0] = 1; }) == "t.json.added_tokens[0]: expected an object, got number");
  CHECK(changed_error([](Json& j) { j["post_processor"]["special_tokens"]["[SEP]"]["ids"] = {99}; }) ==
        "t.json: special token '[SEP]' has id 99, expected 0 to 15");
  CHECK(changed_error([](Json& j) { j["post_processor"]["special_tokens"].erase("[CLS]"); }) ==
        "t.json.post_processor.special_tokens: '[CLS]' is missing");
  CHECK(changed_error([](Json& j) { j["post_processor"]["single"].erase(1); }) ==
        "t.json.post_processor: 'single' has sequence A 0 times and B 0 times, expected 1 and 0");
  CHECK(changed_error([](Json& j) {
          j["post_processor"]["pair"][1]["Sequence"]["id"] = "C";
        }).find("sequence 'C', expected A or B") != std::string::npos);
}
