// vec.h on one zmm register. Needs AVX-512 F, BW, DQ and VL.
#pragma once
#if defined(__GNUC__) && !defined(__clang__)
// GCC bug 105593: its own AVX-512 intrinsics warn of uninitialised values once inlined.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#include <lathe/base/math_f32.h>

#include <cstdint>

namespace lathe::cpu::avx512 {

struct f32x16 {
  __m512 v;
  f32x16() = default;
  LATHE_INLINE explicit f32x16(__m512 a) : v(a) {}
  LATHE_INLINE explicit f32x16(float x) : v(_mm512_set1_ps(x)) {}
};
struct i32x16 {
  __m512i v;
  i32x16() = default;
  LATHE_INLINE explicit i32x16(__m512i a) : v(a) {}
  LATHE_INLINE explicit i32x16(std::int32_t x) : v(_mm512_set1_epi32(x)) {}
};

LATHE_INLINE __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1u << n) - 1u); }

LATHE_INLINE f32x16 load(const float* p) { return f32x16(_mm512_loadu_ps(p)); }
LATHE_INLINE void store(float* p, f32x16 a) { _mm512_storeu_ps(p, a.v); }
LATHE_INLINE i32x16 load_i32(const std::int32_t* p) { return i32x16(_mm512_loadu_si512(p)); }
LATHE_INLINE f32x16 load_first(const float* p, int n) { return f32x16(_mm512_maskz_loadu_ps(first_lanes(n), p)); }
LATHE_INLINE void store_first(float* p, int n, f32x16 a) { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }
LATHE_INLINE f32x16 first_n(f32x16 a, int n, f32x16 rest) { return f32x16(_mm512_mask_blend_ps(first_lanes(n), rest.v, a.v)); }

LATHE_INLINE f32x16 operator+(f32x16 a, f32x16 b) { return f32x16(_mm512_add_ps(a.v, b.v)); }
LATHE_INLINE f32x16 operator-(f32x16 a, f32x16 b) { return f32x16(_mm512_sub_ps(a.v, b.v)); }
LATHE_INLINE f32x16 operator*(f32x16 a, f32x16 b) { return f32x16(_mm512_mul_ps(a.v, b.v)); }
LATHE_INLINE f32x16 operator/(f32x16 a, f32x16 b) { return f32x16(_mm512_div_ps(a.v, b.v)); }
LATHE_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) { return f32x16(_mm512_fmadd_ps(a.v, b.v, c.v)); }
LATHE_INLINE f32x16 sqrt(f32x16 a) { return f32x16(_mm512_sqrt_ps(a.v)); }
LATHE_INLINE f32x16 select_lt(f32x16 a, f32x16 b, f32x16 x, f32x16 y) {
  return f32x16(_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v));
}
LATHE_INLINE f32x16 select_le(f32x16 a, f32x16 b, f32x16 x, f32x16 y) {
  return f32x16(_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ), y.v, x.v));
}
LATHE_INLINE f32x16 select_lt(i32x16 a, i32x16 b, f32x16 x, f32x16 y) {
  return f32x16(_mm512_mask_blend_ps(_mm512_cmplt_epi32_mask(a.v, b.v), y.v, x.v));
}
LATHE_INLINE f32x16 max(f32x16 x, f32x16 m) { return f32x16(_mm512_max_ps(x.v, m.v)); }  // x86: first operand only if greater
LATHE_INLINE f32x16 min(f32x16 x, f32x16 m) { return f32x16(_mm512_min_ps(x.v, m.v)); }

LATHE_INLINE i32x16 bits(f32x16 a) { return i32x16(_mm512_castps_si512(a.v)); }
LATHE_INLINE f32x16 from_bits(i32x16 a) { return f32x16(_mm512_castsi512_ps(a.v)); }
LATHE_INLINE f32x16 to_float(i32x16 a) { return f32x16(_mm512_cvtepi32_ps(a.v)); }
LATHE_INLINE i32x16 operator+(i32x16 a, i32x16 b) { return i32x16(_mm512_add_epi32(a.v, b.v)); }
LATHE_INLINE i32x16 operator-(i32x16 a, i32x16 b) { return i32x16(_mm512_sub_epi32(a.v, b.v)); }
LATHE_INLINE i32x16 operator&(i32x16 a, i32x16 b) { return i32x16(_mm512_and_si512(a.v, b.v)); }
LATHE_INLINE i32x16 operator|(i32x16 a, i32x16 b) { return i32x16(_mm512_or_si512(a.v, b.v)); }
LATHE_INLINE i32x16 operator^(i32x16 a, i32x16 b) { return i32x16(_mm512_xor_si512(a.v, b.v)); }
template <int kBits>
LATHE_INLINE i32x16 shift_left(i32x16 a) {
  return i32x16(_mm512_slli_epi32(a.v, kBits));
}
template <int kBits>
LATHE_INLINE i32x16 shift_right(i32x16 a) {
  return i32x16(_mm512_srai_epi32(a.v, kBits));
}
template <int kBits>
LATHE_INLINE i32x16 shift_right_logical(i32x16 a) {
  return i32x16(_mm512_srli_epi32(a.v, kBits));
}
LATHE_INLINE void mul_wide(i32x16 a, i32x16 b, i32x16& high, i32x16& low) {
  const __m512i even = _mm512_mul_epu32(a.v, b.v);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 32), _mm512_srli_epi64(b.v, 32));
  const __m512i highs = _mm512_setr_epi32(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  const __m512i lows = _mm512_setr_epi32(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
  high.v = _mm512_permutex2var_epi32(even, highs, odd);
  low.v = _mm512_permutex2var_epi32(even, lows, odd);
}

struct Sum {
  LATHE_INLINE static __m512 apply(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }
};
struct Max {
  LATHE_INLINE static __m512 apply(__m512 x, __m512 m) { return _mm512_max_ps(x, m); }
};
template <class Op>
LATHE_INLINE float reduce(f32x16 s) {
  __m512 a = s.v;
  a = Op::apply(a, _mm512_shuffle_f32x4(a, a, 0x4e));  // lane i with i + 8
  a = Op::apply(a, _mm512_shuffle_f32x4(a, a, 0xb1));  // i + 4
  a = Op::apply(a, _mm512_shuffle_ps(a, a, 0x4e));     // i + 2
  a = Op::apply(a, _mm512_shuffle_ps(a, a, 0xb1));     // i + 1
  return _mm512_cvtss_f32(a);
}
// 15 operations and 31 shuffles for 16 vectors: each level halves the lanes and pairs up two vectors in one register.
template <class Op>
LATHE_INLINE f32x16 reduce16(const f32x16* s) {
  const __m512i low = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
  const __m512i high = _mm512_setr_epi32(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  __m512 a[8], b[4], c[2];
  for (int i = 0; i < 8; ++i)  // 256-bit halves: vectors i, i + 8
    a[i] = Op::apply(_mm512_shuffle_f32x4(s[i].v, s[i + 8].v, 0x44), _mm512_shuffle_f32x4(s[i].v, s[i + 8].v, 0xee));
  for (int i = 0; i < 4; ++i)  // quarters: vectors i, i + 4, i + 8, i + 12
    b[i] = Op::apply(_mm512_permutex2var_ps(a[i], low, a[i + 4]), _mm512_permutex2var_ps(a[i], high, a[i + 4]));
  for (int i = 0; i < 2; ++i)  // in each quarter: vectors i, i + 2 in pairs
    c[i] = Op::apply(_mm512_shuffle_ps(b[i], b[i + 2], 0x44), _mm512_shuffle_ps(b[i], b[i + 2], 0xee));
  const __m512 r = Op::apply(_mm512_shuffle_ps(c[0], c[1], 0x88), _mm512_shuffle_ps(c[0], c[1], 0xdd));
  return f32x16(_mm512_shuffle_ps(r, r, 0xd8));  // vectors 0, 2, 1, 3 of each quarter back in order
}
LATHE_INLINE void transpose16(f32x16* r) {
  __m512 t[16], u[16];
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_ps(r[2 * i].v, r[2 * i + 1].v);
    t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i].v, r[2 * i + 1].v);
  }
  for (int i = 0; i < 4; ++i) {
    u[4 * i] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    u[4 * i + 1] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    u[4 * i + 2] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    u[4 * i + 3] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    const __m512 a = _mm512_shuffle_f32x4(u[i], u[4 + i], 0x88), b = _mm512_shuffle_f32x4(u[i], u[4 + i], 0xdd);
    const __m512 c = _mm512_shuffle_f32x4(u[8 + i], u[12 + i], 0x88), d = _mm512_shuffle_f32x4(u[8 + i], u[12 + i], 0xdd);
    r[i].v = _mm512_shuffle_f32x4(a, c, 0x88);
    r[4 + i].v = _mm512_shuffle_f32x4(b, d, 0x88);
    r[8 + i].v = _mm512_shuffle_f32x4(a, c, 0xdd);
    r[12 + i].v = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
}

}  // namespace lathe::cpu::avx512
