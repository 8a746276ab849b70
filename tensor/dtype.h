// Element types.
#pragma once
#include <cstddef>
#include <cstdint>

namespace lathe {

/// kF32 is what models compute in. kF64 exists for gradcheck and needs the backend `spec`. kI32 holds ids, labels, positions.
enum class DType : std::uint8_t { kF32, kF64, kI32 };

constexpr std::size_t size_of(DType dtype) { return dtype == DType::kF64 ? 8 : 4; }
constexpr const char* name_of(DType dtype) { return dtype == DType::kF32 ? "f32" : dtype == DType::kF64 ? "f64" : "i32"; }
constexpr bool is_float(DType dtype) { return dtype != DType::kI32; }

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kF32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kF64;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::kI32;
};
template <class T>
inline constexpr DType kDTypeOf = DTypeOf<T>::value;

}  // namespace lathe
