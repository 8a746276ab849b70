// Soft targets: value and gradient, and any loss in groups gives the bits of the whole batch.
#include <doctest/doctest.h>
#include <lathe/autograd/functions.h>
#include <lathe/autograd/gradcheck.h>
#include <lathe/base/random.h>
#include <lathe/nn/distillation.h>
#include <lathe/nn/transformer.h>
#include <lathe/tensor/ops.h>

#include <cmath>
#include <vector>

#include "tests/support/message.h"

using namespace lathe;
using namespace lathe::nn;

namespace {

template <class T>
Tensor normals(Context& context, const Shape& shape, double deviation, const char* stream) {
  Random random(random_key(1, 0, stream));
  std::vector<T> values;
  for (Index i = 0; i < shape.numel(); ++i) values.push_back(static_cast<T>(deviation * random.normal()));
  return Tensor::from(context, values, shape);
}

}  // namespace

TEST_CASE("soft cross entropy: values, labels as a special case, large logits, finite differences") {
  Context context({.backend = "spec"});
  // −Σ t·log_softmax(z)/rows of PyTorch 2.15: F.cross_entropy(torch.tensor([[1.,2.,-1.],[0.,0.,3.]]),
  //                                              torch.tensor([[.2,.7,.1],[.5,.25,.25]]))
  const Tensor z = Tensor::from(context, {1.0, 2.0, -1.0, 0.0, 0.0, 3.0}, Shape{2, 3});
  const Tensor t = Tensor::from(context, {0.2, 0.7, 0.1, 0.5, 0.25, 0.25}, Shape{2, 3});
  CHECK(std::abs(soft_cross_entropy(Var(z), t).value().item() - 1.596967586595) < 1e-11);
  CHECK(std::abs(soft_cross_entropy(Var(z), t, 8).value().item() * 4 - soft_cross_entropy(Var(z), t).value().item()) < 1e-12);
  const Tensor one_hot = Tensor::from(context, {0.0, 1.0, 0.0, 0.0, 0.0, 1.0}, Shape{2, 3});
  const Tensor labels = Tensor::from(context, {std::int32_t{1}, std::int32_t{2}}, Shape{2});
  CHECK(std::abs(soft_cross_entropy(Var(z), one_hot).value().item() - ops::cross_entropy(z, labels).loss.item()) < 1e-12);
  const Tensor far = Tensor::from(context, {1000.0, -1000.0}, Shape{1, 2});
  const Tensor sure = Tensor::from(context, {1.0, 0.0}, Shape{1, 2});
  CHECK(soft_cross_entropy(Var(far), sure).value().item() == 0);
  const Tensor target = ops::softmax(normals<double>(context, {4, 5}, 1, "t"));
  const GradcheckReport report = gradcheck(
      "soft_cross_entropy", [&](const std::vector<Var>& in) { return std::vector<Var>{soft_cross_entropy(in[0], target, 6)}; },
      {normals<double>(context, {4, 5}, 2, "z")});
  CHECK_MESSAGE(report.ok, report.message);
  CHECK(lathe::test::has(lathe::test::message_of([&] { soft_cross_entropy(Var(z), far); }), "[soft_cross_entropy] expected"));
}

TEST_CASE("a loss of soft targets in groups of a batch gives the bits of the whole batch") {
  TransformerConfig config = TransformerConfig::uniform({.layers = 2, .hidden = 16, .heads = 2, .ffn = 32});
  config.vocab_size = 30;
  config.max_tokens = 12;
  config.classes = 3;
  config.dropout = config.attention_dropout = config.head_dropout = 0.2;
  Random random(random_key(2, 0, "batch"));
  std::vector<std::int32_t> ids, lengths;
  for (int s = 0; s < 30; ++s) {
    lengths.push_back(1 + static_cast<std::int32_t>(random.below(12)));
    for (std::int32_t i = 0; i < lengths.back(); ++i) ids.push_back(static_cast<std::int32_t>(random.below(30)));
  }
  std::vector<std::vector<float>> reference;
  for (const int threads : {1, 2, 3})
    for (const Index group : {0, 16, 60, 1000}) {
      CAPTURE(threads);
      CAPTURE(group);
      Context context({.threads = threads, .seed = 4});
      const Classifier model(context, config);
      const Batch batch = make_batch(context, ids, Offsets::from_lengths(lengths));
      const Tensor target = ops::softmax(normals<float>(context, {30, 3}, 1, "target"));
      const Tensor logits = model.backward(
          batch, [&](const Var& z, Index first) { return soft_cross_entropy(z, target.narrow(0, first, z.size(0)), 30); }, group);
      std::vector<std::vector<float>> all = {logits.to_vector<float>()};
      for (const Var& parameter : model.parameters()) all.push_back(parameter.grad().to_vector<float>());
      if (reference.empty()) {
        reference = all;
        const Classifier plain(context, config);
        const Var z = plain.logits(batch, Mode::kTrain);
        soft_cross_entropy(z, target).backward();
        CHECK(z.value().to_vector<float>() == all[0]);
        for (std::size_t i = 0; i < plain.parameters().size(); ++i)
          CHECK(plain.parameters()[i].grad().to_vector<float>() == all[i + 1]);
      }
      CHECK(all == reference);
    }
}
