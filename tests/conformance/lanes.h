// vec.h and base/math_f32.h of one instruction set, behind functions that any code may call.
#pragma once
#include <cstddef>

namespace lathe::test {

enum class Function { kExp, kLog, kTanh, kErf };

/// One instruction set's view: compiled from lanes.cpp.
struct Lanes {
  const char* backend;
  /// y[i] = f(x[i]); n is a multiple of 16.
  void (*evaluate)(Function f, const float* x, float* y, std::size_t n);
  /// Checks of the vector type itself; what failed, or "".
  const char* (*check_vector_type)();
};

extern const Lanes kScalarLanes;
#if defined(__x86_64__)
extern const Lanes kAvx2Lanes, kAvx512Lanes;
#elif defined(__aarch64__)
extern const Lanes kNeonLanes;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
extern const Lanes kFloatLanes;  ///< one float at a time, as spec computes, for a processor with FMA
#endif

}  // namespace lathe::test
