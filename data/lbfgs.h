// Minimising a smooth convex function in f64 and one fixed order. Private to data/ (for the baseline).
#pragma once
#include <functional>
#include <vector>

namespace lathe::data::detail {

struct LbfgsOptions {
  int max_iterations = 100;
  double tolerance = 1e-6;  ///< stop when every |gradient| ≤ tolerance
  int memory = 10;
};

/// Value at x; writes the gradient.
using Function = std::function<double(const std::vector<double>& x, std::vector<double>& gradient)>;

/// L-BFGS (Nocedal, Math. Comp. 35, 1980; two-loop recursion, Nocedal & Wright, algorithm 7.4) from and into `x`. A step is
/// halved until f falls by 1e-4 of what the slope promises; a pair with sᵀy ≤ 0 is not kept. Returns the iterations made.
int minimise(const Function& f, std::vector<double>& x, const LbfgsOptions& options);

}  // namespace lathe::data::detail
