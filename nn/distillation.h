// Learning from another model's answers (Hinton, Vinyals & Dean 2015, at temperature 1).
#pragma once
#include <lathe/autograd/var.h>

namespace lathe::nn {

/// −Σ_rows Σ_c target · log softmax(logits) / count: cross entropy with probabilities as targets, which differs from the KL
/// divergence to them by a constant, so its gradient (softmax(logits) − target) / count is the KL's. logits and target [rows, V],
/// one dtype; rows of target sum to 1 and get no gradient. count: rows of the whole batch where these are a group of it; 0: those
/// here. The value is summed in f64. InputError for other shapes.
Var soft_cross_entropy(const Var& logits, const Tensor& target, Index count = 0);

}  // namespace lathe::nn
