#include <lathe/nas/controller/policy.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>

#include <algorithm>
#include <utility>

namespace lathe::nas {
namespace {

constexpr double kDeviation = 0.1;  // that of ENAS is uniform in ±0.1
constexpr double kLogitLimit = 5;

}  // namespace

Tensor constant(Context& context, const std::vector<double>& values, const Shape& shape, DType dtype) {
  if (dtype == DType::kF64) return Tensor::from(context, values, shape);
  return Tensor::from(context, std::vector<float>(values.begin(), values.end()), shape);
}

Lstm::Lstm(nn::Parameters& parameters, const std::string& name, Index in, Index size_, double deviation)
    : size(size_),
      input_weight(parameters.normal(name + ".input.weight", {4 * size_, in}, deviation)),
      bias(parameters.constant(name + ".bias", {4 * size_}, 0)),
      state_weight(parameters.normal(name + ".state.weight", {4 * size_, size_}, deviation)) {}

Lstm::State Lstm::start(Index rows) const {
  const Var zero(Tensor::zeros(input_weight.context(), {rows, size}, input_weight.dtype()));
  return {zero, zero};
}

Var Lstm::input(const Var& x) const { return linear(x, input_weight, bias); }

Lstm::State Lstm::step(const Var& in, const State& state) const {
  const Var sums = linear(state.h, state_weight, {}, {.residual = in});
  const std::vector<Var> gates = split(sums, std::vector<Index>(4, size), 1);
  const Var c = sigmoid(gates[1]) * state.c + sigmoid(gates[0]) * tanh(gates[2]);
  return {sigmoid(gates[3]) * tanh(c), c};
}

Policy::Policy(nn::Parameters& parameters, std::vector<Index> choices, Index hidden, Index embedding)
    : context_(&parameters.context()),
      dtype_(parameters.dtype()),
      choices_(std::move(choices)),
      lstm_(parameters, "controller.lstm", embedding, hidden, kDeviation) {
  LATHE_CHECK(!choices_.empty(), "a policy without decisions");
  Index rows = 1;
  for (const Index n : choices_) {
    rows_.push_back(static_cast<std::int32_t>(rows));
    rows += n + 1;
    width_ = std::max(width_, n);
  }
  const auto steps = static_cast<Index>(choices_.size());
  embedding_ = parameters.normal("controller.embedding", {rows, embedding}, kDeviation);
  weight_ = parameters.constant("controller.heads.weight", {steps, width_, hidden}, 0);
  bias_ = parameters.constant("controller.heads.bias", {steps, 1, width_}, 0);
  value_weight_ = parameters.constant("controller.value.weight", {1, hidden}, 0);
  value_bias_ = parameters.constant("controller.value.bias", {1}, 0);
}

std::int32_t Policy::row_before(std::size_t decision, std::int32_t previous) const {
  if (decision == 0) return 0;
  const auto inactive = static_cast<std::int32_t>(choices_[decision - 1]);
  return rows_[decision - 1] + (previous < 0 ? inactive : previous);
}

Lstm::State Policy::advance(std::size_t decision, const Lstm::State& state, const std::vector<std::int32_t>& previous) const {
  std::vector<std::int32_t> ids;
  for (const std::int32_t choice : previous) ids.push_back(row_before(decision, choice));
  const Tensor rows = Tensor::from(*context_, ids, {static_cast<Index>(ids.size())});
  return lstm_.step(lstm_.input(lathe::embedding(embedding_, rows)), state);
}

Var Policy::log_softmax(const Var& sums, const std::vector<double>& mask, int axis) const {
  Var logits = tanh(sums * (1 / kLogitLimit)) * kLogitLimit;
  if (!mask.empty()) logits = logits + Var(constant(*context_, mask, logits.shape(), dtype_));
  return logits - log(sum(exp(logits), {axis}, true));  // logits are at most 5: no maximum to take off
}

Var Policy::log_probabilities(std::size_t decision, const Lstm::State& state, const std::vector<double>& mask) const {
  const auto i = static_cast<Index>(decision);
  const Var weight = reshape(narrow(narrow(weight_, 0, i, 1), 1, 0, choices_[decision]), {choices_[decision], lstm_.size});
  const Var bias = reshape(narrow(narrow(bias_, 0, i, 1), 2, 0, choices_[decision]), {choices_[decision]});
  return log_softmax(linear(state.h, weight, bias), mask, 1);
}

// All decisions at once but for the LSTM's own steps: rows are in the order (decision, trajectory).
Policy::Outlook Policy::outlook(const Trajectories& t) const {
  const auto rows = static_cast<std::size_t>(t.rows), steps = decisions(), width = static_cast<std::size_t>(width_);
  std::vector<std::int32_t> ids;
  std::vector<double> active, taken(steps * rows * width, 0), mask(steps * rows * width, kForbidden);
  for (std::size_t i = 0; i < steps; ++i)
    for (std::size_t r = 0; r < rows; ++r) {
      const std::int32_t choice = t.chosen[r * steps + i];
      const auto choices = static_cast<std::size_t>(choices_[i]), at = (i * rows + r) * width;
      ids.push_back(row_before(i, i ? t.chosen[r * steps + i - 1] : 0));
      active.push_back(choice >= 0);
      if (choice >= 0) taken[at + static_cast<std::size_t>(choice)] = 1;
      for (std::size_t c = 0; c < choices; ++c)
        mask[at + c] = t.masks.empty() || t.masks[i].empty() ? 0 : t.masks[i][r * choices + c];
    }
  const auto d = static_cast<Index>(steps);
  const Var x = lathe::embedding(embedding_, Tensor::from(*context_, ids, {d * t.rows}));
  const std::vector<Var> in = split(lstm_.input(x), std::vector<Index>(steps, t.rows), 0);
  Lstm::State state = start(t.rows);
  std::vector<Var> states;
  for (std::size_t i = 0; i < steps; ++i) {
    state = lstm_.step(in[i], state);
    states.push_back(state.h);
  }
  const Var h = concat(states, 0);
  const Shape all{d, t.rows, width_};
  const Var sums = matmul(reshape(h, {d, t.rows, lstm_.size}), transpose(weight_, 1, 2)) + bias_;
  const Var log_p = log_softmax(sums, mask, 2);
  const Var chosen = sum(log_p * Var(constant(*context_, taken, all, dtype_)), {2});
  const Var entropy = neg(sum(exp(log_p) * log_p, {2})) * Var(constant(*context_, active, {d, t.rows}, dtype_));
  const Var value = reshape(linear(h, value_weight_, value_bias_), {d, t.rows});
  return {transpose(chosen, 0, 1), transpose(entropy, 0, 1), transpose(value, 0, 1)};
}

}  // namespace lathe::nas
