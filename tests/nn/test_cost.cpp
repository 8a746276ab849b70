// What the meta device says about a model is what the CPU then does.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/nn/cost.h>
#include <lathe/optim/optimizer.h>
#include <lathe/tensor/backend.h>

#include <algorithm>
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
    const NoGrad no_grad(context);
    for (int call = 0; call < 3; ++call) {
      context.flops().reset();
      context.allocator().reset_peak();
      model.logits(batch, Mode::kEvaluate);
    }
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

namespace {

/// An architecture and a ragged batch, drawn.
struct Drawn {
  TransformerConfig config;
  std::vector<std::int32_t> lengths;
  int threads = 1;
};

Drawn draw(std::uint64_t number) {
  Random random(random_key(2026, number, "architecture"));
  const auto from = [&](Index low, Index high) {
    return low + static_cast<Index>(random.below(static_cast<std::uint32_t>(high - low + 1)));
  };
  const auto maybe = [&] { return random.below(2) == 1; };
  Drawn drawn;
  TransformerConfig& c = drawn.config;
  c.hidden = 2 * from(2, 24);
  c.vocab_size = from(5, 60);
  c.max_tokens = 64;
  c.type_vocab_size = maybe() ? from(1, 3) : 0;
  c.norm = maybe() ? NormKind::kLayer : NormKind::kRms;
  c.norm_place = maybe() ? NormPlace::kPre : NormPlace::kPost;
  c.positions = static_cast<Positions>(random.below(3));
  c.pooling = maybe() ? Pooling::kMean : Pooling::kFirst;
  c.embedding_norm = maybe();
  c.scale_embedding = maybe();
  c.pooler = maybe();
  c.classes = from(1, 5);
  if (maybe()) c.dropout = c.attention_dropout = c.head_dropout = 0.1;
  const Index layers = from(1, 4);
  for (Index i = 0; i < layers; ++i) {
    const std::span<const UnaryOp> all = activations();
    c.layers.push_back({.heads = from(1, 4),
                        .head_dim = 2 * from(1, 9),
                        .ffn = from(1, 80),
                        .activation = all[random.below(static_cast<std::uint32_t>(all.size()))]});
  }
  const Index rows = from(1, 4) == 1 ? from(20, 40) : from(1, 6);  // some batches are cut into groups
  for (Index i = 0; i < rows; ++i) drawn.lengths.push_back(static_cast<std::int32_t>(from(1, c.max_tokens)));
  drawn.threads = static_cast<int>(from(1, 3));
  return drawn;
}

}  // namespace

TEST_CASE("of 200 drawn architectures too, and the parts sum up to the whole") {
  int grouped = 0;
  for (std::uint64_t number = 0; number < 200; ++number) {
    CAPTURE(number);
    const auto [config, lengths, threads] = draw(number);
    CAPTURE(config.summary());
    const Cost cost = cost_of(config, lengths, adamw, threads);
    const Cost real = measure("", threads, config, lengths);
    CHECK(counts(cost.inference_flops) == counts(real.inference_flops));
    CHECK(counts(cost.training_flops) == counts(real.training_flops));
    CHECK(cost.inference_peak_bytes == real.inference_peak_bytes);
    CHECK(cost.training_peak_bytes == real.training_peak_bytes);

    FlopCounter inference, training;
    std::int64_t parameters = 0, parameter_bytes = 0, packed = 0, most = 0, state = 0;
    for (const PartCost& part : cost_by_part(config, lengths, adamw)) {
      inference.add(part.inference_flops);
      training.add(part.training_flops);
      parameters += part.parameters;
      parameter_bytes += part.parameter_bytes;
      packed += part.packed_bytes;
      state += part.state_bytes;
      most = std::max(most, part.working_bytes);
    }
    CHECK(counts(inference) == counts(cost.inference_flops));
    CHECK(counts(training) == counts(cost.training_flops));
    CHECK(parameters == cost.parameters);
    CHECK(cost.inference_peak_bytes >= parameter_bytes + packed + most);
    CHECK(cost.training_peak_bytes > 2 * 4 * parameters + packed + state);
    CHECK(state >= 8 * parameters);
    grouped += cost_of(config, lengths, adamw, 1).training_peak_bytes != cost_of(config, lengths, adamw, 2).training_peak_bytes;
  }
  CHECK(grouped > 20);  // the draws do reach batches of several groups
}

TEST_CASE("parts by hand") {
  TransformerConfig config = lathe::test::small_config();
  const std::vector<std::int32_t> lengths{10, 6};
  const std::vector<PartCost> parts = cost_by_part(config, lengths);
  std::vector<std::string> names;
  for (const PartCost& part : parts) names.push_back(part.name);
  CHECK(names == std::vector<std::string>{"embeddings", "layers.0.attention.norm", "layers.0.attention", "layers.0.ffn.norm",
                                          "layers.0.ffn", "layers.1.attention.norm", "layers.1.attention", "layers.1.ffn.norm",
                                          "layers.1.ffn", "norm", "head", "optimizer"});
  const std::int64_t t = 16, h = 32, f = 48;
  CHECK(parts[0].parameters == (50 + 20) * h);
  CHECK(parts[1].parameters == 2 * h);
  CHECK(parts[2].parameters == 3 * h * (h + 1) + h * (h + 1));
  CHECK(parts[4].parameters == f * (h + 1) + h * (f + 1));
  CHECK(parts[10].parameters == 3 * (h + 1));
  CHECK(parts[1].inference_flops.total() == 7 * t * h);
  CHECK(parts[1].training_flops.of(OpClass::kNorm) == 20 * t * h);
  CHECK(parts[2].inference_flops.of(OpClass::kLinear) == 2 * t * h * 4 * h);
  CHECK(parts[4].training_flops.of(OpClass::kLinear) == 3 * 4 * t * h * f);
  CHECK(parts[4].packed_bytes == 2 * 2 * 4 * h * f);     // both weights, both forms
  CHECK(parts[4].working_bytes == 4 * (t * f + t * h));  // the inner activations and the result
  CHECK(parts[1].working_bytes >= 4 * t * h);
  CHECK(parts[11].training_flops.total() == 0);
  config.norm_place = NormPlace::kPost;
  CHECK(cost_by_part(config, lengths)[2].name == "layers.0.attention.norm");
  const std::vector<std::int32_t> too_long{21};
  CHECK_THROWS_AS(cost_by_part(config, too_long), InputError);
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
