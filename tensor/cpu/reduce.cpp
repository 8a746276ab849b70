// Sums: along rows (Σ16), down columns (Σrows), means over sequences, sums of squares.
#include <lathe/tensor/cpu/common.h>
#include <lathe/tensor/cpu/kernels.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

constexpr Index kBlock = 64;    // rows of a chain of Σrows
constexpr Index kColumns = 64;  // of a task

// Where rows lie in their batch, and the place of the block that a cut leaves open, for the first of the columns.
struct Cut {
  RowRange range;
  float* open = nullptr;
};

// total += Σrows over kVecs vectors of columns of x[rows, ld]; of a single vector only `lanes`.
template <int kVecs>
LATHE_INLINE void sum_rows_onto(Index rows, const float* x, Index ld, int lanes, const Cut& cut, f32x16 (&total)[kVecs]) {
  Index at = cut.range.first % kBlock;  // rows of the block that were seen
  f32x16 s[kVecs];
  for (int v = 0; v < kVecs; ++v) s[v] = at != 0 ? load_lanes(cut.open + 16 * v, lanes) : f32x16(0.0f);
  for (Index row = 0; row < rows;) {
    const Index end = min(rows, row + kBlock - at);
    at += end - row;
    for (; row < end; ++row)
      for (int v = 0; v < kVecs; ++v) s[v] = s[v] + load_lanes(x + row * ld + 16 * v, lanes);
    if (at < kBlock) break;
    at = 0;
    for (int v = 0; v < kVecs; ++v) {
      total[v] = total[v] + s[v];
      s[v] = f32x16(0.0f);
    }
  }
  if (at == 0) return;
  for (int v = 0; v < kVecs; ++v) {
    if (cut.range.last)
      total[v] = total[v] + s[v];
    else
      store_lanes(cut.open + 16 * v, lanes, s[v]);
  }
}

// y[0 … cols) = start + Σrows, start = y or +0. Four vectors at once where there are: four chains hide the latency of additions.
void sum_columns(Index rows, Index cols, const float* x, Index ld, bool accumulate, float* y, Cut cut = {}) {
  const auto from = [&](Index c) { return Cut{cut.range, cut.open ? cut.open + c : nullptr}; };
  Index c = 0;
  for (; c + 64 <= cols; c += 64) {
    f32x16 s[4];
    for (int v = 0; v < 4; ++v) s[v] = accumulate ? load(y + c + 16 * v) : f32x16(0.0f);
    sum_rows_onto(rows, x + c, ld, 16, from(c), s);
    for (int v = 0; v < 4; ++v) store(y + c + 16 * v, s[v]);
  }
  columns(cols - c, [&](Index d, int lanes) {
    f32x16 s[1] = {accumulate ? load_lanes(y + c + d, lanes) : f32x16(0.0f)};
    sum_rows_onto(rows, x + c + d, ld, lanes, from(c + d), s);
    store_lanes(y + c + d, lanes, s[0]);
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

void sum_rows(Exec& exec, const SumRowsArgs<float>& a) {
  parallel(exec, blocks(a.n, kColumns), [&](Index task, int) {
    const Index c = task * kColumns;
    sum_columns(a.rows, min(kColumns, a.n - c), a.x + c, a.ldx, true, a.y + c, {a.range, a.open ? a.open + c : nullptr});
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
  if (a.rows && a.width % 16 == 0) {  // whole vectors of +0 change no lane, pieces of +0 no sum
    f32x16 s(0.0f);
    Index piece = 0;
    for (Index i = 0; i < a.row_count; ++i)
      for (Index at = a.rows[i] * a.width; at < (a.rows[i] + 1) * a.width; at += 16) {
        if (at / kPiece != piece) {
          *a.sum += static_cast<double>(sum(s));
          s = f32x16(0.0f);
          piece = at / kPiece;
        }
        const f32x16 v = load(a.x + at);
        s = fma(v, v, s);
      }
    *a.sum += static_cast<double>(sum(s));
    return;
  }
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
