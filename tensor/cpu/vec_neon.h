// vec.h on four 128-bit registers. Needs nothing beyond the base of 64-bit ARM.
#pragma once
#include <arm_neon.h>
#include <lathe/base/math_f32.h>

#include <cstdint>

namespace lathe::cpu::neon {

struct f32x16 {
  float32x4_t a, b, c, d;  // lanes 0–3, 4–7, 8–11, 12–15
  f32x16() = default;
  LATHE_INLINE f32x16(float32x4_t q0, float32x4_t q1, float32x4_t q2, float32x4_t q3) : a(q0), b(q1), c(q2), d(q3) {}
  LATHE_INLINE explicit f32x16(float x) : a(vdupq_n_f32(x)), b(a), c(a), d(a) {}
};
struct i32x16 {
  int32x4_t a, b, c, d;
  i32x16() = default;
  LATHE_INLINE i32x16(int32x4_t q0, int32x4_t q1, int32x4_t q2, int32x4_t q3) : a(q0), b(q1), c(q2), d(q3) {}
  LATHE_INLINE explicit i32x16(std::int32_t x) : a(vdupq_n_s32(x)), b(a), c(a), d(a) {}
};

// f on each quarter of x, or of x and y.
#define LATHE_QUARTERS(f) \
  { f(x.a), f(x.b), f(x.c), f(x.d) }
#define LATHE_QUARTERS_OF_TWO(f) \
  { f(x.a, y.a), f(x.b, y.b), f(x.c, y.c), f(x.d, y.d) }

LATHE_INLINE f32x16 load(const float* p) { return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}; }
LATHE_INLINE void store(float* p, f32x16 x) {
  vst1q_f32(p, x.a);
  vst1q_f32(p + 4, x.b);
  vst1q_f32(p + 8, x.c);
  vst1q_f32(p + 12, x.d);
}
LATHE_INLINE i32x16 load_i32(const std::int32_t* p) {
  return {vld1q_s32(p), vld1q_s32(p + 4), vld1q_s32(p + 8), vld1q_s32(p + 12)};
}
/// Quarter `offset` / 4 of load_first and store_first. No masked loads here, so two lanes and one.
LATHE_INLINE float32x4_t load_quarter(const float* p, int n, int offset) {
  if (n >= offset + 4) return vld1q_f32(p + offset);
  float32x4_t r = vdupq_n_f32(0.f);
  if (n > offset + 1) r = vcombine_f32(vld1_f32(p + offset), vget_low_f32(r));
  if (n == offset + 1) r = vld1q_lane_f32(p + offset, r, 0);
  if (n == offset + 3) r = vld1q_lane_f32(p + offset + 2, r, 2);
  return r;
}
LATHE_INLINE void store_quarter(float* p, int n, int offset, float32x4_t x) {
  if (n >= offset + 4) return vst1q_f32(p + offset, x);
  if (n > offset + 1) vst1_f32(p + offset, vget_low_f32(x));
  if (n == offset + 1) vst1q_lane_f32(p + offset, x, 0);
  if (n == offset + 3) vst1q_lane_f32(p + offset + 2, x, 2);
}
LATHE_INLINE f32x16 load_first(const float* p, int n) {
  return {load_quarter(p, n, 0), load_quarter(p, n, 4), load_quarter(p, n, 8), load_quarter(p, n, 12)};
}
LATHE_INLINE void store_first(float* p, int n, f32x16 x) {
  store_quarter(p, n, 0, x.a);
  store_quarter(p, n, 4, x.b);
  store_quarter(p, n, 8, x.c);
  store_quarter(p, n, 12, x.d);
}
/// All ones in the lanes below n, of the four lanes from `offset` on.
LATHE_INLINE uint32x4_t lanes_below(int n, int offset) {
  const std::int32_t lanes[] = {0, 1, 2, 3};
  return vcltq_s32(vld1q_s32(lanes), vdupq_n_s32(n - offset));
}
LATHE_INLINE f32x16 first_n(f32x16 x, int n, f32x16 rest) {
  return {vbslq_f32(lanes_below(n, 0), x.a, rest.a), vbslq_f32(lanes_below(n, 4), x.b, rest.b),
          vbslq_f32(lanes_below(n, 8), x.c, rest.c), vbslq_f32(lanes_below(n, 12), x.d, rest.d)};
}

LATHE_INLINE f32x16 operator+(f32x16 x, f32x16 y) { return LATHE_QUARTERS_OF_TWO(vaddq_f32); }
LATHE_INLINE f32x16 operator-(f32x16 x, f32x16 y) { return LATHE_QUARTERS_OF_TWO(vsubq_f32); }
LATHE_INLINE f32x16 operator*(f32x16 x, f32x16 y) { return LATHE_QUARTERS_OF_TWO(vmulq_f32); }
LATHE_INLINE f32x16 operator/(f32x16 x, f32x16 y) { return LATHE_QUARTERS_OF_TWO(vdivq_f32); }
LATHE_INLINE f32x16 fma(f32x16 x, f32x16 y, f32x16 z) {  // ARM names the addend first
  return {vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c), vfmaq_f32(z.d, x.d, y.d)};
}
LATHE_INLINE f32x16 sqrt(f32x16 x) { return LATHE_QUARTERS(vsqrtq_f32); }
// The comparisons are false where an operand is NaN.
LATHE_INLINE f32x16 select_lt(f32x16 p, f32x16 q, f32x16 x, f32x16 y) {
  return {vbslq_f32(vcltq_f32(p.a, q.a), x.a, y.a), vbslq_f32(vcltq_f32(p.b, q.b), x.b, y.b),
          vbslq_f32(vcltq_f32(p.c, q.c), x.c, y.c), vbslq_f32(vcltq_f32(p.d, q.d), x.d, y.d)};
}
LATHE_INLINE f32x16 select_le(f32x16 p, f32x16 q, f32x16 x, f32x16 y) {
  return {vbslq_f32(vcleq_f32(p.a, q.a), x.a, y.a), vbslq_f32(vcleq_f32(p.b, q.b), x.b, y.b),
          vbslq_f32(vcleq_f32(p.c, q.c), x.c, y.c), vbslq_f32(vcleq_f32(p.d, q.d), x.d, y.d)};
}
LATHE_INLINE f32x16 select_lt(i32x16 p, i32x16 q, f32x16 x, f32x16 y) {
  return {vbslq_f32(vcltq_s32(p.a, q.a), x.a, y.a), vbslq_f32(vcltq_s32(p.b, q.b), x.b, y.b),
          vbslq_f32(vcltq_s32(p.c, q.c), x.c, y.c), vbslq_f32(vcltq_s32(p.d, q.d), x.d, y.d)};
}
// Not vmaxq and vminq: they return the NaN, and +0 rather than -0, whichever operand it is.
LATHE_INLINE f32x16 max(f32x16 x, f32x16 m) { return select_lt(m, x, x, m); }
LATHE_INLINE f32x16 min(f32x16 x, f32x16 m) { return select_lt(x, m, x, m); }

LATHE_INLINE i32x16 bits(f32x16 x) { return LATHE_QUARTERS(vreinterpretq_s32_f32); }
LATHE_INLINE f32x16 from_bits(i32x16 x) { return LATHE_QUARTERS(vreinterpretq_f32_s32); }
LATHE_INLINE f32x16 to_float(i32x16 x) { return LATHE_QUARTERS(vcvtq_f32_s32); }
LATHE_INLINE i32x16 operator+(i32x16 x, i32x16 y) { return LATHE_QUARTERS_OF_TWO(vaddq_s32); }
LATHE_INLINE i32x16 operator-(i32x16 x, i32x16 y) { return LATHE_QUARTERS_OF_TWO(vsubq_s32); }
LATHE_INLINE i32x16 operator&(i32x16 x, i32x16 y) { return LATHE_QUARTERS_OF_TWO(vandq_s32); }
LATHE_INLINE i32x16 operator|(i32x16 x, i32x16 y) { return LATHE_QUARTERS_OF_TWO(vorrq_s32); }
LATHE_INLINE i32x16 operator^(i32x16 x, i32x16 y) { return LATHE_QUARTERS_OF_TWO(veorq_s32); }
template <int kBits>
LATHE_INLINE i32x16 shift_left(i32x16 x) {
  return {vshlq_n_s32(x.a, kBits), vshlq_n_s32(x.b, kBits), vshlq_n_s32(x.c, kBits), vshlq_n_s32(x.d, kBits)};
}
template <int kBits>
LATHE_INLINE i32x16 shift_right(i32x16 x) {
  return {vshrq_n_s32(x.a, kBits), vshrq_n_s32(x.b, kBits), vshrq_n_s32(x.c, kBits), vshrq_n_s32(x.d, kBits)};
}
template <int kBits>
LATHE_INLINE int32x4_t shift_quarter_right_logical(int32x4_t x) {
  return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(x), kBits));
}
template <int kBits>
LATHE_INLINE i32x16 shift_right_logical(i32x16 x) {
  return LATHE_QUARTERS(shift_quarter_right_logical<kBits>);
}
LATHE_INLINE void mul_wide4(int32x4_t x, int32x4_t y, int32x4_t& high, int32x4_t& low) {
  const uint32x4_t u = vreinterpretq_u32_s32(x), v = vreinterpretq_u32_s32(y);
  const int32x4_t first = vreinterpretq_s32_u64(vmull_u32(vget_low_u32(u), vget_low_u32(v)));
  const int32x4_t second = vreinterpretq_s32_u64(vmull_high_u32(u, v));
  low = vuzp1q_s32(first, second);
  high = vuzp2q_s32(first, second);
}
LATHE_INLINE void mul_wide(i32x16 x, i32x16 y, i32x16& high, i32x16& low) {
  mul_wide4(x.a, y.a, high.a, low.a);
  mul_wide4(x.b, y.b, high.b, low.b);
  mul_wide4(x.c, y.c, high.c, low.c);
  mul_wide4(x.d, y.d, high.d, low.d);
}

struct Sum {
  LATHE_INLINE static float32x4_t apply(float32x4_t x, float32x4_t y) { return vaddq_f32(x, y); }
};
struct Max {
  LATHE_INLINE static float32x4_t apply(float32x4_t x, float32x4_t m) { return vbslq_f32(vcgtq_f32(x, m), x, m); }
};
/// Lanes 0 and 1, or 2 and 3, of x and then of y.
LATHE_INLINE float32x4_t low_pairs(float32x4_t x, float32x4_t y) {
  return vreinterpretq_f32_f64(vzip1q_f64(vreinterpretq_f64_f32(x), vreinterpretq_f64_f32(y)));
}
LATHE_INLINE float32x4_t high_pairs(float32x4_t x, float32x4_t y) {
  return vreinterpretq_f32_f64(vzip2q_f64(vreinterpretq_f64_f32(x), vreinterpretq_f64_f32(y)));
}
/// The first two levels of the tree, lane i with i + 8 and with i + 4: four lanes are left.
template <class Op>
LATHE_INLINE float32x4_t fold(f32x16 s) {
  return Op::apply(Op::apply(s.a, s.c), Op::apply(s.b, s.d));
}
template <class Op>
LATHE_INLINE float reduce(f32x16 s) {
  float32x4_t x = fold<Op>(s);
  x = Op::apply(x, vextq_f32(x, x, 2));  // lane i with i + 2
  x = Op::apply(x, vextq_f32(x, x, 1));  // i + 1
  return vgetq_lane_f32(x, 0);
}
// Four vectors: each level halves the lanes and pairs up two vectors in one register.
template <class Op>
LATHE_INLINE float32x4_t reduce4(const f32x16* s) {
  const float32x4_t x[] = {fold<Op>(s[0]), fold<Op>(s[1]), fold<Op>(s[2]), fold<Op>(s[3])};
  const float32x4_t y = Op::apply(low_pairs(x[0], x[1]), high_pairs(x[0], x[1]));
  const float32x4_t z = Op::apply(low_pairs(x[2], x[3]), high_pairs(x[2], x[3]));
  return Op::apply(vuzp1q_f32(y, z), vuzp2q_f32(y, z));
}
template <class Op>
LATHE_INLINE f32x16 reduce16(const f32x16* s) {
  return {reduce4<Op>(s), reduce4<Op>(s + 4), reduce4<Op>(s + 8), reduce4<Op>(s + 12)};
}
LATHE_INLINE void transpose4(float32x4_t& x, float32x4_t& y, float32x4_t& z, float32x4_t& w) {
  const float32x4_t xy0 = vtrn1q_f32(x, y), xy1 = vtrn2q_f32(x, y);  // lanes 0, 2 and 1, 3 in pairs
  const float32x4_t zw0 = vtrn1q_f32(z, w), zw1 = vtrn2q_f32(z, w);
  x = low_pairs(xy0, zw0);
  y = low_pairs(xy1, zw1);
  z = high_pairs(xy0, zw0);
  w = high_pairs(xy1, zw1);
}
LATHE_INLINE void transpose16(f32x16* r) {
  float32x4_t q[4][16];  // by quarters
  for (int i = 0; i < 16; ++i) {
    q[0][i] = r[i].a;
    q[1][i] = r[i].b;
    q[2][i] = r[i].c;
    q[3][i] = r[i].d;
  }
  for (int part = 0; part < 4; ++part)
    for (int i = 0; i < 16; i += 4) transpose4(q[part][i], q[part][i + 1], q[part][i + 2], q[part][i + 3]);
  for (int part = 0; part < 4; ++part)
    for (int i = 0; i < 4; ++i) r[4 * part + i] = {q[part][i], q[part][4 + i], q[part][8 + i], q[part][12 + i]};
}

#undef LATHE_QUARTERS
#undef LATHE_QUARTERS_OF_TWO

}  // namespace lathe::cpu::neon
