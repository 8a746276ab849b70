#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/tensor/backend.h>
#include <lathe/tensor/ops.h>
#include <lathe/tensor/tensor.h>

#include <vector>

#include "tests/support/message.h"

using namespace lathe;
using lathe::test::message_of;

namespace {

Tensor counted(Context& context, const Shape& shape) {
  std::vector<float> values;
  for (Index i = 0; i < shape.numel(); ++i) values.push_back(static_cast<float>(i));
  return Tensor::from(context, values, shape);
}
using Floats = std::vector<float>;

}  // namespace

TEST_CASE("factories") {
  Context ctx;
  CHECK_FALSE(Tensor().defined());
  CHECK(Tensor::zeros(ctx, {2, 2}).to_vector<float>() == Floats{0, 0, 0, 0});
  CHECK(Tensor::full(ctx, {3}, 1.5).to_vector<float>() == Floats{1.5f, 1.5f, 1.5f});
  CHECK(Tensor::full(ctx, {2}, -7, DType::kI32).to_vector<std::int32_t>() == std::vector<std::int32_t>{-7, -7});
  CHECK(Tensor::from(ctx, {1.0, 2.0}, {2}).dtype() == DType::kF64);
  CHECK(Tensor::scalar(ctx, 4.0f).item() == 4);
  CHECK(Tensor::empty(ctx, {0, 5}).to_vector<float>().empty());
  CHECK(message_of<InputError>([&] { Tensor::from(ctx, {1.f, 2.f}, {3}); }) == "[from] expected 3 values for shape [3], got 2");
}

TEST_CASE("views share memory and follow strides") {
  Context ctx;
  Tensor x = counted(ctx, {2, 3, 4});
  const Tensor t = x.transpose(0, -1);
  CHECK(t.shape() == Shape{4, 3, 2});
  CHECK(t.shares_memory(x));
  CHECK_FALSE(t.is_contiguous());
  CHECK(t.select(0, 1).to_vector<float>() == Floats{1, 13, 5, 17, 9, 21});
  CHECK(x.narrow(1, 1, 2).select(0, 1).to_vector<float>() == Floats{16, 17, 18, 19, 20, 21, 22, 23});
  CHECK(t.contiguous().is_contiguous());
  CHECK_FALSE(t.contiguous().shares_memory(x));
  CHECK(x.contiguous().shares_memory(x));
  x.select(0, 0).fill(9);
  CHECK(x.to_vector<float>()[0] == 9);
  CHECK(x.to_vector<float>()[12] == 12);
  Tensor column = x.narrow(2, 1, 1);
  column.copy_from(Tensor::full(ctx, {2, 3, 1}, -1));
  CHECK(x.select(0, 1).to_vector<float>() == Floats{12, -1, 14, 15, 16, -1, 18, 19, 20, -1, 22, 23});
  CHECK_THROWS_AS(x.narrow(1, 2, 2), InputError);
  CHECK_THROWS_AS(x.select(0, 2), InputError);
}

TEST_CASE("reshape is a view where strides allow, else a copy") {
  Context ctx;
  const Tensor x = counted(ctx, {2, 3, 4});
  CHECK(x.reshape({6, -1}).shape() == Shape{6, 4});
  CHECK(x.reshape({6, 4}).shares_memory(x));
  CHECK(x.narrow(2, 0, 2).reshape({6, 2}).shares_memory(x));  // rows of four, two shown: rows stay equally far apart
  CHECK_FALSE(x.narrow(2, 0, 2).reshape({12}).shares_memory(x));
  CHECK(x.narrow(2, 1, 2).reshape({12}).to_vector<float>() == Floats{1, 2, 5, 6, 9, 10, 13, 14, 17, 18, 21, 22});
  CHECK(x.transpose(0, 1).reshape({3, 2, 2, 2}).shares_memory(x));
  CHECK(x.transpose(0, 1).reshape({3, 2, 2, 2}).to_vector<float>() == x.transpose(0, 1).to_vector<float>());
  CHECK(x.transpose(0, 1).reshape({6, 4}).to_vector<float>() == x.transpose(0, 1).to_vector<float>());
  CHECK(x.narrow(0, 1, 1).reshape({3, 4}).to_vector<float>()[0] == 12);
  CHECK(Tensor::empty(ctx, {0, 4}).reshape({2, 0, 7}).numel() == 0);
  CHECK(Tensor::scalar(ctx, 2.f).reshape({1, 1}).shape() == Shape{1, 1});
  CHECK(message_of<InputError>([&] {
          (void)x.reshape({5, -1});
        }) == "[reshape] expected sizes that divide the 24 elements of [2, 3, 4], got 5");
  CHECK(message_of<InputError>([&] { (void)x.reshape({5, 5}); }) == "[reshape] expected 24 elements as in [2, 3, 4], got [5, 5]");
  CHECK_THROWS_AS((void)Tensor::empty(ctx, {0, 4}).reshape({0, -1}), InputError);
}

TEST_CASE("six dimensions, permuted, copy in row-major order") {
  Context ctx;
  const Tensor x = counted(ctx, {2, 3, 1, 2, 3, 2});
  const Tensor p = x.transpose(0, 5).transpose(1, 4).transpose(2, 3);
  const Floats copied = p.contiguous().to_vector<float>();
  std::size_t at = 0;
  for (Index f = 0; f < 2; ++f)
    for (Index e = 0; e < 3; ++e)
      for (Index d = 0; d < 2; ++d)
        for (Index c = 0; c < 1; ++c)
          for (Index b = 0; b < 3; ++b)
            for (Index a = 0; a < 2; ++a)
              REQUIRE(copied[at++] == static_cast<float>(((((a * 3 + b) * 1 + c) * 2 + d) * 3 + e) * 2 + f));
  CHECK(p.to_vector<float>() == copied);
  CHECK_THROWS_AS((void)x.reshape({1, 1, 1, 1, 1, 1, 72}), InputError);
}

TEST_CASE("expand repeats by strides of 0") {
  Context ctx;
  const Tensor row = counted(ctx, {3});
  CHECK(row.expand({2, 3}).to_vector<float>() == Floats{0, 1, 2, 0, 1, 2});
  CHECK(row.expand({2, 3}).contiguous().to_vector<float>() == Floats{0, 1, 2, 0, 1, 2});
  CHECK(row.reshape({3, 1}).expand({3, 2}).contiguous().to_vector<float>() == Floats{0, 0, 1, 1, 2, 2});
  CHECK_THROWS_AS((void)row.expand({3, 2}), InputError);
}

TEST_CASE("dtypes convert, and are never confused") {
  Context ctx;
  const Tensor d = Tensor::from(ctx, {0.1, 1e300, -2.5}, {3});
  CHECK(d.to(DType::kF32).to_vector<float>()[0] == 0.1f);
  CHECK(d.narrow(0, 2, 1).to(DType::kI32).item() == -2);
  CHECK(d.to(DType::kF64).shares_memory(d));
  CHECK(message_of<InputError>([&] { (void)d.data<float>(); }) == "[data] expected element type f64 of the tensor, got f32");
  CHECK_THROWS_AS((void)Tensor().data<float>(), InputError);
  CHECK_THROWS_AS((void)Tensor::zeros(ctx, {2}).item(), InputError);
  Tensor f = Tensor::zeros(ctx, {3});
  CHECK_THROWS_AS(f.copy_from(d), InputError);
}

TEST_CASE("edits are counted, reads are not") {
  Context ctx;
  Tensor x = Tensor::zeros(ctx, {2, 2});
  const auto before = x.version();
  (void)x.data<float>();
  (void)x.transpose(0, 1).contiguous();
  CHECK(x.version() == before);
  x.mutable_data<float>()[0] = 1;
  CHECK(x.version() == before + 1);
  x.select(0, 1).fill(3);  // through a view
  CHECK(x.version() > before + 1);
  const Tensor alias = x;
  CHECK(alias.version() == x.version());
}

TEST_CASE("tensors of two Contexts do not mix, but can be copied across") {
  Context one, two;
  const Tensor a = counted(one, {2}), b = counted(two, {2});
  CHECK(message_of<InputError>([&] { (void)ops::add(a, b); }) ==
        "[add] expected operands of one Context, got two Contexts (see Tensor::copy_to)");
  CHECK(ops::add(a, b.copy_to(one)).to_vector<float>() == Floats{0, 2});
}

TEST_CASE("the meta device has shapes and no data") {
  Context meta({.device = Device::kMeta});
  Tensor x = Tensor::from(meta, Floats{1, 2, 3, 4}, {2, 2});
  CHECK(x.shape() == Shape{2, 2});
  const auto version = x.version();
  x.fill(3);
  x.copy_from(x.clone());
  CHECK(x.version() == version + 2);
  CHECK(message_of<InputError>([&] { (void)x.data<float>(); }) == "[data] expected a device with data, got a tensor on meta");
  CHECK_THROWS_AS((void)x.item(), InputError);
  CHECK_THROWS_AS((void)x.narrow(0, 0, 1).narrow(1, 0, 1).item(), InputError);
  CHECK(x.transpose(0, 1).contiguous().shape() == Shape{2, 2});
  Context cpu;
  CHECK(counted(cpu, {3}).copy_to(meta).shape() == Shape{3});
  CHECK_THROWS_AS((void)x.copy_to(cpu), InputError);
}

TEST_CASE("tensors may outlive their Context") {
  Tensor kept;
  {
    Context ctx;
    kept = Tensor::zeros(ctx, {100});
  }
  CHECK(kept.numel() == 100);
  kept = Tensor();
}

TEST_CASE("contexts refuse what cannot run") {
  CHECK_THROWS_AS(Context({.threads = 0}), InputError);
  const std::string message = message_of<InputError>([] { Context({.backend = "gpu"}); });
  CHECK(message.starts_with("[context] expected a backend that runs here ("));
  CHECK(message.ends_with("), got 'gpu'"));
  for (const auto& names : {available_backends(), inexact_backends()})
    for (const std::string& name : names) CHECK_MESSAGE(message.find(name) != std::string::npos, name);
  Context spec({.backend = "spec"});
  CHECK(spec.backend() == "spec");
  Context scalar({.backend = "scalar"});
  const Tensor d = Tensor::zeros(scalar, {2}, DType::kF64);
  CHECK(message_of<UnsupportedError>([&] {
          (void)ops::add(d, d);
        }).starts_with("[add] is not available on device cpu, backend scalar, for f64"));
}

TEST_CASE("dropout draws belong to seed, trial, step and site") {
  Context ctx({.seed = 5, .trial = 7});
  ctx.set_step(3);
  const Dropout d = ctx.dropout(0.1, 4);
  CHECK(d.threshold == 6554);
  CHECK(d.scale == 1.0f / (1.0f - 6554.0f / 65536.0f));
  CHECK(d.key == random_key(5, 7, "dropout"));
  CHECK(d.step == 3);
  CHECK(d.site == 4);
  CHECK_FALSE(ctx.dropout(0, 1).on());
  for (const double p : {-0.1, 1.0, 0.999999, 2.0}) CHECK_THROWS_AS(ctx.dropout(p, 0), InputError);
}
