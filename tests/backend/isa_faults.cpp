// One of each thing that isa_symbols.cmake must refuse. Never linked.
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace lathe::shared {
template <class T>
[[gnu::noinline]] T twice(T x) {  // weak: another file's copy might replace it, or this one another's
  return x + x;
}
}  // namespace lathe::shared

namespace lathe::cpu::LATHE_ISA {

float of_library(float x) { return __builtin_expf(x); }
float weak(float x) { return shared::twice(x); }
#if defined(__x86_64__)
float estimate(float x) { return _mm_cvtss_f32(_mm_rsqrt_ss(_mm_set_ss(x))); }
#elif defined(__aarch64__)
float estimate(float x) { return vget_lane_f32(vrsqrte_f32(vdup_n_f32(x)), 0); }
#endif

}  // namespace lathe::cpu::LATHE_ISA
