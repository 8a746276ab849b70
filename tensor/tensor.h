// Tensor: a value handle on shared memory. Copying a Tensor copies the handle, not the elements.
//
// Views (reshape, transpose, narrow, select) share memory with their source. `const Tensor&` never yields mutable data;
// mutable_data() counts as an edit of the storage, which saved gradients and packed weights notice. Tensors know nothing of
// gradients (see autograd/var.h) and are computed on by tensor/ops.h. Two tensors meet in an operation only if they share a
// Context.
#pragma once
#include <lathe/tensor/context.h>
#include <lathe/tensor/dtype.h>
#include <lathe/tensor/shape.h>
#include <lathe/tensor/storage.h>

#include <memory>
#include <span>
#include <vector>

namespace lathe {

class Tensor {
 public:
  Tensor() = default;  ///< undefined: no memory, no Context; only defined() may be asked

  static Tensor empty(Context& context, const Shape& shape, DType dtype = DType::kF32);  ///< elements not set
  static Tensor zeros(Context& context, const Shape& shape, DType dtype = DType::kF32);
  static Tensor full(Context& context, const Shape& shape, double value, DType dtype = DType::kF32);
  /// Elements in row-major order; as many as the shape has, else InputError. On the meta device only counted.
  static Tensor from(Context& context, std::span<const float> values, const Shape& shape);
  static Tensor from(Context& context, std::span<const double> values, const Shape& shape);
  static Tensor from(Context& context, std::span<const std::int32_t> values, const Shape& shape);
  template <class T>
  static Tensor from(Context& context, const std::vector<T>& values, const Shape& shape) {
    return from(context, std::span<const T>(values), shape);
  }
  template <class T>
  static Tensor from(Context& context, std::initializer_list<T> values, const Shape& shape) {
    return from(context, std::span<const T>(values.begin(), values.size()), shape);
  }
  template <class T>
  static Tensor scalar(Context& context, T value) {
    return from(context, {value}, Shape{});
  }

  bool defined() const { return storage_ != nullptr; }
  Context& context() const { return storage_->context(); }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int dims() const { return shape_.dims(); }
  Index size(Index dim) const { return shape_[normal_dim("size", dim, dims())]; }  ///< negative counts from the end
  Index numel() const { return shape_.numel(); }
  Index stride(int dim) const { return strides_[static_cast<std::size_t>(dim)]; }
  Index offset() const { return offset_; }
  bool is_contiguous() const;  ///< row-major without gaps (dimensions of size 1 do not matter)
  std::uint64_t version() const { return storage_->version(); }
  bool shares_memory(const Tensor& other) const { return defined() && storage_ == other.storage_; }
  bool is_only_handle() const { return storage_.use_count() == 1; }
  Storage& storage() const { return *storage_; }

  /// First element. InputError if T is not the dtype or the device holds no data (meta). Elements lie strides apart.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(read(kDTypeOf<T>));
  }
  template <class T>
  T* mutable_data() {
    return static_cast<T*>(write(kDTypeOf<T>));
  }

  // Views: nothing is copied (reshape copies a tensor whose elements are not in order).
  Tensor reshape(const Shape& shape) const { return reshape_to(shape.sizes()); }
  Tensor reshape(std::initializer_list<Index> sizes) const {  ///< one size may be −1: what is left
    return reshape_to({sizes.begin(), sizes.size()});
  }
  Tensor reshape_to(std::span<const Index> sizes) const;
  Tensor transpose(Index a, Index b) const;                   ///< two dimensions exchanged
  Tensor narrow(Index dim, Index start, Index length) const;  ///< indices start … start + length − 1 of one dimension
  Tensor select(Index dim, Index index) const;                ///< one index of one dimension, which disappears
  Tensor expand(const Shape& shape) const;                    ///< broadcast to a larger shape with strides of 0
  Tensor contiguous() const;                                  ///< itself, or a row-major copy
  Tensor clone() const;                                       ///< always a copy

  Tensor to(DType dtype) const;            ///< converted copy (f64 → f32 rounds to nearest), itself if nothing changes
  Tensor copy_to(Context& context) const;  ///< copy for another Context; to the meta device too, never from it

  /// Edits of the elements this view shows. They bump the version.
  void fill(double value);
  void copy_from(const Tensor& source);  ///< same shape and dtype; same Context

  double item() const;  ///< the element of a one-element tensor
  template <class T>
  std::vector<T> to_vector() const;  ///< row-major, T = the dtype

 private:
  const void* read(DType dtype) const;
  void* write(DType dtype);
  Tensor view(const Shape& shape, const Strides& strides, Index offset) const;

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  Strides strides_{};
  Index offset_ = 0;
  DType dtype_ = DType::kF32;
};

}  // namespace lathe
