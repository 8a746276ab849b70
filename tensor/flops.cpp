#include <lathe/tensor/flops.h>

namespace lathe {

const char* name_of(OpClass op_class) {
  static constexpr const char* kNames[] = {"linear",      "matmul", "attention", "norm", "softmax",
                                           "elementwise", "reduce", "embedding", "rope", "optimizer"};
  static_assert(sizeof kNames / sizeof *kNames == static_cast<std::size_t>(OpClass::kCount));
  return kNames[static_cast<std::size_t>(op_class)];
}

std::int64_t FlopCounter::total() const {
  std::int64_t sum = 0;
  for (const std::int64_t count : counts_) sum += count;
  return sum;
}

}  // namespace lathe
