// Do the operations hand the right arguments to the kernels? Values against plain loops, on contiguous tensors and on views.
// (That the kernels compute the right bits is tests/conformance's business.)
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/random.h>
#include <lathe/tensor/backend.h>
#include <lathe/tensor/ops.h>

#include <cmath>
#include <functional>
#include <vector>

#include "tests/support/message.h"

using namespace lathe;
using lathe::test::message_of;
using Floats = std::vector<float>;

namespace {

Tensor random_tensor(Context& context, const Shape& shape, std::uint32_t site = 0) {
  Random random(random_key(3, 0, "ops_test"), 0, site);
  Floats values(static_cast<std::size_t>(shape.numel()));
  for (float& v : values) v = static_cast<float>(random.normal());
  return Tensor::from(context, values, shape);
}

/// Element of a tensor at an index list.
double at(const Tensor& x, std::initializer_list<Index> index) {
  Tensor part = x;
  for (const Index i : index) part = part.select(0, i);
  return part.item();
}

void check_close(const Tensor& x, const std::function<double(Index, Index)>& expected) {
  REQUIRE(x.dims() == 2);
  for (Index i = 0; i < x.size(0); ++i)
    for (Index j = 0; j < x.size(1); ++j) REQUIRE(at(x, {i, j}) == doctest::Approx(expected(i, j)).epsilon(1e-4));
}

}  // namespace

TEST_CASE("the unary list answers for itself") {
  CHECK(unary_names().size() == static_cast<std::size_t>(kUnaryOps));
  for (const std::string& name : unary_names()) CHECK(name_of(unary_op(name)) == name);
  CHECK(unary_op("gelu_tanh") == UnaryOp::kGeluTanh);
  CHECK(std::string(name_of(UnaryOp::kNone)) == "none");
  CHECK(message_of<InputError>([] { unary_op("gelu_tnah"); }).ends_with("got 'gelu_tnah' (did you mean gelu_tanh?)"));
}

TEST_CASE("element-wise operations broadcast and read views") {
  Context ctx;
  const Tensor a = random_tensor(ctx, {3, 4}, 1), b = random_tensor(ctx, {4, 3}, 2), row = random_tensor(ctx, {4}, 3);
  check_close(ops::add(a, b.transpose(0, 1)), [&](Index i, Index j) { return at(a, {i, j}) + at(b, {j, i}); });
  check_close(ops::sub(a, row), [&](Index i, Index j) { return at(a, {i, j}) - at(row, {j}); });
  check_close(ops::mul(row, a), [&](Index i, Index j) { return at(a, {i, j}) * at(row, {j}); });
  check_close(ops::div(a.narrow(1, 0, 1), row), [&](Index i, Index j) { return at(a, {i, 0}) / at(row, {j}); });
  CHECK(ops::add(random_tensor(ctx, {2, 1, 3, 1, 2, 1}), random_tensor(ctx, {1, 2, 1, 3, 1, 2})).shape() ==
        Shape{2, 2, 3, 3, 2, 2});
  CHECK(ops::add(Tensor::empty(ctx, {0, 3}), random_tensor(ctx, {3})).shape() == Shape{0, 3});
  CHECK(ops::unary(UnaryOp::kSquare, b.transpose(0, 1)).to_vector<float>()[1] == doctest::Approx(at(b, {1, 0}) * at(b, {1, 0})));
  CHECK(ops::unary(UnaryOp::kRelu, Tensor::empty(ctx, {0})).numel() == 0);
  Tensor y = random_tensor(ctx, {4, 6}).narrow(1, 2, 3).transpose(0, 1);
  const Tensor before = y.clone(), addend = random_tensor(ctx, {3, 1}, 9);
  ops::add_in_place(y, addend);
  check_close(y, [&](Index i, Index j) { return at(before, {i, j}) + at(addend, {i, 0}); });
  ops::scale_in_place(y, 2);
  check_close(y, [&](Index i, Index j) { return 2 * (at(before, {i, j}) + at(addend, {i, 0})); });
  CHECK_THROWS_AS(ops::add_in_place(y, random_tensor(ctx, {2, 3, 4})), InputError);
  CHECK(message_of<InputError>([&] { (void)ops::mul(a, row.to(DType::kI32)); }) ==
        "[mul] expected operands of one element type, got f32 and i32");
  CHECK(message_of<InputError>([&] { (void)ops::mul(a.to(DType::kI32), row); }) == "[mul] expected elements f32 or f64, got i32");
  CHECK(message_of<InputError>([&] { (void)ops::mul(a, Tensor()); }) == "[mul] expected a tensor, got an undefined one");
}

TEST_CASE("sums over any axis, and onto the shape that was stretched") {
  Context ctx;
  const Tensor x = random_tensor(ctx, {3, 70, 5});
  for (const Index axis : {0, 1, 2, -1}) {
    const Tensor s = ops::sum(x, axis), kept = ops::sum(x, axis, true);
    const int d = axis < 0 ? 2 : static_cast<int>(axis);
    CHECK(s.shape() == x.shape().without(d));
    CHECK(kept.shape() == x.shape().with(d, 1));
    double expected = 0;
    for (Index i = 0; i < x.shape()[d]; ++i) expected += x.select(d, i).select(0, 1).select(0, 2).item();
    CHECK(s.select(0, 1).select(0, 2).item() == doctest::Approx(expected).epsilon(1e-4));
  }
  double total = 0;
  for (const float v : x.to_vector<float>()) total += v;
  CHECK(ops::sum_all(x).item() == doctest::Approx(total).epsilon(1e-4));
  CHECK(ops::sum_all(Tensor::empty(ctx, {0, 3})).item() == 0);
  CHECK(ops::sum(Tensor::empty(ctx, {0, 3}), 0).to_vector<float>() == Floats{0, 0, 0});

  for (const Shape& shape :
       {Shape{5}, Shape{70, 5}, Shape{3, 1, 5}, Shape{3, 1, 1}, Shape{1, 70, 1}, Shape{1}, Shape{}, Shape{3, 70, 5}}) {
    Tensor target = Tensor::full(ctx, shape, 10);
    ops::sum_onto(target, x);
    double sum = 0;
    for (const float v : target.to_vector<float>()) sum += v - 10;
    CHECK(sum == doctest::Approx(total).epsilon(1e-3));
    CHECK(target.shape() == shape);
  }
  Tensor middle = Tensor::zeros(ctx, {1, 70, 1});
  ops::sum_onto(middle, x);
  CHECK(middle.reshape({70}).select(0, 33).item() == doctest::Approx(ops::sum_all(x.narrow(1, 33, 1)).item()).epsilon(1e-4));
  CHECK_THROWS_AS(ops::sum_onto(middle, random_tensor(ctx, {70, 2})), InputError);
}

TEST_CASE("products of views, batches and empty matrices") {
  Context ctx;
  const Tensor a = random_tensor(ctx, {5, 7}, 1), b = random_tensor(ctx, {7, 3}, 2);
  const auto naive = [&](const Tensor& x, const Tensor& y) {
    return [x, y](Index i, Index j) {
      double sum = 0;
      for (Index k = 0; k < x.size(1); ++k) sum += at(x, {i, k}) * at(y, {k, j});
      return sum;
    };
  };
  check_close(ops::matmul(a, b), naive(a, b));
  check_close(ops::matmul(b.transpose(0, 1), a.transpose(0, 1)), naive(b.transpose(0, 1), a.transpose(0, 1)));
  check_close(ops::matmul(a.narrow(1, 2, 3), b.narrow(0, 2, 3)), naive(a.narrow(1, 2, 3), b.narrow(0, 2, 3)));
  const Tensor left = random_tensor(ctx, {2, 4, 5, 7}, 3), right = random_tensor(ctx, {2, 4, 7, 3}, 4);
  const Tensor y = ops::matmul(left, right), shared = ops::matmul(left, b);
  CHECK(y.shape() == Shape{2, 4, 5, 3});
  check_close(y.select(0, 1).select(0, 2), naive(left.select(0, 1).select(0, 2), right.select(0, 1).select(0, 2)));
  check_close(shared.select(0, 1).select(0, 3), naive(left.select(0, 1).select(0, 3), b));
  check_close(ops::matmul(left.transpose(0, 1), right.transpose(0, 1)).select(0, 2).select(0, 1),
              naive(left.select(0, 1).select(0, 2), right.select(0, 1).select(0, 2)));
  CHECK(ops::matmul(Tensor::empty(ctx, {2, 0}), Tensor::empty(ctx, {0, 3})).to_vector<float>() == Floats(6, 0.0f));
  CHECK(ops::matmul(Tensor::empty(ctx, {0, 2}), Tensor::empty(ctx, {2, 3})).shape() == Shape{0, 3});
  CHECK(message_of<InputError>([&] { (void)ops::matmul(a, a); }) ==
        "[matmul] expected […, m, k] and […, k, n] with equal batches, or [k, n], got [5, 7] and [5, 7]");
  CHECK_THROWS_AS((void)ops::matmul(left, right.narrow(1, 0, 1)), InputError);
  CHECK_THROWS_AS((void)ops::matmul(a, random_tensor(ctx, {7})), InputError);
}

TEST_CASE("linear layers read strided inputs and slices of larger weights, with the bits of copies") {
  for (const std::string& backend : available_backends()) {
    CAPTURE(backend);
    Context ctx({.backend = backend});
    const Tensor wide = random_tensor(ctx, {9, 60}, 1), big = random_tensor(ctx, {50, 64}, 2);
    const Tensor x = wide.narrow(1, 10, 33), w = big.narrow(0, 3, 21).narrow(1, 5, 33);
    CHECK(ops::linear(x, w).to_vector<float>() == ops::linear(x.clone(), w.clone()).to_vector<float>());
    const Tensor dy = random_tensor(ctx, {9, 40}, 3).narrow(1, 1, 21);
    CHECK(ops::linear_bwd_input(dy, w).to_vector<float>() == ops::linear_bwd_input(dy.clone(), w.clone()).to_vector<float>());
    Tensor dw = Tensor::zeros(ctx, {21, 33}), in_view = Tensor::zeros(ctx, {30, 64});
    Tensor view = in_view.narrow(0, 3, 21).narrow(1, 5, 33);
    ops::linear_bwd_weight(dy, x, dw);
    ops::linear_bwd_weight(dy.clone(), x.clone(), view);
    CHECK(view.to_vector<float>() == dw.to_vector<float>());
    CHECK(ops::linear(x.reshape({3, 3, 33}), w).shape() == Shape{3, 3, 21});
    const Tensor turned = x.reshape({3, 3, 33}).transpose(0, 1);  // rows that no single distance describes
    CHECK(ops::linear(turned, w).to_vector<float>() == ops::linear(turned.clone(), w).to_vector<float>());
    CHECK(ops::linear(Tensor::empty(ctx, {0, 33}), w).shape() == Shape{0, 21});
    CHECK(ops::linear(x.select(0, 0), w).to_vector<float>() == ops::linear(x.narrow(0, 0, 1), w).to_vector<float>());
  }
}

TEST_CASE("linear layers read rows that are repeated by a stride of 0") {
  Context ctx;
  const Tensor row = Tensor::from(ctx, std::vector<float>{1, 2, 3}, {1, 3}), one = Tensor::from(ctx, std::vector<float>{5}, {1, 1});
  const Tensor w3 = Tensor::from(ctx, std::vector<float>{1, 10, 100, 2, 20, 200}, {2, 3});
  const Tensor w1 = Tensor::from(ctx, std::vector<float>{1, 3}, {2, 1});
  CHECK(ops::linear(row.expand({3, 3}), w3).to_vector<float>() == std::vector<float>{321, 642, 321, 642, 321, 642});
  CHECK(ops::linear(one.expand({3, 1}), w1).to_vector<float>() == std::vector<float>{5, 15, 5, 15, 5, 15});
  Tensor dw = Tensor::zeros(ctx, {1, 3});
  ops::linear_bwd_weight(one.expand({2, 1}), row.expand({2, 3}), dw);
  CHECK(dw.to_vector<float>() == std::vector<float>{10, 20, 30});
}

TEST_CASE("weights are packed once until they are edited") {
  Context ctx;
  const Tensor x = random_tensor(ctx, {4, 32}, 1);
  Tensor w = random_tensor(ctx, {48, 32}, 2);
  (void)ops::linear(x, w);
  const std::int64_t packed = ctx.memory().current, allocations = ctx.memory().allocations;
  const Tensor first = ops::linear(x, w);
  CHECK(ctx.memory().allocations == allocations + 1);  // the result
  CHECK(ctx.memory().current == packed + 4 * 48 * 4);
  w.mutable_data<float>()[5] += 1;
  const Tensor second = ops::linear(x, w);
  CHECK(first.to_vector<float>() != second.to_vector<float>());
  CHECK(second.to_vector<float>() == ops::linear(x, w.clone()).to_vector<float>());
  CHECK(ctx.memory().current == packed + 2 * 4 * 48 * 4);
  // Two matrices that begin at one place and have one size, but not one distance between rows.
  const Tensor near = w.reshape({96, 16}).narrow(0, 0, 24), far = w.narrow(0, 0, 24).narrow(1, 0, 16), input = x.narrow(1, 0, 16);
  CHECK(ops::linear(input, near).to_vector<float>() == ops::linear(input, near.clone()).to_vector<float>());
  CHECK(ops::linear(input, far).to_vector<float>() == ops::linear(input, far.clone()).to_vector<float>());
}

TEST_CASE("shapes that do not fit are named") {
  Context ctx;
  const Tensor x = random_tensor(ctx, {4, 6}), w = random_tensor(ctx, {5, 7});
  CHECK(message_of<InputError>([&] { (void)ops::linear(x, w); }) ==
        "[linear] expected an input with 7 columns as in weight [5, 7], got [4, 6]");
  CHECK(message_of<InputError>([&] {
          (void)ops::linear(x, random_tensor(ctx, {5, 6}), {.bias = random_tensor(ctx, {6})});
        }) == "[linear] expected a bias [5], got [6]");
  CHECK(message_of<InputError>([&] {
          (void)ops::norm(NormKind::kLayer, x, random_tensor(ctx, {5}), random_tensor(ctx, {6}), 1e-5);
        }) == "[layer_norm] expected gamma [6], got [5]");
  const Tensor target = Tensor::from(ctx, {0, 6, -100, 1}, {4});
  CHECK(message_of<InputError>([&] { (void)ops::cross_entropy(x, target); }) ==
        "[cross_entropy] expected targets in [0, 6) or -100, got 6 in row 1");
  CHECK(message_of<InputError>([&] { (void)ops::cross_entropy(x, x); }) == "[cross_entropy] expected a target i32, got f32");
  CHECK(message_of<InputError>([&] {
          (void)ops::embedding(x, Tensor::from(ctx, {0, 4}, {2}));
        }) == "[embedding] expected ids in [0, 4), got 4 at 1");
  CHECK(message_of<InputError>([&] {
          (void)ops::attention(x, x, x, {.heads = 4, .q_offsets = Offsets({0, 4}), .k_offsets = Offsets({0, 4})});
        }) == "[attention] expected a number of heads that divides the 6 columns of the queries, got 4");
  CHECK(message_of<InputError>([&] {
          (void)ops::attention(x, x, x, {.heads = 2, .q_offsets = Offsets({0, 4}), .k_offsets = Offsets({0, 2, 3})});
        }) == "[attention] expected keys [3, 6], got [4, 6]");
  CHECK(message_of<InputError>([&] {
          (void)ops::mean_pool(x, Offsets({0, 5}));
        }) == "[mean_pool] expected an input [5, 6], got [4, 6]");
  const ops::RopeTable table = ops::rope_table(ctx, 3, 2);
  CHECK(message_of<InputError>([&] {
          (void)ops::rope(x, Tensor::from(ctx, {0, 1, 2, 3}, {4}), 3, table);
        }) == "[rope] expected positions in [0, 3), got 3 in row 3");
  CHECK_THROWS_AS((void)ops::rope(x, Tensor::from(ctx, {0, 1, 2, 0}, {4}), 4, table), InputError);
  CHECK_THROWS_AS((void)ops::rope_table(ctx, 3, 5), InputError);
  CHECK_THROWS_AS((void)ops::concat({}, 0), InputError);
}

TEST_CASE("rotary tables hold cos and sin of position · base^(−2i / d)") {
  Context ctx;
  const ops::RopeTable table = ops::rope_table(ctx, 50, 8);
  for (Index p = 0; p < 50; ++p)
    for (Index i = 0; i < 4; ++i) {
      const double angle = static_cast<double>(p) * std::pow(10000.0, -2.0 * static_cast<double>(i) / 8.0);
      REQUIRE(at(table.cos, {p, i}) == doctest::Approx(std::cos(angle)).epsilon(1e-6));
      REQUIRE(at(table.sin, {p, i}) == doctest::Approx(std::sin(angle)).epsilon(1e-6));
    }
  // Turning and turning back is the identity up to rounding; columns beyond the heads pass through untouched.
  const Tensor x = random_tensor(ctx, {5, 20}), positions = Tensor::from(ctx, {0, 7, 7, 49, 1}, {5});
  const Tensor y = ops::rope(x, positions, 2, table), back = ops::rope(y, positions, 2, table, true);
  check_close(back, [&](Index i, Index j) { return at(x, {i, j}); });
  CHECK(y.narrow(1, 16, 4).to_vector<float>() == x.narrow(1, 16, 4).to_vector<float>());
  CHECK(y.select(0, 0).to_vector<float>() == x.select(0, 0).to_vector<float>());
  // The whole width: a strided input is read in place.
  CHECK(ops::rope(x.narrow(1, 2, 16), positions, 2, table).to_vector<float>() ==
        ops::rope(x.narrow(1, 2, 16).clone(), positions, 2, table).to_vector<float>());
}

TEST_CASE("concat joins views along any axis; argmax takes the first of equals") {
  Context ctx;
  const Tensor a = random_tensor(ctx, {2, 3}, 1), b = random_tensor(ctx, {3, 4}, 2).transpose(0, 1).narrow(0, 0, 2);
  const Tensor parts[] = {a, b}, rows = ops::concat(parts, 0), columns = ops::concat(parts, -1);
  check_close(rows, [&](Index i, Index j) { return i < 2 ? at(a, {i, j}) : at(b, {i - 2, j}); });
  check_close(columns, [&](Index i, Index j) { return j < 3 ? at(a, {i, j}) : at(b, {i, j - 3}); });
  const Tensor bad[] = {a, random_tensor(ctx, {2, 4})};
  CHECK_THROWS_AS((void)ops::concat(bad, 0), InputError);
  CHECK(ops::concat(bad, 1).shape() == Shape{2, 7});
  CHECK(ops::argmax(Tensor::from(ctx, Floats{1, 3, 3, 5, 2, 5}, {2, 3})) == std::vector<std::int32_t>{1, 0});
}

TEST_CASE("FLOPs are counted by formula, alike on the CPU and on meta") {
  for (const Device device : {Device::kCpu, Device::kMeta}) {
    Context ctx({.device = device});
    const auto counted = [&](OpClass op_class, const std::function<void()>& f) {
      ctx.flops().reset();
      f();
      return ctx.flops().of(op_class);
    };
    const Tensor x = random_tensor(ctx, {10, 6}), w = random_tensor(ctx, {4, 6}), dy = random_tensor(ctx, {10, 4});
    Tensor dw = Tensor::zeros(ctx, {4, 6});
    CHECK(counted(OpClass::kLinear, [&] { (void)ops::linear(x, w); }) == 2 * 10 * 6 * 4);
    CHECK(counted(OpClass::kLinear, [&] { (void)ops::linear_bwd_input(dy, w); }) == 2 * 10 * 6 * 4);
    CHECK(counted(OpClass::kLinear, [&] { ops::linear_bwd_weight(dy, x, dw); }) == 2 * 10 * 6 * 4);
    Tensor derivative;
    CHECK(counted(OpClass::kElementwise, [&] {
            (void)ops::linear(x, w,
                              {.bias = random_tensor(ctx, {4}),
                               .activation = UnaryOp::kGelu,
                               .derivative = &derivative,
                               .dropout = ctx.dropout(0.5, 0),
                               .residual = dy});
          }) == 40 * (1 + 20 + 1 + 1 + 1));
    CHECK(counted(OpClass::kMatmul, [&] {
            (void)ops::matmul(random_tensor(ctx, {3, 2, 5}), random_tensor(ctx, {5, 7}));
          }) == 2 * 3 * 2 * 5 * 7);
    // Sequences of 3, 0 and 7 tokens, two heads of 3: 9 + 49 pairs, causal 6 + 28.
    const Offsets offsets({0, 3, 3, 10});
    for (const bool causal : {false, true}) {
      const std::int64_t pairs = causal ? 6 + 28 : 9 + 49;
      const ops::AttentionShape shape{.heads = 2, .q_offsets = offsets, .k_offsets = offsets, .causal = causal};
      ops::AttentionResult r;
      CHECK(counted(OpClass::kAttention, [&] { r = ops::attention(x, x, x, shape); }) == 4 * 2 * 3 * pairs + 6 * 2 * pairs);
      Tensor dq = x.clone(), dk = x.clone(), dv = x.clone();
      CHECK(counted(OpClass::kAttention, [&] { ops::attention_bwd(x, x, x, shape, r, x, dq, dk, dv); }) ==
            10 * 2 * 3 * pairs + 10 * 2 * pairs);
    }
    CHECK(counted(OpClass::kNorm, [&] { (void)ops::norm(NormKind::kRms, x, random_tensor(ctx, {6}), {}, 1e-6); }) == 7 * 60);
    ctx.flops().reset();
    (void)ops::linear(x, w);
    CHECK(ctx.flops().total() == 480);
  }
}

TEST_CASE("causal pairs: counted as attention sees them") {
  for (const std::int32_t queries : {0, 1, 2, 5, 9})
    for (const std::int32_t keys : {0, 1, 3, 5, 12}) {
      std::int64_t expected = 0;
      for (Index i = 0; i < queries; ++i)
        for (Index j = 0; j < keys; ++j) expected += j <= i + (keys - queries);
      CHECK(ops::visible_pairs(Offsets({0, queries}), Offsets({0, keys}), true) == expected);
      CHECK(ops::visible_pairs(Offsets({0, queries}), Offsets({0, keys}), false) == queries * keys);
    }
}

TEST_CASE("optimizer kernels edit in place and refuse strided tensors") {
  Context ctx;
  Tensor p = Tensor::full(ctx, {3}, 1), u = Tensor::zeros(ctx, {3}), none;
  const Tensor g = Tensor::from(ctx, Floats{1, 2, -1}, {3});
  const auto version = p.version();
  ops::sgd(p, none, g, {.momentum = 0, .decay = 0, .lr = 0.5});
  CHECK(p.to_vector<float>() == Floats{0.5f, 0, 1.5f});
  CHECK(p.version() > version);
  ops::sgd(p, u, g, {.momentum = 0.5, .decay = 0, .lr = 0.5});
  CHECK(u.to_vector<float>() == Floats{1, 2, -1});
  Tensor strided = Tensor::zeros(ctx, {3, 2}).narrow(1, 0, 1).reshape({3});
  CHECK_FALSE(strided.is_contiguous());
  CHECK_THROWS_AS(ops::sgd(strided, none, g, {.momentum = 0, .decay = 0, .lr = 0.5}), InputError);
  double sum = 1;
  ops::sum_squares(g, &sum);
  CHECK(sum == 7);
  Tensor m = Tensor::zeros(ctx, {3}), v = Tensor::zeros(ctx, {3});
  ops::adamw(
      p, m, v, g,
      {.beta1 = 0.9, .one_minus_beta1 = 0.1, .beta2 = 0.99, .one_minus_beta2 = 0.01, .decay = 0, .step = 0.1, .c2 = 100, .eps = 0});
  CHECK(m.to_vector<float>()[0] == doctest::Approx(0.1));
  CHECK(v.to_vector<float>()[1] == doctest::Approx(0.04));
}

TEST_CASE("a Context takes kernels of one's own, under the name of the backend whose bits they have") {
  static int calls;
  static const Kernels<float>& own = best_backend();
  Kernels<float> table = own;
  table.scale = [](Exec& exec, const ScaleArgs<float>& args) { ++calls, own.scale(exec, args); };
  calls = 0;
  Context ctx({.table = &table});
  CHECK(ctx.backend() == own.name);
  CHECK(ctx.numerics() == numerics_tag(own.name));
  CHECK(ops::scale(Tensor::from(ctx, Floats{1, -2}, {2}), 3).to_vector<float>() == Floats{3, -6});
  CHECK(calls == 1);
  CHECK_THROWS_AS(Context({.backend = "scalar", .table = &table}), InputError);
  for (const char* name : {"mine", static_cast<const char*>(nullptr)}) {
    table.name = name;
    CHECK_THROWS_AS(Context({.table = &table}), InputError);
  }
}
