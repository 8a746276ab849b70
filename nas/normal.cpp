#include <lathe/nas/normal.h>

#include <lathe/base/math.h>

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

}  // namespace lathe::nas
