// What the kernels share: integer helpers and walking along rows sixteen elements at a time.
#pragma once
#include <lathe/tensor/cpu/vec.h>
#include <lathe/tensor/kernels.h>

namespace lathe::cpu::LATHE_ISA {

constexpr Index min(Index a, Index b) { return a < b ? a : b; }
constexpr Index max(Index a, Index b) { return a > b ? a : b; }
constexpr Index blocks(Index n, Index size) { return (n + size - 1) / size; }
constexpr Index round_up(Index n, Index step) { return blocks(n, step) * step; }

constexpr Index kGrain = 16384;  // elements of one task of an element-wise kernel

LATHE_INLINE float* floats(void* memory) { return static_cast<float*>(memory); }
LATHE_INLINE std::size_t bytes(Index count) { return static_cast<std::size_t>(count) * sizeof(float); }

/// Calls f(i, lanes) for the vectors of n elements: lanes is 16 but for a ragged last one.
template <class F>
LATHE_INLINE void columns(Index n, F f) {
  Index i = 0;
  for (; i + 16 <= n; i += 16) f(i, 16);
  if (i < n) f(i, static_cast<int>(n - i));
}
LATHE_INLINE f32x16 load_lanes(const float* p, int lanes) { return lanes == 16 ? load(p) : load_first(p, lanes); }
LATHE_INLINE void store_lanes(float* p, int lanes, f32x16 v) { lanes == 16 ? store(p, v) : store_first(p, lanes, v); }
/// Lanes without an element as +0, to stay out of sums: no lane sum is -0, so adding +0 changes nothing.
LATHE_INLINE f32x16 only(f32x16 v, int lanes) { return lanes == 16 ? v : first_n(v, lanes, f32x16(0.0f)); }

/// f(i, size) on pieces of n elements, on all threads.
template <class F>
void parallel_pieces(Exec& exec, Index n, Index size, F f) {
  parallel(exec, blocks(n, size), [&](Index task, int) { f(task * size, min(size, n - task * size)); });
}

}  // namespace lathe::cpu::LATHE_ISA
