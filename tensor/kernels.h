// The kernel interface: what a backend computes, one argument struct per kernel.
//
// Kernels work on raw memory: no shapes to check, no allocation that outlives the call, no gradients. Every backend fills
// one table, Kernels<T>, from the list kernels.def; CPU tables are complete. `spec/` is the meaning of each kernel, templated
// on float and double; every float backend of available_backends() equals it bit for bit (docs/numerics.md).
//
// Matrices are row-major with a leading dimension: element (i, j) of A is a[i * lda + j]. Rows are packed tokens
// unless said otherwise. Sizes may be 0. No pointer needs alignment. Outputs never overlap inputs, except where "may be
// in place" is said.
//
// Sums follow numerics v1: `product` = chunks of 256 consecutive k, each one FMA chain from +0, chunks added in order
// onto C0 (no chunk, k = 0: C0 as it is); Σ16 = lane i mod 16 from +0, lanes folded 8, 4, 2, 1 (lane i op lane i + half), of
// products by fma with the last 16 filled up by +0·+0; Σrows = blocks of 64 rows, each an ascending chain from +0, blocks
// added in order onto the start value. A start value is +0, or the old content when a kernel accumulates. max = in the lanes of
// Σ16 from −∞ by x > m ? x : m: a NaN never wins, and of ±0 the winner is fixed.
#pragma once
#include <lathe/base/random.h>
#include <lathe/tensor/parallel.h>

#include <cstdint>

namespace lathe {

using Index = std::int64_t;

/// Element-wise functions, in the order of unary.def; kNone is the identity without a kernel.
enum class UnaryOp : std::int32_t {
  kNone = -1,
#define LATHE_UNARY(name, Functor, saves, flops, onnx) k##Functor,
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
  kCount
};

enum class BinaryOp : std::int32_t { kAdd, kSub, kMul, kDiv, kCount };

enum class NormKind : std::int32_t { kLayer, kRms };

/// Dropout of one site in one step. Draw of element e: eight 16-bit numbers a Philox block with counter
/// (low 32 bits of e / 8, step, site, high 32 bits of e / 8); number e % 8 is word (e % 8) / 2, low half first.
/// The element is dropped if its number < threshold, else multiplied by scale = 1 / (1 − threshold / 65536).
struct Dropout {
  std::uint32_t threshold = 0;  ///< round(65536 p); 0: no dropout
  float scale = 1;
  RandomKey key;
  std::uint32_t step = 0, site = 0;
  bool on() const { return threshold != 0; }
};

/// Rows that are part of a larger batch. Sums over rows count chunks, segments and blocks from row 0 of the batch, so a cut may
/// leave one open: it stays in memory of the caller's (named below) until the rows behind the cut come. Cut anywhere, the bits are
/// the same.
struct RowRange {
  Index first = 0;   ///< row of the batch that is row 0 here
  bool last = true;  ///< the batch ends with these rows: what is open is closed
  bool whole() const { return first == 0 && last; }
};

/// y = f(x); with d, also the derivative f'(x). n contiguous elements; may be in place (y = x or d = x).
template <class T>
struct UnaryArgs {
  Index n;
  const T* x;
  T* y;
  T* d = nullptr;
};

/// y = a ∘ b with broadcasting: up to 6 dimensions, y contiguous; a stride of 0 repeats. May be in place where strides equal y's.
template <class T>
struct BinaryArgs {
  BinaryOp op;
  int dims;
  Index shape[6], a_stride[6], b_stride[6];
  const T *a, *b;
  T* y;
};

/// y[o, i] (+)= Σ over n of x[o, n, i]. inner = 1: Σ16 along the row (accumulating: y + Σ16); inner > 1: Σrows onto y per column.
template <class T>
struct ReduceSumArgs {
  Index outer, n, inner;
  const T* x;
  T* y;
  bool accumulate = false;
};

/// y[n] += Σrows of x[rows, n]. open[n]: the chain of the block that a cut leaves open.
template <class T>
struct SumRowsArgs {
  Index rows, n;
  const T* x;
  Index ldx;
  T* y;
  RowRange range{};
  T* open = nullptr;  ///< read if first % 64 != 0, written if not last and the end is open
};

/// y = x · alpha. May be in place.
template <class T>
struct ScaleArgs {
  Index n;
  const T* x;
  T alpha;
  T* y;
};

/// Strided copy into contiguous y, up to 6 dimensions (transposes, slices).
template <class T>
struct CopyArgs {
  int dims;
  Index shape[6], x_stride[6];
  const T* x;
  T* y;
};

/// C[b] (+)= A[b] · B[b], the product of numerics v1 with C0 = +0 or the old C. Element (i, k) of A is a[i * a_row + k * a_col],
/// of B b[k * b_row + j * b_col], of C c[i * ldc + j]; batches lie a_batch, b_batch, c_batch apart.
template <class T>
struct MatmulArgs {
  Index batch, m, n, k;
  const T* a;
  Index a_row, a_col, a_batch;
  const T* b;
  Index b_row, b_col, b_batch;
  T* c;
  Index ldc, c_batch;
  bool accumulate = false;
};

/// What happens to a finished product element v(i, j), in this order: v + bias[j]; activation (its derivative at that point
/// goes to derivative[i, j], same ld as y); dropout with element index (row0 + i) · n + j; v + residual[i, j].
/// Each step rounds on its own: the fused kernel equals the separate ones bit for bit.
template <class T>
struct Epilogue {
  const T* bias = nullptr;
  UnaryOp activation = UnaryOp::kNone;
  T* derivative = nullptr;
  Dropout dropout;
  Index row0 = 0;
  const T* residual = nullptr;
  Index ld_residual = 0;
};

/// y[m, n] = epilogue(x[m, k] · w[n, k]ᵀ). `packed`: w as written by pack_weight in its forward form, or null.
template <class T>
struct LinearFwdArgs {
  Index m, n, k;
  const T* x;
  Index ldx;
  const T* w;
  Index ldw;
  const T* packed = nullptr;
  Epilogue<T> epilogue;
  T* y;
  Index ldy;
};

/// dx[m, k] = dy[m, n] · w[n, k], then · multiplier[i, j] (a saved derivative) if given, then + residual[i, j] if given.
template <class T>
struct LinearBwdInputArgs {
  Index m, n, k;
  const T* dy;
  Index ldy;
  const T* w;
  Index ldw;
  const T* packed = nullptr;  ///< w in its backward form, or null
  const T* multiplier = nullptr;
  Index ld_multiplier = 0;
  const T* residual = nullptr;
  Index ld_residual = 0;
  T* dx;
  Index ldx;
};

/// dw[n, k] += dy[m, n]ᵀ · x[m, k]. Segments of 1024 rows, each folding its chunk sums from +0; segments folded onto the old dw in
/// order. from_zero: dw counts as +0 at row 0 of the batch, whatever it holds; the sum of the first segment then stands in dw.
template <class T>
struct LinearBwdWeightArgs {
  Index m, n, k;
  const T* dy;
  Index ldy;
  const T* x;
  Index ldx;
  T* dw;
  Index lddw;
  bool from_zero = false;
  RowRange range{};
  T* chain = nullptr;    ///< [n, k], ld as dw: the chain of a chunk that a cut leaves open
  T* segment = nullptr;  ///< [n, k], ld as dw: the sum of a segment that a cut leaves open, unless it stands in dw
};

/// Both packed forms of w[n, k]; layouts are the backend's own. Sizes in elements from packed_weight_size; 0 = it packs nothing.
template <class T>
struct PackWeightArgs {
  Index n, k;
  const T* w;
  Index ldw;
  T *forward, *backward;
};

/// kLayer: mean = Σ16 x / n; d = x − mean. kRms: d = x, mean and beta unused. var = Σ16 d·d (fma) / n; rstd = 1 / sqrt(var + eps);
/// y = fma(d · rstd, gamma, beta), or (d · rstd) · gamma without beta. Saves mean (kLayer) and rstd per row.
template <class T>
struct NormFwdArgs {
  NormKind kind;
  Index rows, n;
  const T* x;
  Index ldx;
  const T *gamma, *beta;
  T eps;
  T* y;
  Index ldy;
  T *mean, *rstd;
};

/// x̂ = d · rstd; g = dy · gamma; a = Σ16 g / n (0 for kRms); b = Σ16 g·x̂ (fma) / n; dx = fma(−x̂, b, g − a) · rstd, then + residual.
/// dgamma += Σrows dy·x̂ (fma chains), dbeta += Σrows dy; either may be null. open_gamma, open_beta: [n], as in SumRowsArgs.
template <class T>
struct NormBwdArgs {
  NormKind kind;
  Index rows, n;
  const T* dy;
  Index ldy;
  const T* x;
  Index ldx;
  const T *gamma, *mean, *rstd;
  const T* residual = nullptr;
  Index ld_residual = 0;
  T* dx;
  Index lddx;
  T *dgamma, *dbeta;
  RowRange range{};
  T *open_gamma = nullptr, *open_beta = nullptr;
};

/// Rows: m = max; e = exp(x − m); s = Σ16 e; y = e · (1 / s). May be in place. Empty rows are left alone.
template <class T>
struct SoftmaxFwdArgs {
  Index rows, n;
  const T* x;
  T* y;
};
/// dx = y · (dy − Σ16 dy·y (fma)).
template <class T>
struct SoftmaxBwdArgs {
  Index rows, n;
  const T *y, *dy;
  T* dx;
};

/// `count`: the number by which sums over kept rows are divided; 0: that of the kept rows here.
/// Mean over kept rows of (m + log s) − x[target]; a row with target −100 (kIgnoreLabel) is skipped.
/// losses[r] = that value, +0 where skipped; loss = Σrows / (T)count over the losses of kept rows, as if the others were not there;
/// NaN if count = 0. max and inv_sum are filled for skipped rows too.
inline constexpr std::int32_t kIgnoreLabel = -100;
template <class T>
struct CrossEntropyFwdArgs {
  Index rows, n;
  const T* logits;
  const std::int32_t* target;
  T *losses, *max, *inv_sum;  ///< [rows] each; max and 1/s are what the gradient reads
  T* loss;
  Index count = 0;
};
/// dlogits = ((e · inv_sum − 1_target) · (1 / (T)count)) · dloss, e = exp(x − max); rows without a target get +0.
template <class T>
struct CrossEntropyBwdArgs {
  Index rows, n;
  const T* logits;
  const std::int32_t* target;
  const T *max, *inv_sum;
  T dloss;
  T* dlogits;
  Index count = 0;
};

/// Attention of all (sequence, head) pairs of a packed batch. Queries of sequence s are rows q_offsets[s] … q_offsets[s+1] − 1,
/// keys and values likewise by k_offsets; head h occupies columns h·head_dim … of each. A query may see all keys of its sequence;
/// if causal, key j only for query i with j ≤ i + (keys − queries). Keys that it may not see are absent; no key at all: output +0,
/// max −∞, inv_sum +∞.
/// Per query: s = product(q, k) · scale; m = max s; e = exp(s − m); p = e · (1 / Σ16 e), lane = key index in its sequence;
/// with dropout p' = p dropped and scaled, element index ((row0 + query row) · heads + head) · max_tokens + key; out = product(p',
/// v).
template <class T>
struct AttentionFwdArgs {
  Index sequences, heads, head_dim;
  const std::int32_t *q_offsets, *k_offsets;  ///< [sequences + 1]
  const T *q, *k, *v;
  Index ldq, ldk, ldv;
  T scale;
  bool causal = false;
  Dropout dropout;
  Index row0 = 0, max_tokens = 0;
  T* out;
  Index ldo;
  T *max, *inv_sum;  ///< [query rows · heads], row-major: what the gradient reads
};
/// dP' = product(dO, v); dP = dP' dropped and scaled alike; D = Σ16 dO·O (fma); dS = (p · (dP − D)) · scale;
/// dq = product(dS, k) over ascending keys; dk = product(dSᵀ, q), dv = product(p'ᵀ, dO) over ascending queries, chunks counted from
/// the sequence's first query. p is recomputed.
template <class T>
struct AttentionBwdArgs {
  AttentionFwdArgs<T> fwd;  ///< as in the forward call, out, max and inv_sum filled
  const T* dout;
  Index lddo;
  T *dq, *dk, *dv;
  Index lddq, lddk, lddv;
};

/// Rotary positions, "rotate half": for pair i < head_dim / 2 of each head, θ = position · base^(−2i / head_dim), (lo, hi) →
/// (fma(lo, cos, −(hi·sin)), fma(hi, cos, lo·sin)). cos, sin: [max position, head_dim / 2] tables. inverse: sin negated (the
/// gradient). May be in place. Columns beyond heads · head_dim are not touched.
template <class T>
struct RopeArgs {
  Index rows, heads, head_dim;
  const std::int32_t* positions;  ///< [rows]
  const T *cos, *sin;
  bool inverse;
  const T* x;
  Index ldx;
  T* y;
  Index ldy;
};

/// y[i] = table[ids[i]], or y[i] + table[ids[i]] when accumulating. ids were checked by the caller.
template <class T>
struct EmbeddingFwdArgs {
  Index rows, n;
  const std::int32_t* ids;
  const T* table;
  T* y;
  Index ldy;
  bool accumulate = false;
};
/// dtable[ids[i]] += dy[i], rows ascending: per id one chain onto the accumulator.
template <class T>
struct EmbeddingBwdArgs {
  Index rows, n, table_rows;
  const std::int32_t* ids;
  const T* dy;
  Index ldy;
  T* dtable;
};

/// y[s] = (Σrows over the rows of sequence s, counted from its first row) / (T)length; +0 for an empty sequence.
template <class T>
struct MeanPoolFwdArgs {
  Index sequences, n;
  const std::int32_t* offsets;
  const T* x;
  Index ldx;
  T* y;
};
/// dx[row of s] = dy[s] / (T)length.
template <class T>
struct MeanPoolBwdArgs {
  Index sequences, n;
  const std::int32_t* offsets;
  const T* dy;
  T* dx;
  Index lddx;
};

/// y = x dropped and scaled, element index row0 · n + position; its own gradient kernel. May be in place.
template <class T>
struct DropoutArgs {
  Index rows, n, row0;
  const T* x;
  T* y;
  Dropout dropout;
};

/// AdamW (Loshchilov & Hutter 2019) over n contiguous elements: m = fma(beta1, m, one_minus_beta1 · g);
/// v = fma(beta2, v, (one_minus_beta2 · g) · g), below 2⁻¹²⁶ → +0; p = fma(−decay, p, p) with decay = lr·wd (skipped when 0);
/// p = fma(−step, m / (sqrt(v · c2) + eps), p) with step = lr / (1 − β1ᵗ) and c2 = 1 / (1 − β2ᵗ). Scalars: f64, cast once.
/// Every g is first multiplied by grad_scale when that is not 1 (clipping).
template <class T>
struct AdamwArgs {
  Index n;
  T *p, *m, *v;
  const T* g;
  T beta1, one_minus_beta1, beta2, one_minus_beta2, decay, step, c2, eps, grad_scale;
};
/// The scalars of AdamW that change from step to step.
template <class T>
struct AdamwStep {
  T decay, step, c2;
};
/// AdamW on some rows of p, m, v [·, n], distinct ones, through steps that may have passed them by: row rows[i] goes through
/// steps[from[i]] … steps[to − 1], with gradient +0 in all but the last one, there with its row of g [·, n], or +0 if g is null.
/// Formulas as above, one step after the other. cold: m and v of these rows are +0 before.
template <class T>
struct AdamwRowsArgs {
  Index count, n;
  const std::int32_t *rows, *from;  ///< [count]; from[i] < to
  Index to;
  const AdamwStep<T>* steps;
  T *p, *m, *v;
  const T* g;
  T beta1, one_minus_beta1, beta2, one_minus_beta2, eps, grad_scale;
  bool cold = false;
};
/// SGD with momentum: u = fma(momentum, u, g) (u null: u = g); p = fma(−decay, p, p); p = fma(−lr, u, p). grad_scale as above.
template <class T>
struct SgdArgs {
  Index n;
  T *p, *u;
  const T* g;
  T momentum, decay, lr, grad_scale;
};

/// Sum of squares for clipping: blocks of 4096 by Σ16 (fma); the block sums are added in order in f64 onto *sum ≥ 0. rows, if
/// given: x is [n / width, width], and every row that is not among these (ascending, distinct) is +0 and need not be read.
template <class T>
struct SumSquaresArgs {
  Index n;
  const T* x;
  double* sum;
  const std::int32_t* rows = nullptr;
  Index row_count = 0, width = 0;
};

/// A backend's table for one element type.
template <class T>
struct Kernels {
  const char* name;
  void (*unary[static_cast<int>(UnaryOp::kCount)])(Exec&, const UnaryArgs<T>&);
  Index (*packed_weight_size)(Index n, Index k);  ///< elements of one packed form; 0: pack_weight writes nothing
#define LATHE_KERNEL(kernel, Args) void (*kernel)(Exec&, const Args<T>&);
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL
};

}  // namespace lathe
