// Scores against hand-computed ones, and answers that do not depend on how rows are batched.
#include <lathe/tensor/backend.h>

#include <cmath>
#include <limits>

#include "tests/train/support.h"

using namespace lathe;
using namespace lathe::train;
using namespace lathe::train::test;

namespace {

Predictions predictions(std::int32_t classes, std::vector<std::int32_t> labels, std::vector<float> probabilities = {}) {
  if (probabilities.empty())
    probabilities.assign(labels.size() * static_cast<std::size_t>(classes), 1.0f / static_cast<float>(classes));
  return {classes, std::move(probabilities), std::move(labels)};
}

}  // namespace

TEST_CASE("scores") {
  // scikit-learn 1.9: accuracy_score 0.6666666666666666; f1_score(average="macro") 0.6555555555555556, of 1/2, 4/5 and 2/3.
  Scores s = score(predictions(3, {0, 1, 1, 1, 2, 0}), std::vector<std::int32_t>{0, 0, 1, 1, 2, 2});
  CHECK(s.accuracy == doctest::Approx(4.0 / 6).epsilon(1e-15));
  CHECK(s.macro_f1 == doctest::Approx(0.6555555555555556).epsilon(1e-15));
  CHECK(s.of(Metric::kAccuracy) == s.accuracy);
  CHECK(s.of(Metric::kMacroF1) == s.macro_f1);
  // Class 3 is neither asked for nor answered and does not count; class 2 is never answered: 1, 2/3 and 0. scikit-learn:
  // 0.5555555555555555.
  s = score(predictions(4, {0, 0, 1, 1}), std::vector<std::int32_t>{0, 0, 1, 2});
  CHECK(s.macro_f1 == doctest::Approx((1 + 2.0 / 3 + 0) / 3).epsilon(1e-15));

  const std::vector<float> p = {0.25f, 0.75f, 0.5f, 0.5f, 1.0f, 0.0f};
  s = score(predictions(2, {1, 0, 0}, p), std::vector<std::int32_t>{1, 0, 0});
  CHECK(s.loss == doctest::Approx((std::log(4.0 / 3) + std::log(2.0) + 0) / 3).epsilon(1e-15));
  s = score(predictions(2, {1, 0, 0}, p), std::vector<std::int32_t>{1, 0, 1});  // a probability of 0 costs much, not everything
  CHECK(s.loss == doctest::Approx((std::log(4.0 / 3) + std::log(2.0) + 300 * std::log(10.0)) / 3).epsilon(1e-12));
  std::vector<float> broken = p;
  broken[3] = broken[2] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(score(predictions(2, {1, 0, 0}, broken), std::vector<std::int32_t>{1, 0, 0}).loss));

  CHECK_THROWS_AS(score(predictions(2, {}), std::vector<std::int32_t>{}), InputError);
  CHECK_THROWS_AS(score(predictions(2, {0, 1}), std::vector<std::int32_t>{0, 2}), InputError);
  CHECK_THROWS_AS(score(predictions(2, {0, 1}), std::vector<std::int32_t>{0, -1}), InputError);
}

TEST_CASE("answers do not depend on batch, threads or backend, in no bit") {
  const data::EncodedDataset all = rows(60, 4, 3);
  Context context({.seed = 1});
  const nn::Classifier model(context, architecture(3, 2));
  const Predictions expected = predict(model, all);
  CHECK(expected.classes == 3);
  REQUIRE(expected.labels.size() == 60);
  REQUIRE(expected.probabilities.size() == 180);
  for (const std::int64_t tokens : {1, 7, 50, 100000}) CHECK(predict(model, all, tokens).probabilities == expected.probabilities);
  for (std::size_t row = 0; row < all.rows(); ++row) {  // each row alone, in its place
    data::EncodedDataset one;
    one.add(all.sequence(row), 0);
    const Predictions alone = predict(model, one);
    CHECK(alone.labels[0] == expected.labels[row]);
    for (std::size_t c = 0; c < 3; ++c) CHECK(alone.probabilities[c] == expected.probabilities[3 * row + c]);
  }
  for (const std::string& backend : available_backends())
    for (const int threads : {1, 3}) {
      Context other({.backend = backend, .threads = threads, .seed = 1});
      CHECK(predict(nn::Classifier(other, architecture(3, 2)), all).probabilities == expected.probabilities);
    }
  CHECK(predict(model, data::EncodedDataset()).labels.empty());
}

TEST_CASE("of equal probabilities the smaller class is the answer") {
  Context context({.seed = 1});
  nn::Classifier model(context, architecture(3));
  for (const Var& parameter : model.parameters())
    if (has(parameter.name(), "classifier") || has(parameter.name(), "head")) {
      Var handle = parameter;
      handle.mutable_value().fill(0);
    }
  const Predictions answer = predict(model, rows(5, 4, 3));
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(answer.probabilities[3 * i] == answer.probabilities[3 * i + 2]);
    CHECK(answer.labels[i] == 0);
  }
}
