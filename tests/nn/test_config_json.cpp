// Reading configurations: round trip and every kind of mistake.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/nn/config_json.h>

#include <string>

using namespace lathe;
using namespace lathe::nn;

namespace {

std::string problem(const std::string& json) {
  try {
    config_from_json(json, "c.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "read";
}

std::string with(const std::string& more) {
  return R"({"vocab_size":10,"hidden":8,)" + more + R"("layers":[{"heads":2,"ffn":16}]})";
}

}  // namespace

TEST_CASE("what was written is read back the same") {
  TransformerConfig config = TransformerConfig::uniform({.layers = 2, .hidden = 64, .heads = 4, .ffn = 96, .norm = NormKind::kRms});
  config.vocab_size = 30522;
  config.max_tokens = 77;
  config.type_vocab_size = 2;
  config.norm_eps = 1e-12;
  config.positions = Positions::kRotary;
  config.rotary_base = 500000;
  config.embedding_norm = config.scale_embedding = config.pooler = true;
  config.pooling = Pooling::kFirst;
  config.classes = 7;
  config.dropout = 0.1;
  config.attention_dropout = 0.05;
  config.head_dropout = 1.0 / 3;
  config.layers[1] = {.heads = 3, .head_dim = 10, .ffn = 50, .activation = UnaryOp::kSquaredRelu};
  const TransformerConfig read = config_from_json(config.to_json());
  CHECK(read == config);
  CHECK(read.to_json() == config.to_json());
}

TEST_CASE("defaults fill what may be left out") {
  const TransformerConfig config = config_from_json(with(""));
  CHECK(config.max_tokens == 512);
  CHECK(config.layers[0].activation == UnaryOp::kGeluTanh);
  CHECK(config.head_dim(0) == 4);
}

TEST_CASE("mistakes") {
  CHECK(problem(with(R"("dropout":0.1,)")) == "read");
  CHECK(problem("{") == "c.json: not valid JSON near byte 2");
  CHECK(problem("[]") == "c.json: expected an object, got array");
  CHECK(problem(R"({"vocab_size":10,"layers":[]})") == "c.json: key `hidden` is missing");
  CHECK(problem(R"({"vocab_size":10,"hidden":8,"layers":[]})") == "c.json: layers is empty, expected at least one layer");
  CHECK(problem(R"({"vocab_size":10,"hidden":8,"layers":3})") == "c.json: `layers` is not a list of layers");
  CHECK(problem(R"({"vocab_size":10,"hidden":8,"layers":[3]})") == "c.json: layers[0]: expected an object, got number");
  CHECK(problem(R"({"vocab_size":10,"hidden":8,"layers":[{"heads":3,"ffn":1}]})") ==
        "c.json: hidden 8 is not divisible by heads 3 (layers[0])");
  CHECK(problem(with(R"("drop_out":0.1,)")) == "c.json: unknown key `drop_out`; did you mean dropout?");
  CHECK(problem(with(R"("dropout":"0.1",)")) == "c.json: `dropout` is \"0.1\", expected a number");
  CHECK(problem(with(R"("max_tokens":1.5,)")) == "c.json: `max_tokens` is 1.5, expected a whole number");
  CHECK(problem(with(R"("max_tokens":18446744073709551615,)")) ==
        "c.json: `max_tokens` is 18446744073709551615, expected a whole number");
  CHECK(problem(with(R"("max_tokens":8,"max_tokens":9,)")) == "c.json: key `max_tokens` stands there twice");
  CHECK(problem(with(R"("pooler":1,)")) == "c.json: `pooler` is 1, expected true or false");
  CHECK(problem(with(R"("norm":1,)")) == "c.json: `norm` is 1, expected a name");
  CHECK(problem(with(R"("norm":"layernorm",)")) ==
        "c.json: norm `layernorm` is unknown, expected one of layer_norm, rms_norm; did you mean layer_norm?");
  CHECK_THROWS_AS(read_config("/nonexistent/config.json"), InputError);
}
