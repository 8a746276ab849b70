// The gradient of a whole classifier in f64, for every choice of the architecture.
#include <doctest/doctest.h>
#include <lathe/autograd/gradcheck.h>
#include <lathe/nn/transformer.h>

#include <string>
#include <vector>

#include "tests/nn/model_fixture.h"

using namespace lathe;
using namespace lathe::nn;
using lathe::test::options;

namespace {

/// gradcheck of the loss in all parameters at random values (the initial ones are so small that errors would hide).
GradcheckReport check(const TransformerConfig& config, Mode mode, int cotangents = 1) {
  Context context(options("spec"));
  const Classifier model(context, config, DType::kF64);
  const std::vector<std::int32_t> lengths{3, 1, 2};
  const Batch batch = lathe::test::random_batch(context, lengths, config.vocab_size, 5, config.type_vocab_size);
  const Tensor labels = Tensor::from(context, std::vector<std::int32_t>{1, 0, 1}, {3});
  std::vector<Tensor> values;
  for (const Var& parameter : model.parameters()) {
    Random random(random_key(3, 0, "gradcheck:" + parameter.name()));
    std::vector<double> numbers(static_cast<std::size_t>(parameter.shape().numel()));
    for (double& x : numbers) x = 0.6 * random.normal();
    if (parameter.name().ends_with("norm.weight"))
      for (double& x : numbers) x += 1;
    values.push_back(Tensor::from(context, numbers, parameter.shape()));
  }
  const auto loss = [&](const std::vector<Var>& inputs) {
    std::size_t next = 0;
    const Classifier built(Parameters(context, DType::kF64, [&](const std::string&, const Shape&) { return inputs.at(next++); }),
                           config);
    return std::vector<Var>{built.loss(batch, labels, mode)};
  };
  GradcheckOptions check_options;
  check_options.cotangents = cotangents;
  check_options.rtol = 1e-5;
  return gradcheck(config.summary(), loss, values, check_options);
}

TransformerConfig tiny() {
  TransformerConfig config = TransformerConfig::uniform({.layers = 1, .hidden = 4, .heads = 2, .ffn = 3});
  config.vocab_size = 4;
  config.max_tokens = 3;
  config.classes = 2;
  return config;
}

}  // namespace

TEST_CASE("every norm, place, position, pooling and activation") {
  int checked = 0;
  double worst = 0;
  for (const NormKind norm : {NormKind::kLayer, NormKind::kRms})
    for (const NormPlace place : {NormPlace::kPre, NormPlace::kPost})
      for (const Positions positions : {Positions::kLearned, Positions::kSinusoidal, Positions::kRotary})
        for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst})
          for (const UnaryOp activation : activations()) {
            TransformerConfig config = tiny();
            config.norm = norm;
            config.norm_place = place;
            config.positions = positions;
            config.pooling = pooling;
            config.layers[0].activation = activation;
            const GradcheckReport report = check(config, Mode::kEvaluate);
            CHECK_MESSAGE(report.ok, report.message);
            worst = report.worst > worst ? report.worst : worst;
            ++checked;
          }
  MESSAGE(checked << " architectures, largest deviation " << worst << " of what is allowed");
}

TEST_CASE("everything at once: two layers, types, norms, pooler, own head size, dropout") {
  TransformerConfig config = tiny();
  config.layers.push_back({.heads = 1, .head_dim = 6, .ffn = 5, .activation = UnaryOp::kSilu});
  config.type_vocab_size = 2;
  config.embedding_norm = config.scale_embedding = config.pooler = true;
  config.dropout = config.attention_dropout = config.head_dropout = 0.3;
  for (const Mode mode : {Mode::kEvaluate, Mode::kTrain}) {
    const GradcheckReport report = check(config, mode, 2);
    CHECK_MESSAGE(report.ok, report.message);
  }
}
