// Candidates: what a point of a search space means, an architecture and the way to train it.
//
// Parameters of the space bear the names of configuration keys without their table: layers, hidden, heads, head_dim, expansion,
// ffn, activation, norm, norm_place, positions, pooling, dropout, vocab, max_tokens, lr, weight_decay, batch_rows, …; heads,
// head_dim, expansion, ffn and activation also one by one for each layer, as "layers[i].heads". What the space does not vary keeps
// the value of the base candidate. `expansion` and `ffn` are two words for one width: a point has one of them.
#pragma once
#include <lathe/nas/value.h>
#include <lathe/nn/config.h>
#include <lathe/train/config.h>

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nas {

/// What the data decide about a model.
struct TaskShape {
  Index vocab_size = 0, max_tokens = 128, classes = 2;
  bool pair = false;  ///< two texts, told apart by type embeddings
  /// Where the size of the vocabulary is searched: what Candidate::vocab asks for → how many tokens were learned (encodings.h).
  std::map<Index, Index> vocabularies = {};
};

struct LayerCandidate {
  Index heads = 4, expansion = 4;  ///< feed-forward width = expansion · hidden …
  UnaryOp activation = UnaryOp::kGeluTanh;
  Index head_dim = 0;  ///< columns of a head; 0: hidden / heads
  Index ffn = 0;       ///< … unless this is its width
  bool operator==(const LayerCandidate&) const = default;
};

struct Candidate {
  Index layers = 2, hidden = 128;
  LayerCandidate all;                     ///< of every layer …
  std::vector<LayerCandidate> per_layer;  ///< … unless this has one entry a layer
  NormKind norm = NormKind::kLayer;
  nn::NormPlace norm_place = nn::NormPlace::kPre;
  nn::Positions positions = nn::Positions::kLearned;
  nn::Pooling pooling = nn::Pooling::kMean;
  double dropout = 0.1;  ///< embedding output, residual branches, attention weights, pooled vector
  Index vocab = 0;       ///< tokens asked for when the vocabulary was learned; 0: that of the task
  Index max_tokens = 0;  ///< longer texts are cut; 0: as the task says
  train::TrainConfig training;
  /// Of a proxy (proxy_fidelity.h): architecture() is a smaller network of the same kind, by these shares of its width and depth.
  double width_share = 1, depth_share = 1;

  /// The architecture, not validated. InputError if no vocabulary of size `vocab` was learned.
  nn::TransformerConfig architecture(const TaskShape& task) const;
};

/// `base` with the point's values put in. InputError for a parameter that means nothing here (nearest name), a value of the wrong
/// type, or both `expansion` and `ffn`.
Candidate apply(const Candidate& base, const Point& point);

/// Names that a space may use, without the per-layer forms.
const std::vector<std::string>& searchable_names();

/// What a number of a candidate can be at most and at least, whatever the space says: the bounds of its configuration key. Infinite
/// where there are none, and for names of categories.
struct ParameterBounds {
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};
ParameterBounds bounds_of(std::string_view name);  ///< "layers[i].heads" too

}  // namespace lathe::nas
