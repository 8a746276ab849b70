#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nn/config.h>
#include <lathe/tensor/ops.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace lathe::nn {
namespace {

constexpr Index kLargestSize = Index{1} << 24;  // products of two sizes stay far from overflow

template <class Enum>
struct Named {
  Enum value;
  const char* name;
};
constexpr Named<ModelKind> kKinds[] = {
    {ModelKind::kEncoder, "encoder"}, {ModelKind::kDecoder, "decoder"}, {ModelKind::kEncoderDecoder, "encoder_decoder"}};
constexpr Named<NormKind> kNorms[] = {{NormKind::kLayer, "layer_norm"}, {NormKind::kRms, "rms_norm"}};
constexpr Named<NormPlace> kPlaces[] = {{NormPlace::kPre, "pre"}, {NormPlace::kPost, "post"}};
constexpr Named<Positions> kPositions[] = {
    {Positions::kLearned, "learned"}, {Positions::kSinusoidal, "sinusoidal"}, {Positions::kRotary, "rotary"}};
constexpr Named<Pooling> kPoolings[] = {{Pooling::kMean, "mean"}, {Pooling::kFirst, "first"}};
constexpr UnaryOp kActivations[] = {UnaryOp::kGelu, UnaryOp::kGeluTanh, UnaryOp::kRelu, UnaryOp::kSilu, UnaryOp::kSquaredRelu};

template <class Enum, std::size_t n>
const char* find_name(const Named<Enum> (&table)[n], Enum value) {
  for (const auto& entry : table)
    if (entry.value == value) return entry.name;
  LATHE_CHECK(false, "enumerator without a name");
  return "";
}

[[noreturn]] void unknown_name(const char* what, std::string_view name, const std::vector<std::string>& known) {
  const auto hint = nearest(name, known);
  throw InputError(
      str(what, " `", name, "` is unknown, expected one of ", join(known, ", "), hint ? "; did you mean " + *hint + "?" : ""));
}

template <class Enum, std::size_t n>
Enum find_value(const char* what, const Named<Enum> (&table)[n], std::string_view name) {
  std::vector<std::string> known;
  for (const auto& entry : table) {
    if (name == entry.name) return entry.value;
    known.emplace_back(entry.name);
  }
  unknown_name(what, name, known);
}

void check_size(const char* name, Index value, Index least = 1) {
  if (value < least || value > kLargestSize)
    throw InputError(str(name, " is ", value, ", expected a whole number from ", least, " to ", kLargestSize));
}

void check_dropout(const char* name, double p) {
  if (!(p >= 0 && p < 1)) throw InputError(str(name, " is ", p, ", expected a probability from 0 to below 1"));
}

/// "4" if all layers agree, else "4,4,6".
template <class F>
std::string per_layer(const std::vector<LayerConfig>& layers, F&& text) {
  std::vector<std::string> parts;
  for (const LayerConfig& layer : layers) parts.push_back(text(layer));
  if (std::all_of(parts.begin(), parts.end(), [&](const std::string& part) { return part == parts.front(); })) parts.resize(1);
  return join(parts, ",");
}

}  // namespace

const char* name_of(ModelKind kind) { return find_name(kKinds, kind); }
const char* name_of(NormKind norm) { return find_name(kNorms, norm); }
const char* name_of(NormPlace place) { return find_name(kPlaces, place); }
const char* name_of(Positions positions) { return find_name(kPositions, positions); }
const char* name_of(Pooling pooling) { return find_name(kPoolings, pooling); }
const char* activation_name(UnaryOp activation) { return lathe::name_of(activation); }
ModelKind model_kind(std::string_view name) { return find_value("kind", kKinds, name); }
NormKind norm_kind(std::string_view name) { return find_value("norm", kNorms, name); }
NormPlace norm_place(std::string_view name) { return find_value("norm_place", kPlaces, name); }
Positions positions_kind(std::string_view name) { return find_value("positions", kPositions, name); }
Pooling pooling_kind(std::string_view name) { return find_value("pooling", kPoolings, name); }

std::span<const UnaryOp> activations() { return kActivations; }

UnaryOp activation(std::string_view name) {
  std::vector<std::string> known;
  for (const UnaryOp op : kActivations) {
    if (name == activation_name(op)) return op;
    known.emplace_back(activation_name(op));
  }
  unknown_name("activation", name, known);
}

TransformerConfig TransformerConfig::uniform(const UniformLayers& shape) {
  TransformerConfig config;
  config.hidden = shape.hidden;
  config.norm = shape.norm;
  config.norm_place = shape.place;
  config.embedding_norm = shape.place == NormPlace::kPost;
  check_size("layers", shape.layers);
  config.layers.assign(static_cast<std::size_t>(shape.layers),
                       {.heads = shape.heads, .head_dim = 0, .ffn = shape.ffn, .activation = shape.activation});
  return config;
}

Index TransformerConfig::head_dim(std::size_t layer) const {
  const LayerConfig& l = layers.at(layer);
  return l.head_dim != 0 ? l.head_dim : l.heads > 0 ? hidden / l.heads : 0;
}

void TransformerConfig::validate() const {
  if (kind != ModelKind::kEncoder) throw InputError(str("kind `", name_of(kind), "` cannot be built yet, expected encoder"));
  check_size("vocab_size", vocab_size);
  check_size("max_tokens", max_tokens);
  check_size("type_vocab_size", type_vocab_size, 0);
  check_size("hidden", hidden);
  check_size("classes", classes, 0);
  if (!(norm_eps > 0 && norm_eps < 1)) throw InputError(str("norm_eps is ", norm_eps, ", expected a number between 0 and 1"));
  if (!(rotary_base > 1 && std::isfinite(rotary_base)))
    throw InputError(str("rotary_base is ", rotary_base, ", expected a number above 1"));
  check_dropout("dropout", dropout);
  check_dropout("attention_dropout", attention_dropout);
  check_dropout("head_dropout", head_dropout);
  if (positions == Positions::kSinusoidal && hidden % 2 != 0)
    throw InputError(str("hidden ", hidden, " is odd, but sinusoidal positions need an even one"));
  if (layers.empty()) throw InputError("layers is empty, expected at least one layer");
  check_size("layers", static_cast<Index>(layers.size()));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerConfig& layer = layers[i];
    const std::string at = str("layers[", i, "].");
    check_size((at + "heads").c_str(), layer.heads);
    check_size((at + "head_dim").c_str(), layer.head_dim, 0);
    check_size((at + "ffn").c_str(), layer.ffn);
    if (layer.head_dim == 0 && hidden % layer.heads != 0)
      throw InputError(str("hidden ", hidden, " is not divisible by heads ", layer.heads, " (layers[", i, "])"));
    if (positions == Positions::kRotary && head_dim(i) % 2 != 0)
      throw InputError(str("head_dim ", head_dim(i), " is odd, but rotary positions turn pairs (layers[", i, "])"));
    if (std::find(std::begin(kActivations), std::end(kActivations), layer.activation) == std::end(kActivations))
      throw InputError(str(at, "activation `", lathe::name_of(layer.activation), "` is not an activation"));
  }
}

std::string TransformerConfig::summary() const {
  std::string text = str("L", layers.size(), " H", hidden);
  if (!layers.empty()) {
    text += " h" + per_layer(layers, [](const LayerConfig& layer) { return std::to_string(layer.heads); });
    const auto own_head_dim = [&](const LayerConfig& l) { return l.head_dim != 0 && l.head_dim * l.heads != hidden; };
    if (std::any_of(layers.begin(), layers.end(), own_head_dim)) {
      std::size_t i = 0;
      text += " d" + per_layer(layers, [&](const LayerConfig&) { return std::to_string(head_dim(i++)); });
    }
    text += " f" + per_layer(layers, [](const LayerConfig& layer) { return std::to_string(layer.ffn); });
    text += " " + per_layer(layers, [](const LayerConfig& layer) { return std::string(activation_name(layer.activation)); });
  }
  text += str(" ", name_of(norm_place), " ", name_of(norm));
  if (positions != Positions::kLearned) text += str(" ", name_of(positions));
  if (pooling != Pooling::kMean) text += str(" ", name_of(pooling));
  return text;
}

std::string TransformerConfig::to_json() const {
  JsonWriter json;
  json.begin_object();
  json.member("kind", name_of(kind)).member("vocab_size", vocab_size).member("max_tokens", max_tokens);
  json.member("type_vocab_size", type_vocab_size).member("hidden", hidden);
  json.member("norm", name_of(norm)).member("norm_place", name_of(norm_place)).member("norm_eps", norm_eps);
  json.member("positions", name_of(positions)).member("rotary_base", rotary_base);
  json.member("embedding_norm", embedding_norm).member("scale_embedding", scale_embedding);
  json.member("pooling", name_of(pooling)).member("pooler", pooler).member("classes", classes);
  json.member("dropout", dropout).member("attention_dropout", attention_dropout).member("head_dropout", head_dropout);
  json.key("layers").begin_array();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    json.begin_object().member("heads", layers[i].heads).member("head_dim", head_dim(i));
    json.member("ffn", layers[i].ffn).member("activation", activation_name(layers[i].activation)).end_object();
  }
  json.end_array().end_object();
  return json.text();
}

bool TransformerConfig::operator==(const TransformerConfig& other) const { return to_json() == other.to_json(); }

}  // namespace lathe::nn
