// TransformerConfig: validation messages, summary, canonical JSON.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/nn/config.h>

#include <functional>
#include <limits>
#include <string>

using namespace lathe;
using namespace lathe::nn;

namespace {

TransformerConfig good() {
  TransformerConfig config = TransformerConfig::uniform({.layers = 3, .hidden = 64, .heads = 4, .ffn = 128});
  config.vocab_size = 100;
  config.classes = 2;
  return config;
}

std::string problem(const std::function<void(TransformerConfig&)>& change) {
  TransformerConfig config = good();
  change(config);
  try {
    config.validate();
  } catch (const InputError& error) {
    return error.what();
  }
  return "valid";
}

}  // namespace

TEST_CASE("validation says what is wrong in one line") {
  CHECK(problem([](auto&) {}) == "valid");
  CHECK(problem([](auto& c) { c.layers[2].heads = 5; }) == "hidden 64 is not divisible by heads 5 (layers[2])");
  CHECK(problem([](auto& c) { c.layers[2].heads = 5, c.layers[2].head_dim = 7; }) == "valid");
  CHECK(problem([](auto& c) { c.layers[1].heads = 0; }) == "layers[1].heads is 0, expected a whole number from 1 to 16777216");
  CHECK(problem([](auto& c) { c.layers[1].head_dim = -1; }) ==
        "layers[1].head_dim is -1, expected a whole number from 0 to 16777216");
  CHECK(problem([](auto& c) { c.layers[0].ffn = 0; }) == "layers[0].ffn is 0, expected a whole number from 1 to 16777216");
  CHECK(problem([](auto& c) { c.layers[0].activation = UnaryOp::kLog; }) == "layers[0].activation `log` is not an activation");
  CHECK(problem([](auto& c) { c.layers[0].activation = UnaryOp::kNone; }) == "layers[0].activation `none` is not an activation");
  CHECK(problem([](auto& c) { c.layers.clear(); }) == "layers is empty, expected at least one layer");
  CHECK(problem([](auto& c) { c.vocab_size = 0; }) == "vocab_size is 0, expected a whole number from 1 to 16777216");
  CHECK(problem([](auto& c) { c.max_tokens = 0; }) == "max_tokens is 0, expected a whole number from 1 to 16777216");
  CHECK(problem([](auto& c) { c.type_vocab_size = -1; }) == "type_vocab_size is -1, expected a whole number from 0 to 16777216");
  CHECK(problem([](auto& c) { c.hidden = Index{1} << 40; }) ==
        "hidden is 1099511627776, expected a whole number from 1 to 16777216");
  CHECK(problem([](auto& c) { c.classes = -2; }) == "classes is -2, expected a whole number from 0 to 16777216");
  CHECK(problem([](auto& c) { c.classes = 0; }) == "valid");
  CHECK(problem([](auto& c) { c.norm_eps = 0; }) == "norm_eps is 0, expected a number between 0 and 1");
  CHECK(problem([](auto& c) { c.rotary_base = std::numeric_limits<double>::infinity(); }) ==
        "rotary_base is inf, expected a number above 1");
  CHECK(problem([](auto& c) { c.dropout = 1; }) == "dropout is 1, expected a probability from 0 to below 1");
  CHECK(problem([](auto& c) { c.attention_dropout = -0.1; }) ==
        "attention_dropout is -0.1, expected a probability from 0 to below 1");
  CHECK(problem([](auto& c) { c.head_dropout = std::numeric_limits<double>::quiet_NaN(); }) ==
        "head_dropout is nan, expected a probability from 0 to below 1");
  CHECK(problem([](auto& c) { c.kind = ModelKind::kDecoder; }) == "kind `decoder` cannot be built yet, expected encoder");
  CHECK(problem([](auto& c) { c.positions = Positions::kRotary, c.layers[1].head_dim = 5; }) ==
        "head_dim 5 is odd, but rotary positions turn pairs (layers[1])");
  CHECK(problem([](auto& c) {
          c.hidden = 63, c.positions = Positions::kSinusoidal;
          for (auto& layer : c.layers) layer.heads = 3;
        }) == "hidden 63 is odd, but sinusoidal positions need an even one");
  CHECK_THROWS_AS(TransformerConfig::uniform({.layers = -1}), InputError);
}

TEST_CASE("names and their nearest neighbours") {
  for (const UnaryOp op : activations()) CHECK(activation(activation_name(op)) == op);
  CHECK(activations().size() == 5);
  CHECK_THROWS_WITH_AS(
      activation("gelu_tan"),
      "activation `gelu_tan` is unknown, expected one of gelu, gelu_tanh, relu, silu, squared_relu; did you mean gelu_tanh?",
      InputError);
  CHECK_THROWS_WITH_AS(norm_kind("rmsnorm"),
                       "norm `rmsnorm` is unknown, expected one of layer_norm, rms_norm; did you mean rms_norm?", InputError);
  CHECK(norm_place("post") == NormPlace::kPost);
  CHECK(positions_kind("rotary") == Positions::kRotary);
  CHECK(pooling_kind("first") == Pooling::kFirst);
  CHECK(model_kind("encoder_decoder") == ModelKind::kEncoderDecoder);
  CHECK_THROWS_AS(positions_kind(""), InputError);
}

TEST_CASE("summary tells what differs") {
  TransformerConfig config = good();
  CHECK(config.summary() == "L3 H64 h4 f128 gelu_tanh pre layer_norm");
  config.layers[2].heads = 2;
  config.layers[0].ffn = 96;
  config.layers[1].activation = UnaryOp::kRelu;
  config.positions = Positions::kRotary;
  config.pooling = Pooling::kFirst;
  config.norm = NormKind::kRms;
  CHECK(config.summary() == "L3 H64 h4,4,2 f96,128,128 gelu_tanh,relu,gelu_tanh pre rms_norm rotary first");
  config = good();
  config.layers[1].head_dim = 8;
  CHECK(config.summary() == "L3 H64 h4 d16,8,16 f128 gelu_tanh pre layer_norm");
}

TEST_CASE("canonical JSON has every field, and equality is that of the network") {
  TransformerConfig config =
      TransformerConfig::uniform({.layers = 1, .hidden = 8, .heads = 2, .ffn = 16, .place = NormPlace::kPost});
  config.vocab_size = 10;
  CHECK(config.embedding_norm);
  CHECK(
      config.to_json() ==
      R"({"kind":"encoder","vocab_size":10,"max_tokens":512,"type_vocab_size":0,"hidden":8,"norm":"layer_norm","norm_place":"post",)"
      R"("norm_eps":1e-05,"positions":"learned","rotary_base":10000,"embedding_norm":true,"scale_embedding":false,"pooling":"mean",)"
      R"("pooler":false,"classes":0,"dropout":0,"attention_dropout":0,"head_dropout":0,)"
      R"("layers":[{"heads":2,"head_dim":4,"ffn":16,"activation":"gelu_tanh"}]})");
  TransformerConfig other = config;
  other.layers[0].head_dim = 4;
  CHECK(config == other);
  other.dropout = 0.1;
  CHECK(config != other);
}
