// Non-negative least squares, for models of time: no part of a sum of times may be negative.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace lathe::nas {

/// x ≥ 0 that minimises |A x − b|² + ridge · Σ (|A_j| x_j)², A_j the columns of A [rows, columns], row-major. The method is that of
/// Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23) on the normal equations of scaled columns, solved by
/// Cholesky; everything in f64 in one fixed order, so equal input gives equal bits everywhere. Columns of zeros get 0. ridge > 0
/// keeps it solvable whatever the columns. InputError: sizes that do not fit, ridge ≤ 0, a number that is not finite.
std::vector<double> nonnegative_least_squares(std::span<const double> a, std::size_t columns, std::span<const double> b,
                                              double ridge);

}  // namespace lathe::nas
