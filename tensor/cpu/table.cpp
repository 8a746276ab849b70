// The table of one instruction set.
#include <lathe/tensor/cpu/kernels.h>

#define LATHE_QUOTE(name) #name
#define LATHE_NAME(name) LATHE_QUOTE(name)

namespace lathe::cpu::LATHE_ISA {

const Kernels<float>& table();

const Kernels<float>& table() {
  static constexpr Kernels<float> kTable = {
      LATHE_NAME(LATHE_ISA),
      {
#define LATHE_UNARY(name, Functor, saves, flops, onnx) unary_##name,
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
      },
      packed_weight_size,
#define LATHE_KERNEL(kernel, Args) kernel,
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL
  };
  return kTable;
}

}  // namespace lathe::cpu::LATHE_ISA
