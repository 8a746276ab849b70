#include <lathe/tensor/shape.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>

#include <algorithm>

namespace lathe {
namespace {

// Far above any memory, far below overflow of byte counts and strides.
constexpr Index kMaxElements = Index{1} << 52;

}  // namespace

Shape::Shape(std::span<const Index> sizes) {
  if (sizes.size() > kMaxDims) throw InputError(str("[shape] expected at most ", int{kMaxDims}, " dimensions, got ", sizes.size()));
  Index elements = 1;
  for (const Index size : sizes) {
    if (size < 0) throw InputError(str("[shape] expected sizes of at least 0, got ", size));
    // An empty tensor may have huge other sizes; the product of the others is checked all the same, so that strides stay in range.
    const Index factor = std::max<Index>(size, 1);
    if (factor > kMaxElements / elements) throw InputError("[shape] expected fewer than 2^52 elements, got more");
    elements *= factor;
    sizes_[static_cast<std::size_t>(dims_++)] = size;
  }
}

Index Shape::numel() const {
  Index n = 1;
  for (int d = 0; d < dims_; ++d) n *= (*this)[d];
  return n;
}

Shape Shape::with(int dim, Index size) const {
  std::array<Index, kMaxDims> sizes = sizes_;
  sizes[static_cast<std::size_t>(dim)] = size;
  return Shape(std::span<const Index>(sizes.data(), static_cast<std::size_t>(dims_)));
}

Shape Shape::without(int dim) const {
  Shape result;
  for (int d = 0; d < dims_; ++d)
    if (d != dim) result.sizes_[static_cast<std::size_t>(result.dims_++)] = (*this)[d];
  return result;
}

Shape Shape::inserted(int dim, Index size) const {
  std::array<Index, kMaxDims + 1> sizes{};
  for (int d = 0, to = 0; d <= dims_; ++d) {
    if (d == dim) sizes[static_cast<std::size_t>(to++)] = size;
    if (d < dims_) sizes[static_cast<std::size_t>(to++)] = (*this)[d];
  }
  return Shape(std::span<const Index>(sizes.data(), static_cast<std::size_t>(dims_) + 1));
}

std::string Shape::text() const {
  std::string out = "[";
  for (int d = 0; d < dims_; ++d) out += str(d ? ", " : "", (*this)[d]);
  return out + "]";
}

bool Shape::operator==(const Shape& other) const { return std::ranges::equal(sizes(), other.sizes()); }

Strides contiguous_strides(const Shape& shape) {
  Strides strides{};
  Index stride = 1;
  for (int d = shape.dims(); d-- > 0;) {
    strides[static_cast<std::size_t>(d)] = stride;
    stride *= std::max<Index>(shape[d], 1);
  }
  return strides;
}

Shape broadcast_shape(const char* op, const Shape& a, const Shape& b) {
  const int dims = std::max(a.dims(), b.dims());
  std::array<Index, Shape::kMaxDims> sizes{};
  for (int d = 0; d < dims; ++d) {
    const int da = d - (dims - a.dims()), db = d - (dims - b.dims());
    const Index sa = da < 0 ? 1 : a[da], sb = db < 0 ? 1 : b[db];
    if (sa != sb && sa != 1 && sb != 1)
      throw InputError(str("[", op, "] expected shapes that match from the right or are 1, got ", a.text(), " and ", b.text()));
    sizes[static_cast<std::size_t>(d)] = sa == 1 ? sb : sa;
  }
  return Shape(std::span<const Index>(sizes.data(), static_cast<std::size_t>(dims)));
}

int normal_dim(const char* op, Index dim, int dims) {
  const Index normal = dim < 0 ? dim + dims : dim;
  if (normal < 0 || normal >= dims)
    throw InputError(str("[", op, "] expected a dimension of a ", dims, "-dimensional tensor, got ", dim));
  return static_cast<int>(normal);
}

}  // namespace lathe
