// The normal distribution in log space, with lathe's own functions: the same bits everywhere.
//
// Φ is the distribution function of N(0, 1). The tails are computed on the side where nothing cancels, so that masses as small as
// e^-1000 keep their relative accuracy; that is what ratios of densities need.
#pragma once
#include <bit>
#include <cstdint>

namespace lathe::nas {

constexpr double kSqrtHalf = 0.70710678118654752440;
constexpr double kLogSqrt2Pi = 0.91893853320467274178;  ///< ½ log 2π

double normal_cdf(double x);  ///< Φ(x)
/// log Φ(x); below −20 by the asymptotic series φ(x)/|x| · (1 − 1/x² + 3/x⁴ − …).
double log_normal_cdf(double x);
/// Φ(b) − Φ(a) for a ≤ b, mirrored into the left tail where both are positive.
double normal_mass(double a, double b);
/// log(Φ(b) − Φ(a)) for a ≤ b; −∞ if they are equal.
double log_normal_mass(double a, double b);

/// e^x for x ≤ 0, 0 below −708: relative error below 1e-15. Branch-free, for loops over many kernels.
inline double exp_of_negative(double x) {
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
