// Training steps as PyTorch takes them (make_training.py, training.json): losses, gradient norms and the parameters that come out.
#include <doctest/doctest.h>
#include <lathe/base/file.h>
#include <lathe/nn/transformer.h>
#include <lathe/optim/clip.h>
#include <lathe/optim/optimizer.h>
#include <lathe/optim/schedule.h>
#include <lathe/tensor/backend.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/weights.h"

using namespace lathe;
using namespace lathe::nn;
using namespace lathe::test;

namespace {

constexpr std::uint32_t kVocab = 11, kTypes = 2, kClasses = 3;
const std::vector<std::vector<std::int32_t>> kLengths{{5, 1, 9}, {3, 3}, {12}, {2, 7, 4, 1}, {6}, {8, 2}};

TransformerConfig config_of(const nlohmann::json& c) {
  TransformerConfig config;
  config.vocab_size = kVocab;
  config.max_tokens = 12;
  config.hidden = 12;
  config.classes = kClasses;
  config.norm = norm_kind(c.at("norm").get<std::string>());
  config.norm_place = norm_place(c.at("place").get<std::string>());
  config.positions = positions_kind(c.at("positions").get<std::string>());
  config.pooling = pooling_kind(c.at("pooling").get<std::string>());
  config.embedding_norm = c.at("embedding_norm").get<bool>();
  config.scale_embedding = c.at("scale_embedding").get<bool>();
  config.pooler = c.at("pooler").get<bool>();
  config.type_vocab_size = c.at("types").get<bool>() ? kTypes : 0;
  for (const auto& layer : c.at("layers"))
    config.layers.push_back({.heads = layer.at("heads").get<Index>(),
                             .head_dim = layer.at("head_dim").get<Index>(),
                             .ffn = layer.at("ffn").get<Index>(),
                             .activation = activation(layer.at("activation").get<std::string>())});
  return config;
}

struct TrainingBatch {
  Batch batch;
  Tensor labels;
};

TrainingBatch make_step(Context& context, std::size_t step, bool with_types) {
  std::vector<std::int32_t> ids, types, labels;
  std::uint32_t at = 100000 * (static_cast<std::uint32_t>(step) + 1);
  for (const std::int32_t length : kLengths[step]) {
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(length); ++i) {
      ids.push_back(static_cast<std::int32_t>(mix(at + i) % kVocab));
      if (with_types) types.push_back(static_cast<std::int32_t>(mix(at + 50000 + i) % kTypes));
    }
    labels.push_back(static_cast<std::int32_t>(mix(at + 70000) % kClasses));
    at += static_cast<std::uint32_t>(length);
  }
  return {make_batch(context, ids, Offsets::from_lengths(kLengths[step]), types),
          Tensor::from(context, labels, {static_cast<Index>(labels.size())})};
}

double relative(double value, double expected) { return std::abs(value - expected) / std::max(std::abs(expected), 1.0); }

/// Largest deviation of losses, gradient norms, and norms and sums of the parameters after the last step.
double train(const nlohmann::json& expected, const std::string& backend, DType dtype) {
  ContextOptions options;
  options.backend = backend;
  Context context(options);
  const nlohmann::json& c = expected.at("config");
  const Classifier model(context, config_of(c), dtype);
  set_weights(model);
  std::unique_ptr<optim::Optimizer> optimizer;
  if (c.at("optimizer") == "adamw")
    optimizer = std::make_unique<optim::AdamW>(model.parameters(), 0.1);
  else
    optimizer = std::make_unique<optim::Sgd>(model.parameters(), 0, optim::SgdOptions{.momentum = 0.9});
  const optim::Schedule schedule{.kind = optim::ScheduleKind::kCosine,
                                 .peak = 0.02,
                                 .total_steps = static_cast<std::int64_t>(kLengths.size()),
                                 .warmup_steps = 2};
  double worst = 0;
  for (std::size_t step = 0; step < kLengths.size(); ++step) {
    const TrainingBatch data = make_step(context, step, c.at("types").get<bool>());
    const Var loss = model.loss(data.batch, data.labels, Mode::kTrain);
    loss.backward();
    const optim::Clip clip = optim::clip_by_norm(model.parameters(), 0.5);
    optimizer->step(schedule.at(static_cast<std::int64_t>(step)), clip.scale);
    optimizer->zero_grad();
    worst = std::max(worst, relative(loss.value().item(), expected.at("losses")[step].get<double>()));
    worst = std::max(worst, relative(clip.norm, expected.at("gradient_norms")[step].get<double>()));
  }
  CHECK(expected.at("parameter_norms").size() == model.parameters().size());
  for (const Var& parameter : model.parameters()) {
    // Key biases have no gradient in exact arithmetic; in f32 Adam would turn the rounding errors into steps of full size.
    if (dtype == DType::kF32 && parameter.name().ends_with("qkv.bias")) continue;
    double sum = 0, squares = 0;
    for (const double v : parameter.value().to(DType::kF64).to_vector<double>()) sum += v, squares += v * v;
    worst = std::max(worst, relative(std::sqrt(squares), expected.at("parameter_norms").at(parameter.name()).get<double>()));
    worst = std::max(worst, relative(sum, expected.at("parameter_sums").at(parameter.name()).get<double>()));
  }
  return worst;
}

}  // namespace

TEST_CASE("training goes as in PyTorch") {
  const auto expected = nlohmann::json::parse(read_file(LATHE_GOLDEN_FOLDER "/training.json"));
  CHECK(expected.at("cases").size() == 5);
  for (const auto& item : expected.at("cases").items()) {
    const std::string& name = item.key();
    CAPTURE(name);
    const double exact = train(item.value(), "spec", DType::kF64);
    CHECK(exact < 1e-8);
    double worst = 0;
    for (const std::string& backend : available_backends()) worst = std::max(worst, train(item.value(), backend, DType::kF32));
    CHECK(worst < 1e-5);
    MESSAGE(name << ": f64 " << exact << ", f32 " << worst);
  }
}
