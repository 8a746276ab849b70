// The encoder and the classifier: names, initial values, equality of batches, dropout, errors.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/nn/transformer.h>
#include <lathe/optim/optimizer.h>
#include <lathe/tensor/backend.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/nn/model_fixture.h"

using namespace lathe;
using namespace lathe::nn;
using lathe::test::options;
using lathe::test::random_batch;
using lathe::test::random_labels;
using lathe::test::small_config;

namespace {

std::vector<float> evaluate(const Classifier& model, const Batch& batch, Mode mode = Mode::kEvaluate) {
  NoGrad no_grad(model.context());
  return model.logits(batch, mode).value().to_vector<float>();
}

/// Every combination of the choices that the forward pass branches on.
std::vector<TransformerConfig> variants() {
  std::vector<TransformerConfig> all;
  for (const NormKind norm : {NormKind::kLayer, NormKind::kRms})
    for (const NormPlace place : {NormPlace::kPre, NormPlace::kPost})
      for (const Positions positions : {Positions::kLearned, Positions::kSinusoidal, Positions::kRotary})
        for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst}) {
          TransformerConfig config = small_config();
          config.norm = norm;
          config.norm_place = place;
          config.embedding_norm = place == NormPlace::kPost;
          config.positions = positions;
          config.pooling = pooling;
          config.pooler = pooling == Pooling::kFirst;
          config.scale_embedding = positions == Positions::kSinusoidal;
          all.push_back(config);
        }
  return all;
}

}  // namespace

TEST_CASE("parameters have stable names in the order of registration") {
  Context context(options());
  TransformerConfig config = small_config();
  config.layers.resize(1);
  config.type_vocab_size = 2;
  config.embedding_norm = config.pooler = true;
  const Classifier model(context, config);
  std::vector<std::string> names;
  for (const Var& parameter : model.parameters()) names.push_back(parameter.name() + parameter.shape().text());
  CHECK(names == std::vector<std::string>{"embeddings.tokens[50, 32]",
                                          "embeddings.positions[20, 32]",
                                          "embeddings.types[2, 32]",
                                          "embeddings.norm.weight[32]",
                                          "embeddings.norm.bias[32]",
                                          "layers.0.attention.norm.weight[32]",
                                          "layers.0.attention.norm.bias[32]",
                                          "layers.0.attention.qkv.weight[96, 32]",
                                          "layers.0.attention.qkv.bias[96]",
                                          "layers.0.attention.out.weight[32, 32]",
                                          "layers.0.attention.out.bias[32]",
                                          "layers.0.ffn.norm.weight[32]",
                                          "layers.0.ffn.norm.bias[32]",
                                          "layers.0.ffn.in.weight[48, 32]",
                                          "layers.0.ffn.in.bias[48]",
                                          "layers.0.ffn.out.weight[32, 48]",
                                          "layers.0.ffn.out.bias[32]",
                                          "norm.weight[32]",
                                          "norm.bias[32]",
                                          "pooler.weight[32, 32]",
                                          "pooler.bias[32]",
                                          "classifier.weight[3, 32]",
                                          "classifier.bias[3]"});
}

TEST_CASE("arithmetic counts what is there") {
  Context context(options());
  for (TransformerConfig config : variants()) {
    config.layers[1] = {.heads = 3, .head_dim = 6, .ffn = 17, .activation = UnaryOp::kRelu};
    CAPTURE(config.to_json());
    CHECK(Classifier(context, config).parameter_count() == count_parameters(config));
  }
}

TEST_CASE("initial values depend on seed, trial and name alone") {
  Context context(options("", 1, 9));
  TransformerConfig config = small_config();
  const Classifier deep(context, config);
  config.layers.resize(1);
  config.pooler = true;
  config.positions = Positions::kRotary;
  const Classifier shallow(context, config);
  const auto values = [](const Classifier& model, const char* name) {
    const auto& all = model.parameters();
    for (const Var& parameter : all)
      if (parameter.name() == name) return parameter.value().to_vector<float>();
    return std::vector<float>{};
  };
  CHECK(values(deep, "layers.0.attention.qkv.weight") == values(shallow, "layers.0.attention.qkv.weight"));
  CHECK(values(deep, "classifier.weight") == values(shallow, "classifier.weight"));
  CHECK(values(deep, "layers.0.attention.qkv.weight") != values(deep, "layers.1.attention.qkv.weight"));
  Context other(options("", 1, 10));
  CHECK(values(Classifier(other, config), "classifier.weight") != values(shallow, "classifier.weight"));

  // N(0, 0.02²); what is added to the residual stream is smaller by sqrt(2L). 2,048 and 1,024 numbers: deviation within 5 %.
  const auto deviation = [&](const char* name) {
    double sum = 0, squares = 0;
    const std::vector<float> x = values(deep, name);
    for (const float v : x) sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
    CHECK(std::abs(sum / static_cast<double>(x.size())) < 0.002);
    return std::sqrt(squares / static_cast<double>(x.size()));
  };
  CHECK(deviation("layers.0.attention.qkv.weight") == doctest::Approx(0.02).epsilon(0.05));
  CHECK(deviation("embeddings.tokens") == doctest::Approx(0.02).epsilon(0.05));
  CHECK(deviation("layers.1.ffn.out.weight") == doctest::Approx(0.01).epsilon(0.05));
  CHECK(values(deep, "layers.0.ffn.norm.weight") == std::vector<float>(32, 1.0f));
  CHECK(values(deep, "layers.0.ffn.in.bias") == std::vector<float>(48, 0.0f));
}

TEST_CASE("a batch gives the same bits together and one by one") {
  const std::vector<std::int32_t> lengths{7, 1, 20, 3, 16, 2, 5};
  for (const std::string& backend : available_backends()) {
    for (const TransformerConfig& config : variants()) {
      CAPTURE(backend);
      CAPTURE(config.summary());
      Context context(options(backend, 2));
      const Classifier model(context, config);
      const Batch together = random_batch(context, lengths, config.vocab_size);
      const std::vector<float> all = evaluate(model, together);
      REQUIRE(all.size() == 3 * lengths.size());
      const std::vector<std::int32_t> ids = together.ids.to_vector<std::int32_t>();
      for (std::size_t s = 0; s < lengths.size(); ++s) {
        const auto first = ids.begin() + together.offsets.begin(static_cast<Index>(s));
        const std::vector<std::int32_t> own(first, first + lengths[s]);
        const std::vector<float> alone = evaluate(model, make_batch(context, own, Offsets({0, lengths[s]})));
        CHECK(alone == std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(3 * s),
                                          all.begin() + static_cast<std::ptrdiff_t>(3 * s + 3)));
      }
    }
  }
}

TEST_CASE("sequences do not see one another, positions matter") {
  Context context(options());
  for (const TransformerConfig& config : variants()) {
    CAPTURE(config.summary());
    const Classifier model(context, config);
    const auto logits = [&](std::vector<std::int32_t> ids, std::vector<std::int32_t> offsets) {
      return evaluate(model, make_batch(context, ids, Offsets(std::move(offsets))));
    };
    const std::vector<float> a = logits({1, 2, 3, 4, 5}, {0, 3, 5}), b = logits({1, 2, 3, 9, 8}, {0, 3, 5});
    CHECK(std::vector<float>(a.begin(), a.begin() + 3) == std::vector<float>(b.begin(), b.begin() + 3));
    CHECK(std::vector<float>(a.begin() + 3, a.end()) != std::vector<float>(b.begin() + 3, b.end()));
    CHECK(logits({1, 2, 3}, {0, 3}) != logits({1, 3, 2}, {0, 3}));
  }
}

TEST_CASE("dropout: same step same bits, other step other bits, off in evaluation") {
  TransformerConfig config = small_config();
  const std::vector<std::int32_t> lengths{5, 9, 2};
  const auto run = [&](const TransformerConfig& c, std::uint32_t step, Mode mode, int threads) {
    Context context(options("", threads));
    const Classifier model(context, c);
    context.set_step(step);
    return evaluate(model, random_batch(context, lengths, c.vocab_size), mode);
  };
  const std::vector<float> plain = run(config, 0, Mode::kEvaluate, 1);
  CHECK(run(config, 0, Mode::kTrain, 1) == plain);
  for (double TransformerConfig::*site :
       {&TransformerConfig::dropout, &TransformerConfig::attention_dropout, &TransformerConfig::head_dropout}) {
    TransformerConfig dropping = config;
    dropping.*site = 0.3;
    const std::vector<float> dropped = run(dropping, 4, Mode::kTrain, 1);
    CHECK(dropped != plain);
    CHECK(run(dropping, 4, Mode::kTrain, 3) == dropped);
    CHECK(run(dropping, 5, Mode::kTrain, 1) != dropped);
    CHECK(run(dropping, 4, Mode::kEvaluate, 1) == plain);
  }
}

TEST_CASE("groups of sequences drop what the whole batch drops") {
  TransformerConfig config = small_config();
  config.dropout = config.attention_dropout = config.head_dropout = 0.25;
  Context context(options());
  const Classifier model(context, config);
  const std::vector<std::int32_t> lengths{4, 6, 3};
  const Batch whole = random_batch(context, lengths, config.vocab_size);
  const std::vector<float> together = evaluate(model, whole, Mode::kTrain);
  const std::vector<std::int32_t> ids = whole.ids.to_vector<std::int32_t>();
  std::vector<float> groups;
  for (Index s = 0; s < 3; ++s) {
    const auto first = ids.begin() + whole.offsets.begin(s);
    const std::vector<std::int32_t> own(first, first + lengths[static_cast<std::size_t>(s)]);
    Batch part = make_batch(context, own, Offsets({0, lengths[static_cast<std::size_t>(s)]}));
    part.sequences.first = s;
    part.tokens.first = whole.offsets.begin(s);
    const std::vector<float> logits = evaluate(model, part, Mode::kTrain);
    groups.insert(groups.end(), logits.begin(), logits.end());
  }
  CHECK(groups == together);
}

TEST_CASE("a batch is cut into groups of whole sequences") {
  Context context(options());
  const std::vector<std::int32_t> lengths{4, 6, 3, 1, 1, 1, 1, 30, 2};
  const Batch whole = random_batch(context, lengths, 11);
  const auto sizes = [&](Index tokens) {
    std::vector<Index> found;
    Index token = 0, sequence = 0;
    for (const Batch& group : groups_of(whole, tokens)) {
      CHECK(group.tokens.first == token);
      CHECK(group.sequences.first == sequence);
      CHECK(group.ids.numel() == group.offsets.tokens());
      found.push_back(group.offsets.tokens());
      token += group.offsets.tokens();
      sequence += group.offsets.sequences();
      CHECK(group.tokens.last == (token == 49));
      CHECK(group.sequences.last == (sequence == 9));
    }
    CHECK(token == 49);
    CHECK(sequence == 9);
    return found;
  };
  CHECK(sizes(0) == std::vector<Index>{49});
  CHECK(sizes(1000) == std::vector<Index>{49});
  CHECK(sizes(10) == std::vector<Index>{10, 7, 30, 2});
  CHECK(sizes(1) == std::vector<Index>{4, 6, 3, 1, 1, 1, 1, 30, 2});
}

TEST_CASE("an open gradient is not given out") {
  Context context(options());
  const TransformerConfig config = small_config();
  Classifier model(context, config);
  const std::vector<std::int32_t> lengths{4, 6, 3};
  const Batch whole = random_batch(context, lengths, config.vocab_size);
  const std::vector<Batch> groups = groups_of(whole, 4);
  REQUIRE(groups.size() == 3);
  const Var& weight = model.registry().at("layers.0.ffn.in.weight");
  const auto pass = [&](const Batch& group) {
    const Tensor labels = Tensor::zeros(context, {group.offsets.sequences()}, DType::kI32);
    cross_entropy(model.logits(group, Mode::kTrain), labels, 3).backward();
  };
  pass(groups[0]);
  CHECK_THROWS_WITH_AS(weight.grad(), doctest::Contains("last group"), InputError);
  CHECK_THROWS_WITH_AS(pass(groups[2]), doctest::Contains("from 1 on, got them from 2"), InputError);
  optim::AdamW(model.parameters()).zero_grad();  // what gives up a batch
  CHECK(weight.grad().to_vector<float>() == std::vector<float>(static_cast<std::size_t>(weight.value().numel())));
}

TEST_CASE("edges of a batch") {
  Context context(options());
  TransformerConfig config = small_config();
  config.type_vocab_size = 2;
  const Classifier model(context, config);
  const std::vector<std::int32_t> none, three{1, 2, 3};
  CHECK(evaluate(model, make_batch(context, none, Offsets())).empty());
  const std::vector<float> with_empty = evaluate(model, make_batch(context, three, Offsets({0, 0, 3})));
  CHECK(with_empty.size() == 6);  // an empty sequence pools to zeros: the head's bias
  CHECK(with_empty[0] == 0);
  const std::vector<std::int32_t> zeros{0, 0, 0}, ones{0, 1, 1};
  CHECK(evaluate(model, make_batch(context, three, Offsets({0, 3}))) ==
        evaluate(model, make_batch(context, three, Offsets({0, 3}), zeros)));
  CHECK(evaluate(model, make_batch(context, three, Offsets({0, 3}))) !=
        evaluate(model, make_batch(context, three, Offsets({0, 3}), ones)));
}

TEST_CASE("errors say what was expected") {
  Context context(options());
  TransformerConfig config = small_config();
  const Classifier model(context, config);
  const auto logits = [&](const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& offsets,
                          const std::vector<std::int32_t>& types = {}) {
    model.logits(make_batch(context, ids, Offsets(offsets), types), Mode::kEvaluate);
  };
  CHECK_THROWS_WITH_AS(logits(std::vector<std::int32_t>(24, 1), {0, 3, 24}),
                       "[transformer] expected sequences of at most 20 tokens, got 21 in sequence 1", InputError);
  CHECK_THROWS_AS(logits({50}, {0, 1}), InputError);
  CHECK_THROWS_AS(logits({-1}, {0, 1}), InputError);
  CHECK_THROWS_WITH_AS(logits({1, 2}, {0, 3}), "[make_batch] expected 3 ids as the offsets say, got 2", InputError);
  CHECK_THROWS_WITH_AS(logits({1, 2}, {0, 2}, {0}), "[make_batch] expected as many types as ids (2), got 1", InputError);
  CHECK_THROWS_WITH_AS(logits({1, 2}, {0, 2}, {0, 1}), "[transformer] got token types, but type_vocab_size of the model is 0",
                       InputError);
  Batch batch;
  batch.offsets = Offsets({0, 2});
  CHECK_THROWS_WITH_AS(model.logits(batch, Mode::kEvaluate), "[transformer] expected ids i32 [2], got nothing", InputError);
  config.classes = 0;
  CHECK_THROWS_AS(Classifier(context, config), InputError);
  config.hidden = 33;
  CHECK_THROWS_WITH_AS(Classifier(context, config), "hidden 33 is not divisible by heads 4 (layers[0])", InputError);
}

TEST_CASE("the registry") {
  Context context(options());
  Parameters parameters(context);
  parameters.normal("a.weight", {2, 3}, 0.02);
  CHECK_THROWS_WITH_AS(parameters.constant("a.weight", {2}, 0), "[Parameters] there already is a parameter `a.weight`", InputError);
  CHECK_THROWS_WITH_AS(parameters.at("a.wieght"), "[Parameters] there is no parameter `a.wieght`; did you mean a.weight?",
                       InputError);
  CHECK_THROWS_AS(parameters.constant("", {2}, 0), InputError);
  CHECK(parameters.at("a.weight").shape() == Shape{2, 3});
  CHECK(parameters.count() == 6);
  CHECK_THROWS_AS(Parameters(context, DType::kI32), InputError);
  const Var shared(Tensor::full(context, {2, 3}, 7), true, "theirs");
  Parameters borrowing(context, DType::kF32, [&](const std::string& name, const Shape&) { return name == "b" ? shared : Var(); });
  CHECK(borrowing.normal("b", {2, 3}, 1).value().shares_memory(shared.value()));
  CHECK(borrowing.normal("c", {2, 3}, 1).value().to_vector<float>()[0] != 7);
  CHECK(borrowing.names() == std::vector<std::string>{"b", "c"});
  Parameters wrong(context, DType::kF32, [&](const std::string&, const Shape&) { return shared; });
  CHECK_THROWS_WITH_AS(wrong.normal("b", {3, 2}, 1), "[Parameters] expected f32 [3, 2] for `b`, got f32 [2, 3]", InputError);
}

TEST_CASE("sinusoidal positions") {
  Context context(options());
  const std::vector<float> table = sinusoidal_table(context, 3, 4, DType::kF32).to_vector<float>();
  const double w = 0.01;  // 10000^(−2/4)
  const std::vector<double> expected{
      0, 0, 1, 1, std::sin(1), std::sin(w), std::cos(1), std::cos(w), std::sin(2), std::sin(2 * w), std::cos(2), std::cos(2 * w)};
  REQUIRE(table.size() == expected.size());
  for (std::size_t i = 0; i < table.size(); ++i) CHECK(static_cast<double>(table[i]) == doctest::Approx(expected[i]).epsilon(1e-7));
  CHECK(positions_of(context, Offsets({0, 2, 2, 5})).to_vector<std::int32_t>() == std::vector<std::int32_t>{0, 1, 0, 1, 2});
}

TEST_CASE("a label of −100 does not count") {
  Context context(options());
  const Classifier model(context, small_config());
  const std::vector<std::int32_t> lengths{3, 4};
  const Batch batch = random_batch(context, lengths, 50);
  const double both =
      model.loss(batch, Tensor::from(context, std::vector<std::int32_t>{1, -100}, {2}), Mode::kEvaluate).value().item();
  const std::vector<std::int32_t> ids = batch.ids.to_vector<std::int32_t>();
  const Batch first = make_batch(context, std::span(ids).first(3), Offsets({0, 3}));
  const double one = model.loss(first, Tensor::from(context, std::vector<std::int32_t>{1}, {1}), Mode::kEvaluate).value().item();
  CHECK(both == one);
  CHECK_THROWS_AS(model.loss(batch, random_labels(context, 3, 3), Mode::kEvaluate), InputError);
}
