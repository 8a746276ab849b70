// The differentiable functions. Shapes: T packed tokens, S sequences, D or n features, H heads, d head size, V vocabulary; […] any.
// Errors are InputErrors `[op] expected …, got …`. Every function works on f32 (any backend) and f64 (backend spec), counts its
// FLOPs (tensor/flops.h) and runs on the meta device. A fused function equals its composite bit for bit, values and gradients.
#pragma once
#include <lathe/autograd/var.h>
#include <lathe/tensor/offsets.h>
#include <lathe/tensor/ops.h>

#include <span>
#include <string_view>
#include <vector>

namespace lathe {

// ---- Element-wise

/// gelu, gelu_tanh, relu, silu, squared_relu, tanh, …: one function a line of unary.def. dx = dy · f'(x), f'(x) saved by the
/// forward.
#define LATHE_UNARY(name, Functor, saves, flops, onnx) Var name(const Var& x);
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
/// By enumerator; kNone gives x itself. (unary_op in tensor/ops.h finds the enumerator of a name.)
Var unary(UnaryOp op, const Var& x);

/// a ∘ b with broadcasting (sizes matched from the right, 1 stretches). The gradient of a stretched operand is summed over the
/// stretched dimensions and accumulated onto its gradient so far.
Var add(const Var& a, const Var& b);
Var sub(const Var& a, const Var& b);
Var mul(const Var& a, const Var& b);
Var div(const Var& a, const Var& b);
Var add(const Var& a, double b);
Var sub(const Var& a, double b);
Var mul(const Var& a, double b);  ///< a · b
Var div(const Var& a, double b);  ///< a / b, a true division
inline Var operator+(const Var& a, const Var& b) { return add(a, b); }
inline Var operator-(const Var& a, const Var& b) { return sub(a, b); }
inline Var operator*(const Var& a, const Var& b) { return mul(a, b); }
inline Var operator/(const Var& a, const Var& b) { return div(a, b); }
inline Var operator+(const Var& a, double b) { return add(a, b); }
inline Var operator-(const Var& a, double b) { return sub(a, b); }
inline Var operator*(const Var& a, double b) { return mul(a, b); }
inline Var operator/(const Var& a, double b) { return div(a, b); }
inline Var operator-(const Var& x) { return neg(x); }

/// Dropout of one site: probability p in [0, 1) and a number that is unique among the dropouts of a model. p = 0: off. Functions
/// drop whenever p > 0: whoever evaluates passes 0. Draws depend on seed, trial, step (all of the Context), site and element index
/// only, are made again for the gradient and never stored.
struct DropoutSite {
  double p = 0;
  std::uint32_t site = 0;
};
/// x […, n] dropped and scaled; element index = (Context::rows().first + row) · n + column, rows = all leading dimensions.
Var dropout(const Var& x, DropoutSite site);

// ---- Sums and shapes

Var sum(const Var& x);  ///< all elements, one Σ16 in row-major order; a scalar
Var sum(const Var& x, std::initializer_list<Index> axes, bool keep_dims = false);  ///< one axis after the other, last first
Var mean(const Var& x);                                                            ///< sum / n
Var mean(const Var& x, std::initializer_list<Index> axes, bool keep_dims = false);

Var reshape(const Var& x, const Shape& shape);
Var reshape(const Var& x, std::initializer_list<Index> sizes);    ///< one size may be −1
Var transpose(const Var& x, Index a, Index b);                    ///< a view
Var narrow(const Var& x, Index axis, Index start, Index length);  ///< a view
Var concat(std::span<const Var> parts, Index axis);
Var concat(std::initializer_list<Var> parts, Index axis);
/// Views of consecutive parts; the sizes must add up. Its gradient is one concat.
std::vector<Var> split(const Var& x, std::span<const Index> sizes, Index axis);

// ---- Products

/// a [m, k] · b [k, n], or batches [B…, m, k] · [B…, k, n], or [B…, m, k] · [k, n]. Transposed views cost nothing.
/// da = dy · bᵀ, db = aᵀ · dy.
Var matmul(const Var& a, const Var& b);

/// What is fused behind the product of linear, in this order.
struct LinearOptions {
  UnaryOp activation = UnaryOp::kNone;
  DropoutSite dropout{};
  Var residual{};  ///< shape of the result
};
/// y […, out] = x […, in] · w [out, in]ᵀ + b [out]; then activation, dropout, + residual. b may be undefined.
/// dz = dropout(dy) · f'(z); dx = dz · w; dw += dzᵀ · x (segments of 1024 rows onto the old gradient); db += Σrows dz; dresidual =
/// dy. Composite: add(dropout(unary(activation, add(linear(x, w), b)), site), residual).
Var linear(const Var& x, const Var& w, const Var& b = {}, const LinearOptions& options = {});

// ---- Normalisation

/// Over the last dimension n, population variance (Ba, Kiros & Hinton 2016): y = (x − μ) / sqrt(σ² + eps) · gamma [n] + beta [n].
Var layer_norm(const Var& x, const Var& gamma, const Var& beta, double eps = 1e-5);
/// y = x / sqrt(mean x² + eps) · gamma [n] (Zhang & Sennrich 2019).
Var rms_norm(const Var& x, const Var& gamma, double eps = 1e-6);
Var softmax(const Var& x);  ///< over the last dimension

// ---- Losses

/// Mean over kept rows of −log softmax(logits [rows, V])[target]; target i32 [rows], −100 = row ignored; other values must be in
/// [0, V). A scalar; NaN if no row is kept. dlogits = (softmax − one-hot) / kept rows · dy. Composite of the value per row: log(sum
/// exp) by softmax and log; fused for range, not equal bit for bit. count: the kept rows of the whole batch, where these are a
/// group of it; 0: those here.
Var cross_entropy(const Var& logits, const Tensor& target, Index count = 0);

// ---- Attention

struct AttentionOptions {
  Index heads = 1;
  Offsets q_offsets{};    ///< sequences of the query rows
  Offsets k_offsets{};    ///< of key and value rows; as many sequences. For self-attention the same object
  bool causal = false;    ///< query i of a sequence sees keys j ≤ i + (keys − queries)
  double scale = 0;       ///< 0: 1 / sqrt(head size)
  DropoutSite dropout{};  ///< on the weights
  Index max_tokens = 0;   ///< longest sequence ever; enters the dropout's element index. 0: the longest of this batch
};
/// q [Tq, H·d], k and v [Tk, H·d]: softmax(q · kᵀ · scale) · v within each sequence and head (Vaswani et al. 2017). Result [Tq,
/// H·d]. Row-strided views are used in place.
Var attention(const Var& q, const Var& k, const Var& v, const AttentionOptions& options);
/// qkv [T, 3·H·d], columns q, k, v: self-attention whose gradient is written as one tensor.
/// Composite: parts = split(qkv, {D, D, D}, 1); attention(parts[0], parts[1], parts[2]).
Var self_attention(const Var& qkv, const AttentionOptions& options);

/// Rotary positions (Su et al. 2021, "rotate half") on the first heads · head_dim columns of x [T, n]; other columns pass through.
/// With heads = 2·H it turns q and k of a fused qkv. positions i32 [T], cos and sin from ops::rope_table.
Var rope(const Var& x, const Tensor& positions, Index heads, const ops::RopeTable& table);

// ---- Rows

/// table [V, D], ids i32 […] → […, D]. InputError for an id outside [0, V). The gradient is accumulated per id, rows ascending.
Var embedding(const Var& table, const Tensor& ids);
/// x + embedding(table, ids) in one pass. Composite: add(x, embedding(table, ids)).
Var add_embedding(const Var& x, const Var& table, const Tensor& ids);
/// x [T, n], rows i32 [R] → [R, n]: y[i] = x[rows[i]]. A row may be taken several times.
Var gather_rows(const Var& x, const Tensor& rows);
/// x [T, n] → [S, n]: mean of each sequence's rows; +0 for an empty one.
Var mean_pool(const Var& x, const Offsets& offsets);
/// x [T, n] → [S, n]: the first row of each sequence, none of which may be empty. Composite: gather_rows of the offsets.
Var first_pool(const Var& x, const Offsets& offsets);

}  // namespace lathe
