#include <lathe/data/metrics.h>

#include <limits>

#include "tests/data/support.h"

using namespace lathe::data;
using lathe::data::test::error_of;

namespace {

std::vector<std::int32_t> congruential(int n, std::uint32_t m, std::uint32_t x) {
  std::vector<std::int32_t> out;
  for (int i = 0; i < n; ++i) {
    x = x * 1664525u + 1013904223u;
    out.push_back(static_cast<std::int32_t>((x >> 16) % m));
  }
  return out;
}

}  // namespace

// Expected values: scikit-learn 1.9.1, f1_score(average="macro", zero_division=0).
TEST_CASE("macro F1 equals scikit-learn's, absent classes included") {
  struct Case {
    std::vector<std::int32_t> truth, predicted;
    std::int32_t classes;
    double f1;
  };
  for (const Case& c : {Case{{0, 1, 2, 0, 1, 2}, {0, 2, 1, 0, 0, 1}, 3, 0.26666666666666666},
                        Case{{0, 0, 1, 1}, {0, 0, 0, 0}, 2, 1.0 / 3}, Case{{0, 0, 0}, {0, 0, 0}, 3, 1.0},
                        Case{{0, 3, 3, 0}, {3, 3, 1, 0}, 5, 0.38888888888888884}, Case{{2, 2, 2}, {1, 1, 1}, 4, 0.0}})
    CHECK(macro_f1(c.truth, c.predicted, c.classes) == doctest::Approx(c.f1).epsilon(1e-15));
}

TEST_CASE("class scores of a thousand rows equal scikit-learn's") {
  // One prediction of two is right; the others come from a stream of their own.
  const auto truth = congruential(1000, 7, 1), raw = congruential(1000, 9, 2), gate = congruential(1000, 9, 3);
  std::vector<std::int32_t> predicted(1000);
  for (std::size_t i = 0; i < 1000; ++i) predicted[i] = gate[i] > 4 ? truth[i] : raw[i] % 7;
  const ConfusionMatrix matrix = confusion_matrix(truth, predicted, 7);
  CHECK(matrix.correct() == 493);
  CHECK(accuracy(truth, predicted) == 0.493);
  CHECK(macro_f1(matrix) == doctest::Approx(0.49447354195135296).epsilon(1e-14));
  const ClassScore score = class_scores(matrix)[3];
  CHECK(score.precision == doctest::Approx(0.518796992481203));
  CHECK(score.recall == doctest::Approx(0.518796992481203));
  CHECK(score.f1 == doctest::Approx(0.518796992481203));
}

// Expected values: scipy 1.17.1, binomtest(k, n).proportion_ci(0.95, "wilson").
TEST_CASE("Wilson's interval equals scipy's") {
  struct Case {
    std::int64_t correct, total;
    double low, high;
  };
  for (const Case& c : {Case{0, 10, 0.0, 0.27753279986288926}, Case{10, 10, 0.7224672001371109, 1.0},
                        Case{5, 10, 0.236593090512564, 0.7634069094874361}, Case{842, 1000, 0.8180901541085861, 0.8632923430872941},
                        Case{1, 1, 0.20654931437723745, 1.0}, Case{0, 1, 0.0, 0.7934506856227626},
                        Case{1501, 1821, 0.8061145407166536, 0.8410649686546553}}) {
    const Interval i = wilson_interval(c.correct, c.total);
    CHECK(i.low == doctest::Approx(c.low).epsilon(1e-13));
    CHECK(i.high == doctest::Approx(c.high).epsilon(1e-13));
    CHECK(i.low >= 0.0);
    CHECK(i.high <= 1.0);
  }
  CHECK(wilson_interval(0, 0).low == 0.0);
  CHECK(wilson_interval(0, 0).high == 1.0);
  CHECK(error_of([] { wilson_interval(2, 1); }) != "");
  CHECK(error_of([] { wilson_interval(1, 2, std::numeric_limits<double>::quiet_NaN()); }) != "");
}

TEST_CASE("metrics refuse what they cannot measure") {
  const std::vector<std::int32_t> none, one = {0}, two = {0, 1}, negative = {-1};
  CHECK(error_of([&] { accuracy(none, none); }) == "[metrics] expected at least one row");
  CHECK(error_of([&] { accuracy(one, two); }) == "[metrics] expected one prediction a row, got 2 for 1 rows");
  CHECK(error_of([&] { confusion_matrix(two, two, 1); }) == "[metrics] row 1: expected a label from 0 to 0, got 1");
  CHECK(error_of([&] { confusion_matrix(one, negative, 2); }) == "[metrics] row 0: expected a label from 0 to 1, got -1");
  CHECK(error_of([&] { confusion_matrix(none, none, 0); }) != "");
  CHECK(error_of([&] { macro_f1(none, none, 3); }) != "");
}
