// Models saved by the transformers library, with logits, losses and gradients computed by it: the chain from file to gradient.
#include <doctest/doctest.h>
#include <lathe/base/file.h>
#include <lathe/nn/hf_folder.h>
#include <lathe/tensor/backend.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/shared.h"

using namespace lathe;
using namespace lathe::nn;

namespace {

/// The packed form of padded inputs: tokens whose mask is 1.
Batch packed(Context& context, const nlohmann::json& inputs) {
  std::vector<std::int32_t> ids, types, offsets{0};
  for (std::size_t row = 0; row < inputs.at("input_ids").size(); ++row) {
    for (std::size_t i = 0; i < inputs.at("input_ids")[row].size(); ++i) {
      if (inputs.at("attention_mask")[row][i] != 1) continue;
      ids.push_back(inputs.at("input_ids")[row][i].get<std::int32_t>());
      if (inputs.contains("token_type_ids")) types.push_back(inputs.at("token_type_ids")[row][i].get<std::int32_t>());
    }
    offsets.push_back(static_cast<std::int32_t>(ids.size()));
  }
  return make_batch(context, ids, Offsets(offsets), types);
}

double norm(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum);
}

std::vector<double> as_doubles(const Tensor& tensor) { return tensor.to(DType::kF64).to_vector<double>(); }

struct Worst {
  double logit = 0, loss = 0, norm = 0, element = 0, key_bias = 0;
};

/// Largest deviations from the expected values: logits absolute, loss and gradient norms relative, gradient elements against the
/// largest of their tensor. Key biases have no gradient in exact arithmetic: absolute.
Worst compare(const std::filesystem::path& folder, const std::string& backend, DType dtype) {
  const auto expected = nlohmann::json::parse(read_file(folder / "expected.json"));
  ContextOptions options;
  options.backend = backend;
  options.threads = 2;
  Context context(options);
  const HfConfig hf = read_hf_config(folder);
  Classifier model(context, hf.config, dtype);
  load_hf_weights(folder, hf, model);
  const Batch batch = packed(context, expected.at("inputs"));
  const auto labels = expected.at("labels").at("labels").get<std::vector<std::int32_t>>();

  Worst worst;
  const std::vector<double> logits = as_doubles(model.logits(batch, Mode::kEvaluate).value());
  const auto expected_logits = expected.at("logits").get<std::vector<double>>();
  REQUIRE(logits.size() == expected_logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) worst.logit = std::max(worst.logit, std::abs(logits[i] - expected_logits[i]));

  const Var loss = model.loss(batch, Tensor::from(context, labels, {static_cast<Index>(labels.size())}), Mode::kEvaluate);
  loss.backward();
  const double expected_loss = expected.at("loss_float64").get<double>();
  worst.loss = std::abs(loss.value().item() - expected_loss) / expected_loss;

  const SafetensorsFile grads = SafetensorsFile::read(folder / "grads.safetensors");
  const auto expected_grads = convert_hf_tensors(grads, hf, model.parameters());
  for (std::size_t p = 0; p < model.parameters().size(); ++p) {
    const Var& parameter = model.parameters()[p];
    std::vector<double> mine = as_doubles(parameter.grad()), theirs(expected_grads[p].begin(), expected_grads[p].end());
    REQUIRE(mine.size() == theirs.size());
    if (parameter.name().ends_with("qkv.bias")) {
      const std::size_t third = mine.size() / 3;
      for (std::size_t i = third; i < 2 * third; ++i) {
        worst.key_bias = std::max(worst.key_bias, std::abs(mine[i]));
        mine[i] = theirs[i] = 0;
      }
    }
    worst.norm = std::max(worst.norm, std::abs(norm(mine) - norm(theirs)) / norm(theirs));
    double largest = 0;
    for (const double v : theirs) largest = std::max(largest, std::abs(v));
    for (std::size_t i = 0; i < mine.size(); ++i) worst.element = std::max(worst.element, std::abs(mine[i] - theirs[i]) / largest);
  }
  // The norms in f64, tensor by tensor under their own names.
  for (const auto& item : expected.at("grad_l2_float64").items())
    if (const StoredTensor* tensor = grads.find(item.key()); tensor != nullptr && item.value() > 1e-6) {
      const std::vector<float> values = to_floats(*tensor);
      CHECK(norm({values.begin(), values.end()}) == doctest::Approx(item.value().get<double>()).epsilon(1e-5));
    }
  return worst;
}

}  // namespace

TEST_CASE("logits, loss and gradients of the model folders") {
  for (const std::string name : {"bert-classifier", "prenorm-encoder"}) {
    const auto folder = lathe::test::shared_file(("data/interop/" + name).c_str());
    if (folder.empty()) continue;
    for (const std::string& backend : available_backends()) {
      CAPTURE(name);
      CAPTURE(backend);
      const Worst worst = compare(folder, backend, DType::kF32);
      CHECK(worst.logit < 3e-6);
      CHECK(worst.loss < 1e-6);
      CHECK(worst.norm < 1e-5);
      CHECK(worst.element < 1e-5);
      CHECK(worst.key_bias < 1e-6);
      MESSAGE(name << " " << backend << ": logit " << worst.logit << ", loss " << worst.loss << ", gradient norm " << worst.norm
                   << ", element " << worst.element << ", key bias " << worst.key_bias);
    }
    const Worst exact = compare(folder, "spec", DType::kF64);
    CHECK(exact.loss < 1e-14);  // the expected loss is f64; logits and gradients are stored as f32
    CHECK(exact.logit < 1e-6);
    CHECK(exact.element < 1e-5);
    CHECK(exact.key_bias < 1e-15);
  }
}
