// Parameters: the numbers that a model learns, under stable dotted names, in the order of their registration.
//
// A layer's constructor asks the registry for its parameters and keeps handles; the registry is what optimizers, checkpoints and
// weight files see. The order decides the sum of the gradient norm (numerics v1) and nothing else.
//
// Initial values depend on (seed, trial) of the Context and on the parameter's own name, never on other parameters: an
// architecture that shares a layer's shape and name with another starts from the same numbers there.
#pragma once
#include <lathe/autograd/var.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nn {

class Parameters {
 public:
  /// Gives the variable to use for a parameter, for instance a slice of a larger model's weights or an input of a gradient check.
  /// Undefined: a new one is made.
  using Source = std::function<Var(const std::string& name, const Shape& shape)>;

  /// dtype kF32, or kF64 for gradient checks.
  explicit Parameters(Context& context, DType dtype = DType::kF32, Source source = {});
  /// New leaves that are 0, for values that are loaded next: drawing what is then overwritten takes longer than reading a file.
  static Parameters to_load(Context& context, DType dtype = DType::kF32);

  // Each registers the source's variable, or else a new leaf that needs a gradient. InputError if the name is taken or empty, or
  // if the source gives another shape or dtype.
  /// Element i in row-major order = deviation · the i-th normal of stream `init:<name>`, computed in f64, rounded once.
  Var normal(const std::string& name, const Shape& shape, double deviation);
  Var constant(const std::string& name, const Shape& shape, double value);

  Context& context() const { return *context_; }
  DType dtype() const { return dtype_; }
  /// In registration order; Var::name() is the dotted name (of new leaves; a source names its own).
  const std::vector<Var>& all() const { return all_; }
  const std::vector<std::string>& names() const { return names_; }
  /// InputError with the nearest name if there is none.
  const Var& at(std::string_view name) const;
  /// Number of numbers.
  std::int64_t count() const;

  void zero_grad();

 private:
  void check_name(const std::string& name) const;
  bool take(const std::string& name, const Shape& shape);
  Var add(const std::string& name, Tensor value);
  Context* context_;
  DType dtype_;
  Source source_;
  std::vector<Var> all_;
  std::vector<std::string> names_;
};

/// N(0, 0.02²) of numerics v1; weights whose result is added to the residual stream use kInitDeviation / sqrt(2 · layers).
inline constexpr double kInitDeviation = 0.02;

}  // namespace lathe::nn
