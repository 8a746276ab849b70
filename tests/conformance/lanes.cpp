// Compiled once per instruction set with LATHE_ISA (the vector type) and LATHE_TEST_LANES (the name of the result). Nothing of std
// is instantiated here, as in all code of that kind.
#include <lathe/tensor/cpu/vec.h>

#include "tests/conformance/lanes.h"

#define LATHE_TEXT(x) #x
#define LATHE_TEXT_OF(x) LATHE_TEXT(x)

namespace lathe::test {
namespace {

using namespace cpu::LATHE_ISA;

#if defined(LATHE_TEST_PLAIN_FLOAT)
template <class F>
LATHE_INLINE void loop(const float* x, float* y, std::size_t n, F f) {
  for (std::size_t i = 0; i < n; ++i) y[i] = f(x[i]);
}
#else
template <class F>
LATHE_INLINE void loop(const float* x, float* y, std::size_t n, F f) {
  for (std::size_t i = 0; i < n; i += 16) store(y + i, f(load(x + i)));
}
#endif

void evaluate(Function f, const float* x, float* y, std::size_t n) {
  switch (f) {
    case Function::kExp:
      return loop(x, y, n, [](auto v) { return math::lanes::exp_f32(v); });
    case Function::kLog:
      return loop(x, y, n, [](auto v) { return math::lanes::log_f32(v); });
    case Function::kTanh:
      return loop(x, y, n, [](auto v) { return math::lanes::tanh_f32(v); });
    case Function::kErf:
      return loop(x, y, n, [](auto v) { return math::lanes::erf_f32(v); });
  }
}

bool same(float a, float b) { return __builtin_bit_cast(std::uint32_t, a) == __builtin_bit_cast(std::uint32_t, b); }

// Sixteen rows of sixteen, no two alike, with sums that depend on their order.
void fill(float* a) {
  std::uint32_t state = 12345;
  for (int i = 0; i < 256; ++i) {
    state = state * 1664525u + 1013904223u;
    a[i] = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-20f;
  }
}

float tree(const float* x, bool largest) {
  float t[16];
  for (int i = 0; i < 16; ++i) t[i] = x[i];
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) t[i] = largest ? (t[i] > t[i + half] ? t[i] : t[i + half]) : t[i] + t[i + half];
  return t[0];
}

const char* check_reductions(const float* a) {
  f32x16 rows[16];
  float sums[16], largests[16], columns[16];
  for (int i = 0; i < 16; ++i) rows[i] = load(a + 16 * i);
  store(sums, sum16(rows));
  store(largests, largest16(rows));
  for (int i = 0; i < 16; ++i) {
    if (!same(sums[i], tree(a + 16 * i, false)) || !same(sum(rows[i]), sums[i])) return "halving tree of sums";
    if (!same(largests[i], tree(a + 16 * i, true)) || !same(largest(rows[i]), largests[i])) return "halving tree of maxima";
  }
  transpose16(rows);
  for (int i = 0; i < 16; ++i) {
    store(columns, rows[i]);
    for (int j = 0; j < 16; ++j)
      if (!same(columns[j], a[16 * j + i])) return "transpose16";
  }
  return "";
}

const char* check_partial(const float* a) {
  float out[18], lanes[16];
  for (int n = 0; n <= 16; ++n) {
    for (float& x : out) x = -7;
    store_first(out + 1, n, load(a));
    for (int i = 0; i < 18; ++i)
      if (!same(out[i], i >= 1 && i <= n ? a[i - 1] : -7)) return "store_first";
    store(lanes, load_first(a + 3, n));
    for (int i = 0; i < 16; ++i)
      if (!same(lanes[i], i < n ? a[i + 3] : 0)) return "load_first";
    store(lanes, first_n(load(a), n, f32x16(9.f)));
    for (int i = 0; i < 16; ++i)
      if (!same(lanes[i], i < n ? a[i] : 9)) return "first_n";
  }
  return "";
}

const char* check_selects() {
  const float inf = __builtin_inff(), nan = __builtin_nanf("");
  const float x[16] = {0.f, -0.f, 1, 1, 2, nan, 1, nan, inf, -inf, inf, -0.f, 5, -5, 1e-40f, 0};
  const float m[16] = {-0.f, 0.f, 1, 2, 1, 1, nan, nan, inf, -inf, 1, 1, -5, 5, 0, 1e-40f};
  float lt[16], le[16], larger[16], smaller[16], magnitude[16], negative[16], signed_as[16];
  store(lt, select_lt(load(x), load(m), f32x16(1.f), f32x16(2.f)));
  store(le, select_le(load(x), load(m), f32x16(1.f), f32x16(2.f)));
  store(larger, max(load(x), load(m)));
  store(smaller, min(load(x), load(m)));
  store(magnitude, abs(load(x)));
  store(negative, -load(x));
  store(signed_as, with_sign_of(load(m), load(x)));
  for (int i = 0; i < 16; ++i) {
    if (lt[i] != (x[i] < m[i] ? 1.f : 2.f)) return "select_lt";
    if (le[i] != (x[i] <= m[i] ? 1.f : 2.f)) return "select_le";
    if (!same(larger[i], x[i] > m[i] ? x[i] : m[i])) return "max";
    if (!same(smaller[i], x[i] < m[i] ? x[i] : m[i])) return "min";
    if (!same(magnitude[i], __builtin_fabsf(x[i]))) return "abs";
    if (!same(negative[i], __builtin_copysignf(x[i], __builtin_signbit(x[i]) ? 1.f : -1.f))) return "unary minus";
    if (!same(signed_as[i], __builtin_copysignf(m[i], x[i]))) return "with_sign_of";
  }
  return "";
}

const char* check_integers(const float* a) {
  const i32x16 x = bits(load(a + 5)), y = bits(load(a + 77));
  i32x16 high, low;
  mul_wide(x, y, high, low);
  float words[8][16], converted[16];
  const i32x16 results[8] = {
      x, y, high, low, shift_left<9>(x), shift_right<9>(x), shift_right_logical<9>(x), (x + y) ^ (x & y) ^ (x | y)};
  for (int k = 0; k < 8; ++k) store(words[k], from_bits(results[k]));
  store(converted, to_float(x));
  for (int i = 0; i < 16; ++i) {
    std::uint32_t w[8];
    for (int k = 0; k < 8; ++k) w[k] = __builtin_bit_cast(std::uint32_t, words[k][i]);
    const std::uint64_t p = std::uint64_t{w[0]} * w[1];
    if (w[2] != static_cast<std::uint32_t>(p >> 32) || w[3] != static_cast<std::uint32_t>(p)) return "mul_wide";
    if (w[4] != w[0] << 9 || w[6] != w[0] >> 9) return "logical shifts";
    if (static_cast<std::int32_t>(w[5]) != static_cast<std::int32_t>(w[0]) >> 9) return "shift_right";
    if (w[7] != ((w[0] + w[1]) ^ (w[0] & w[1]) ^ (w[0] | w[1]))) return "+ & | ^";
    if (!same(converted[i], static_cast<float>(static_cast<std::int32_t>(w[0])))) return "to_float";
  }
  return "";
}

// A product that a fused addition would not round: GCC contracts a * b + c, intrinsics included, unless told otherwise.
const char* check_rounding(const float* a) {
  float mixed[16], fused[16], product[16];
  store(product, -(load(a + 9) * load(a + 55)));
  asm volatile("" : : "r"(a), "r"(product) : "memory");  // all three anew, lest the product be known already
  const f32x16 x = load(a + 9), y = load(a + 55), z = load(product);
  store(mixed, x * y + z);
  store(fused, fma(x, y, z));
  int lost = 0;
  for (int i = 0; i < 16; ++i) {
    if (!same(mixed[i], 0)) return "a * b + c must round twice";
    if (fused[i] != 0) ++lost;
    if (!same(fused[i], __builtin_fmaf(a[9 + i], a[55 + i], product[i]))) return "fma";
  }
  return lost > 8 ? "" : "fma must round once";
}

const char* check_vector_type() {
  float a[256];
  fill(a);
  const char* failed = check_reductions(a);
  if (!*failed) failed = check_partial(a);
  if (!*failed) failed = check_selects();
  if (!*failed) failed = check_rounding(a);
  return *failed ? failed : check_integers(a);
}

}  // namespace

extern const Lanes LATHE_TEST_LANES;
const Lanes LATHE_TEST_LANES = {LATHE_TEXT_OF(LATHE_ISA), evaluate, check_vector_type};

}  // namespace lathe::test
