#include <lathe/base/math.h>
#include <lathe/nn/layers.h>

#include <vector>

namespace lathe::nn {
namespace {

/// Weights whose product is added to the residual stream start smaller, so that its variance does not grow with depth.
double residual_deviation(Index layers) { return kInitDeviation / math::sqrt(2.0 * static_cast<double>(layers)); }

/// p of a site: evaluation never drops.
DropoutSite drop(Mode mode, double p, std::uint32_t site) { return {mode == Mode::kTrain ? p : 0, site}; }

}  // namespace

Linear::Linear(Parameters& parameters, const std::string& name, Index in, Index out, double deviation)
    : weight(parameters.normal(name + ".weight", {out, in}, deviation)), bias(parameters.constant(name + ".bias", {out}, 0)) {}

Norm::Norm(Parameters& parameters, const std::string& name, Index size, NormKind norm_kind, double norm_eps)
    : kind(norm_kind), eps(norm_eps), weight(parameters.constant(name + ".weight", {size}, 1)) {
  if (kind == NormKind::kLayer) bias = parameters.constant(name + ".bias", {size}, 0);
}

Var Norm::forward(const Var& x) const {
  return kind == NormKind::kLayer ? layer_norm(x, weight, bias, eps) : rms_norm(x, weight, eps);
}

SelfAttention::SelfAttention(Parameters& parameters, const std::string& name, Index hidden, Index head_count, Index head_size,
                             Index layers)
    : heads(head_count),
      head_dim(head_size),
      qkv(parameters, name + ".qkv", hidden, 3 * heads * head_dim),
      out(parameters, name + ".out", heads * head_dim, hidden, residual_deviation(layers)) {}

Var SelfAttention::forward(const Var& x, const Sequences& sequences, const Var& residual, double dropout, double attention_dropout,
                           std::uint32_t site) const {
  Var joined = qkv.forward(x);
  if (sequences.rope != nullptr) joined = rope(joined, sequences.positions, 2 * heads, *sequences.rope);  // q and k, not v
  const AttentionOptions options{.heads = heads,
                                 .q_offsets = sequences.offsets,
                                 .k_offsets = sequences.offsets,
                                 .dropout = drop(sequences.mode, attention_dropout, site),
                                 .max_tokens = sequences.max_tokens};
  const Var mixed = self_attention(joined, options);
  return out.forward(mixed, {.dropout = drop(sequences.mode, dropout, site + 1), .residual = residual});
}

FeedForward::FeedForward(Parameters& parameters, const std::string& name, Index hidden, Index ffn, UnaryOp function, Index layers)
    : activation(function),
      in(parameters, name + ".in", hidden, ffn),
      out(parameters, name + ".out", ffn, hidden, residual_deviation(layers)) {}

Var FeedForward::forward(const Var& x, const Var& residual, DropoutSite dropout) const {
  const Var inner = in.forward(x, {.activation = activation, .dropout = {}, .residual = {}});
  return out.forward(inner, {.dropout = dropout, .residual = residual});
}

EncoderLayer::EncoderLayer(Parameters& parameters, const std::string& layer_name, const TransformerConfig& config,
                           std::size_t layer)
    : name(layer_name),
      place(config.norm_place),
      dropout(config.dropout),
      attention_dropout(config.attention_dropout),
      site(layer_site(layer)),
      attention_norm(parameters, name + ".attention.norm", config.hidden, config.norm, config.norm_eps),
      attention(parameters, name + ".attention", config.hidden, config.layers[layer].heads, config.head_dim(layer),
                static_cast<Index>(config.layers.size())),
      ffn_norm(parameters, name + ".ffn.norm", config.hidden, config.norm, config.norm_eps),
      ffn(parameters, name + ".ffn", config.hidden, config.layers[layer].ffn, config.layers[layer].activation,
          static_cast<Index>(config.layers.size())) {}

Var EncoderLayer::attend(const Var& x, const Var& residual, const Sequences& sequences) const {
  return attention.forward(x, sequences, residual, dropout, attention_dropout, site);
}

Var EncoderLayer::feed(const Var& x, const Var& residual, Mode mode) const {
  return ffn.forward(x, residual, drop(mode, dropout, site + 2));
}

Var EncoderLayer::forward(const Var& x, const Sequences& sequences) const {
  LayerScope scope(x.context(), name);
  if (place == NormPlace::kPre) {
    const Var y = attend(attention_norm.forward(x), x, sequences);
    return feed(ffn_norm.forward(y), y, sequences.mode);
  }
  const Var y = attention_norm.forward(attend(x, x, sequences));
  return ffn_norm.forward(feed(y, y, sequences.mode));
}

Tensor sinusoidal_table(Context& context, Index max_tokens, Index hidden, DType dtype) {
  const Index half = hidden / 2;
  std::vector<double> table(context.computes() ? static_cast<std::size_t>(max_tokens * hidden) : 0);
  if (!context.computes()) return Tensor::empty(context, {max_tokens, hidden}, dtype);
  for (Index i = 0; i < half; ++i) {
    const double omega = math::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(hidden));
    for (Index p = 0; p < max_tokens; ++p) {
      const double angle = static_cast<double>(p) * omega;
      table[static_cast<std::size_t>(p * hidden + i)] = math::sin(angle);
      table[static_cast<std::size_t>(p * hidden + half + i)] = math::cos(angle);
    }
  }
  if (dtype == DType::kF64) return Tensor::from(context, table, {max_tokens, hidden});
  const std::vector<float> rounded(table.begin(), table.end());
  return Tensor::from(context, rounded, {max_tokens, hidden});
}

Tensor positions_of(Context& context, const Offsets& offsets) {
  std::vector<std::int32_t> positions(static_cast<std::size_t>(offsets.tokens()));
  for (Index s = 0; s < offsets.sequences(); ++s)
    for (Index i = 0; i < offsets.length(s); ++i)
      positions[static_cast<std::size_t>(offsets.begin(s) + i)] = static_cast<std::int32_t>(i);
  return Tensor::from(context, positions, {offsets.tokens()});
}

}  // namespace lathe::nn
