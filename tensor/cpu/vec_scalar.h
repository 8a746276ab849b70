// vec.h in plain C++: an array of sixteen. The compiler may vectorise these loops as it likes; no bit depends on it.
#pragma once
#include <lathe/base/math_f32.h>

#include <cstdint>

namespace lathe::cpu::scalar {

struct f32x16 {
  float v[16];
  f32x16() = default;
  LATHE_INLINE explicit f32x16(float x) {
    for (float& lane : v) lane = x;
  }
};
struct i32x16 {
  std::uint32_t v[16];  // unsigned: two's complement without overflow
  i32x16() = default;
  LATHE_INLINE explicit i32x16(std::int32_t x) {
    for (std::uint32_t& lane : v) lane = static_cast<std::uint32_t>(x);
  }
};

#define LATHE_LANES for (int i = 0; i < 16; ++i)

LATHE_INLINE f32x16 load(const float* p) {
  f32x16 r;
  LATHE_LANES r.v[i] = p[i];
  return r;
}
LATHE_INLINE void store(float* p, f32x16 a) { LATHE_LANES p[i] = a.v[i]; }
LATHE_INLINE i32x16 load_i32(const std::int32_t* p) {
  i32x16 r;
  LATHE_LANES r.v[i] = static_cast<std::uint32_t>(p[i]);
  return r;
}
LATHE_INLINE f32x16 load_first(const float* p, int n) {
  f32x16 r(0.f);
  for (int i = 0; i < n; ++i) r.v[i] = p[i];
  return r;
}
LATHE_INLINE void store_first(float* p, int n, f32x16 a) {
  for (int i = 0; i < n; ++i) p[i] = a.v[i];
}
LATHE_INLINE f32x16 first_n(f32x16 a, int n, f32x16 rest) {
  LATHE_LANES a.v[i] = i < n ? a.v[i] : rest.v[i];
  return a;
}

LATHE_INLINE f32x16 operator+(f32x16 a, f32x16 b) {
  LATHE_LANES a.v[i] += b.v[i];
  return a;
}
LATHE_INLINE f32x16 operator-(f32x16 a, f32x16 b) {
  LATHE_LANES a.v[i] -= b.v[i];
  return a;
}
LATHE_INLINE f32x16 operator*(f32x16 a, f32x16 b) {
  LATHE_LANES a.v[i] *= b.v[i];
  return a;
}
LATHE_INLINE f32x16 operator/(f32x16 a, f32x16 b) {
  LATHE_LANES a.v[i] /= b.v[i];
  return a;
}
LATHE_INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) {
  LATHE_LANES a.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
  return a;
}
LATHE_INLINE f32x16 sqrt(f32x16 a) {
  LATHE_LANES a.v[i] = __builtin_sqrtf(a.v[i]);
  return a;
}
LATHE_INLINE f32x16 select_lt(f32x16 a, f32x16 b, f32x16 x, f32x16 y) {
  LATHE_LANES x.v[i] = a.v[i] < b.v[i] ? x.v[i] : y.v[i];
  return x;
}
LATHE_INLINE f32x16 select_le(f32x16 a, f32x16 b, f32x16 x, f32x16 y) {
  LATHE_LANES x.v[i] = a.v[i] <= b.v[i] ? x.v[i] : y.v[i];
  return x;
}
LATHE_INLINE f32x16 select_lt(i32x16 a, i32x16 b, f32x16 x, f32x16 y) {
  LATHE_LANES x.v[i] = static_cast<std::int32_t>(a.v[i]) < static_cast<std::int32_t>(b.v[i]) ? x.v[i] : y.v[i];
  return x;
}
LATHE_INLINE f32x16 max(f32x16 x, f32x16 m) { return select_lt(m, x, x, m); }
LATHE_INLINE f32x16 min(f32x16 x, f32x16 m) { return select_lt(x, m, x, m); }

// Lane by lane: GCC 12 reads a cast array before it is written (-O3 on ARM), as if floats and integers could not overlap.
LATHE_INLINE i32x16 bits(f32x16 a) {
  i32x16 r;
  LATHE_LANES r.v[i] = __builtin_bit_cast(std::uint32_t, a.v[i]);
  return r;
}
LATHE_INLINE f32x16 from_bits(i32x16 a) {
  f32x16 r;
  LATHE_LANES r.v[i] = __builtin_bit_cast(float, a.v[i]);
  return r;
}
LATHE_INLINE f32x16 to_float(i32x16 a) {
  f32x16 r;
  LATHE_LANES r.v[i] = static_cast<float>(static_cast<std::int32_t>(a.v[i]));
  return r;
}
LATHE_INLINE i32x16 operator+(i32x16 a, i32x16 b) {
  LATHE_LANES a.v[i] += b.v[i];
  return a;
}
LATHE_INLINE i32x16 operator-(i32x16 a, i32x16 b) {
  LATHE_LANES a.v[i] -= b.v[i];
  return a;
}
LATHE_INLINE i32x16 operator&(i32x16 a, i32x16 b) {
  LATHE_LANES a.v[i] &= b.v[i];
  return a;
}
LATHE_INLINE i32x16 operator|(i32x16 a, i32x16 b) {
  LATHE_LANES a.v[i] |= b.v[i];
  return a;
}
LATHE_INLINE i32x16 operator^(i32x16 a, i32x16 b) {
  LATHE_LANES a.v[i] ^= b.v[i];
  return a;
}
template <int kBits>
LATHE_INLINE i32x16 shift_left(i32x16 a) {
  LATHE_LANES a.v[i] <<= kBits;
  return a;
}
template <int kBits>
LATHE_INLINE i32x16 shift_right(i32x16 a) {
  LATHE_LANES a.v[i] = static_cast<std::uint32_t>(static_cast<std::int32_t>(a.v[i]) >> kBits);
  return a;
}
template <int kBits>
LATHE_INLINE i32x16 shift_right_logical(i32x16 a) {
  LATHE_LANES a.v[i] >>= kBits;
  return a;
}
LATHE_INLINE void mul_wide(i32x16 a, i32x16 b, i32x16& high, i32x16& low) {
  LATHE_LANES {
    const std::uint64_t p = std::uint64_t{a.v[i]} * b.v[i];
    high.v[i] = static_cast<std::uint32_t>(p >> 32);
    low.v[i] = static_cast<std::uint32_t>(p);
  }
}

struct Sum {
  LATHE_INLINE static float apply(float a, float b) { return a + b; }
};
struct Max {
  LATHE_INLINE static float apply(float x, float m) { return x > m ? x : m; }
};
template <class Op>
LATHE_INLINE float reduce(f32x16 a) {
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) a.v[i] = Op::apply(a.v[i], a.v[i + half]);
  return a.v[0];
}
template <class Op>
LATHE_INLINE f32x16 reduce16(const f32x16* s) {
  f32x16 r;
  LATHE_LANES r.v[i] = reduce<Op>(s[i]);
  return r;
}
LATHE_INLINE void transpose16(f32x16* r) {
  LATHE_LANES for (int j = 0; j < i; ++j) {
    const float held = r[i].v[j];
    r[i].v[j] = r[j].v[i];
    r[j].v[i] = held;
  }
}

#undef LATHE_LANES

}  // namespace lathe::cpu::scalar
