// Intervals of test scores and tests of differences, beside scipy's numbers.
#include <lathe/base/math.h>
#include <lathe/base/random.h>
#include <lathe/nas/transformer/intervals.h>

#include <doctest/doctest.h>

#include <algorithm>

using namespace lathe;
using namespace lathe::nas;

namespace {

using Answers = std::vector<std::vector<std::int32_t>>;

/// `right` of n rows of class 1 answered with 1.
Answers answered(std::size_t right, std::size_t n) {
  std::vector<std::int32_t> row(n, 0);
  std::fill(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(right), 1);
  return {row};
}

}  // namespace

TEST_CASE("Wilson's interval: scipy 1.17, binomtest(k, n).proportion_ci(0.95, 'wilson')") {
  struct Case {
    std::size_t right, rows;
    double low, high;
  };
  for (const Case& c :
       {Case{0, 30, 0.0, 0.11351339317396875}, Case{30, 30, 0.8864866068260312, 1.0},
        Case{27, 30, 0.7437891742081592, 0.9654001112526657}, Case{1, 1000, 0.00017654637062607809, 0.0056425585979579355}}) {
    CAPTURE(c.right);
    const data::Interval i = wilson(static_cast<double>(c.right) / static_cast<double>(c.rows), static_cast<double>(c.rows));
    CHECK(i.low == doctest::Approx(c.low).epsilon(1e-9));
    CHECK(i.high == doctest::Approx(c.high).epsilon(1e-9));
    // One training: nothing but the rows varies.
    const std::vector<std::int32_t> truth(c.rows, 1);
    const ScoreInterval s = score_interval(answered(c.right, c.rows), truth, 2, train::Metric::kAccuracy);
    CHECK(s.low == doctest::Approx(c.low).epsilon(1e-9));
    CHECK(s.high == doctest::Approx(c.high).epsilon(1e-9));
  }
  CHECK(wilson(0.5, 0).low == 0);
  CHECK(wilson(0.5, 0).high == 1);
}

TEST_CASE("trainings that differ widen the interval") {
  const std::vector<std::int32_t> truth(100, 1);
  const auto width = [&](const Answers& answers) {
    const ScoreInterval s = score_interval(answers, truth, 2, train::Metric::kAccuracy);
    return s.high - s.low;
  };
  const auto many = [](std::vector<std::size_t> rights) {
    Answers out;
    for (const std::size_t r : rights) out.push_back(answered(r, 100)[0]);
    return out;
  };
  CHECK(width(many({80, 80, 80})) == doctest::Approx(width(many({80}))));
  CHECK(width(many({70, 80, 90})) > 1.5 * width(many({80, 80, 80})));
  // Variance of the mean 100/3 + 16 (in percent²): Wilson for 0.16/0.00493 rows.
  const data::Interval expected = wilson(0.8, 0.16 / ((100.0 / 3 + 16) / 10'000));
  CHECK(width(many({70, 80, 90})) == doctest::Approx(expected.high - expected.low));
  CHECK(score_interval({}, truth, 2, train::Metric::kAccuracy).high == 1);
}

TEST_CASE("macro F1 has an interval from a bootstrap of the rows, the same each time") {
  std::vector<std::int32_t> truth, given;
  Random random(random_key(1, 0, "rows"));
  for (int i = 0; i < 400; ++i) {
    truth.push_back(static_cast<std::int32_t>(random.below(3)));
    given.push_back(random.uniform() < 0.8 ? truth.back() : static_cast<std::int32_t>(random.below(3)));
  }
  const Answers answers = {given};
  const ScoreInterval f1 = score_interval(answers, truth, 3, train::Metric::kMacroF1);
  const ScoreInterval accuracy = score_interval(answers, truth, 3, train::Metric::kAccuracy);
  CHECK(f1.mean == data::macro_f1(truth, given, 3));
  CHECK(f1.low < f1.mean);
  CHECK(f1.high > f1.mean);
  // Balanced classes with errors spread evenly: both metrics vary alike.
  CHECK(f1.high - f1.low == doctest::Approx(accuracy.high - accuracy.low).epsilon(0.15));
  CHECK(score_interval(answers, truth, 3, train::Metric::kMacroF1).low == f1.low);
  const ScoreInterval perfect = score_interval(Answers{truth}, truth, 3, train::Metric::kMacroF1);
  CHECK(perfect.low == doctest::Approx(wilson(1, 400).low));
  CHECK(perfect.high == 1);
}

TEST_CASE("Student's quantiles: scipy 1.17, t.ppf(0.975, df)") {
  for (const auto& [degrees, expected] :
       {std::pair{1.0, 12.7062047361747}, std::pair{4.9, 2.77644510519779}, std::pair{30.0, 2.04227245630124},
        std::pair{31.0, 2.0395134464}, std::pair{60.0, 2.00029782201}, std::pair{1000.0, 1.96233908083}})
    CHECK(student_quantile(degrees) == doctest::Approx(expected).epsilon(2e-6));
  CHECK(student_quantile(0.3) == student_quantile(1));
}

TEST_CASE("the difference of two groups counts rows and seeds") {
  const std::vector<std::int32_t> truth(100, 1);
  const auto many = [](std::vector<std::size_t> rights) {
    Answers out;
    for (const std::size_t r : rights) out.push_back(answered(r, 100)[0]);
    return out;
  };
  const auto compared = [&](const Answers& a, const Answers& b) {
    return score_difference(a, b, truth, 2, train::Metric::kAccuracy);
  };
  // Seeds agree: the rows alone. Of 100 paired differences ten are 1: variance of the mean 0.09/99.
  const ScoreDifference rows = compared(many({90, 90}), many({80, 80}));
  CHECK(rows.mean == doctest::Approx(0.1));
  CHECK(rows.error == doctest::Approx(math::sqrt(0.09 / 99)));
  CHECK(rows.quantile == doctest::Approx(1.9842169515086827));  // 99 degrees of freedom, scipy
  // Seeds differ: b's have variance 0.02 (deviations of 0.1), of the mean 0.01, with one degree of freedom.
  const ScoreDifference seeds = compared(many({90, 90}), many({70, 90}));
  CHECK(seeds.mean == doctest::Approx(0.1));
  const double of_rows = (20 * 0.4 * 0.4 + 80 * 0.1 * 0.1) / 99 / 100;  // twenty differences of 1/2, else none: mean 0.1
  CHECK(seeds.error == doctest::Approx(math::sqrt(of_rows + 0.01)));
  CHECK(seeds.quantile == student_quantile((of_rows + 0.01) * (of_rows + 0.01) / (of_rows * of_rows / 99 + 0.0001)));
  CHECK(seeds.quantile > 12);
  const ScoreDifference one = compared(many({90}), many({80, 80}));
  CHECK(one.mean == doctest::Approx(0.1));
  CHECK(one.error == doctest::Approx(math::sqrt(0.09 / 99)));  // of the rows: one training tells nothing of its seeds
  const ScoreDifference f1 = score_difference(many({90, 90}), many({80, 80}), truth, 2, train::Metric::kMacroF1);
  CHECK(f1.error > 0);
  CHECK(score_difference(many({90, 90}), many({90, 90}), truth, 2, train::Metric::kMacroF1).error == 0);  // the same rows are drawn
}

TEST_CASE("sign flips: of single rows McNemar's exact test, scipy's binomtest(k, m, 0.5)") {
  const auto p = [](int minus, int all) {
    std::vector<double> d(7, 0.0);  // rows that do not differ say nothing
    for (int i = 0; i < all; ++i) d.push_back(i < minus ? -1 : 1);
    return sign_flip_p_value(d);
  };
  CHECK(p(0, 4) == doctest::Approx(0.125));
  CHECK(p(1, 5) == doctest::Approx(0.375));
  CHECK(p(3, 12) == doctest::Approx(0.14599609375));
  CHECK(p(6, 20) == doctest::Approx(0.11531829833984375).epsilon(0.08));    // 10,000 random ways
  CHECK(p(40, 120) == doctest::Approx(0.00033040001839131815).epsilon(1));  // of which about three hit
  CHECK(p(110, 240) == doctest::Approx(math::erfc(20 / math::sqrt(480.0))));
  CHECK(p(0, 0) == 1);
  CHECK(sign_flip_p_value(std::vector<double>{0.5, 0.5, -1}) == 1);
}
