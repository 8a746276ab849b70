// VDPBF16PS and VCVTNE2PS2BF16. The one file that is compiled with AVX512_BF16: nothing in it may be called where that is missing.
#include <lathe/tensor/cpu/bf16_micro.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

LATHE_INLINE __m512bh pairs(f32x16 v) { return reinterpret_cast<__m512bh>(_mm512_castps_si512(v.v)); }

// Rounding and flushing are the instruction's own, whatever MXCSR says.
struct Instruction {
  static constexpr int kParts = 1;
  LATHE_INLINE static f32x16 part(f32x16 v, int) { return v; }
  LATHE_INLINE static f32x16 step(f32x16 x, f32x16 b, f32x16 sum) { return f32x16(_mm512_dpbf16_ps(sum.v, pairs(x), pairs(b))); }
  struct Mode {
    LATHE_INLINE Mode(f32x16*, int) {}
    LATHE_INLINE void leave(f32x16*, int) const {}
  };
  LATHE_INLINE static i32x16 interleaved(f32x16 first, f32x16 second) {
    const __m512i order = _mm512_add_epi32(
        _mm512_set1_epi32(16 << 16), _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                                        _mm512_set1_epi32(0x10001)));  // words i and 16 + i
    return i32x16(_mm512_permutexvar_epi16(order, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(first.v, second.v))));
  }
  LATHE_INLINE static i32x16 adjacent(f32x16 low, f32x16 high) {
    return i32x16(_mm512_rol_epi32(reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high.v, low.v)), 16));
  }
};

}  // namespace

const Bf16& bf16_instruction() { return kBf16<Instruction>; }

}  // namespace lathe::cpu::LATHE_ISA
