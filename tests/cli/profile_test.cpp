// lathe profile: a configuration and a model folder, as text and as JSON, and what it refuses.
#include <lathe/base/error.h>
#include <lathe/cli/latency.h>
#include <lathe/cli/model_config.h>

#include <nlohmann/json.hpp>

#include "call.h"
#include "json_lines.h"

#include <doctest/doctest.h>

using namespace lathe::test;

namespace {

const std::vector<std::string> kQuick = {"--threads", "1", "--batch", "2", "--tokens", "10"};

std::vector<std::string> profile(std::vector<std::string> words) {
  words.insert(words.begin(), "profile");
  words.insert(words.end(), kQuick.begin(), kQuick.end());
  return words;
}

constexpr const char* kModel = "[model]\nlayers = 2\nhidden = 32\nheads = 2\nexpansion = 2\n[tokenizer]\nvocab = 100\n";

}  // namespace

TEST_CASE("of a configuration, as a table") {
  const Workplace place;
  write("model.toml", kModel);
  const Answer answer = call(profile({"model.toml"}));
  CHECK(answer.code == 0);
  CHECK(answer.out.starts_with(
      "model    L2 H32 h2 f64 gelu_tanh pre layer_norm\nload     batch of 2 x 10 tokens, 1 thread, backend "));
  for (const char* line : {"\nembeddings ", "\nlayers.1.attention.norm ", "\nlayers.0.ffn ", "\nhead ", "\noptimizer ", "\nall ",
                           "\nlinear ", "\nattention ", "\nparams   ", "\nlatency  p50 ", "\nmemory   inference "})
    CHECK_MESSAGE(has(answer.out, line), line);
}

TEST_CASE("as JSON: the parts sum up, and measured memory is the memory foretold") {
  const Workplace place;
  write("model.toml", kModel);
  const Answer answer = call(profile({"model.toml", "--json", "--classes", "3"}));
  REQUIRE(answer.code == 0);
  const std::vector<nlohmann::json> lines = json_lines(answer.out);
  REQUIRE(lines.size() == 1 + 2 * 4 + 3 + 1);  // embeddings, layers, norm, head, optimizer, the whole
  const nlohmann::json& whole = lines.back();
  CHECK(whole["type"] == "profile");
  CHECK(whole["batch"] == 2);
  CHECK(whole["architecture"]["classes"] == 3);
  CHECK(whole["measured_inference_peak_bytes"] == whole["inference_peak_bytes"]);
  CHECK(whole["measured_training_peak_bytes"] == whole["training_peak_bytes"]);
  CHECK(whole["p95_ns"].get<std::int64_t>() >= whole["p50_ns"].get<std::int64_t>());
  CHECK(whole["p50_ns"].get<std::int64_t>() > 0);
  std::int64_t params = 0, inference = 0, training = 0;
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
    CHECK(lines[i]["type"] == "part");
    params += lines[i]["params"].get<std::int64_t>();
    inference += lines[i]["inference_flops"]["all"].get<std::int64_t>();
    training += lines[i]["training_flops"]["all"].get<std::int64_t>();
  }
  CHECK(whole["params"] == params);
  CHECK(whole["inference_flops"]["all"] == inference);
  CHECK(whole["training_flops"]["all"] == training);
}

TEST_CASE("of a model folder") {
  const Workplace place;
  write("reviews.tsv", reviews(60));
  write("model.toml", kModel);
  REQUIRE(call({"train", "reviews.tsv", "-c", "model.toml", "--set", "train.epochs=1", "--out", "run"}).code == 0);
  const Answer answer = call(profile({"run/model"}));
  CHECK(answer.code == 0);
  CHECK(answer.out.starts_with("model    L2 H32 h2 f64 "));
  CHECK(error_of(profile({"run/model", "--set", "model.layers=1"})) ==
        "--set: a model folder is what it is; give a configuration instead");
  CHECK(error_of(profile({"run"})) == "run: is not a model folder (no config.json in it)");
}

TEST_CASE("what it refuses") {
  const Workplace place;
  write("model.toml", kModel);
  write("odd.toml", "[model]\nhidden = 30\nheads = 4\n");
  write("reviews.tsv", reviews(10));
  CHECK(error_of({"profile"}).starts_with("lathe profile needs MODEL|CONFIG"));
  CHECK(error_of({"profile", "reviews.tsv"}) == "reviews.tsv: expected a model folder, or a configuration (.toml)");
  CHECK(error_of({"profile", "nothing"}) == "nothing: expected a model folder, or a configuration (.toml); there is none");
  CHECK(error_of({"profile", "nothing.toml"}).starts_with("nothing.toml: no such file"));
  CHECK(has(error_of({"profile", "odd.toml"}), "divisible"));
  CHECK(error_of({"profile", "model.toml", "--batch", "0"}) == "--batch 0: expected an integer >= 1");
  CHECK(error_of({"profile", "model.toml", "--tokens", "129"}) ==
        "[profile] expected at most 128 tokens (max_tokens of the model), got 129");
  CHECK(has(error_of({"profile", "model.toml", "--backend", "avx3"}), "avx2"));
  CHECK(has(error_of({"profile", "model.toml", "--token", "9"}), "--tokens"));
}

TEST_CASE("[latency]: measured once a run, reused from another run, refused where it does not fit") {
  using namespace lathe;
  const Workplace place;
  std::istringstream in;
  std::ostringstream out, err;
  cli::Streams streams{in, out, err};
  cli::Console console(streams);
  cli::Config config;
  for (const char* setting : {"latency.samples=10", "latency.tokens=8"}) config.set(setting);
  const nas::Space space = cli::make_space(config);
  const nas::TaskShape task{.vocab_size = 100, .max_tokens = 16, .classes = 2};
  std::filesystem::create_directory("a");
  std::filesystem::create_directory("b");
  const auto model = [&](const char* folder) { return cli::latency_model(config, space, task, folder, {}, console); };
  const std::string first = model("a").json();
  CHECK(has(err.str(), "latency 10 architectures measured in "));
  CHECK(model("a").json() == first);  // from a/latency.json
  for (const char* from : {"a", "a/latency.json"}) {
    config.set_option("latency.from", from, "--latency-from");
    CHECK(model("b").json() == first);
  }
  CHECK(!std::filesystem::exists("b/latency.json"));
  config.set("latency.batch=2");
  CHECK_THROWS_AS(model("b"), InputError);
  config.set_option("latency.from", "b", "--latency-from");  // neither a table nor a study
  CHECK_THROWS_AS(model("b"), InputError);
}
