// A Gaussian process with a Matérn 5/2 kernel, computed with lathe's own functions in a fixed order: the same bits everywhere.
//
//   k(x, x') = s · (1 + √5 r + 5/3 r²) e^(−√5 r),  r² = Σ w_d δ_d²      observed with noise variance v
//   δ_d = x_d − x'_d; 0 or 1 for categorical features; 1 if one of the two is absent (not a number), 0 if both are
//
// w, s, v maximise the log posterior: log N(y; 0, K + v I) + Σ −(0.1/w_d + 0.1 w_d) + log s − s + 0.1 log v − 30 v, the priors of
// Optuna 5.0, by L-BFGS on logarithms with backtracking from w = s = 1, v = 0.01, at most 50 steps; v ≥ 1e-6.
// Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, algorithm 2.1.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace lathe::nas {

/// Rows of features.
struct Features {
  std::vector<bool> categorical;  ///< by dimension
  std::vector<double> values;     ///< row by row; not a number: absent
  std::size_t dimensions() const { return categorical.size(); }
  std::size_t rows = 0;
  const double* row(std::size_t i) const { return values.data() + i * dimensions(); }
  void add(const std::vector<double>& row) {
    values.insert(values.end(), row.begin(), row.end());
    ++rows;
  }
};

struct MaternKernel {
  std::vector<double> weights;  ///< inverse squared length scales
  double scale = 1, noise = 0.01;
};

/// The log posterior up to a constant, and its gradient by log w_1 … log w_D, log s, log v if `gradient` is given.
double log_posterior(const Features& x, std::span<const double> y, const MaternKernel& kernel, std::vector<double>* gradient);
MaternKernel fit_kernel(const Features& x, std::span<const double> y);

class GaussianProcess {
 public:
  GaussianProcess(MaternKernel kernel, const Features& x, std::span<const double> y);
  /// Adds a row with its own predicted mean as its observation: means stay, the variance around it falls (for pending trials;
  /// Ginsbourger et al. 2010, "kriging believer").
  void believe(const std::vector<double>& row);
  struct Prediction {
    double mean = 0, variance = 0;  ///< of the function, without noise; variance at least 1e-12
  };
  Prediction predict(const double* row) const;

 private:
  double covariance(const double* a, const double* b) const;
  MaternKernel kernel_;
  Features x_;
  std::vector<std::vector<double>> columns_;  // of the lower factor, from the diagonal downwards
  std::vector<double> whitened_;              // L⁻¹ y
  mutable std::vector<double> work_;
};

/// log E[max(0, best − f)] for f ~ N(mean, variance); accurate far below the best (Ament et al., NeurIPS 2023).
double log_expected_improvement(double best, double mean, double variance);

}  // namespace lathe::nas
