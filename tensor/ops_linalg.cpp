#include <lathe/tensor/lanes.h>
#include <lathe/tensor/ops.h>
#include <lathe/tensor/ops_detail.h>

namespace lathe::ops {
using namespace detail;

namespace {

/// Batch dimensions as one, with one stride: a view if strides allow, else a copy.
Tensor one_batch(const Tensor& x) {
  const int dims = x.dims();
  Index batch = 1;
  for (int d = 0; d < dims - 2; ++d) batch *= x.shape()[d];
  return x.reshape({batch, x.size(-2), x.size(-1)});
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  expect_operands("matmul", a, b);
  expect_defined("matmul", b);
  if (a.dims() < 2 || b.dims() < 2)
    throw InputError(str("[matmul] expected matrices or batches of matrices, got ", a.shape().text(), " and ", b.shape().text()));
  const Index m = a.size(-2), k = a.size(-1), n = b.size(-1);
  bool fits = b.size(-2) == k && (b.dims() == 2 || b.dims() == a.dims());
  for (int d = 0; b.dims() > 2 && fits && d < a.dims() - 2; ++d) fits = a.shape()[d] == b.shape()[d];
  if (!fits)
    throw InputError(str("[matmul] expected […, m, k] and […, k, n] with equal batches, or [k, n], got ", a.shape().text(), " and ",
                         b.shape().text()));
  Tensor y = Tensor::empty(a.context(), a.shape().with(a.dims() - 1, n), a.dtype());
  const Tensor left = one_batch(a), right = one_batch(b);
  const Index batch = left.shape()[0];
  count(y, OpClass::kMatmul, 2 * batch * m * n * k);
  compute("matmul", y, [&]<class T>(const Kernels<T>& kernels) {
    kernels.matmul(y.context().exec(),
                   {batch, m, n, k, in<T>(left), left.stride(1), left.stride(2), left.stride(0), in<T>(right), right.stride(1),
                    right.stride(2), b.dims() == 2 ? 0 : right.stride(0), out<T>(y), n, m * n});
  });
  return y;
}

namespace {

/// Shape of a result with x's rows and n columns.
Shape with_columns(const Tensor& x, Index n) { return x.shape().with(x.dims() - 1, n); }

void expect_weight(const char* op, const char* what, const Tensor& x, const Tensor& w, int dim) {
  expect_defined(op, w);
  expect_dims(op, "a weight", w, 2);
  if (x.dims() < 1 || x.size(-1) != w.shape()[dim])
    throw InputError(str("[", op, "] expected ", what, " with ", w.shape()[dim], " columns as in weight ", w.shape().text(),
                         ", got ", x.shape().text()));
}

/// FLOPs of an epilogue, per element.
std::int64_t epilogue_flops(const LinearEpilogue& e) {
  return (e.bias.defined() ? 1 : 0) + flops_of(e.activation) + (e.derivative ? 1 : 0) + (e.dropout.on() ? 1 : 0) +
         (e.residual.defined() ? 1 : 0);
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& w, const LinearEpilogue& e) {
  expect_operands("linear", x, w, e.bias, e.residual);
  expect_weight("linear", "an input", x, w, 1);
  const Index n = w.shape()[0], k = w.shape()[1];
  const Shape shape = with_columns(x, n);
  if (e.bias.defined()) expect_shape("linear", "a bias", e.bias, {n});
  if (e.residual.defined()) expect_shape("linear", "a residual", e.residual, shape);
  if (e.derivative && e.activation == UnaryOp::kNone)
    throw InputError("[linear] expected an activation to take the derivative of, got none");

  Tensor y = Tensor::empty(x.context(), shape, x.dtype());
  if (e.derivative) *e.derivative = Tensor::empty(x.context(), shape, x.dtype());
  const Rows input = as_rows(x), weight = as_rows(w);
  const Rows residual = e.residual.defined() ? as_rows(e.residual) : Rows{};
  const Tensor bias = e.bias.defined() ? e.bias.contiguous() : Tensor();
  count(x, OpClass::kLinear, 2 * input.rows * n * k);
  count(x, OpClass::kElementwise, y.numel() * epilogue_flops(e));
  on_any_device("linear", x, [&]<class T>(const Kernels<T>* kernels) {
    const auto packed = weight.tensor.storage().template packed<T>("linear", weight.tensor.offset(), n, k, weight.ld);
    if (!kernels) return;
    Epilogue<T> epilogue{in<T>(bias), e.activation,           out<T>(e.derivative), e.dropout,
                         e.first_row, in<T>(residual.tensor), residual.ld};
    kernels->linear_fwd(x.context().exec(), {input.rows, n, k, in<T>(input.tensor), input.ld, in<T>(weight.tensor), weight.ld,
                                             packed.forward, epilogue, out<T>(y), n});
  });
  return y;
}

Tensor linear_bwd_input(const Tensor& dy, const Tensor& w, const Tensor& multiplier, const Tensor& residual) {
  const char* op = "linear_bwd_input";
  expect_operands(op, dy, w, multiplier, residual);
  expect_weight(op, "a cotangent", dy, w, 0);
  const Index n = w.shape()[0], k = w.shape()[1];
  const Shape shape = with_columns(dy, k);
  if (multiplier.defined()) expect_shape(op, "a multiplier", multiplier, shape);
  if (residual.defined()) expect_shape(op, "a residual", residual, shape);
  Tensor dx = Tensor::empty(dy.context(), shape, dy.dtype());
  const Rows cotangent = as_rows(dy), weight = as_rows(w);
  const Rows factor = multiplier.defined() ? as_rows(multiplier) : Rows{}, rest = residual.defined() ? as_rows(residual) : Rows{};
  count(dy, OpClass::kLinear, 2 * cotangent.rows * n * k);
  count(dy, OpClass::kElementwise, dx.numel() * ((multiplier.defined() ? 1 : 0) + (residual.defined() ? 1 : 0)));
  on_any_device(op, dy, [&]<class T>(const Kernels<T>* kernels) {
    const auto packed = weight.tensor.storage().template packed<T>(op, weight.tensor.offset(), n, k, weight.ld);
    if (!kernels) return;
    kernels->linear_bwd_input(dy.context().exec(),
                              {cotangent.rows, n, k, in<T>(cotangent.tensor), cotangent.ld, in<T>(weight.tensor), weight.ld,
                               packed.backward, in<T>(factor.tensor), factor.ld, in<T>(rest.tensor), rest.ld, out<T>(dx), k});
  });
  return dx;
}

namespace {

/// Memory for what rows [range.first, range.first + rows) leave open of dw, or have to take over.
void make_open_rows(const Tensor& dw, Index rows, bool from_zero, const RowRange& range, OpenRows* open) {
  constexpr Index kChunk = 256, kSegment = 1024;
  if (range.whole()) return;
  LATHE_CHECK(open != nullptr, "a part of a batch needs a place for open rows");
  const Index first = range.first, end = first + rows;
  const auto make = [&](Tensor& state, bool needed) {
    if (!needed || state.defined()) return;
    const LastingMemory lasting(dw.context());
    state = Tensor::empty(dw.context(), dw.shape(), dw.dtype());
  };
  const auto cuts_segment = [&](Index row) { return row % kSegment != 0 && !(from_zero && row < kSegment); };
  make(open->chain, !range.last && end % kChunk != 0);
  make(open->segment, cuts_segment(first) || (!range.last && cuts_segment(end)));
}

}  // namespace

void linear_bwd_weight(const Tensor& dy, const Tensor& x, Tensor& dw, bool from_zero, const RowRange& range, OpenRows* open) {
  const char* op = "linear_bwd_weight";
  expect_operands(op, dw, dy, x);
  const Rows cotangent = as_rows(dy), input = as_rows(x);
  expect_shape(op, "a weight gradient", dw, {cotangent.n, input.n});
  if (cotangent.rows != input.rows)
    throw InputError(str("[", op, "] expected as many rows of dy as of x, got ", dy.shape().text(), " and ", x.shape().text()));
  count(dw, OpClass::kLinear, 2 * input.rows * cotangent.n * input.n);
  make_open_rows(dw, input.rows, from_zero, range, open);
  Tensor none, &chain = open ? open->chain : none, &segment = open ? open->segment : none;
  edit_contiguous(dw, [&](Tensor& target) {
    compute(op, dw, [&]<class T>(const Kernels<T>& kernels) {
      kernels.linear_bwd_weight(dw.context().exec(),
                                {input.rows, cotangent.n, input.n, in<T>(cotangent.tensor), cotangent.ld, in<T>(input.tensor),
                                 input.ld, out<T>(target), input.n, from_zero, range, out<T>(chain), out<T>(segment)});
    });
  });
  if (open && range.last) *open = {};
}

}  // namespace lathe::ops
