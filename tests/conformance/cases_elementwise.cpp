// Cases of the kernels that work element by element, move data or sum.
#include "tests/conformance/cases.h"

namespace lathe::test {

void conform(UnaryOp op, const Kernels<float>& table, Exec& exec, Draw& draw) {
  UnaryArgs<float> a{};
  a.n = draw.one_in(6) ? 16384 + draw.size(20000) : draw.size(400);
  float* x = draw.floats(a.n, draw.one_in(2) ? Values::kWild : draw.kind());
  a.x = x;
  const std::uint32_t place = draw.below(4);
  a.y = place == 0 ? x : draw.floats(a.n);
  a.d = place == 1 ? x : place == 2 ? nullptr : draw.floats(a.n);
  table.unary[static_cast<int>(op)](exec, a);
}

namespace {

/// A shape of up to 6 dimensions and about `largest` elements.
Index shape(Draw& draw, int& dims, Index* sizes, Index largest) {
  dims = static_cast<int>(draw.below(7));
  Index total = 1;
  for (int d = 0; d < dims; ++d) {
    sizes[d] = draw.one_in(3) ? 1 : draw.size_from_one(total > 0 && largest / total > 1 ? largest / total : 1);
    if (draw.one_in(60)) sizes[d] = 0;
    total *= sizes[d];
  }
  return total;
}

/// Strides of one operand: its dimensions in random order with gaps, some repeated (0). Returns the extent in elements.
Index strides(Draw& draw, int dims, const Index* sizes, Index* stride, bool repeats) {
  int order[6] = {0, 1, 2, 3, 4, 5};
  if (draw.one_in(2))
    for (int d = dims - 1; d > 0; --d) {
      const int e = static_cast<int>(draw.below(static_cast<std::uint32_t>(d + 1))), held = order[d];
      order[d] = order[e];
      order[e] = held;
    }
  Index next = 1, extent = 1;
  for (int k = dims - 1; k >= 0; --k) {
    const int d = order[k];
    if (repeats && draw.one_in(4)) {
      stride[d] = 0;
      continue;
    }
    stride[d] = next;
    extent += (sizes[d] > 0 ? sizes[d] - 1 : 0) * next;
    next = (next * (sizes[d] > 0 ? sizes[d] : 1)) + (draw.one_in(6) ? draw.below(5) : 0);
  }
  return extent;
}

bool contiguous(int dims, const Index* sizes, const Index* stride) {
  Index next = 1;
  for (int d = dims - 1; d >= 0; --d) {
    if (stride[d] != next) return false;
    next *= sizes[d];
  }
  return true;
}

}  // namespace

void conform(kernel::binary, const Kernels<float>& table, Exec& exec, Draw& draw) {
  BinaryArgs<float> a{};
  a.op = static_cast<BinaryOp>(draw.below(static_cast<std::uint32_t>(BinaryOp::kCount)));
  const Index total = shape(draw, a.dims, a.shape, draw.one_in(5) ? 40000 : 800);
  float* x = draw.floats(strides(draw, a.dims, a.shape, a.a_stride, true));
  a.b = draw.floats(strides(draw, a.dims, a.shape, a.b_stride, true));
  a.a = x;
  a.y = draw.one_in(3) && contiguous(a.dims, a.shape, a.a_stride) ? x : draw.floats(total);
  table.binary(exec, a);
}

void conform(kernel::copy, const Kernels<float>& table, Exec& exec, Draw& draw) {
  CopyArgs<float> a{};
  const Index total = shape(draw, a.dims, a.shape, draw.one_in(5) ? 40000 : 800);
  a.x = draw.floats(strides(draw, a.dims, a.shape, a.x_stride, true));
  a.y = draw.floats(total);
  table.copy(exec, a);
}

void conform(kernel::scale, const Kernels<float>& table, Exec& exec, Draw& draw) {
  ScaleArgs<float> a{};
  a.n = draw.one_in(6) ? 30000 : draw.size(400);
  float* x = draw.floats(a.n);
  a.x = x;
  a.alpha = draw.value(draw.kind());
  a.y = draw.one_in(2) ? x : draw.floats(a.n);
  table.scale(exec, a);
}

void conform(kernel::reduce_sum, const Kernels<float>& table, Exec& exec, Draw& draw) {
  ReduceSumArgs<float> a{};
  a.outer = draw.size(8);
  a.n = draw.size(300);
  a.inner = draw.one_in(2) ? 1 : draw.size(80);
  a.x = draw.floats(a.outer * a.n * a.inner);
  a.y = draw.floats(a.outer * a.inner);
  a.accumulate = draw.one_in(2);
  table.reduce_sum(exec, a);
}

void conform(kernel::sum_rows, const Kernels<float>& table, Exec& exec, Draw& draw) {
  SumRowsArgs<float> a{};
  a.rows = draw.size(300);
  a.n = draw.size(200);
  a.ldx = draw.leading(a.n);
  a.x = draw.floats(a.rows, a.n, a.ldx);
  a.y = draw.floats(a.n);
  a.range = draw.range();
  if (!a.range.whole()) a.open = draw.floats(a.n);
  table.sum_rows(exec, a);
}

void conform(kernel::dropout, const Kernels<float>& table, Exec& exec, Draw& draw) {
  DropoutArgs<float> a{};
  a.rows = draw.size(40);
  a.n = draw.one_in(10) ? draw.size(5000) : draw.size(200);
  // Far rows reach element indices beyond 32 bits of blocks.
  a.row0 = draw.one_in(4) ? (Index{1} << 40) + draw.size(1000) : draw.size(1000);
  float* x = draw.floats(a.rows * a.n);
  a.x = x;
  a.y = draw.one_in(2) ? x : draw.floats(a.rows * a.n);
  a.dropout = draw.dropout();
  table.dropout(exec, a);
}

void conform(kernel::embedding_fwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  EmbeddingFwdArgs<float> a{};
  a.rows = draw.size(100);
  a.n = draw.size(200);
  const Index rows_of_table = draw.size_from_one(50);
  a.ids = draw.integers(a.rows, static_cast<std::uint32_t>(rows_of_table));
  a.table = draw.floats(rows_of_table * a.n);
  a.ldy = draw.leading(a.n);
  a.y = draw.floats(a.rows, a.n, a.ldy);
  a.accumulate = draw.one_in(2);
  table.embedding_fwd(exec, a);
}

void conform(kernel::embedding_bwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  EmbeddingBwdArgs<float> a{};
  a.rows = draw.size(300);
  a.n = draw.size(200);
  a.table_rows = draw.size_from_one(draw.one_in(3) ? 3 : 100);
  a.ids = draw.integers(a.rows, static_cast<std::uint32_t>(a.table_rows));
  a.ldy = draw.leading(a.n);
  a.dy = draw.floats(a.rows, a.n, a.ldy);
  a.dtable = draw.floats(a.table_rows * a.n);
  table.embedding_bwd(exec, a);
}

void conform(kernel::mean_pool_fwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  MeanPoolFwdArgs<float> a{};
  a.sequences = draw.size(6);
  a.n = draw.size(100);
  a.offsets = draw.offsets(a.sequences, 150);
  a.ldx = draw.leading(a.n);
  a.x = draw.floats(a.offsets[a.sequences], a.n, a.ldx);
  a.y = draw.floats(a.sequences * a.n);
  table.mean_pool_fwd(exec, a);
}

void conform(kernel::mean_pool_bwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  MeanPoolBwdArgs<float> a{};
  a.sequences = draw.size(6);
  a.n = draw.size(100);
  a.offsets = draw.offsets(a.sequences, 60);
  a.dy = draw.floats(a.sequences * a.n);
  a.lddx = draw.leading(a.n);
  a.dx = draw.floats(a.offsets[a.sequences], a.n, a.lddx);
  table.mean_pool_bwd(exec, a);
}

void conform(kernel::adamw, const Kernels<float>& table, Exec& exec, Draw& draw) {
  AdamwArgs<float> a{};
  a.n = draw.one_in(5) ? draw.size(40000) : draw.size(300);
  a.p = draw.floats(a.n);
  a.m = draw.floats(a.n);
  a.v = draw.floats(a.n);
  a.g = draw.floats(a.n);
  // A second moment is never negative; some are so small that they must become 0.
  for (Index i = 0; i < a.n; ++i) {
    a.v[i] = a.v[i] < 0 ? -a.v[i] : a.v[i];
    if (draw.one_in(16)) a.v[i] = a.v[i] * 1e-37f;
  }
  a.beta1 = 0.9f;
  a.one_minus_beta1 = 0.1f;
  a.beta2 = 0.999f;
  a.one_minus_beta2 = 0.001f;
  a.decay = draw.one_in(2) ? 0 : draw.uniform(0, 0.01f);
  a.step = draw.uniform(0, 0.1f);
  a.c2 = draw.uniform(1, 1000);
  a.eps = 1e-8f;
  a.grad_scale = draw.one_in(2) ? 1 : draw.uniform(0, 1);
  table.adamw(exec, a);
}

void conform(kernel::adamw_rows, const Kernels<float>& table, Exec& exec, Draw& draw) {
  AdamwRowsArgs<float> a{};
  const Index table_rows = draw.size(60);
  a.n = draw.size(150);
  a.to = draw.size_from_one(6);
  std::vector<AdamwStep<float>> steps;
  const float decay = draw.one_in(2) ? 0 : draw.uniform(0, 0.01f);
  for (Index s = 0; s < a.to; ++s) steps.push_back({draw.one_in(5) ? 0 : decay, draw.uniform(0, 0.1f), draw.uniform(1, 1000)});
  a.steps = steps.data();
  std::vector<std::int32_t> rows, from;
  for (Index row = 0; row < table_rows; ++row) {
    if (draw.one_in(3)) continue;
    rows.push_back(static_cast<std::int32_t>(row));
    from.push_back(static_cast<std::int32_t>(draw.below(static_cast<std::uint32_t>(a.to))));
  }
  a.count = static_cast<Index>(rows.size());
  a.rows = rows.data();
  a.from = from.data();
  a.p = draw.floats(table_rows * a.n);
  a.m = draw.floats(table_rows * a.n);
  a.v = draw.floats(table_rows * a.n);
  a.g = draw.one_in(3) ? nullptr : draw.floats(table_rows * a.n);
  a.cold = draw.one_in(2);
  for (Index i = 0; i < table_rows * a.n; ++i) {
    a.v[i] = a.v[i] < 0 ? -a.v[i] : a.v[i];
    if (draw.one_in(16)) a.v[i] = a.v[i] * 1e-37f;
    if (a.cold) a.m[i] = a.v[i] = 0;
  }
  a.beta1 = 0.9f;
  a.one_minus_beta1 = 0.1f;
  a.beta2 = 0.999f;
  a.one_minus_beta2 = 0.001f;
  a.eps = 1e-8f;
  a.grad_scale = draw.one_in(2) ? 1 : draw.uniform(0, 1);
  table.adamw_rows(exec, a);
}

void conform(kernel::sgd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  SgdArgs<float> a{};
  a.n = draw.one_in(5) ? draw.size(40000) : draw.size(300);
  a.p = draw.floats(a.n);
  a.u = draw.one_in(3) ? nullptr : draw.floats(a.n);
  a.g = draw.floats(a.n);
  a.momentum = draw.uniform(0, 1);
  a.decay = draw.one_in(2) ? 0 : draw.uniform(0, 0.01f);
  a.lr = draw.uniform(0, 1);
  a.grad_scale = draw.one_in(2) ? 1 : draw.uniform(0, 1);
  table.sgd(exec, a);
}

void conform(kernel::sum_squares, const Kernels<float>& table, Exec& exec, Draw& draw) {
  SumSquaresArgs<float> a{};
  a.sum = draw.real(draw.uniform(0, 10));
  std::vector<std::int32_t> rows;
  if (draw.one_in(2)) {
    a.n = draw.one_in(2) ? draw.size(40000) : draw.size(300);
    a.x = draw.floats(a.n);
  } else {
    const Index table_rows = draw.size(200);
    a.width = draw.one_in(2) ? 16 * draw.size_from_one(20) : draw.size_from_one(200);
    a.n = table_rows * a.width;
    float* x = draw.floats(a.n);
    for (Index row = 0; row < table_rows; ++row) {
      if (draw.one_in(3))
        rows.push_back(static_cast<std::int32_t>(row));
      else
        for (Index c = 0; c < a.width; ++c) x[row * a.width + c] = 0;
    }
    a.x = x;
    a.rows = rows.data();
    a.row_count = static_cast<Index>(rows.size());
  }
  table.sum_squares(exec, a);
}

}  // namespace lathe::test
