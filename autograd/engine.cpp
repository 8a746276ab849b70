// The backward walk: nodes by descending sequence number, each released once it has passed its gradients on.
#include <lathe/autograd/tape.h>
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tensor/lanes.h>
#include <lathe/tensor/ops.h>
#include <lathe/tensor/ops_detail.h>

#include <algorithm>
#include <utility>

namespace lathe {
namespace autograd {

Tensor& Slot::settled_grad() {
  if (open_rows != 0)
    throw InputError(
        str("[grad] the gradient of `", name, "` is that of ", open_rows, " rows, expected the batch's last group first"));
  if (zero) grad.fill(0);
  zero = false;
  return grad;
}

void Slot::drop_open_rows() {
  open = {};
  open_rows = 0;
}

void Node::release() {
  used = true;
  gradient = nullptr;
  saved.clear();
  factor = Tensor();
  inputs.clear();
  output_grads.clear();
}

Slot::~Slot() {
  std::vector<std::shared_ptr<Node>> nodes;
  std::vector<std::shared_ptr<Slot>> slots;
  if (producer && producer.use_count() == 1) nodes.push_back(std::move(producer));
  while (!nodes.empty()) {
    const std::shared_ptr<Node> node = std::move(nodes.back());
    nodes.pop_back();
    // A gradient function may hold Vars of its own; they go first, while the inputs still keep what is behind them.
    slots = std::move(node->inputs);
    node->gradient = nullptr;
    for (const auto& slot : slots)
      if (slot && slot.use_count() == 1 && slot->producer && slot->producer.use_count() == 1)
        nodes.push_back(std::move(slot->producer));
    slots.clear();
  }
}

namespace {

/// Where a gradient for this slot is gathered.
Tensor& destination(Slot& slot) {
  return slot.producer ? slot.producer->output_grads[static_cast<std::size_t>(slot.output)] : slot.grad;
}

/// A leaf's gradient outlives the group that made it.
template <class Make>
Tensor lasting(Make make, const Slot& slot) {
  const LastingMemory memory(*slot.context);
  return make(*slot.context, slot.shape, slot.dtype);
}

/// Makes the gathered gradient one that may be written on: there, contiguous, and nobody else's.
Tensor& writable(Slot& slot) {
  if (!slot.producer && slot.open_rows == 0) slot.settled_grad();
  slot.rows_known = false;
  Tensor& gradient = destination(slot);
  if (!gradient.defined())
    gradient = slot.producer ? Tensor::zeros(*slot.context, slot.shape, slot.dtype) : lasting(Tensor::zeros, slot);
  else if (slot.producer && (!gradient.is_only_handle() || !gradient.is_contiguous()))
    gradient = gradient.clone();
  return gradient;
}

/// Leaves gather onto +0 in a buffer of their own, results take the first gradient over and make a new sum where it is shared.
void gather(Slot& slot, Tensor gradient) {
  if (!slot.producer) return ops::add_in_place(writable(slot), gradient);
  Tensor& sum = destination(slot);
  if (!sum.defined())
    sum = std::move(gradient);
  else if (sum.is_only_handle() && sum.is_contiguous())
    ops::add_in_place(sum, gradient);
  else
    sum = ops::add(sum, gradient);
}

}  // namespace

const Tensor& Backward::dy(int output) {
  Tensor& dy = dys_[static_cast<std::size_t>(output)];
  if (!dy.defined()) dy = Tensor::zeros(*context_, node_->shapes[static_cast<std::size_t>(output)], node_->dtype);
  return dy;
}

bool Backward::has_dy(int output) const { return dys_[static_cast<std::size_t>(output)].defined(); }

const Tensor& Backward::saved(int i) const {
  const auto at = static_cast<std::size_t>(i);
  LATHE_CHECK(at < node_->saved.size(), str("[", node_->op, "] saved ", node_->saved.size(), " tensors, asked for number ", i));
  const Tensor& tensor = node_->saved[at];
  if (tensor.defined() && tensor.version() != node_->versions[at])
    throw InputError(str("[", node_->op, "] expected saved tensor ", i, " ", tensor.shape().text(),
                         " unchanged until its gradient (version ", static_cast<std::int64_t>(node_->versions[at]),
                         "), got an edit in place (version ", static_cast<std::int64_t>(tensor.version()), ")"));
  return tensor;
}

bool Backward::wants(int input) const {
  const auto at = static_cast<std::size_t>(input);
  LATHE_CHECK(at < node_->inputs.size(), str("[", node_->op, "] has ", node_->inputs.size(), " inputs, asked for number ", input));
  return node_->inputs[at] != nullptr;
}

Slot& Backward::mark(int input) {
  LATHE_CHECK(wants(input), str("[", node_->op, "] gave a gradient to input ", input, ", which wants none"));
  Slot& slot = *node_->inputs[static_cast<std::size_t>(input)];
  if (slot.producer && slot.producer->used)
    throw InputError(str("[backward] expected a graph that was not walked before, got [", node_->op, "] on a result of [",
                         slot.producer->op, "], which is released; run the forward again or pass both results to one backward"));
  const auto at = static_cast<std::size_t>(input);
  served_[at] = true;
  if (const std::int64_t group = context_->group(); group != Context::kNoGroup && !slot.producer && !has_turn_[at]) {
    if (!slot.turn.take(group))
      throw InputError(str("[", node_->op, "] expected each parameter once in a group of a batch, got `", slot.name, "` again"));
    has_turn_[at] = true;
  }
  return slot;
}

void Backward::add(int input, Tensor gradient) {
  Slot& slot = mark(input);
  if (!gradient.defined() || !(gradient.shape() == slot.shape) || gradient.dtype() != slot.dtype)
    throw InternalError(
        str("[", node_->op, "] expected a gradient ", name_of(slot.dtype), " ", slot.shape.text(), " for input ", input, ", got ",
            gradient.defined() ? str(name_of(gradient.dtype()), " ", gradient.shape().text()) : "an undefined one"));
  gather(slot, std::move(gradient));
}

Tensor& Backward::accumulator(int input) { return writable(mark(input)); }

Tensor& Backward::accumulator_rows(int input, const Tensor& ids) {
  Slot& slot = mark(input);
  const bool was_zero = slot.zero || !slot.grad.defined(), known = !slot.producer && (was_zero || slot.rows_known);
  if (was_zero) slot.rows.clear();
  Tensor& gradient = writable(slot);
  slot.rows_known = known && context_->computes();
  if (slot.rows_known) {
    const Tensor list = ids.contiguous();
    const std::int32_t* id = list.data<std::int32_t>();
    slot.rows.insert(slot.rows.end(), id, id + list.numel());
  }
  return gradient;
}

Backward::RowSum Backward::row_sum(int input, const RowRange& range, Index rows, bool overwrites) {
  Slot& slot = mark(input);
  if (range.first != slot.open_rows)
    throw InputError(str("[", node_->op, "] expected the rows of `", slot.name, "` from ", slot.open_rows, " on, got them from ",
                         range.first, ": groups come in order, and a parameter is used once in each"));
  if (!range.whole() && slot.producer)
    throw InputError(
        str("[", node_->op, "] expected leaves as parameters of a batch in groups, got a result of [", slot.producer->op, "]"));
  const bool begins = range.first == 0;
  if (begins) slot.open_from_zero = overwrites && !destination(slot).defined();
  if (begins && overwrites && !slot.producer && slot.zero) {
    slot.open_from_zero = true;
    slot.zero = false;
  }
  slot.rows_known = false;
  Tensor& total = destination(slot);
  if (begins && slot.open_from_zero && !total.defined())
    total = slot.producer ? Tensor::empty(*slot.context, slot.shape, slot.dtype) : lasting(Tensor::empty, slot);
  else
    writable(slot);
  slot.open_rows = range.last ? 0 : range.first + rows;
  return {total, slot.open, slot.open_from_zero};
}

const Tensor& Backward::pending(int input) const {
  static const Tensor kNone;  // an undefined handle: no state
  LATHE_CHECK(wants(input), str("[", node_->op, "] input ", input, " wants no gradient"));
  const Slot& slot = *node_->inputs[static_cast<std::size_t>(input)];
  if (!slot.producer || slot.producer->used) return kNone;
  return slot.producer->output_grads[static_cast<std::size_t>(slot.output)];
}

void Backward::replace(int input, Tensor sum) {
  Slot& slot = mark(input);
  if (slot.producer) destination(slot) = Tensor();
  add(input, std::move(sum));
}

Tensor Backward::factor(int input) const {
  LATHE_CHECK(wants(input), str("[", node_->op, "] input ", input, " wants no gradient"));
  const Slot& slot = *node_->inputs[static_cast<std::size_t>(input)];
  const bool alone = slot.producer && slot.consumers == 1 && !slot.retain && !pending(input).defined();
  return alone ? slot.producer->factor : Tensor();
}

void Backward::replace_multiplied(int input, Tensor product) {
  replace(input, std::move(product));
  node_->inputs[static_cast<std::size_t>(input)]->producer->multiplied = true;
}

bool Backward::multiplied() const { return node_->multiplied; }

void offer_factor(const Var& result, const Tensor& factor) {
  if (const auto& node = result.slot()->producer) node->factor = factor;
}

void Backward::zero(int input) { writable(mark(input)); }

/// One walk. Nodes wait in a heap; a node is taken when no unfinished node has a higher number, so all its consumers have run.
struct Engine {
  std::vector<std::shared_ptr<Node>> heap;

  static bool earlier(const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) { return a->sequence < b->sequence; }

  void push(const std::shared_ptr<Node>& node) {
    if (!node || node->queued) return;
    node->queued = true;
    heap.push_back(node);
    std::push_heap(heap.begin(), heap.end(), earlier);
  }

  std::shared_ptr<Node> pop() {
    std::pop_heap(heap.begin(), heap.end(), earlier);
    std::shared_ptr<Node> node = std::move(heap.back());
    heap.pop_back();
    return node;
  }

  void step(Context& context, Node& node) {
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      if (const auto slot = node.outputs[i].lock(); slot && slot->retain && node.output_grads[i].defined())
        slot->grad = slot->settled_grad().defined() ? ops::add(slot->grad, node.output_grads[i]) : node.output_grads[i];

    Backward pass(&context, &node);
    pass.dys_ = std::move(node.output_grads);
    pass.served_.assign(node.inputs.size(), false);
    pass.has_turn_.assign(node.inputs.size(), false);
    node.gradient(pass);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!node.inputs[i]) continue;
      if (pass.has_turn_[i]) node.inputs[i]->turn.leave(context.group());
      if (!pass.served_[i])
        throw InternalError(str("[", node.op, "] expected a gradient for input ", i,
                                ", got none: its gradient function must serve every wanted input"));
      if (context.check_finite() && node.inputs[i]->open_rows == 0)
        detail::expect_finite(node.op, "the gradient of an input", destination(*node.inputs[i]));
      push(node.inputs[i]->producer);
    }
  }

  void run(Context& context) {
    std::shared_ptr<Node> current;
    try {
      while (!heap.empty()) {
        current = pop();
        step(context, *current);
        current->release();
      }
    } catch (...) {  // half a walk cannot be taken up again
      if (current) current->release();
      for (const auto& node : heap) node->release();
      throw;
    }
  }

  void seed(const Var& result, const Tensor& cotangent) {
    if (!result.defined() || !result.requires_grad())
      throw InputError("[backward] expected a result that depends on a variable with requires_grad, got none");
    Slot& slot = *result.slot();
    if (slot.producer && slot.producer->used)
      throw InputError(str("[backward] expected a graph that was not walked before, got a result of [", slot.producer->op,
                           "] whose graph is released; run the forward again"));
    if (!cotangent.defined()) {
      if (slot.shape.numel() != 1)
        throw InputError(
            str("[backward] expected a cotangent for a result of more than one element, got none for ", slot.shape.text()));
      gather(slot, Tensor::full(*slot.context, slot.shape, 1, slot.dtype));
    } else {
      detail::expect_operands("backward", result.value(), cotangent);
      detail::expect_shape("backward", "a cotangent", cotangent, slot.shape);
      gather(slot, cotangent);
    }
    push(slot.producer);
  }
};

}  // namespace autograd

void backward(std::span<const Var> results, std::span<const Tensor> cotangents) {
  if (results.empty() || results.size() != cotangents.size())
    throw InputError(str("[backward] expected as many cotangents as results, got ", cotangents.size(), " for ", results.size()));
  autograd::Engine engine;
  for (std::size_t i = 0; i < results.size(); ++i) {
    engine.seed(results[i], cotangents[i]);
    detail::expect_same_context("backward", results[0].value(), results[i].value());
  }
  const NoGrad no_grad(results[0].context());
  engine.run(results[0].context());
}

}  // namespace lathe
