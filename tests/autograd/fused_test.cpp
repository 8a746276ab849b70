// Fused equals unfused bit for bit: values and every gradient, on every backend that runs here, starting from empty and from filled
// gradients.
#include <doctest/doctest.h>
#include <lathe/tensor/backend.h>

#include <cstring>

#include "tests/autograd/op_cases.h"

using namespace lathe;
using namespace lathe::test;

namespace {

using Vars = std::vector<Var>;
using Function = std::function<Var(Context&, const Vars&)>;

std::vector<std::uint32_t> bits(const Tensor& x) {
  if (!x.defined()) return {};
  std::vector<std::uint32_t> words;
  for (const float v : x.to_vector<float>()) {
    std::uint32_t word = 0;
    std::memcpy(&word, &v, sizeof word);
    words.push_back(word);
  }
  return words;
}

struct Outcome {
  std::vector<std::vector<std::uint32_t>> tensors;
  bool operator==(const Outcome&) const = default;
};

/// Value and all gradients after one backward and, with another cotangent, after a second one onto the same gradients.
Outcome run(const std::string& backend, const std::vector<Shape>& shapes, const Function& f) {
  Context ctx({.backend = backend, .seed = 9});
  ctx.set_step(2);
  Vars leaves;
  for (const Shape& shape : shapes)
    leaves.emplace_back(sample(ctx, shape, DType::kF32, static_cast<std::uint32_t>(leaves.size())), true);
  Outcome outcome;
  for (const std::uint32_t site : {100u, 101u}) {
    const Var y = f(ctx, leaves);
    y.backward(sample(ctx, y.shape(), DType::kF32, site));
    outcome.tensors.push_back(bits(y.value()));
    for (const Var& leaf : leaves) outcome.tensors.push_back(bits(leaf.grad()));
  }
  return outcome;
}

void check_equal(const std::string& what, const std::vector<Shape>& shapes, const Function& fused, const Function& composite) {
  CAPTURE(what);
  const Outcome expected = run("spec", shapes, composite);
  REQUIRE(expected.tensors[0].size() > 0);
  for (const std::string& backend : available_backends()) {
    CAPTURE(backend);
    const Outcome a = run(backend, shapes, fused), b = run(backend, shapes, composite);
    for (std::size_t i = 0; i < b.tensors.size(); ++i) {
      CAPTURE(i);  // value, gradients of the leaves; the same after the second backward
      REQUIRE(a.tensors[i].size() == b.tensors[i].size());
      CHECK(a.tensors[i] == b.tensors[i]);
    }
    CHECK(b == expected);
  }
}

}  // namespace

TEST_CASE("linear with its epilogue") {
  // 150 rows pass two blocks of 64; 300 inputs pass one chunk of 256.
  for (int i = -1; i < kUnaryOps; ++i) {
    const auto op = static_cast<UnaryOp>(i);
    for (int mask = 0; mask < 8; ++mask) {
      if (i % 4 != 0 && mask != 7) continue;  // every combination for some activations, all at once for all of them
      const bool bias = mask & 1, residual = mask & 4;
      const DropoutSite site{mask & 2 ? 0.3 : 0.0, 5};
      const auto composite = [&](Context&, const Vars& v) {
        Var y = linear(v[0], v[1]);
        if (bias) y = add(y, v[2]);
        y = dropout(unary(op, y), site);
        return residual ? add(y, v[3]) : y;
      };
      const auto fused = [&](Context&, const Vars& v) {
        return linear(v[0], v[1], bias ? v[2] : Var(), {.activation = op, .dropout = site, .residual = residual ? v[3] : Var()});
      };
      check_equal(std::string("linear, ") + name_of(op) + ", parts " + std::to_string(mask),
                  {{3, 50, 300}, {33, 300}, {33}, {3, 50, 33}}, fused, composite);
    }
  }
}

TEST_CASE("linear with its input as residual, twice with one weight") {
  check_equal(
      "linear", {{150, 20}, {20, 20}, {20}},
      [](Context&, const Vars& v) {
        const Var h = linear(v[0], v[1], v[2], {.activation = UnaryOp::kGeluTanh, .dropout = {}, .residual = v[0]});
        return linear(h, v[1], v[2], {.activation = UnaryOp::kNone, .dropout = {}, .residual = h});
      },
      [](Context&, const Vars& v) {
        const Var h = add(gelu_tanh(add(linear(v[0], v[1]), v[2])), v[0]);
        return add(add(linear(h, v[1]), v[2]), h);
      });
}

TEST_CASE("a product of one segment is the plain matrix product") {
  check_equal(
      "linear", {{1000, 20}, {7, 20}}, [](Context&, const Vars& v) { return linear(v[0], v[1]); },
      [](Context&, const Vars& v) { return matmul(v[0], transpose(v[1], 0, 1)); });
}

TEST_CASE("self_attention is split and attention") {
  const Offsets offsets({0, 17, 17, 18, 60});
  for (const bool causal : {false, true})
    for (const double p : {0.0, 0.2}) {
      const AttentionOptions options{
          .heads = 3, .q_offsets = offsets, .k_offsets = offsets, .causal = causal, .dropout = {p, 1}, .max_tokens = 64};
      check_equal(
          "self_attention", {{60, 3 * 15}}, [&](Context&, const Vars& v) { return self_attention(v[0], options); },
          [&](Context&, const Vars& v) {
            const Index sizes[] = {15, 15, 15};
            const Vars parts = split(v[0], sizes, 1);
            return attention(parts[0], parts[1], parts[2], options);
          });
    }
}

TEST_CASE("add_embedding is add of embedding; first_pool is gather_rows") {
  check_equal(
      "add_embedding", {{70, 19}, {5, 19}},
      [](Context& c, const Vars& v) { return add_embedding(v[0], v[1], Tensor::full(c, {70}, 3, DType::kI32)); },
      [](Context& c, const Vars& v) { return add(v[0], embedding(v[1], Tensor::full(c, {70}, 3, DType::kI32))); });
  check_equal(
      "first_pool", {{9, 19}},
      [](Context&, const Vars& v) {
        return first_pool(v[0], Offsets({0, 3, 8, 9}));
      },
      [](Context& c, const Vars& v) {
        return gather_rows(v[0], Tensor::from(c, {0, 3, 8}, {3}));
      });
}

TEST_CASE("gradients that kernels add on their way equal separate sums") {
  // In tanh(x) + norm(x), norm runs backward first or second by its place in the program: once it finds a pending gradient and adds
  // it in its kernel, once it delivers first. a + b = b + a, so the bits agree.
  const auto either = [](const std::string& what, const std::vector<Shape>& shapes, const std::function<Var(const Vars&)>& f) {
    check_equal(
        what, shapes,
        [f](Context&, const Vars& v) {
          const Vars w{v[0] * 1.0, v[1], v[2]};  // not a leaf: leaves gather in place
          const Var first = f(w), second = tanh(w[0]);
          return add(first, second);
        },
        [f](Context&, const Vars& v) {
          const Vars w{v[0] * 1.0, v[1], v[2]};
          const Var second = tanh(w[0]), first = f(w);
          return add(first, second);
        });
  };
  either("layer_norm", {{130, 21}, {21}, {21}}, [](const Vars& v) { return layer_norm(v[0], v[1], v[2]); });
  either("rms_norm", {{130, 21}, {21}, {1}}, [](const Vars& v) { return rms_norm(v[0], v[1]) * v[2]; });
  either("linear", {{130, 21}, {21, 21}, {21}}, [](const Vars& v) { return linear(v[0], v[1], v[2]); });
}

TEST_CASE("every case gives the same bits on every backend and number of threads") {
  for (const OpCase& c : op_cases()) {
    CAPTURE(c.name);
    std::vector<std::vector<std::uint32_t>> expected;
    for (const std::string& backend : available_backends())
      for (const int threads : {1, 3}) {
        Context ctx({.backend = backend, .threads = threads, .seed = 9});
        Vars leaves;
        for (const Tensor& x : samples(ctx, c, DType::kF32)) leaves.emplace_back(x, true);
        std::vector<std::vector<std::uint32_t>> found;
        std::vector<Tensor> seeds;
        const Vars results = c.call(ctx, leaves);
        for (const Var& y : results) {
          found.push_back(bits(y.value()));
          seeds.push_back(sample(ctx, y.shape(), DType::kF32, 77));
        }
        backward(results, seeds);
        for (const Var& leaf : leaves) found.push_back(bits(leaf.grad()));
        if (expected.empty()) expected = found;
        CHECK_MESSAGE(found == expected, backend, ", threads: ", threads);
      }
  }
}
