#include <lathe/base/math.h>
#include <lathe/data/metrics.h>
#include <lathe/tensor/ops.h>
#include <lathe/train/evaluate.h>

namespace lathe::train {

Predictions predict(const nn::Classifier& model, const data::EncodedDataset& rows, std::int64_t batch_tokens) {
  Predictions out;
  const Index classes = model.config().classes;
  out.classes = static_cast<std::int32_t>(classes);
  out.probabilities.resize(rows.rows() * static_cast<std::size_t>(classes));
  out.labels.resize(rows.rows());
  if (rows.rows() == 0) return out;

  Context& context = model.context();
  const NoGrad no_grad(context);
  data::BatchIterator batches(rows, {.batch_tokens = batch_tokens, .order = data::Order::by_length});
  data::PackedBatch batch;
  batches.seek(0);
  while (batches.next(batch)) {
    const nn::Batch packed = nn::make_batch(context, batch.ids, Offsets(batch.offsets), batch.types);
    const Tensor p = ops::softmax(model.logits(packed, nn::Mode::kEvaluate).value());
    const float* values = p.data<float>();
    for (std::size_t i = 0; i < batch.rows.size(); ++i) {
      const float* row = values + static_cast<Index>(i) * classes;
      const std::size_t to = static_cast<std::size_t>(batch.rows[i]);
      std::int32_t best = 0;
      for (Index c = 0; c < classes; ++c) {
        out.probabilities[to * static_cast<std::size_t>(classes) + static_cast<std::size_t>(c)] = row[c];
        if (row[c] > row[best]) best = static_cast<std::int32_t>(c);
      }
      out.labels[to] = best;
    }
  }
  return out;
}

Scores score(const Predictions& predictions, std::span<const std::int32_t> labels) {
  const data::ConfusionMatrix matrix = data::confusion_matrix(labels, predictions.labels, predictions.classes);
  Scores scores;
  scores.accuracy = data::accuracy(labels, predictions.labels);
  scores.macro_f1 = data::macro_f1(matrix);
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double p = static_cast<double>(
        predictions.probabilities[i * static_cast<std::size_t>(predictions.classes) + static_cast<std::size_t>(labels[i])]);
    sum -= p < 1e-300 ? math::log(1e-300) : math::log(p);
  }
  scores.loss = sum / static_cast<double>(labels.size());
  return scores;
}

}  // namespace lathe::train
