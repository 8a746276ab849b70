// Weight files of models, and the reader of Hugging Face folders: everything that can be wrong with them.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/nn/hf_folder.h>
#include <lathe/nn/weights.h>

#include <bit>
#include <cmath>
#include <cstdlib>
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

TEST_CASE("weights saved as bf16 take half the bytes and come back as the nearest bf16") {
  const lathe::test::TemporaryFolder folder;
  const fs::path full = folder.path() / "full.safetensors", half = folder.path() / "half.safetensors";
  Context context(options("", 1, 1)), other(options("", 1, 2));
  const Classifier source(context, lathe::test::small_config()), target(other, lathe::test::small_config());
  Var edited = source.parameters()[0];  // values at the edges of rounding
  std::vector<float> values = edited.value().to_vector<float>();
  const float edges[] = {1.00390625f,   1.01171875f, -1.00390637f, 0x1p-140f, -0.0f,
                         3.4028235e38f, HUGE_VALF,   -HUGE_VALF,   NAN,       0x1p-130f};
  std::copy(std::begin(edges), std::end(edges), values.begin());
  edited.mutable_value().copy_from(Tensor::from(context, values, edited.shape()));
  save_weights(full, source.parameters());
  save_weights(half, source.parameters(), {}, StoredType::kBF16);
  CHECK_THROWS_AS(save_weights(half, source.parameters(), {}, StoredType::kF16), InputError);
  const SafetensorsFile file = SafetensorsFile::read(half);
  load_weights(file, target.parameters());
  for (std::size_t i = 0; i < source.parameters().size(); ++i) {
    const StoredTensor& stored = file.at(source.parameters()[i].name());
    const std::vector<float> x = source.parameters()[i].value().to_vector<float>();
    const std::vector<float> y = target.parameters()[i].value().to_vector<float>();
    CHECK(stored.type == StoredType::kBF16);
    CHECK(stored.bytes.size() == 2 * x.size());
    for (std::size_t e = i == 0 ? std::size(edges) : 0; e < x.size(); ++e)
      if (!(std::abs(x[e] - y[e]) <= std::abs(x[e]) * 0x1p-8f)) FAIL(x[e] << " came back as " << y[e]);
  }
  const std::vector<float> back = target.parameters()[0].value().to_vector<float>();
  const float expected[] = {1.0f, 1.015625f, -1.0078125f, 0x0p0f, -0.0f, HUGE_VALF, HUGE_VALF, -HUGE_VALF};
  for (std::size_t i = 0; i < std::size(expected); ++i) CHECK_MESSAGE(back[i] == expected[i], i);
  CHECK(std::signbit(back[4]));
  CHECK(std::isnan(back[8]));
  CHECK(back[9] == 0x1p-130f);  // a subnormal stays
  // Saved again, the bytes are the same: bf16 is exact in f32.
  save_weights(folder.path() / "again.safetensors", target.parameters(), {}, StoredType::kBF16);
  CHECK(read_file(folder.path() / "again.safetensors") == read_file(half));

  // PyTorch rounds the f32 file to the same bf16, and what safetensors writes of it is read here.
  const char* named = std::getenv("LATHE_PYTHON");
  const std::string python = named ? named : LATHE_BUILD_PYTHON;
  if (std::system((python + " -c 'import torch, safetensors.torch' >/dev/null 2>&1").c_str()) != 0) {
    MESSAGE("SKIPPED: no Python with torch and safetensors (LATHE_PYTHON, or build/python)");
    return;
  }
  write_file_atomic(folder.path() / "check.py", R"py(
import sys, torch
from safetensors.torch import load_file, save_file
full, half = load_file(sys.argv[1] + "/full.safetensors"), load_file(sys.argv[1] + "/half.safetensors")
assert full.keys() == half.keys() and full
for name in full:
    assert half[name].dtype == torch.bfloat16 and half[name].shape == full[name].shape, name
    ours, theirs = half[name], full[name].to(torch.bfloat16)
    assert torch.equal(ours.isnan(), full[name].isnan()), name  # which NaN is PyTorch's own affair
    known = ~full[name].isnan()
    assert torch.equal(ours[known].view(torch.int16), theirs[known].view(torch.int16)), name
save_file({n: t.to(torch.bfloat16) for n, t in full.items()}, sys.argv[1] + "/torch.safetensors")
)py");
  REQUIRE(std::system((python + " '" + (folder.path() / "check.py").string() + "' '" + folder.path().string() + "'").c_str()) == 0);
  const SafetensorsFile theirs = SafetensorsFile::read(folder.path() / "torch.safetensors");
  REQUIRE(theirs.tensors().size() == file.tensors().size());
  for (const StoredTensor& tensor : theirs.tensors()) {
    const std::vector<float> x = to_floats(tensor), y = to_floats(file.at(tensor.name));
    REQUIRE(x.size() == y.size());
    for (std::size_t e = 0; e < x.size(); ++e)
      if (std::bit_cast<std::uint32_t>(x[e]) != std::bit_cast<std::uint32_t>(y[e]) && !(std::isnan(x[e]) && std::isnan(y[e])))
        FAIL(tensor.name << ": " << x[e] << " is read, " << y[e] << " was written");
  }
}

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
