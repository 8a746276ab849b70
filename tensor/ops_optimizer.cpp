#include <lathe/tensor/ops.h>
#include <lathe/tensor/ops_detail.h>

namespace lathe::ops {
using namespace detail;

namespace {

/// Optimizers see one row of elements: order within tensors of one shape is all that counts, so no copies are made for them.
void expect_flat(const char* op, const char* what, const Tensor& x, const Tensor& p) {
  expect_operands(op, p, x);
  expect_defined(op, x);
  expect_shape(op, what, x, p.shape());
  if (!x.is_contiguous()) throw InputError(str("[", op, "] expected ", what, " to be contiguous, got a strided view"));
}

}  // namespace

void adamw(Tensor& p, Tensor& m, Tensor& v, const Tensor& g, const AdamwScalars& s) {
  expect_flat("adamw", "a parameter", p, p);
  expect_flat("adamw", "a first moment", m, p);
  expect_flat("adamw", "a second moment", v, p);
  expect_flat("adamw", "a gradient", g, p);
  for (Tensor* edited : {&p, &m, &v}) edited->storage().mutable_data();
  count(p, OpClass::kOptimizer, 14 * p.numel());
  compute("adamw", p, [&]<class T>(const Kernels<T>& k) {
    const auto cast = [](double value) { return static_cast<T>(value); };
    k.adamw(p.context().exec(),
            {p.numel(), out<T>(p), out<T>(m), out<T>(v), in<T>(g), cast(s.beta1), cast(s.one_minus_beta1), cast(s.beta2),
             cast(s.one_minus_beta2), cast(s.decay), cast(s.step), cast(s.c2), cast(s.eps), cast(s.grad_scale)});
  });
}

void adamw_rows(Tensor& p, Tensor& m, Tensor& v, const Tensor& g, std::span<const std::int32_t> rows,
                std::span<const std::int32_t> from, std::span<const AdamwScalars> steps, bool cold) {
  if (rows.empty() || steps.empty()) return;
  compute("adamw_rows", p, [&]<class T>(const Kernels<T>& k) {
    std::vector<AdamwStep<T>> cast_steps;
    cast_steps.reserve(steps.size());
    for (const AdamwScalars& s : steps)
      cast_steps.push_back({static_cast<T>(s.decay), static_cast<T>(s.step), static_cast<T>(s.c2)});
    const auto memory = [](Tensor& x, bool edited) {
      return reinterpret_cast<T*>(x.storage().unsettled_data(edited)) + x.offset();
    };
    const AdamwScalars& last = steps.back();
    const auto cast = [](double value) { return static_cast<T>(value); };
    const bool edits = g.defined();  // catching up gives values that others were promised already
    k.adamw_rows(p.context().exec(), {static_cast<Index>(rows.size()), p.shape()[1], rows.data(), from.data(),
                                      static_cast<Index>(steps.size()), cast_steps.data(), memory(p, edits), memory(m, edits),
                                      memory(v, edits), in<T>(g), cast(last.beta1), cast(last.one_minus_beta1), cast(last.beta2),
                                      cast(last.one_minus_beta2), cast(last.eps), cast(last.grad_scale), cold});
  });
}

void sgd(Tensor& p, Tensor& momentum_buffer, const Tensor& g, const SgdScalars& s) {
  expect_flat("sgd", "a parameter", p, p);
  expect_flat("sgd", "a gradient", g, p);
  p.storage().mutable_data();
  if (momentum_buffer.defined()) {
    expect_flat("sgd", "a momentum buffer", momentum_buffer, p);
    momentum_buffer.storage().mutable_data();
  }
  count(p, OpClass::kOptimizer, 6 * p.numel());
  compute("sgd", p, [&]<class T>(const Kernels<T>& k) {
    const auto cast = [](double value) { return static_cast<T>(value); };
    k.sgd(p.context().exec(), {p.numel(), out<T>(p), out<T>(momentum_buffer), in<T>(g), cast(s.momentum), cast(s.decay), cast(s.lr),
                               cast(s.grad_scale)});
  });
}

void sum_squares(const Tensor& x, double* sum) {
  expect_float("sum_squares", x);
  const Tensor source = x.contiguous();
  count(x, OpClass::kOptimizer, 2 * x.numel());
  compute("sum_squares", x, [&]<class T>(const Kernels<T>& k) {
    k.sum_squares(x.context().exec(), {x.numel(), in<T>(source), sum});
  });
}

void sum_squares(const Tensor& x, std::span<const std::int32_t> rows, double* sum) {
  expect_float("sum_squares", x);
  LATHE_CHECK(x.dims() == 2 && x.is_contiguous(), "rows are those of a contiguous table");
  count(x, OpClass::kOptimizer, 2 * x.numel());
  compute("sum_squares", x, [&]<class T>(const Kernels<T>& k) {
    k.sum_squares(x.context().exec(), {x.numel(), in<T>(x), sum, rows.data(), static_cast<Index>(rows.size()), x.shape()[1]});
  });
}

}  // namespace lathe::ops
