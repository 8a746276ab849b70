// The products of the overlay bf16: those of linear.cpp on packed pairs. A weight is packed once a step as there, in half the
// memory; the other operand is rounded by each task for its rows.
#include <lathe/tensor/cpu/bf16.h>
#include <lathe/tensor/cpu/linear.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

using Way = const Bf16& (*)();

// Columns [j, j + kPanel) of B[k, n] as one panel of pairs.
void pack_pairs(const Bf16& way, Index k, Index n, Index j, const float* b, Index b_row, Index b_col, float* panels) {
  const Index cols = min(kPanel, n - j), width = round_up(cols, 16);
  float* out = panels + j * pairs_of(k);
  for (Index v = 0; v < cols; v += 16) {
    const int c = static_cast<int>(min(16, cols - v));
    const float* from = b + (j + v) * b_col;
    if (b_col == 1) {
      way.pack_rows(k, c, from, b_row, out + v, width, -0.0f);
    } else if (b_row == 1) {
      way.pack_columns(k, c, from, b_col, out + v, width);
    } else {
      for (Index r = 0; r < k; r += 2) {
        float pair[32] = {};
        for (int i = 0; i < 2 && r + i < k; ++i)
          for (int col = 0; col < c; ++col) pair[16 * i + col] = from[(r + i) * b_row + col * b_col];
        way.pack_rows(min(2, k - r), 16, pair, 16, out + r / 2 * width + v, width, -0.0f);
      }
    }
  }
}

template <Way kWay>
const float* pack_shared(Exec& exec, Index k, Index n, const float* b, Index b_row, Index b_col) {
  float* panels = floats(exec.shared_scratch(bytes(packed_size(pairs_of(k), n))));
  parallel(exec, blocks(n, kPanel), [&](Index panel, int) { pack_pairs(kWay(), k, n, panel * kPanel, b, b_row, b_col, panels); });
  return panels;
}

Index packed_size_of_pairs(Index n, Index k) { return max(packed_size(pairs_of(k), n), packed_size(pairs_of(n), k)); }

template <Way kWay>
void pack_pairs_of_weight(Exec& exec, const PackWeightArgs<float>& a) {
  const Index forward = blocks(a.n, kPanel), backward = blocks(a.k, kPanel);
  parallel(exec, forward + backward, [&](Index panel, int) {
    if (panel < forward)
      pack_pairs(kWay(), a.k, a.n, panel * kPanel, a.w, 1, a.ldw, a.forward);
    else
      pack_pairs(kWay(), a.n, a.k, (panel - forward) * kPanel, a.w, a.ldw, 1, a.backward);
  });
}

// Rows that are not a multiple of a page apart, so that those of a tile do not fight for the same lines of the cache.
constexpr Index left_ld(Index pairs) { return round_up(pairs, 16) + 16; }

// C[m, n] = A[m, k] · B, rows of A contiguous.
template <Way kWay>
void row_product(Exec& exec, Index m, Index n, Index k, const float* x, Index ldx, const float* panels, const Result& to) {
  const Index pairs = pairs_of(k), ld = left_ld(pairs);
  const Right w = packed(panels, pairs, n);
  parallel_blocks(exec, m, n, pairs, [&](Index i0, Index i1, Index j0, Index j1, int thread) {
    float* left = floats(exec.scratch(thread, bytes((i1 - i0) * ld)));
    kWay().pack_left(i1 - i0, k, x + i0 * ldx, ldx, left, ld);
    product(i0, i1, j0, j1, pairs, {left, ld, 1, i0}, w, to, kWay().arithmetic);
  });
}

template <Way kWay>
void linear_fwd_of_pairs(Exec& exec, const LinearFwdArgs<float>& a) {
  const float* panels = a.packed ? a.packed : pack_shared<kWay>(exec, a.k, a.n, a.w, 1, a.ldw);
  row_product<kWay>(exec, a.m, a.n, a.k, a.x, a.ldx, panels, result_of(a));
}

template <Way kWay>
void linear_bwd_input_of_pairs(Exec& exec, const LinearBwdInputArgs<float>& a) {
  const float* panels = a.packed ? a.packed : pack_shared<kWay>(exec, a.n, a.k, a.w, a.ldw, 1);
  row_product<kWay>(exec, a.m, a.k, a.n, a.dy, a.ldy, panels, result_of(a));
}

// Pairs of consecutive rows of dy and x, whichever those are: the chain ascends all the same.
template <Way kWay>
struct Pairs {
  template <class Block>
  static void add(const Block& block, Index row, Index k, const Result& to) {
    const LinearBwdWeightArgs<float>& a = block.a;
    const float *x = a.x + row * a.ldx + block.j0, *dy = a.dy + row * a.ldy + block.i0;
    const Index pairs = pairs_of(k);
    for (Index j = 0; j < block.cols(); j += kPanel) pack_pairs(kWay(), k, block.cols(), j, x, a.ldx, 1, block.panels);
    const Right right = packed(block.panels, pairs, block.cols());
    for (Index i = 0; i < block.rows(); i += kGroup) {
      const Index group = min(kGroup, block.rows() - i);
      for (Index v = 0; v < group; v += 16)
        kWay().pack_rows(k, static_cast<int>(min(16, group - v)), dy + i + v, a.ldy, block.left + v, kLeft, 0.0f);
      Result part = to;
      part.c += i * to.ld;
      if (to.start) part.start += i * to.ld_start;
      product(0, group, 0, block.cols(), pairs, {block.left, 1, kLeft}, right, part, kWay().arithmetic);
    }
  }
};

template <Way kWay>
void matmul_of_pairs(Exec& exec, const MatmulArgs<float>& a) {
  constexpr Index kRows = 96;
  const Index pairs = pairs_of(a.k), ld = left_ld(pairs), down = blocks(a.m, kRows), across = blocks(a.n, kPanel);
  parallel(exec, a.batch * down * across, [&](Index task, int thread) {
    const Index batch = task / (down * across), i0 = task % down * kRows, i1 = min(a.m, i0 + kRows),
                j = task / down % across * kPanel;
    const Index cols = min(kPanel, a.n - j);
    float* left = floats(exec.scratch(thread, bytes(kRows * ld + pairs * kPanel + a.k + 32)));
    float *panel = left + kRows * ld, *row = panel + pairs * kPanel;
    pack_pairs(kWay(), a.k, cols, 0, a.b + batch * a.b_batch + j * a.b_col, a.b_row, a.b_col, panel);
    for (Index i = i0; i < i1; ++i) {
      const float* from = a.a + batch * a.a_batch + i * a.a_row;
      if (a.a_col != 1) {
        for (Index c = 0; c < a.k; ++c) row[c] = from[c * a.a_col];
        from = row;
      }
      kWay().pack_left(1, a.k, from, 0, left + (i - i0) * ld, ld);
    }
    product(i0, i1, 0, cols, pairs, {left, ld, 1, i0}, packed(panel, pairs, cols),
            {a.c + batch * a.c_batch + j, a.ldc, a.accumulate ? Onto::kOld : Onto::kZero}, kWay().arithmetic);
  });
}

template <Way kWay>
constexpr ProductKernels kProducts = {packed_size_of_pairs,         pack_pairs_of_weight<kWay>,
                                      linear_fwd_of_pairs<kWay>,    linear_bwd_input_of_pairs<kWay>,
                                      weight_gradient<Pairs<kWay>>, matmul_of_pairs<kWay>};

}  // namespace

const ProductKernels& bf16_products() { return kProducts<bf16_emulated>; }
#if LATHE_ISA_ID == LATHE_ISA_ID_avx512
const ProductKernels& bf16_instruction_products() { return kProducts<bf16_instruction>; }
#endif

}  // namespace lathe::cpu::LATHE_ISA
