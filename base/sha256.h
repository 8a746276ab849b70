// SHA-256 (FIPS 180-4). Names studies, data and checkpoints; makes the keys of the random streams.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lathe {

using Digest = std::array<std::uint8_t, 32>;

/// Incremental hash. Typed `add` functions write a fixed little-endian form, so a hash never depends on the machine.
class Sha256 {
 public:
  Sha256();
  Sha256& add(const void* bytes, std::size_t size);
  Sha256& add(std::string_view text) { return add(text.data(), text.size()); }
  Sha256& add_u64(std::uint64_t value);  ///< eight bytes, least significant first
  Digest finish();                       ///< the object must not be used afterwards

 private:
  void take(const std::uint8_t* blocks, std::size_t count);  // of 64 bytes
  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> buffer_{};
  std::uint64_t size_ = 0;
};

Digest sha256(std::string_view bytes);

/// Lower-case hexadecimal, 64 characters.
std::string to_hex(const Digest& digest);

}  // namespace lathe
