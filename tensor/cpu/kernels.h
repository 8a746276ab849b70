// The kernels of one instruction set, by their names in kernels.def.
#pragma once
#include <lathe/tensor/kernels.h>

namespace lathe::cpu::LATHE_ISA {

#define LATHE_KERNEL(kernel, Args) void kernel(Exec&, const Args<float>&);
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL
#define LATHE_UNARY(name, Functor, saves, flops, onnx) void unary_##name(Exec&, const UnaryArgs<float>&);
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
Index packed_weight_size(Index n, Index k);

}  // namespace lathe::cpu::LATHE_ISA
