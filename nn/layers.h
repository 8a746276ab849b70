// The layers of a transformer. Each is a small struct of parameters and sizes with a forward function; gradients come from
// autograd. Shapes: T packed tokens, S sequences, D hidden. Weights of Linear are [out, in].
#pragma once
#include <lathe/autograd/functions.h>
#include <lathe/nn/config.h>
#include <lathe/nn/parameters.h>

#include <string>

namespace lathe::nn {

/// Does a forward pass drop? Evaluation never does, whatever the configuration says.
enum class Mode { kEvaluate, kTrain };

/// Dropout sites, unique within a model and independent of its depth (numerics v1 counts draws by site):
/// 0 embedding output, 1 pooled vector; layer i: 4(i+1) attention weights, +1 attention output, +2 feed-forward output.
inline constexpr std::uint32_t kEmbeddingSite = 0, kPooledSite = 1;
constexpr std::uint32_t layer_site(std::size_t layer) { return 4 * (static_cast<std::uint32_t>(layer) + 1); }

/// y = x · weightᵀ + bias. Parameters <name>.weight [out, in] and <name>.bias [out], 0 at first.
struct Linear {
  Linear(Parameters& parameters, const std::string& name, Index in, Index out, double deviation = kInitDeviation);
  Var forward(const Var& x, const LinearOptions& options = {}) const { return linear(x, weight, bias, options); }
  Var weight, bias;
};

/// LayerNorm (<name>.weight, <name>.bias) or RMSNorm (<name>.weight): gains 1 and biases 0 at first.
struct Norm {
  Norm(Parameters& parameters, const std::string& name, Index size, NormKind kind, double eps);
  Var forward(const Var& x) const;
  NormKind kind;
  double eps;
  Var weight, bias;
};

/// The packed sequences of one forward pass, and what all layers read of them.
struct Sequences {
  Offsets offsets;
  Tensor positions;  ///< i32 [T]: 0, 1, 2 … within each sequence
  Mode mode = Mode::kEvaluate;
  Index max_tokens = 0;  ///< of the configuration; part of the dropout's element index
  const ops::RopeTable* rope = nullptr;
};

/// Multi-head self-attention: out(softmax(q·kᵀ / sqrt(head_dim)) · v), q, k and v from one fused product.
/// Parameters <name>.qkv (rows: all q heads, all k heads, all v heads) and <name>.out; heads · head_dim need not equal D.
struct SelfAttention {
  SelfAttention(Parameters& parameters, const std::string& name, Index hidden, Index heads, Index head_dim, Index layers);
  /// x [T, D]; behind the output product: dropout at `site` + 1, then + residual. Attention weights are dropped at `site`.
  Var forward(const Var& x, const Sequences& sequences, const Var& residual, double dropout, double attention_dropout,
              std::uint32_t site) const;
  Index heads, head_dim;
  Linear qkv, out;
};

/// out(activation(in(x))). Parameters <name>.in [ffn, D] and <name>.out [D, ffn].
struct FeedForward {
  FeedForward(Parameters& parameters, const std::string& name, Index hidden, Index ffn, UnaryOp activation, Index layers);
  Var forward(const Var& x, const Var& residual, DropoutSite dropout) const;
  UnaryOp activation;
  Linear in, out;
};

/// One encoder layer. Pre-norm: x += attention(norm(x)); x += ffn(norm(x)). Post-norm: x = norm(x + attention(x)); x = norm(x +
/// ffn(x)). Parameters, in this order: <name>.attention.norm, .attention.qkv, .attention.out, .ffn.norm, .ffn.in, .ffn.out.
struct EncoderLayer {
  EncoderLayer(Parameters& parameters, const std::string& name, const TransformerConfig& config, std::size_t layer);
  Var forward(const Var& x, const Sequences& sequences) const;
  // forward() in pieces, each with its residual; pre-norm hands them norm(x), post-norm x.
  Var attend(const Var& x, const Var& residual, const Sequences& sequences) const;
  Var feed(const Var& x, const Var& residual, Mode mode) const;
  std::string name;
  NormPlace place;
  double dropout, attention_dropout;
  std::uint32_t site;
  Norm attention_norm;
  SelfAttention attention;
  Norm ffn_norm;
  FeedForward ffn;
};

/// The table of sinusoidal positions [max_tokens, hidden] (config.h), computed in f64 by base/math.h and rounded once.
Tensor sinusoidal_table(Context& context, Index max_tokens, Index hidden, DType dtype);

/// i32 [T]: 0, 1, 2 … within each sequence.
Tensor positions_of(Context& context, const Offsets& offsets);

}  // namespace lathe::nn
