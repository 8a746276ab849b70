#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nn/distillation.h>
#include <lathe/tensor/ops.h>

namespace lathe::nn {
namespace {

template <class T>
double soft_cross_entropy_sum(const Tensor& logits, const Tensor& target) {
  const Index rows = logits.shape()[0], n = logits.shape()[1];
  const T *z = logits.data<T>(), *t = target.data<T>();
  double total = 0;
  for (Index r = 0; r < rows; ++r, z += n, t += n) {
    double max = static_cast<double>(z[0]), sum = 0;
    for (Index c = 1; c < n; ++c) max = static_cast<double>(z[c]) > max ? static_cast<double>(z[c]) : max;
    for (Index c = 0; c < n; ++c) sum += math::exp(static_cast<double>(z[c]) - max);
    const double log_sum = max + math::log(sum);
    for (Index c = 0; c < n; ++c) total += static_cast<double>(t[c]) * (log_sum - static_cast<double>(z[c]));
  }
  return total;
}

}  // namespace

Var soft_cross_entropy(const Var& logits, const Tensor& target, Index count) {
  const Shape& shape = logits.shape();
  if (shape.dims() != 2 || shape[1] < 1 || target.shape() != shape || target.dtype() != logits.dtype())
    throw InputError(str("[soft_cross_entropy] expected logits [rows, V] and a target of the same shape and dtype, got ",
                         shape.text(), " and ", target.shape().text()));
  Context& context = logits.context();
  const double divisor = static_cast<double>(count > 0 ? count : shape[0]);
  double value = 0;
  if (context.computes()) {
    const Tensor z = logits.value().contiguous(), t = target.contiguous();
    value = (z.dtype() == DType::kF32 ? soft_cross_entropy_sum<float>(z, t) : soft_cross_entropy_sum<double>(z, t)) / divisor;
  }
  return autograd::record("soft_cross_entropy", {logits}, Tensor::full(context, {}, value, logits.dtype()),
                          {logits.value(), target}, [divisor](autograd::Backward& b) {
                            const Tensor difference = ops::binary(BinaryOp::kSub, ops::softmax(b.saved(0)), b.saved(1));
                            b.add(0, ops::binary(BinaryOp::kMul, ops::scale(difference, 1 / divisor), b.dy()));
                          });
}

}  // namespace lathe::nn
