#include <lathe/autograd/functions.h>

namespace lathe {
using autograd::Backward;
using autograd::record;
using autograd::recording;

Var matmul(const Var& a, const Var& b) {
  return record(
      "matmul", {a, b}, ops::matmul(a.value(), b.value()),
      {b.requires_grad() ? a.value() : Tensor(), a.requires_grad() ? b.value() : Tensor()}, [sb = b.shape()](Backward& g) {
        if (g.wants(0)) g.add(0, ops::matmul(g.dy(), g.saved(1).transpose(-1, -2)));
        if (!g.wants(1)) return;
        Tensor left = g.saved(0), dy = g.dy();
        if (sb.dims() == 2 && left.dims() > 2) {  // one matrix for all batches: its gradient sums over all rows of all of them
          left = left.reshape({-1, left.size(-1)});
          dy = dy.reshape({left.size(0), sb[1]});
        }
        g.add(1, ops::matmul(left.transpose(-1, -2), dy));
      });
}

Var linear(const Var& x, const Var& w, const Var& b, const LinearOptions& options) {
  Context& context = x.context();
  const bool record_it = recording({&x, &w, &b, &options.residual});
  ops::LinearEpilogue epilogue;
  Tensor derivative;
  if (b.defined()) epilogue.bias = b.value();
  epilogue.activation = options.activation;
  // Only what stands before the activation needs its derivative.
  if (record_it && options.activation != UnaryOp::kNone && (x.requires_grad() || w.requires_grad() || b.requires_grad()))
    epilogue.derivative = &derivative;
  epilogue.dropout = context.dropout(options.dropout.p, options.dropout.site);
  epilogue.first_row = context.first_row();
  if (options.residual.defined()) epilogue.residual = options.residual.value();
  Tensor y = ops::linear(x.value(), w.value(), epilogue);

  return record("linear", {x, w, b, options.residual}, std::move(y),
                {w.requires_grad() ? x.value() : Tensor(), x.requires_grad() ? w.value() : Tensor(), derivative},
                [drop = epilogue.dropout, first_row = epilogue.first_row](Backward& g) {
                  if (g.wants(3)) g.add(3, g.dy());
                  if (!g.wants(0) && !g.wants(1) && !g.wants(2)) return;
                  Tensor dz = ops::dropout(g.dy(), drop, first_row);
                  if (g.saved(2).defined()) dz = ops::mul(dz, g.saved(2));
                  if (g.wants(2)) ops::sum_onto(g.accumulator(2), dz);
                  if (g.wants(1)) ops::linear_bwd_weight(dz, g.saved(0), g.accumulator(1));
                  if (g.wants(0)) g.replace(0, ops::linear_bwd_input(dz, g.saved(1), {}, g.pending(0)));
                });
}

}  // namespace lathe
