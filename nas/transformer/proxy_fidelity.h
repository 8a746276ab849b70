// Training at lower fidelity: fewer steps, less data, shorter texts, narrower and shallower models, or any of these together. What
// it says about the training in full is to be measured (calibration.h), not assumed.
#pragma once
#include <lathe/data/batch.h>
#include <lathe/nas/transformer/objective.h>

#include <cstdint>
#include <string>

namespace lathe::nas {

/// Shares of what a training in full has; 1 (max_tokens: 0) leaves a thing as it is.
struct Fidelity {
  double steps = 1;             ///< of the steps: epochs · steps, rounded up, on so many fewer rows that the steps come out right
  double data = 1;              ///< of the training rows, as many of each class
  std::int64_t max_tokens = 0;  ///< longer texts are cut, in validation too
  double width = 1;             ///< of hidden size, head size and feed-forward width
  double depth = 1;             ///< of the layers
  bool operator==(const Fidelity&) const = default;

  bool full() const { return *this == Fidelity{}; }
  /// Are texts of up to `tokens` tokens cut?
  bool cuts(std::int64_t tokens) const { return max_tokens > 0 && max_tokens < tokens; }
  /// InputError: a share outside of (0, 1], max_tokens from 1 to 3.
  void validate() const;
  std::string json() const;  ///< canonical: all five members
};

/// The rows of each class in the order of a Philox stream, of which the first share·n are kept (rounded to the nearest, at least
/// one), in their old order. Smaller shares are parts of larger ones.
data::EncodedDataset stratified_subset(const data::EncodedDataset& rows, double share, RandomKey key);

/// No row longer than max_tokens: as data::encode cuts, behind the words that stay comes the last token (the closing special one),
/// and of pairs the longer text is cut first.
data::EncodedDataset truncated(const data::EncodedDataset& rows, std::int64_t max_tokens);

/// A smaller network of the same kind. Widths: hidden to the nearest multiple of what all layers' heads need (two a head with
/// rotary positions), at least one; explicit head sizes and feed-forward widths to the nearest whole, at least one (rotary: two).
/// Depth: round(depth · L) layers, at least one; layer i is the old layer ⌊(i + ½)·L/L'⌋.
nn::TransformerConfig scaled(const nn::TransformerConfig& architecture, double width, double depth);

/// What the training of a study becomes.
struct CheapTraining {
  TrainingSetting setting;
  data::EncodedDataset train, valid;
};
/// `seed`: of the study; the subset is that of stream `proxy data`.
CheapTraining cheapened(const TrainingSetting& full, const data::EncodedDataset& train, const data::EncodedDataset& valid,
                        const Fidelity& fidelity, std::uint64_t seed);

}  // namespace lathe::nas
