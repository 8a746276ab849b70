// Results of other implementations: Google's BERT tokenization, Hugging Face tokenizers 0.23.3.
#include <doctest/doctest.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/tokenizer/tokenizer.h>
#include <lathe/tokenizer/wordpiece_trainer.h>

#include <nlohmann/json.hpp>

#include "tests/support/shared.h"
#include "tests/tokenizer/small_vocab.h"

using lathe::test::Ids;
using lathe::test::shared_file;
using namespace lathe::tokenizer;
using Json = nlohmann::json;

namespace {

std::vector<Json> json_lines(const std::filesystem::path& file) {
  std::vector<Json> out;
  const std::string text = lathe::read_file(file);
  for (const std::string_view line : lathe::split(text, '\n'))
    if (!line.empty()) out.push_back(Json::parse(line));
  return out;
}

/// Byte offsets as character offsets.
std::uint32_t characters(std::string_view text, std::uint32_t bytes) {
  std::uint32_t count = 0;
  for (std::size_t at = 0; at < bytes; ++count) lathe::next_utf8(text, at);
  return count;
}

}  // namespace

TEST_CASE("BERT vectors, cased and uncased") {
  for (const char* kind : {"cased", "uncased"}) {
    CAPTURE(kind);
    const auto vocab = shared_file((std::string("data/tokenizer/bert/bert-base-") + kind + "-vocab.txt").c_str());
    const auto vectors = shared_file((std::string("data/tokenizer/bert/vectors-") + kind + ".jsonl").c_str());
    if (vocab.empty() || vectors.empty()) return;
    const Tokenizer t = Tokenizer::load(vocab);
    CHECK(t.lowercase() == (std::string(kind) == "uncased"));
    EncodeOptions options;
    options.add_special = false;
    options.match_special = false;  // Google's code has no special tokens in the text
    int lines = 0;
    for (const Json& line : json_lines(vectors)) {
      ++lines;
      const std::string text = line["text"];
      CAPTURE(text);
      const Ids ids = t.encode(text, options);
      CHECK(ids == line["ids"].get<Ids>());
      std::vector<std::string> tokens;
      for (const std::int32_t id : ids) tokens.emplace_back(t.token(id));
      CHECK(tokens == line["tokens"].get<std::vector<std::string>>());
    }
    CHECK(lines == 417);
  }
}

TEST_CASE("Hugging Face: ids, offsets and decoded text") {
  const auto file = shared_file("data/interop/tokenizers/wordpiece-shakespeare-2000/tokenizer.json");
  const auto lines = shared_file("data/interop/tokenizers/wordpiece-shakespeare-2000/encodings.jsonl");
  if (file.empty() || lines.empty()) return;
  const Tokenizer t = Tokenizer::load(file);
  CHECK(t.vocab_size() == 2000);
  int count = 0;
  for (const Json& line : json_lines(lines)) {
    ++count;
    const std::string text = line["text"];
    CAPTURE(text);
    const Encoding e = t.encode_full(text);
    CHECK(e.ids == line["ids"].get<Ids>());
    CHECK(t.encode(text) == e.ids);
    CHECK(t.decode(e.ids) == line["decoded"].get<std::string>());
    std::vector<std::array<std::uint32_t, 2>> offsets;
    for (const Offset& o : e.offsets) offsets.push_back({characters(text, o.begin), characters(text, o.end)});
    CHECK(offsets == line["offsets"].get<std::vector<std::array<std::uint32_t, 2>>>());
  }
  CHECK(count == 200);
}

TEST_CASE("Hugging Face: SST-2 sentences") {
  const auto file = shared_file("data/interop/tokenizers/wordpiece-sst2-2000/tokenizer.json");
  const auto lines = shared_file("data/interop/tokenizers/wordpiece-sst2-2000/encodings.jsonl");
  const auto dev = shared_file("data/glue-sst2/dev.tsv");
  if (file.empty() || lines.empty() || dev.empty()) return;
  const Tokenizer t = Tokenizer::load(file);
  const std::string text = lathe::read_file(dev);
  const auto rows = lathe::split(text, '\n');
  int count = 0;
  for (const Json& line : json_lines(lines)) {
    ++count;
    const auto sentence = lathe::split(rows[line["line"].get<std::size_t>()], '\t').at(1);
    CHECK(t.encode(sentence) == line["ids"].get<Ids>());
  }
  CHECK(count == 200);
}

TEST_CASE("Hugging Face: pairs and truncation") {
  const auto file = shared_file("data/interop/tokenizers/wordpiece-shakespeare-2000/tokenizer.json");
  const auto cases = shared_file("data/interop/tokenizers/wordpiece-shakespeare-2000/pairs_truncation_padding.json");
  if (file.empty() || cases.empty()) return;
  const Tokenizer t = Tokenizer::load(file);
  int checked = 0, errors = 0;
  for (const Json& c : Json::parse(lathe::read_file(cases))) {
    CAPTURE(c.dump());
    EncodeOptions options;
    if (c["truncation"].is_object()) {
      const Json& truncation = c["truncation"];
      options.max_tokens = truncation["max_length"];
      const std::string strategy = truncation.value("strategy", "longest_first");
      if (strategy == "only_first") options.truncation = Truncation::kOnlyFirst;
      if (strategy == "only_second") options.truncation = Truncation::kOnlySecond;
      if (truncation.value("direction", "right") == "left") options.keep = Keep::kEnd;
    }
    for (std::size_t i = 0; i < c["texts"].size(); ++i) {
      const std::string text = c["texts"][i];
      const auto run = [&] {
        return c["pair"].is_null() ? t.encode_full(text, options) : t.encode_full_pair(text, c["pair"].get<std::string>(), options);
      };
      if (c.contains("error")) {
        CHECK(lathe::test::input_error(run).find("max_tokens") != std::string::npos);
        ++errors;
        continue;
      }
      // The first window, without padding: packed batches have none.
      const Encoding e = run();
      const Json& expected = c["expected"][i];
      Ids ids, types;
      for (std::size_t k = 0; k < expected["ids"].size(); ++k) {
        if (expected["attention_mask"][k] == 0) continue;
        ids.push_back(expected["ids"][k]);
        types.push_back(expected["type_ids"][k]);
      }
      CHECK(e.ids == ids);
      CHECK(e.type_ids == types);
      CHECK((e.dropped > 0) == !expected["overflowing"].empty());
      ++checked;
    }
  }
  CHECK(checked == 15);
  CHECK(errors == 2);
}

TEST_CASE("training gives the vocabulary that Hugging Face's trainer gives with the ## characters in a fixed order") {
  const auto folder = shared_file("data/interop/tokenizers");
  if (folder.empty()) return;
  WordPieceOptions options;
  options.vocab_size = 2000;
  options.min_frequency = 0;
  const auto check = [&](const char* name, const std::vector<std::string>& texts) {
    const Tokenizer expected = Tokenizer::load(folder / name / "tokenizer.json");
    const Tokenizer trained = train_wordpiece(texts, options);
    CHECK(trained.hash() == expected.hash());
    CHECK(Json::parse(trained.to_json()) == Json::parse(lathe::read_file(folder / name / "tokenizer.json")));
  };
  if (const auto shakespeare = shared_file("data/tinyshakespeare/input.txt"); !shakespeare.empty()) {
    std::vector<std::string> texts;
    const std::string all = lathe::read_file(shakespeare);
    for (const std::string_view line : lathe::split(all, '\n'))
      if (!line.empty()) texts.emplace_back(line);
    check("wordpiece-shakespeare-2000", texts);
  }
  if (const auto sst2 = shared_file("data/glue-sst2/train.tsv"); !sst2.empty()) {
    std::vector<std::string> texts;
    const std::string all = lathe::read_file(sst2);
    for (const std::string_view line : lathe::split(all, '\n'))
      if (const auto cells = lathe::split(line, '\t'); cells.size() == 2) texts.emplace_back(cells[1]);
    texts.erase(texts.begin());  // the header
    check("wordpiece-sst2-2000", texts);
  }
}
