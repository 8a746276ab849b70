#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/data/metrics.h>

#include <algorithm>
#include <cmath>

namespace lathe::data {
namespace {

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

void require_same_size(std::span<const std::int32_t> truth, std::span<const std::int32_t> predicted) {
  if (truth.size() != predicted.size())
    throw InputError(str("[metrics] expected one prediction a row, got ", predicted.size(), " for ", truth.size(), " rows"));
}

}  // namespace

std::int64_t ConfusionMatrix::total() const {
  std::int64_t sum = 0;
  for (const std::int64_t n : counts) sum += n;
  return sum;
}

std::int64_t ConfusionMatrix::correct() const {
  std::int64_t sum = 0;
  for (std::int32_t c = 0; c < classes; ++c) sum += at(c, c);
  return sum;
}

ConfusionMatrix confusion_matrix(std::span<const std::int32_t> truth, std::span<const std::int32_t> predicted,
                                 std::int32_t classes) {
  require_same_size(truth, predicted);
  if (classes < 1) throw InputError(str("[metrics] expected at least one class, got ", classes));
  ConfusionMatrix matrix{classes, std::vector<std::int64_t>(static_cast<std::size_t>(classes) * classes)};
  for (std::size_t row = 0; row < truth.size(); ++row) {
    for (const std::int32_t label : {truth[row], predicted[row]})
      if (label < 0 || label >= classes)
        throw InputError(str("[metrics] row ", row, ": expected a label from 0 to ", classes - 1, ", got ", label));
    ++matrix.counts[static_cast<std::size_t>(truth[row]) * classes + predicted[row]];
  }
  return matrix;
}

double accuracy(std::span<const std::int32_t> truth, std::span<const std::int32_t> predicted) {
  require_same_size(truth, predicted);
  if (truth.empty()) throw InputError("[metrics] expected at least one row");
  std::int64_t correct = 0;
  for (std::size_t row = 0; row < truth.size(); ++row) correct += truth[row] == predicted[row];
  return ratio(correct, static_cast<std::int64_t>(truth.size()));
}

std::vector<ClassScore> class_scores(const ConfusionMatrix& matrix) {
  std::vector<ClassScore> scores(matrix.classes);
  for (std::int32_t c = 0; c < matrix.classes; ++c) {
    ClassScore& score = scores[c];
    for (std::int32_t other = 0; other < matrix.classes; ++other) {
      score.support += matrix.at(c, other);
      score.predicted += matrix.at(other, c);
    }
    const std::int64_t hits = matrix.at(c, c);
    score.precision = ratio(hits, score.predicted);
    score.recall = ratio(hits, score.support);
    score.f1 = ratio(2 * hits, score.predicted + score.support);
  }
  return scores;
}

double macro_f1(const ConfusionMatrix& matrix) {
  double sum = 0;
  std::int64_t present = 0;
  for (const ClassScore& score : class_scores(matrix)) {
    if (score.support + score.predicted == 0) continue;
    sum += score.f1;
    ++present;
  }
  if (present == 0) throw InputError("[metrics] expected at least one row");
  return sum / static_cast<double>(present);
}

double macro_f1(std::span<const std::int32_t> truth, std::span<const std::int32_t> predicted, std::int32_t classes) {
  return macro_f1(confusion_matrix(truth, predicted, classes));
}

Interval wilson_interval(std::int64_t correct, std::int64_t total, double z) {
  if (correct < 0 || total < correct || !(z >= 0))
    throw InputError(str("[metrics] expected 0 <= correct <= total and z >= 0, got ", correct, ", ", total, ", ", z));
  if (total == 0) return {};
  const double n = static_cast<double>(total), p = static_cast<double>(correct) / n, z2 = z * z;
  const double center = p + z2 / (2 * n), half = z * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n)), scale = 1 + z2 / n;
  // At the ends the exact bound is 0 or 1; rounding must not step over it.
  return {correct == 0 ? 0.0 : std::max(0.0, (center - half) / scale),
          correct == total ? 1.0 : std::min(1.0, (center + half) / scale)};
}

}  // namespace lathe::data
