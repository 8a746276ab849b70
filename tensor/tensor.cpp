#include <lathe/tensor/tensor.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tensor/ops_detail.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace lathe {
namespace {

/// Calls f with a value of the element type.
template <class F>
void with_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kF32:
      return f(float{});
    case DType::kF64:
      return f(double{});
    case DType::kI32:
      return f(std::int32_t{});
  }
}

/// Visits every element of a strided shape, row-major: body(offset in a, offset in b).
template <class F>
void for_each_pair(const detail::Collapsed& c, F&& body) {
  if (c.numel == 0) return;
  Index index[Shape::kMaxDims] = {}, a = 0, b = 0;
  const int last = c.dims - 1;
  for (;;) {
    for (Index i = 0; i < c.shape[last]; ++i) body(a + i * c.a_stride[last], b + i * c.b_stride[last]);
    int d = last - 1;
    for (; d >= 0; --d) {
      a += c.a_stride[d];
      b += c.b_stride[d];
      if (++index[d] < c.shape[d]) break;
      a -= c.a_stride[d] * c.shape[d];
      b -= c.b_stride[d] * c.shape[d];
      index[d] = 0;
    }
    if (d < 0) return;
  }
}

template <class T>
Tensor from_span(Context& context, std::span<const T> values, const Shape& shape) {
  if (static_cast<Index>(values.size()) != shape.numel())
    throw InputError(str("[from] expected ", shape.numel(), " values for shape ", shape.text(), ", got ", values.size()));
  Tensor result = Tensor::empty(context, shape, kDTypeOf<T>);
  if (context.computes() && !values.empty()) std::memcpy(result.mutable_data<T>(), values.data(), values.size_bytes());
  return result;
}

}  // namespace

Tensor Tensor::empty(Context& context, const Shape& shape, DType dtype) {
  Tensor result;
  result.storage_ = std::make_shared<Storage>(context, static_cast<std::size_t>(shape.numel()) * size_of(dtype));
  result.shape_ = shape;
  result.strides_ = contiguous_strides(shape);
  result.dtype_ = dtype;
  return result;
}

Tensor Tensor::zeros(Context& context, const Shape& shape, DType dtype) {
  Tensor result = empty(context, shape, dtype);
  result.fill(0);
  return result;
}

Tensor Tensor::full(Context& context, const Shape& shape, double value, DType dtype) {
  Tensor result = empty(context, shape, dtype);
  result.fill(value);
  return result;
}

Tensor Tensor::from(Context& context, std::span<const float> values, const Shape& shape) {
  return from_span(context, values, shape);
}
Tensor Tensor::from(Context& context, std::span<const double> values, const Shape& shape) {
  return from_span(context, values, shape);
}
Tensor Tensor::from(Context& context, std::span<const std::int32_t> values, const Shape& shape) {
  return from_span(context, values, shape);
}

bool Tensor::is_contiguous() const {
  if (numel() == 0) return true;
  Index stride = 1;
  for (int d = dims(); d-- > 0;) {
    if (shape_[d] == 1) continue;
    if (strides_[static_cast<std::size_t>(d)] != stride) return false;
    stride *= shape_[d];
  }
  return true;
}

const void* Tensor::read(DType wanted) const {
  if (!defined()) throw InputError("[data] expected a tensor, got an undefined one");
  if (wanted != dtype_)
    throw InputError(str("[data] expected element type ", name_of(dtype_), " of the tensor, got ", name_of(wanted)));
  if (!context().computes()) throw InputError("[data] expected a device with data, got a tensor on meta");
  return storage_->data() + static_cast<std::size_t>(offset_) * size_of(dtype_);
}

void* Tensor::write(DType wanted) {
  read(wanted);
  return storage_->mutable_data() + static_cast<std::size_t>(offset_) * size_of(dtype_);
}

Tensor Tensor::view(const Shape& shape, const Strides& strides, Index offset) const {
  Tensor result = *this;
  result.shape_ = shape;
  result.strides_ = strides;
  result.offset_ = offset;
  return result;
}

namespace {

/// Strides that show elements of (shape, strides) under another shape without copying; false if there are none.
bool reshaped_strides(const Shape& from, const Strides& from_strides, const Shape& to, Strides& to_strides) {
  // Walk both from the right, matching runs of dimensions with equal products; inside a run the source must be gapless.
  int f = from.dims() - 1, t = to.dims() - 1;
  Index run_left = 1, stride = 1;  // elements of the current source run not yet used, and the stride of the next of them
  for (; t >= 0; --t) {
    Index need = to[t];
    if (need == 1) {
      to_strides[static_cast<std::size_t>(t)] = stride;
      continue;
    }
    if (run_left == 1) {
      while (f >= 0 && from[f] == 1) --f;
      if (f < 0) return false;
      run_left = from[f];
      stride = from_strides[static_cast<std::size_t>(f--)];
    }
    // Join source dimensions until the run covers this target size.
    while (run_left < need) {
      while (f >= 0 && from[f] == 1) --f;
      if (f < 0 || from_strides[static_cast<std::size_t>(f)] != stride * run_left) return false;
      run_left *= from[f--];
    }
    if (run_left % need != 0) return false;
    to_strides[static_cast<std::size_t>(t)] = stride;
    stride *= need;
    run_left /= need;
  }
  return true;
}

}  // namespace

Tensor Tensor::reshape_to(std::span<const Index> sizes) const {
  std::array<Index, Shape::kMaxDims> filled{};
  if (sizes.size() > filled.size()) throw InputError(str("[reshape] expected at most 6 dimensions, got ", sizes.size()));
  Index known = 1;
  int unknown = -1;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    filled[d] = sizes[d];
    if (sizes[d] == -1 && unknown < 0)
      unknown = static_cast<int>(d);
    else
      known *= sizes[d];
  }
  if (unknown >= 0) {
    if (known == 0 || numel() % known != 0)
      throw InputError(str("[reshape] expected sizes that divide the ", numel(), " elements of ", shape_.text(), ", got ", known));
    filled[static_cast<std::size_t>(unknown)] = numel() / known;
  }
  const Shape shape(std::span<const Index>(filled.data(), sizes.size()));
  if (shape.numel() != numel())
    throw InputError(str("[reshape] expected ", numel(), " elements as in ", shape_.text(), ", got ", shape.text()));
  Strides strides = contiguous_strides(shape);
  if (is_contiguous() || reshaped_strides(shape_, strides_, shape, strides)) return view(shape, strides, offset_);
  return clone().view(shape, contiguous_strides(shape), 0);
}

Tensor Tensor::transpose(Index a, Index b) const {
  const auto da = static_cast<std::size_t>(normal_dim("transpose", a, dims()));
  const auto db = static_cast<std::size_t>(normal_dim("transpose", b, dims()));
  const int ia = static_cast<int>(da), ib = static_cast<int>(db);
  Strides strides = strides_;
  std::swap(strides[da], strides[db]);
  return view(shape_.with(ia, 1).with(ib, shape_[ia]).with(ia, shape_[ib]), strides, offset_);
}

Tensor Tensor::narrow(Index dim, Index start, Index length) const {
  const int d = normal_dim("narrow", dim, dims());
  if (start < 0 || length < 0 || start + length > shape_[d])
    throw InputError(
        str("[narrow] expected a range inside dimension ", d, " of ", shape_.text(), ", got ", start, " … ", start + length));
  return view(shape_.with(d, length), strides_, offset_ + start * stride(d));
}

Tensor Tensor::select(Index dim, Index index) const {
  const int d = normal_dim("select", dim, dims());
  if (index < 0 || index >= shape_[d])
    throw InputError(str("[select] expected an index of dimension ", d, " of ", shape_.text(), ", got ", index));
  Strides strides{};
  for (int from = 0, to = 0; from < dims(); ++from)
    if (from != d) strides[static_cast<std::size_t>(to++)] = stride(from);
  return view(shape_.without(d), strides, offset_ + index * stride(d));
}

Tensor Tensor::expand(const Shape& shape) const {
  if (!(broadcast_shape("expand", shape_, shape) == shape))
    throw InputError(str("[expand] expected a shape that ", shape_.text(), " stretches to, got ", shape.text()));
  Strides strides{};
  for (int d = shape.dims(), s = dims(); d-- > 0;) {
    --s;
    strides[static_cast<std::size_t>(d)] = s >= 0 && shape_[s] == shape[d] ? stride(s) : 0;
  }
  return view(shape, strides, offset_);
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }

Tensor Tensor::clone() const {
  Tensor result = empty(context(), shape_, dtype_);
  result.copy_from(*this);
  return result;
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor result = empty(context(), shape_, dtype);
  if (!context().computes()) return result;
  FloatingPointScope scope;
  const Tensor source = contiguous();
  with_type(dtype_, [&](auto from) {
    with_type(dtype, [&](auto into) {
      using From = decltype(from);
      using Into = decltype(into);
      const From* x = source.data<From>();
      Into* y = result.mutable_data<Into>();
      for (Index i = 0; i < numel(); ++i) y[i] = static_cast<Into>(x[i]);
    });
  });
  return result;
}

Tensor Tensor::copy_to(Context& context) const {
  Tensor result = empty(context, shape_, dtype_);
  if (!context.computes()) return result;
  const Tensor source = contiguous();
  with_type(dtype_, [&](auto zero) {
    using T = decltype(zero);
    if (numel() > 0) std::memcpy(result.mutable_data<T>(), source.data<T>(), static_cast<std::size_t>(numel()) * sizeof(T));
  });
  return result;
}

void Tensor::fill(double value) {
  storage_->mutable_data();  // counts on the meta device too
  if (!context().computes()) return;
  FloatingPointScope scope;
  with_type(dtype_, [&](auto zero) {
    using T = decltype(zero);
    T* y = mutable_data<T>();
    const T v = static_cast<T>(value);
    const auto c = detail::collapse(shape_, strides_, strides_);
    if (c.dims == 1 && c.a_stride[0] == 1)
      std::fill_n(y, numel(), v);
    else
      for_each_pair(c, [&](Index at, Index) { y[at] = v; });
  });
}

void Tensor::copy_from(const Tensor& source) {
  if (!(source.shape_ == shape_) || source.dtype_ != dtype_)
    throw InputError(str("[copy_from] expected ", name_of(dtype_), " ", shape_.text(), ", got ", name_of(source.dtype_), " ",
                         source.shape_.text()));
  detail::expect_same_context("copy_from", *this, source);
  storage_->mutable_data();
  if (!context().computes() || numel() == 0) return;
  const auto c = detail::collapse(shape_, strides_, source.strides_);
  if (is_contiguous() && is_float(dtype_) && !(c.dims == 1 && c.b_stride[0] == 1)) return detail::copy_strided(*this, source);
  with_type(dtype_, [&](auto zero) {
    using T = decltype(zero);
    T* y = mutable_data<T>();
    const T* x = source.data<T>();
    if (c.dims == 1 && c.a_stride[0] == 1 && c.b_stride[0] == 1)
      std::memmove(y, x, static_cast<std::size_t>(numel()) * sizeof(T));
    else
      for_each_pair(c, [&](Index to, Index from) { y[to] = x[from]; });
  });
}

double Tensor::item() const {
  if (!defined()) throw InputError("[item] expected a tensor, got an undefined one");
  if (numel() != 1) throw InputError(str("[item] expected one element, got ", shape_.text()));
  double value = 0;
  with_type(dtype_, [&](auto zero) { value = static_cast<double>(*data<decltype(zero)>()); });
  return value;
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const T* first = data<T>();
  std::vector<T> values;
  values.reserve(static_cast<std::size_t>(numel()));
  for_each_pair(detail::collapse(shape_, strides_, strides_), [&](Index at, Index) { values.push_back(first[at]); });
  return values;
}
template std::vector<float> Tensor::to_vector<float>() const;
template std::vector<double> Tensor::to_vector<double>() const;
template std::vector<std::int32_t> Tensor::to_vector<std::int32_t>() const;

}  // namespace lathe
