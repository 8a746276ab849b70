#include <lathe/tensor/cpu/common.h>
#include <lathe/tensor/cpu/dropout.h>
#include <lathe/tensor/cpu/kernels.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

constexpr int kBlocks = 512;                     // of a batch of numbers, eight each
constexpr Index kPiece = (kBlocks - 1) * 8 - 7;  // columns that fit a batch wherever they start

// Philox4x32-10 (base/random.h) of 16 counters; the words of counter l are lane l of c[0 … 3].
LATHE_INLINE void philox16(const Dropout& d, i32x16* c) {
  const i32x16 m0(static_cast<std::int32_t>(0xD2511F53u)), m1(static_cast<std::int32_t>(0xCD9E8D57u));
  std::uint32_t k0 = d.key.k0, k1 = d.key.k1;
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    i32x16 high0, low0, high1, low1;
    mul_wide(c[0], m0, high0, low0);
    mul_wide(c[2], m1, high1, low1);
    c[0] = high1 ^ c[1] ^ i32x16(static_cast<std::int32_t>(k0));
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ i32x16(static_cast<std::int32_t>(k1));
    c[3] = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

// The numbers of 64 blocks, 8 each. Lane l of group g is block 4 l + g, so one transpose puts the words in order.
void numbers64(const Dropout& d, const std::uint64_t* block, std::uint16_t* numbers) {
  alignas(64) std::int32_t low[4][16], high[4][16];
  for (int l = 0; l < 16; ++l)
    for (int g = 0; g < 4; ++g) {
      low[g][l] = static_cast<std::int32_t>(static_cast<std::uint32_t>(block[4 * l + g]));
      high[g][l] = static_cast<std::int32_t>(static_cast<std::uint32_t>(block[4 * l + g] >> 32));
    }
  f32x16 words[16];
  for (int g = 0; g < 4; ++g) {
    i32x16 c[4] = {load_i32(low[g]), i32x16(static_cast<std::int32_t>(d.step)), i32x16(static_cast<std::int32_t>(d.site)),
                   load_i32(high[g])};
    philox16(d, c);
    for (int w = 0; w < 4; ++w) words[4 * g + w] = from_bits(c[w]);
  }
  transpose16(words);
  for (int l = 0; l < 16; ++l) __builtin_memcpy(numbers + 32 * l, &words[l], 64);
}

// The numbers of up to 16 blocks.
void numbers16(const Dropout& d, const std::uint64_t* block, std::uint16_t* numbers) {
  alignas(64) std::int32_t low[16], high[16], words[4][16];
  for (int l = 0; l < 16; ++l) {
    low[l] = static_cast<std::int32_t>(static_cast<std::uint32_t>(block[l]));
    high[l] = static_cast<std::int32_t>(static_cast<std::uint32_t>(block[l] >> 32));
  }
  i32x16 c[4] = {load_i32(low), i32x16(static_cast<std::int32_t>(d.step)), i32x16(static_cast<std::int32_t>(d.site)),
                 load_i32(high)};
  philox16(d, c);
  __builtin_memcpy(words, c, sizeof words);
  for (int l = 0; l < 16; ++l)
    for (int w = 0; w < 4; ++w) __builtin_memcpy(numbers + 8 * l + 2 * w, &words[w][l], 4);
}

void apply(Index n, const std::uint16_t* numbers, std::uint32_t threshold, float scale, float* x) {
  for (Index i = 0; i < n; ++i) {
    const float kept = x[i] * scale;
    x[i] = numbers[i] < threshold ? 0.0f : kept;
  }
}

// Rows × cols whose blocks fit one batch.
void batch(const Dropout& d, Index rows, Index cols, std::uint64_t first, std::uint64_t stride, float* x, Index ldx, float* also,
           Index ld_also) {
  std::uint64_t block[kBlocks + 64];
  std::uint16_t numbers[8 * (kBlocks + 64)];
  int start[kBlocks], count = 0;
  for (Index r = 0; r < rows; ++r) {
    const std::uint64_t e = first + static_cast<std::uint64_t>(r) * stride, last = e + static_cast<std::uint64_t>(cols) - 1;
    start[r] = 8 * count + static_cast<int>(e % 8);
    for (std::uint64_t b = e / 8; b <= last / 8; ++b) block[count++] = b;
  }
  for (int i = count; i < count + 64; ++i) block[i] = 0;
  for (int i = 0; i < count;) {
    if (count - i > 16) {
      numbers64(d, block + i, numbers + 8 * i);
      i += 64;
    } else {
      numbers16(d, block + i, numbers + 8 * i);
      i += 16;
    }
  }
  for (Index r = 0; r < rows; ++r) apply(cols, numbers + start[r], d.threshold, d.scale, x + r * ldx);
  if (also)
    for (Index r = 0; r < rows; ++r) apply(cols, numbers + start[r], d.threshold, d.scale, also + r * ld_also);
}

}  // namespace

void dropout_rows(const Dropout& d, Index rows, Index cols, std::uint64_t first, std::uint64_t stride, float* x, Index ldx,
                  float* also, Index ld_also) {
  for (Index c = 0; c < cols; c += kPiece) {
    const Index width = min(kPiece, cols - c), step = kBlocks / (blocks(width, 8) + 1);
    for (Index r = 0; r < rows; r += step) {
      const std::uint64_t e = first + static_cast<std::uint64_t>(r) * stride + static_cast<std::uint64_t>(c);
      batch(d, min(step, rows - r), width, e, stride, x + r * ldx + c, ldx, also ? also + r * ld_also + c : nullptr, ld_also);
    }
  }
}

void dropout(Exec& exec, const DropoutArgs<float>& a) {
  const Index n = a.rows * a.n;
  const auto first = static_cast<std::uint64_t>(a.row0) * static_cast<std::uint64_t>(a.n);
  parallel_pieces(exec, n, kGrain, [&](Index i, Index size) {
    if (a.y != a.x) __builtin_memcpy(a.y + i, a.x + i, bytes(size));
    if (a.dropout.threshold != 0) dropout_rows(a.dropout, 1, size, first + static_cast<std::uint64_t>(i), 0, a.y + i, 0);
  });
}

}  // namespace lathe::cpu::LATHE_ISA
