// What the meta device says about a model is what the CPU then does.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/nn/cost.h>
#include <lathe/optim/optimizer.h>
#include <lathe/tensor/backend.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/nn/model_fixture.h"

using namespace lathe;
using namespace lathe::nn;
using lathe::test::options;

namespace {

std::function<void()> adamw(const std::vector<Var>& parameters) {
  return [optimizer = std::make_shared<optim::AdamW>(parameters)] {
    optimizer->step(1e-3);
    optimizer->zero_grad();
  };
}

std::vector<std::int64_t> counts(const FlopCounter& flops) {
  std::vector<std::int64_t> all;
  for (int i = 0; i < static_cast<int>(OpClass::kCount); ++i) all.push_back(flops.of(static_cast<OpClass>(i)));
  return all;
}

/// The same program on the CPU.
Cost measure(const std::string& backend, int threads, const TransformerConfig& config, const std::vector<std::int32_t>& lengths) {
  Cost cost;
  const Index rows = static_cast<Index>(lengths.size());
  {
    Context context(options(backend, threads));
    const Classifier model(context, config);
    const Batch batch = lathe::test::random_batch(context, lengths, config.vocab_size);
    const Tensor labels = lathe::test::random_labels(context, rows, config.classes);
    context.flops().reset();
    context.allocator().reset_peak();
    NoGrad no_grad(context);
    model.logits(batch, Mode::kEvaluate);
    cost.inference_flops = context.flops();
    cost.inference_peak_bytes = context.memory().peak;
  }
  Context context(options(backend, threads));
  const Classifier model(context, config);
  const auto update = adamw(model.parameters());
  const Batch batch = lathe::test::random_batch(context, lengths, config.vocab_size);
  const Tensor labels = lathe::test::random_labels(context, rows, config.classes);
  for (int step = 0; step < 3; ++step) {
    context.flops().reset();
    context.allocator().reset_peak();
    model.backward(batch, labels);
    update();
  }
  cost.training_flops = context.flops();
  cost.training_peak_bytes = context.memory().peak;
  return cost;
}

}  // namespace

TEST_CASE("FLOPs and peak memory are exact") {
  const std::vector<std::int32_t> lengths{7, 1, 20, 12};
  for (const NormPlace place : {NormPlace::kPre, NormPlace::kPost})
    for (const Positions positions : {Positions::kLearned, Positions::kRotary}) {
      TransformerConfig config = lathe::test::small_config();
      config.norm_place = place;
      config.positions = positions;
      config.dropout = config.attention_dropout = config.head_dropout = 0.1;
      config.layers[1].heads = 2;
      config.layers[1].ffn = 70;
      CAPTURE(config.summary());
      for (const std::string& backend : available_backends())
        for (const int threads : {1, 2, 3}) {
          CAPTURE(backend);
          CAPTURE(threads);
          const Cost cost = cost_of(config, lengths, adamw, threads);
          CHECK(cost.parameters == count_parameters(config));
          const Cost real = measure(backend, threads, config, lengths);
          CHECK(counts(cost.inference_flops) == counts(real.inference_flops));
          CHECK(counts(cost.training_flops) == counts(real.training_flops));
          CHECK(cost.inference_peak_bytes == real.inference_peak_bytes);
          CHECK(cost.training_peak_bytes == real.training_peak_bytes);
        }
    }
}

TEST_CASE("the products by hand") {
  TransformerConfig config = lathe::test::small_config();
  const std::vector<std::int32_t> lengths{10, 6};
  const Cost cost = cost_of(config, lengths);
  const std::int64_t t = 16, h = 32, f = 48, s = 2;
  const std::int64_t products = 2 * (2 * t * h * 3 * h + 2 * t * h * h + 2 * 2 * t * h * f) + 2 * s * h * 3;
  CHECK(cost.inference_flops.of(OpClass::kLinear) == products);
  CHECK(cost.training_flops.of(OpClass::kLinear) == 3 * products);
  CHECK(cost.inference_flops.of(OpClass::kAttention) == 2 * (100 + 36) * (4 * h + 6 * 4));
  CHECK(cost.training_flops.of(OpClass::kOptimizer) == 0);
  CHECK(cost.training_peak_bytes > cost.inference_peak_bytes);
  CHECK(cost.inference_peak_bytes > cost.parameter_bytes);
}

TEST_CASE("cost of what cannot be") {
  TransformerConfig config = lathe::test::small_config();
  const std::vector<std::int32_t> too_long{21};
  CHECK_THROWS_AS(cost_of(config, too_long), InputError);
  config.hidden = 5;
  const std::vector<std::int32_t> one{1};
  CHECK_THROWS_AS(cost_of(config, one), InputError);
}

TEST_CASE("a large model costs no memory to cost") {
  TransformerConfig config = TransformerConfig::uniform({.layers = 48, .hidden = 8192, .heads = 64, .ffn = 32768});
  config.vocab_size = 100000;
  config.classes = 2;
  const std::vector<std::int32_t> lengths(8, 512);
  const Cost cost = cost_of(config, lengths, adamw);
  CHECK(cost.parameters == count_parameters(config));
  CHECK(cost.parameters > 39'000'000'000);
  CHECK(cost.training_peak_bytes > 16 * cost.parameters);
}
