// The normal distribution in log space, with lathe's own functions: the same bits everywhere.
//
// Φ is the distribution function of N(0, 1). The tails are computed on the side where nothing cancels, so that masses as small as
// e^-1000 keep their relative accuracy; that is what ratios of densities need.
#pragma once

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
double exp_of_negative(double x);

}  // namespace lathe::nas
