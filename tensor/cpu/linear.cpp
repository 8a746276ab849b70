// matmul, linear_fwd, linear_bwd_input, linear_bwd_weight and the packing of weights: cutting products into tasks.
#include <lathe/tensor/cpu/kernels.h>
#include <lathe/tensor/cpu/product.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

constexpr Index kColBlock = 256;  // columns of a task

// Tasks of about rows × columns of C; f(i0, i1, j0, j1).
template <class F>
void parallel_blocks(Exec& exec, Index m, Index n, Index rows, Index cols, F f) {
  const Index across = blocks(n, cols);
  parallel(exec, blocks(m, rows) * across, [&](Index task, int) {
    const Index i = task / across * rows, j = task % across * cols;
    f(i, min(m, i + rows), j, min(n, j + cols));
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
  parallel_blocks(exec, a.m, a.n, kRowBlock, kColBlock, [&](Index i0, Index i1, Index j0, Index j1) {
    product(i0, i1, j0, j1, a.k, {a.x, a.ldx, 1}, w, y);
  });
}

void linear_bwd_input(Exec& exec, const LinearBwdInputArgs<float>& a) {
  const float* panels = a.packed ? a.packed : pack_shared(exec, a.n, a.k, a.w, a.ldw, 1);
  const Right w = packed(panels, a.n, a.k);
  Result dx{a.dx, a.ldx};
  dx.multiplier = a.multiplier, dx.ld_multiplier = a.ld_multiplier;
  dx.residual = a.residual, dx.ld_residual = a.ld_residual;
  parallel_blocks(exec, a.m, a.k, kRowBlock, kColBlock, [&](Index i0, Index i1, Index j0, Index j1) {
    product(i0, i1, j0, j1, a.n, {a.dy, a.ldy, 1}, w, dx);
  });
}

void linear_bwd_weight(Exec& exec, const LinearBwdWeightArgs<float>& a) {
  // A weight of 64 × 64 must still give work to several threads; a large one is better off with few copies of x.
  const Index rows = a.n > 768 ? 384 : round_up(max(1, blocks(a.n, 2)), 48);
  const Index down = blocks(a.n, rows), across = blocks(a.k, kPanel);
  parallel(exec, down * across, [&](Index task, int thread) {
    const Index i = task % down * rows, j = task / down * kPanel, cols = min(kPanel, a.k - j);
    float* panel = floats(exec.scratch(thread, bytes(min(a.m, kSegmentRows) * kPanel)));
    for (Index row = 0; row < a.m; row += kSegmentRows) {
      const Index length = min(kSegmentRows, a.m - row);
      pack_panel(length, cols, 0, a.x + row * a.ldx + j, a.ldx, 1, panel);
      product(i, min(a.n, i + rows), 0, cols, length, {a.dy + row * a.ldy, 1, a.ldy}, packed(panel, length, cols),
              {a.dw + j, a.lddw, Onto::kSegment});
    }
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
