// Groups of a batch side by side: the bits, errors and accounts of one after the other.
#include <doctest/doctest.h>
#include <lathe/autograd/functions.h>
#include <lathe/autograd/groups.h>
#include <lathe/base/error.h>
#include <lathe/base/random.h>
#include <lathe/tensor/backend.h>
#include <lathe/tensor/lanes.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/message.h"

using namespace lathe;
using lathe::test::message_of;
using Floats = std::vector<float>;

namespace {

Tensor noise(Context& context, const Shape& shape, std::uint64_t seed) {
  Random random(random_key(seed, 0, "noise"));
  Floats values(static_cast<std::size_t>(shape.numel()));
  for (float& v : values) v = static_cast<float>(random.uniform() - 0.5);
  return Tensor::from(context, values, shape);
}

/// A table, a norm, a linear layer, and one variable that only some groups use.
struct Model {
  explicit Model(Context& c)
      : context(c),
        table(noise(c, {40, 24}, 1), true, "table"),
        gamma(noise(c, {24}, 2), true, "gamma"),
        beta(noise(c, {24}, 3), true, "beta"),
        w(noise(c, {20, 24}, 4), true, "w"),
        b(noise(c, {20}, 5), true, "b"),
        rare(noise(c, {20}, 6), true, "rare") {}
  std::vector<Var> leaves() const { return {table, gamma, beta, w, b, rare}; }

  /// Rows [first, first + rows) of a batch of `all`.
  void pass(Index first, Index rows, Index all, bool with_rare) const {
    const RowScope scope(context, {first, first + rows == all});
    std::vector<std::int32_t> ids(static_cast<std::size_t>(rows));
    for (Index i = 0; i < rows; ++i) ids[static_cast<std::size_t>(i)] = static_cast<std::int32_t>((first + i) * 7 % 40);
    Var x = embedding(table, Tensor::from(context, ids, {rows}));
    x = layer_norm(x, gamma, beta, 1e-5);
    Var y = linear(x, w, b, {.activation = UnaryOp::kGeluTanh, .dropout = {0.2, 3}, .residual = {}});
    if (with_rare) y = mul(y, rare);
    sum(y).backward();
  }

  Context& context;
  Var table, gamma, beta, w, b, rare;
};

struct Result {
  std::vector<Floats> gradients;
  std::int64_t flops = 0;
  bool operator==(const Result&) const = default;
};

Result train(const std::string& backend, int threads, const std::vector<Index>& cuts, bool sleep = false) {
  Context context({.backend = backend, .threads = threads});
  const Model model(context);
  Result result;
  for (int step = 0; step < 2; ++step) {
    context.set_step(static_cast<std::uint32_t>(step));
    context.flops().reset();
    for_each_group(context, model.leaves(), static_cast<Index>(cuts.size()) - 1, [&](Index g) {
      if (sleep) std::this_thread::sleep_for(std::chrono::microseconds(g * 7919 % 13 * 50));
      const auto at = static_cast<std::size_t>(g);
      model.pass(cuts[at], cuts[at + 1] - cuts[at], cuts.back(), g == 1);
    });
  }
  for (const Var& leaf : model.leaves())
    result.gradients.push_back(leaf.grad().defined() ? leaf.grad().to_vector<float>() : Floats());
  result.flops = context.flops().total();
  return result;
}

}  // namespace

TEST_CASE("groups at once give the bits and FLOPs of groups in turn") {
  const std::vector<std::vector<Index>> batches{
      {0, 64, 128, 192, 256}, {0, 1, 2, 3}, {0, 5, 300, 301, 900, 1100, 1111, 1500}, {0, 70}, {0, 256, 512, 1024, 2048, 2050}};
  for (const auto& cuts : batches)
    for (const std::string& backend : available_backends()) {
      CAPTURE(backend);
      const Result expected = train(backend, 1, cuts);
      for (const int threads : {2, 3, 7}) {
        CAPTURE(threads);
        CHECK(train(backend, threads, cuts) == expected);
        CHECK(train(backend, threads, cuts, true) == expected);
      }
    }
}

TEST_CASE("the exception of the lowest group is thrown, and the batch can be given up") {
  for (const int threads : {1, 2, 3}) {
    CAPTURE(threads);
    Context context({.threads = threads});
    const Model model(context);
    std::atomic<int> begun{0};
    const auto batch = [&](bool fails) {
      for_each_group(context, model.leaves(), 12, [&](Index g) {
        ++begun;
        if (fails && g == 4) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        model.pass(g * 10, 10, 120, true);
        if (fails && g >= 4) throw InputError("group " + std::to_string(g));
      });
    };
    CHECK(message_of([&] { batch(true); }) == "group 4");
    CHECK(begun <= 4 + threads);
    CHECK(context.group() == Context::kNoGroup);
    for (Var leaf : model.leaves()) leaf.zero_grad();
    batch(false);
    Context plain;
    const Model same(plain);
    for (Index g = 0; g < 12; ++g) same.pass(g * 10, 10, 120, true);
    for (std::size_t i = 0; i < model.leaves().size(); ++i)
      CHECK(model.leaves()[i].grad().to_vector<float>() == same.leaves()[i].grad().to_vector<float>());
  }
}

TEST_CASE("a leaf that comes twice in a group is refused where it would break the order") {
  Context context({.threads = 2});
  const Var w(noise(context, {4}, 1), true, "w");
  const std::vector<Var> leaves{w};
  const std::string message = message_of([&] { for_each_group(context, leaves, 4, [&](Index) { sum(w * w * w).backward(); }); });
  CHECK(message == "[mul] expected each parameter once in a group of a batch, got `w` again");
}

TEST_CASE("what a group leaves in the Context is the groups' own") {
  Context context({.threads = 3});
  const Var w(noise(context, {4, 4}, 1), true, "w");
  const std::vector<Var> leaves{w};
  std::vector<Tensor> kept(6);
  const std::int64_t before = context.memory().current;
  for_each_group(context, leaves, 6, [&](Index g) {
    CHECK(context.group() == g);
    const NoGrad no_grad(context);
    const RowScope rows(context, {g, false});
    CHECK_FALSE(sum(w).requires_grad());
    CHECK(context.rows().first == g);
    const LastingMemory lasting(context);
    kept[static_cast<std::size_t>(g)] = Tensor::full(context, {16}, static_cast<double>(g));
  });
  CHECK(context.grad_mode());
  CHECK(context.rows().whole());
  CHECK(context.memory().current == before + 6 * 64);
  CHECK(kept[5].to_vector<float>() == Floats(16, 5));
  kept.clear();
  CHECK(context.memory().current == before);
}

TEST_CASE("groups come in turn where their accounts or checks need it") {
  Context limited({.threads = 2, .memory_limit = 1 << 20}), checked({.threads = 2}), alone, free({.threads = 2});
  checked.set_check_finite(true);
  CHECK_FALSE(runs_lanes(limited));
  CHECK_FALSE(runs_lanes(checked));
  CHECK_FALSE(runs_lanes(alone));
  CHECK(runs_lanes(free));
  const std::vector<Var> none;
  for (Context* context : {&limited, &checked, &alone}) {
    std::vector<Index> order;
    for_each_group(*context, none, 5, [&](Index g) { order.push_back(g); });
    CHECK(order == std::vector<Index>{0, 1, 2, 3, 4});
  }
}
