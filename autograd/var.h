// Var: a tensor that takes part in differentiation. The tape is eager: every function of functions.h computes at once and, if an
// input needs a gradient, records how to pass one back.
//
//   Var w(Tensor::zeros(ctx, {3, 2}), true, "w");
//   Var loss = cross_entropy(linear(x, w), target);
//   loss.backward();                     // w.grad() now holds d loss / d w
//
// Leaves (made by the constructor with requires_grad) keep their gradient: it starts at +0 and every backward adds to it, in place,
// until zero_grad(). Gradients of intermediate results are dropped as soon as they were used, unless retain_grad() was called. A
// graph can be walked once: backward() releases each step as it is used. Nodes are walked by descending sequence number, so sums of
// gradients have one order.
#pragma once
#include <lathe/tensor/tensor.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe {

namespace ops {
struct OpenRows;
}

namespace autograd {
struct Slot;
struct Node;
class Backward;
}  // namespace autograd

/// Copyable handle: copies are the same variable.
class Var {
 public:
  Var() = default;  ///< undefined: "no bias", "no residual"
  /// A leaf. InputError if requires_grad on an integer tensor.
  explicit Var(Tensor value, bool requires_grad = false, std::string name = "");

  bool defined() const { return slot_ != nullptr; }
  const Tensor& value() const { return *value_; }
  /// For optimizers and loaders: editing the value of a leaf. Edits between a forward and its backward are found and reported.
  Tensor& mutable_value() { return *value_; }
  const Shape& shape() const { return value_->shape(); }
  Index size(Index dim) const { return value_->size(dim); }
  DType dtype() const { return value_->dtype(); }
  Context& context() const { return value_->context(); }
  const std::string& name() const;
  void set_name(std::string name);

  bool requires_grad() const;  ///< is a leaf that wants a gradient, or depends on one
  bool is_leaf() const;
  void set_requires_grad(bool on);  ///< leaves only

  /// Gradient so far; undefined if none has arrived. Of a leaf: a buffer that later backwards go on adding to. InputError in the
  /// middle of a batch that comes in groups of rows (Context::rows).
  const Tensor& grad() const;
  /// The same for code that rescales gradients or replaces the buffer (a view into one arena for all parameters, of the same
  /// shape).
  Tensor& mutable_grad();
  void set_grad(Tensor grad);
  void zero_grad();     ///< makes the buffer +0 (keeps it; one that nobody else holds is filled when it is looked at)
  void release_grad();  ///< drops the buffer
  void retain_grad();   ///< keep the gradient of this intermediate result after backward
  /// Of a table [rows, n] whose gradient came from look-ups alone since it was zero: the rows that may be other than +0, ascending
  /// and distinct. None (no value): any row.
  std::optional<std::span<const std::int32_t>> grad_rows() const;

  /// Passes gradients back to all leaves. Without a cotangent only for one element (cotangent 1). InputError: nothing to
  /// differentiate, the graph was already used, shapes differ, a saved tensor was edited since.
  void backward() const;
  void backward(const Tensor& cotangent) const;

  /// The same value cut off from the graph.
  Var detach() const;

  const std::shared_ptr<autograd::Slot>& slot() const { return slot_; }

 private:
  friend struct VarAccess;
  std::shared_ptr<Tensor> value_;
  std::shared_ptr<autograd::Slot> slot_;
};

/// Several results at once, each with its cotangent (undefined: 1, for one-element results).
void backward(std::span<const Var> results, std::span<const Tensor> cotangents);

/// While it lives, nothing is recorded: evaluation, optimizers.
class NoGrad {
 public:
  explicit NoGrad(Context& context) : context_(context), before_(context.grad_mode()) { context.set_grad_mode(false); }
  ~NoGrad() { context_.set_grad_mode(before_); }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  Context& context_;
  bool before_;
};

namespace autograd {

/// What a gradient function gets: the cotangents of the outputs, the saved tensors, and a place for each input's gradient.
class Backward {
 public:
  /// Cotangent of output i; zeros if nothing was passed back to it.
  const Tensor& dy(int output = 0);
  bool has_dy(int output) const;  ///< did anything arrive?
  /// Saved tensor i, undefined if it was saved undefined. InputError naming the op if it was edited since it was saved.
  const Tensor& saved(int i) const;

  bool wants(int input) const;  ///< does this input need a gradient? (Not asked for, not computed.)

  // A wanted input must be served by one of these, else the walk stops with an error naming op and input. Where groups of a batch
  // run at once (groups.h), those of a leaf wait for the group's turn, which ends with the gradient function: come to leaves last.
  /// Adds a finished gradient of the input's shape. Sums of several consumers are taken in the order of the walk.
  void add(int input, Tensor gradient);
  /// The gradient so far (+0 at first) to accumulate on in place: for kernels whose numerics start from the old content (weights).
  Tensor& accumulator(int input);
  /// The same where only the rows `ids` of a table are added to.
  Tensor& accumulator_rows(int input, const Tensor& ids);
  /// The same for a sum over rows of a packed batch, of which `rows` come here: it goes on from group to group. `overwrites`: the
  /// kernel can start from +0 by itself, so `total` need not be filled when from_zero is set. InputError if the rows do not follow
  /// on those before them (a parameter used twice in a batch that comes in groups).
  struct RowSum {
    Tensor& total;
    ops::OpenRows& open;
    bool from_zero = false;
  };
  RowSum row_sum(int input, const RowRange& range, Index rows, bool overwrites = false);
  /// The gradient that other consumers left so far, or undefined. A kernel that can add it on its way hands the sum to replace().
  const Tensor& pending(int input) const;
  void replace(int input, Tensor sum);
  /// The factor that the operation behind this input offered (offer_factor), if its gradient comes from here alone; then the kernel
  /// multiplies on its way and hands the product to replace_multiplied(). Else undefined.
  Tensor factor(int input) const;
  void replace_multiplied(int input, Tensor product);
  /// Of the producer: does dy() come multiplied already?
  bool multiplied() const;
  /// States that the gradient is zero.
  void zero(int input);

  Context& context() const { return *context_; }

 private:
  friend struct Engine;
  Backward(Context* context, Node* node) : context_(context), node_(node) {}
  Slot& mark(int input);
  Context* context_;
  Node* node_;
  std::vector<Tensor> dys_;
  std::vector<bool> served_, has_turn_;
};

/// Says that the gradient of the operation behind `result`, its only one, begins by multiplying its cotangent, element by element,
/// by `factor`. Nothing happens if `result` was not recorded.
void offer_factor(const Var& result, const Tensor& factor);

using GradientFunction = std::function<void(Backward&)>;

/// Will an operation on these inputs be recorded? (Undefined Vars are allowed.) Lets a function skip what only gradients need.
bool recording(std::initializer_list<const Var*> inputs);
bool recording(std::span<const Var> inputs);

/// Makes the result of an operation: the way to define a differentiable function of one's own.
///
///   Var cube(const Var& x) {
///     Tensor y = ops::mul(ops::mul(x.value(), x.value()), x.value());
///     return autograd::record("cube", {x}, y, {x.value()}, [](autograd::Backward& b) {
///       const Tensor& s = b.saved(0);
///       b.add(0, ops::mul(ops::scale(ops::mul(s, s), 3), b.dy()));
///     });
///   }
///
/// Keep tensors by `saved`, not in the lambda: saved ones are watched for edits and released after use. A null gradient
/// function on an input that needs a gradient throws InputError at once.
Var record(const char* op, std::initializer_list<Var> inputs, Tensor output, std::initializer_list<Tensor> saved,
           GradientFunction gradient);
/// Several outputs or a variable number of inputs.
std::vector<Var> record_all(const char* op, std::span<const Var> inputs, std::vector<Tensor> outputs, std::vector<Tensor> saved,
                            GradientFunction gradient);

}  // namespace autograd
}  // namespace lathe
