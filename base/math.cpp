#include <lathe/base/math.h>
#include <lathe/base/math_f32.h>

#include <bit>
#include <cstdint>
#include <limits>

// Method: reduce the argument exactly, evaluate a minimax polynomial (Remez, fitted for this file) for the small part of the
// result, and add that to the large part in double-double arithmetic, so that only the last rounding is visible.
namespace lathe::math {

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::uint64_t bits(double x) { return std::bit_cast<std::uint64_t>(x); }
double from_bits(std::uint64_t u) { return std::bit_cast<double>(u); }
double abs(double x) { return from_bits(bits(x) & ~(1ull << 63)); }
double with_sign_of(double magnitude, double sign) { return from_bits(bits(abs(magnitude)) | (bits(sign) & (1ull << 63))); }

/// 2^k for −1022 ≤ k ≤ 1023.
double power_of_two(int k) { return from_bits(static_cast<std::uint64_t>(k + 1023) << 52); }

/// x · 2^k for |k| ≤ 2200, rounded once where the result is subnormal.
double scale(double x, int k) {
  for (; k > 1023; k -= 1023) x *= 0x1p1023;
  // Stepping down by 2^-1022 could round twice; 2^-969 keeps 53 bits above the subnormal border until the last step.
  for (; k < -1022; k += 969) x *= 0x1p-969;
  return x * power_of_two(k);
}

/// Nearest integer, ties to even; |x| < 2^51.
double round_to_integer(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

template <int N>
double polynomial(const double (&c)[N], double x) {  // c[0] + c[1] x + …, Horner
  double p = c[N - 1];
  for (int i = N - 2; i >= 0; --i) p = fma(p, x, c[i]);
  return p;
}

/// An unevaluated sum h + l with |l| ≤ ulp(h) / 2 (double-double; Dekker 1971, Knuth TAOCP 4.2.2).
struct Pair {
  double h, l;
};
Pair fast_two_sum(double a, double b) {  // exact where |a| ≥ |b| or a = 0
  const double s = a + b;
  return {s, b - (s - a)};
}
Pair two_sum(double a, double b) {
  const double s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
Pair two_product(double a, double b) {
  const double p = a * b;
  return {p, fma(a, b, -p)};
}
Pair add(Pair a, Pair b) {
  const Pair s = two_sum(a.h, b.h);
  return fast_two_sum(s.h, s.l + (a.l + b.l));
}
Pair multiply(Pair a, Pair b) {
  const Pair p = two_product(a.h, b.h);
  return fast_two_sum(p.h, p.l + (a.h * b.l + a.l * b.h));
}
Pair divide(Pair a, Pair b) {
  const double q = a.h / b.h;
  const double rest = fma(-q, b.h, a.h) + (a.l - q * b.l);
  return fast_two_sum(q, rest / b.h);
}

constexpr double kLn2 = 0x1.62e42fefa3800p-1;      // 42 bits: k · kLn2 is exact for |k| < 2^11
constexpr double kLn2Mid = 0x1.ef35793c76730p-45;  // ln 2 = kLn2 + kLn2Mid + …
constexpr double kLn2Low = 0x1.f97b57a079a19p-103;

/// e^x as (1 + h + l) · 2^k, relative error below 2^-55; |x| < 1400.
struct Exponential {
  Pair minus_one;
  int k;
};
Exponential exponential(Pair x) {
  // (e^r − 1 − r) / r² on |r| ≤ 0.3467
  static constexpr double c[] = {0x1.0000000000000p-1,  0x1.555555555555cp-3,  0x1.555555555555ep-5,  0x1.111111110eb9ep-7,
                                 0x1.6c16c16c13581p-10, 0x1.a01a01b3c3645p-13, 0x1.a01a01b442185p-16, 0x1.71ddef7eb81b0p-19,
                                 0x1.27e4bf71ec779p-22, 0x1.af6cf24a662d1p-26, 0x1.1f9d77dffac97p-29};
  const double k = round_to_integer(x.h * 0x1.71547652b82fep+0);
  const double r1 = fma(-k, kLn2, x.h);  // exact
  const Pair p = two_product(k, kLn2Mid);
  const Pair d = two_sum(r1, -p.h);
  const Pair r = fast_two_sum(d.h, d.l - p.l - k * kLn2Low + x.l);
  const double q = r.h * r.h * polynomial(c, r.h);
  return {fast_two_sum(r.h, q + fma(r.l, r.h, r.l)), static_cast<int>(k)};
}

double value(const Exponential& e) {
  const Pair s = fast_two_sum(1, e.minus_one.h);
  return scale(s.h + (s.l + e.minus_one.l), e.k);
}

/// log of a positive finite normal m · 2^k, relative error below 2^-64: 2 atanh(s) with s = (m − 1) / (m + 1), m in [√½, √2).
Pair logarithm(double x) {
  // (2 atanh(s) / s − 2 − 2 s²/3) / s⁴ as a polynomial in s² on s² ≤ 0.0295
  static constexpr double c[] = {0x1.9999999999b32p-2, 0x1.24924924578dfp-2, 0x1.c71c722dd37d5p-3, 0x1.745ce9bb66276p-3,
                                 0x1.3b1ef3a872641p-3, 0x1.0f7f2f61b534bp-3, 0x1.0e49b7d7c7dd9p-3};
  // Moving the bits of √½ to those of 1 makes the exponent field count from there.
  constexpr std::uint64_t kSqrtHalf = 0x3fe6a09e667f3bcdull, kOne = 0x3ff0000000000000ull;
  const std::uint64_t u = bits(x) + (kOne - kSqrtHalf);
  const int k = static_cast<int>(u >> 52) - 1023;
  const double m = from_bits((u & 0x000fffffffffffffull) + kSqrtHalf);
  const double f = m - 1;  // exact
  const Pair s = divide({f, 0}, two_sum(2, f));
  const Pair z = multiply(s, s);
  Pair t = two_sum(0x1.5555555555555p-1, z.h * polynomial(c, z.h));  // 2/3 + …
  t.l += 0x1.5555555555555p-55;
  const Pair y = add({2 * s.h, 2 * s.l}, multiply(s, multiply(z, t)));
  const double n = k;
  const Pair low = two_product(n, kLn2Mid);
  return add({n * kLn2, 0}, add({low.h, low.l + n * kLn2Low}, y));
}

/// x − n · π/2 with n the nearest integer: |remainder| ≤ π/4, relative error below 2^-70; quadrant = n mod 4.
struct Reduced {
  Pair r;
  int quadrant;
};
constexpr Pair kHalfPi{0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};

/// |x| < 2^30: three-part Cody–Waite. The first product is exact under fma, since x and n·π/2 agree to within 1.
Reduced reduce_small(double x) {
  const double n = round_to_integer(x * 0x1.45f306dc9c883p-1);
  const double r1 = fma(-n, kHalfPi.h, x);
  const Pair p = two_product(n, kHalfPi.l);
  const Pair d = two_sum(r1, -p.h);
  return {fast_two_sum(d.h, d.l - p.l + n * 0x1.f1976b7ed8fbcp-110), static_cast<int>(static_cast<std::int64_t>(n) & 3)};
}

/// Any larger x = m · 2^e (Payne & Hanek 1983): m times those 192 bits of 2/π that neither are multiples of 4 in the product nor
/// lie below the precision wanted. No double is closer to a multiple of π/2 than about 2^-62, so 2^-137 of absolute error do no
/// harm.
Reduced reduce_large(double x) {
  static constexpr std::uint64_t kTwoOverPi[] = {0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
                                                 0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
                                                 0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
                                                 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
                                                 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d};
  const int e = static_cast<int>(bits(x) >> 52 & 0x7ff) - 1075;
  const std::uint64_t m = (bits(x) & 0x000fffffffffffffull) | 1ull << 52;
  // Bit j of 2/π (j ≥ 1) weighs 2^-j. The window starts at the bit that weighs 2 after multiplying by 2^e; before the first bit lie
  // zeros.
  const int start = e - 2;  // zero-based
  const auto word = [&](int first_bit) {
    std::uint64_t w = 0;
    for (int i = 0; i < 2; ++i) {  // the two table words that the 64 bits straddle
      const int index = (first_bit + 128) / 64 - 2 + i, shift = (first_bit + 128) % 64;
      const std::uint64_t t = index < 0 ? 0 : kTwoOverPi[index];
      w |= i == 0 ? t << shift : (shift ? t >> (64 - shift) : 0);
    }
    return w;
  };
  const std::uint64_t window[3] = {word(start + 128), word(start + 64), word(start)};  // least significant first
  std::uint64_t product[3], carry = 0;                                                 // m · window mod 2^192
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t w0 = window[i] & 0xffffffffu, w1 = window[i] >> 32, m0 = m & 0xffffffffu, m1 = m >> 32;
    const std::uint64_t p00 = w0 * m0, p01 = w0 * m1, p10 = w1 * m0, p11 = w1 * m1;
    const std::uint64_t middle = (p00 >> 32) + (p01 & 0xffffffffu) + (p10 & 0xffffffffu);
    const std::uint64_t low = (p00 & 0xffffffffu) | middle << 32;
    const std::uint64_t high = p11 + (p01 >> 32) + (p10 >> 32) + (middle >> 32);
    product[i] = low + carry;
    carry = high + (product[i] < low);
  }
  int quadrant = static_cast<int>(product[2] >> 62);
  // Fraction of a quadrant as a signed number in units of 2^-192 after dropping the quadrant bits; ≥ ½ belongs to the next
  // quadrant.
  std::uint64_t fraction[3] = {product[0] << 2, product[1] << 2 | product[0] >> 62, product[2] << 2 | product[1] >> 62};
  const bool up = fraction[2] >> 63;
  if (up) {
    quadrant = (quadrant + 1) & 3;
    fraction[0] = ~fraction[0] + 1;
    fraction[1] = ~fraction[1] + (fraction[0] == 0);
    fraction[2] = ~fraction[2] + (fraction[0] == 0 && fraction[1] == 0);
  }
  Pair r{0, 0};  // each word in two exact halves
  for (int i = 2; i >= 0; --i) {
    const double unit = i == 2 ? 0x1p-64 : i == 1 ? 0x1p-128 : 0x1p-192;
    r = add(r, {static_cast<double>(fraction[i] >> 32) * 0x1p32 * unit, 0});
    r = add(r, {static_cast<double>(fraction[i] & 0xffffffffu) * unit, 0});
  }
  r = multiply(r, kHalfPi);
  if (up != (x < 0)) r = {-r.h, -r.l};
  return {r, x < 0 ? -quadrant & 3 : quadrant};
}

Reduced reduce(double x) { return abs(x) < 0x1p30 ? reduce_small(x) : reduce_large(x); }

double sine(Pair r) {  // |r| ≤ π/4
  static constexpr double c[] = {-0x1.5555555555555p-3,  0x1.111111111110bp-7,  -0x1.a01a01a018aeap-13, 0x1.71de3a5339dffp-19,
                                 -0x1.ae645298bcfd8p-26, 0x1.612092f4ce7dbp-33, -0x1.aaa5614f88b6ep-41};
  const double z = r.h * r.h;
  return r.h + fma(r.h * z, polynomial(c, z), r.l * fma(-0.5, z, 1));
}
double cosine(Pair r) {
  static constexpr double c[] = {0x1.5555555555555p-5,  -0x1.6c16c16c16c10p-10, 0x1.a01a01a018e16p-16, -0x1.27e4fb76000e2p-22,
                                 0x1.1eed8ca63d963p-29, -0x1.93933ae0aec16p-37, 0x1.aac6bfb39547ap-45};
  const Pair z = two_product(r.h, r.h);
  const Pair s = fast_two_sum(1, -0.5 * z.h);
  return s.h + (s.l + fma(z.h * z.h, polynomial(c, z.h), -0.5 * z.l - r.h * r.l));
}

/// erf(x) = x + x · P(x²) on |x| ≤ ½.
double erf_near_zero(double x) {
  static constexpr double c[] = {0x1.06eba8214db69p-3,  -0x1.812746b0379e6p-2,  0x1.ce2f21a042b29p-4,  -0x1.b82ce3127f79ep-6,
                                 0x1.565bcd0aa80abp-8,  -0x1.c02db23dda7b9p-11, 0x1.f9a2a680737dbp-14, -0x1.f4bba29dc5fcbp-17,
                                 0x1.b77672f193818p-20, -0x1.39fc6b191490fp-23};
  return fma(x, polynomial(c, x * x), x);
}

/// erfc(x) for ½ ≤ x ≤ 27.3 = e^(−x²) · P(t) / (1 + 2x), t = (x − 3) / (x + 3): P runs between 1.12 and 1.29 only.
double erfc_tail(double x) {
  static constexpr double kFirst = 0x1.40c522d7e4987p+0;
  static constexpr double c[] = {-0x1.15c084bb9e8f3p-3,  -0x1.85a15c58aa5ccp-5,  0x1.098366a5b46cdp-3,  -0x1.e88b803a49398p-4,
                                 0x1.17ca2877f0db5p-4,   -0x1.8574c40bc8c53p-6,  0x1.4b884e447871ap-9,  0x1.ef1bdd3f12de1p-10,
                                 -0x1.98db511e9e0e7p-11, -0x1.b9126db21f85ep-14, 0x1.065a37ca7176ap-13, 0x1.4c21ab7ef3bcbp-18,
                                 -0x1.513b4975ee2f7p-16, -0x1.87e30192c3040p-21, 0x1.d2036e4039d76p-19, 0x1.7a659d0a230a2p-22,
                                 -0x1.4a54a7f05974ap-21, -0x1.1f7fcfbe80c2ap-23, 0x1.aa8028344afeep-24, 0x1.22ba8eee702b6p-25,
                                 -0x1.74899cd09b1a0p-27, -0x1.1f67e833c99dep-28};
  const double t = (x - 3) / (x + 3);
  const Pair p = fast_two_sum(kFirst, t * polynomial(c, t));
  const Pair square = two_product(x, x);
  const Exponential e = exponential({-square.h, -square.l});
  const Pair y = divide(multiply(add({1, 0}, e.minus_one), p), two_sum(2 * x, 1));
  return scale(y.h + y.l, e.k);
}

}  // namespace

double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
double sqrt(double x) { return __builtin_sqrt(x); }

double floor(double x) {
  if (!(abs(x) < 0x1p52)) return x;  // integers already, infinities, NaN
  double t = static_cast<double>(static_cast<std::int64_t>(x));
  if (t > x) t -= 1;
  return t == 0 ? with_sign_of(0, x) : t;
}

double exp(double x) {
  if (x != x) return x + x;
  if (x > 709.79) return kInf;
  if (x < -745.14) return 0;
  return value(exponential({x, 0}));
}

double expm1(double x) {
  if (x != x || x == 0) return x + x;
  if (x > 709.79) return kInf;
  if (x < -40) return -1;
  const Exponential e = exponential({x, 0});
  if (e.k == 0) return e.minus_one.h + e.minus_one.l;
  if (e.k > 60) return value(e);  // the 1 is far below the last place
  const double p = power_of_two(e.k);
  const Pair s = add(two_sum(p, -1), {p * e.minus_one.h, p * e.minus_one.l});
  return s.h + s.l;
}

double log(double x) {
  if (x != x) return x + x;
  if (x < 0) return kNaN;
  if (x == 0) return -kInf;
  if (x == kInf) return x;
  if (x < 0x1p-1022) {
    const Pair y = add(logarithm(x * 0x1p54), {-54 * kLn2, -54 * kLn2Mid});
    return y.h + y.l;
  }
  const Pair y = logarithm(x);
  return y.h + y.l;
}

double log1p(double x) {
  if (x != x || x == 0) return x + x;
  if (x < -1) return kNaN;
  if (x == -1) return -kInf;
  if (x == kInf) return x;
  if (abs(x) < 0x1p-54) return x;
  const Pair u = two_sum(1, x);  // log(h + l) = log h + l / h, to second order
  const Pair y = add(logarithm(u.h), {u.l / u.h, 0});
  return y.h + y.l;
}

double pow(double x, double y) {
  if (x == 1 || y == 0) return 1;
  if (x != x || y != y) return x + y;
  const double size = abs(x);
  const bool whole = floor(y) == y, odd = whole && abs(y) < 0x1p53 && (static_cast<std::int64_t>(y) & 1);
  if (abs(y) == kInf) return size == 1 ? 1 : (size > 1) == (y > 0) ? kInf : 0;
  const bool negative = odd && bits(x) >> 63;  // also for −0 and −inf
  if (size == 0 || size == kInf) {
    const double result = (size == 0) == (y > 0) ? 0 : kInf;
    return negative ? -result : result;
  }
  if (x < 0 && !whole) return kNaN;
  if (size == 1) return negative ? -1 : 1;
  const bool tiny = size < 0x1p-1022;
  Pair l = logarithm(tiny ? size * 0x1p54 : size);
  if (tiny) l = add(l, {-54 * kLn2, -54 * kLn2Mid});
  double result;
  const double estimate = l.h * y;
  if (estimate > 710) {
    result = kInf;
  } else if (estimate < -746) {
    result = 0;
  } else {
    const Pair p = two_product(l.h, y);
    result = value(exponential(fast_two_sum(p.h, p.l + l.l * y)));
  }
  return negative ? -result : result;
}

double sin(double x) {
  if (x == 0) return x;
  if (!(abs(x) < kInf)) return x - x;
  const Reduced n = reduce(x);
  const double y = n.quadrant & 1 ? cosine(n.r) : sine(n.r);
  return n.quadrant & 2 ? -y : y;
}

double cos(double x) {
  if (!(abs(x) < kInf)) return x - x;
  const Reduced n = reduce(x);
  const double y = n.quadrant & 1 ? sine(n.r) : cosine(n.r);
  return ((n.quadrant + 1) & 2) ? -y : y;
}

double tanh(double x) {
  if (x != x || x == 0) return x + x;
  const double a = abs(x);
  if (a > 20) return with_sign_of(1, x);
  if (a < 0x1p-30) return x;  // −x³/3 is below half a last place
  // E / (E + 2), E = e^(2a) − 1 in double-double
  const Exponential e = exponential({2 * a, 0});
  const double p = power_of_two(e.k);
  const Pair E = add(two_sum(p, -1), {p * e.minus_one.h, p * e.minus_one.l});
  return with_sign_of(divide(E, add(E, {2, 0})).h, x);
}

double erf(double x) {
  if (x != x) return x + x;
  const double a = abs(x);
  if (a < 0.5) return erf_near_zero(x);
  return with_sign_of(a > 6 ? 1 : 1 - erfc_tail(a), x);
}

double erfc(double x) {
  if (x != x) return x + x;
  if (x > 27.3) return 0;
  if (x < -6) return 2;
  if (x <= -0.5) return 2 - erfc_tail(-x);
  return x < 0.5 ? 1 - erf_near_zero(x) : erfc_tail(x);
}

float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
float sqrt(float x) { return __builtin_sqrtf(x); }
float floor(float x) { return static_cast<float>(floor(static_cast<double>(x))); }
float exp(float x) { return lanes::exp_f32(x); }
float log(float x) { return lanes::log_f32(x); }
float tanh(float x) { return lanes::tanh_f32(x); }
float erf(float x) { return lanes::erf_f32(x); }
float sin(float x) { return static_cast<float>(sin(static_cast<double>(x))); }
float cos(float x) { return static_cast<float>(cos(static_cast<double>(x))); }
float pow(float x, float y) { return static_cast<float>(pow(static_cast<double>(x), static_cast<double>(y))); }

}  // namespace lathe::math
