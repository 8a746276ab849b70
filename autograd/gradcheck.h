// gradcheck: are the gradients of a function right? Central differences in f64 against the recorded gradients.
//
// For random cotangents c the scalar s(x) = Σ c·f(x) is compared at every element of every input:
// |analytic − (s(x + h) − s(x − h)) / 2h| ≤ atol + rtol · max(|analytic|, |numeric|). Random cotangents, because a plain sum hides
// gradients that cancel (softmax, norms). A gradient that is zero everywhere, or missing, is caught by the same comparison;
// a function that is constant in an input proves nothing about it and fails unless `may_be_constant`.
#pragma once
#include <lathe/autograd/var.h>

#include <functional>
#include <string>
#include <vector>

namespace lathe {

struct GradcheckOptions {
  double step = 1e-5;  ///< h = step · max(1, |x|)
  double rtol = 1e-6, atol = 1e-8;
  int cotangents = 2;  ///< random draws per check
  std::uint64_t seed = 1;
  bool may_be_constant = false;  ///< accept inputs that the function does not depend on
};

struct GradcheckReport {
  bool ok = true;
  /// The first failure: "[gelu] gradcheck: input 0, element 7: gradient 0.51, finite difference 0.25".
  std::string message;
  double worst = 0;  ///< largest deviation divided by what was allowed, over everything compared
  std::int64_t compared = 0;
};

/// A differentiable function; may use other Vars, which are then constants. Called many times: must be deterministic.
using VarFunction = std::function<std::vector<Var>(const std::vector<Var>& inputs)>;

/// Checks `f` (named `op` in messages) at `inputs`: f64 leaves are made from them; integers do not belong among them.
/// The inputs' Context must be CPU with backend `spec`. Input kinks (relu at 0) are the caller's to avoid.
GradcheckReport gradcheck(const std::string& op, const VarFunction& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});

}  // namespace lathe
