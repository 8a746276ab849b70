#include <lathe/tensor/ops_detail.h>

#include <lathe/tensor/lanes.h>
#include <lathe/tensor/ops.h>

#include <algorithm>

namespace lathe::detail {

Collapsed collapse(const Shape& shape, const Strides& a, const Strides& b) {
  Collapsed c;
  c.numel = shape.numel();
  if (c.numel == 0) {
    c.shape[0] = 0;
    return c;
  }
  int dims = 0;
  for (int d = 0; d < shape.dims(); ++d) {
    const auto at = static_cast<std::size_t>(d);
    if (shape[d] == 1) continue;
    if (dims > 0 && c.a_stride[dims - 1] == a[at] * shape[d] && c.b_stride[dims - 1] == b[at] * shape[d]) {
      c.shape[dims - 1] *= shape[d];
    } else {
      c.shape[dims++] = shape[d];
    }
    c.a_stride[dims - 1] = a[at];
    c.b_stride[dims - 1] = b[at];
  }
  if (dims == 0) c.shape[0] = c.a_stride[0] = c.b_stride[0] = 1;
  c.dims = std::max(dims, 1);
  return c;
}

Strides strides_of(const Tensor& x) {
  Strides strides{};
  for (int d = 0; d < x.dims(); ++d) strides[static_cast<std::size_t>(d)] = x.stride(d);
  return strides;
}

Strides broadcast_strides(const Tensor& x, const Shape& shape) {
  Strides strides{};
  for (int d = shape.dims() - 1, from = x.dims() - 1; from >= 0; --d, --from)
    strides[static_cast<std::size_t>(d)] = x.shape()[from] == shape[d] ? x.stride(from) : 0;
  return strides;
}

void copy_strided(Tensor& y, const Tensor& x) {
  compute("copy", y, [&]<class T>(const Kernels<T>& k) {
    // y's own strides take part, so that the collapsed shape lists elements in y's order.
    const Collapsed c = collapse(y.shape(), contiguous_strides(y.shape()), strides_of(x));
    CopyArgs<T> args{c.dims, {}, {}, in<T>(x), out<T>(y)};
    std::copy_n(c.shape, c.dims, args.shape);
    std::copy_n(c.b_stride, c.dims, args.x_stride);
    k.copy(y.context().exec(), args);
  });
}

void expect_same_context(const char* op, const Tensor& a, const Tensor& b) {
  if (&a.context() != &b.context())
    throw InputError(str("[", op, "] expected operands of one Context, got two Contexts (see Tensor::copy_to)"));
}

void expect_defined(const char* op, const Tensor& x) {
  if (!x.defined()) throw InputError(str("[", op, "] expected a tensor, got an undefined one"));
}

void expect_float(const char* op, const Tensor& x) {
  expect_defined(op, x);
  if (!is_float(x.dtype())) throw InputError(str("[", op, "] expected elements f32 or f64, got ", name_of(x.dtype())));
}

void expect_dtype(const char* op, const char* what, const Tensor& x, DType dtype) {
  expect_defined(op, x);
  if (x.dtype() != dtype) throw InputError(str("[", op, "] expected ", what, " ", name_of(dtype), ", got ", name_of(x.dtype())));
}

void expect_shape(const char* op, const char* what, const Tensor& x, const Shape& shape) {
  if (!(x.shape() == shape)) throw InputError(str("[", op, "] expected ", what, " ", shape.text(), ", got ", x.shape().text()));
}

void expect_dims(const char* op, const char* what, const Tensor& x, int dims) {
  if (x.dims() != dims)
    throw InputError(
        str("[", op, "] expected ", what, " with ", dims, " dimension", dims == 1 ? "" : "s", ", got ", x.shape().text()));
}

void expect_finite(const char* op, const char* what, const Tensor& x) {
  if (!is_float(x.dtype())) return;
  compute(op, x, [&]<class T>(const Kernels<T>&) {
    const Tensor values = x.contiguous();
    const T* v = values.data<T>();
    for (Index i = 0; i < x.numel(); ++i) {
      if (v[i] - v[i] == T{0}) continue;
      const std::string scope = x.context().scope();
      throw NonFiniteError(str("[", op, "] expected finite numbers in ", what, " ", x.shape().text(), ", got ", v[i],
                               " at element ", i, scope.empty() ? "" : " in " + scope));
    }
  });
}

void make_open_block(const Tensor& y, Index rows, const RowRange& range, ops::OpenRows* open) {
  if (range.whole()) return;
  LATHE_CHECK(open != nullptr, "a part of a batch needs a place for open rows");
  if (range.last || (range.first + rows) % 64 == 0 || open->chain.defined()) return;
  const LastingMemory lasting(y.context());
  open->chain = Tensor::empty(y.context(), y.shape(), y.dtype());
}

Rows as_rows(const Tensor& x) {
  Rows r{x, 1, 1, 1};
  const int dims = x.dims();
  if (dims == 0) return r;
  r.n = x.shape()[dims - 1];
  for (int d = 0; d < dims - 1; ++d) r.rows *= x.shape()[d];
  r.ld = r.n;
  if (x.is_contiguous()) return r;
  bool strided = r.n <= 1 || x.stride(dims - 1) == 1;
  Index ld = -1, expected = 0;  // -1: no row dimension seen yet
  for (int d = dims - 2; d >= 0 && strided; --d) {
    if (x.shape()[d] == 1) continue;
    if (ld < 0)
      ld = x.stride(d);
    else
      strided = x.stride(d) == expected;
    expected = x.stride(d) * x.shape()[d];
  }
  if (!strided || (ld >= 0 && ld < r.n)) {  // repeated rows too: their stride is 0
    r.tensor = x.contiguous();
    return r;
  }
  if (ld >= 0) r.ld = ld;
  return r;
}

}  // namespace lathe::detail
