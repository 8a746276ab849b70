// Shared by the files ops_*.cpp; not for users.
#pragma once
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tensor/tensor.h>

#include <string>

namespace lathe::ops {
struct OpenRows;
}

namespace lathe::detail {

/// The same elements with as few dimensions as both stride lists allow (at least one).
struct Collapsed {
  int dims = 1;
  Index numel = 0;
  Index shape[Shape::kMaxDims] = {1}, a_stride[Shape::kMaxDims] = {1}, b_stride[Shape::kMaxDims] = {1};
};
Collapsed collapse(const Shape& shape, const Strides& a, const Strides& b);
Strides strides_of(const Tensor& x);
/// Strides of x stretched to `shape`.
Strides broadcast_strides(const Tensor& x, const Shape& shape);

/// y (contiguous) = x, by the backend's copy kernel.
void copy_strided(Tensor& y, const Tensor& x);

void expect_same_context(const char* op, const Tensor& a, const Tensor& b);
void expect_defined(const char* op, const Tensor& x);
void expect_float(const char* op, const Tensor& x);
void expect_dtype(const char* op, const char* what, const Tensor& x, DType dtype);
void expect_shape(const char* op, const char* what, const Tensor& x, const Shape& shape);
void expect_dims(const char* op, const char* what, const Tensor& x, int dims);

/// NonFiniteError naming op, element and the open LayerScopes if x holds a NaN or an infinity. For Context::check_finite.
void expect_finite(const char* op, const char* what, const Tensor& x);

/// Float operands of one Context and one dtype; undefined ones are skipped from the second on.
template <class... Rest>
void expect_operands(const char* op, const Tensor& first, const Rest&... rest) {
  expect_float(op, first);
  const auto one = [&](const Tensor& x) {
    if (!x.defined()) return;
    expect_same_context(op, first, x);
    if (x.dtype() != first.dtype())
      throw InputError(
          str("[", op, "] expected operands of one element type, got ", name_of(first.dtype()), " and ", name_of(x.dtype())));
  };
  (one(rest), ...);
}

/// A tensor as a matrix: all leading dimensions are rows `ld` apart, the last one lies contiguous. A copy where strides do not
/// allow it.
struct Rows {
  Tensor tensor;
  Index rows = 1, n = 1, ld = 1;
};
Rows as_rows(const Tensor& x);

/// Memory for the block of rows that a cut behind `rows` rows leaves open of a Σrows onto y.
void make_open_block(const Tensor& y, Index rows, const RowRange& range, ops::OpenRows* open);

/// Runs f(table) with the backend's table of x's float type, floating-point state set; nothing on the meta device.
template <class F>
void compute(const char* op, const Tensor& x, F&& f) {
  Context& context = x.context();
  if (!context.computes()) return;
  FloatingPointScope scope;
  if (x.dtype() == DType::kF64)
    f(context.kernels<double>(op));
  else
    f(context.kernels<float>(op));
}

/// The same for code that has something to do on the meta device too: f(&table), there f(null).
template <class F>
void on_any_device(const char* op, const Tensor& x, F&& f) {
  if (x.context().computes())
    compute(op, x, [&](const auto& table) { f(&table); });
  else if (x.dtype() == DType::kF64)
    f(static_cast<const Kernels<double>*>(nullptr));
  else
    f(static_cast<const Kernels<float>*>(nullptr));
}

/// Pointers for kernels: null for undefined tensors.
template <class T>
const T* in(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}
template <class T>
T* out(Tensor& x) {
  return x.defined() ? x.mutable_data<T>() : nullptr;
}
template <class T>
T* out(Tensor* x) {
  return x && x->defined() ? x->mutable_data<T>() : nullptr;
}

/// Runs f(t) with t = target if it is contiguous, else with a contiguous copy that is written back. Counts as an edit on every
/// device.
template <class F>
void edit_contiguous(Tensor& target, F&& f) {
  if (target.is_contiguous()) {
    target.storage().mutable_data();
    f(target);
  } else {
    Tensor work = target.clone();
    f(work);
    target.copy_from(work);
  }
}

inline void count(const Tensor& x, OpClass op_class, std::int64_t flops) { x.context().flops().add(op_class, flops); }

}  // namespace lathe::detail
