// TransformerConfig: an architecture as data. It is made by hand, from a point of a search space or from a Hugging Face folder, is
// written as JSON beside every model, and is all that builds a network.
//
//   TransformerConfig config = TransformerConfig::uniform({.layers = 3, .hidden = 192, .heads = 4, .ffn = 768});
//   config.vocab_size = 8000;
//   config.classes = 2;
//   config.validate();
//   Classifier model(context, config);        // nn/transformer.h
#pragma once
#include <lathe/tensor/kernels.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nn {

/// Only encoders are built so far; validate() refuses the other kinds.
enum class ModelKind { kEncoder, kDecoder, kEncoderDecoder };

/// kPre: x + f(norm(x)) and one norm behind the last layer (Xiong et al. 2020). kPost: norm(x + f(x)), as in BERT.
enum class NormPlace { kPre, kPost };

/// kLearned: a table [max_tokens, hidden] added to the embedding. kSinusoidal: the same, computed: element i < hidden/2 of position
/// p is sin(p·ωᵢ), element hidden/2 + i is cos(p·ωᵢ), ωᵢ = 10000^(−2i/hidden) (Vaswani et al. 2017, halves as in Marian). kRotary:
/// queries and keys are turned by their position in every layer (Su et al. 2021, "rotate half").
enum class Positions { kLearned, kSinusoidal, kRotary };

/// How a sequence becomes one vector: the mean of its tokens, or its first token.
enum class Pooling { kMean, kFirst };

struct LayerConfig {
  Index heads = 1;
  Index head_dim = 0;  ///< columns of one head; 0: hidden / heads
  Index ffn = 0;       ///< width of the feed-forward network
  UnaryOp activation = UnaryOp::kGeluTanh;
};

/// What differs least often, for layers that are all alike. norm, place, positions … are then set on the result.
struct UniformLayers {
  Index layers = 1, hidden = 64, heads = 1, ffn = 256;
  UnaryOp activation = UnaryOp::kGeluTanh;
  NormKind norm = NormKind::kLayer;
  NormPlace place = NormPlace::kPre;
};

struct TransformerConfig {
  ModelKind kind = ModelKind::kEncoder;
  Index vocab_size = 0;
  Index max_tokens = 512;     ///< longest sequence, special tokens included; rows of the position table
  Index type_vocab_size = 0;  ///< segments that are told apart (BERT: 2); 0 = no type embedding
  Index hidden = 0;
  NormKind norm = NormKind::kLayer;
  NormPlace norm_place = NormPlace::kPre;
  double norm_eps = 1e-5;
  Positions positions = Positions::kLearned;
  double rotary_base = 10000;
  bool embedding_norm = false;   ///< a norm behind the sum of the embeddings (BERT)
  bool scale_embedding = false;  ///< token embeddings times sqrt(hidden) (Vaswani et al. 2017)
  Pooling pooling = Pooling::kMean;
  bool pooler = false;           ///< tanh(dense) between pooling and classifier (BERT)
  Index classes = 0;             ///< outputs of the classifier; 0 = encoder without a head
  double dropout = 0;            ///< of the embedding output and of both residual branches of a layer
  double attention_dropout = 0;  ///< of the attention weights
  double head_dropout = 0;       ///< of the pooled vector
  std::vector<LayerConfig> layers;

  /// Equal layers; post-norm brings the embedding norm that goes with it.
  static TransformerConfig uniform(const UniformLayers& shape);

  /// Columns of a head of this layer, the default filled in.
  Index head_dim(std::size_t layer) const;

  /// InputError with the first thing that is wrong, "hidden 64 is not divisible by heads 5 (layers[2])".
  void validate() const;

  /// "L3 H192 h4 f768 gelu_tanh pre layer_norm"; values that differ by layer are listed: "h4,4,6". Positions and pooling are
  /// told where they are not learned and mean.
  std::string summary() const;

  /// Canonical JSON: every field, in the order above, head_dim filled in, so equal architectures give equal bytes.
  std::string to_json() const;

  /// Do both build the same network? (head_dim 0 equals hidden / heads.)
  bool operator==(const TransformerConfig& other) const;
};

/// The element-wise functions that may serve as activation: gelu, gelu_tanh, relu, silu, squared_relu.
std::span<const UnaryOp> activations();

// Names as they stand in JSON and configuration files. The second of each pair throws InputError with the nearest name.
const char* name_of(ModelKind kind);
const char* name_of(NormKind norm);
const char* name_of(NormPlace place);
const char* name_of(Positions positions);
const char* name_of(Pooling pooling);
const char* activation_name(UnaryOp activation);
ModelKind model_kind(std::string_view name);
NormKind norm_kind(std::string_view name);
NormPlace norm_place(std::string_view name);
Positions positions_kind(std::string_view name);
Pooling pooling_kind(std::string_view name);
UnaryOp activation(std::string_view name);

}  // namespace lathe::nn
