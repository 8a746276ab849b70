#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/nn/hf_folder.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <set>
#include <utility>

namespace lathe::nn {
namespace {

using Json = nlohmann::json;

/// config.json of a folder, asked key by key; null counts as absent, as it does in the library of origin.
class HfFields {
 public:
  explicit HfFields(const std::filesystem::path& folder) : where_((folder / "config.json").string()) {
    try {
      json_ = Json::parse(read_file(where_));
    } catch (const Json::parse_error& error) {
      throw InputError(str(where_, ": not valid JSON near byte ", error.byte));
    }
    if (!json_.is_object()) fail("expected an object");
  }
  const std::string& where() const { return where_; }
  [[noreturn]] void fail(const std::string& what) const { throw InputError(where_ + ": " + what); }

  const Json* find(const char* key) const {
    const auto at = json_.find(key);
    return at == json_.end() || at->is_null() ? nullptr : &*at;
  }
  Index integer(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) fail(str("key `", std::string_view(key), "` is missing"));
    return integer(key, *value);
  }
  Index integer(const char* key, Index otherwise) const {
    const Json* value = find(key);
    return value == nullptr ? otherwise : integer(key, *value);
  }
  double real(const char* key, double otherwise) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_number()) fail(str("`", std::string_view(key), "` is not a number"));
    return value->get<double>();
  }
  std::string text(const char* key, const char* otherwise) const {
    const Json* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_string()) fail(str("`", std::string_view(key), "` is not a string"));
    return value->get<std::string>();
  }
  bool flag(const char* key) const {
    const Json* value = find(key);
    if (value != nullptr && !value->is_boolean()) fail(str("`", std::string_view(key), "` is not true or false"));
    return value != nullptr && value->get<bool>();
  }

 private:
  Index integer(const char* key, const Json& value) const {
    if (!value.is_number_integer()) fail(str("`", std::string_view(key), "` is not a whole number"));
    return value.get<Index>();
  }
  std::string where_;
  Json json_;
};

UnaryOp hf_activation(const HfFields& fields) {
  const std::string name = fields.text("hidden_act", "gelu");
  if (name == "gelu") return UnaryOp::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return UnaryOp::kGeluTanh;
  if (name == "relu") return UnaryOp::kRelu;
  if (name == "silu" || name == "swish") return UnaryOp::kSilu;
  if (name == "relu2") return UnaryOp::kSquaredRelu;
  fields.fail("hidden_act `" + name + "` is not supported; supported: gelu, gelu_new, gelu_pytorch_tanh, relu, relu2, silu, swish");
}

/// Names of the classes: id2label, or num_labels (2 unless given) numbered ones.
std::vector<std::string> hf_labels(const HfFields& fields) {
  std::vector<std::string> labels;
  const Json* map = fields.find("id2label");
  if (map == nullptr) {
    const Index count = fields.integer("num_labels", 2);
    if (count < 1 || count > 1'000'000) fields.fail("num_labels is " + std::to_string(count));
    for (Index i = 0; i < count; ++i) labels.push_back(str("LABEL_", i));
    return labels;
  }
  if (!map->is_object() || map->empty()) fields.fail("`id2label` is not a map from id to name");
  for (std::size_t i = 0; i < map->size(); ++i) {
    const auto at = map->find(std::to_string(i));
    if (at == map->end() || !at->is_string()) fields.fail(str("`id2label` has no name for id ", i));
    labels.push_back(at->get<std::string>());
  }
  return labels;
}

void refuse_what_changes_the_computation(const HfFields& fields, const std::string& model_type) {
  const std::string head = model_type == "bert" ? "BertForSequenceClassification" : "MegatronBertForSequenceClassification";
  const Json* architectures = fields.find("architectures");
  if (architectures != nullptr && *architectures != Json::array({head}))
    fields.fail("architectures " + architectures->dump() + " is not supported; expected [\"" + head + "\"]");
  const std::string positions = fields.text("position_embedding_type", "absolute");
  if (positions != "absolute") fields.fail("position_embedding_type `" + positions + "` is not supported; expected absolute");
  for (const char* key : {"is_decoder", "add_cross_attention"})
    if (fields.flag(key)) fields.fail(str("`", std::string_view(key), "` is true; only encoders are supported"));
}

/// A tensor of the folder under its present name, or the one that early checkpoints used.
const StoredTensor& find_tensor(const SafetensorsFile& file, const std::string& name, std::set<std::string>& used) {
  const StoredTensor* tensor = file.find(name);
  const bool is_norm = name.find("LayerNorm.") != std::string::npos;
  if (tensor == nullptr && is_norm) {  // gamma and beta, renamed in 2019
    const std::size_t dot = name.rfind('.');
    tensor = file.find(name.substr(0, dot) + (name.substr(dot) == ".weight" ? ".gamma" : ".beta"));
  }
  if (tensor == nullptr) tensor = &file.at(name);
  used.insert(tensor->name);
  return *tensor;
}

/// Names of the tensors that, joined along their rows, are one parameter of ours.
std::vector<std::string> hf_names(const std::string& ours, bool post_norm) {
  const std::size_t dot = ours.rfind('.');
  const std::string stem = ours.substr(0, dot), leaf = ours.substr(dot);  // "layers.0.attention.out", ".weight"
  if (stem == "embeddings") {
    if (leaf == ".tokens") return {"bert.embeddings.word_embeddings.weight"};
    if (leaf == ".positions") return {"bert.embeddings.position_embeddings.weight"};
    return {"bert.embeddings.token_type_embeddings.weight"};
  }
  if (stem == "embeddings.norm") return {"bert.embeddings.LayerNorm" + leaf};
  if (stem == "norm") return {"bert.encoder.ln" + leaf};
  if (stem == "pooler") return {"bert.pooler.dense" + leaf};
  if (stem == "classifier") return {"classifier" + leaf};
  const std::size_t number = std::string_view("layers.").size(), end = stem.find('.', number);
  LATHE_CHECK(stem.rfind("layers.", 0) == 0 && end != std::string::npos, "parameter without a counterpart: " + ours);
  const std::string layer = "bert.encoder.layer." + stem.substr(number, end - number) + ".", part = stem.substr(end + 1);
  if (part == "attention.qkv") {
    const std::string self = layer + "attention.self.";
    return {self + "query" + leaf, self + "key" + leaf, self + "value" + leaf};
  }
  if (part == "attention.out") return {layer + "attention.output.dense" + leaf};
  if (part == "attention.norm") return {layer + (post_norm ? "attention.output.LayerNorm" : "attention.ln") + leaf};
  if (part == "ffn.in") return {layer + "intermediate.dense" + leaf};
  if (part == "ffn.out") return {layer + "output.dense" + leaf};
  LATHE_CHECK(part == "ffn.norm", "parameter without a counterpart: " + ours);
  return {layer + (post_norm ? "output.LayerNorm" : "ln") + leaf};
}

}  // namespace

HfConfig read_hf_config(const std::filesystem::path& folder) {
  const HfFields fields(folder);
  HfConfig result;
  result.model_type = fields.text("model_type", "");
  if (result.model_type != "bert" && result.model_type != "megatron-bert")
    fields.fail("model_type `" + result.model_type + "` is not supported; supported: bert, megatron-bert");
  refuse_what_changes_the_computation(fields, result.model_type);
  const bool post_norm = result.model_type == "bert";
  const Index layers = fields.integer("num_hidden_layers");
  if (layers < 1 || layers > 10'000) fields.fail(str("num_hidden_layers is ", layers, ", expected at least 1"));
  TransformerConfig& config = result.config;
  config = TransformerConfig::uniform({.layers = layers,
                                       .hidden = fields.integer("hidden_size"),
                                       .heads = fields.integer("num_attention_heads"),
                                       .ffn = fields.integer("intermediate_size"),
                                       .activation = hf_activation(fields),
                                       .place = post_norm ? NormPlace::kPost : NormPlace::kPre});
  config.vocab_size = fields.integer("vocab_size");
  config.max_tokens = fields.integer("max_position_embeddings", 512);
  config.type_vocab_size = fields.integer("type_vocab_size", 2);
  config.norm_eps = fields.real("layer_norm_eps", 1e-12);
  config.pooling = Pooling::kFirst;
  config.pooler = true;
  config.dropout = fields.real("hidden_dropout_prob", 0.1);
  config.attention_dropout = fields.real("attention_probs_dropout_prob", 0.1);
  config.head_dropout = fields.real("classifier_dropout", config.dropout);
  result.labels = hf_labels(fields);
  config.classes = static_cast<Index>(result.labels.size());
  try {
    config.validate();
  } catch (const InputError& error) {
    fields.fail(error.what());
  }
  return result;
}

std::vector<std::vector<float>> convert_hf_tensors(const SafetensorsFile& file, const HfConfig& config,
                                                   std::span<const Var> parameters) {
  const bool post_norm = config.config.norm_place == NormPlace::kPost;
  std::set<std::string> used{"bert.embeddings.position_ids"};  // a constant that early checkpoints stored
  std::vector<std::vector<float>> arrays;
  for (const Var& parameter : parameters) {
    const std::vector<std::string> names = hf_names(parameter.name(), post_norm);
    std::vector<std::uint64_t> expected;
    for (const Index size : parameter.shape().sizes()) expected.push_back(static_cast<std::uint64_t>(size));
    expected.front() /= names.size();
    std::vector<float> joined;
    for (const std::string& name : names) {
      const StoredTensor& tensor = find_tensor(file, name, used);
      if (tensor.shape != expected)
        throw InputError(str(file.where(), ": tensor `", tensor.name, "`: expected shape ", shape_text({.shape = expected}),
                             ", got ", shape_text(tensor)));
      const std::vector<float> values = to_floats(tensor);
      joined.insert(joined.end(), values.begin(), values.end());
    }
    arrays.push_back(std::move(joined));
  }
  for (const StoredTensor& tensor : file.tensors())
    if (used.count(tensor.name) == 0) throw InputError(str(file.where(), ": tensor `", tensor.name, "` is not part of the model"));
  return arrays;
}

void load_hf_weights(const std::filesystem::path& folder, const HfConfig& config, Classifier& model) {
  if (!std::filesystem::exists(folder / "model.safetensors") && std::filesystem::exists(folder / "model.safetensors.index.json"))
    throw InputError(folder.string() +
                     ": weights in several files (model.safetensors.index.json) are not supported; expected model.safetensors");
  const SafetensorsFile file = SafetensorsFile::read(folder / "model.safetensors");
  const std::vector<std::vector<float>> arrays = convert_hf_tensors(file, config, model.parameters());
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    Var parameter = model.parameters()[i];
    parameter.mutable_value().copy_from(Tensor::from(model.context(), arrays[i], parameter.shape()).to(parameter.dtype()));
  }
}

}  // namespace lathe::nn
