// One case per kernel: random arguments, one call. The lists name them all, so a kernel without a case does not link.
#pragma once
#include <lathe/tensor/kernels.h>

#include "tests/conformance/draw.h"

namespace lathe::test {

namespace kernel {
#define LATHE_KERNEL(name, Args) \
  struct name {};
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL
}  // namespace kernel

/// Draws arguments and calls the kernel of that name in `table`; all memory it reads or writes comes from `draw`.
#define LATHE_KERNEL(name, Args) void conform(kernel::name, const Kernels<float>& table, Exec& exec, Draw& draw);
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL
void conform(UnaryOp op, const Kernels<float>& table, Exec& exec, Draw& draw);

}  // namespace lathe::test
