// Cutting the products of linear layers into tasks, for any arithmetic (Arithmetic in product.h).
#pragma once
#include <lathe/tensor/cpu/product.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

constexpr Index kColBlock = 256;  // columns of a task, at most

// Tasks of some rows × columns of C = A · B[k, n]; f(i0, i1, j0, j1, thread). A small B stays in the second-level cache, and tasks
// of the same rows follow each other; a large one comes there once, a part of this size at a time, and tasks of the same columns
// do.
template <class F>
void parallel_blocks(Exec& exec, Index m, Index n, Index k, F f) {
  constexpr Index kPart = 256 * 1024;  // elements
  const bool large = n * k > kPart;
  const Index cols = large ? min(kColBlock, max(kPanel, kPart / k / kPanel * kPanel)) : kColBlock;
  const Index down = blocks(m, kRowBlock), across = blocks(n, cols);
  parallel(exec, down * across, [&](Index task, int thread) {
    const Index i = (large ? task % down : task / across) * kRowBlock, j = (large ? task / down : task % across) * cols;
    f(i, min(m, i + kRowBlock), j, min(n, j + cols), thread);
  });
}

/// Where linear_fwd and linear_bwd_input put their products, and what becomes of them there.
Result result_of(const LinearFwdArgs<float>& a) {
  Result y{a.y, a.ldy};
  y.n = a.n;
  const Epilogue<float>& e = a.epilogue;
  if (e.activation == UnaryOp::kNone && e.dropout.threshold == 0)
    y.bias = e.bias, y.residual = e.residual, y.ld_residual = e.ld_residual;
  else
    y.epilogue = &e;
  return y;
}

Result result_of(const LinearBwdInputArgs<float>& a) {
  Result dx{a.dx, a.ldx};
  dx.multiplier = a.multiplier, dx.ld_multiplier = a.ld_multiplier;
  dx.residual = a.residual, dx.ld_residual = a.ld_residual;
  return dx;
}

constexpr Index kGroup = 48, kLeft = kGroup + 16;  // columns of dy copied at a time, and the leading dimension of the copy

// A block of a weight gradient: rows [i0, i1), columns [j0, j1). Add::add(block, row, k, to) computes the product over k rows from
// row `row` of the group on, none of which leave their chunk.
template <class Add>
struct WeightBlock {
  const LinearBwdWeightArgs<float>& a;
  Index i0, i1, j0, j1;
  float *panels, *left, *sums;  // scratch

  Index rows() const { return i1 - i0; }
  Index cols() const { return j1 - j0; }
  float* at(float* matrix) const { return matrix ? matrix + i0 * a.lddw + j0 : nullptr; }

  // to = (to, or +0) + x.
  void fold(const float* x, Index ldx, float* to, bool from_zero = false) const {
    for (Index i = 0; i < rows(); ++i)
      columns(cols(), [&](Index c, int lanes) {
        float* p = to + i * a.lddw + c;
        store_lanes(p, lanes, (from_zero ? f32x16(0.0f) : load_lanes(p, lanes)) + load_lanes(x + i * ldx + c, lanes));
      });
  }

  // What is left to do without rows: dw starts as +0, or the batch ends at a cut.
  void run_empty() const {
    const Index first = a.range.first;
    if (first == 0 && a.from_zero)
      for (Index i = 0; i < rows(); ++i) __builtin_memset(at(a.dw) + i * a.lddw, 0, bytes(cols()));
    if (!a.range.last) return;
    const bool stands_in_dw = a.from_zero && first < kSegmentRows;
    float* sum = stands_in_dw ? at(a.dw) : at(a.segment);
    if (first % kChunk != 0) fold(at(a.chain), a.lddw, sum, first % kSegmentRows < kChunk);
    if (first % kSegmentRows != 0 && !stands_in_dw) fold(sum, a.lddw, at(a.dw));
  }

  void run() const {
    const Index first = a.range.first, end = first + a.m;
    for (Index row = first; row < end;) {
      const Index chunk = row / kChunk * kChunk, segment = row / kSegmentRows * kSegmentRows, stop = min(end, chunk + kChunk);
      const bool closes = stop == chunk + kChunk || (a.range.last && stop == end);
      const bool ends_segment = closes && (stop == segment + kSegmentRows || (a.range.last && stop == end));
      const bool stands_in_dw = a.from_zero && segment == 0;
      // The sum of the segment so far is kept by the caller if a cut divides the segment.
      const bool cut = segment < first || (!a.range.last && segment + kSegmentRows > end);
      Result sum = stands_in_dw ? Result{at(a.dw), a.lddw}
                   : cut        ? Result{at(a.segment), a.lddw}
                                : Result{sums, round_up(cols(), 16)};
      sum.onto = chunk == segment ? Onto::kZero : Onto::kOld;
      const bool only_chunk = ends_segment && chunk == segment && !stands_in_dw;
      Result to = !closes ? Result{at(a.chain), a.lddw, Onto::kChain} : only_chunk ? Result{at(a.dw), a.lddw, Onto::kSegment} : sum;
      if (row != chunk) to.start = at(a.chain), to.ld_start = a.lddw;
      Add::add(*this, row - first, stop - row, to);
      if (ends_segment && !only_chunk && !stands_in_dw) fold(sum.c, sum.ld, at(a.dw));
      row = stop;
    }
    if (a.m == 0) run_empty();
  }
};

// linear_bwd_weight.
template <class Add>
void weight_gradient(Exec& exec, const LinearBwdWeightArgs<float>& a) {
  // A weight of 64 × 64 must still give work to several threads; a large one is better off with few copies of x.
  const Index rows = a.n >= 768 ? 384 : max(6, round_up(blocks(a.n, 2), a.n >= 96 ? 48 : 6)),
              cols = min(kColBlock, round_up(a.k, 16));
  const Index size = kChunk * cols + rows * cols + kChunk * kLeft;
  const Index across = blocks(a.k, kColBlock);
  parallel(exec, blocks(a.n, rows) * across, [&](Index task, int thread) {
    const Index i = task / across * rows, j = task % across * kColBlock;
    float* panels = floats(exec.scratch(thread, bytes(size)));
    float *left = panels + kChunk * cols, *sums = left + kChunk * kLeft;
    WeightBlock<Add>{a, i, min(a.n, i + rows), j, min(a.k, j + kColBlock), panels, left, sums}.run();
  });
}

}  // namespace
}  // namespace lathe::cpu::LATHE_ISA
