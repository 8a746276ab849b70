#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/nn/config_json.h>
#include <nlohmann/json.hpp>

#include <set>
#include <string>
#include <vector>

namespace lathe::nn {
namespace {

using Json = nlohmann::json;

/// Parses and refuses repeated keys, which the library would silently merge.
Json parse(std::string_view text, const std::string& where) {
  std::vector<std::set<std::string>> keys;
  std::string repeated;
  const auto watch = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      repeated = value.get<std::string>();
    return true;
  };
  try {
    Json json = Json::parse(text, watch);
    if (!repeated.empty()) throw InputError(str(where, ": key `", repeated, "` stands there twice"));
    return json;
  } catch (const Json::parse_error& error) {
    throw InputError(str(where, ": not valid JSON near byte ", error.byte));
  }
}

/// The members of one object, each asked for once; what was never asked for is unknown.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) throw InputError(str(where_, ": expected an object, got ", object.type_name()));
  }

  const Json* find(const char* key, bool required = false) {
    known_.emplace_back(key);
    const auto at = object_.find(key);
    if (at != object_.end()) return &*at;
    if (required) throw InputError(str(where_, ": key `", key, "` is missing"));
    return nullptr;
  }
  void read(const char* key, Index& value, bool required = false) {
    const Json* json = find(key, required);
    if (json == nullptr) return;
    if (!json->is_number_integer() || (json->is_number_unsigned() && json->get<std::uint64_t>() > std::uint64_t{1} << 62))
      wrong(key, "a whole number", *json);
    value = json->get<Index>();
  }
  void read(const char* key, double& value) {
    const Json* json = find(key);
    if (json == nullptr) return;
    if (!json->is_number()) wrong(key, "a number", *json);
    value = json->get<double>();
  }
  void read(const char* key, bool& value) {
    const Json* json = find(key);
    if (json == nullptr) return;
    if (!json->is_boolean()) wrong(key, "true or false", *json);
    value = json->get<bool>();
  }
  template <class Enum>
  void read(const char* key, Enum& value, Enum (*from_name)(std::string_view)) {
    const Json* json = find(key);
    if (json == nullptr) return;
    if (!json->is_string()) wrong(key, "a name", *json);
    try {
      value = from_name(json->get_ref<const std::string&>());
    } catch (const InputError& error) {
      throw InputError(str(where_, ": ", error.what()));
    }
  }
  void refuse_unknown() const {
    for (const auto& item : object_.items()) {
      bool found = false;
      for (const std::string& name : known_) found = found || name == item.key();
      if (found) continue;
      const auto hint = nearest(item.key(), known_);
      throw InputError(str(where_, ": unknown key `", item.key(), "`", hint ? "; did you mean " + *hint + "?" : ""));
    }
  }

 private:
  [[noreturn]] void wrong(const char* key, const char* expected, const Json& got) const {
    std::string text = got.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > 40) text = text.substr(0, 37) + "...";
    throw InputError(str(where_, ": `", key, "` is ", text, ", expected ", expected));
  }
  const Json& object_;
  std::string where_;
  std::vector<std::string> known_;
};

}  // namespace

TransformerConfig config_from_json(std::string_view text, std::string_view where_view) {
  const std::string where(where_view);
  const Json json = parse(text, where);
  Fields fields(json, where);
  TransformerConfig config;
  fields.read("kind", config.kind, &model_kind);
  fields.read("vocab_size", config.vocab_size, true);
  fields.read("max_tokens", config.max_tokens);
  fields.read("type_vocab_size", config.type_vocab_size);
  fields.read("hidden", config.hidden, true);
  fields.read("norm", config.norm, &norm_kind);
  fields.read("norm_place", config.norm_place, &norm_place);
  fields.read("norm_eps", config.norm_eps);
  fields.read("positions", config.positions, &positions_kind);
  fields.read("rotary_base", config.rotary_base);
  fields.read("embedding_norm", config.embedding_norm);
  fields.read("scale_embedding", config.scale_embedding);
  fields.read("pooling", config.pooling, &pooling_kind);
  fields.read("pooler", config.pooler);
  fields.read("classes", config.classes);
  fields.read("dropout", config.dropout);
  fields.read("attention_dropout", config.attention_dropout);
  fields.read("head_dropout", config.head_dropout);
  const Json* layers = fields.find("layers", true);
  fields.refuse_unknown();
  if (!layers->is_array()) throw InputError(str(where, ": `layers` is not a list of layers"));
  for (std::size_t i = 0; i < layers->size(); ++i) {
    Fields layer_fields((*layers)[i], str(where, ": layers[", i, "]"));
    LayerConfig layer;
    layer_fields.read("heads", layer.heads, true);
    layer_fields.read("head_dim", layer.head_dim);
    layer_fields.read("ffn", layer.ffn, true);
    layer_fields.read("activation", layer.activation, &activation);
    layer_fields.refuse_unknown();
    config.layers.push_back(layer);
  }
  try {
    config.validate();
  } catch (const InputError& error) {
    throw InputError(str(where, ": ", error.what()));
  }
  return config;
}

TransformerConfig read_config(const std::filesystem::path& path) { return config_from_json(read_file(path), path.string()); }

}  // namespace lathe::nn
