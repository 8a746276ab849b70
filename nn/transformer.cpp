#include <lathe/autograd/groups.h>
#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nn/transformer.h>
#include <lathe/tensor/lanes.h>

#include <algorithm>
#include <utility>

namespace lathe::nn {
namespace {

TransformerConfig validated(TransformerConfig config) {
  config.validate();
  return config;
}

void check_tokens(const char* what, const Tensor& tensor, Index tokens) {
  if (!tensor.defined() || tensor.dtype() != DType::kI32 || tensor.dims() != 1 || tensor.size(0) != tokens)
    throw InputError(
        str("[transformer] expected ", what, " i32 [", tokens, "], got ",
            tensor.defined() ? str(lathe::name_of(tensor.dtype()), " ", tensor.shape().text()) : std::string("nothing")));
}

using PartForward = std::function<Var(const Var&, const Batch&, Mode)>;

}  // namespace

/// Sequence by sequence against the longest the model can take: the tables end there.
void check_lengths(const Offsets& offsets, Index max_tokens) {
  if (offsets.max_length() <= max_tokens) return;
  for (Index s = 0; s < offsets.sequences(); ++s)
    if (offsets.length(s) > max_tokens)
      throw InputError(
          str("[transformer] expected sequences of at most ", max_tokens, " tokens, got ", offsets.length(s), " in sequence ", s));
}

Batch make_batch(Context& context, std::span<const std::int32_t> ids, Offsets offsets, std::span<const std::int32_t> types) {
  const Index tokens = static_cast<Index>(ids.size());
  if (offsets.tokens() != tokens)
    throw InputError(str("[make_batch] expected ", offsets.tokens(), " ids as the offsets say, got ", tokens));
  if (!types.empty() && types.size() != ids.size())
    throw InputError(str("[make_batch] expected as many types as ids (", tokens, "), got ", types.size()));
  Batch batch;
  batch.ids = Tensor::from(context, ids, {tokens});
  if (!types.empty()) batch.types = Tensor::from(context, types, {tokens});
  batch.offsets = std::move(offsets);
  return batch;
}

Index group_count(Index total, Index tokens) { return tokens > 0 ? std::max<Index>(1, (total + tokens / 2) / tokens) : 1; }

std::vector<Batch> groups_of(const Batch& batch, Index tokens, int threads) {
  const Offsets& offsets = batch.offsets;
  const Index total = offsets.tokens();
  Index count = group_count(total, tokens);
  if (tokens > 0 && threads > 1)
    count = std::min((count + threads - 1) / threads * threads, std::max<Index>(1, offsets.sequences()));
  if (count == 1) return {batch};
  std::vector<Batch> groups;
  const auto cut = [](const RowRange& whole, Index begin, bool last) { return RowRange{whole.first + begin, whole.last && last}; };
  for (Index s = 0; s < offsets.sequences();) {
    const Index begin = offsets.begin(s), first = s;
    // Up to the end that lies nearest to the next of `count` equal parts.
    const Index goal = total * (begin * count / total + 1) / count;
    std::vector<std::int32_t> own{0};
    do {
      own.push_back(static_cast<std::int32_t>(offsets.begin(++s) - begin));
    } while (s < offsets.sequences() && 2 * offsets.begin(s) + offsets.length(s) <= 2 * goal);
    const bool last = s == offsets.sequences();
    Batch group;
    group.ids = batch.ids.narrow(0, begin, own.back());
    if (batch.types.defined()) group.types = batch.types.narrow(0, begin, own.back());
    group.offsets = Offsets(std::move(own));
    group.tokens = cut(batch.tokens, begin, last);
    group.sequences = cut(batch.sequences, first, last);
    groups.push_back(std::move(group));
  }
  return groups;
}

Index group_tokens_of(const TransformerConfig& config) {
  Index most = 0;
  for (std::size_t i = 0; i < config.layers.size(); ++i)
    most = std::max(most, config.hidden * (4 * config.layers[i].heads * config.head_dim(i) + 2 * config.layers[i].ffn));
  return most > 2'000'000 ? 512 : 256;
}

Transformer::Transformer(Parameters& parameters, const TransformerConfig& config)
    : context_(&parameters.context()), config_(validated(config)) {
  const Index hidden = config_.hidden;
  tokens_ = parameters.normal("embeddings.tokens", {config_.vocab_size, hidden}, kInitDeviation);
  if (config_.positions == Positions::kLearned)
    positions_ = parameters.normal("embeddings.positions", {config_.max_tokens, hidden}, kInitDeviation);
  if (config_.positions == Positions::kSinusoidal)
    positions_ = Var(sinusoidal_table(*context_, config_.max_tokens, hidden, parameters.dtype()));
  if (config_.type_vocab_size > 0)
    types_ = parameters.normal("embeddings.types", {config_.type_vocab_size, hidden}, kInitDeviation);
  if (config_.embedding_norm) embedding_norm_.emplace(parameters, "embeddings.norm", hidden, config_.norm, config_.norm_eps);
  std::vector<Index> head_dims;
  for (std::size_t i = 0; i < config_.layers.size(); ++i) {
    layers_.emplace_back(parameters, str("layers.", i), config_, i);
    if (config_.positions != Positions::kRotary) continue;
    std::size_t table = 0;
    while (table < head_dims.size() && head_dims[table] != config_.head_dim(i)) ++table;
    if (table == head_dims.size()) {
      head_dims.push_back(config_.head_dim(i));
      rope_.push_back(ops::rope_table(*context_, config_.max_tokens, head_dims.back(), config_.rotary_base, parameters.dtype()));
    }
    rope_of_layer_.push_back(table);
  }
  if (config_.norm_place == NormPlace::kPre) final_norm_.emplace(parameters, "norm", hidden, config_.norm, config_.norm_eps);
}

Var Transformer::embed(const Batch& batch, const Tensor& positions, Mode mode) const {
  LayerScope scope(*context_, "embeddings");
  Var x = embedding(tokens_, batch.ids);
  if (config_.scale_embedding) x = mul(x, math::sqrt(static_cast<double>(config_.hidden)));
  if (positions_.defined()) x = add_embedding(x, positions_, positions);
  if (types_.defined()) {
    const Tensor types = batch.types.defined() ? batch.types : Tensor::zeros(*context_, {batch.offsets.tokens()}, DType::kI32);
    x = add_embedding(x, types_, types);
  }
  if (embedding_norm_) x = embedding_norm_->forward(x);
  if (mode == Mode::kTrain && config_.dropout > 0) x = dropout(x, {config_.dropout, kEmbeddingSite});
  return x;
}

void Transformer::settle(const Batch& batch) const {
  const Tensor& table = tokens_.value();
  if (!context_->computes() || table.offset() != 0) return;
  const Tensor ids = batch.ids.contiguous();
  const std::span<const std::int32_t> rows(ids.data<std::int32_t>(), static_cast<std::size_t>(ids.numel()));
  table.storage().data(rows, config_.hidden);
}

Sequences Transformer::sequences(const Batch& batch, Mode mode) const {
  return {.offsets = batch.offsets,
          .positions = positions_of(*context_, batch.offsets),
          .mode = mode,
          .max_tokens = config_.max_tokens};
}

void Transformer::set_layer(Sequences& sequences, std::size_t layer) const {
  if (!rope_.empty()) sequences.rope = &rope_[rope_of_layer_[layer]];
}

std::vector<ModelPart> Transformer::parts() const {
  std::vector<ModelPart> parts;
  const auto add = [&](const std::string& name, PartForward forward) {
    parts.push_back({name, [this, f = std::move(forward)](const Var& x, const Batch& batch, Mode mode) {
                       const RowScope rows(*context_, batch.tokens);
                       return f(x, batch, mode);
                     }});
  };
  add("embeddings",
      [this](const Var&, const Batch& batch, Mode mode) { return embed(batch, positions_of(*context_, batch.offsets), mode); });
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const EncoderLayer& layer = layers_[i];
    const bool pre = layer.place == NormPlace::kPre;
    const auto attention_norm = [&layer](const Var& x, const Batch&, Mode) { return layer.attention_norm.forward(x); };
    const auto ffn_norm = [&layer](const Var& x, const Batch&, Mode) { return layer.ffn_norm.forward(x); };
    if (pre) add(layer.name + ".attention.norm", attention_norm);
    add(layer.name + ".attention", [this, &layer, i, pre](const Var& x, const Batch& batch, Mode mode) {
      Sequences all = sequences(batch, mode);
      set_layer(all, i);
      return layer.attend(x, pre ? x.detach() : x, all);
    });
    add(layer.name + (pre ? ".ffn.norm" : ".attention.norm"), pre ? PartForward(ffn_norm) : PartForward(attention_norm));
    add(layer.name + ".ffn",
        [&layer, pre](const Var& x, const Batch&, Mode mode) { return layer.feed(x, pre ? x.detach() : x, mode); });
    if (!pre) add(layer.name + ".ffn.norm", ffn_norm);
  }
  if (final_norm_) add("norm", [this](const Var& x, const Batch&, Mode) { return final_norm_->forward(x); });
  return parts;
}

Var Transformer::forward(const Batch& batch, Mode mode) const {
  check_tokens("ids", batch.ids, batch.offsets.tokens());
  check_lengths(batch.offsets, config_.max_tokens);
  if (batch.types.defined()) {
    check_tokens("types", batch.types, batch.offsets.tokens());
    if (!types_.defined()) throw InputError("[transformer] got token types, but type_vocab_size of the model is 0");
  }
  const RowScope rows(*context_, batch.tokens);
  Sequences all = sequences(batch, mode);
  Var x = embed(batch, all.positions, mode);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    set_layer(all, i);
    x = layers_[i].forward(x, all);
  }
  if (final_norm_) {
    LayerScope scope(*context_, "norm");
    x = final_norm_->forward(x);
  }
  return x;
}

namespace {

TransformerConfig with_head(const TransformerConfig& config) {
  config.validate();
  if (config.classes < 1) throw InputError("[Classifier] classes is 0, expected the number of labels");
  return config;
}

}  // namespace

Classifier::Classifier(Context& context, const TransformerConfig& config, DType dtype)
    : Classifier(Parameters(context, dtype), config) {}

Classifier::Classifier(Parameters parameters, const TransformerConfig& config)
    : parameters_(std::move(parameters)),
      encoder_(parameters_, with_head(config)),
      pooler_(config.pooler ? std::optional<Linear>(std::in_place, parameters_, "pooler", config.hidden, config.hidden)
                            : std::nullopt),
      head_(parameters_, "classifier", config.hidden, config.classes) {}

Var Classifier::pool(const Var& hidden, const Batch& batch) const {
  LayerScope scope(context(), "pooling");
  const RowScope rows(context(), batch.sequences);  // from here on, a row is a sequence
  const Var y = config().pooling == Pooling::kMean ? mean_pool(hidden, batch.offsets) : first_pool(hidden, batch.offsets);
  return pooler_ ? pooler_->forward(y, {.activation = UnaryOp::kTanh, .dropout = {}, .residual = {}}) : y;
}

Var Classifier::classify(const Var& pooled, const Batch& batch, Mode mode) const {
  LayerScope scope(context(), "classifier");
  const RowScope rows(context(), batch.sequences);
  if (mode == Mode::kTrain && config().head_dropout > 0)
    return head_.forward(dropout(pooled, {config().head_dropout, kPooledSite}));
  return head_.forward(pooled);
}

Var Classifier::pooled(const Batch& batch, Mode mode) const { return pool(encoder_.forward(batch, mode), batch); }

Var Classifier::logits(const Batch& batch, Mode mode) const { return classify(pooled(batch, mode), batch, mode); }

std::vector<ModelPart> Classifier::parts() const {
  std::vector<ModelPart> parts = encoder_.parts();
  parts.push_back({"head", [this](const Var& x, const Batch& batch, Mode mode) { return classify(pool(x, batch), batch, mode); }});
  return parts;
}

Var Classifier::loss(const Batch& batch, const Tensor& labels, Mode mode) const {
  const Var scores = logits(batch, mode);
  LayerScope scope(context(), "loss");
  return cross_entropy(scores, labels);
}

namespace {

/// Can threads that take whole groups share the batch? One long sequence is better shared inside the kernels.
bool even_enough(const std::vector<Batch>& groups, int threads) {
  Index total = 0, longest = 0;
  for (const Batch& group : groups) {
    total += group.offsets.tokens();
    longest = std::max(longest, group.offsets.tokens());
  }
  return 2 * longest * threads <= 3 * total;
}

}  // namespace

namespace {

/// How a batch is cut for training, and whether its groups run side by side.
struct Cut {
  Cut(const Context& context, const Batch& batch, Index group_tokens) {
    const int threads = context.threads();
    groups = groups_of(batch, group_tokens, runs_lanes(context) ? threads : 1);
    at_once = runs_lanes(context) && even_enough(groups, threads);
    if (!at_once) groups = groups_of(batch, group_tokens);
  }
  std::vector<Batch> groups;
  bool at_once = false;
};

}  // namespace

/// Forward and backward of each group; the logits of each.
std::vector<Tensor> Classifier::train_groups(const Batch& batch, const std::vector<Batch>& groups, bool at_once,
                                             const GroupLoss& loss) const {
  encoder_.settle(batch);
  std::vector<Tensor> scores(groups.size());
  const auto train = [&](Index i) {
    const Batch& group = groups[static_cast<std::size_t>(i)];
    const Var z = logits(group, Mode::kTrain);
    {
      const LastingMemory lasting(context());
      scores[static_cast<std::size_t>(i)] = z.value().clone();
    }
    LayerScope scope(context(), "loss");
    loss(z, group.sequences.first - batch.sequences.first).backward();
  };
  const auto count = static_cast<Index>(groups.size());
  if (at_once) {
    for_each_group(context(), parameters(), count, train);
  } else {
    for (Index i = 0; i < count; ++i) train(i);
  }
  return scores;
}

double Classifier::backward(const Batch& batch, const Tensor& labels, Index group_tokens) const {
  const Cut cut(context(), batch, group_tokens);
  Index labelled = 0;
  if (context().computes())
    for (const std::int32_t label : labels.to_vector<std::int32_t>()) labelled += label != kIgnoreLabel;
  else
    labelled = labels.numel();
  if (cut.groups.size() == 1 || labelled == 0) {
    const Var whole = loss(batch, labels, Mode::kTrain);
    whole.backward();
    return context().computes() ? whole.value().item() : 0;
  }
  const std::vector<Tensor> scores = train_groups(batch, cut.groups, cut.at_once, [&](const Var& z, Index first) {
    return cross_entropy(z, labels.narrow(0, first, z.size(0)), labelled);
  });
  const FlopCounter before = context().flops();
  const Tensor mean = ops::cross_entropy(ops::concat(scores, 0), labels).loss;
  if (group_count(batch.offsets.tokens(), group_tokens) == 1) context().flops() = before;  // one thread would have had it already
  return context().computes() ? mean.item() : 0;
}

Tensor Classifier::backward(const Batch& batch, const GroupLoss& loss, Index group_tokens) const {
  const Cut cut(context(), batch, group_tokens);
  const std::vector<Tensor> scores = train_groups(batch, cut.groups, cut.at_once, loss);
  return scores.size() == 1 ? scores[0] : ops::concat(scores, 0);
}

std::int64_t count_parameters(const TransformerConfig& config) {
  config.validate();
  const std::int64_t h = config.hidden;
  const std::int64_t norm = config.norm == NormKind::kLayer ? 2 * h : h;
  std::int64_t total = (config.vocab_size + config.type_vocab_size) * h;
  if (config.positions == Positions::kLearned) total += config.max_tokens * h;
  if (config.embedding_norm) total += norm;
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    const std::int64_t d = config.layers[i].heads * config.head_dim(i), f = config.layers[i].ffn;
    total += 2 * norm + 3 * d * (h + 1) + h * (d + 1) + f * (h + 1) + h * (f + 1);
  }
  if (config.norm_place == NormPlace::kPre) total += norm;
  if (config.pooler) total += h * (h + 1);
  return total + config.classes * (h + 1);
}

}  // namespace lathe::nn
