// Singular values by one-sided Jacobi rotations (Hestenes 1958; de Rijk 1989): f64, one fixed order of operations, so the same bits
// on every machine. Private to nas/transformer, for zero-cost scores.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace lathe::nas {

/// Singular values of a row-major matrix [rows, columns], descending, min(rows, columns) of them. Their squares are the eigenvalues
/// of a·aᵀ. Absolute error about 1e-15 of the largest. About 8 sweeps of 3·min²·max operations. InputError: a value that is not
/// finite, a size that does not fit.
std::vector<double> singular_values(std::span<const double> a, std::size_t rows, std::size_t columns);

/// ‖a‖* = Σ singular values.
double nuclear_norm(std::span<const double> a, std::size_t rows, std::size_t columns);

/// Operations that singular_values() is charged with: 8 sweeps, whatever it takes.
double singular_value_flops(double rows, double columns);

}  // namespace lathe::nas
