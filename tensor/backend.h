// CPU backends: which kernel tables exist in this build and run on this machine, and which one is used.
//
// All of them compute the same bits (numerics v1); they differ in speed alone:
//   spec     the naive kernels that define the numerics
//   scalar   the tuned kernels in plain C++, for any processor
//   avx2     x86-64 with AVX2 and FMA
//   avx512   x86-64 with AVX-512 F, BW, DQ and VL
//   neon     64-bit ARM
#pragma once
#include <lathe/tensor/kernels.h>

#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// The table of that name; null if there is none in this build or this processor or operating system cannot run it.
const Kernels<float>* find_backend(std::string_view name);

/// The fastest table that runs here, or the one that the environment variable LATHE_BACKEND names; InputError if that is
/// unknown or cannot run here. The variable is read once.
const Kernels<float>& best_backend();

/// Names of all tables that run here, fastest first, "spec" last.
std::vector<std::string> available_backends();

}  // namespace lathe
