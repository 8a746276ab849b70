// Reading a TransformerConfig. Only in builds with the JSON library; writing (TransformerConfig::to_json) is in every build.
#pragma once
#include <lathe/nn/config.h>

#include <filesystem>
#include <string_view>

namespace lathe::nn {

/// vocab_size, hidden and layers must be there, everything else has the default of config.h. The result is validated.
/// InputError "<where>: …": not JSON, a missing or unknown key (nearest name offered), a value of the wrong kind, a repeated key.
TransformerConfig config_from_json(std::string_view json, std::string_view where = "config.json");

/// The file's content by config_from_json.
TransformerConfig read_config(const std::filesystem::path& path);

}  // namespace lathe::nn
