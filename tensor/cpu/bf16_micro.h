// Packing and microkernel of bf16 products for one way M to compute them. Included by the file of each. Beside what micro.h asks of
// it:
//
//   M::interleaved(first, second)  lane by lane a pair of bf16(first) and bf16(second)
//   M::adjacent(low, high)         pairs of the 32 elements of low, then high
#pragma once
#include <lathe/tensor/cpu/bf16.h>
#include <lathe/tensor/cpu/micro.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

// The pairs of n ≤ 32 contiguous elements; +0 behind them.
template <class M>
LATHE_INLINE i32x16 pairs_at(const float* p, Index n) {
  if (n >= 32) return M::adjacent(load(p), load(p + 16));
  if (n > 16) return M::adjacent(load(p), load_first(p + 16, static_cast<int>(n - 16)));
  return M::adjacent(load_first(p, static_cast<int>(n)), f32x16(0.0f));
}

template <class M>
void pack_left(Index rows, Index k, const float* x, Index ldx, float* out, Index ld) {
  for (Index i = 0; i < rows; ++i)
    for (Index c = 0; c < k; c += 32) store(out + i * ld + c / 2, from_bits(pairs_at<M>(x + i * ldx + c, k - c)));
}

template <class M>
void pack_columns(Index k, int cols, const float* b, Index b_col, float* out, Index ld) {
  for (Index r = 0; r < k; r += 32) {
    f32x16 t[16];
    for (int c = 0; c < 16; ++c) t[c] = c < cols ? from_bits(pairs_at<M>(b + c * b_col + r, k - r)) : f32x16(0.0f);
    transpose16(t);
    const Index pairs = min(16, pairs_of(k - r));
    for (Index i = 0; i < pairs; ++i) store(out + (r / 2 + i) * ld, t[i]);
  }
  if (k % 2 == 0) return;
  float* last = out + k / 2 * ld;
  store(last, from_bits(bits(load(last)) | i32x16(0x8000)));  // −0 in the low halves
}

template <class M>
void pack_rows(Index k, int cols, const float* b, Index b_row, float* out, Index ld, float fill) {
  for (Index r = 0; r < k; r += 2) {
    const f32x16 first = load_lanes(b + r * b_row, cols);
    const f32x16 second = r + 1 < k ? load_lanes(b + (r + 1) * b_row, cols) : f32x16(fill);
    store(out + r / 2 * ld, from_bits(M::interleaved(first, second)));
  }
}

template <class M>
constexpr Bf16 kBf16 = {{micro_for<M>, kChunk / 2}, pack_left<M>, pack_columns<M>, pack_rows<M>};

}  // namespace
}  // namespace lathe::cpu::LATHE_ISA
