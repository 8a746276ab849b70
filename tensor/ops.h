// Operations on Tensors: check shapes, allocate the result, count FLOPs, call the backend. No gradients here (autograd/functions.h
// builds them from these). Every kernel of kernels.def has its function; formulas stand in kernels.h. Operands may be any views;
// those that a kernel cannot read by strides are copied first. On the meta device only shapes, FLOPs and memory happen. Errors are
// InputErrors `[op] expected …, got …`.
#pragma once
#include <lathe/tensor/offsets.h>
#include <lathe/tensor/tensor.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

const char* name_of(UnaryOp op);          ///< "gelu_tanh"; "none" for kNone
UnaryOp unary_op(std::string_view name);  ///< the enumerator of a name; InputError with the nearest name
std::vector<std::string> unary_names();   ///< in the order of unary.def
bool saves_derivative(UnaryOp op);        ///< unary.def's `saves`
const char* onnx_name(UnaryOp op);
int flops_of(UnaryOp op);  ///< per element, by unary.def
const char* name_of(BinaryOp op);
inline constexpr int kUnaryOps = static_cast<int>(UnaryOp::kCount);

namespace ops {

// ---- Element-wise
Tensor unary(UnaryOp op, const Tensor& x);
Tensor unary(UnaryOp op, const Tensor& x, Tensor& derivative);  ///< also f'(x), newly made
Tensor binary(BinaryOp op, const Tensor& a, const Tensor& b);   ///< broadcasting
inline Tensor add(const Tensor& a, const Tensor& b) { return binary(BinaryOp::kAdd, a, b); }
inline Tensor sub(const Tensor& a, const Tensor& b) { return binary(BinaryOp::kSub, a, b); }
inline Tensor mul(const Tensor& a, const Tensor& b) { return binary(BinaryOp::kMul, a, b); }
inline Tensor div(const Tensor& a, const Tensor& b) { return binary(BinaryOp::kDiv, a, b); }
void add_in_place(Tensor& y, const Tensor& x);  ///< y += x; x is broadcast to y
Tensor scale(const Tensor& x, double alpha);    ///< x · alpha
void scale_in_place(Tensor& x, double alpha);
Tensor dropout(const Tensor& x, const Dropout& dropout, Index first_row = 0);  ///< x […, n]; its own gradient

// ---- Sums
/// Sum over one axis: Σ16 along the last, Σrows along any other.
Tensor sum(const Tensor& x, Index axis, bool keep_dims = false);
Tensor sum_all(const Tensor& x);  ///< one Σ16 over all elements in row-major order
/// target += x summed over the dimensions in which target is stretched to x (the gradient of broadcasting).
void sum_onto(Tensor& target, const Tensor& x);
/// What a gradient that is a sum over rows leaves open between two groups of a batch (RowRange). Tensors of the gradient's shape,
/// made when they are needed and dropped when the batch ends.
struct OpenRows {
  Tensor chain, segment;
};
/// y[n] += Σrows of x […, n]. `open` is needed for a part of a batch.
void sum_rows_onto(Tensor& y, const Tensor& x, const RowRange& range = {}, OpenRows* open = nullptr);

// ---- Products
/// (Batched) product of views by their strides; b may be a matrix for all batches.
Tensor matmul(const Tensor& a, const Tensor& b);

struct LinearEpilogue {
  Tensor bias{};
  UnaryOp activation = UnaryOp::kNone;
  Tensor* derivative = nullptr;  ///< out, newly made: derivative of the activation
  Dropout dropout{};
  Index first_row = 0;
  Tensor residual{};
};
Tensor linear(const Tensor& x, const Tensor& w, const LinearEpilogue& epilogue = {});
/// dx = dy · w, then · multiplier, then + residual, where given.
Tensor linear_bwd_input(const Tensor& dy, const Tensor& w, const Tensor& multiplier = {}, const Tensor& residual = {});
/// dw += dyᵀ · x, or, from_zero, onto +0 whatever dw held before the batch. `open` is needed for a part of a batch.
void linear_bwd_weight(const Tensor& dy, const Tensor& x, Tensor& dw, bool from_zero = false, const RowRange& range = {},
                       OpenRows* open = nullptr);

// ---- Normalisation
struct NormResult {
  Tensor y, mean, rstd;  ///< mean undefined for kRms
};
NormResult norm(NormKind kind, const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps);
/// A sum over rows to go on with: null where it is not wanted; `open` is needed for a part of a batch.
struct RowSum {
  Tensor* total = nullptr;
  OpenRows* open = nullptr;
};
/// dx (+ residual if defined); dgamma and dbeta are accumulated on.
Tensor norm_bwd(NormKind kind, const Tensor& dy, const Tensor& x, const Tensor& gamma, const Tensor& mean, const Tensor& rstd,
                const Tensor& residual, RowSum dgamma, RowSum dbeta, const RowRange& range = {});
Tensor softmax(const Tensor& x);
Tensor softmax_bwd(const Tensor& y, const Tensor& dy);

// ---- Cross entropy
struct CrossEntropyResult {
  Tensor loss, losses, max, inv_sum;  ///< scalar; [rows] each
};
/// count: what the sum over kept rows is divided by; 0: their number.
CrossEntropyResult cross_entropy(const Tensor& logits, const Tensor& target, Index count = 0);
Tensor cross_entropy_bwd(const Tensor& logits, const Tensor& target, const Tensor& max, const Tensor& inv_sum, const Tensor& dloss,
                         Index count = 0);

// ---- Attention
struct AttentionShape {
  Index heads = 1;
  Offsets q_offsets{}, k_offsets{};
  bool causal = false;
  double scale = 0;  ///< 0: 1 / sqrt(head size)
  Dropout dropout{};
  Index first_row = 0, max_tokens = 0;  ///< max_tokens 0: the longest of this batch
};
struct AttentionResult {
  Tensor out, max, inv_sum;  ///< [Tq, H·d]; [Tq, H] each
};
AttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& shape);
/// Writes dq, dk and dv, which may be column views of one tensor.
void attention_bwd(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionShape& shape, const AttentionResult& forward,
                   const Tensor& dout, Tensor& dq, Tensor& dk, Tensor& dv);
/// (query, key) pairs of all sequences that attention computes, for one head.
std::int64_t visible_pairs(const Offsets& q_offsets, const Offsets& k_offsets, bool causal);

// ---- Rotary positions
struct RopeTable {
  Tensor cos, sin;  ///< [max positions, head_dim / 2]
};
/// θ(position, i) = position · base^(−2i / head_dim), computed in f64 by lathe's own functions and rounded once.
RopeTable rope_table(Context& context, Index max_positions, Index head_dim, double base = 10000, DType dtype = DType::kF32);
Tensor rope(const Tensor& x, const Tensor& positions, Index heads, const RopeTable& table, bool inverse = false);

// ---- Rows
Tensor embedding(const Tensor& table, const Tensor& ids);
Tensor embedding_add(const Tensor& x, const Tensor& table, const Tensor& ids);  ///< x + table[ids]
void embedding_bwd(const Tensor& dy, const Tensor& ids, Tensor& dtable);        ///< dtable[ids] += dy
Tensor mean_pool(const Tensor& x, const Offsets& offsets);
Tensor mean_pool_bwd(const Tensor& dy, const Offsets& offsets);
Tensor concat(std::span<const Tensor> parts, Index axis);
std::vector<std::int32_t> argmax(const Tensor& x);  ///< over the last dimension, first of equals; empty on the meta device

// ---- Optimizers: contiguous tensors of one size, edited in place. Scalars are worked out by the caller in f64 and cast once.
struct AdamwScalars {
  double beta1, one_minus_beta1, beta2, one_minus_beta2, decay, step, c2, eps, grad_scale = 1;
};
void adamw(Tensor& p, Tensor& m, Tensor& v, const Tensor& g, const AdamwScalars& scalars);
/// Some rows of tables [rows, n] through the steps that passed them by (AdamwRowsArgs), step.decay, step.step and step.c2 of each;
/// the last one with gradient g, if defined. Works on the memory as it is, beside deferred edits of it, and counts no FLOPs.
void adamw_rows(Tensor& p, Tensor& m, Tensor& v, const Tensor& g, std::span<const std::int32_t> rows,
                std::span<const std::int32_t> from, std::span<const AdamwScalars> steps, bool cold);
struct SgdScalars {
  double momentum, decay, lr, grad_scale = 1;
};
void sgd(Tensor& p, Tensor& momentum_buffer, const Tensor& g, const SgdScalars& scalars);  ///< buffer undefined: no momentum
/// *sum += Σ x² (blocks of 4096 by Σ16, folded in f64). Leaves it alone on the meta device. rows: the only ones of x [rows, n] that
/// are not +0, ascending and distinct.
void sum_squares(const Tensor& x, double* sum);
void sum_squares(const Tensor& x, std::span<const std::int32_t> rows, double* sum);

}  // namespace ops
}  // namespace lathe
