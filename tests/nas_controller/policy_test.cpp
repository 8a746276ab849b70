// The policy network and PPO's loss: PyTorch's numbers, finite differences, the same bits from every set of kernels.
#include <doctest/doctest.h>
#include <lathe/autograd/gradcheck.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/controller/ppo.h>
#include <lathe/optim/optimizer.h>
#include <lathe/tensor/backend.h>

#include <cmath>
#include <fstream>
#include <map>
#include <optional>

using namespace lathe;
using namespace lathe::nas;

namespace {

const std::vector<Index> kChoices = {3, 4, 2};
constexpr Index kHidden = 5, kEmbedding = 4;

/// The parameters of make_policy.py: 0.3 · sin(1 + k).
nn::Parameters::Source sines(Context& context, DType dtype) {
  return [&context, dtype, k = 0](const std::string& name, const Shape& shape) mutable {
    std::vector<double> values;
    for (Index i = 0; i < shape.numel(); ++i) values.push_back(0.3 * math::sin(1.0 + k++));
    return Var(constant(context, values, shape, dtype), true, name);
  };
}

PpoBatch batch() {
  PpoBatch out;
  out.trajectories = {4, {2, 0, 1, 0, -1, 0, 1, 3, -1, 1, 2, 1}, std::vector<std::vector<double>>(3)};
  out.trajectories.masks[1].assign(16, 0);
  for (const std::size_t forbidden : {3u, 12u, 13u}) out.trajectories.masks[1][forbidden] = Policy::kForbidden;
  out.old_log_probability = {-1.3, -1.0, -0.8, -0.9, 0, -0.4, -1.0, -1.6, 0, -1.5, -0.2, -0.7};
  out.advantage = {1.2, -0.3, 0.7, -1.1, 0, 0.4, 0.8, -0.9, 0, -0.5, 1.6, -1.4};
  out.reward = {1.2, -0.7, 0.3, -0.8};
  return out;
}

const PpoOptions kOptions = {0.2, 0.95, 0.5, 0.03};

std::map<std::string, std::vector<double>> torch_numbers() {
  std::ifstream file(LATHE_POLICY);
  REQUIRE(file.good());
  std::map<std::string, std::vector<double>> out;
  for (std::string line; std::getline(file, line);) {
    const auto words = split(line, ' ');
    for (std::size_t i = 1; i < words.size(); ++i) out[std::string(words[0])].push_back(*parse_double(words[i]));
  }
  return out;
}

std::vector<double> numbers(const Tensor& t) {
  if (t.dtype() == DType::kF64) return t.to_vector<double>();
  const auto found = t.to_vector<float>();
  return {found.begin(), found.end()};
}

void check_near(const std::string& name, const std::vector<double>& found, const std::vector<double>& expected, double tolerance) {
  CAPTURE(name);
  REQUIRE(found.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(found[i] - expected[i]));
  CHECK(worst <= tolerance);
}

void compare_with_torch(Context& context, DType dtype, double tolerance) {
  const auto torch = torch_numbers();
  nn::Parameters parameters(context, dtype, sines(context, dtype));
  const Policy policy(parameters, kChoices, kHidden, kEmbedding);
  const PpoBatch b = batch();
  const Policy::Outlook outlook = policy.outlook(b.trajectories);
  check_near("log_probability", numbers(outlook.log_probability.value()), torch.at("log_probability"), tolerance);
  check_near("entropy", numbers(outlook.entropy.value()), torch.at("entropy"), tolerance);
  check_near("value", numbers(outlook.value.value()), torch.at("value"), tolerance);
  const Var loss = ppo_loss(policy, b, kOptions);
  check_near("loss", numbers(loss.value()), torch.at("loss"), tolerance);
  loss.backward();
  for (std::size_t i = 0; i < parameters.all().size(); ++i)
    check_near(parameters.names()[i], numbers(parameters.all()[i].grad()), torch.at(str("grad", i)), tolerance);
  CHECK(torch.count(str("grad", parameters.all().size())) == 0);
  CHECK(torch.at("clipped")[0] >= 4);

  // One decision at a time, as proposals are made.
  const NoGrad none(context);
  Lstm::State state = policy.start(4);
  std::vector<std::int32_t> previous(4, 0);
  for (std::size_t i = 0; i < kChoices.size(); ++i) {
    state = policy.advance(i, state, previous);
    const auto all = numbers(policy.log_probabilities(i, state, b.trajectories.masks[i]).value());
    for (std::size_t r = 0; r < 4; ++r) {
      previous[r] = b.trajectories.chosen[r * 3 + i];
      if (previous[r] < 0) continue;
      const double expected = numbers(outlook.log_probability.value())[r * 3 + i];
      CHECK(all[r * static_cast<std::size_t>(kChoices[i]) + static_cast<std::size_t>(previous[r])] == expected);  // bit for bit
    }
  }
  check_near("h", numbers(state.h.value()), torch.at("h"), tolerance);
  check_near("c", numbers(state.c.value()), torch.at("c"), tolerance);
}

}  // namespace

TEST_CASE("policy: PyTorch's LSTM, log-probabilities, entropies, loss and gradients") {
  Context exact({.backend = "spec"});
  compare_with_torch(exact, DType::kF64, 1e-13);
  for (const std::string& backend : available_backends()) {
    CAPTURE(backend);
    Context context({.backend = backend});
    compare_with_torch(context, DType::kF32, 2e-6);
  }
}

TEST_CASE("policy: the gradient of PPO's loss by finite differences") {
  Context context({.backend = "spec"});
  nn::Parameters parameters(context, DType::kF64, sines(context, DType::kF64));
  const Policy policy(parameters, kChoices, kHidden, kEmbedding);
  std::vector<Tensor> inputs;
  for (const Var& p : parameters.all()) inputs.push_back(p.value());
  const auto report = gradcheck(
      "ppo_loss",
      [&](const std::vector<Var>& leaves) {
        std::size_t next = 0;
        nn::Parameters given(context, DType::kF64, [&](const std::string&, const Shape&) { return leaves[next++]; });
        return std::vector<Var>{ppo_loss(Policy(given, kChoices, kHidden, kEmbedding), batch(), kOptions)};
      },
      inputs);
  CHECK_MESSAGE(report.ok, report.message);
  CHECK(report.compared >= parameters.count());
}

TEST_CASE("policy: rows do not depend on the rows beside them, nor on the kernels") {
  std::optional<std::vector<std::vector<float>>> first;
  for (const std::string& backend : available_backends()) {
    CAPTURE(backend);
    Context context({.backend = backend, .seed = 3});
    nn::Parameters parameters(context);
    const Policy policy(parameters, kChoices, 64, 32);
    optim::AdamW optimizer(parameters.all(), 0);
    for (int step = 0; step < 5; ++step) {
      ppo_loss(policy, batch(), kOptions).backward();
      optimizer.step(0.01);
      optimizer.zero_grad();
    }
    std::vector<std::vector<float>> weights;
    for (const Var& p : parameters.all()) weights.push_back(p.value().to_vector<float>());
    if (!first) first = weights;
    CHECK(weights == *first);
    const NoGrad none(context);
    const Trajectories all = batch().trajectories;
    const auto together = policy.outlook(all).log_probability.value().to_vector<float>();
    for (std::size_t r = 0; r < 4; ++r) {
      Trajectories one{
          1,
          {all.chosen.begin() + static_cast<std::ptrdiff_t>(3 * r), all.chosen.begin() + static_cast<std::ptrdiff_t>(3 * r + 3)},
          {{}, {}, {}}};
      one.masks[1].assign(all.masks[1].begin() + static_cast<std::ptrdiff_t>(4 * r),
                          all.masks[1].begin() + static_cast<std::ptrdiff_t>(4 * r + 4));
      CHECK(policy.outlook(one).log_probability.value().to_vector<float>() ==
            std::vector<float>(together.begin() + static_cast<std::ptrdiff_t>(3 * r),
                               together.begin() + static_cast<std::ptrdiff_t>(3 * r + 3)));
    }
  }
}

TEST_CASE("policy: at first uniform over what is allowed, with an expectation of 0") {
  Context context({.seed = 1});
  nn::Parameters parameters(context);
  const Policy policy(parameters, kChoices, 64, 32);
  const NoGrad none(context);
  const Policy::Outlook outlook = policy.outlook(batch().trajectories);
  const auto log_p = outlook.log_probability.value().to_vector<float>(), value = outlook.value.value().to_vector<float>();
  for (const float v : value) CHECK(v == 0);
  CHECK(log_p[0] == doctest::Approx(-math::log(3.0)));
  CHECK(log_p[1] == doctest::Approx(-math::log(3.0)));   // one of four is forbidden
  CHECK(log_p[4] == 0);                                  // not active
  CHECK(log_p[10] == doctest::Approx(-math::log(2.0)));  // two of four are
}

TEST_CASE("policy: advantages are the sums that GAE's definition writes") {
  const Trajectories t = batch().trajectories;
  const std::vector<double> values = {0.1, -0.2, 0.3, 0.5, 9, -0.6, 0.7, 0.8, 9, -0.1, -0.2, -0.3}, reward = batch().reward;
  for (const double lambda : {0.0, 0.95, 1.0}) {
    const auto found = gae(t, values, reward, lambda);
    for (std::size_t r = 0; r < 4; ++r) {
      std::vector<std::size_t> active;
      for (std::size_t i = 0; i < 3; ++i)
        if (t.chosen[3 * r + i] >= 0) active.push_back(3 * r + i);
      for (std::size_t a = 0; a < active.size(); ++a) {
        double sum = 0, weight = 1;
        for (std::size_t k = a; k < active.size(); ++k, weight *= lambda)
          sum += weight * ((k + 1 < active.size() ? values[active[k + 1]] : reward[r]) - values[active[k]]);
        CHECK(found[active[a]] == doctest::Approx(sum));
        if (lambda == 1) CHECK(found[active[a]] == doctest::Approx(reward[r] - values[active[a]]));
      }
    }
    CHECK(found[4] == 0);
  }
  std::vector<double> same(12, 3), some = {1, 2, 3, 4, 100, 5, 6, 7, 100, 8, 9, 10};
  standardise(t, same);
  for (std::size_t i = 0; i < 12; ++i)
    if (t.chosen[i] >= 0) CHECK(same[i] == 0);
  standardise(t, some);  // of 1 … 10, what is not active left out: deviation sqrt(8.25)
  CHECK(some[0] == doctest::Approx(-4.5 / math::sqrt(8.25)));
  CHECK(some[11] == doctest::Approx(4.5 / math::sqrt(8.25)));
}
