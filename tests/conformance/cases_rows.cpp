// Cases of normalisation, softmax, cross entropy, attention and rotary positions.
#include <lathe/tensor/spec/spec.h>

#include "tests/conformance/cases.h"

namespace lathe::test {

void conform(kernel::norm_fwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  NormFwdArgs<float> a{};
  a.kind = draw.one_in(2) ? NormKind::kLayer : NormKind::kRms;
  a.rows = draw.size(140);
  a.n = draw.size_from_one(200);
  a.ldx = draw.leading(a.n);
  a.x = draw.floats(a.rows, a.n, a.ldx);
  a.gamma = draw.floats(a.n);
  a.beta = a.kind == NormKind::kLayer ? draw.floats(a.n) : nullptr;
  a.eps = 1e-5f;
  a.ldy = draw.leading(a.n);
  a.y = draw.floats(a.rows, a.n, a.ldy);
  a.mean = a.kind == NormKind::kLayer ? draw.floats(a.rows) : nullptr;
  a.rstd = draw.floats(a.rows);
  table.norm_fwd(exec, a);
}

void conform(kernel::norm_bwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  NormBwdArgs<float> a{};
  a.kind = draw.one_in(2) ? NormKind::kLayer : NormKind::kRms;
  a.rows = draw.size(200);
  a.n = draw.size_from_one(150);
  a.ldy = draw.leading(a.n);
  a.dy = draw.floats(a.rows, a.n, a.ldy);
  a.ldx = draw.leading(a.n);
  a.x = draw.floats(a.rows, a.n, a.ldx);
  a.gamma = draw.floats(a.n);
  a.mean = a.kind == NormKind::kLayer ? draw.floats(a.rows) : nullptr;
  a.rstd = draw.floats(a.rows);
  if (draw.one_in(2)) {
    a.ld_residual = draw.leading(a.n);
    a.residual = draw.floats(a.rows, a.n, a.ld_residual);
  }
  a.lddx = draw.leading(a.n);
  a.dx = draw.floats(a.rows, a.n, a.lddx);
  a.dgamma = draw.one_in(4) ? nullptr : draw.floats(a.n);
  a.dbeta = a.kind == NormKind::kRms || draw.one_in(4) ? nullptr : draw.floats(a.n);
  a.range = draw.range();
  if (!a.range.whole()) {
    a.open_gamma = draw.floats(a.n);
    a.open_beta = draw.floats(a.n);
  }
  table.norm_bwd(exec, a);
}

void conform(kernel::softmax_fwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  SoftmaxFwdArgs<float> a{};
  a.rows = draw.size(30);
  a.n = draw.size(300);
  float* x = draw.floats(a.rows * a.n);
  a.x = x;
  a.y = draw.one_in(2) ? x : draw.floats(a.rows * a.n);
  table.softmax_fwd(exec, a);
}

void conform(kernel::softmax_bwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  SoftmaxBwdArgs<float> a{};
  a.rows = draw.size(30);
  a.n = draw.size(300);
  a.y = draw.floats(a.rows * a.n);
  a.dy = draw.floats(a.rows * a.n);
  a.dx = draw.floats(a.rows * a.n);
  table.softmax_bwd(exec, a);
}

namespace {

/// Targets of which some are to be skipped, sometimes all.
std::int32_t* targets(Draw& draw, Index rows, Index n) {
  std::int32_t* target = draw.integers(rows, static_cast<std::uint32_t>(n));
  const std::uint32_t skipped = draw.one_in(8) ? 1 : draw.one_in(2) ? 3 : 1000000;
  for (Index r = 0; r < rows; ++r)
    if (draw.one_in(skipped)) target[r] = kIgnoreLabel;
  return target;
}

}  // namespace

void conform(kernel::cross_entropy_fwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  CrossEntropyFwdArgs<float> a{};
  a.rows = draw.size(200);
  a.n = draw.size_from_one(200);
  a.logits = draw.floats(a.rows * a.n);
  a.target = targets(draw, a.rows, a.n);
  a.losses = draw.floats(a.rows);
  a.max = draw.floats(a.rows);
  a.inv_sum = draw.floats(a.rows);
  a.loss = draw.floats(1);
  a.count = draw.one_in(2) ? 0 : draw.size(500);
  table.cross_entropy_fwd(exec, a);
}

void conform(kernel::cross_entropy_bwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  CrossEntropyBwdArgs<float> a{};
  a.rows = draw.size(100);
  a.n = draw.size_from_one(200);
  a.logits = draw.floats(a.rows * a.n);
  a.target = targets(draw, a.rows, a.n);
  a.max = draw.floats(a.rows);
  a.inv_sum = draw.floats(a.rows);
  a.dloss = draw.value(draw.kind());
  a.dlogits = draw.floats(a.rows * a.n);
  a.count = draw.one_in(2) ? 0 : draw.size(500);
  table.cross_entropy_bwd(exec, a);
}

void conform(kernel::rope, const Kernels<float>& table, Exec& exec, Draw& draw) {
  RopeArgs<float> a{};
  a.rows = draw.size(50);
  a.heads = draw.size(5);
  a.head_dim = 2 * draw.size_from_one(40);
  const Index longest = draw.size_from_one(60), width = a.heads * a.head_dim;
  a.positions = draw.integers(a.rows, static_cast<std::uint32_t>(longest));
  a.cos = draw.floats(longest * a.head_dim / 2);
  a.sin = draw.floats(longest * a.head_dim / 2);
  a.inverse = draw.one_in(2);
  a.ldx = draw.leading(width);
  float* x = draw.floats(a.rows, width, a.ldx);
  a.x = x;
  const bool in_place = draw.one_in(2);
  a.ldy = in_place ? a.ldx : draw.leading(width);
  a.y = in_place ? x : draw.floats(a.rows, width, a.ldy);
  table.rope(exec, a);
}

namespace {

AttentionFwdArgs<float> attention(Draw& draw) {
  AttentionFwdArgs<float> a{};
  a.sequences = draw.size(4);
  a.heads = draw.size(3);
  a.head_dim = draw.size_from_one(draw.one_in(8) ? 130 : 40);
  const Index longest = draw.one_in(8) ? 300 : draw.one_in(2) ? 70 : 20;
  a.q_offsets = draw.offsets(a.sequences, longest);
  a.k_offsets = draw.one_in(2) ? a.q_offsets : draw.offsets(a.sequences, longest);
  const Index queries = a.q_offsets[a.sequences], keys = a.k_offsets[a.sequences], width = a.heads * a.head_dim;
  a.ldq = draw.leading(width);
  a.ldk = draw.leading(width);
  a.ldv = draw.leading(width);
  a.q = draw.floats(queries, width, a.ldq);
  a.k = draw.floats(keys, width, a.ldk);
  a.v = draw.floats(keys, width, a.ldv);
  a.scale = draw.uniform(0.05f, 1);
  a.causal = draw.one_in(2);
  a.dropout = draw.dropout();
  a.row0 = draw.one_in(3) ? draw.size(100000) : 0;
  a.max_tokens = longest + draw.below(5);
  a.ldo = draw.leading(width);
  a.out = draw.floats(queries, width, a.ldo);
  a.max = draw.floats(queries * a.heads);
  a.inv_sum = draw.floats(queries * a.heads);
  return a;
}

}  // namespace

void conform(kernel::attention_fwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  table.attention_fwd(exec, attention(draw));
}

void conform(kernel::attention_bwd, const Kernels<float>& table, Exec& exec, Draw& draw) {
  AttentionBwdArgs<float> a{attention(draw), nullptr, 0, nullptr, nullptr, nullptr, 0, 0, 0};
  spec_f32().attention_fwd(exec, a.fwd);
  const AttentionFwdArgs<float>& f = a.fwd;
  const Index queries = f.q_offsets[f.sequences], keys = f.k_offsets[f.sequences], width = f.heads * f.head_dim;
  a.lddo = draw.leading(width);
  a.lddq = draw.leading(width);
  a.lddk = draw.leading(width);
  a.lddv = draw.leading(width);
  a.dout = draw.floats(queries, width, a.lddo);
  a.dq = draw.floats(queries, width, a.lddq);
  a.dk = draw.floats(keys, width, a.lddk);
  a.dv = draw.floats(keys, width, a.lddv);
  table.attention_bwd(exec, a);
}

}  // namespace lathe::test
