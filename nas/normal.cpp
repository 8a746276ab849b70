#include <lathe/nas/normal.h>

#include <lathe/base/math.h>

#include <bit>
#include <cstdint>
#include <limits>

namespace lathe::nas {

double normal_cdf(double x) { return 0.5 * math::erfc(-x * kSqrtHalf); }

double log_normal_cdf(double x) {
  if (x > 6) return -normal_cdf(-x);  // log(1 − ε) = −ε
  if (x > -20) return math::log(normal_cdf(x));
  const double inverse_square = 1 / (x * x);
  double sum = 1, term = 1, before = 0;
  for (int i = 1; sum != before && i < 200; ++i) {
    before = sum;
    term *= -inverse_square * (2 * i - 1);
    sum += term;
  }
  return -0.5 * x * x - math::log(-x) - kLogSqrt2Pi + math::log(sum);
}

double normal_mass(double a, double b) {
  if (a > 0) return 0.5 * (math::erfc(a * kSqrtHalf) - math::erfc(b * kSqrtHalf));
  if (b <= 0) return 0.5 * (math::erfc(-b * kSqrtHalf) - math::erfc(-a * kSqrtHalf));
  return 1 - 0.5 * (math::erfc(-a * kSqrtHalf) + math::erfc(b * kSqrtHalf));
}

double log_normal_mass(double a, double b) {
  if (a > 0) {
    const double mirrored = -a;
    a = -b;
    b = mirrored;
  }
  if (b > 0) return math::log1p(-normal_cdf(a) - normal_cdf(-b));
  const double upper = log_normal_cdf(b), lower = log_normal_cdf(a);
  return upper + math::log(-math::expm1(lower - upper));
}

double exp_of_negative(double x) {
  if (!(x > -708)) x = -708;  // the result is turned to 0 below
  const double shifted = x * 1.4426950408889634 + 0x1.8p52;
  const double k = shifted - 0x1.8p52;
  const double r = (x - k * 0x1.62e42fefa3800p-1) - k * 0x1.ef35793c76730p-45;
  // e^r = Σ r^n/n! on |r| ≤ 0.347: the term behind the last is below 2e-17.
  double p = 1.0 / 6227020800;
  p = p * r + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  // The low bits of `shifted` hold k as a two's complement number: they become the exponent.
  const std::uint64_t exponent = (std::bit_cast<std::uint64_t>(shifted) << 52) + (std::uint64_t{1023} << 52);
  const double result = p * std::bit_cast<double>(exponent);
  return x > -708 ? result : 0;
}

}  // namespace lathe::nas
