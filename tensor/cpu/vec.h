// f32x16: sixteen floats, the one vector type of the CPU kernels. One zmm register, two ymm, four NEON registers or an array.
//
// A kernel is written once on this type and compiled once per instruction set, with -DLATHE_ISA=scalar, avx2, avx512 or neon and
// the compiler options of that set; everything lands in namespace lathe::cpu::<isa>. The bits are the same in all of them: only
// + − × ÷ sqrt fma, integer operations and compare-select exist here: each is exact or rounded once by IEEE 754.
//
// Rules for code compiled per instruction set: no std:: templates and no inline function of a namespace shared by several sets that
// is not LATHE_INLINE. Otherwise the linker might pick the AVX-512 copy of a weak symbol for a machine without it.
//
// Selections: select_lt(a, b, x, y) is a < b ? x : y lane by lane, false where a or b is NaN. max(x, m) is x > m ? x : m, min(x, m)
// is x < m ? x : m: a NaN in x loses, a NaN in m stays.
#pragma once
#include <lathe/base/math_f32.h>

#include <cstdint>

#ifndef LATHE_ISA
#error "compile with -DLATHE_ISA=scalar, avx2, avx512 or neon"
#endif
#define LATHE_ISA_ID_scalar 1
#define LATHE_ISA_ID_avx2 2
#define LATHE_ISA_ID_avx512 3
#define LATHE_ISA_ID_neon 4
#define LATHE_ISA_PASTE(isa) LATHE_ISA_ID_##isa
#define LATHE_ISA_OF(isa) LATHE_ISA_PASTE(isa)
#define LATHE_ISA_ID LATHE_ISA_OF(LATHE_ISA)

#if LATHE_ISA_ID == LATHE_ISA_ID_avx512
#include <lathe/tensor/cpu/vec_avx512.h>
#elif LATHE_ISA_ID == LATHE_ISA_ID_avx2
#include <lathe/tensor/cpu/vec_avx2.h>
#elif LATHE_ISA_ID == LATHE_ISA_ID_neon
#include <lathe/tensor/cpu/vec_neon.h>
#elif LATHE_ISA_ID == LATHE_ISA_ID_scalar
#include <lathe/tensor/cpu/vec_scalar.h>
#else
#error "LATHE_ISA must be scalar, avx2, avx512 or neon"
#endif

// Each vec_<isa>.h defines the types f32x16 and i32x16 (same size, two's complement) and these functions:
//
//   f32x16(float)                     all lanes alike; i32x16(int32_t) too
//   load(p), store(p, v)              16 floats, any alignment; load_i32(p) for integers
//   load_first(p, n)                  n ≤ 16 floats, +0 in the other lanes; touches no memory beyond them
//   store_first(p, n, v)              the first n lanes; writes nothing beyond them
//   first_n(v, n, rest)               lanes ≥ n from rest
//   + - * / on f32x16; fma, sqrt      IEEE 754, round to nearest
//   select_lt, select_le              on floats: a < b, a ≤ b; select_lt also on integers (signed)
//   bits, from_bits                   reinterpret; to_float(i32x16) converts (round to nearest)
//   + - & | ^ on i32x16; shift_left<k>, shift_right<k> (arithmetic), shift_right_logical<k>
//   mul_wide(a, b, high, low)         64-bit products of unsigned lanes, for Philox
//   reduce<Op>(v)                     halving tree over the lanes, 8, 4, 2, 1: lane i op lane i + h; Op is Sum or Max
//   reduce16<Op>(v[16])               the same tree for 16 vectors at once: lane r of the result = reduce<Op>(v[r])
//   transpose16(v[16])                in place: lane j of vector i ↔ lane i of vector j
namespace lathe::cpu::LATHE_ISA {

LATHE_INLINE f32x16 operator-(f32x16 a) { return from_bits(bits(a) ^ i32x16(INT32_MIN)); }
LATHE_INLINE f32x16 abs(f32x16 a) { return from_bits(bits(a) & i32x16(INT32_MAX)); }
/// |magnitude| with the sign of `sign`.
LATHE_INLINE f32x16 with_sign_of(f32x16 magnitude, f32x16 sign) {
  return from_bits((bits(magnitude) & i32x16(INT32_MAX)) | (bits(sign) & i32x16(INT32_MIN)));
}

LATHE_INLINE float sum(f32x16 v) { return reduce<Sum>(v); }
LATHE_INLINE float largest(f32x16 v) { return reduce<Max>(v); }
LATHE_INLINE f32x16 sum16(const f32x16* v) { return reduce16<Sum>(v); }
LATHE_INLINE f32x16 largest16(const f32x16* v) { return reduce16<Max>(v); }

// The elementary functions (base/math_f32.h) on vectors, found beside + and fma.
LATHE_INLINE f32x16 exp(f32x16 x) { return math::lanes::exp_f32(x); }
LATHE_INLINE f32x16 log(f32x16 x) { return math::lanes::log_f32(x); }
LATHE_INLINE f32x16 tanh(f32x16 x) { return math::lanes::tanh_f32(x); }
LATHE_INLINE f32x16 erf(f32x16 x) { return math::lanes::erf_f32(x); }

}  // namespace lathe::cpu::LATHE_ISA
