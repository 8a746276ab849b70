// The transformer encoder and the classifier on it. Sequences are packed end to end: nothing is ever computed on padding, and the
// bits of a sequence's result do not depend on the sequences beside it.
//
//   Context context({.threads = 1, .seed = 7});
//   Classifier model(context, config);
//   Batch batch = make_batch(context, ids, offsets);                    // e.g. of data::PackedBatch
//   Var loss = model.loss(batch, labels, Mode::kTrain);
//   loss.backward();                                                    // gradients in model.parameters()
//
// Parameter names, in registration order (those that the configuration asks for):
//   embeddings.tokens [V, D], embeddings.positions [max_tokens, D], embeddings.types [types, D], embeddings.norm.{weight,bias},
//   layers.<i>.{attention.norm, attention.qkv, attention.out, ffn.norm, ffn.in, ffn.out}.{weight,bias}, norm.{weight,bias},
//   pooler.{weight,bias}, classifier.{weight,bias}
#pragma once
#include <lathe/nn/layers.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe::nn {

/// A packed batch, or a group of whole sequences of one: then it says where it lies, so that dropout, the sums over rows in
/// gradients, and with them every bit are those of the whole batch. Groups go through forward and backward in order.
struct Batch {
  Tensor ids;                      ///< i32 [T], in [0, vocab_size)
  Tensor types;                    ///< i32 [T], or undefined: all 0
  Offsets offsets;                 ///< of the S sequences; offsets.tokens() = T
  RowRange tokens{}, sequences{};  ///< place in the whole batch
};

/// InputError if a sequence is longer than max_tokens.
void check_lengths(const Offsets& offsets, Index max_tokens);

/// InputError if the sizes do not fit. Empty `types`: all 0.
Batch make_batch(Context& context, std::span<const std::int32_t> ids, Offsets offsets, std::span<const std::int32_t> types = {});

/// Tokens of a group in training: what goes through forward and backward while it is in the cache. 256, or 512 for a model whose
/// layers have more than two million weights: those no longer stay in a cache from group to group, so fewer groups read them less
/// often.
Index group_tokens_of(const TransformerConfig& config);

/// How many groups of about `tokens` a batch of `total` tokens is cut into: total / tokens, rounded, at least one.
Index group_count(Index total, Index tokens);
/// Groups of about so many tokens, as equal as whole sequences allow; 0: one group. For several threads: a multiple of their
/// number, where there are sequences for it.
std::vector<Batch> groups_of(const Batch& batch, Index tokens, int threads = 1);

/// One part of the way from ids to logits (parts_of).
struct ModelPart {
  std::string name;  ///< "embeddings", "layers.0.attention.norm", "layers.0.attention", "layers.0.ffn.norm", …, "norm", "head"
  /// Its result for its input x [T, D], which embeddings do not read; [S, classes] of the head. A residual beside a normed x
  /// counts as a constant of x's value here.
  std::function<Var(const Var& x, const Batch& batch, Mode mode)> forward;
};

/// Token ids to hidden states.
class Transformer {
 public:
  /// Validates the configuration and registers the parameters.
  Transformer(Parameters& parameters, const TransformerConfig& config);

  /// [T, D]. InputError: ids outside the vocabulary, a sequence longer than max_tokens, types where the model has none.
  Var forward(const Batch& batch, Mode mode) const;

  /// Has the rows of the embedding table that a batch will look up catch up with waiting updates, with all threads.
  void settle(const Batch& batch) const;

  const TransformerConfig& config() const { return config_; }
  const std::vector<EncoderLayer>& layers() const { return layers_; }
  /// The parts of forward(), in order, for looking at one by one. The Transformer must outlive them and stay where it is.
  std::vector<ModelPart> parts() const;

 private:
  Var embed(const Batch& batch, const Tensor& positions, Mode mode) const;
  Sequences sequences(const Batch& batch, Mode mode) const;
  void set_layer(Sequences& sequences, std::size_t layer) const;
  Context* context_;
  TransformerConfig config_;
  Var tokens_, positions_, types_;  // positions_: learned, or the constant sinusoidal table
  std::optional<Norm> embedding_norm_;
  std::vector<EncoderLayer> layers_;
  std::vector<ops::RopeTable> rope_;  // one for each distinct head_dim
  std::vector<std::size_t> rope_of_layer_;
  std::optional<Norm> final_norm_;
};

/// The share of a batch's loss that some of its sequences have: logits [n, classes] of the sequences first … first + n − 1 → a
/// scalar. The loss is the sum of the shares; a sequence's gradient must not depend on which others come with it. Called from
/// several threads at once.
using GroupLoss = std::function<Var(const Var& logits, Index first)>;

/// Encoder, pooling, optional pooler, dropout, linear head: one label a sequence. Owns its parameters; moves, does not copy.
class Classifier {
 public:
  /// InputError from validate(), or if classes < 1. The Context must outlive it.
  Classifier(Context& context, const TransformerConfig& config, DType dtype = DType::kF32);
  /// On parameters that come from elsewhere (Parameters::Source).
  Classifier(Parameters parameters, const TransformerConfig& config);

  Var hidden(const Batch& batch, Mode mode) const { return encoder_.forward(batch, mode); }  ///< [T, D]
  Var pooled(const Batch& batch, Mode mode) const;                                           ///< [S, D], behind the pooler
  Var logits(const Batch& batch, Mode mode) const;                                           ///< [S, classes]
  /// The parts of logits(), in order: those of the encoder and "head" (pooling, pooler, classifier). As Transformer::parts().
  std::vector<ModelPart> parts() const;
  /// Mean cross entropy over the sequences; labels i32 [S], −100 = without a label.
  Var loss(const Batch& batch, const Tensor& labels, Mode mode) const;
  /// Forward and gradient of the training loss in groups of about group_tokens_of(config()) or `group_tokens` tokens, each while it
  /// is in the cache and with the memory of one a thread (for_each_group); 0: the whole batch. Returns the loss (0 on the meta
  /// device). Bits are those of loss(batch, labels, kTrain).backward(), whatever the groups.
  double backward(const Batch& batch, const Tensor& labels) const { return backward(batch, labels, group_tokens_of(config())); }
  double backward(const Batch& batch, const Tensor& labels, Index group_tokens) const;
  /// The same for any loss of the logits. Returns the logits of the whole batch, cut off from the graph.
  Tensor backward(const Batch& batch, const GroupLoss& loss) const { return backward(batch, loss, group_tokens_of(config())); }
  Tensor backward(const Batch& batch, const GroupLoss& loss, Index group_tokens) const;

  const TransformerConfig& config() const { return encoder_.config(); }
  const Transformer& encoder() const { return encoder_; }
  Context& context() const { return parameters_.context(); }
  Parameters& registry() { return parameters_; }
  const std::vector<Var>& parameters() const { return parameters_.all(); }
  std::int64_t parameter_count() const { return parameters_.count(); }

 private:
  Var pool(const Var& hidden, const Batch& batch) const;
  Var classify(const Var& pooled, const Batch& batch, Mode mode) const;
  std::vector<Tensor> train_groups(const Batch& batch, const std::vector<Batch>& groups, bool at_once, const GroupLoss& loss) const;
  Parameters parameters_;
  Transformer encoder_;
  std::optional<Linear> pooler_;
  Linear head_;
};

/// Number of parameters by arithmetic alone: what Classifier(config).parameter_count() is.
std::int64_t count_parameters(const TransformerConfig& config);

}  // namespace lathe::nn
