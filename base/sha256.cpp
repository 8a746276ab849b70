#include <lathe/base/sha256.h>
#include <lathe/base/sha256_blocks.h>

#include <cstring>

namespace lathe {

Sha256::Sha256() : state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19} {}

void Sha256::take(const std::uint8_t* blocks, std::size_t count) {
  static const detail::Sha256Blocks fast = detail::sha256_blocks_x86();
  (fast ? fast : detail::sha256_blocks_portable)(state_.data(), blocks, count);
}

Sha256& Sha256::add(const void* bytes, std::size_t size) {
  const auto* p = static_cast<const std::uint8_t*>(bytes);
  std::size_t used = size_ % 64;
  size_ += size;
  while (size > 0) {
    if (used == 0 && size >= 64) {
      take(p, size / 64);
      p += size - size % 64, size %= 64;
      continue;
    }
    const std::size_t n = size < 64 - used ? size : 64 - used;
    std::memcpy(buffer_.data() + used, p, n);
    p += n, size -= n, used += n;
    if (used == 64) take(buffer_.data(), 1), used = 0;
  }
  return *this;
}

Sha256& Sha256::add_u64(std::uint64_t value) {
  std::uint8_t bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
  return add(bytes, 8);
}

Digest Sha256::finish() {
  const std::uint64_t bits = size_ * 8;
  const std::uint8_t one = 0x80, zero = 0;
  add(&one, 1);
  while (size_ % 64 != 56) add(&zero, 1);
  std::uint8_t length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
  add(length, 8);
  Digest out;
  for (std::size_t i = 0; i < 32; ++i) out[i] = static_cast<std::uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  return out;
}

Digest sha256(std::string_view bytes) { return Sha256().add(bytes).finish(); }

std::string to_hex(const Digest& digest) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : digest) text += {kHex[byte >> 4], kHex[byte & 15]};
  return text;
}

}  // namespace lathe
