// Dropout on one thread: numbers from Philox, sixteen blocks at a time.
#pragma once
#include <lathe/tensor/kernels.h>

namespace lathe::cpu::LATHE_ISA {

/// Drops and scales rows × cols elements of x in place; element (r, c) has the index first + r · stride + c. `also`, if given, is a
/// second matrix that meets the same fate.
void dropout_rows(const Dropout& d, Index rows, Index cols, std::uint64_t first, std::uint64_t stride, float* x, Index ldx,
                  float* also = nullptr, Index ld_also = 0);

}  // namespace lathe::cpu::LATHE_ISA
