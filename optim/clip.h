// Gradient clipping by the global norm (Pascanu, Mikolov & Bengio 2013).
#pragma once
#include <lathe/autograd/var.h>

#include <span>

namespace lathe::optim {

struct Clip {
  double norm = 0;   ///< sqrt of the sum of squares of all gradients
  double scale = 1;  ///< limit / norm if norm > limit, else 1: hand it to Optimizer::step
};

/// Gradients are not touched: the optimizer multiplies as it reads them. Sum in the order of `parameters` (give the registration
/// order): blocks of 4096 by Σ16, folded in f64. limit ≤ 0: measure only. NonFiniteError naming the first parameter whose
/// gradient is NaN or infinite (or overflows when squared).
Clip clip_by_norm(std::span<const Var> parameters, double limit);

}  // namespace lathe::optim
