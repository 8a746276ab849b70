// Shapes: up to six sizes held in place, so that making one never allocates.
#pragma once
#include <lathe/tensor/kernels.h>

#include <array>
#include <initializer_list>
#include <span>
#include <string>

namespace lathe {

/// Sizes of a tensor, outermost first. Zero dimensions = a scalar (one element). Sizes may be 0.
class Shape {
 public:
  static constexpr int kMaxDims = 6;

  Shape() = default;
  Shape(std::initializer_list<Index> sizes) : Shape(std::span<const Index>(sizes.begin(), sizes.size())) {}
  explicit Shape(std::span<const Index> sizes);  ///< InputError: more than six dimensions, negative or absurd sizes

  int dims() const { return dims_; }
  Index operator[](int dim) const { return sizes_[static_cast<std::size_t>(dim)]; }
  Index numel() const;  ///< product of the sizes; 1 for a scalar
  std::span<const Index> sizes() const { return {sizes_.data(), static_cast<std::size_t>(dims_)}; }
  Shape with(int dim, Index size) const;      ///< one size changed
  Shape without(int dim) const;               ///< one dimension dropped
  Shape inserted(int dim, Index size) const;  ///< one dimension more, before `dim`
  std::string text() const;                   ///< "[3, 4]"

  bool operator==(const Shape& other) const;

 private:
  std::array<Index, kMaxDims> sizes_{};
  int dims_ = 0;
};

/// Elements from one index to the next, per dimension; 0 repeats.
using Strides = std::array<Index, Shape::kMaxDims>;

Strides contiguous_strides(const Shape& shape);

/// Shape of a ∘ b by the usual rule: sizes are matched from the right, 1 stretches. InputError naming `op` if they do not fit.
Shape broadcast_shape(const char* op, const Shape& a, const Shape& b);

/// Dimension counted from the end if negative; InputError naming `op` if outside.
int normal_dim(const char* op, Index dim, int dims);

}  // namespace lathe
