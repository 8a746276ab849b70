#include <lathe/autograd/functions.h>

namespace lathe {
using autograd::Backward;
using autograd::record;

namespace {

/// Both norms: inputs x, gamma and, for kLayer, beta.
Var norm(NormKind kind, const Var& x, const Var& gamma, const Var& beta, double eps) {
  ops::NormResult result = ops::norm(kind, x.value(), gamma.value(), beta.defined() ? beta.value() : Tensor(), eps);
  return record(kind == NormKind::kLayer ? "layer_norm" : "rms_norm", {x, gamma, beta}, result.y,
                {x.value(), gamma.value(), result.mean, result.rstd}, [kind, range = x.context().rows()](Backward& b) {
                  const Index rows = b.saved(0).numel() / b.saved(0).size(-1);
                  const auto sum = [&](int input) -> ops::RowSum {
                    if (!b.wants(input)) return {};
                    const Backward::RowSum s = b.row_sum(input, range, rows);
                    return {&s.total, &s.open};
                  };
                  const ops::RowSum dgamma = sum(1), dbeta = sum(2);
                  const Tensor pending = b.wants(0) ? b.pending(0) : Tensor();
                  Tensor dx =
                      ops::norm_bwd(kind, b.dy(), b.saved(0), b.saved(1), b.saved(2), b.saved(3), pending, dgamma, dbeta, range);
                  if (b.wants(0)) b.replace(0, std::move(dx));
                });
}

}  // namespace

Var layer_norm(const Var& x, const Var& gamma, const Var& beta, double eps) { return norm(NormKind::kLayer, x, gamma, beta, eps); }
Var rms_norm(const Var& x, const Var& gamma, double eps) { return norm(NormKind::kRms, x, gamma, Var(), eps); }

Var softmax(const Var& x) {
  Tensor y = ops::softmax(x.value());
  const Tensor kept = y;
  return record("softmax", {x}, std::move(y), {kept}, [](Backward& b) { b.add(0, ops::softmax_bwd(b.saved(0), b.dy())); });
}

Var cross_entropy(const Var& logits, const Tensor& target, Index count) {
  ops::CrossEntropyResult result = ops::cross_entropy(logits.value(), target, count);
  return record("cross_entropy", {logits}, result.loss, {logits.value(), target, result.max, result.inv_sum}, [count](Backward& b) {
    b.add(0, ops::cross_entropy_bwd(b.saved(0), b.saved(1), b.saved(2), b.saved(3), b.dy(), count));
  });
}

}  // namespace lathe
