// The tape: order, release, accumulation, versions, errors.
#include <doctest/doctest.h>
#include <lathe/autograd/functions.h>
#include <lathe/base/error.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/support/message.h"

using namespace lathe;
using autograd::Backward;
using lathe::test::message_of;
using Floats = std::vector<float>;

namespace {

Var leaf(Context& context, const Floats& values, const std::string& name = "") {
  return Var(Tensor::from(context, values, {static_cast<Index>(values.size())}), true, name);
}
Floats grad(const Var& v) { return v.grad().to_vector<float>(); }

}  // namespace

TEST_CASE("gradients reach leaves, add up over backwards, and are cleared on demand") {
  Context ctx;
  Var x = leaf(ctx, {1, 2, 3}, "x");
  CHECK(x.is_leaf());
  CHECK_FALSE(x.grad().defined());
  sum(x * x).backward();
  CHECK(grad(x) == Floats{2, 4, 6});
  const Tensor handle = x.grad();
  sum(x * 3).backward();
  CHECK(grad(x) == Floats{5, 7, 9});
  CHECK(handle.to_vector<float>() == Floats{5, 7, 9});  // one buffer
  x.zero_grad();
  CHECK(grad(x) == Floats{0, 0, 0});
  x.release_grad();
  CHECK_FALSE(x.grad().defined());
  x.zero_grad();
}

TEST_CASE("gradients may gather in a buffer of the caller's") {
  Context ctx;
  Tensor arena = Tensor::zeros(ctx, {5});
  Var a = leaf(ctx, {1, 2}), b = leaf(ctx, {3, 4, 5});
  a.set_grad(arena.narrow(0, 0, 2));
  b.set_grad(arena.narrow(0, 2, 3));
  sum(a * 2).backward();
  sum(b * b).backward();
  CHECK(arena.to_vector<float>() == Floats{2, 2, 6, 8, 10});
  CHECK_THROWS_AS(a.set_grad(Tensor::zeros(ctx, {3})), InputError);
  CHECK_THROWS_AS(a.set_grad(Tensor::zeros(ctx, {2, 2}).select(1, 0)), InputError);
}

TEST_CASE("a gradient that somebody else holds is +0 at once") {
  Context ctx;
  Var x = leaf(ctx, {1, 2}, "x"), w = Var(Tensor::from(ctx, Floats{1, 2}, {1, 2}), true, "w");
  const Tensor arena = Tensor::zeros(ctx, {4});
  x.set_grad(arena.narrow(0, 0, 2));
  w.set_grad(arena.narrow(0, 2, 2).reshape({1, 2}));
  sum(linear(Var(x.value().reshape({1, 2})), w)).backward();
  sum(x).backward();
  CHECK(arena.to_vector<float>() == Floats{1, 1, 1, 2});
  x.zero_grad();
  w.zero_grad();
  CHECK(arena.to_vector<float>() == Floats{0, 0, 0, 0});
}

TEST_CASE("several results walk together; cotangents are needed and checked") {
  Context ctx;
  Var x = leaf(ctx, {1, 2});
  const Var h = x * 2;
  const Var results[] = {h * h, sum(h)};
  const Tensor cotangents[] = {Tensor::from(ctx, Floats{1, 10}, {2}), Tensor()};
  backward(results, cotangents);
  CHECK(grad(x) == Floats{2 * 2 * 2 + 2, 10 * 2 * 4 * 2 + 2});
  CHECK(message_of<InputError>([&] { (x * 2).backward(); }) ==
        "[backward] expected a cotangent for a result of more than one element, got none for [2]");
  CHECK(message_of<InputError>([&] { (x * 2).backward(Tensor::zeros(ctx, {3})); }) ==
        "[backward] expected a cotangent [2], got [3]");
  CHECK(message_of<InputError>([&] { sum(x.detach()).backward(); }) ==
        "[backward] expected a result that depends on a variable with requires_grad, got none");
  CHECK_THROWS_AS(Var().backward(), InputError);
  CHECK_THROWS_AS(backward({}, {}), InputError);
}

TEST_CASE("a consumer multiplies by the derivative of an activation only where nobody else does") {
  Context ctx;
  Var x = Var(Tensor::from(ctx, Floats{1, -2, 3, 0.5f}, {2, 2}), true),
      w = Var(Tensor::from(ctx, Floats{1, 2, -1, 1}, {2, 2}), true);
  const Var v = Var(Tensor::from(ctx, Floats{3, 1}, {1, 2}), true);
  const LinearOptions relu{.activation = UnaryOp::kSquaredRelu, .dropout = {}, .residual = {}};
  // dx of sum(relu(x wᵀ)² vᵀ) by hand, times 1, 2 or 3.
  const auto expected = [](float times) {
    Floats dx(4);
    const float xs[] = {1, -2, 3, 0.5f}, ws[] = {1, 2, -1, 1}, vs[] = {3, 1};
    for (int r = 0; r < 2; ++r)
      for (int o = 0; o < 2; ++o) {
        const float z = xs[2 * r] * ws[2 * o] + xs[2 * r + 1] * ws[2 * o + 1];
        for (int i = 0; i < 2; ++i) dx[static_cast<std::size_t>(2 * r + i)] += times * vs[o] * (z > 0 ? 2 * z : 0) * ws[2 * o + i];
      }
    return dx;
  };
  const auto dx = [&](auto body) {
    x.release_grad();
    body();
    return grad(x);
  };
  CHECK(dx([&] { sum(linear(linear(x, w, {}, relu), v)).backward(); }) == expected(1));
  CHECK(dx([&] {  // two consumers
          const Var y = linear(x, w, {}, relu);
          sum(linear(y, v) + linear(y, v)).backward();
        }) == expected(2));
  CHECK(dx([&] {  // one consumer and a cotangent of the caller's
          const Var y = linear(x, w, {}, relu), z = sum(linear(y, v));
          const Var results[] = {z, y};
          const Tensor cotangents[] = {Tensor(), Tensor::from(ctx, Floats{3, 1, 3, 1}, {2, 2})};
          backward(results, cotangents);
        }) == expected(2));
  CHECK(dx([&] {  // a gradient that is kept must be that of y
          Var y = linear(x, w, {}, relu);
          y.retain_grad();
          sum(linear(y, v)).backward();
          CHECK(grad(y) == Floats{3, 1, 3, 1});
        }) == expected(1));
}

TEST_CASE("a graph is walked once") {
  Context ctx;
  Var x = leaf(ctx, {1, 2});
  const Var h = exp(x), loss = sum(h), other = sum(h * h);
  loss.backward();
  CHECK(message_of<InputError>([&] { loss.backward(); }) ==
        "[backward] expected a graph that was not walked before, got a result of [sum] whose graph is released; run the forward "
        "again");
  CHECK(message_of<InputError>([&] { other.backward(); }) ==
        "[backward] expected a graph that was not walked before, got [mul] on a result of [exp], which is released; run the "
        "forward again or "
        "pass both results to one backward");
}

TEST_CASE("edits of saved tensors are found and named, edits of others are free") {
  Context ctx;
  Var x = leaf(ctx, {1, 2}), w = leaf(ctx, {3, 4});
  const Var y = sum(x * w);
  w.mutable_value().fill(0);
  const std::string message = message_of<InputError>([&] { y.backward(); });
  CHECK(message.starts_with("[mul] expected saved tensor 1 [2] unchanged until its gradient (version "));
  const Var z = sum(x + w);
  w.mutable_value().fill(7);
  z.backward();
  // A view is the same memory.
  const Var v = sum(square(narrow(x, 0, 0, 1)) * w);
  x.mutable_value().select(0, 1).fill(5);
  v.backward();  // square keeps its derivative, not x
  const Var u = sum(narrow(x, 0, 0, 1) * narrow(w, 0, 0, 1));
  x.mutable_value().select(0, 1).fill(6);
  CHECK_THROWS_AS(u.backward(), InputError);
}

TEST_CASE("nothing is recorded without need") {
  Context ctx;
  Var x = leaf(ctx, {1, 2});
  {
    const NoGrad no_grad(ctx);
    CHECK_FALSE(ctx.grad_mode());
    CHECK_FALSE((x * x).requires_grad());
    const NoGrad nested(ctx);
  }
  CHECK(ctx.grad_mode());
  CHECK((x * x).requires_grad());
  CHECK_FALSE((x.detach() * 2).requires_grad());
  CHECK_FALSE(Var(Tensor::zeros(ctx, {2})).requires_grad());
  x.set_requires_grad(false);
  CHECK_FALSE((x * x).requires_grad());
  x.set_requires_grad(true);
  CHECK_THROWS_AS((x * x).set_requires_grad(false), InputError);
  CHECK_THROWS_AS(Var(Tensor::zeros(ctx, {2}, DType::kI32), true), InputError);
  CHECK_THROWS_AS(Var{Tensor{}}, InputError);
}

TEST_CASE("an operation without a gradient refuses inputs that need one, at once") {
  Context ctx;
  const Var x = leaf(ctx, {1, 2}, "weights");
  const auto sign = [](const Var& v) { return autograd::record("sign", {v}, v.value(), {}, nullptr); };
  CHECK(message_of<InputError>([&] { sign(x); }) ==
        "[sign] has no gradient, but input 0 'weights' needs one; use NoGrad or detach()");
  CHECK_FALSE(sign(x.detach()).requires_grad());
  const NoGrad no_grad(ctx);
  CHECK_FALSE(sign(x).requires_grad());
}

TEST_CASE("gradient functions are held to their contract") {
  Context ctx;
  const Var x = leaf(ctx, {1, 2}), y = leaf(ctx, {3, 4});
  const auto run = [&](autograd::GradientFunction f) {
    return message_of<InternalError>([&] {
      autograd::record("op", {x, y.detach()}, x.value().clone(), {x.value()}, f).backward(Tensor::zeros(ctx, {2}));
    });
  };
  CHECK(run([](Backward&) {}) ==
        "[op] expected a gradient for input 0, got none: its gradient function must serve every wanted input");
  CHECK(run([](Backward& b) { b.add(0, Tensor()); }) == "[op] expected a gradient f32 [2] for input 0, got an undefined one");
  CHECK(run([](Backward& b) { b.zero(1); }).find("[op] gave a gradient to input 1, which wants none") != std::string::npos);
  CHECK(run([](Backward& b) { b.zero(2); }).find("[op] has 2 inputs, asked for number 2") != std::string::npos);
  CHECK(run([](Backward& b) { (void)b.saved(1); }).find("[op] saved 1 tensors, asked for number 1") != std::string::npos);
  CHECK(run([](Backward& b) { b.zero(0); }) == "nothing was thrown");
}

TEST_CASE("nothing is recorded while gradients are passed back") {
  Context ctx;
  const Var x = leaf(ctx, {1, 2});
  bool recorded = true;
  const Var y = autograd::record("op", {x}, x.value().clone(), {}, [&](Backward& b) {
    recorded = (x * 2.0).requires_grad();
    b.add(0, b.dy());
  });
  sum(y).backward();
  CHECK_FALSE(recorded);
}

TEST_CASE("a failed walk leaves a graph that says so") {
  Context ctx;
  Var x = leaf(ctx, {1, 2});
  const Var h = autograd::record("breaks", {x * 1.0}, x.value().clone(), {}, [](Backward&) { throw MemoryLimitError("full"); });
  const Var loss = sum(h * 2);
  CHECK_THROWS_AS(loss.backward(), MemoryLimitError);
  CHECK_THROWS_AS(loss.backward(), InputError);
  CHECK_THROWS_AS(sum(h).backward(), InputError);
  CHECK(ctx.grad_mode());
}

TEST_CASE("gradients of intermediate results are kept only on request") {
  Context ctx;
  Var x = leaf(ctx, {1, 2});
  Var kept = x * 3, dropped = kept * 2;
  kept.retain_grad();
  sum(dropped * dropped).backward();
  CHECK(grad(kept) == Floats{4 * 6, 4 * 12});
  CHECK_FALSE(dropped.grad().defined());
}

TEST_CASE("shared gradients are not written on") {
  // add passes one tensor to both inputs; each then gathers more.
  Context ctx;
  Var x = leaf(ctx, {1, 2}), y = leaf(ctx, {3, 4});
  Var a = x * 1.0, b = y * 1.0;
  const Var more = sum(a * 10) + sum(b * 100);
  const Var both = sum(a + b);
  (both + more).backward();
  CHECK(grad(x) == Floats{11, 11});
  CHECK(grad(y) == Floats{101, 101});
  x.zero_grad();
  y.zero_grad();
  sum(x + y).backward();
  sum(x).backward();
  CHECK(grad(x) == Floats{2, 2});
  CHECK(grad(y) == Floats{1, 1});
  sum(x + x + x).backward();
  CHECK(grad(x) == Floats{5, 5});
}

TEST_CASE("a cotangent that went to several inputs stays what it was while one of them gathers more") {
  Context ctx;
  Var x = leaf(ctx, {1, 2}), y = leaf(ctx, {3, 4});
  const Tensor cotangent = Tensor::from(ctx, Floats{1, 10}, {2});
  const auto run = [&](const std::function<Var(const Var&)>& earlier) {
    x.zero_grad();
    y.zero_grad();
    const Var a = x * 1.0, b = y * 1.0;
    const Var results[] = {earlier(a), a + b};  // walked last and first
    const Tensor cotangents[] = {Tensor::full(ctx, results[0].shape(), 100), cotangent};
    backward(results, cotangents);
    CHECK(grad(y) == Floats{1, 10});
    CHECK(cotangent.to_vector<float>() == Floats{1, 10});
  };
  run([](const Var& a) { return a * 2.0; });  // adds a finished gradient
  CHECK(grad(x) == Floats{201, 210});
  run([](const Var& a) { return narrow(a, 0, 1, 1); });  // accumulates on the gradient so far
  CHECK(grad(x) == Floats{1, 110});
}

TEST_CASE("very deep graphs neither walk nor die by recursion") {
  Context ctx;
  Var x = leaf(ctx, {1});
  constexpr int kDepth = 200'000;
  {
    Var y = x;
    for (int i = 0; i < kDepth; ++i) y = y + 1.0;
    y.backward();
    CHECK(grad(x) == Floats{1});
  }
  {
    Var y = x;
    for (int i = 0; i < kDepth; ++i) y = y + 1.0;
  }  // dropped without backward
  {
    Var y = x;
    for (int i = 0; i < kDepth; ++i) y = autograd::record("holds", {y}, y.value(), {}, [y](Backward& b) { b.add(0, b.dy()); });
  }  // gradient functions that hold Vars
  {
    Var y = x;
    for (int i = 0; i < 2000; ++i) y = y + y;  // a lattice: paths double at every step, nodes do not
    y.backward();
  }
}

TEST_CASE("activations that no gradient reads are freed during the forward, the rest during the backward") {
  Context ctx;
  Var x(Tensor::zeros(ctx, {1000}), true);
  x.set_grad(Tensor::zeros(ctx, {1000}));
  const std::int64_t start = ctx.memory().current;
  Var y = x;
  for (int i = 0; i < 50; ++i) y = y + 1.0;
  CHECK(ctx.memory().current - start <= 4096 + 64);
  for (int i = 0; i < 50; ++i) y = tanh(y);
  CHECK(ctx.memory().current - start > 50 * 4000);  // derivatives
  const Var loss = sum(y);
  loss.backward();
  y = Var();
  CHECK(ctx.memory().current - start <= 64);  // the loss itself
}

TEST_CASE("the walk goes by sequence number, whatever the addresses") {
  Context ctx;
  Var x = leaf(ctx, {1});
  std::vector<int> order;
  const auto note = [&](const Var& v, int number) {
    return autograd::record("note", {v}, v.value(), {}, [&order, number](Backward& b) {
      order.push_back(number);
      b.add(0, b.dy());
    });
  };
  const Var a = note(x, 0), b = note(x, 1), c = note(a, 2), d = note(b, 3), e = note(x, 4);
  sum(e + c + d).backward();
  CHECK(order == std::vector<int>{4, 3, 2, 1, 0});
}

TEST_CASE("check_finite names the operation and the layer") {
  Context ctx;
  ctx.set_check_finite(true);
  Var x = leaf(ctx, {-1, 2});
  const LayerScope outer(ctx, "encoder"), inner(ctx, "layers.3");
  CHECK(message_of<NonFiniteError>([&] { log(x); }) ==
        "[log] expected finite numbers in its result [2], got nan at element 0 in encoder.layers.3");
  const Var y = autograd::record("op", {x}, x.value(), {}, [](Backward& b) { b.add(0, ops::scale(b.dy(), 1e39)); });
  CHECK(message_of<NonFiniteError>([&] {
          sum(y).backward();
        }).starts_with("[op] expected finite numbers in the gradient of an input [2], got inf"));
}

TEST_CASE("a custom function with two outputs, one of them unused") {
  Context ctx;
  Var x = leaf(ctx, {1, 2});
  const auto twice = [](const Var& v) {
    const Var inputs[] = {v};
    return autograd::record_all("twice", inputs, {ops::scale(v.value(), 2), ops::scale(v.value(), 3)}, {}, [](Backward& b) {
      CHECK(b.has_dy(0) != b.has_dy(1));
      b.add(0, ops::add(ops::scale(b.dy(0), 2), ops::scale(b.dy(1), 3)));
    });
  };
  sum(twice(x)[1]).backward();
  CHECK(grad(x) == Floats{3, 3});
  sum(twice(x)[0]).backward();
  CHECK(grad(x) == Floats{5, 5});
}
