// config.json of a model folder.
#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/base/version.h>
#include <lathe/deploy/model.h>
#include <lathe/nn/config_json.h>

#include <nlohmann/json.hpp>

namespace lathe::deploy {
namespace {

constexpr std::int64_t kFormat = 1;

template <class T>
T member(const nlohmann::json& object, const char* name, const std::string& where) {
  const auto found = object.find(name);
  if (found == object.end()) throw InputError(where + ": `" + name + "` is missing");
  try {
    return found->get<T>();
  } catch (const nlohmann::json::exception&) {
    throw InputError(where + ": `" + std::string(name) + "` has the wrong type");
  }
}

}  // namespace

std::string to_json(const ModelInfo& info) {
  JsonWriter json;
  json.begin_object();
  json.key("lathe")
      .begin_object()
      .member("format", kFormat)
      .member("version", kVersion)
      .member("numerics", info.numerics)
      .end_object();
  json.member("task", "classification").member("name", info.name).member("study", info.study);
  json.key("labels").begin_array();
  for (const std::string& label : info.labels) json.value(label);
  json.end_array();
  json.member("pair", info.pair).member("max_tokens", info.max_tokens);
  json.key("architecture").raw(info.architecture.to_json());
  return json.end_object().text() + "\n";
}

ModelInfo model_info(std::string_view text, const std::string& where) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) throw InputError(where + ": is not a JSON object");
  const auto lathe = json.find("lathe");
  if (lathe == json.end() || !lathe->is_object()) throw InputError(where + ": is not of a lathe model (no `lathe` in it)");
  const auto format = member<std::int64_t>(*lathe, "format", where);
  if (format > kFormat)
    throw InputError(str(where, ": format ", format, ", written by lathe ", member<std::string>(*lathe, "version", where),
                         "; this is lathe ", kVersion, ", which reads up to format ", kFormat));
  const auto task = member<std::string>(json, "task", where);
  if (task != "classification") throw InputError(where + ": task `" + task + "`, expected classification");
  ModelInfo info;
  info.numerics = member<std::string>(*lathe, "numerics", where);
  info.name = member<std::string>(json, "name", where);
  info.study = member<std::string>(json, "study", where);
  info.labels = member<std::vector<std::string>>(json, "labels", where);
  info.pair = member<bool>(json, "pair", where);
  info.max_tokens = member<std::int64_t>(json, "max_tokens", where);
  info.architecture = nn::config_from_json(member<nlohmann::json>(json, "architecture", where).dump(), where);
  if (static_cast<std::size_t>(info.architecture.classes) != info.labels.size())
    throw InputError(str(where, ": ", info.labels.size(), " labels for ", info.architecture.classes, " classes"));
  if (info.max_tokens < 1 || info.max_tokens > info.architecture.max_tokens)
    throw InputError(str(where, ": `max_tokens` is ", info.max_tokens, ", expected 1 to ", info.architecture.max_tokens,
                         ", that of the architecture"));
  return info;
}

}  // namespace lathe::deploy
