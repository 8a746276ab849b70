#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/candidate.h>
#include <lathe/nas/transformer/proxy_fidelity.h>

#include <functional>
#include <map>

namespace lathe::nas {
namespace {

std::int64_t as_integer(const std::string& name, const Value& value) {
  if (const std::int64_t* i = value.integer()) return *i;
  throw InputError(str("`", name, "` = ", value.show(), ", expected an integer"));
}
double as_real(const std::string& name, const Value& value) {
  if (const auto number = value.number()) return *number;
  throw InputError(str("`", name, "` = ", value.show(), ", expected a number"));
}
const std::string& as_text(const std::string& name, const Value& value) {
  if (const std::string* text = value.text()) return *text;
  throw InputError(str("`", name, "` = ", value.show(), ", expected a name"));
}

using Setter = std::function<void(Candidate&, const std::string&, const Value&)>;

const std::map<std::string, Setter, std::less<>>& setters() {
  static const std::map<std::string, Setter, std::less<>> table = {
      {"layers", [](Candidate& c, const std::string& n, const Value& v) { c.layers = as_integer(n, v); }},
      {"hidden", [](Candidate& c, const std::string& n, const Value& v) { c.hidden = as_integer(n, v); }},
      {"norm", [](Candidate& c, const std::string& n, const Value& v) { c.norm = nn::norm_kind(as_text(n, v)); }},
      {"norm_place", [](Candidate& c, const std::string& n, const Value& v) { c.norm_place = nn::norm_place(as_text(n, v)); }},
      {"positions", [](Candidate& c, const std::string& n, const Value& v) { c.positions = nn::positions_kind(as_text(n, v)); }},
      {"pooling", [](Candidate& c, const std::string& n, const Value& v) { c.pooling = nn::pooling_kind(as_text(n, v)); }},
      {"dropout", [](Candidate& c, const std::string& n, const Value& v) { c.dropout = as_real(n, v); }},
      {"vocab", [](Candidate& c, const std::string& n, const Value& v) { c.vocab = as_integer(n, v); }},
      {"max_tokens", [](Candidate& c, const std::string& n, const Value& v) { c.max_tokens = as_integer(n, v); }},
      {"batch_rows", [](Candidate& c, const std::string& n, const Value& v) { c.training.batch_rows = as_integer(n, v); }},
      {"batch_tokens", [](Candidate& c, const std::string& n, const Value& v) { c.training.batch_tokens = as_integer(n, v); }},
      {"optimizer",
       [](Candidate& c, const std::string& n, const Value& v) { c.training.optimizer = train::optimizer_kind(as_text(n, v)); }},
      {"lr", [](Candidate& c, const std::string& n, const Value& v) { c.training.lr = as_real(n, v); }},
      {"weight_decay", [](Candidate& c, const std::string& n, const Value& v) { c.training.weight_decay = as_real(n, v); }},
      {"schedule",
       [](Candidate& c, const std::string& n, const Value& v) { c.training.schedule = optim::schedule_kind(as_text(n, v)); }},
      {"warmup", [](Candidate& c, const std::string& n, const Value& v) { c.training.warmup = as_real(n, v); }},
      {"clip", [](Candidate& c, const std::string& n, const Value& v) { c.training.clip = as_real(n, v); }},
  };
  return table;
}

const std::vector<std::string>& layer_fields() {
  static const std::vector<std::string> names = {"heads", "head_dim", "expansion", "ffn", "activation"};
  return names;
}

bool set_layer(LayerCandidate& layer, std::string_view field, const std::string& name, const Value& value) {
  if (field == "heads") {
    layer.heads = as_integer(name, value);
  } else if (field == "head_dim") {
    layer.head_dim = as_integer(name, value);
  } else if (field == "expansion") {
    layer.expansion = as_integer(name, value);
    layer.ffn = 0;
  } else if (field == "ffn") {
    layer.ffn = as_integer(name, value);
  } else if (field == "activation") {
    layer.activation = nn::activation(as_text(name, value));
  } else {
    return false;
  }
  return true;
}

struct LayerName {
  std::size_t layer;
  std::string field;
};

/// "layers[2].heads" → {2, "heads"}.
std::optional<LayerName> layer_name(std::string_view name) {
  constexpr std::string_view kHead = "layers[";
  const std::size_t close = name.find("].");
  if (!name.starts_with(kHead) || close == std::string_view::npos) return {};
  const auto index = parse_int(name.substr(kHead.size(), close - kHead.size()));
  if (!index || *index < 0) return {};
  return LayerName{static_cast<std::size_t>(*index), std::string(name.substr(close + 2))};
}

[[noreturn]] void unknown(const std::string& name) {
  const auto near = nearest(name, searchable_names());
  throw InputError(str("`", name, "` cannot be searched", near ? "; did you mean `" + *near + "`?" : ""));
}

[[noreturn]] void unknown_of_layer(const std::string& name, const LayerName& layer) {
  const auto near = nearest(layer.field, layer_fields());
  const std::string head = name.substr(0, name.size() - layer.field.size());
  throw InputError(str("`", name, "` cannot be searched; ",
                       near ? str("did you mean `", head, *near, "`?") : "of a layer: " + join(layer_fields(), ", ")));
}

/// InputError if the point gives the feed-forward width in both ways.
void check_width(const Point& point) {
  std::string of[2];  // who gives expansion, who ffn
  for (std::size_t i = 0; i < point.size(); ++i) {
    if (!point.value(i)) continue;
    const auto layer = layer_name(point.name(i));
    const std::string& field = layer ? layer->field : point.name(i);
    if (field == "expansion") of[0] = point.name(i);
    if (field == "ffn") of[1] = point.name(i);
  }
  if (!of[0].empty() && !of[1].empty())
    throw InputError(str("`", of[0], "` and `", of[1], "` both give the width of the feed-forward part; search one of them"));
}

}  // namespace

const std::vector<std::string>& searchable_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = layer_fields();
    for (const auto& [name, setter] : setters()) all.push_back(name);
    return all;
  }();
  return names;
}

ParameterBounds bounds_of(std::string_view name) {
  static const std::map<std::string, ParameterBounds, std::less<>> table = {
      {"layers", {1, 64}},       {"hidden", {1, 8192}},      {"heads", {1, 128}},
      {"expansion", {1, 64}},    {"head_dim", {0, 1024}},    {"ffn", {0, 65536}},
      {"dropout", {0, 1}},       {"vocab", {10, 1e6}},       {"max_tokens", {3, 8192}},
      {"batch_rows", {1, 1e6}},  {"batch_tokens", {0, 1e8}}, {"lr", {0, 100}},
      {"weight_decay", {0, 10}}, {"warmup", {0, 1}},         {"clip", {0, std::numeric_limits<double>::infinity()}}};
  if (const std::size_t dot = name.rfind('.'); dot != std::string_view::npos) name.remove_prefix(dot + 1);
  const auto found = table.find(name);
  return found == table.end() ? ParameterBounds{} : found->second;
}

Candidate apply(const Candidate& base, const Point& point) {
  check_width(point);
  Candidate c = base;
  std::vector<std::pair<LayerName, std::size_t>> of_layers;
  for (std::size_t i = 0; i < point.size(); ++i) {
    const std::optional<Value>& value = point.value(i);
    if (!value) continue;
    const std::string& name = point.name(i);
    if (const auto layer = layer_name(name)) {
      of_layers.emplace_back(*layer, i);
    } else if (const auto setter = setters().find(name); setter != setters().end()) {
      setter->second(c, name, *value);
    } else if (!set_layer(c.all, name, name, *value)) {
      unknown(name);
    }
  }
  if (!of_layers.empty()) {
    c.per_layer.assign(static_cast<std::size_t>(c.layers), c.all);
    for (const auto& [layer, i] : of_layers) {
      if (layer.layer >= c.per_layer.size()) throw InputError(str("`", point.name(i), "` is of a layer that is not there"));
      if (!set_layer(c.per_layer[layer.layer], layer.field, point.name(i), *point.value(i))) unknown_of_layer(point.name(i), layer);
    }
  }
  return c;
}

nn::TransformerConfig Candidate::architecture(const TaskShape& task) const {
  nn::TransformerConfig a = nn::TransformerConfig::uniform({.layers = layers,
                                                            .hidden = hidden,
                                                            .heads = all.heads,
                                                            .ffn = 1,
                                                            .activation = all.activation,
                                                            .norm = norm,
                                                            .place = norm_place});
  for (std::size_t i = 0; i < a.layers.size(); ++i) {
    const LayerCandidate& layer = i < per_layer.size() ? per_layer[i] : all;
    a.layers[i] = {layer.heads, layer.head_dim, layer.ffn != 0 ? layer.ffn : layer.expansion * hidden, layer.activation};
  }
  a.vocab_size = task.vocab_size;
  if (vocab != 0) {
    const auto learned = task.vocabularies.find(vocab);
    if (learned == task.vocabularies.end()) throw InputError(str("no vocabulary of ", vocab, " tokens was learned"));
    a.vocab_size = learned->second;
  }
  a.max_tokens = max_tokens != 0 ? max_tokens : task.max_tokens;
  a.classes = task.classes;
  a.type_vocab_size = task.pair ? 2 : 0;
  a.positions = positions;
  a.pooling = pooling;
  a.dropout = a.attention_dropout = a.head_dropout = dropout;
  return width_share == 1 && depth_share == 1 ? a : scaled(a, width_share, depth_share);
}

}  // namespace lathe::nas
