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
  const RowRange range = context.rows();
  epilogue.first_row = range.first;
  if (options.residual.defined()) epilogue.residual = options.residual.value();
  Tensor y = ops::linear(x.value(), w.value(), epilogue);

  const bool offers = derivative.defined() && !epilogue.dropout.on() && !options.residual.defined();
  Var result = record("linear", {x, w, b, options.residual}, std::move(y),
                      {w.requires_grad() ? x.value() : Tensor(), x.requires_grad() ? w.value() : Tensor(), derivative},
                      [drop = epilogue.dropout, range](Backward& g) {
                        if (g.wants(3)) g.add(3, g.dy());
                        if (!g.wants(0) && !g.wants(1) && !g.wants(2)) return;
                        Tensor dz = ops::dropout(g.dy(), drop, range.first);
                        if (g.saved(2).defined() && !g.multiplied()) dz = ops::mul(dz, g.saved(2));
                        const Index rows = dz.dims() == 0 || dz.size(-1) == 0 ? 0 : dz.numel() / dz.size(-1);
                        if (!g.wants(0)) {
                        } else if (const Tensor factor = g.factor(0); factor.defined()) {
                          g.replace_multiplied(0, ops::linear_bwd_input(dz, g.saved(1), factor));
                        } else {
                          g.replace(0, ops::linear_bwd_input(dz, g.saved(1), {}, g.pending(0)));
                        }
                        if (g.wants(1)) {
                          const Backward::RowSum dw = g.row_sum(1, range, rows, true);
                          ops::linear_bwd_weight(dz, g.saved(0), dw.total, dw.from_zero, range, &dw.open);
                        }
                        if (g.wants(2)) {
                          const Backward::RowSum db = g.row_sum(2, range, rows);
                          ops::sum_rows_onto(db.total, dz, range, &db.open);
                        }
                      });
  if (offers) autograd::offer_factor(result, derivative);
  return result;
}

}  // namespace lathe
