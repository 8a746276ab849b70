#include <lathe/autograd/functions.h>
#include <lathe/base/error.h>
#include <lathe/base/text.h>

#include <algorithm>

namespace lathe {
using autograd::Backward;
using autograd::record;
using autograd::record_all;

Var sum(const Var& x) {
  return record("sum", {x}, ops::sum_all(x.value()), {}, [shape = x.shape()](Backward& b) { b.add(0, b.dy().expand(shape)); });
}

namespace {

/// Axes as ascending numbers; InputError for one outside or named twice.
std::vector<int> normal_axes(const char* op, std::initializer_list<Index> axes, int dims) {
  std::vector<int> result;
  for (const Index axis : axes) result.push_back(normal_dim(op, axis, dims));
  std::sort(result.begin(), result.end());
  if (std::adjacent_find(result.begin(), result.end()) != result.end()) throw InputError(str("[", op, "] expected each axis once"));
  return result;
}

Tensor sum_axes(const Tensor& x, const std::vector<int>& axes, bool keep_dims) {
  Tensor y = x;
  for (std::size_t i = axes.size(); i-- > 0;) y = ops::sum(y, axes[i], keep_dims);
  return y;
}

Shape kept_shape(Shape shape, const std::vector<int>& axes) {
  for (const int axis : axes) shape = shape.with(axis, 1);
  return shape;
}

/// y / n, where a mean is a true division by the number of elements.
Tensor divided(const Tensor& x, Index n) { return ops::div(x, Tensor::full(x.context(), {}, static_cast<double>(n), x.dtype())); }

}  // namespace

Var sum(const Var& x, std::initializer_list<Index> axes, bool keep_dims) {
  const std::vector<int> normal = normal_axes("sum", axes, x.shape().dims());
  return record(
      "sum", {x}, sum_axes(x.value(), normal, keep_dims), {},
      [shape = x.shape(), kept = kept_shape(x.shape(), normal)](Backward& b) { b.add(0, b.dy().reshape(kept).expand(shape)); });
}

Var mean(const Var& x) {
  const Index n = x.value().numel();
  return record("mean", {x}, divided(ops::sum_all(x.value()), n), {},
                [shape = x.shape(), n](Backward& b) { b.add(0, divided(b.dy(), n).expand(shape)); });
}

Var mean(const Var& x, std::initializer_list<Index> axes, bool keep_dims) {
  const std::vector<int> normal = normal_axes("mean", axes, x.shape().dims());
  Index n = 1;
  for (const int axis : normal) n *= x.shape()[axis];
  return record("mean", {x}, divided(sum_axes(x.value(), normal, keep_dims), n), {},
                [shape = x.shape(), kept = kept_shape(x.shape(), normal), n](Backward& b) {
                  b.add(0, divided(b.dy(), n).reshape(kept).expand(shape));
                });
}

Var reshape(const Var& x, const Shape& shape) {
  return record("reshape", {x}, x.value().reshape(shape), {}, [from = x.shape()](Backward& b) { b.add(0, b.dy().reshape(from)); });
}

Var reshape(const Var& x, std::initializer_list<Index> sizes) { return reshape(x, x.value().reshape(sizes).shape()); }

Var transpose(const Var& x, Index a, Index b) {
  return record("transpose", {x}, x.value().transpose(a, b), {}, [a, b](Backward& g) { g.add(0, g.dy().transpose(a, b)); });
}

Var narrow(const Var& x, Index axis, Index start, Index length) {
  const int d = normal_dim("narrow", axis, x.shape().dims());
  return record("narrow", {x}, x.value().narrow(d, start, length), {}, [d, start, length](Backward& b) {
    Tensor part = b.accumulator(0).narrow(d, start, length);
    ops::add_in_place(part, b.dy());
  });
}

namespace {

/// Passes consecutive parts of a tensor to the inputs, as views.
void pass_parts(Backward& b, const std::vector<Index>& sizes, int axis) {
  Index at = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (b.wants(static_cast<int>(i))) b.add(static_cast<int>(i), b.dy().narrow(axis, at, sizes[i]));
    at += sizes[i];
  }
}

}  // namespace

Var concat(std::span<const Var> parts, Index axis) {
  std::vector<Tensor> values;
  for (const Var& part : parts) values.push_back(part.value());
  std::vector<Tensor> y{ops::concat(values, axis)};
  const int d = normal_dim("concat", axis, y[0].dims());
  std::vector<Index> sizes;
  for (const Tensor& value : values) sizes.push_back(value.shape()[d]);
  return record_all("concat", parts, std::move(y), {}, [sizes = std::move(sizes), d](Backward& b) { pass_parts(b, sizes, d); })[0];
}

Var concat(std::initializer_list<Var> parts, Index axis) { return concat(std::span<const Var>(parts.begin(), parts.size()), axis); }

std::vector<Var> split(const Var& x, std::span<const Index> sizes, Index axis) {
  const int d = normal_dim("split", axis, x.shape().dims());
  std::vector<Tensor> parts;
  Index at = 0;
  for (const Index size : sizes) {
    parts.push_back(x.value().narrow(d, at, size));
    at += size;
  }
  if (at != x.shape()[d])
    throw InputError(
        str("[split] expected sizes that add up to ", x.shape()[d], " of dimension ", d, " of ", x.shape().text(), ", got ", at));
  const Var inputs[] = {x};
  return record_all("split", inputs, std::move(parts), {}, [d, count = sizes.size()](Backward& b) {
    std::vector<Tensor> gradients;
    for (std::size_t i = 0; i < count; ++i) gradients.push_back(b.dy(static_cast<int>(i)));
    b.add(0, ops::concat(gradients, d));
  });
}

}  // namespace lathe
