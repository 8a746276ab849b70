// bf16 products by two FMAs of f32 a pair. Products of two bf16 are exact in f32's FMA, so only underflow needs care: x86 flushes
// it in hardware, elsewhere it is looked for.
#include <lathe/tensor/cpu/bf16_micro.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

#if LATHE_ISA_ID == LATHE_ISA_ID_avx512 || LATHE_ISA_ID == LATHE_ISA_ID_avx2
// Denormals are zero and flush to zero, in MXCSR, tell underflow by the rounded result as VDPBF16PS does. The compiler does not
// know that the register counts: an FMA of the sums would move across its change, so the sums go through an asm on both sides.
class Flushing {
 public:
  LATHE_INLINE Flushing(f32x16* sums, int n) {
    asm volatile("stmxcsr %0" : "=m"(before_));
    const unsigned flushing = before_ | 0x8040u;
    asm volatile("ldmxcsr %0" ::"m"(flushing));
    pin(sums, n);
  }
  LATHE_INLINE void leave(f32x16* sums, int n) const {
    pin(sums, n);
    asm volatile("ldmxcsr %0" ::"m"(before_));
    pin(sums, n);
  }

 private:
  LATHE_INLINE static void pin(f32x16* sums, int n) {
#pragma GCC unroll 24
    for (int i = 0; i < n; ++i) {
#if LATHE_ISA_ID == LATHE_ISA_ID_avx512
      asm volatile("" : "+v"(sums[i].v));
#else
      asm volatile("" : "+x"(sums[i].a), "+x"(sums[i].b));
#endif
    }
  }
  unsigned before_ = 0;
};
LATHE_INLINE f32x16 flushed_fma(f32x16 a, f32x16 b, f32x16 c) { return fma(a, b, c); }
#else
LATHE_INLINE f32x16 with_tiny_as_zero(f32x16 v) { return select_lt(abs(v), f32x16(0x1p-126f), with_sign_of(f32x16(0.0f), v), v); }
struct Flushing {
  LATHE_INLINE Flushing(f32x16* sums, int n) {
    for (int i = 0; i < n; ++i) sums[i] = with_tiny_as_zero(sums[i]);
  }
  LATHE_INLINE void leave(f32x16*, int) const {}
};
// The result counts as tiny if, rounded without a limit of the exponent, it lies below 2⁻¹²⁶: seen on the sum scaled by 2⁶⁴. Where
// that overflows, the sum is not tiny, and neither ∞ nor NaN is below anything.
LATHE_INLINE f32x16 flushed_fma(f32x16 a, f32x16 b, f32x16 c) {
  const f32x16 v = fma(a, b, c), scaled = fma(a * f32x16(0x1p64f), b, c * f32x16(0x1p64f));
  return select_lt(abs(scaled), f32x16(0x1p-62f), with_sign_of(f32x16(0.0f), v), v);
}
#endif

// bf16 in the high halves of the lanes, the low ones +0.
LATHE_INLINE i32x16 rounded(f32x16 x) {
  const i32x16 w = bits(x), size = w & i32x16(INT32_MAX);
  const i32x16 nearest = w + i32x16(0x7fff) + (shift_right_logical<16>(w) & i32x16(1));
  f32x16 v = select_lt(size, i32x16(0x00800000), from_bits(w & i32x16(INT32_MIN)), from_bits(nearest));
  v = select_lt(i32x16(0x7f800000), size, from_bits(w | i32x16(0x00400000)), v);
  return bits(v) & i32x16(static_cast<std::int32_t>(0xffff0000u));
}

struct Emulated {
  static constexpr int kParts = 2;
  using Mode = Flushing;
  LATHE_INLINE static f32x16 part(f32x16 v, int part) {
    return from_bits(part == 0 ? bits(v) & i32x16(static_cast<std::int32_t>(0xffff0000u)) : shift_left<16>(bits(v)));
  }
  LATHE_INLINE static f32x16 step(f32x16 x, f32x16 b, f32x16 sum) { return flushed_fma(x, b, sum); }
  LATHE_INLINE static i32x16 interleaved(f32x16 first, f32x16 second) {
    return rounded(first) | shift_right_logical<16>(rounded(second));
  }
  LATHE_INLINE static i32x16 adjacent(f32x16 low, f32x16 high) {
    alignas(64) float words[32];
    alignas(64) std::int32_t out[16];
    store(words, from_bits(rounded(low)));
    store(words + 16, from_bits(rounded(high)));
    for (int i = 0; i < 16; ++i) {
      std::uint32_t pair[2];
      __builtin_memcpy(pair, words + 2 * i, sizeof pair);
      out[i] = static_cast<std::int32_t>(pair[0] | pair[1] >> 16);
    }
    return load_i32(out);
  }
};

}  // namespace

const Bf16& bf16_emulated() { return kBf16<Emulated>; }

}  // namespace lathe::cpu::LATHE_ISA
