// A saved model answers as the network it was saved from.
#include <lathe/tensor/backend.h>
#include <lathe/tensor/ops.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/deploy/support.h"

using namespace lathe;
using namespace lathe::deploy;
using namespace lathe::deploy::test;

namespace {

const std::vector<std::string> kTexts = {"a charming film",
                                         "",
                                         "   ",
                                         "stale",
                                         "[MASK] films [SEP]",
                                         "Naïve CAFÉ talk!",
                                         "a dull, stale film and a dull, stale film and a dull, stale film",
                                         "日本語 ...",
                                         "the best of warm films"};

/// Probabilities straight from the network that was saved.
std::vector<float> expected_scores(const Parts& parts, const std::string& text, const std::string& pair = "") {
  tokenizer::EncodeOptions options;
  options.max_tokens = 12;
  std::vector<std::int32_t> ids, types;
  if (parts.info.pair)
    parts.tokenizer.append_pair(text, pair, ids, types, options);
  else
    parts.tokenizer.append(text, ids, options);
  const std::vector<std::int32_t> lengths = {static_cast<std::int32_t>(ids.size())};
  Context& context = parts.model.context();
  const NoGrad no_grad(context);
  const nn::Batch batch = nn::make_batch(context, ids, Offsets::from_lengths(lengths), types);
  return ops::softmax(parts.model.logits(batch, nn::Mode::kEvaluate).value()).to_vector<float>();
}

}  // namespace

TEST_CASE("saved and loaded: the same answers, bit for bit") {
  const Folder folder;
  const Parts parts;
  parts.save(folder / "model");
  std::vector<std::vector<float>> expected;
  for (const std::string& text : kTexts) expected.push_back(expected_scores(parts, text));
  for (const std::string& backend : available_backends())
    for (const int threads : {1, 3}) {
      const Model model = Model::load(folder / "model", {.threads = threads, .backend = backend});
      const std::vector<Prediction> together = model.predict(kTexts);
      REQUIRE(together.size() == kTexts.size());
      for (std::size_t i = 0; i < kTexts.size(); ++i) {
        CAPTURE(kTexts[i]);
        const Prediction alone = model.predict(kTexts[i]);
        CHECK(alone.scores == expected[i]);
        CHECK(together[i].scores == expected[i]);
        CHECK(alone.score == *std::max_element(expected[i].begin(), expected[i].end()));
        CHECK(alone.scores[static_cast<std::size_t>(alone.label_id)] == alone.score);
        CHECK(alone.label == parts.info.labels[static_cast<std::size_t>(alone.label_id)]);
        CHECK(together[i].label == alone.label);
      }
    }
  CHECK(Model::load(folder / "model").predict(std::vector<std::string>{}).empty());
}

TEST_CASE("weights in bf16: half the file, answers of their own but one, close to those of f32") {
  const Folder folder;
  const Parts parts;
  parts.save(folder / "full");
  parts.save(folder / "half", nn::StoredType::kBF16);
  const auto size = [&](const char* model) { return fs::file_size(folder / model / "model.safetensors"); };
  CHECK(size("half") < size("full") * 6 / 10 + 2048);
  const Model rounded = Model::load(folder / "half");
  const std::vector<Prediction> full = Model::load(folder / "full").predict(kTexts), half = rounded.predict(kTexts);
  for (const auto& names : {available_backends(), bf16_backends()}) {
    const std::vector<Prediction> first = Model::load(folder / "half", {.backend = names.front()}).predict(kTexts);
    for (std::size_t i = 0; i < kTexts.size(); ++i) {
      for (const std::string& backend : names)
        CHECK(Model::load(folder / "half", {.backend = backend}).predict(kTexts[i]).scores == first[i].scores);
      for (std::size_t c = 0; c < first[i].scores.size(); ++c) CHECK(std::abs(first[i].scores[c] - full[i].scores[c]) < 0.02f);
    }
  }
  CHECK(half[0].scores != full[0].scores);
}

TEST_CASE("what is known about the model comes back") {
  const Folder folder;
  const Parts parts;
  parts.save(folder / "model");
  const Model model = Model::load(folder / "model");
  CHECK(model.info().architecture == parts.info.architecture);
  CHECK(model.info().labels == parts.info.labels);
  CHECK(model.info().max_tokens == 12);
  CHECK_FALSE(model.info().pair);
  CHECK(model.info().name == "small");
  CHECK(model.info().numerics == kNumerics);
  CHECK(model.info().study == "3f9a");
  CHECK(model.tokenizer().hash() == parts.tokenizer.hash());
  CHECK(to_json(model_info(to_json(parts.info), "x")) == to_json(parts.info));
  CHECK(read_file(folder / "model" / "README.md") == "# card\n");
  CHECK(read_file(folder / "model" / "metrics.json") == "{\"test\":1}\n");
  const Folder again;
  parts.save(again / "model");
  for (const auto& entry : fs::directory_iterator(folder / "model"))  // equal models give equal bytes
    CHECK(read_file(entry.path()) == read_file(again / "model" / entry.path().filename()));
}

TEST_CASE("pairs") {
  const Folder folder;
  const Parts parts(true);
  parts.save(folder / "model");
  const Model model = Model::load(folder / "model");
  CHECK(model.predict("a film", "the best").scores == expected_scores(parts, "a film", "the best"));
  CHECK(model.predict("a film", "").scores == expected_scores(parts, "a film", ""));
  const std::vector<std::string> firsts = {"a film", "stale"}, seconds = {"the best", "warm films"};
  CHECK(model.predict(firsts, seconds)[1].scores == expected_scores(parts, "stale", "warm films"));
  CHECK(message_of([&] { model.predict(firsts, std::vector<std::string>{"one"}); }) ==
        "[predict] the model takes pairs: 2 first texts, 1 second ones");
  CHECK(message_of([&] { model.predict(firsts); }) == "[predict] the model takes pairs: 2 first texts, 0 second ones");
  const Parts single;
  single.save(folder / "single");
  const Model of_one = Model::load(folder / "single");
  CHECK(message_of([&] { of_one.predict("a film", "the best"); }) == "[predict] the model takes single texts, got pairs");
  CHECK(message_of([&] { of_one.predict(firsts, seconds); }) == "[predict] the model takes single texts, got pairs");
}

TEST_CASE("text that is not UTF-8 is refused, and the model goes on") {
  const Folder folder;
  const Parts parts;
  parts.save(folder / "model");
  const Model model = Model::load(folder / "model");
  CHECK(has(message_of([&] { model.predict("caf\xE9"); }), "UTF-8"));
  CHECK_THROWS_AS(model.predict(std::vector<std::string>{"a film", "\xFF"}), InputError);
  CHECK(model.predict("a charming film").scores == expected_scores(parts, "a charming film"));
}

TEST_CASE("one model serves several threads") {
  const Folder folder;
  const Parts parts;
  parts.save(folder / "model");
  const Model model = Model::load(folder / "model");
  std::vector<std::vector<float>> expected;
  for (const std::string& text : kTexts) expected.push_back(expected_scores(parts, text));
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t, copy = model] {
      for (std::size_t i = 0; i < 60; ++i) {
        const std::size_t at = (i * (t + 1)) % kTexts.size();
        wrong[t] += copy.predict(kTexts[at]).scores != expected[at];
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("a folder with other files is not written into") {
  const Folder folder;
  const Parts parts;
  fs::create_directory(folder / "model");
  write_file_atomic(folder / "model" / "thesis.tex", "years of work");
  CHECK(message_of([&] { parts.save(folder / "model"); }) ==
        (folder / "model").string() + ": holds `thesis.tex`, which is no part of a model; choose another folder");
  CHECK_FALSE(fs::exists(folder / "model" / "config.json"));
  fs::remove(folder / "model" / "thesis.tex");
  parts.save(folder / "model");
  const Parts other(false, true, 2);
  other.save(folder / "model");  // over an earlier model
  CHECK(Model::load(folder / "model").predict("a film").scores == expected_scores(other, "a film"));
}

TEST_CASE("tokenizer_config.json says what transformers asks for") {
  const Folder folder;
  Parts(true).save(folder / "pair");
  Parts().save(folder / "single");
  const auto config = nlohmann::json::parse(read_file(folder / "single" / "tokenizer_config.json"));
  CHECK(config.at("tokenizer_class") == "PreTrainedTokenizerFast");
  CHECK(config.at("model_max_length") == 12);
  CHECK(config.at("cls_token") == "[CLS]");
  CHECK(config.at("unk_token") == "[UNK]");
  CHECK(config.at("model_input_names") == std::vector<std::string>{"input_ids", "attention_mask"});
  const auto pair = nlohmann::json::parse(read_file(folder / "pair" / "tokenizer_config.json"));
  CHECK(pair.at("model_input_names") == std::vector<std::string>{"input_ids", "token_type_ids", "attention_mask"});
}
