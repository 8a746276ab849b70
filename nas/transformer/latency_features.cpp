#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/latency_features.h>

#include <algorithm>

namespace lathe::nas {
namespace {

// Feature numbers; the activations follow behind kFixed, in the order of nn::activations().
enum Feature : std::size_t {
  kCall,          // an inference
  kLayer,         // a layer
  kProduct,       // multiply-adds, columns padded to vectors
  kEpilogue,      // results of products, once for every chunk of 256 in k
  kTile,          // tiles of products
  kWeight,        // weights read
  kFarWeight,     // … beyond what the second-level cache holds
  kScore,         // multiply-adds of queries and keys
  kMix,           // multiply-adds of weights and values
  kSoftmax,       // attention weights
  kHeadTask,      // (sequence, head) pairs
  kLayerNorm,     // elements
  kLayerNormRow,  // rows
  kRmsNorm,
  kRmsNormRow,
  kEmbedding,  // elements of sums of embeddings
  kRotary,     // elements turned
  kPooled,     // sequences
  kFixed
};

constexpr Index kVector = 16, kPanel = 64, kChunk = 256, kNearWeights = 192 * 1024, kNormRows = 64;

Index blocks(Index n, Index size) { return (n + size - 1) / size; }
Index padded(Index n) { return blocks(n, kVector) * kVector; }

class Counter {
 public:
  Counter(const nn::TransformerConfig& config, const LatencyLoad& load)
      : config_(config), load_(load), rows_(load.batch * load.tokens), counts_(latency_feature_names().size()) {}

  std::vector<double> count() {
    add(kCall, 1);
    embeddings();
    for (std::size_t i = 0; i < config_.layers.size(); ++i) layer(i);
    if (config_.norm_place == nn::NormPlace::kPre) norm();
    add(kPooled, load_.batch);
    if (config_.pooler) product(load_.batch, config_.hidden, config_.hidden);
    product(load_.batch, config_.classes, config_.hidden);
    add(kFarWeight, std::max<Index>(0, weights_ - kNearWeights));
    return {counts_.begin(), counts_.end()};
  }

 private:
  void add(std::size_t feature, Index count) { counts_[feature] += count; }
  /// What the busiest thread has of `all` in so many equal tasks.
  Index busiest(Index all, Index tasks) const { return blocks(all, tasks) * blocks(tasks, std::min<Index>(load_.threads, tasks)); }

  void product(Index m, Index n, Index k) {
    add(kProduct, m * padded(n) * k);
    add(kEpilogue, m * padded(n) * blocks(k, kChunk));
    add(kTile, blocks(m, 6) * blocks(n, kPanel));
    add(kWeight, n * k);
    weights_ += n * k;
  }
  void norm() {
    const bool full = config_.norm == NormKind::kLayer;
    const Index rows = busiest(rows_, blocks(rows_, kNormRows));
    add(full ? kLayerNorm : kRmsNorm, rows * config_.hidden);
    add(full ? kLayerNormRow : kRmsNormRow, rows);
  }
  void embeddings() {
    const int tables = 1 + (config_.positions != nn::Positions::kRotary) + (config_.type_vocab_size > 0) + config_.scale_embedding;
    add(kEmbedding, tables * rows_ * config_.hidden);
    if (config_.embedding_norm) norm();
  }
  void layer(std::size_t i) {
    const nn::LayerConfig& layer = config_.layers[i];
    const Index width = layer.heads * config_.head_dim(i), t = load_.tokens, d = config_.head_dim(i);
    add(kLayer, 1);
    norm();
    product(rows_, 3 * width, config_.hidden);
    if (config_.positions == nn::Positions::kRotary) add(kRotary, 2 * rows_ * width);
    const Index tasks = load_.batch * layer.heads, mine = busiest(tasks, tasks);
    add(kScore, mine * t * padded(t) * d);
    add(kMix, mine * t * t * padded(d));
    add(kSoftmax, mine * t * padded(t));
    add(kHeadTask, mine);
    product(rows_, config_.hidden, width);
    norm();
    product(rows_, layer.ffn, config_.hidden);
    const auto all = nn::activations();
    const auto kind = static_cast<std::size_t>(std::find(all.begin(), all.end(), layer.activation) - all.begin());
    add(kFixed + kind, rows_ * padded(layer.ffn));
    product(rows_, config_.hidden, layer.ffn);
  }

  const nn::TransformerConfig& config_;
  const LatencyLoad& load_;
  Index rows_, weights_ = 0;
  std::vector<Index> counts_;
};

}  // namespace

const std::vector<std::string>& latency_feature_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all = {"call",           "layer",    "product",      "epilogue",  "tile",      "weight",
                                    "far_weight",     "score",    "mix",          "softmax",   "head_task", "layer_norm",
                                    "layer_norm_row", "rms_norm", "rms_norm_row", "embedding", "rotary",    "pooled"};
    for (const UnaryOp activation : nn::activations()) all.emplace_back(nn::activation_name(activation));
    return all;
  }();
  return names;
}

LatencyLoad cut_to(LatencyLoad load, const nn::TransformerConfig& config) {
  load.tokens = std::min<std::int64_t>(load.tokens, config.max_tokens);
  return load;
}

std::vector<double> latency_features(const nn::TransformerConfig& config, const LatencyLoad& load) {
  config.validate();
  if (load.batch < 1 || load.tokens < 1 || load.threads < 1)
    throw InputError(
        str("[latency] expected batch, tokens and threads >= 1, got ", load.batch, ", ", load.tokens, " and ", load.threads));
  return Counter(config, cut_to(load, config)).count();
}

}  // namespace lathe::nas
