#include <lathe/tensor/ops.h>
#include <lathe/tensor/ops_detail.h>

namespace lathe::ops {
using namespace detail;

namespace {

const char* name_of_norm(NormKind kind) { return kind == NormKind::kLayer ? "layer_norm" : "rms_norm"; }

}  // namespace

NormResult norm(NormKind kind, const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps) {
  const char* op = name_of_norm(kind);
  expect_operands(op, x, gamma, beta);
  expect_defined(op, gamma);
  if (x.dims() < 1 || x.size(-1) == 0)
    throw InputError(str("[", op, "] expected a last dimension that is not empty, got ", x.shape().text()));
  const Index n = x.size(-1);
  expect_shape(op, "gamma", gamma, {n});
  if (kind == NormKind::kLayer) {
    expect_defined(op, beta);
    expect_shape(op, "beta", beta, {n});
  }
  const Rows input = as_rows(x);
  const Tensor g = gamma.contiguous(), b = beta.defined() ? beta.contiguous() : Tensor();
  NormResult result;
  result.y = Tensor::empty(x.context(), x.shape(), x.dtype());
  if (kind == NormKind::kLayer) result.mean = Tensor::empty(x.context(), {input.rows}, x.dtype());
  result.rstd = Tensor::empty(x.context(), {input.rows}, x.dtype());
  count(x, OpClass::kNorm, 7 * x.numel());
  compute(op, x, [&]<class T>(const Kernels<T>& k) {
    k.norm_fwd(x.context().exec(), {kind, input.rows, n, in<T>(input.tensor), input.ld, in<T>(g), in<T>(b), static_cast<T>(eps),
                                    out<T>(result.y), n, out<T>(result.mean), out<T>(result.rstd)});
  });
  return result;
}

Tensor norm_bwd(NormKind kind, const Tensor& dy, const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& rstd,
                const Tensor& residual, RowSum dgamma, RowSum dbeta, const RowRange& range) {
  const char* op = name_of_norm(kind);
  expect_operands(op, dy, x, gamma, mean, rstd, residual);
  expect_shape(op, "a cotangent", dy, x.shape());
  if (residual.defined()) expect_shape(op, "a residual", residual, x.shape());
  const Index n = x.size(-1);
  const Rows cotangent = as_rows(dy), input = as_rows(x), rest = residual.defined() ? as_rows(residual) : Rows{};
  const Tensor g = gamma.contiguous();
  Tensor dx = Tensor::empty(x.context(), x.shape(), x.dtype());
  Tensor none;
  for (const RowSum* sum : {&dgamma, &dbeta}) {
    if (!sum->total) continue;
    LATHE_CHECK(sum->total->is_contiguous(), "gradients of norms are contiguous");
    sum->total->storage().mutable_data();
    make_open_block(*sum->total, input.rows, range, sum->open);
  }
  const auto total = [&](const RowSum& sum) -> Tensor& { return sum.total ? *sum.total : none; };
  const auto open = [&](const RowSum& sum) -> Tensor& { return sum.total && sum.open ? sum.open->chain : none; };
  count(x, OpClass::kNorm, 13 * x.numel());
  compute(op, x, [&]<class T>(const Kernels<T>& k) {
    k.norm_bwd(x.context().exec(), {kind, input.rows, n, in<T>(cotangent.tensor), cotangent.ld, in<T>(input.tensor), input.ld,
                                    in<T>(g), in<T>(mean), in<T>(rstd), in<T>(rest.tensor), rest.ld, out<T>(dx), n,
                                    out<T>(total(dgamma)), out<T>(total(dbeta)), range, out<T>(open(dgamma)), out<T>(open(dbeta))});
  });
  for (const RowSum* sum : {&dgamma, &dbeta})
    if (range.last && sum->total && sum->open) *sum->open = {};
  return dx;
}

namespace {

/// Rows and columns of the last dimension; a scalar is one row of one.
Index columns(const Tensor& x) { return x.dims() ? x.size(-1) : 1; }
Index rows_of(const Tensor& x) { return columns(x) ? x.numel() / columns(x) : 0; }

}  // namespace

Tensor softmax(const Tensor& x) {
  expect_float("softmax", x);
  const Tensor source = x.contiguous();
  Tensor y = Tensor::empty(x.context(), x.shape(), x.dtype());
  count(x, OpClass::kSoftmax, 12 * x.numel());
  compute("softmax", x, [&]<class T>(const Kernels<T>& k) {
    k.softmax_fwd(x.context().exec(), {rows_of(x), columns(x), in<T>(source), out<T>(y)});
  });
  return y;
}

Tensor softmax_bwd(const Tensor& y, const Tensor& dy) {
  expect_operands("softmax", y, dy);
  expect_shape("softmax", "a cotangent", dy, y.shape());
  const Tensor value = y.contiguous(), cotangent = dy.contiguous();
  Tensor dx = Tensor::empty(y.context(), y.shape(), y.dtype());
  count(y, OpClass::kSoftmax, 4 * y.numel());
  compute("softmax", y, [&]<class T>(const Kernels<T>& k) {
    k.softmax_bwd(y.context().exec(), {rows_of(y), columns(y), in<T>(value), in<T>(cotangent), out<T>(dx)});
  });
  return dx;
}

CrossEntropyResult cross_entropy(const Tensor& logits, const Tensor& target, Index divisor) {
  const char* op = "cross_entropy";
  expect_float(op, logits);
  expect_dims(op, "logits", logits, 2);
  expect_dtype(op, "a target", target, DType::kI32);
  expect_same_context(op, logits, target);
  const Index rows = logits.shape()[0], n = logits.shape()[1];
  expect_shape(op, "a target", target, {rows});
  const Tensor scores = logits.contiguous(), labels = target.contiguous();
  Context& context = logits.context();
  CrossEntropyResult result{Tensor::empty(context, {}, logits.dtype()), Tensor::empty(context, {rows}, logits.dtype()),
                            Tensor::empty(context, {rows}, logits.dtype()), Tensor::empty(context, {rows}, logits.dtype())};
  count(logits, OpClass::kSoftmax, 12 * logits.numel());
  compute(op, logits, [&]<class T>(const Kernels<T>& k) {
    const std::int32_t* label = labels.data<std::int32_t>();
    for (Index r = 0; r < rows; ++r)
      if (label[r] != kIgnoreLabel && (label[r] < 0 || label[r] >= n))
        throw InputError(str("[", op, "] expected targets in [0, ", n, ") or ", kIgnoreLabel, ", got ", label[r], " in row ", r));
    k.cross_entropy_fwd(context.exec(), {rows, n, in<T>(scores), label, out<T>(result.losses), out<T>(result.max),
                                         out<T>(result.inv_sum), out<T>(result.loss), divisor});
  });
  return result;
}

Tensor cross_entropy_bwd(const Tensor& logits, const Tensor& target, const Tensor& max, const Tensor& inv_sum, const Tensor& dloss,
                         Index divisor) {
  expect_operands("cross_entropy", logits, max, inv_sum, dloss);
  const Tensor scores = logits.contiguous(), labels = target.contiguous();
  Tensor dlogits = Tensor::empty(logits.context(), logits.shape(), logits.dtype());
  count(logits, OpClass::kSoftmax, 12 * logits.numel());
  compute("cross_entropy", logits, [&]<class T>(const Kernels<T>& k) {
    k.cross_entropy_bwd(logits.context().exec(), {logits.shape()[0], logits.shape()[1], in<T>(scores), labels.data<std::int32_t>(),
                                                  in<T>(max), in<T>(inv_sum), *dloss.data<T>(), out<T>(dlogits), divisor});
  });
  return dlogits;
}

}  // namespace lathe::ops
