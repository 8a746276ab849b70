#include <lathe/autograd/functions.h>

namespace lathe {
using autograd::Backward;
using autograd::record;
using autograd::recording;

Var unary(UnaryOp op, const Var& x) {
  if (op == UnaryOp::kNone) return x;
  if (!recording({&x})) return record(name_of(op), {x}, ops::unary(op, x.value()), {}, nullptr);
  Tensor derivative;
  Tensor y = ops::unary(op, x.value(), derivative);
  return record(name_of(op), {x}, std::move(y), {derivative}, [](Backward& b) { b.add(0, ops::mul(b.dy(), b.saved(0))); });
}

#define LATHE_UNARY(name, Functor, saves, flops, onnx) \
  Var name(const Var& x) { return unary(UnaryOp::k##Functor, x); }
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY

namespace {

/// Passes a gradient of the result's shape to an input that may have been stretched to it.
void pass(Backward& b, int input, const Shape& shape, Tensor gradient) {
  if (gradient.shape() == shape)
    b.add(input, std::move(gradient));
  else
    ops::sum_onto(b.accumulator(input), gradient);
}

}  // namespace

Var add(const Var& a, const Var& b) {
  return record("add", {a, b}, ops::add(a.value(), b.value()), {}, [sa = a.shape(), sb = b.shape()](Backward& g) {
    if (g.wants(0)) pass(g, 0, sa, g.dy());
    if (g.wants(1)) pass(g, 1, sb, g.dy());
  });
}

Var sub(const Var& a, const Var& b) {
  return record("sub", {a, b}, ops::sub(a.value(), b.value()), {}, [sa = a.shape(), sb = b.shape()](Backward& g) {
    if (g.wants(0)) pass(g, 0, sa, g.dy());
    if (g.wants(1)) pass(g, 1, sb, ops::unary(UnaryOp::kNeg, g.dy()));
  });
}

Var mul(const Var& a, const Var& b) {
  // Each gradient reads the other operand, so only the ones in demand are kept.
  return record("mul", {a, b}, ops::mul(a.value(), b.value()),
                {b.requires_grad() ? a.value() : Tensor(), a.requires_grad() ? b.value() : Tensor()},
                [sa = a.shape(), sb = b.shape()](Backward& g) {
                  if (g.wants(0)) pass(g, 0, sa, ops::mul(g.dy(), g.saved(1)));
                  if (g.wants(1)) pass(g, 1, sb, ops::mul(g.dy(), g.saved(0)));
                });
}

Var div(const Var& a, const Var& b) {
  Tensor y = ops::div(a.value(), b.value());
  const Tensor kept = b.requires_grad() ? y : Tensor();
  return record("div", {a, b}, std::move(y), {b.value(), kept}, [sa = a.shape(), sb = b.shape()](Backward& g) {
    const Tensor da = ops::div(g.dy(), g.saved(0));
    if (g.wants(0)) pass(g, 0, sa, da);
    if (g.wants(1)) pass(g, 1, sb, ops::unary(UnaryOp::kNeg, ops::mul(da, g.saved(1))));
  });
}

namespace {

Tensor constant(const Var& like, double value) { return Tensor::full(like.context(), {}, value, like.dtype()); }

}  // namespace

Var add(const Var& a, double b) {
  return record("add", {a}, ops::add(a.value(), constant(a, b)), {}, [](Backward& g) { g.add(0, g.dy()); });
}

Var sub(const Var& a, double b) {
  return record("sub", {a}, ops::sub(a.value(), constant(a, b)), {}, [](Backward& g) { g.add(0, g.dy()); });
}

Var mul(const Var& a, double b) {
  return record("scale", {a}, ops::scale(a.value(), b), {}, [b](Backward& g) { g.add(0, ops::scale(g.dy(), b)); });
}

Var div(const Var& a, double b) {
  const Tensor divisor = constant(a, b);
  return record("div", {a}, ops::div(a.value(), divisor), {divisor}, [](Backward& g) { g.add(0, ops::div(g.dy(), g.saved(0))); });
}

Var dropout(const Var& x, DropoutSite site) {
  const Dropout drop = x.context().dropout(site.p, site.site);
  if (!drop.on()) return x;
  const Index first_row = x.context().rows().first;
  return record("dropout", {x}, ops::dropout(x.value(), drop, first_row), {},
                [drop, first_row](Backward& b) { b.add(0, ops::dropout(b.dy(), drop, first_row)); });
}

}  // namespace lathe
