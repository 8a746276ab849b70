// The tape's own records; not for users (see var.h). A Slot is the place of a variable's gradient, a Node a recorded operation.
//
//   Var ──► Slot ──producer──► Node ──inputs──► Slots of its inputs ──► …
//
// A Node never points at the values of its inputs, only at what it saved of them, so activations that no gradient reads are free to
// go.
#pragma once
#include <lathe/autograd/var.h>
#include <lathe/tensor/ops.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::autograd {

struct Slot {
  Slot() = default;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot();  // takes chains of nodes apart in a loop: a long graph dropped without backward must not overflow the stack

  bool requires_grad = false, retain = false;
  std::string name;
  Shape shape;
  DType dtype = DType::kF32;
  Context* context = nullptr;
  Tensor grad;              // leaves and retained results only; others' gradients wait in the producer
  bool zero = false;        // grad counts as +0, whatever it holds
  bool rows_known = false;  // grad is +0 but for `rows` (sorted when asked for)
  std::vector<std::int32_t> rows;
  ops::OpenRows open;              // of a batch that comes in groups:
  Index open_rows = 0;             // those that were seen
  bool open_from_zero = false;     // grad was +0 before them
  std::shared_ptr<Node> producer;  // null for a leaf
  int output = 0;                  // which result of the producer
  int consumers = 0;               // operations recorded on it

  /// grad with its +0 written down, and none of its rows missing.
  Tensor& settled_grad();
  void drop_open_rows();
};

struct Node {
  const char* op = "";
  std::uint64_t sequence = 0;
  std::vector<std::shared_ptr<Slot>> inputs;  // null where no gradient is wanted
  std::vector<Tensor> saved;
  std::vector<std::uint64_t> versions;
  std::vector<std::weak_ptr<Slot>> outputs;
  std::vector<Shape> shapes;         // of the outputs
  std::vector<Tensor> output_grads;  // what consumers have passed back so far
  DType dtype = DType::kF32;
  GradientFunction gradient;
  bool used = false, queued = false;
  Tensor factor;            // what the gradient multiplies the cotangent of its one output by first …
  bool multiplied = false;  // … unless the only consumer has done so on its way

  void release();
};

}  // namespace lathe::autograd
