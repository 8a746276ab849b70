// The tape's own records; not for users (see var.h). A Slot is the place of a variable's gradient, a Node a recorded operation.
//
//   Var ──► Slot ──producer──► Node ──inputs──► Slots of its inputs ──► …
//
// A Node never points at the values of its inputs, only at what it saved of them, so activations that no gradient reads are free to
// go.
#pragma once
#include <lathe/autograd/var.h>
#include <lathe/tensor/ops.h>
#include <lathe/tensor/wait.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace lathe::autograd {

/// Which group of a batch may add to a leaf's gradient, where groups run at once (groups.h).
class Turn {
 public:
  void begin() { group_.store(0, std::memory_order_relaxed); }
  void end() { group_.store(kNone, std::memory_order_relaxed); }
  /// Waits for the group's turn; at once where there are no turns. False: the turn is over, the group had it before. Throws
  /// TurnLost if an earlier group failed.
  bool take(std::int64_t group) {
    const std::int64_t now = wait(group);
    if (now == kLost) throw TurnLost();
    return now == group || now == kNone;
  }
  /// Gives the turn to the next group, if this one has it or will have it.
  void leave(std::int64_t group) {
    wait(group);
    pass(group, group + 1);
  }
  /// After the groups before `group` nobody will have a turn.
  void give_up(std::int64_t group) {
    for (std::int64_t now = wait(group); now != kLost && now != kNone;)
      if (group_.compare_exchange_weak(now, kLost, std::memory_order_acq_rel)) group_.notify_all();
  }
  /// What a group ends with that was waiting behind one that failed. Never seen outside: the other one's exception is.
  struct TurnLost {};

 private:
  static constexpr std::int64_t kNone = -1, kLost = std::numeric_limits<std::int64_t>::max();
  std::int64_t wait(std::int64_t group) const {
    std::int64_t now = group_.load(std::memory_order_acquire);
    for (; now != kNone && now < group; now = group_.load(std::memory_order_acquire)) wait_while(group_, now);
    return now;
  }
  void pass(std::int64_t from, std::int64_t to) {
    if (group_.compare_exchange_strong(from, to, std::memory_order_acq_rel)) group_.notify_all();
  }
  std::atomic<std::int64_t> group_{kNone};
};

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
  int consumers = 0;               // of a result: operations recorded on it
  Turn turn;                       // of a leaf

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
