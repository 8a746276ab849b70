// vec.h on two ymm registers. Needs AVX2 and FMA.
#pragma once
#include <immintrin.h>
#include <lathe/base/math_f32.h>

#include <cstdint>

namespace lathe::cpu::avx2 {

struct f32x16 {
  __m256 a, b;  // lanes 0–7, 8–15
  f32x16() = default;
  LATHE_INLINE f32x16(__m256 low, __m256 high) : a(low), b(high) {}
  LATHE_INLINE explicit f32x16(float x) : a(_mm256_set1_ps(x)), b(a) {}
};
struct i32x16 {
  __m256i a, b;
  i32x16() = default;
  LATHE_INLINE i32x16(__m256i low, __m256i high) : a(low), b(high) {}
  LATHE_INLINE explicit i32x16(std::int32_t x) : a(_mm256_set1_epi32(x)), b(a) {}
};

/// All ones in the lanes below n, of lanes 0–7 (offset 0) or 8–15 (offset 8).
LATHE_INLINE __m256i lanes_below(int n, int offset) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n - offset), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

LATHE_INLINE f32x16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
LATHE_INLINE void store(float* p, f32x16 x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
LATHE_INLINE i32x16 load_i32(const std::int32_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
}
// The second half is skipped where empty: its address may lie beyond the array.
LATHE_INLINE f32x16 load_first(const float* p, int n) {
  return {_mm256_maskload_ps(p, lanes_below(n, 0)), n > 8 ? _mm256_maskload_ps(p + 8, lanes_below(n, 8)) : _mm256_setzero_ps()};
}
LATHE_INLINE void store_first(float* p, int n, f32x16 x) {
  _mm256_maskstore_ps(p, lanes_below(n, 0), x.a);
  if (n > 8) _mm256_maskstore_ps(p + 8, lanes_below(n, 8), x.b);
}
LATHE_INLINE f32x16 first_n(f32x16 x, int n, f32x16 rest) {
  return {_mm256_blendv_ps(rest.a, x.a, _mm256_castsi256_ps(lanes_below(n, 0))),
          _mm256_blendv_ps(rest.b, x.b, _mm256_castsi256_ps(lanes_below(n, 8)))};
}

LATHE_INLINE f32x16 operator+(f32x16 x, f32x16 y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
LATHE_INLINE f32x16 operator-(f32x16 x, f32x16 y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
LATHE_INLINE f32x16 operator*(f32x16 x, f32x16 y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
LATHE_INLINE f32x16 operator/(f32x16 x, f32x16 y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
LATHE_INLINE f32x16 fma(f32x16 x, f32x16 y, f32x16 z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
LATHE_INLINE f32x16 sqrt(f32x16 x) { return {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
LATHE_INLINE f32x16 select_lt(f32x16 p, f32x16 q, f32x16 x, f32x16 y) {
  return {_mm256_blendv_ps(y.a, x.a, _mm256_cmp_ps(p.a, q.a, _CMP_LT_OQ)),
          _mm256_blendv_ps(y.b, x.b, _mm256_cmp_ps(p.b, q.b, _CMP_LT_OQ))};
}
LATHE_INLINE f32x16 select_le(f32x16 p, f32x16 q, f32x16 x, f32x16 y) {
  return {_mm256_blendv_ps(y.a, x.a, _mm256_cmp_ps(p.a, q.a, _CMP_LE_OQ)),
          _mm256_blendv_ps(y.b, x.b, _mm256_cmp_ps(p.b, q.b, _CMP_LE_OQ))};
}
LATHE_INLINE f32x16 select_lt(i32x16 p, i32x16 q, f32x16 x, f32x16 y) {
  return {_mm256_blendv_ps(y.a, x.a, _mm256_castsi256_ps(_mm256_cmpgt_epi32(q.a, p.a))),
          _mm256_blendv_ps(y.b, x.b, _mm256_castsi256_ps(_mm256_cmpgt_epi32(q.b, p.b)))};
}
LATHE_INLINE f32x16 max(f32x16 x, f32x16 m) {  // x86: the first operand only if greater
  return {_mm256_max_ps(x.a, m.a), _mm256_max_ps(x.b, m.b)};
}
LATHE_INLINE f32x16 min(f32x16 x, f32x16 m) { return {_mm256_min_ps(x.a, m.a), _mm256_min_ps(x.b, m.b)}; }

LATHE_INLINE i32x16 bits(f32x16 x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
LATHE_INLINE f32x16 from_bits(i32x16 x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
LATHE_INLINE f32x16 to_float(i32x16 x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
LATHE_INLINE i32x16 operator+(i32x16 x, i32x16 y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
LATHE_INLINE i32x16 operator-(i32x16 x, i32x16 y) { return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)}; }
LATHE_INLINE i32x16 operator&(i32x16 x, i32x16 y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
LATHE_INLINE i32x16 operator|(i32x16 x, i32x16 y) { return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)}; }
LATHE_INLINE i32x16 operator^(i32x16 x, i32x16 y) { return {_mm256_xor_si256(x.a, y.a), _mm256_xor_si256(x.b, y.b)}; }
template <int kBits>
LATHE_INLINE i32x16 shift_left(i32x16 x) {
  return {_mm256_slli_epi32(x.a, kBits), _mm256_slli_epi32(x.b, kBits)};
}
template <int kBits>
LATHE_INLINE i32x16 shift_right(i32x16 x) {
  return {_mm256_srai_epi32(x.a, kBits), _mm256_srai_epi32(x.b, kBits)};
}
template <int kBits>
LATHE_INLINE i32x16 shift_right_logical(i32x16 x) {
  return {_mm256_srli_epi32(x.a, kBits), _mm256_srli_epi32(x.b, kBits)};
}
LATHE_INLINE void mul_wide8(__m256i x, __m256i y, __m256i& high, __m256i& low) {
  const __m256i even = _mm256_mul_epu32(x, y), odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(y, 32));
  high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
LATHE_INLINE void mul_wide(i32x16 x, i32x16 y, i32x16& high, i32x16& low) {
  mul_wide8(x.a, y.a, high.a, low.a);
  mul_wide8(x.b, y.b, high.b, low.b);
}

struct Sum {
  LATHE_INLINE static __m256 apply(__m256 x, __m256 y) { return _mm256_add_ps(x, y); }
};
struct Max {
  LATHE_INLINE static __m256 apply(__m256 x, __m256 m) { return _mm256_max_ps(x, m); }
};
template <class Op>
LATHE_INLINE float reduce(f32x16 s) {
  __m256 x = Op::apply(s.a, s.b);                        // lane i with i + 8
  x = Op::apply(x, _mm256_permute2f128_ps(x, x, 0x01));  // i + 4
  x = Op::apply(x, _mm256_shuffle_ps(x, x, 0x4e));       // i + 2
  x = Op::apply(x, _mm256_shuffle_ps(x, x, 0xb1));       // i + 1
  return _mm256_cvtss_f32(x);
}
// Eight vectors: each level halves the lanes and pairs up two vectors in one register.
template <class Op>
LATHE_INLINE __m256 reduce8(const f32x16* s) {
  __m256 a[8], b[4], c[2];
  for (int i = 0; i < 8; ++i) a[i] = Op::apply(s[i].a, s[i].b);
  for (int i = 0; i < 4; ++i)
    b[i] = Op::apply(_mm256_permute2f128_ps(a[i], a[i + 4], 0x20), _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
  for (int i = 0; i < 2; ++i) c[i] = Op::apply(_mm256_shuffle_ps(b[i], b[i + 2], 0x44), _mm256_shuffle_ps(b[i], b[i + 2], 0xee));
  const __m256 r = Op::apply(_mm256_shuffle_ps(c[0], c[1], 0x88), _mm256_shuffle_ps(c[0], c[1], 0xdd));
  return _mm256_shuffle_ps(r, r, 0xd8);  // vectors 0, 2, 1, 3 of each half back in order
}
template <class Op>
LATHE_INLINE f32x16 reduce16(const f32x16* s) {
  return {reduce8<Op>(s), reduce8<Op>(s + 8)};
}
LATHE_INLINE void transpose8(__m256* r) {
  __m256 t[8], u[8];
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    u[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    u[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    u[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    u[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(u[i], u[4 + i], 0x20);
    r[4 + i] = _mm256_permute2f128_ps(u[i], u[4 + i], 0x31);
  }
}
LATHE_INLINE void transpose16(f32x16* r) {
  __m256 q[4][8];  // quadrants: rows 0–7 and 8–15, lanes 0–7 and 8–15
  for (int i = 0; i < 8; ++i) {
    q[0][i] = r[i].a;
    q[1][i] = r[i].b;
    q[2][i] = r[i + 8].a;
    q[3][i] = r[i + 8].b;
  }
  for (int i = 0; i < 4; ++i) transpose8(q[i]);
  for (int i = 0; i < 8; ++i) {
    r[i] = {q[0][i], q[2][i]};
    r[i + 8] = {q[1][i], q[3][i]};
  }
}

}  // namespace lathe::cpu::avx2
