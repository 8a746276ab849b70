// The compression function of SHA-256 (FIPS 180-4, 6.2.2), as every processor computes it and as those with instructions for it do.
#pragma once
#include <cstddef>
#include <cstdint>

namespace lathe::detail {

/// state [8] takes in `count` blocks of 64 bytes each.
using Sha256Blocks = void (*)(std::uint32_t* state, const std::uint8_t* blocks, std::size_t count);

void sha256_blocks_portable(std::uint32_t* state, const std::uint8_t* blocks, std::size_t count);

/// With the SHA instructions of x86-64; null where this processor has none.
Sha256Blocks sha256_blocks_x86();

}  // namespace lathe::detail
