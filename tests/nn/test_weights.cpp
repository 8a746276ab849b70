// Weight files of models, and the reader of Hugging Face folders: everything that can be wrong with them.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/nn/hf_folder.h>
#include <lathe/nn/weights.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/nn/model_fixture.h"
#include "tests/support/folder.h"

using namespace lathe;
using namespace lathe::nn;
using lathe::test::options;

namespace {

namespace fs = std::filesystem;

std::string hf_problem(const fs::path& folder, const std::string& json) {
  write_file_atomic(folder / "config.json", json);
  try {
    read_hf_config(folder);
  } catch (const InputError& error) {
    std::string message = error.what();
    const std::string prefix = (folder / "config.json").string() + ": ";
    CHECK(message.rfind(prefix, 0) == 0);
    return message.substr(prefix.size());
  }
  return "read";
}

const std::string kSizes =
    R"("vocab_size":20,"hidden_size":8,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":12,"max_position_embeddings":6)";

}  // namespace

TEST_CASE("saved weights come back to the bit, all or none") {
  const lathe::test::TemporaryFolder folder;
  const fs::path path = folder.path() / "model.safetensors";
  Context context(options("", 1, 1)), other(options("", 1, 2));
  TransformerConfig config = lathe::test::small_config();
  const Classifier source(context, config), target(other, config);
  save_weights(path, source.parameters(), {{"note", "x"}});
  const SafetensorsFile file = SafetensorsFile::read(path);
  CHECK(file.metadata() == Metadata{{"format", "pt"}, {"note", "x"}});
  load_weights(path, target.parameters());
  for (std::size_t i = 0; i < source.parameters().size(); ++i)
    CHECK(source.parameters()[i].value().to_vector<float>() == target.parameters()[i].value().to_vector<float>());

  const auto before = target.parameters()[0].value().to_vector<float>();
  const auto refuse = [&](const TransformerConfig& wrong) {
    const Classifier model(other, wrong);
    const auto first = model.parameters()[0].value().to_vector<float>();
    std::string message = "loaded";
    try {
      load_weights(path, model.parameters());
    } catch (const InputError& error) {
      message = error.what();
    }
    CHECK(model.parameters()[0].value().to_vector<float>() == first);
    return message.substr(message.find(':') + 2);
  };
  TransformerConfig wrong = config;
  wrong.layers.push_back(wrong.layers[0]);
  CHECK(refuse(wrong).rfind("tensor `layers.2.attention.norm.weight` is missing", 0) == 0);
  wrong = config;
  wrong.layers.pop_back();
  CHECK(refuse(wrong) == "tensor `layers.1.attention.norm.bias` is not part of the model");
  wrong = config;
  wrong.layers[1].ffn = 49;
  CHECK(refuse(wrong) == "tensor `layers.1.ffn.in.weight`: expected shape [49, 32], got [48, 32]");

  Context spec(options("spec"));
  const Classifier wide(spec, config, DType::kF64);
  load_weights(path, wide.parameters());
  CHECK(wide.parameters()[0].value().to_vector<double>()[5] == static_cast<double>(before[5]));
  save_weights(path, wide.parameters());
  CHECK(SafetensorsFile::read(path).at("classifier.bias").type == StoredType::kF64);
  CHECK_THROWS_AS(load_weights(path, target.parameters()), InputError);  // f64 file, f32 model: would round
}

TEST_CASE("configurations of Hugging Face folders") {
  const lathe::test::TemporaryFolder folder;
  CHECK(hf_problem(folder.path(), R"({"model_type":"bert",)" + kSizes + "}") == "read");
  const HfConfig bert = read_hf_config(folder.path());
  CHECK(bert.config.summary() == "L1 H8 h2 f12 gelu post layer_norm first");
  CHECK(bert.config.norm_eps == 1e-12);
  CHECK(bert.labels == std::vector<std::string>{"LABEL_0", "LABEL_1"});
  CHECK(bert.config.head_dropout == 0.1);
  CHECK(hf_problem(folder.path(), R"({"model_type":"megatron-bert","id2label":{"1":"b","0":"a","2":"c"},"hidden_act":"relu",)" +
                                      kSizes + "}") == "read");
  CHECK(read_hf_config(folder.path()).labels == std::vector<std::string>{"a", "b", "c"});
  CHECK(read_hf_config(folder.path()).config.summary() == "L1 H8 h2 f12 relu pre layer_norm first");

  CHECK(hf_problem(folder.path(), "[1") == "not valid JSON near byte 3");
  CHECK(hf_problem(folder.path(), R"({"model_type":"roberta"})") ==
        "model_type `roberta` is not supported; supported: bert, megatron-bert");
  CHECK(hf_problem(folder.path(), R"({"model_type":"bert","architectures":["BertForTokenClassification"],)" + kSizes + "}") ==
        R"(architectures ["BertForTokenClassification"] is not supported; expected ["BertForSequenceClassification"])");
  CHECK(hf_problem(folder.path(), R"({"model_type":"bert","position_embedding_type":"relative_key",)" + kSizes + "}") ==
        "position_embedding_type `relative_key` is not supported; expected absolute");
  CHECK(hf_problem(folder.path(), R"({"model_type":"bert","is_decoder":true,)" + kSizes + "}") ==
        "`is_decoder` is true; only encoders are supported");
  CHECK(hf_problem(folder.path(), R"({"model_type":"bert","hidden_act":"mish",)" + kSizes + "}") ==
        "hidden_act `mish` is not supported; supported: gelu, gelu_new, gelu_pytorch_tanh, relu, relu2, silu, swish");
  CHECK(hf_problem(folder.path(), R"({"model_type":"bert","hidden_size":8})") == "key `num_hidden_layers` is missing");
  CHECK(hf_problem(folder.path(), R"({"model_type":"bert","id2label":{"1":"b"},)" + kSizes + "}") ==
        "`id2label` has no name for id 0");
  CHECK(
      hf_problem(
          folder.path(),
          R"({"model_type":"bert","vocab_size":20,"hidden_size":9,"num_hidden_layers":1,"num_attention_heads":2,"intermediate_size":3})") ==
      "hidden 9 is not divisible by heads 2 (layers[0])");
}

TEST_CASE("weights of Hugging Face folders: missing, extra, misshapen, old names") {
  const lathe::test::TemporaryFolder folder;
  write_file_atomic(folder.path() / "config.json", R"({"model_type":"bert",)" + kSizes + "}");
  const HfConfig hf = read_hf_config(folder.path());
  Context context(options());
  Classifier model(context, hf.config);
  const std::vector<float> zeros(512);
  std::vector<StoredTensor> tensors;
  const auto put = [&](const std::string& name, std::vector<std::uint64_t> shape) {
    std::size_t bytes = 4;
    for (const std::uint64_t size : shape) bytes *= size;
    tensors.push_back({.name = name, .shape = std::move(shape), .bytes = {reinterpret_cast<const char*>(zeros.data()), bytes}});
  };
  const auto both = [&](const std::string& name, std::uint64_t out, std::uint64_t in) {
    put(name + ".weight", {out, in});
    put(name + ".bias", {out});
  };
  put("bert.embeddings.word_embeddings.weight", {20, 8});
  put("bert.embeddings.position_embeddings.weight", {6, 8});
  put("bert.embeddings.token_type_embeddings.weight", {2, 8});
  put("bert.embeddings.LayerNorm.gamma", {8});  // the names of the first checkpoints
  put("bert.embeddings.LayerNorm.beta", {8});
  for (const char* part : {"query", "key", "value"}) both("bert.encoder.layer.0.attention.self." + std::string(part), 8, 8);
  both("bert.encoder.layer.0.attention.output.dense", 8, 8);
  both("bert.encoder.layer.0.intermediate.dense", 12, 8);
  both("bert.encoder.layer.0.output.dense", 8, 12);
  for (const char* norm : {"attention.output.LayerNorm", "output.LayerNorm"})
    for (const char* leaf : {".weight", ".bias"}) put("bert.encoder.layer.0." + std::string(norm) + leaf, {8});
  both("bert.pooler.dense", 8, 8);
  both("classifier", 2, 8);

  const auto load = [&](std::vector<StoredTensor> some) {
    write_safetensors(folder.path() / "model.safetensors", std::move(some));
    try {
      load_hf_weights(folder.path(), hf, model);
    } catch (const InputError& error) {
      const std::string message = error.what();
      return message.substr(message.find(": ") + 2);
    }
    return std::string("loaded");
  };
  CHECK(load(tensors) == "loaded");
  std::vector<StoredTensor> some = tensors;
  some.pop_back();
  CHECK(load(some) == "tensor `classifier.bias` is missing");
  some = tensors;
  some[0].name = "bert.embeddings.word_embeddings.weights";
  CHECK(load(some) ==
        "tensor `bert.embeddings.word_embeddings.weight` is missing; did you mean bert.embeddings.word_embeddings.weights?");
  put("cls.seq_relationship.bias", {2});
  CHECK(load(tensors) == "tensor `cls.seq_relationship.bias` is not part of the model");
  tensors.pop_back();
  put("bert.embeddings.position_ids", {6});
  CHECK(load(tensors) == "loaded");
  some = tensors;
  some[5].shape = {4, 16};
  CHECK(load(some) == "tensor `bert.encoder.layer.0.attention.self.query.weight`: expected shape [8, 8], got [4, 16]");
  fs::rename(folder.path() / "model.safetensors", folder.path() / "model.safetensors.index.json");
  CHECK_THROWS_AS(load_hf_weights(folder.path(), hf, model), InputError);
}
