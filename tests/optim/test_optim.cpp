// Optimizers against the formulas written out, clipping, schedules by hand, exact restoring of state.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/optim/clip.h>
#include <lathe/optim/optimizer.h>
#include <lathe/optim/schedule.h>
#include <lathe/tensor/backend.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/nn/model_fixture.h"

using namespace lathe;
using namespace lathe::optim;
using lathe::test::options;

namespace {

Var leaf(Context& context, const std::string& name, const std::vector<float>& values, const Shape& shape) {
  return Var(Tensor::from(context, values, shape), true, name);
}

void set_grad(Var& parameter, const std::vector<float>& values) {
  parameter.set_grad(Tensor::from(parameter.context(), values, parameter.shape()));
}

std::vector<float> random_values(std::size_t n, std::uint64_t seed) {
  Random random(random_key(seed, 0, "optim test"));
  std::vector<float> values(n);
  for (float& v : values) v = static_cast<float>(random.normal());
  return values;
}

std::string problem(const Schedule& schedule) {
  try {
    schedule.validate();
  } catch (const InputError& error) {
    return error.what();
  }
  return "valid";
}

}  // namespace

TEST_CASE("AdamW is its formula, bit for bit, on every backend") {
  const std::size_t n = 37;
  for (const std::string& backend : available_backends())
    for (const double grad_scale : {1.0, 0.37}) {
      CAPTURE(backend);
      Context context(options(backend, 2));
      std::vector<float> p = random_values(n, 1), m(n, 0), v(n, 0);
      std::vector<Var> parameters{leaf(context, "w", p, {1, 37})};
      AdamW optimizer(parameters, 0.1, {.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-7});
      for (int t = 1; t <= 5; ++t) {
        std::vector<float> g = random_values(n, 100 + static_cast<std::uint64_t>(t));
        g[3] = t == 1 ? 1e-20f : 0;  // v falls below 2⁻¹²⁶ and becomes 0
        set_grad(parameters[0], g);
        const double lr = 0.01 / t;
        optimizer.step(lr, grad_scale);
        double b1 = 1, b2 = 1;
        for (int i = 0; i < t; ++i) b1 *= 0.9, b2 *= 0.98;
        // b1 and b2 here are products in another order than binary_power's; the f32 scalars below come out the same.
        const float step = static_cast<float>(lr * (1 / (1 - b1))), c2 = static_cast<float>(1 / (1 - b2));
        for (std::size_t i = 0; i < n; ++i) {
          const float x = grad_scale == 1.0 ? g[i] : g[i] * static_cast<float>(grad_scale);
          m[i] = std::fma(static_cast<float>(0.9), m[i], static_cast<float>(1 - 0.9) * x);
          v[i] = std::fma(static_cast<float>(0.98), v[i], (static_cast<float>(1 - 0.98) * x) * x);
          if (v[i] < 0x1p-126f) v[i] = 0;
          p[i] = std::fma(-static_cast<float>(lr * 0.1), p[i], p[i]);
          p[i] = std::fma(-step, m[i] / (std::sqrt(v[i] * c2) + static_cast<float>(1e-7)), p[i]);
        }
        CHECK(parameters[0].value().to_vector<float>() == p);
        CHECK(optimizer.state()[0].value.to_vector<float>() == m);
        CHECK(optimizer.state()[1].value.to_vector<float>() == v);
      }
      CHECK(optimizer.steps() == 5);
    }
}

TEST_CASE("SGD is its formula") {
  for (const double momentum : {0.0, 0.9}) {
    Context context(options());
    std::vector<float> p = random_values(20, 1), u(20, 0);
    std::vector<Var> parameters{leaf(context, "w", p, {4, 5})};
    Sgd optimizer(parameters, 0.01, {.momentum = momentum});
    CHECK(optimizer.state().size() == (momentum > 0 ? 1 : 0));
    for (int t = 1; t <= 3; ++t) {
      const std::vector<float> g = random_values(20, 7 + static_cast<std::uint64_t>(t));
      set_grad(parameters[0], g);
      optimizer.step(0.1);
      for (std::size_t i = 0; i < 20; ++i) {
        u[i] = momentum > 0 ? std::fma(static_cast<float>(momentum), u[i], g[i]) : g[i];
        p[i] = std::fma(-static_cast<float>(0.1 * 0.01), p[i], p[i]);
        p[i] = std::fma(-0.1f, u[i], p[i]);
      }
      CHECK(parameters[0].value().to_vector<float>() == p);
    }
  }
}

TEST_CASE("biases and other 1-d tensors do not decay; groups have their own rates") {
  Context context(options());
  std::vector<Var> parameters{leaf(context, "bias", {1, 2}, {2}), leaf(context, "weight", {1, 2}, {1, 2}),
                              leaf(context, "scalar", {3}, Shape{})};
  const std::vector<ParameterGroup> groups = decay_groups(parameters, 0.5);
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].parameters.size() == 1);
  CHECK(groups[1].parameters.size() == 2);
  for (Var& parameter : parameters) parameter.set_grad(Tensor::zeros(context, parameter.shape()));
  AdamW(groups).step(0.5);
  CHECK(parameters[0].value().to_vector<float>() == std::vector<float>{1, 2});
  CHECK(parameters[1].value().to_vector<float>() == std::vector<float>{0.75f, 1.5f});

  std::vector<ParameterGroup> own{{.parameters = {parameters[0]}, .weight_decay = 0, .lr_scale = 0.5}};
  set_grad(parameters[0], {1, 1});
  Sgd(own).step(0.5);
  CHECK(parameters[0].value().to_vector<float>() == std::vector<float>{0.75f, 1.75f});
}

TEST_CASE("zero_grad keeps the memory; a parameter without a gradient is left alone") {
  Context context(options());
  std::vector<Var> parameters{leaf(context, "a", {1, 2}, {2}), leaf(context, "b", {1, 2}, {2})};
  AdamW optimizer(parameters);
  set_grad(parameters[0], {1, 1});
  const float* buffer = parameters[0].grad().data<float>();
  optimizer.step(0.1);
  optimizer.zero_grad();
  CHECK(parameters[0].grad().data<float>() == buffer);
  CHECK(parameters[0].grad().to_vector<float>() == std::vector<float>{0, 0});
  CHECK(parameters[0].value().to_vector<float>() != std::vector<float>{1, 2});
  CHECK(parameters[1].value().to_vector<float>() == std::vector<float>{1, 2});
  CHECK_FALSE(parameters[1].grad().defined());
}

TEST_CASE("mistakes of the caller") {
  Context context(options());
  const std::vector<Var> none, one{leaf(context, "a", {1}, {1})}, twice{one[0], one[0]};
  CHECK_THROWS_AS(AdamW(none, 0.1), InputError);
  CHECK_THROWS_AS(AdamW(twice, 0.1), InputError);
  CHECK_THROWS_AS(AdamW(one, -0.1), InputError);
  CHECK_THROWS_AS(AdamW(one, 0.1, {.beta1 = 1}), InputError);
  CHECK_THROWS_AS(AdamW(one, 0.1, {.eps = 0}), InputError);
  CHECK_THROWS_AS(Sgd(one, 0, {.momentum = 1}), InputError);
  const std::vector<Var> constant{Var(Tensor::zeros(context, {1}), false, "c")};
  CHECK_THROWS_AS(Sgd(constant, 0), InputError);
  AdamW optimizer(one);
  CHECK_THROWS_AS(optimizer.step(-1), InputError);
  CHECK_THROWS_AS(optimizer.step(std::numeric_limits<double>::quiet_NaN()), InputError);
  CHECK_THROWS_AS(optimizer.step(1, std::numeric_limits<double>::infinity()), InputError);
  CHECK(optimizer.steps() == 0);
}

TEST_CASE("a restored optimizer goes on to the same bits") {
  Context context(options());
  const std::vector<float> start = random_values(12, 1);
  const auto gradient = [](int t) { return random_values(12, 50 + static_cast<std::uint64_t>(t)); };
  std::vector<Var> whole{leaf(context, "w", start, {3, 4})}, cut{leaf(context, "w", start, {3, 4})};
  AdamW straight(whole);
  auto first = std::make_unique<AdamW>(cut);
  for (int t = 0; t < 6; ++t) {
    set_grad(whole[0], gradient(t));
    straight.step(0.01);
    if (t < 3) {
      set_grad(cut[0], gradient(t));
      first->step(0.01);
    }
  }
  std::vector<StateTensor> saved;
  for (const StateTensor& tensor : first->state()) saved.insert(saved.begin(), {tensor.name, tensor.value.clone()});  // any order
  Context later(options());
  std::vector<Var> resumed{leaf(later, "w", cut[0].value().to_vector<float>(), {3, 4})};
  AdamW second(resumed);
  second.load_state(first->steps(), saved);
  first.reset();
  for (int t = 3; t < 6; ++t) {
    set_grad(resumed[0], gradient(t));
    second.step(0.01);
  }
  CHECK(resumed[0].value().to_vector<float>() == whole[0].value().to_vector<float>());
  CHECK(second.steps() == 6);

  std::vector<StateTensor> wrong = saved;
  wrong[0].name = "v.x";
  CHECK_THROWS_WITH_AS(second.load_state(3, wrong), "[optimizer] the state has no tensor `v.w`", InputError);
  wrong = saved;
  wrong[1].value = Tensor::zeros(later, {4, 3});
  CHECK_THROWS_WITH_AS(second.load_state(3, wrong), "[optimizer] state `m.w`: expected f32 [3, 4], got f32 [4, 3]", InputError);
  wrong.pop_back();
  CHECK_THROWS_WITH_AS(second.load_state(3, wrong), "[optimizer] expected a state of 2 tensors, got 1", InputError);
  CHECK_THROWS_AS(second.load_state(-1, saved), InputError);
  CHECK(second.steps() == 6);
}

TEST_CASE("clipping") {
  for (const std::string& backend : available_backends()) {
    CAPTURE(backend);
    Context context(options(backend, 3));
    std::vector<Var> parameters{leaf(context, "a", {0, 0}, {2}), leaf(context, "none", {0}, {1}), leaf(context, "b", {0}, {1, 1})};
    set_grad(parameters[0], {3, 0});
    set_grad(parameters[2], {4});
    CHECK(clip_by_norm(parameters, 10).norm == 5);
    CHECK(clip_by_norm(parameters, 10).scale == 1);
    CHECK(clip_by_norm(parameters, 5).scale == 1);  // only if norm > limit
    CHECK(clip_by_norm(parameters, 2.5).scale == 0.5);
    CHECK(clip_by_norm(parameters, 0).scale == 1);
    CHECK(parameters[2].grad().item() == 4);
    set_grad(parameters[2], {std::numeric_limits<float>::quiet_NaN()});
    CHECK_THROWS_WITH_AS(clip_by_norm(parameters, 1), "the gradient of `b` is not finite", NonFiniteError);
    set_grad(parameters[0], {1, -std::numeric_limits<float>::infinity()});
    CHECK_THROWS_WITH_AS(clip_by_norm(parameters, 0), "the gradient of `a` is not finite", NonFiniteError);
  }
}

TEST_CASE("the norm is a fold of blocks of 4096, the same on every backend") {
  const std::size_t n = 4096 * 2 + 123;
  const std::vector<float> g = random_values(n, 3);
  double sum = 0;
  for (std::size_t block = 0; block < n; block += 4096) {
    float lanes[16] = {};
    for (std::size_t i = block; i < std::min(n, block + 4096); ++i)
      lanes[(i - block) % 16] = std::fma(g[i], g[i], lanes[(i - block) % 16]);
    for (int half = 8; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    sum += static_cast<double>(lanes[0]);
  }
  for (const std::string& backend : available_backends())
    for (const int threads : {1, 3}) {
      Context context(options(backend, threads));
      std::vector<Var> parameters{leaf(context, "w", std::vector<float>(n, 0), {static_cast<Index>(n)})};
      set_grad(parameters[0], g);
      CHECK(clip_by_norm(parameters, 0).norm == std::sqrt(sum));
    }
}

TEST_CASE("schedules by hand") {
  const Schedule constant{.kind = ScheduleKind::kConstant, .peak = 0.5, .total_steps = 10, .warmup_steps = 4};
  CHECK(constant.at(0) == 0.125);
  CHECK(constant.at(2) == 0.375);
  CHECK(constant.at(3) == 0.5);
  CHECK(constant.at(1'000'000) == 0.5);
  const Schedule linear{.kind = ScheduleKind::kLinear, .peak = 1, .total_steps = 10, .warmup_steps = 2, .final_fraction = 0.2};
  CHECK(linear.at(0) == 0.5);
  CHECK(linear.at(1) == 1);
  CHECK(linear.at(2) == 1);
  CHECK(linear.at(6) == doctest::Approx(0.6).epsilon(1e-15));
  CHECK(linear.at(9) == doctest::Approx(0.3).epsilon(1e-15));
  CHECK(linear.at(10) == doctest::Approx(0.2).epsilon(1e-15));
  CHECK(linear.at(500) == linear.at(10));
  const Schedule cosine{.kind = ScheduleKind::kCosine, .peak = 2, .total_steps = 8};
  CHECK(cosine.at(0) == 2);
  CHECK(cosine.at(2) == doctest::Approx(1 + std::sqrt(0.5)).epsilon(1e-15));
  CHECK(cosine.at(4) == doctest::Approx(1).epsilon(1e-15));
  CHECK(cosine.at(8) == doctest::Approx(0).epsilon(1e-15));
  const Schedule all_warmup{.kind = ScheduleKind::kCosine, .peak = 1, .total_steps = 4, .warmup_steps = 4};
  CHECK(all_warmup.at(3) == 1);
  CHECK(all_warmup.at(4) == 0);
}

TEST_CASE("schedules that cannot be") {
  CHECK(problem({}) == "valid");
  CHECK(problem({.kind = ScheduleKind::kLinear}) == "a linear schedule needs total_steps > 0");
  CHECK(problem({.peak = -1}) == "learning rate is -1, expected a number >= 0");
  CHECK(problem({.total_steps = 5, .warmup_steps = 6}) == "warmup_steps is 6, expected 0 to total_steps 5");
  CHECK(problem({.warmup_steps = -1}) == "warmup_steps is -1, expected 0 to total_steps 0");
  CHECK(problem({.final_fraction = 1.5}) == "final_fraction is 1.5, expected 0 to 1");
  CHECK_THROWS_AS(Schedule{}.at(-1), InputError);
  CHECK(schedule_kind("cosine") == ScheduleKind::kCosine);
  CHECK_THROWS_WITH_AS(schedule_kind("cosin"),
                       "schedule `cosin` is unknown, expected one of constant, linear, cosine; did you mean cosine?", InputError);
}

TEST_CASE("powers by squaring") {
  CHECK(binary_power(0.9, 0) == 1);
  CHECK(binary_power(0.9, 1) == 0.9);
  CHECK(binary_power(2, 1023) == 0x1p1023);
  CHECK(binary_power(0.999, 1'000'000'000'000) == 0);
  CHECK(binary_power(0.999, 1000) == doctest::Approx(std::pow(0.999, 1000)).epsilon(1e-14));
}
