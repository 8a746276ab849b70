#include <lathe/autograd/functions.h>
#include <lathe/base/error.h>
#include <lathe/base/text.h>

namespace lathe {
using autograd::Backward;
using autograd::record;

namespace {

ops::AttentionShape attention_shape(Context& context, const AttentionOptions& options) {
  return {options.heads,        options.q_offsets, options.k_offsets,
          options.causal,       options.scale,     context.dropout(options.dropout.p, options.dropout.site),
          context.rows().first, options.max_tokens};
}

}  // namespace

Var attention(const Var& q, const Var& k, const Var& v, const AttentionOptions& options) {
  const ops::AttentionShape shape = attention_shape(q.context(), options);
  ops::AttentionResult r = ops::attention(q.value(), k.value(), v.value(), shape);
  return record("attention", {q, k, v}, r.out, {q.value(), k.value(), v.value(), r.out, r.max, r.inv_sum}, [shape](Backward& b) {
    const Tensor &query = b.saved(0), &key = b.saved(1), &value = b.saved(2);
    const auto like = [&](const Tensor& x) { return Tensor::empty(b.context(), x.shape(), x.dtype()); };
    Tensor dq = like(query), dk = like(key), dv = like(value);
    ops::attention_bwd(query, key, value, shape, {b.saved(3), b.saved(4), b.saved(5)}, b.dy(), dq, dk, dv);
    if (b.wants(0)) b.add(0, std::move(dq));
    if (b.wants(1)) b.add(1, std::move(dk));
    if (b.wants(2)) b.add(2, std::move(dv));
  });
}

Var self_attention(const Var& qkv, const AttentionOptions& options) {
  if (qkv.shape().dims() != 2 || qkv.size(1) % 3 != 0)
    throw InputError(
        str("[self_attention] expected queries, keys and values side by side [tokens, 3·width], got ", qkv.shape().text()));
  const Index width = qkv.size(1) / 3;
  const ops::AttentionShape shape = attention_shape(qkv.context(), options);
  const auto part = [width](const Tensor& x, Index i) { return x.narrow(1, i * width, width); };
  ops::AttentionResult r = ops::attention(part(qkv.value(), 0), part(qkv.value(), 1), part(qkv.value(), 2), shape);
  return record("self_attention", {qkv}, r.out, {qkv.value(), r.out, r.max, r.inv_sum}, [shape, part](Backward& b) {
    const Tensor& x = b.saved(0);
    Tensor dx = Tensor::empty(b.context(), x.shape(), x.dtype());
    Tensor dq = part(dx, 0), dk = part(dx, 1), dv = part(dx, 2);
    ops::attention_bwd(part(x, 0), part(x, 1), part(x, 2), shape, {b.saved(1), b.saved(2), b.saved(3)}, b.dy(), dq, dk, dv);
    b.add(0, std::move(dx));
  });
}

Var rope(const Var& x, const Tensor& positions, Index heads, const ops::RopeTable& table) {
  return record("rope", {x}, ops::rope(x.value(), positions, heads, table), {positions, table.cos, table.sin},
                [heads](Backward& b) {
                  b.add(0, ops::rope(b.dy(), b.saved(0), heads, {b.saved(1), b.saved(2)}, true));
                });
}

}  // namespace lathe
