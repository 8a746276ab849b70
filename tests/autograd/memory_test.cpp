// Accounts: the meta device predicts memory and FLOPs of the same program exactly, and a repeated step asks the system for nothing.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/tensor/backend.h>

#include "tests/autograd/op_cases.h"

using namespace lathe;
using namespace lathe::test;

namespace {

/// A small pre-norm encoder with one layer, trained by AdamW on one batch: every fused function takes part.
class Program {
 public:
  explicit Program(Context& context) : ctx_(context) {
    for (const Shape& shape : {Shape{30, kWidth}, Shape{16, kWidth}, Shape{3 * kWidth, kWidth}, Shape{3 * kWidth},
                               Shape{kWidth, kWidth}, Shape{kWidth}, Shape{kWidth}, Shape{kWidth}, Shape{4 * kWidth, kWidth},
                               Shape{4 * kWidth}, Shape{kWidth, 4 * kWidth}, Shape{kWidth}, Shape{kWidth}, Shape{5, kWidth}}) {
      p_.emplace_back(sample(ctx_, shape, DType::kF32, static_cast<std::uint32_t>(p_.size())), true);
      p_.back().set_grad(Tensor::zeros(ctx_, shape));
      m_.push_back(Tensor::zeros(ctx_, shape));
      v_.push_back(Tensor::zeros(ctx_, shape));
    }
  }

  Tensor step(std::uint32_t number) {
    ctx_.set_step(number);
    const Offsets offsets({0, 9, 12, 12, 25});
    const Tensor ids = Tensor::full(ctx_, {25}, 7, DType::kI32), places = Tensor::full(ctx_, {25}, 3, DType::kI32);
    const Tensor target = Tensor::full(ctx_, {4}, 2, DType::kI32);
    for (Var& p : p_) p.zero_grad();
    Var x = dropout(add_embedding(embedding(p_[0], ids), p_[1], places), {0.1, 0});
    const Var normed = layer_norm(x, p_[6], p_[7]);
    const Var mixed =
        self_attention(linear(normed, p_[2], p_[3]), {.heads = 4, .q_offsets = offsets, .k_offsets = offsets, .dropout = {0.1, 1}});
    x = linear(mixed, p_[4], p_[5], {.activation = UnaryOp::kNone, .dropout = {0.1, 2}, .residual = x});
    const Var up = linear(rms_norm(x, p_[12]), p_[8], p_[9], {.activation = UnaryOp::kGeluTanh, .dropout = {}, .residual = {}});
    x = linear(up, p_[10], p_[11], {.activation = UnaryOp::kNone, .dropout = {0.1, 3}, .residual = x});
    const Var loss = cross_entropy(linear(mean_pool(x, offsets), p_[13]), target);
    loss.backward();
    for (std::size_t i = 0; i < p_.size(); ++i)
      ops::adamw(p_[i].mutable_value(), m_[i], v_[i], p_[i].grad(),
                 {.beta1 = 0.9,
                  .one_minus_beta1 = 0.1,
                  .beta2 = 0.999,
                  .one_minus_beta2 = 0.001,
                  .decay = 0,
                  .step = 0.01,
                  .c2 = 1,
                  .eps = 1e-8});
    return loss.value();
  }

 private:
  static constexpr Index kWidth = 20;
  Context& ctx_;
  std::vector<Var> p_;
  std::vector<Tensor> m_, v_;
};

struct Accounts {
  std::int64_t peak, current, allocations, flops;
  bool operator==(const Accounts&) const = default;
};

Accounts accounts_of(const ContextOptions& options) {
  Context ctx(options);
  Program program(ctx);
  const std::int64_t start = ctx.memory().allocations;  // the samples convert on the CPU alone
  for (std::uint32_t i = 0; i < 3; ++i) program.step(i);
  return {ctx.memory().peak, ctx.memory().current, ctx.memory().allocations - start, ctx.flops().total()};
}

}  // namespace

TEST_CASE("meta predicts peak memory and FLOPs of training, for every backend and number of threads") {
  const Accounts meta = accounts_of({.device = Device::kMeta});
  CHECK(meta.peak > 100'000);
  for (const std::string& backend : available_backends())
    for (const int threads : {1, 2}) {
      CAPTURE(backend);
      const Accounts cpu = accounts_of({.backend = backend, .threads = threads});
      CHECK(cpu.peak == meta.peak);
      CHECK(cpu.current == meta.current);
      CHECK(cpu.allocations >= meta.allocations);  // weights are packed on the CPU alone, within the accounted peak
      CHECK(cpu.flops == meta.flops);
    }
}

TEST_CASE("the second step of training takes no memory from the system, and its loss falls") {
  Context ctx;
  Program program(ctx);
  const double first = program.step(0).item();
  const std::int64_t after_first = ctx.memory().system_allocations, peak = ctx.memory().peak;
  double last = first;
  for (std::uint32_t i = 1; i < 8; ++i) last = program.step(i).item();
  CHECK(ctx.memory().system_allocations == after_first);
  CHECK(ctx.memory().peak == peak);
  CHECK(last < first);
}

TEST_CASE("a memory limit fails the step, not the Context") {
  const std::int64_t needed = accounts_of({.device = Device::kMeta}).peak;
  {
    Context ctx({.memory_limit = needed});
    Program program(ctx);
    program.step(0);
  }
  Context ctx({.memory_limit = needed - 1});
  Program program(ctx);
  const std::int64_t before = ctx.memory().current;
  CHECK_THROWS_AS(program.step(0), MemoryLimitError);
  CHECK(ctx.memory().current <= before + 2 * 4 * 20 * 20 * 13);  // packed weights stay, nothing else
  ctx.allocator().set_limit(0);
  program.step(0);
}

TEST_CASE("on meta every function has the shapes and accounts that it has on the CPU") {
  for (const OpCase& c : op_cases()) {
    CAPTURE(c.name);
    std::vector<Shape> shapes[2];
    Accounts accounts[2]{};
    for (const Device device : {Device::kCpu, Device::kMeta}) {
      Context ctx({.device = device});
      std::vector<Var> leaves;
      const auto which = static_cast<std::size_t>(device == Device::kMeta);
      for (const Shape& shape : c.inputs) leaves.emplace_back(Tensor::full(ctx, shape, 1), true);
      const std::int64_t start = ctx.memory().allocations;
      const std::vector<Var> results = c.call(ctx, leaves);
      std::vector<Tensor> seeds;
      for (const Var& y : results) {
        shapes[which].push_back(y.shape());
        seeds.push_back(Tensor::full(ctx, y.shape(), 1));
      }
      backward(results, seeds);
      for (const Var& leaf : leaves) shapes[which].push_back(leaf.grad().shape());
      accounts[which] = {ctx.memory().peak, ctx.memory().current, ctx.memory().allocations - start, ctx.flops().total()};
    }
    CHECK(shapes[0] == shapes[1]);
    CHECK(accounts[0].peak == accounts[1].peak);
    CHECK(accounts[0].current == accounts[1].current);
    CHECK(accounts[0].allocations == accounts[1].allocations);
    CHECK(accounts[0].flops == accounts[1].flops);
  }
}
