// The policy network: an LSTM that makes one decision after the other (Zoph & Le 2017, arXiv:1611.01578; the embedding of the
// previous choice and the bounded logits are those of ENAS, Pham et al. 2018, arXiv:1802.03268), and a critic beside it.
//
//   xₜ = row of the embedding [·, E]   row 0 for t = 0; else that of decision t−1's choice, or of "inactive": rows of its own
//   (hₜ, cₜ) = lstm(xₜ, hₜ₋₁, cₜ₋₁)    h₋₁ = c₋₁ = 0
//   zₜ = hₜ · Wₜᵀ + bₜ                 logits: 5 · tanh(zₜ / 5), less 10⁴ where a mask forbids; log π by log-softmax
//   vₜ = hₜ · w_vᵀ + b_v               what the critic expects of the trajectory, before decision t
//
// Parameters, in order: controller.lstm as in Lstm; .embedding [1 + Σ (choices + 1), E]; .heads.weight [decisions, widest, H],
// .heads.bias [decisions, 1, widest]; .value.weight [1, H], .value.bias [1]. All heads begin at zero: before its first update the
// policy is uniform over the choices and expects 0. R rows are independent trajectories; the bits of one do not depend on the
// others. Everything works on f32, and on f64 (backend spec) for gradient checks.
#pragma once
#include <lathe/autograd/functions.h>
#include <lathe/nn/parameters.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::nas {

/// One step of a long short-term memory (Hochreiter & Schmidhuber 1997, with forget gates), as torch.nn.LSTMCell:
///   (i, f, g, o) = x · W_inputᵀ + b + h · W_stateᵀ
///   c' = σ(f)·c + σ(i)·tanh(g) and h' = σ(o)·tanh(c'), element by element
/// Parameters <name>.input.weight [4H, E], <name>.bias [4H] (the sum of PyTorch's two), <name>.state.weight [4H, H].
struct Lstm {
  struct State {
    Var h, c;  ///< [R, H]
  };
  Lstm(nn::Parameters& parameters, const std::string& name, Index in, Index size, double deviation);
  State start(Index rows) const;                        ///< zeros
  Var input(const Var& x) const;                        ///< x · W_inputᵀ + b: what a step reads of x
  State step(const Var& in, const State& state) const;  ///< `in`: of input()
  Index size;
  Var input_weight, bias, state_weight;
};

/// Trajectories, row-major; −1: the decision was not active.
struct Trajectories {
  Index rows = 0;
  std::vector<std::int32_t> chosen;        ///< [rows, decisions]
  std::vector<std::vector<double>> masks;  ///< by decision: [rows, choices], 0 or kForbidden; none: everything is allowed
};

class Policy {
 public:
  static constexpr double kForbidden = -1e4;
  /// `choices`: of each decision; at least one decision.
  Policy(nn::Parameters& parameters, std::vector<Index> choices, Index hidden, Index embedding);

  std::size_t decisions() const { return choices_.size(); }
  Index choices(std::size_t decision) const { return choices_[decision]; }

  /// The state in which decision `decision` is made. `previous`: the choices of the decision before, −1 where inactive; not read
  /// for decision 0.
  Lstm::State advance(std::size_t decision, const Lstm::State& state, const std::vector<std::int32_t>& previous) const;
  Lstm::State start(Index rows) const { return lstm_.start(rows); }
  /// log π [R, choices] over all choices of a decision; `mask` [R, choices] as in Trajectories, or empty.
  Var log_probabilities(std::size_t decision, const Lstm::State& state, const std::vector<double>& mask) const;

  struct Outlook {
    Var log_probability;  ///< [R, decisions] of what was chosen; 0 where inactive
    Var entropy;          ///< [R, decisions] of the choice, in nats; 0 where inactive
    Var value;            ///< [R, decisions] of the critic
  };
  Outlook outlook(const Trajectories& trajectories) const;

 private:
  /// Row of the embedding that a decision reads.
  std::int32_t row_before(std::size_t decision, std::int32_t previous) const;
  Var log_softmax(const Var& sums, const std::vector<double>& mask, int axis) const;
  Context* context_;
  DType dtype_;
  std::vector<Index> choices_;
  std::vector<std::int32_t> rows_;  // of the embedding: the first of each decision's choices
  Index width_ = 0;                 // of the widest decision; the others are padded by forbidden choices
  Lstm lstm_;
  Var embedding_, weight_, bias_, value_weight_, value_bias_;
};

/// `values` as a tensor of that type.
Tensor constant(Context& context, const std::vector<double>& values, const Shape& shape, DType dtype);

}  // namespace lathe::nas
