// The overlay `onednn`: its products are right to the accuracy of f32 and leave alone what is not theirs. Its bits are outside of
// the promise, and it says so.
#include <doctest/doctest.h>
#include <lathe/base/version.h>
#include <lathe/tensor/backend.h>
#include <lathe/tensor/context.h>
#include <lathe/tensor/spec/spec.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/backend/onednn.h"

namespace lathe {
namespace {

using Floats = std::vector<float>;

constexpr float kUntouched = 12345.0f;

/// Random arguments; every number about 1, so that an error can be judged by the length of a sum alone.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(random_key(seed, 0, "onednn")) {}
  Index below(Index n) { return static_cast<Index>(random_.below(static_cast<std::uint32_t>(n))); }
  bool one_in(Index n) { return below(n) == 0; }
  /// 0, 1, odd sizes, multiples of 16, sizes beyond a tile.
  Index size(Index largest) {
    switch (below(8)) {
      case 0:
        return below(3);
      case 1:
        return std::min(largest, 16 * (1 + below(8)));
      default:
        return below(largest + 1);
    }
  }
  Index leading(Index n) { return n + (one_in(2) ? below(20) : 0); }
  /// rows × n numbers with leading dimension ld; what lies between the rows is kUntouched.
  Floats matrix(Index rows, Index n, Index ld) {
    Floats x(static_cast<std::size_t>(rows * ld), kUntouched);
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < n; ++j) x[static_cast<std::size_t>(i * ld + j)] = static_cast<float>(2 * random_.uniform() - 1);
    return x;
  }

 private:
  Random random_;
};

/// Largest distance between two outputs, what lies between their rows included: there it must be 0.
double distance(const Floats& a, const Floats& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    worst = std::max(worst, std::isnan(d) ? HUGE_VAL : d);
  }
  return worst;
}

/// Rounding of a sum of k products of numbers up to 1, in another order than spec's; generous by a factor of about 5.
double allowed(Index k) { return 2e-6 * (1 + std::sqrt(static_cast<double>(k))); }

template <class Body>
void for_seeds(std::uint64_t seeds, Body body) {
  const Kernels<float>* table = test::onednn();
  if (!table) return;
  const FloatingPointScope scope;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    CAPTURE(seed);
    Draw draw(seed);
    Exec plain(1), exec(seed % 3 == 0 ? 3 : 1);
    body(*table, exec, plain, draw);
  }
}

TEST_CASE("matmul") {
  for_seeds(150, [](const Kernels<float>& table, Exec& exec, Exec& plain, Draw& draw) {
    MatmulArgs<float> a{};
    a.batch = draw.one_in(2) ? 1 : draw.below(4);
    a.m = draw.size(90), a.n = draw.size(90), a.k = draw.size(300);
    const auto operand = [&](Index rows, Index cols, Index& row, Index& col, Index& batch) {
      const bool transposed = draw.one_in(2);
      const Index inner = transposed ? rows : cols, outer = transposed ? cols : rows, apart = draw.one_in(8) ? 2 : 1;
      const Index ld = draw.leading(inner * apart);
      row = transposed ? apart : ld, col = transposed ? ld : apart, batch = draw.one_in(4) ? 0 : outer * ld;
      return draw.matrix(std::max<Index>(a.batch, 1) * outer, ld, ld);
    };
    const Floats left = operand(a.m, a.k, a.a_row, a.a_col, a.a_batch), right = operand(a.k, a.n, a.b_row, a.b_col, a.b_batch);
    a.a = left.data(), a.b = right.data();
    a.ldc = draw.leading(a.n), a.c_batch = a.m * a.ldc, a.accumulate = draw.one_in(2);
    Floats expected = draw.matrix(a.batch * a.m, a.n, a.ldc), found = expected;
    a.c = expected.data(), spec_f32().matmul(plain, a);
    a.c = found.data(), table.matmul(exec, a);
    CHECK(distance(found, expected) <= allowed(a.k));
  });
}

TEST_CASE("linear_fwd with every epilogue") {
  for_seeds(600, [](const Kernels<float>& table, Exec& exec, Exec& plain, Draw& draw) {
    LinearFwdArgs<float> a{};
    a.m = draw.size(120), a.n = draw.size(90), a.k = draw.size(300);
    a.ldx = draw.leading(a.k), a.ldw = draw.leading(a.k), a.ldy = draw.leading(a.n);
    const Floats x = draw.matrix(a.m, a.k, a.ldx), bias = draw.matrix(1, a.n, a.n);
    Floats w = draw.matrix(a.n, a.k, a.ldw);
    for (float& v : w) v *= 0.25f;  // so that activations see both of their ends
    a.x = x.data(), a.w = w.data();
    Epilogue<float>& e = a.epilogue;
    if (draw.one_in(2)) e.bias = bias.data();
    bool saves = false;
    if (draw.one_in(2)) {
      // log and sqrt have poles and derivatives without bound: no distance could be named. squared_relu and exp grow.
      constexpr UnaryOp kOps[] = {UnaryOp::kGelu, UnaryOp::kGeluTanh,    UnaryOp::kRelu, UnaryOp::kSilu,
                                  UnaryOp::kTanh, UnaryOp::kSquaredRelu, UnaryOp::kNeg,  UnaryOp::kSigmoid};
      e.activation = kOps[draw.below(8)];
      saves = draw.one_in(2);
    }
    if (draw.one_in(4)) e.dropout = Dropout{20000, 1 / (1 - 20000 / 65536.0f), random_key(3, 4, "dropout"), 5, 6};
    e.row0 = draw.one_in(3) ? draw.below(100000) : 0;
    e.ld_residual = draw.one_in(2) ? a.ldy : draw.leading(a.n);
    const Floats residual = draw.matrix(a.m, a.n, e.ld_residual);
    if (draw.one_in(2)) e.residual = residual.data();
    Floats expected = draw.matrix(a.m, a.n, a.ldy), found = expected, slope = expected, slope_found = expected;
    a.y = expected.data(), e.derivative = saves ? slope.data() : nullptr;
    spec_f32().linear_fwd(plain, a);
    a.y = found.data(), e.derivative = saves ? slope_found.data() : nullptr;
    if (draw.one_in(2)) a.packed = found.data();  // nothing is packed: must not be looked at
    table.linear_fwd(exec, a);
    CAPTURE(static_cast<int>(e.activation));
    const bool jumps = e.activation == UnaryOp::kRelu;  // its derivative does, so that a value beside 0 may give 0 or 1
    CHECK(distance(found, expected) <= (e.activation == UnaryOp::kSquaredRelu ? 20 : 2) * allowed(a.k));
    if (!jumps) CHECK(distance(slope_found, slope) <= 4 * allowed(a.k));
  });
}

TEST_CASE("linear_bwd_input with multiplier and residual") {
  for_seeds(300, [](const Kernels<float>& table, Exec& exec, Exec& plain, Draw& draw) {
    LinearBwdInputArgs<float> a{};
    a.m = draw.size(120), a.n = draw.size(300), a.k = draw.size(90);
    a.ldy = draw.leading(a.n), a.ldw = draw.leading(a.k), a.ldx = draw.leading(a.k);
    const auto like_dx = [&] { return draw.one_in(2) ? a.ldx : draw.leading(a.k); };
    a.ld_multiplier = like_dx(), a.ld_residual = like_dx();
    const Floats dy = draw.matrix(a.m, a.n, a.ldy), w = draw.matrix(a.n, a.k, a.ldw);
    const Floats multiplier = draw.matrix(a.m, a.k, a.ld_multiplier), residual = draw.matrix(a.m, a.k, a.ld_residual);
    a.dy = dy.data(), a.w = w.data();
    if (draw.one_in(2)) a.multiplier = multiplier.data();
    if (draw.one_in(2)) a.residual = residual.data();
    Floats expected = draw.matrix(a.m, a.k, a.ldx), found = expected;
    a.dx = expected.data(), spec_f32().linear_bwd_input(plain, a);
    a.dx = found.data(), table.linear_bwd_input(exec, a);
    CHECK(distance(found, expected) <= allowed(a.n));
  });
}

TEST_CASE("linear_bwd_weight of a batch and of its groups") {
  for_seeds(200, [](const Kernels<float>& table, Exec& exec, Exec& plain, Draw& draw) {
    const Index m = draw.one_in(4) ? 1000 + draw.below(1300) : draw.size(400), n = draw.size(70), k = draw.size(70);
    LinearBwdWeightArgs<float> a{m, n, k};
    a.ldy = draw.leading(n), a.ldx = draw.leading(k), a.lddw = draw.leading(k);
    const Floats dy = draw.matrix(m, n, a.ldy), x = draw.matrix(m, k, a.ldx), before = draw.matrix(n, k, a.lddw);
    a.dy = dy.data(), a.x = x.data(), a.from_zero = draw.one_in(2);
    Floats expected = before, whole = before, cut = before;
    if (a.from_zero)  // what it holds may not count
      for (Index o = 0; o < n; ++o) std::fill_n(cut.begin() + o * a.lddw, k, HUGE_VALF);
    a.dw = expected.data(), spec_f32().linear_bwd_weight(plain, a);
    a.dw = whole.data(), table.linear_bwd_weight(exec, a);
    CHECK(distance(whole, expected) <= allowed(m));
    std::vector<Index> at{0};
    while (at.back() < m) at.push_back(std::min(m, at.back() + draw.below(draw.one_in(3) ? 3 : 600)));
    if (at.size() == 1 || draw.one_in(2)) at.push_back(m);  // an empty group at the end, or of an empty batch
    Floats chain(before.size()), segment(before.size());
    a.dw = cut.data(), a.chain = chain.data(), a.segment = segment.data();
    for (std::size_t i = 0; i + 1 < at.size(); ++i) {
      LinearBwdWeightArgs<float> group = a;
      group.m = at[i + 1] - at[i], group.dy += at[i] * a.ldy, group.x += at[i] * a.ldx;
      group.range = {at[i], i + 2 == at.size()};
      table.linear_bwd_weight(exec, group);
    }
    CHECK(distance(cut, expected) <= allowed(m));
  });
}

TEST_CASE("it is no exact backend, is found by its name alone, and its numerics say so") {
  const std::vector<std::string> exact = available_backends(), inexact = inexact_backends();
  CHECK(std::count(exact.begin(), exact.end(), "onednn") == 0);
  for (const std::string& name : exact) CHECK(numerics_tag(name) == kNumerics);
  if (!test::onednn()) return;
  CHECK(inexact == std::vector<std::string>{"bf16", "onednn"});
  const std::string tag = numerics_tag("onednn"), before = std::string(kNumerics) + "+onednn-";  // then the version: 2.6.3
  CHECK(tag.starts_with(before));
  CHECK(std::count(tag.begin(), tag.end(), '.') == 2);
  CHECK(tag.find_first_not_of("0123456789.", before.size()) == std::string::npos);
  Context context({.backend = "onednn"});
  CHECK(context.backend() == "onednn");
  CHECK(context.numerics() == numerics_tag("onednn"));
}

}  // namespace
}  // namespace lathe
