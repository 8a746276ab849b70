#include <lathe/nas/controller/policy.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>

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

Lstm::State Lstm::step(const Var& x, const State& state) const {
  const Var sums = linear(state.h, state_weight, {}, {.residual = linear(x, input_weight, bias)});
  const std::vector<Var> gates = split(sums, std::vector<Index>(4, size), 1);
  const Var c = sigmoid(gates[1]) * state.c + sigmoid(gates[0]) * tanh(gates[2]);
  return {sigmoid(gates[3]) * tanh(c), c};
}

Policy::Policy(nn::Parameters& parameters, std::vector<Index> choices, Index hidden, Index embedding)
    : context_(&parameters.context()),
      dtype_(parameters.dtype()),
      choices_(std::move(choices)),
      lstm_(parameters, "controller.lstm", embedding, hidden, kDeviation),
      start_(parameters.normal("controller.start", {1, embedding}, kDeviation)) {
  LATHE_CHECK(!choices_.empty(), "a policy without decisions");
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    const std::string name = str("controller.decisions.", i);
    weights_.push_back(parameters.constant(name + ".weight", {choices_[i], hidden}, 0));
    biases_.push_back(parameters.constant(name + ".bias", {choices_[i]}, 0));
    if (i + 1 < choices_.size())
      tables_.push_back(parameters.normal(name + ".embedding", {choices_[i] + 1, embedding}, kDeviation));
  }
  value_weight_ = parameters.constant("controller.value.weight", {1, hidden}, 0);
  value_bias_ = parameters.constant("controller.value.bias", {1}, 0);
}

Lstm::State Policy::advance(std::size_t decision, const Lstm::State& state, const std::vector<std::int32_t>& previous) const {
  const Index rows = state.h.size(0);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(rows), 0);
  for (std::size_t r = 0; decision > 0 && r < ids.size(); ++r)
    ids[r] = previous[r] < 0 ? static_cast<std::int32_t>(choices_[decision - 1]) : previous[r];
  const Var& table = decision == 0 ? start_ : tables_[decision - 1];
  return lstm_.step(lathe::embedding(table, Tensor::from(context(), ids, {rows})), state);
}

Var Policy::log_probabilities(std::size_t decision, const Lstm::State& state, const std::vector<double>& mask) const {
  Var logits = tanh(linear(state.h, weights_[decision], biases_[decision]) * (1 / kLogitLimit)) * kLogitLimit;
  if (!mask.empty()) logits = logits + Var(constant(context(), mask, logits.shape(), dtype_));
  return logits - log(sum(exp(logits), {1}, true));  // logits are at most 5: no maximum to take off
}

Policy::Outlook Policy::outlook(const Trajectories& t) const {
  const auto rows = static_cast<std::size_t>(t.rows), steps = decisions();
  Lstm::State state = start(t.rows);
  std::vector<std::int32_t> previous(rows);
  std::vector<Var> log_probability, entropy, value;
  for (std::size_t i = 0; i < steps; ++i) {
    state = advance(i, state, previous);
    const auto width = static_cast<std::size_t>(choices_[i]);
    std::vector<double> taken(rows * width, 0), active(rows, 0);
    for (std::size_t r = 0; r < rows; ++r) {
      previous[r] = t.chosen[r * steps + i];
      if (previous[r] < 0) continue;
      active[r] = 1;
      taken[r * width + static_cast<std::size_t>(previous[r])] = 1;
    }
    const Var log_p = log_probabilities(i, state, t.masks.empty() ? std::vector<double>() : t.masks[i]);
    const Shape all{t.rows, choices_[i]}, column{t.rows, 1};
    log_probability.push_back(sum(log_p * Var(constant(context(), taken, all, dtype_)), {1}, true));
    const Var h = neg(sum(exp(log_p) * log_p, {1}, true));
    entropy.push_back(h * Var(constant(context(), active, column, dtype_)));
    value.push_back(linear(state.h, value_weight_, value_bias_));
  }
  return {concat(log_probability, 1), concat(entropy, 1), concat(value, 1)};
}

}  // namespace lathe::nas
