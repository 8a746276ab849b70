// Sums: along rows (Σ16), down columns (Σrows), means over sequences, sums of squares.
#include <lathe/tensor/cpu/common.h>
#include <lathe/tensor/cpu/kernels.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

constexpr Index kBlock = 64;    // rows of a chain of Σrows
constexpr Index kColumns = 64;  // of a task

// Columns of x[rows, ld], lanes of them: start + Σrows.
LATHE_INLINE f32x16 sum_rows(Index rows, const float* x, Index ld, int lanes, f32x16 start) {
  for (Index b = 0; b < rows; b += kBlock) {
    f32x16 s(0.0f);
    const Index end = min(rows, b + kBlock);
    for (Index r = b; r < end; ++r) s = s + load_lanes(x + r * ld, lanes);
    start = start + s;
  }
  return start;
}

// The same for four vectors of columns at once: four chains hide the latency of the additions.
LATHE_INLINE void sum_rows4(Index rows, const float* x, Index ld, f32x16* start) {
  for (Index b = 0; b < rows; b += kBlock) {
    f32x16 s[4] = {f32x16(0.0f), f32x16(0.0f), f32x16(0.0f), f32x16(0.0f)};
    const Index end = min(rows, b + kBlock);
    for (Index r = b; r < end; ++r)
      for (int v = 0; v < 4; ++v) s[v] = s[v] + load(x + r * ld + 16 * v);
    for (int v = 0; v < 4; ++v) start[v] = start[v] + s[v];
  }
}

// y[0 … cols) = start + Σrows, start = y or +0.
void sum_columns(Index rows, Index cols, const float* x, Index ld, bool accumulate, float* y) {
  Index c = 0;
  for (; c + 64 <= cols; c += 64) {
    f32x16 s[4];
    for (int v = 0; v < 4; ++v) s[v] = accumulate ? load(y + c + 16 * v) : f32x16(0.0f);
    sum_rows4(rows, x + c, ld, s);
    for (int v = 0; v < 4; ++v) store(y + c + 16 * v, s[v]);
  }
  columns(cols - c, [&](Index d, int lanes) {
    const f32x16 start = accumulate ? load_lanes(y + c + d, lanes) : f32x16(0.0f);
    store_lanes(y + c + d, lanes, sum_rows(rows, x + c + d, ld, lanes, start));
  });
}

}  // namespace

void reduce_sum(Exec& exec, const ReduceSumArgs<float>& a) {
  if (a.inner == 1) {
    parallel_pieces(exec, a.outer, max(1, kGrain / max(1, a.n)), [&](Index row, Index rows) {
      for (Index r = row; r < row + rows; ++r) {
        f32x16 s(0.0f);
        columns(a.n, [&](Index c, int lanes) { s = s + load_lanes(a.x + r * a.n + c, lanes); });
        a.y[r] = a.accumulate ? a.y[r] + sum(s) : sum(s);
      }
    });
    return;
  }
  const Index across = blocks(a.inner, kColumns);
  parallel(exec, a.outer * across, [&](Index task, int) {
    const Index o = task / across, c = task % across * kColumns;
    sum_columns(a.n, min(kColumns, a.inner - c), a.x + o * a.n * a.inner + c, a.inner, a.accumulate, a.y + o * a.inner + c);
  });
}

void mean_pool_fwd(Exec& exec, const MeanPoolFwdArgs<float>& a) {
  parallel(exec, a.sequences, [&](Index s, int) {
    const Index first = a.offsets[s], length = a.offsets[s + 1] - first;
    float* y = a.y + s * a.n;
    if (length == 0) {
      __builtin_memset(y, 0, bytes(a.n));
      return;
    }
    sum_columns(length, a.n, a.x + first * a.ldx, a.ldx, false, y);
    const f32x16 divisor(static_cast<float>(length));
    columns(a.n, [&](Index c, int lanes) { store_lanes(y + c, lanes, load_lanes(y + c, lanes) / divisor); });
  });
}

void mean_pool_bwd(Exec& exec, const MeanPoolBwdArgs<float>& a) {
  parallel(exec, a.sequences, [&](Index s, int) {
    const Index first = a.offsets[s], end = a.offsets[s + 1];
    const f32x16 divisor(static_cast<float>(end - first));
    columns(a.n, [&](Index c, int lanes) {
      const f32x16 share = load_lanes(a.dy + s * a.n + c, lanes) / divisor;
      for (Index r = first; r < end; ++r) store_lanes(a.dx + r * a.lddx + c, lanes, share);
    });
  });
}

void sum_squares(Exec& exec, const SumSquaresArgs<float>& a) {
  constexpr Index kPiece = 4096;
  const Index pieces = blocks(a.n, kPiece);
  float* sums = floats(exec.shared_scratch(bytes(pieces)));
  parallel_pieces(exec, a.n, kPiece, [&](Index i, Index size) {
    f32x16 s(0.0f);
    columns(size, [&](Index c, int lanes) {
      const f32x16 v = load_lanes(a.x + i + c, lanes);
      s = fma(v, v, s);
    });
    sums[i / kPiece] = sum(s);
  });
  for (Index piece = 0; piece < pieces; ++piece) *a.sum += static_cast<double>(sums[piece]);
}

}  // namespace lathe::cpu::LATHE_ISA
