// Candidates: what a point of a search space means, an architecture and the way to train it.
//
// Parameters of the space bear the names of configuration keys without their table: layers, hidden, heads, expansion,
// activation, norm, norm_place, positions, pooling, dropout, lr, weight_decay, batch_rows, …; heads, expansion and activation also
// one by one for each layer, as "layers[i].heads". What the space does not vary keeps the value of the base candidate.
#pragma once
#include <lathe/nas/value.h>
#include <lathe/nn/config.h>
#include <lathe/train/config.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::nas {

/// What the data decide about a model.
struct TaskShape {
  Index vocab_size = 0, max_tokens = 128, classes = 2;
  bool pair = false;  ///< two texts, told apart by type embeddings
};

struct LayerCandidate {
  Index heads = 4, expansion = 4;  ///< feed-forward width = expansion · hidden
  UnaryOp activation = UnaryOp::kGeluTanh;
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
  train::TrainConfig training;
  /// Of a proxy (proxy_fidelity.h): architecture() is a smaller network of the same kind, by these shares of its width and depth.
  double width_share = 1, depth_share = 1;

  /// The architecture, not validated.
  nn::TransformerConfig architecture(const TaskShape& task) const;
};

/// `base` with the point's values put in. InputError for a parameter that means nothing here (nearest name) or a value of the wrong
/// type.
Candidate apply(const Candidate& base, const Point& point);

/// Names that a space may use, without the per-layer forms.
const std::vector<std::string>& searchable_names();

}  // namespace lathe::nas
