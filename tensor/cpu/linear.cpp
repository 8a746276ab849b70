// matmul, linear_fwd, linear_bwd_input, linear_bwd_weight and the packing of weights: cutting products into tasks.
#include <lathe/tensor/cpu/kernels.h>
#include <lathe/tensor/cpu/linear.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

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
  const Result y = result_of(a);
  parallel_blocks(exec, a.m, a.n, a.k, [&](Index i0, Index i1, Index j0, Index j1, int) {
    product(i0, i1, j0, j1, a.k, {a.x, a.ldx, 1}, w, y);
  });
}

void linear_bwd_input(Exec& exec, const LinearBwdInputArgs<float>& a) {
  const float* panels = a.packed ? a.packed : pack_shared(exec, a.n, a.k, a.w, a.ldw, 1);
  const Right w = packed(panels, a.n, a.k);
  const Result dx = result_of(a);
  parallel_blocks(exec, a.m, a.k, a.n, [&](Index i0, Index i1, Index j0, Index j1, int) {
    product(i0, i1, j0, j1, a.n, {a.dy, a.ldy, 1}, w, dx);
  });
}

namespace {

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

// Elements of a weight from which copying pays: measured; narrow tiles lean on the caches more.
constexpr Index kCopiesFrom = kPanelVecs > 1 ? 192 * 1024 : 32 * 1024;

struct Copied {
  // The product over k rows from row `row` on. Both operands are read down their columns, rows far apart: of a large weight they
  // are copied first, so that the microkernel reads straight lines whatever the leading dimensions.
  template <class Block>
  static void add(const Block& block, Index row, Index k, const Result& to) {
    const LinearBwdWeightArgs<float>& a = block.a;
    const Index rows = block.rows(), cols = block.cols();
    const float *x = a.x + row * a.ldx + block.j0, *dy = a.dy + row * a.ldy + block.i0;
    if (a.n * a.k < kCopiesFrom) return product(0, rows, 0, cols, k, {dy, 1, a.ldy}, in_place(x, a.ldx, k, cols, block.panels), to);
    copy_panels(k, cols, x, a.ldx, block.panels);
    for (Index i = 0; i < rows; i += kGroup) {
      const Index group = min(kGroup, rows - i);
      Result part = to;
      part.c += i * to.ld;
      if (to.start) part.start += i * to.ld_start;
      copy_rows(k, group, dy + i, a.ldy, block.left, kLeft);
      product(0, group, 0, cols, k, {block.left, 1, kLeft}, packed(block.panels, k, cols), part);
    }
  }
};

}  // namespace

void linear_bwd_weight(Exec& exec, const LinearBwdWeightArgs<float>& a) { weight_gradient<Copied>(exec, a); }

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
