// The microkernel: one chunk of k on one tile of C, in registers. Included by each file that compiles it for one arithmetic M:
//
//   M::kParts, M::part(v, p)  a step of k takes kParts products an element, of parts 0, 1 … of what A and B hold
//   M::step(x, b, sum)        sum + x · b
//   M::Mode                   set up before the chains and left behind them; both are handed all sums
#pragma once
#include <lathe/tensor/cpu/product.h>

namespace lathe::cpu::LATHE_ISA {

// What one call of the microkernel does: a chunk of k, a tile of C. Bias, multiplier and residual at the tile's first element.
struct Tile {
  Index k;
  const float* a;
  Index a_row, a_col;
  const float* b;
  Index b_row;
  float* c;
  Index c_row;
  Onto onto;
  const float* start = nullptr;
  Index ld_start = 0;
  const float* bias = nullptr;
  const float* multiplier = nullptr;
  Index ld_multiplier = 0;
  const float* residual = nullptr;
  Index ld_residual = 0;
  const float* target[2] = {};  // what will be written after this chunk: C, or the epilogue's results
  Index ld_target = 0;
  const float* next = nullptr;  // what later tiles will read, asked for a line each step of k; null: nothing
};

// Tallest tile for 1, 2, 3, 4 vectors of columns: at least eight chains hide the latency of FMA, and all of them, the vectors of
// B and a broadcast fit the registers (32 of 16 floats, 16 of 8, or 32 of 4) without a spill.
#if LATHE_ISA_ID == LATHE_ISA_ID_avx512
constexpr int kTallest[] = {0, 16, 12, 8, 6};
#elif LATHE_ISA_ID == LATHE_ISA_ID_avx2 || LATHE_ISA_ID == LATHE_ISA_ID_neon
constexpr int kTallest[] = {0, 6};
#else
constexpr int kTallest[] = {0, 2};
#endif
constexpr int kTallestOfAll = 16;

namespace {

template <int kRows, int kVecs, class F>
LATHE_INLINE void each(F f) {
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kVecs; ++j) f(i, j);
}

// The chains of a tile, k ascending. kAhead: B is longer than the first-level cache and has to be asked for ahead of its use.
template <class M, int kRows, int kVecs, bool kAhead>
LATHE_INLINE void chains(const Tile& t, f32x16 (&r)[kRows][kVecs]) {
  const float *a = t.a, *half = t.a + (kRows / 2) * t.a_row, *b = t.b;
  const Index a_row = t.a_row, a_col = t.a_col, b_row = t.b_row, next_step = t.next ? 16 : 0;
  const float* next = t.next ? t.next : t.b;
  for (int row = 0; row < kRows; ++row)  // bring what is written afterwards
    for (int j = 0; j < kVecs; ++j) {
      __builtin_prefetch(t.target[0] + row * t.ld_target + 16 * j, 1, 3);
      __builtin_prefetch(t.target[1] + row * t.ld_target + 16 * j, 1, 3);
    }
#pragma GCC unroll 4
  for (Index k = t.k; k > 0; --k) {
    if (kAhead) {
      for (int j = 0; j < kVecs; ++j) __builtin_prefetch(b + 4 * b_row + 16 * j, 0, 3);
      __builtin_prefetch(next, 0, 2);
      next += next_step;
    }
#pragma GCC unroll 2
    for (int part = 0; part < M::kParts; ++part) {
      f32x16 bv[kVecs];
      for (int j = 0; j < kVecs; ++j) bv[j] = M::part(load(b + 16 * j), part);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const f32x16 x = M::part(f32x16(i < kRows / 2 ? a[i * a_row] : half[(i - kRows / 2) * a_row]), part);
#pragma GCC unroll 4
        for (int j = 0; j < kVecs; ++j) r[i][j] = M::step(x, bv[j], r[i][j]);
      }
    }
    a += a_col;
    half += a_col;
    b += b_row;
    asm("" : "+r"(a), "+r"(half));  // two bases with scaled offsets; a pointer for each row would not fit the registers
  }
}

template <class M, int kRows, int kVecs>
[[gnu::noinline]] void micro(const Tile& t) {
  f32x16 r[kRows][kVecs];
  if (t.start)
    each<kRows, kVecs>([&](int i, int j) { r[i][j] = load(t.start + i * t.ld_start + 16 * j); });
  else
    each<kRows, kVecs>([&](int i, int j) { r[i][j] = f32x16(0.0f); });
  const typename M::Mode mode(&r[0][0], kRows * kVecs);
  if (kVecs == 4 && t.k > 128)
    chains<M, kRows, kVecs, kVecs == 4>(t, r);
  else
    chains<M, kRows, kVecs, false>(t, r);
  mode.leave(&r[0][0], kRows * kVecs);
  if (t.onto == Onto::kOld)
    each<kRows, kVecs>([&](int i, int j) { r[i][j] = load(t.c + i * t.c_row + 16 * j) + r[i][j]; });
  else if (t.onto != Onto::kChain)
    each<kRows, kVecs>([&](int i, int j) { r[i][j] = f32x16(0.0f) + r[i][j]; });
  if (t.onto == Onto::kSegment) each<kRows, kVecs>([&](int i, int j) { r[i][j] = load(t.c + i * t.c_row + 16 * j) + r[i][j]; });
  if (t.bias) each<kRows, kVecs>([&](int i, int j) { r[i][j] = r[i][j] + load(t.bias + 16 * j); });
  if (t.multiplier)
    each<kRows, kVecs>([&](int i, int j) { r[i][j] = r[i][j] * load(t.multiplier + i * t.ld_multiplier + 16 * j); });
  if (t.residual) each<kRows, kVecs>([&](int i, int j) { r[i][j] = r[i][j] + load(t.residual + i * t.ld_residual + 16 * j); });
  each<kRows, kVecs>([&](int i, int j) { store(t.c + i * t.c_row + 16 * j, r[i][j]); });
}

// micro<M, 1 … kTallest[kVecs], kVecs>
template <class M, int kVecs>
struct MicroTable {
  Micro by_rows[kTallestOfAll + 1] = {};
  constexpr MicroTable() { fill<1>(); }
  template <int r>
  constexpr void fill() {
    by_rows[r] = micro<M, r, kVecs>;
    if constexpr (r < kTallest[kVecs]) fill<r + 1>();
  }
};

template <class M>
Micro micro_for(int rows, int vecs) {
  static constexpr MicroTable<M, 1> one;
#if LATHE_ISA_ID == LATHE_ISA_ID_avx512
  static constexpr MicroTable<M, 2> two;
  static constexpr MicroTable<M, 3> three;
  static constexpr MicroTable<M, 4> four;
  if (vecs == 4) return four.by_rows[rows];
  if (vecs == 3) return three.by_rows[rows];
  if (vecs == 2) return two.by_rows[rows];
#endif
  (void)vecs;
  return one.by_rows[rows];
}

}  // namespace
}  // namespace lathe::cpu::LATHE_ISA
