#include <lathe/base/json_writer.h>
#include <lathe/nas/json_reader.h>
#include <lathe/nas/preparation.h>

namespace lathe::nas {

Preparation Preparation::parse(std::string_view json) {
  Preparation out;
  if (json.empty()) return out;
  JsonReader reader("preparation", json);
  reader.object([&](const std::string& name) { out.parts_[name] = std::string(reader.raw()); });
  reader.end();
  return out;
}

const std::string& Preparation::get(const std::string& part) const {
  static const std::string none;
  const auto found = parts_.find(part);
  return found == parts_.end() ? none : found->second;
}

std::string Preparation::json() const {
  if (parts_.empty()) return {};
  JsonWriter writer;
  writer.begin_object();
  for (const auto& [name, json] : parts_) writer.key(name).raw(json);
  return writer.end_object().text();
}

}  // namespace lathe::nas
