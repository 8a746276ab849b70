// Cases of the matrix products. Sizes visit both sides of 256 (a chunk) and 1024 (a segment).
#include <lathe/base/error.h>
#include <lathe/tensor/spec/spec.h>

#include "tests/conformance/cases.h"

namespace lathe::test {

namespace {

/// A length to sum over.
Index depth(Draw& draw) {
  switch (draw.below(6)) {
    case 0:
      return 255 + draw.below(3);
    case 1:
      return 510 + draw.below(5);
    case 2:
      return draw.size(700);
    default:
      return draw.size(80);
  }
}

/// m·n·k kept small enough for the plain loops of spec.
void sizes(Draw& draw, Index k, Index& m, Index& n) {
  if (k > 500 && draw.one_in(3)) {  // one that is too large for the second-level cache is cut in another order
    m = 40 + draw.below(80);
    n = 256 * 1024 / k - 20 + draw.below(120);
    return;
  }
  const Index area = k > 200 ? 2000 : 9000;
  m = draw.size(draw.one_in(4) ? 300 : 60);
  const Index widest = area / (m > 0 ? m : 1);
  n = draw.size(widest > 300 ? 300 : widest < 1 ? 1 : widest);
}

Epilogue<float> epilogue(Draw& draw, Index m, Index n, Index ldy) {
  Epilogue<float> e;
  if (draw.one_in(2)) e.bias = draw.floats(n);
  if (draw.one_in(2)) {
    e.activation = static_cast<UnaryOp>(draw.below(static_cast<std::uint32_t>(UnaryOp::kCount)));
    if (draw.one_in(2)) e.derivative = draw.floats(m, n, ldy);
  }
  e.dropout = draw.dropout();
  e.row0 = draw.one_in(3) ? draw.size(100000) : 0;
  if (draw.one_in(2)) {
    e.ld_residual = draw.leading(n);
    e.residual = draw.floats(m, n, e.ld_residual);
  }
  return e;
}

/// w in both packed forms of a table; null where it packs nothing.
struct Packed {
  std::vector<float> memory;
  const float *forward = nullptr, *backward = nullptr;
};
Packed pack(const Kernels<float>& table, Exec& exec, Index n, Index k, const float* w, Index ldw) {
  Packed p;
  const Index size = table.packed_weight_size(n, k);
  if (size == 0) return p;
  constexpr std::size_t kGuard = 64;
  p.memory.assign(2 * static_cast<std::size_t>(size) + 3 * kGuard, 12345.0f);
  float* forward = p.memory.data() + kGuard;
  float* backward = forward + size + kGuard;
  table.pack_weight(exec, {n, k, w, ldw, forward, backward});
  const auto intact = [](const float* guard) {
    for (std::size_t i = 0; i < kGuard; ++i)
      if (guard[i] != 12345.0f) return false;
    return true;
  };
  if (!intact(p.memory.data()) || !intact(forward + size) || !intact(backward + size))
    throw InternalError("pack_weight wrote outside of what packed_weight_size announced");
  p.forward = forward;
  p.backward = backward;
  return p;
}

}  // namespace

void conform(kernel::matmul, const Kernels<float>& table, Exec& exec, Draw& draw) {
  MatmulArgs<float> a{};
  a.batch = draw.one_in(2) ? 1 : draw.size(4);
  a.k = depth(draw);
  sizes(draw, a.k, a.m, a.n);
  const auto operand = [&](Index rows, Index cols, Index& row, Index& col, Index& batch) -> const float* {
    const bool transposed = draw.one_in(2), apart = draw.one_in(8);
    const Index inner = transposed ? rows : cols, outer = transposed ? cols : rows, step = apart ? 2 : 1;
    const Index ld = draw.leading(inner * step);
    row = transposed ? step : ld;
    col = transposed ? ld : step;
    batch = draw.one_in(4) ? 0 : outer * ld;
    return draw.floats(a.batch * (outer * ld));
  };
  a.a = operand(a.m, a.k, a.a_row, a.a_col, a.a_batch);
  a.b = operand(a.k, a.n, a.b_row, a.b_col, a.b_batch);
  a.ldc = draw.leading(a.n);
  a.c_batch = a.m * a.ldc;
  a.c = draw.floats(a.batch * a.m, a.n, a.ldc);
  a.accumulate = draw.one_in(2);
  table.matmul(exec, a);
}

void conform(kernel::linear_fwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  LinearFwdArgs<float> a{};
  a.k = depth(draw);
  sizes(draw, a.k, a.m, a.n);
  a.ldx = draw.leading(a.k);
  a.x = draw.floats(a.m, a.k, a.ldx);
  a.ldw = draw.leading(a.k);
  a.w = draw.floats(a.n, a.k, a.ldw);
  a.ldy = draw.leading(a.n);
  a.y = draw.floats(a.m, a.n, a.ldy);
  a.epilogue = epilogue(draw, a.m, a.n, a.ldy);
  Packed packed;
  if (draw.one_in(2)) packed = pack(table, exec, a.n, a.k, a.w, a.ldw);
  a.packed = packed.forward;
  table.linear_fwd(exec, a);
}

void conform(kernel::linear_bwd_input, const Kernels<float>& table, Exec& exec, Draw& draw) {
  LinearBwdInputArgs<float> a{};
  a.n = depth(draw);
  sizes(draw, a.n, a.m, a.k);
  a.ldy = draw.leading(a.n);
  a.dy = draw.floats(a.m, a.n, a.ldy);
  a.ldw = draw.leading(a.k);
  a.w = draw.floats(a.n, a.k, a.ldw);
  if (draw.one_in(2)) {
    a.ld_multiplier = draw.leading(a.k);
    a.multiplier = draw.floats(a.m, a.k, a.ld_multiplier);
  }
  if (draw.one_in(2)) {
    a.ld_residual = draw.leading(a.k);
    a.residual = draw.floats(a.m, a.k, a.ld_residual);
  }
  a.ldx = draw.leading(a.k);
  a.dx = draw.floats(a.m, a.k, a.ldx);
  Packed packed;
  if (draw.one_in(2)) packed = pack(table, exec, a.n, a.k, a.w, a.ldw);
  a.packed = packed.backward;
  table.linear_bwd_input(exec, a);
}

void conform(kernel::linear_bwd_weight, const Kernels<float>& table, Exec& exec, Draw& draw) {
  LinearBwdWeightArgs<float> a{};
  a.m = draw.one_in(4) ? 1020 + draw.below(8) : draw.one_in(8) ? 2040 + draw.size(30) : depth(draw);
  const Index area = a.m > 900 ? 600 : 4000;
  a.n = draw.size(draw.one_in(3) ? 200 : 40);
  const Index widest = area / (a.n > 0 ? a.n : 1);
  a.k = draw.size(widest < 1 ? 1 : widest > 200 ? 200 : widest);
  a.ldy = draw.leading(a.n);
  a.dy = draw.floats(a.m, a.n, a.ldy);
  a.ldx = draw.leading(a.k);
  a.x = draw.floats(a.m, a.k, a.ldx);
  a.lddw = draw.leading(a.k);
  a.dw = draw.floats(a.n, a.k, a.lddw);
  a.from_zero = draw.one_in(2);
  a.range = draw.range();
  if (!a.range.whole()) {
    a.chain = draw.floats(a.n, a.k, a.lddw);
    a.segment = draw.floats(a.n, a.k, a.lddw);
  }
  table.linear_bwd_weight(exec, a);
  // What is closed may hold anything.
  const Index end = a.range.first + a.m;
  const auto forget = [&](float* state) {
    for (Index o = 0; state && o < a.n; ++o)
      for (Index j = 0; j < a.k; ++j) state[o * a.lddw + j] = 0;
  };
  if (a.from_zero && !a.range.last && end < 256) forget(a.dw);  // no sum yet
  if (a.range.last || end % 256 == 0) forget(a.chain);
  if (a.range.last || end % 1024 < 256 || (a.from_zero && end < 1024)) forget(a.segment);
}

// A packed layout is the backend's own: what must hold is that the products do not change, on one weight and on both forms.
void conform(kernel::pack_weight, const Kernels<float>& table, Exec& exec, Draw& draw) {
  const Index n = draw.size(150), k = draw.size(150), m = 1 + draw.below(5), ldw = draw.leading(k);
  const float *w = draw.floats(n, k, ldw), *x = draw.floats(m * k), *dy = draw.floats(m * n);
  const Packed packed = pack(table, exec, n, k, w, ldw);
  LinearFwdArgs<float> fwd{};
  fwd.m = m, fwd.n = n, fwd.k = k, fwd.x = x, fwd.ldx = k, fwd.w = w, fwd.ldw = ldw;
  fwd.packed = packed.forward, fwd.y = draw.floats(m * n), fwd.ldy = n;
  table.linear_fwd(exec, fwd);
  LinearBwdInputArgs<float> bwd{};
  bwd.m = m, bwd.n = n, bwd.k = k, bwd.dy = dy, bwd.ldy = n, bwd.w = w, bwd.ldw = ldw;
  bwd.packed = packed.backward, bwd.dx = draw.floats(m * k), bwd.ldx = k;
  table.linear_bwd_input(exec, bwd);
}

}  // namespace lathe::test
