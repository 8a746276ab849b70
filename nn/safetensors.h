// safetensors files: named arrays, a JSON header in front (https://huggingface.co/docs/safetensors). Only in builds with the JSON
// library.
//
//   u64 little-endian n · n bytes of JSON · data;   {"__metadata__": {k: v}, "name": {"dtype": "F32", "shape": [2, 3],
//   "data_offsets": [0, 24]}, …}
//
// Reading checks everything before a value is used: header of at most 100,000,000 bytes that begins with `{`, valid UTF-8 JSON
// nested less than 128 deep, no repeated name or field, known type, whole non-negative sizes, products without overflow, ranges
// that cover the data exactly (no holes, no overlap, nothing behind). Stricter than the reference library in four
// points that the written format forbids: blanks before `{`, a name twice, an entry or a type that is not of the written form.
//
// Writing is deterministic: tensors by descending element size, then by name; metadata sorted; no blanks; the header padded with
// spaces to a multiple of 8. The file is complete or not there (base/file.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nn {

/// Element types, in the format's order (ascending size).
enum class StoredType : std::uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64
};
const char* name_of(StoredType type);  ///< "F32"
unsigned bits_of(StoredType type);     ///< 32

/// One array. `bytes` points into the file it came from, or to the memory of whoever writes it; elements are little-endian,
/// row-major.
struct StoredTensor {
  std::string name{};
  StoredType type = StoredType::kF32;
  std::vector<std::uint64_t> shape{};  ///< empty: one element
  std::string_view bytes{};
};

using Metadata = std::map<std::string, std::string>;

class SafetensorsFile {
 public:
  /// InputError "<path>: …" naming the entry and what is wrong with it; also for a missing file.
  static SafetensorsFile read(const std::filesystem::path& path);
  static SafetensorsFile parse(std::string bytes, const std::string& where);

  const Metadata& metadata() const { return metadata_; }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }  ///< by name
  const StoredTensor* find(std::string_view name) const;                 ///< null if there is none
  const StoredTensor& at(std::string_view name) const;                   ///< InputError with the nearest name if there is none
  const std::string& where() const { return where_; }

 private:
  std::shared_ptr<const std::string> bytes_;
  std::string where_;
  Metadata metadata_;
  std::vector<StoredTensor> tensors_;
};

/// F32 as it is, F16 and BF16 widened exactly; InputError for other types.
std::vector<float> to_floats(const StoredTensor& tensor);
/// The nearest bf16, a tie to the even one, as PyTorch rounds: subnormals stay (unlike in products, docs/numerics.md), what rounds
/// beyond the largest is ±∞, every NaN is 0x7fc0 (PyTorch's NaN depends on its instruction set).
std::uint16_t bf16_of(float x);
/// "[2, 3]".
std::string shape_text(const StoredTensor& tensor);

/// InputError: a name twice, the name __metadata__, bytes that do not fit shape and type.
std::string safetensors_bytes(std::vector<StoredTensor> tensors, const Metadata& metadata = {});
/// InfrastructureError if the file cannot be written; an old file of that name is then untouched.
void write_safetensors(const std::filesystem::path& path, std::vector<StoredTensor> tensors, const Metadata& metadata = {});

}  // namespace lathe::nn
