#include <lathe/base/text.h>
#include <lathe/data/baseline.h>
#include <lathe/data/lbfgs.h>
#include <lathe/data/listops.h>
#include <lathe/data/load.h>
#include <lathe/data/metrics.h>

#include "tests/data/support.h"
#include "tests/support/shared.h"

using namespace lathe::data;
using lathe::data::test::error_of;
using lathe::data::test::examples_of;

TEST_CASE("majority class") {
  CHECK(majority_class(examples_of("label\ttext\nb\tx\na\ty\nb\tz\n")) == 1);
  CHECK(majority_class(examples_of("label\ttext\nb\tx\na\ty\n")) == 0);  // a tie goes to the smaller id
  CHECK(error_of([] { majority_class({}); }) == "[baseline] expected at least one training row");
}

TEST_CASE("L-BFGS finds the minimum of Rosenbrock's function and of a quadratic") {
  std::vector<double> x = {-1.2, 1.0};
  const auto rosenbrock = [](const std::vector<double>& p, std::vector<double>& g) {
    const double a = 1 - p[0], b = p[1] - p[0] * p[0];
    g = {-2 * a - 400 * p[0] * b, 200 * b};
    return a * a + 100 * b * b;
  };
  const int iterations = detail::minimise(rosenbrock, x, {200, 1e-9, 10});
  CHECK(iterations < 100);
  CHECK(x[0] == doctest::Approx(1.0).epsilon(1e-7));
  CHECK(x[1] == doctest::Approx(1.0).epsilon(1e-7));
  std::vector<double> y(50, 3.0);
  const auto quadratic = [](const std::vector<double>& p, std::vector<double>& g) {
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double scale = 1 + static_cast<double>(i), d = p[i] - static_cast<double>(i);
      sum += 0.5 * scale * d * d;
      g[i] = scale * d;
    }
    return sum;
  };
  detail::minimise(quadratic, y, {500, 1e-10, 10});
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == doctest::Approx(static_cast<double>(i)).epsilon(1e-8));
}

// Expected values: scikit-learn 1.9.1, LogisticRegression(C=2, tol=1e-12) on the same seven texts, words present or not.
TEST_CASE("the fit is the multinomial logistic regression of scikit-learn") {
  const Examples train =
      examples_of("label\ttext\n1\tgood film\n0\tbad FILM\n1\tgood good plot\n0\tbad plot\n2\ta film\n1\tgood fun\n0\tbad fun a\n");
  BagOfWordsOptions options;
  options.bigrams = Choice::no;
  options.l2 = {0.5};
  options.max_iterations = 1000;
  options.tolerance = 1e-11;
  const BagOfWords model = BagOfWords::fit(train, {}, options);
  CHECK(model.features() == 6);
  CHECK(model.l2() == 0.5);
  const double none[] = {0.3891507922181354, 0.45009620238579506, 0.16075300539606954};
  const double both[] = {0.14504880433506837, 0.6634909148882598, 0.19146028077667174};
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(model.probabilities("unseen")[c] == doctest::Approx(none[c]).epsilon(1e-7));
    CHECK(model.probabilities("Good a")[c] == doctest::Approx(both[c]).epsilon(1e-7));
  }
  CHECK(model.predict("good a") == 1);
  CHECK(accuracy(train.label, model.predict(train)) == 1.0);
  CHECK(BagOfWords::fit(train, {}, options).weights_hash() == model.weights_hash());
}

TEST_CASE("word pairs tell what words cannot, and are taken only where they help") {
  std::string text = "label\ttext\n";
  for (int i = 0; i < 40; ++i) text += i % 2 ? "1\tnot good but bad\n" : "0\tgood but not bad\n";
  const Examples train = examples_of(text);
  const BagOfWords pairs = BagOfWords::fit(train, train);
  CHECK(pairs.bigrams());
  CHECK(accuracy(train.label, pairs.predict(train)) == 1.0);
  BagOfWordsOptions words;
  words.bigrams = Choice::no;
  CHECK(accuracy(train.label, BagOfWords::fit(train, train, words).predict(train)) == 0.5);
  const Examples easy = examples_of("label\ttext\n1\tgood\n0\tbad\n1\tgood film\n0\tbad film\n");
  CHECK(!BagOfWords::fit(easy, easy).bigrams());
}

TEST_CASE("the two texts of a pair have features of their own") {
  std::string text = "text1\ttext2\tlabel\n";
  for (int i = 0; i < 20; ++i) text += i % 2 ? "a\tb\t1\n" : "b\ta\t0\n";
  const Examples train = examples_of(text);
  const BagOfWords model = BagOfWords::fit(train, train);
  CHECK(model.predict("a", "b") == 1);
  CHECK(model.predict("b", "a") == 0);
}

// f64, one order, own exp and log: the weights are the same bits for every compiler and machine.
TEST_CASE("baseline: golden weights") {
  std::string text = "label\ttext\n";
  ListOpsOptions options;
  options.rows = 600;
  for (const ListOpsRow& row : generate_listops(options)) text += lathe::str(row.label, "\t", row.text, "\n");
  const Examples examples = examples_of(text);
  const BagOfWords model = BagOfWords::fit(examples, limit_rows(examples, 100, 1));
  CHECK(model.weights_hash() == "ef51af5ae60f0014cf3eeb8a5364ad053b2e72a528fd5d4991f19261307f2085");
}

TEST_CASE("baseline: edges") {
  CHECK(error_of([] { BagOfWords::fit({}, {}); }) == "[baseline] expected at least one training row");
  const Examples train = examples_of("label\ttext\n1\tgood\n0\t!\n");
  BagOfWordsOptions options;
  options.l2 = {1, 2};
  CHECK(error_of([&] { BagOfWords::fit(train, {}, options); }) == "[baseline] expected l2 > 0 in descending order");
  options.l2 = {};
  CHECK(error_of([&] { BagOfWords::fit(train, {}, options); }) != "");
  options = {};
  options.min_texts = 100;  // no feature is left: the bias alone decides
  const BagOfWords model = BagOfWords::fit(train, train, options);
  CHECK(model.features() == 0);
  CHECK(model.probabilities("good")[0] == doctest::Approx(0.5));
  CHECK(model.predict(Examples{}).empty());
}

TEST_CASE("SST-2: bag of words from 8,000 rows") {
  DataConfig config;
  config.train = lathe::test::shared_file("data/glue-sst2/train.tsv");
  if (config.train.empty()) return;
  config.valid = lathe::test::shared_file("data/glue-sst2/dev.tsv");
  config.test = lathe::test::shared_file("data/glue-sst2/test.tsv");
  config.max_rows = 8000;
  const ClassificationData data = load_classification(config);
  const BagOfWords model = BagOfWords::fit(data.train, data.valid);
  const double valid = accuracy(data.valid.label, model.predict(data.valid)),
               test = accuracy(data.test.label, model.predict(data.test));
  MESSAGE("dev " << valid << ", test " << test << ", weights " << model.weights_hash());
  CHECK(valid > 0.78);
  CHECK(test > 0.77);
}
