#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nn/safetensors.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include <lathe/nn/safetensors_header.h>

namespace lathe::nn {

static_assert(std::endian::native == std::endian::little, "arrays are read and written as they lie in memory");

namespace {

struct TypeInfo {
  const char* name;
  unsigned bits;
};
constexpr TypeInfo kTypes[] = {{"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
                               {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
                               {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
                               {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};
static_assert(std::size(kTypes) == static_cast<std::size_t>(StoredType::kU64) + 1);

constexpr std::uint64_t kMaxHeader = 100'000'000;

/// Bytes of a tensor, or nothing if a product overflows or bits are left over.
std::optional<std::uint64_t> byte_size(StoredType type, const std::vector<std::uint64_t>& shape) {
  std::uint64_t bits = 1;
  for (const std::uint64_t size : shape)
    if (__builtin_mul_overflow(bits, size, &bits)) return std::nullopt;
  if (__builtin_mul_overflow(bits, std::uint64_t{bits_of(type)}, &bits) || bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

std::string text_of(const std::vector<std::uint64_t>& shape) {
  std::vector<std::string> parts;
  for (const std::uint64_t size : shape) parts.push_back(std::to_string(size));
  return "[" + join(parts, ", ") + "]";
}

/// Ranges must lie end to end from 0 to `data_size`, each as long as its type and shape say.
void check_ranges(std::vector<HeaderEntry>& entries, std::uint64_t data_size, const std::string& where) {
  std::sort(entries.begin(), entries.end(), [](const HeaderEntry& a, const HeaderEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t start = 0;
  for (const HeaderEntry& entry : entries) {
    const std::string tensor = str(where, ": tensor `", entry.name, "`: ");
    if (entry.begin != start)
      throw InputError(
          str(tensor, "data begins at ", entry.begin, ", expected ", start, " (", entry.begin < start ? "overlap" : "hole", ")"));
    if (entry.end < entry.begin) throw InputError(str(tensor, "data ends at ", entry.end, ", before it begins"));
    const auto bytes = byte_size(entry.type, entry.shape);
    if (!bytes)
      throw InputError(str(tensor, "shape ", text_of(entry.shape), " of ", name_of(entry.type), " is not a whole number of bytes"));
    if (*bytes != entry.end - entry.begin)
      throw InputError(str(tensor, "expected ", *bytes, " bytes for ", name_of(entry.type), " ", text_of(entry.shape), ", got ",
                           entry.end - entry.begin));
    start = entry.end;
  }
  if (start != data_size)
    throw InputError(str(where, ": expected ", start, " bytes of data as the header says, got ", data_size,
                         start > data_size ? " (file is cut)" : ""));
}

float widen_f16(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31u, fraction = half & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormal or zero: exact
  return sign != 0 ? -magnitude : magnitude;
}

}  // namespace

const char* name_of(StoredType type) { return kTypes[static_cast<std::size_t>(type)].name; }
unsigned bits_of(StoredType type) { return kTypes[static_cast<std::size_t>(type)].bits; }

std::optional<StoredType> stored_type(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kTypes); ++i)
    if (name == kTypes[i].name) return static_cast<StoredType>(i);
  return std::nullopt;
}

std::string shape_text(const StoredTensor& tensor) { return text_of(tensor.shape); }

SafetensorsFile SafetensorsFile::read(const std::filesystem::path& path) { return parse(read_file(path), path.string()); }

SafetensorsFile SafetensorsFile::parse(std::string bytes, const std::string& where) {
  SafetensorsFile file;
  file.where_ = where;
  file.bytes_ = std::make_shared<const std::string>(std::move(bytes));
  const std::string_view all = *file.bytes_;
  if (all.size() < 8) throw InputError(str(where, ": not a safetensors file: ", all.size(), " bytes, expected at least 8"));
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, all.data(), 8);
  if (header_size > kMaxHeader)
    throw InputError(str(where, ": not a safetensors file: header of ", header_size, " bytes, expected at most ", kMaxHeader));
  if (header_size > all.size() - 8)
    throw InputError(str(where, ": header of ", header_size, " bytes, but only ", all.size() - 8, " follow (file is cut)"));
  std::vector<HeaderEntry> entries;
  parse_safetensors_header(all.substr(8, header_size), where, entries, file.metadata_);
  const std::string_view data = all.substr(8 + header_size);
  check_ranges(entries, data.size(), where);
  for (HeaderEntry& entry : entries)
    file.tensors_.push_back(
        {std::move(entry.name), entry.type, std::move(entry.shape), data.substr(entry.begin, entry.end - entry.begin)});
  std::sort(file.tensors_.begin(), file.tensors_.end(),
            [](const StoredTensor& a, const StoredTensor& b) { return a.name < b.name; });
  return file;
}

const StoredTensor* SafetensorsFile::find(std::string_view name) const {
  const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                   [](const StoredTensor& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

const StoredTensor& SafetensorsFile::at(std::string_view name) const {
  if (const StoredTensor* tensor = find(name)) return *tensor;
  std::vector<std::string> names;
  for (const StoredTensor& tensor : tensors_) names.push_back(tensor.name);
  const auto hint = nearest(name, names);
  throw InputError(str(where_, ": tensor `", name, "` is missing", hint ? "; did you mean " + *hint + "?" : ""));
}

std::vector<float> to_floats(const StoredTensor& tensor) {
  const std::size_t width = bits_of(tensor.type) / 8;
  if (tensor.type != StoredType::kF32 && tensor.type != StoredType::kF16 && tensor.type != StoredType::kBF16)
    throw InputError(str("tensor `", tensor.name, "`: expected F32, F16 or BF16, got ", name_of(tensor.type)));
  std::vector<float> values(tensor.bytes.size() / width);
  if (tensor.type == StoredType::kF32) {
    if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t half = 0;
    std::memcpy(&half, tensor.bytes.data() + 2 * i, 2);
    values[i] = tensor.type == StoredType::kF16 ? widen_f16(half) : std::bit_cast<float>(std::uint32_t{half} << 16);
  }
  return values;
}

std::uint16_t bf16_of(float x) {
  if (x != x) return 0x7fc0;
  const auto word = std::bit_cast<std::uint32_t>(x);
  return static_cast<std::uint16_t>((word + 0x7fffu + (word >> 16 & 1u)) >> 16);
}

std::string safetensors_bytes(std::vector<StoredTensor> tensors, const Metadata& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return a.type != b.type ? a.type > b.type : a.name < b.name;  // widest type first, as the reference writer does
  });
  JsonWriter json;
  json.begin_object();
  if (!metadata.empty()) {
    json.key("__metadata__").begin_object();
    for (const auto& [key, value] : metadata) json.member(key, value);
    json.end_object();
  }
  std::set<std::string_view> names{"__metadata__"};
  std::uint64_t offset = 0;
  for (const StoredTensor& tensor : tensors) {
    if (!names.insert(tensor.name).second) throw InputError(str("tensor name `", tensor.name, "` is used twice or reserved"));
    if (invalid_utf8(tensor.name)) throw InputError("a tensor name is not valid UTF-8");
    const auto bytes = byte_size(tensor.type, tensor.shape);
    if (!bytes || *bytes != tensor.bytes.size())
      throw InputError(str("tensor `", tensor.name, "`: ", tensor.bytes.size(), " bytes do not fit ", name_of(tensor.type), " ",
                           shape_text(tensor)));
    json.key(tensor.name).begin_object().member("dtype", name_of(tensor.type)).key("shape").begin_array();
    for (const std::uint64_t size : tensor.shape) json.value(size);
    json.end_array().key("data_offsets").begin_array().value(offset).value(offset + *bytes).end_array().end_object();
    offset += *bytes;
  }
  std::string header = json.end_object().text();
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::uint64_t header_size = header.size();
  std::string bytes(8, '\0');
  bytes.reserve(8 + header.size() + offset);
  std::memcpy(bytes.data(), &header_size, 8);
  bytes += header;
  for (const StoredTensor& tensor : tensors) bytes += tensor.bytes;
  return bytes;
}

void write_safetensors(const std::filesystem::path& path, std::vector<StoredTensor> tensors, const Metadata& metadata) {
  write_file_atomic(path, safetensors_bytes(std::move(tensors), metadata));
}

}  // namespace lathe::nn
