// The tape's own records; not for users (see var.h). A Slot is the place of a variable's gradient, a Node a recorded operation.
//
//   Var ──► Slot ──producer──► Node ──inputs──► Slots of its inputs ──► …
//
// A Node never points at the values of its inputs, only at what it saved of them, so activations that no gradient reads are free to
// go.
#pragma once
#include <lathe/autograd/var.h>

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
  Tensor grad;                     // leaves and retained results only; others' gradients wait in the producer
  std::shared_ptr<Node> producer;  // null for a leaf
  int output = 0;                  // which result of the producer
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

  void release();
};

}  // namespace lathe::autograd
