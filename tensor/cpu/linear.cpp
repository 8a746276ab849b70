// matmul, linear_fwd, linear_bwd_input, linear_bwd_weight and the packing of weights: cutting products into tasks.
#include <lathe/tensor/cpu/kernels.h>
#include <lathe/tensor/cpu/product.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

constexpr Index kColBlock = 256;  // columns of a task, at most

// Tasks of some rows × columns of C = A · B[k, n]; f(i0, i1, j0, j1). A small B stays in the second-level cache, and tasks of the
// same rows follow each other; a large one comes there once, a part of this size at a time, and tasks of the same columns do.
template <class F>
void parallel_blocks(Exec& exec, Index m, Index n, Index k, F f) {
  constexpr Index kPart = 256 * 1024;  // elements
  const bool large = n * k > kPart;
  const Index cols = large ? min(kColBlock, max(kPanel, kPart / k / kPanel * kPanel)) : kColBlock;
  const Index down = blocks(m, kRowBlock), across = blocks(n, cols);
  parallel(exec, down * across, [&](Index task, int) {
    const Index i = (large ? task % down : task / across) * kRowBlock, j = (large ? task / down : task % across) * cols;
    f(i, min(m, i + kRowBlock), j, min(n, j + cols));
  });
}

// All panels of B[k, n] in memory that every task can read.
const float* pack_shared(Exec& exec, Index k, Index n, const float* b, Index b_row, Index b_col) {
  float* panels = floats(exec.shared_scratch(bytes(packed_size(k, n))));
  parallel(exec, blocks(n, kPanel), [&](Index panel, int) { pack_panel(k, n, panel * kPanel, b, b_row, b_col, panels); });
  return panels;
}

}  // namespace

Index packed_weight_size(Index n, Index k) { return max(packed_size(k, n), packed_size(n, k)); }

void pack_weight(Exec& exec, const PackWeightArgs<float>& a) {
  const Index forward = blocks(a.n, kPanel), backward = blocks(a.k, kPanel);
  parallel(exec, forward + backward, [&](Index panel, int) {
    if (panel < forward)
      pack_panel(a.k, a.n, panel * kPanel, a.w, 1, a.ldw, a.forward);
    else
      pack_panel(a.n, a.k, (panel - forward) * kPanel, a.w, a.ldw, 1, a.backward);
  });
}

void linear_fwd(Exec& exec, const LinearFwdArgs<float>& a) {
  const float* panels = a.packed ? a.packed : pack_shared(exec, a.k, a.n, a.w, 1, a.ldw);
  const Right w = packed(panels, a.k, a.n);
  Result y{a.y, a.ldy};
  y.n = a.n;
  const Epilogue<float>& e = a.epilogue;
  if (e.activation == UnaryOp::kNone && e.dropout.threshold == 0)
    y.bias = e.bias, y.residual = e.residual, y.ld_residual = e.ld_residual;
  else
    y.epilogue = &e;
  parallel_blocks(exec, a.m, a.n, a.k, [&](Index i0, Index i1, Index j0, Index j1) {
    product(i0, i1, j0, j1, a.k, {a.x, a.ldx, 1}, w, y);
  });
}

void linear_bwd_input(Exec& exec, const LinearBwdInputArgs<float>& a) {
  const float* panels = a.packed ? a.packed : pack_shared(exec, a.n, a.k, a.w, a.ldw, 1);
  const Right w = packed(panels, a.n, a.k);
  Result dx{a.dx, a.ldx};
  dx.multiplier = a.multiplier, dx.ld_multiplier = a.ld_multiplier;
  dx.residual = a.residual, dx.ld_residual = a.ld_residual;
  parallel_blocks(exec, a.m, a.k, a.n, [&](Index i0, Index i1, Index j0, Index j1) {
    product(i0, i1, j0, j1, a.n, {a.dy, a.ldy, 1}, w, dx);
  });
}

namespace {

// Elements of a weight from which copying pays: measured; narrow tiles lean on the caches more.
constexpr Index kCopiesFrom = kPanelVecs > 1 ? 192 * 1024 : 32 * 1024;

constexpr Index kGroup = 48, kLeft = kGroup + 16;  // columns of dy copied at a time, and the leading dimension of the copy

// k rows of a matrix, copied to a leading dimension that spreads them over all cache sets.
void copy_rows(Index k, Index cols, const float* x, Index ldx, float* out, Index ld) {
  for (Index r = 0; r < k; ++r)
    columns(cols, [&](Index c, int lanes) { store(out + r * ld + c, load_lanes(x + r * ldx + c, lanes)); });
}

// k rows of a matrix as panels.
void copy_panels(Index k, Index cols, const float* x, Index ldx, float* panels) {
  for (Index r = 0; r < k; ++r)
    for (Index j = 0; j < cols; j += kPanel) {
      const Index n = min(kPanel, cols - j);
      float* out = panels + j * k + r * round_up(n, 16);
      columns(n, [&](Index c, int lanes) { store(out + c, load_lanes(x + r * ldx + j + c, lanes)); });
    }
}

// A block of a weight gradient: rows [i0, i1), columns [j0, j1).
struct WeightBlock {
  const LinearBwdWeightArgs<float>& a;
  Index i0, i1, j0, j1;
  float *panels, *left, *sums;  // scratch

  Index rows() const { return i1 - i0; }
  Index cols() const { return j1 - j0; }
  float* at(float* matrix) const { return matrix ? matrix + i0 * a.lddw + j0 : nullptr; }

  // The product over k rows from row `row` on. Both operands are read down their columns, rows far apart: of a large weight they
  // are copied first, so that the microkernel reads straight lines whatever the leading dimensions.
  void add(Index row, Index k, const Result& to) const {
    const float *x = a.x + row * a.ldx + j0, *dy = a.dy + row * a.ldy + i0;
    if (a.n * a.k < kCopiesFrom) return product(0, rows(), 0, cols(), k, {dy, 1, a.ldy}, in_place(x, a.ldx, k, cols(), panels), to);
    copy_panels(k, cols(), x, a.ldx, panels);
    for (Index i = 0; i < rows(); i += kGroup) {
      const Index group = min(kGroup, rows() - i);
      Result part = to;
      part.c += i * to.ld;
      if (to.start) part.start += i * to.ld_start;
      copy_rows(k, group, dy + i, a.ldy, left, kLeft);
      product(0, group, 0, cols(), k, {left, 1, kLeft}, packed(panels, k, cols()), part);
    }
  }

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
      add(row - first, stop - row, to);
      if (ends_segment && !only_chunk && !stands_in_dw) fold(sum.c, sum.ld, at(a.dw));
      row = stop;
    }
    if (a.m == 0) run_empty();
  }
};

}  // namespace

void linear_bwd_weight(Exec& exec, const LinearBwdWeightArgs<float>& a) {
  // A weight of 64 × 64 must still give work to several threads; a large one is better off with few copies of x.
  const Index rows = a.n >= 768 ? 384 : max(6, round_up(blocks(a.n, 2), a.n >= 96 ? 48 : 6)),
              cols = min(kColBlock, round_up(a.k, 16));
  const Index size = kChunk * cols + rows * cols + kChunk * kLeft;
  const Index across = blocks(a.k, kColBlock);
  parallel(exec, blocks(a.n, rows) * across, [&](Index task, int thread) {
    const Index i = task / across * rows, j = task % across * kColBlock;
    float* panels = floats(exec.scratch(thread, bytes(size)));
    float *left = panels + kChunk * cols, *sums = left + kChunk * kLeft;
    WeightBlock{a, i, min(a.n, i + rows), j, min(a.k, j + kColBlock), panels, left, sums}.run();
  });
}

void matmul(Exec& exec, const MatmulArgs<float>& a) {
  constexpr Index kRows = 384;  // a panel is packed anew for that many rows
  const Index down = blocks(a.m, kRows), across = blocks(a.n, kPanel);
  parallel(exec, a.batch * down * across, [&](Index task, int thread) {
    const Index batch = task / (down * across), i = task % down * kRows, j = task / down % across * kPanel;
    const Index cols = min(kPanel, a.n - j);
    float* panel = floats(exec.scratch(thread, bytes(a.k * kPanel)));
    pack_panel(a.k, cols, 0, a.b + batch * a.b_batch + j * a.b_col, a.b_row, a.b_col, panel);
    product(i, min(a.m, i + kRows), 0, cols, a.k, {a.a + batch * a.a_batch, a.a_row, a.a_col}, packed(panel, a.k, cols),
            {a.c + batch * a.c_batch + j, a.ldc, a.accumulate ? Onto::kOld : Onto::kZero});
  });
}

}  // namespace lathe::cpu::LATHE_ISA
