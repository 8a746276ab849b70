#include <lathe/autograd/var.h>

#include <lathe/autograd/tape.h>
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tensor/ops_detail.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace lathe {

using autograd::Node;
using autograd::Slot;

Var::Var(Tensor value, bool requires_grad, std::string name) {
  detail::expect_defined("var", value);
  if (requires_grad && !is_float(value.dtype()))
    throw InputError(str("[var] expected elements f32 or f64 for a gradient, got ", name_of(value.dtype())));
  slot_ = std::make_shared<Slot>();
  slot_->requires_grad = requires_grad;
  slot_->name = std::move(name);
  slot_->shape = value.shape();
  slot_->dtype = value.dtype();
  slot_->context = &value.context();
  value_ = std::make_shared<Tensor>(std::move(value));
}

const std::string& Var::name() const { return slot_->name; }
void Var::set_name(std::string name) { slot_->name = std::move(name); }
bool Var::requires_grad() const { return slot_ && slot_->requires_grad; }
bool Var::is_leaf() const { return slot_->producer == nullptr; }

void Var::set_requires_grad(bool on) {
  if (!is_leaf())
    throw InputError(str("[var] expected a leaf to change requires_grad of, got a result of [", slot_->producer->op, "]"));
  if (on && !is_float(dtype())) throw InputError(str("[var] expected elements f32 or f64 for a gradient, got ", name_of(dtype())));
  slot_->requires_grad = on;
}

const Tensor& Var::grad() const { return slot_->settled_grad(); }
Tensor& Var::mutable_grad() {
  slot_->rows_known = false;
  return slot_->settled_grad();
}

std::optional<std::span<const std::int32_t>> Var::grad_rows() const {
  if (!slot_->rows_known) return std::nullopt;
  std::vector<std::int32_t>& rows = slot_->rows;
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

void Var::set_grad(Tensor grad) {
  if (grad.defined()) {
    detail::expect_operands("set_grad", *value_, grad);
    detail::expect_shape("set_grad", "a gradient", grad, shape());
    if (!grad.is_contiguous()) throw InputError("[set_grad] expected a contiguous gradient, got a strided view");
  }
  slot_->grad = std::move(grad);
  slot_->zero = slot_->rows_known = false;
  slot_->drop_open_rows();
}

void Var::zero_grad() {
  slot_->drop_open_rows();
  if (const auto rows = grad_rows())
    for (const std::int32_t row : *rows) slot_->grad.narrow(0, row, 1).fill(0);
  else if (slot_->grad.defined() && !slot_->grad.is_only_handle())
    slot_->grad.fill(0);  // somebody else may look at it
  else
    slot_->zero = slot_->grad.defined();
  slot_->rows.clear();
}

void Var::release_grad() { set_grad(Tensor()); }
void Var::retain_grad() { slot_->retain = true; }
Var Var::detach() const { return Var(*value_, false, slot_->name); }
void Var::backward() const { backward(Tensor()); }

void Var::backward(const Tensor& cotangent) const {
  const Var results[] = {*this};
  const Tensor cotangents[] = {cotangent};
  lathe::backward(results, cotangents);
}

namespace autograd {

bool recording(std::span<const Var> inputs) {
  for (const Var& input : inputs)
    if (input.requires_grad()) return input.context().grad_mode();
  return false;
}

bool recording(std::initializer_list<const Var*> inputs) {
  for (const Var* input : inputs)
    if (input->requires_grad()) return input->context().grad_mode();
  return false;
}

namespace {

void expect_gradient_exists(const char* op, std::span<const Var> inputs, const GradientFunction& gradient) {
  if (gradient) return;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].requires_grad())
      throw InputError(str("[", op, "] has no gradient, but input ", i,
                           inputs[i].name().empty() ? "" : " '" + inputs[i].name() + "'", " needs one; use NoGrad or detach()"));
}

}  // namespace

std::vector<Var> record_all(const char* op, std::span<const Var> inputs, std::vector<Tensor> outputs, std::vector<Tensor> saved,
                            GradientFunction gradient) {
  std::vector<Var> results;
  results.reserve(outputs.size());
  for (Tensor& output : outputs) {
    if (output.context().check_finite()) detail::expect_finite(op, "its result", output);
    results.emplace_back(std::move(output));
  }
  if (!recording(inputs)) return results;
  expect_gradient_exists(op, inputs, gradient);

  auto node = std::make_shared<Node>();
  node->op = op;
  node->inputs.reserve(inputs.size());
  for (const Var& input : inputs) {
    node->inputs.push_back(input.requires_grad() ? input.slot() : nullptr);
    if (input.requires_grad() && !input.is_leaf()) ++input.slot()->consumers;
  }
  node->versions.reserve(saved.size());
  for (const Tensor& tensor : saved) node->versions.push_back(tensor.defined() ? tensor.version() : 0);
  node->saved = std::move(saved);
  node->gradient = std::move(gradient);
  node->output_grads.resize(results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& slot = results[i].slot();
    node->sequence = slot->context->next_sequence();
    node->dtype = slot->dtype;
    node->shapes.push_back(slot->shape);
    node->outputs.push_back(slot);
    slot->requires_grad = true;
    slot->producer = node;
    slot->output = static_cast<int>(i);
  }
  return results;
}

Var record(const char* op, std::initializer_list<Var> inputs, Tensor output, std::initializer_list<Tensor> saved,
           GradientFunction gradient) {
  std::vector<Tensor> outputs;
  outputs.push_back(std::move(output));
  return record_all(op, std::span<const Var>(inputs.begin(), inputs.size()), std::move(outputs), saved, std::move(gradient))[0];
}

}  // namespace autograd
}  // namespace lathe
