// What a classifier says about rows, and how good that is.
#pragma once
#include <lathe/data/batch.h>
#include <lathe/nn/transformer.h>
#include <lathe/train/config.h>

#include <cstdint>
#include <span>
#include <vector>

namespace lathe::train {

/// Answers for all rows of a data set, in its order.
struct Predictions {
  std::int32_t classes = 0;
  std::vector<float> probabilities;  ///< [rows, classes], softmax of the logits
  std::vector<std::int32_t> labels;  ///< [rows], the most probable class (ties: the smaller id)
};

struct Scores {
  double accuracy = 0;
  double macro_f1 = 0;
  double loss = 0;  ///< mean of −log p(label), p at least 1e-300; NaN if a probability is
  double of(Metric metric) const { return metric == Metric::kAccuracy ? accuracy : macro_f1; }
};

/// Nothing is recorded for gradients. Rows are taken by length, about `batch_tokens` tokens at a time; the answers do not depend
/// on how they are batched, not in the last bit.
Predictions predict(const nn::Classifier& model, const data::EncodedDataset& rows, std::int64_t batch_tokens = 2048);

/// InputError without rows, or if a label is outside the model's classes.
Scores score(const Predictions& predictions, std::span<const std::int32_t> labels);

}  // namespace lathe::train
