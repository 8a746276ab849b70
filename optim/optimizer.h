// Optimizers: they change parameters by their gradients.
//
//   optim::AdamW optimizer(optim::decay_groups(model.parameters(), 0.01));
//   for (step = 0; step < total; ++step) {
//     loss.backward();
//     const optim::Clip clip = optim::clip_by_norm(model.parameters(), 1.0);   // clip.h
//     optimizer.step(schedule.at(step), clip.scale);                           // schedule.h
//     optimizer.zero_grad();
//   }
//
// A step edits parameters in place, outside any gradient recording. A parameter whose gradient never arrived is left alone, its
// state too. Learning rates and all scalars are f64 and are cast once to the parameter's dtype.
#pragma once
#include <lathe/autograd/var.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lathe::optim {

class LazyTable;

struct ParameterGroup {
  std::vector<Var> parameters;
  double weight_decay = 0;
  double lr_scale = 1;  ///< the group's learning rate is lr · lr_scale
};

/// Two groups: tensors with two or more dimensions decay; biases, norms and other 1-d tensors do not. Order is kept within each.
std::vector<ParameterGroup> decay_groups(std::span<const Var> parameters, double weight_decay);

/// One array of an optimizer's state, named "<kind>.<parameter>", for instance "m.layers.0.ffn.in.weight".
struct StateTensor {
  std::string name;
  Tensor value;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update with learning rate `lr` and gradients times `grad_scale` (clipping). InputError if lr is negative or not finite.
  void step(double lr, double grad_scale = 1);
  std::int64_t steps() const { return steps_; }  ///< updates done so far

  /// Gradients to +0, their memory kept.
  void zero_grad();

  const std::vector<ParameterGroup>& groups() const { return groups_; }

  /// The state itself (handles, not copies), in the order of groups and parameters: with steps(), all that a checkpoint must hold.
  virtual std::vector<StateTensor> state() const = 0;
  /// Restores a checkpoint, all or nothing: training goes on to the same bits. InputError if names, shapes or dtypes differ.
  void load_state(std::int64_t steps, std::span<const StateTensor> tensors);

 protected:
  /// InputError: no parameters, one twice, a negative decay.
  explicit Optimizer(std::vector<ParameterGroup> groups);
  /// Called for every parameter that has a gradient, `index` counting through all groups; steps_ is already that of this update.
  virtual void update(const ParameterGroup& group, std::size_t index, Var& parameter, double lr, double grad_scale) = 0;
  virtual void loaded() {}  ///< the state is about to be replaced by load_state()
  std::vector<Tensor> zeros_like_parameters() const;
  std::vector<StateTensor> named(const char* kind, const std::vector<Tensor>& tensors) const;

  std::vector<ParameterGroup> groups_;
  std::int64_t steps_ = 0;
};

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
};

/// Decoupled weight decay (Loshchilov & Hutter 2019), in the order of numerics v1:
/// m = fma(β1, m, (1−β1)·g); v = fma(β2, v, ((1−β2)·g)·g), below 2⁻¹²⁶ → 0; p = fma(−lr·decay, p, p);
/// p = fma(−lr·c1, m / (sqrt(v·c2) + eps), p), c = 1 / (1 − βᵗ) by binary power, t counted from 1.
/// Rows of a large table (an embedding) that a batch does not reach are updated when somebody looks at them (lazy_table.h): the
/// same bits, without a pass over the table in every step. The Context must outlive the optimizer.
class AdamW : public Optimizer {
 public:
  /// InputError: β outside [0, 1), eps ≤ 0.
  explicit AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options = {});
  /// All parameters in one group pair: decay_groups(parameters, weight_decay).
  explicit AdamW(std::span<const Var> parameters, double weight_decay = 0.01, const AdamWOptions& options = {});
  ~AdamW() override;
  std::vector<StateTensor> state() const override;  ///< m.… of all parameters, then v.…

 private:
  void loaded() override;
  void update(const ParameterGroup& group, std::size_t index, Var& parameter, double lr, double grad_scale) override;
  AdamWOptions options_;
  std::vector<Tensor> m_, v_;
  std::map<std::size_t, std::unique_ptr<LazyTable>> tables_;  // by the index of the parameter
};

struct SgdOptions {
  double momentum = 0;
};

/// u = fma(momentum, u, g); p = fma(−lr·decay, p, p); p = fma(−lr, u, p). Without momentum u = g and there is no state.
class Sgd : public Optimizer {
 public:
  /// InputError: momentum outside [0, 1).
  explicit Sgd(std::vector<ParameterGroup> groups, const SgdOptions& options = {});
  explicit Sgd(std::span<const Var> parameters, double weight_decay = 0, const SgdOptions& options = {});
  std::vector<StateTensor> state() const override;  ///< u.… of all parameters; empty without momentum

 private:
  void update(const ParameterGroup& group, std::size_t index, Var& parameter, double lr, double grad_scale) override;
  SgdOptions options_;
  std::vector<Tensor> u_;
};

/// base^exponent by squaring, from the exponent's lowest bit up: the same f64 operations everywhere.
double binary_power(double base, std::uint64_t exponent);

}  // namespace lathe::optim
