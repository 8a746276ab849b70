// Metrics of classification on arrays of labels. Labels are ids 0 … classes − 1; another value is an InputError.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace lathe::data {

/// counts[t · classes + p]: rows of true class t that were given class p.
struct ConfusionMatrix {
  std::int32_t classes = 0;
  std::vector<std::int64_t> counts;
  std::int64_t at(std::int32_t truth, std::int32_t predicted) const { return counts[truth * classes + predicted]; }
  std::int64_t total() const;
  std::int64_t correct() const;
};

ConfusionMatrix confusion_matrix(std::span<const std::int32_t> truth, std::span<const std::int32_t> predicted,
                                 std::int32_t classes);

/// Correct rows / rows. InputError without rows or with different lengths.
double accuracy(std::span<const std::int32_t> truth, std::span<const std::int32_t> predicted);

/// precision = tp/(tp+fp), recall = tp/(tp+fn), f1 = 2tp/(2tp+fp+fn), each 0 where the denominator is 0.
struct ClassScore {
  double precision = 0, recall = 0, f1 = 0;
  std::int64_t support = 0;    ///< true rows
  std::int64_t predicted = 0;  ///< rows given this class
};
std::vector<ClassScore> class_scores(const ConfusionMatrix& matrix);

/// Mean F1 over the classes that occur in the truth or in the predictions, as scikit-learn's
/// f1_score(average="macro", zero_division=0) computes it: a class that occurs in neither does not count.
double macro_f1(const ConfusionMatrix& matrix);
double macro_f1(std::span<const std::int32_t> truth, std::span<const std::int32_t> predicted, std::int32_t classes);

/// Wilson's score interval of a proportion (Wilson 1927), 95 % unless z says otherwise. Total 0 gives [0, 1].
struct Interval {
  double low = 0, high = 1;
};
Interval wilson_interval(std::int64_t correct, std::int64_t total, double z = 1.959963984540054);

}  // namespace lathe::data
