#include <lathe/base/math.h>
#include <lathe/tensor/ops.h>
#include <lathe/tensor/ops_detail.h>

#include <algorithm>

namespace lathe::ops {
using namespace detail;

std::int64_t visible_pairs(const Offsets& q_offsets, const Offsets& k_offsets, bool causal) {
  std::int64_t pairs = 0;
  for (Index s = 0; s < q_offsets.sequences(); ++s) {
    const Index queries = q_offsets.length(s), keys = k_offsets.length(s);
    if (!causal) {
      pairs += queries * keys;
    } else {
      // The last query sees all keys, each one before it one key less, none less than no key.
      const Index seeing = std::min(queries, keys);
      pairs += seeing * keys - seeing * (seeing - 1) / 2;
    }
  }
  return pairs;
}

namespace {

struct Checked {
  Index head_dim;
  Rows q, k, v;
  double scale;
  std::int64_t pairs;
};

Checked check_attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& shape) {
  const char* op = "attention";
  expect_operands(op, q, k, v);
  expect_defined(op, k);
  expect_defined(op, v);
  expect_dims(op, "queries", q, 2);
  expect_dims(op, "keys", k, 2);
  const Index width = q.shape()[1];
  if (shape.heads < 1 || width % shape.heads != 0)
    throw InputError(
        str("[", op, "] expected a number of heads that divides the ", width, " columns of the queries, got ", shape.heads));
  expect_shape(op, "queries", q, {shape.q_offsets.tokens(), width});
  expect_shape(op, "keys", k, {shape.k_offsets.tokens(), width});
  expect_shape(op, "values", v, k.shape());
  if (shape.q_offsets.sequences() != shape.k_offsets.sequences())
    throw InputError(str("[", op, "] expected as many sequences of queries as of keys, got ", shape.q_offsets.sequences(), " and ",
                         shape.k_offsets.sequences()));
  if (shape.max_tokens != 0 && shape.max_tokens < shape.k_offsets.max_length())
    throw InputError(
        str("[", op, "] expected at most ", shape.max_tokens, " tokens in a sequence, got ", shape.k_offsets.max_length()));
  const Index head_dim = width / shape.heads;
  // 1 / sqrt(d) in f64, rounded once to the element type.
  const double scale = shape.scale != 0 ? shape.scale : 1.0 / math::sqrt(static_cast<double>(std::max<Index>(head_dim, 1)));
  return {head_dim, as_rows(q), as_rows(k), as_rows(v), scale, visible_pairs(shape.q_offsets, shape.k_offsets, shape.causal)};
}

template <class T>
AttentionFwdArgs<T> forward_args(const AttentionShape& shape, const Checked& c, T* out, Index ldo, T* max, T* inv_sum) {
  return {shape.q_offsets.sequences(),
          shape.heads,
          c.head_dim,
          shape.q_offsets.data(),
          shape.k_offsets.data(),
          in<T>(c.q.tensor),
          in<T>(c.k.tensor),
          in<T>(c.v.tensor),
          c.q.ld,
          c.k.ld,
          c.v.ld,
          static_cast<T>(c.scale),
          shape.causal,
          shape.dropout,
          shape.first_row,
          shape.max_tokens != 0 ? shape.max_tokens : shape.k_offsets.max_length(),
          out,
          ldo,
          max,
          inv_sum};
}

}  // namespace

AttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& shape) {
  const Checked c = check_attention(q, k, v, shape);
  AttentionResult result;
  result.out = Tensor::empty(q.context(), q.shape(), q.dtype());
  result.max = Tensor::empty(q.context(), {q.shape()[0], shape.heads}, q.dtype());
  result.inv_sum = Tensor::empty(q.context(), {q.shape()[0], shape.heads}, q.dtype());
  count(q, OpClass::kAttention, c.pairs * shape.heads * (4 * c.head_dim + 6));
  compute("attention", q, [&]<class T>(const Kernels<T>& kernels) {
    kernels.attention_fwd(q.context().exec(),
                          forward_args<T>(shape, c, out<T>(result.out), q.shape()[1], out<T>(result.max), out<T>(result.inv_sum)));
  });
  return result;
}

void attention_bwd(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& shape, const AttentionResult& forward,
                   const Tensor& dout, Tensor& dq, Tensor& dk, Tensor& dv) {
  const Checked c = check_attention(q, k, v, shape);
  expect_operands("attention", q, dout, dq, dk, dv);
  expect_shape("attention", "a cotangent", dout, q.shape());
  const Rows cotangent = as_rows(dout), to_q = as_rows(dq), to_k = as_rows(dk), to_v = as_rows(dv);
  LATHE_CHECK(to_q.tensor.shares_memory(dq) && to_k.tensor.shares_memory(dk) && to_v.tensor.shares_memory(dv),
              "gradients of attention have contiguous rows");
  count(q, OpClass::kAttention, c.pairs * shape.heads * (10 * c.head_dim + 10));
  compute("attention", q, [&]<class T>(const Kernels<T>& kernels) {
    Tensor o = forward.out, max = forward.max, inv_sum = forward.inv_sum;
    // The kernel only reads these; its argument struct is the forward's.
    const AttentionFwdArgs<T> fwd = forward_args<T>(shape, c, const_cast<T*>(o.data<T>()), q.shape()[1],
                                                    const_cast<T*>(max.data<T>()), const_cast<T*>(inv_sum.data<T>()));
    kernels.attention_bwd(q.context().exec(), {fwd, in<T>(cotangent.tensor), cotangent.ld, out<T>(dq), out<T>(dk), out<T>(dv),
                                               to_q.ld, to_k.ld, to_v.ld});
  });
}

RopeTable rope_table(Context& context, Index max_positions, Index head_dim, double base, DType dtype) {
  if (head_dim < 2 || head_dim % 2 != 0) throw InputError(str("[rope] expected an even head size, got ", head_dim));
  if (max_positions < 0) throw InputError(str("[rope] expected at least 0 positions, got ", max_positions));
  if (!is_float(dtype)) throw InputError("[rope] expected elements f32 or f64, got i32");
  const Index half = head_dim / 2;
  RopeTable table{Tensor::empty(context, {max_positions, half}, dtype), Tensor::empty(context, {max_positions, half}, dtype)};
  compute("rope", table.cos, [&]<class T>(const Kernels<T>&) {
    T *c = table.cos.mutable_data<T>(), *s = table.sin.mutable_data<T>();
    for (Index i = 0; i < half; ++i) {
      const double frequency = math::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
      for (Index p = 0; p < max_positions; ++p) {
        const double angle = static_cast<double>(p) * frequency;
        c[p * half + i] = static_cast<T>(math::cos(angle));
        s[p * half + i] = static_cast<T>(math::sin(angle));
      }
    }
  });
  return table;
}

Tensor rope(const Tensor& x, const Tensor& positions, Index heads, const RopeTable& table, bool inverse) {
  expect_operands("rope", x, table.cos, table.sin);
  expect_dims("rope", "an input", x, 2);
  expect_dtype("rope", "positions", positions, DType::kI32);
  expect_same_context("rope", x, positions);
  expect_defined("rope", table.cos);
  expect_defined("rope", table.sin);
  const Index rows = x.shape()[0], n = x.shape()[1], limit = table.cos.size(0), head_dim = 2 * table.cos.size(1);
  expect_shape("rope", "positions", positions, {rows});
  expect_shape("rope", "a sine table", table.sin, table.cos.shape());
  if (heads < 0 || heads * head_dim > n)
    throw InputError(str("[rope] expected at least ", heads, " heads of ", head_dim, " columns, got ", x.shape().text()));
  // Columns that do not turn are copied, and those that do turn in place.
  const bool whole = heads * head_dim == n;
  const Rows input = whole ? as_rows(x) : Rows{};
  Tensor y = whole ? Tensor::empty(x.context(), x.shape(), x.dtype()) : x.clone();
  const Tensor where = positions.contiguous(), cos = table.cos.contiguous(), sin = table.sin.contiguous();
  count(x, OpClass::kRope, 6 * rows * heads * head_dim / 2);
  compute("rope", x, [&]<class T>(const Kernels<T>& kernels) {
    const std::int32_t* at = where.data<std::int32_t>();
    for (Index r = 0; r < rows; ++r)
      if (at[r] < 0 || at[r] >= limit)
        throw InputError(str("[rope] expected positions in [0, ", limit, "), got ", at[r], " in row ", r));
    T* to = out<T>(y);
    kernels.rope(x.context().exec(), {rows, heads, head_dim, at, in<T>(cos), in<T>(sin), inverse, whole ? in<T>(input.tensor) : to,
                                      whole ? input.ld : n, to, n});
  });
  return y;
}

}  // namespace lathe::ops
