// The JSON header of a safetensors file, read event by event so that everything a tree would hide is seen: repeated names, repeated
// fields, numbers that are not whole. Private to nn/.
#pragma once
#include <lathe/nn/safetensors.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nn {

struct HeaderEntry {
  std::string name{};
  StoredType type = StoredType::kF32;
  std::vector<std::uint64_t> shape{};
  std::uint64_t begin = 0, end = 0;  ///< relative to the data
};

std::optional<StoredType> stored_type(std::string_view name);

/// Form only; ranges are checked by the caller. InputError "<where>: …".
void parse_safetensors_header(std::string_view json, const std::string& where, std::vector<HeaderEntry>& entries,
                              Metadata& metadata);

}  // namespace lathe::nn
