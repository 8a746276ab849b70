// Every kernel of every backend of this machine equals spec bit for bit, on random arguments, for any number of threads.
#include <doctest/doctest.h>
#include <lathe/base/text.h>
#include <lathe/tensor/backend.h>
#include <lathe/tensor/spec/spec.h>

#include <cstdlib>

#include "tests/conformance/cases.h"

namespace lathe::test {
namespace {

/// Draws a kernel; LATHE_CONFORMANCE_DRAWS asks for more than the quick default.
std::uint64_t draws() {
  const char* wish = std::getenv("LATHE_CONFORMANCE_DRAWS");
  return wish ? static_cast<std::uint64_t>(std::atoll(wish)) : 60;
}

/// First difference of a table's kernel from spec over the draws, "" if none.
template <class Kernel>
std::string difference(const Kernels<float>& table, const char* kernel, Kernel which, std::uint64_t seed) {
  const FloatingPointScope scope;
  Exec plain(1), exec(seed % 3 == 0 ? 3 : 1);
  Draw expected(seed, kernel), found(seed, kernel);
  conform(which, spec_f32(), plain, expected);
  conform(which, table, exec, found);
  return found.difference(expected);
}

template <class Kernel>
void check(const char* kernel, Kernel which) {
  for (const std::string& backend : available_backends()) {
    if (backend == "spec") continue;
    for (std::uint64_t seed = 0; seed < draws(); ++seed) {
      const std::string found = difference(*find_backend(backend), kernel, which, seed);
      CHECK_MESSAGE(found.empty(), std::string(kernel) << " of " << backend << ", seed " << seed << ": " << found);
      if (!found.empty()) break;
    }
  }
}

}  // namespace

TEST_CASE("there is a tuned backend to compare with spec") {
  CHECK(available_backends().size() >= 2);
  CHECK(find_backend("scalar") != nullptr);
}

TEST_CASE("unary kernels equal spec"){
#define LATHE_UNARY(name, Functor, saves, flops, onnx) \
  SUBCASE(#name) { check(#name, UnaryOp::k##Functor); }
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
}

#define LATHE_KERNEL(name, Args) \
  TEST_CASE(#name " equals spec") { check(#name, kernel::name{}); }
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL

TEST_CASE("the comparison sees a wrong bit, a write outside and a NaN for what they are") {
  Draw a(1, "x"), b(1, "x"), c(1, "x");
  float *x = a.floats(20, Values::kPlain), *y = b.floats(20, Values::kPlain), *z = c.floats(20, Values::kPlain);
  CHECK(a.difference(b).empty());
  x[3] = y[3] = __builtin_nanf("1");
  y[3] = -__builtin_nanf("2");
  CHECK(a.difference(b).empty());
  z[3] = 0.0f;
  CHECK_FALSE(a.difference(c).empty());
  y[7] = x[7] == 0 ? 1 : __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, x[7]) ^ 1u);
  CHECK_FALSE(a.difference(b).empty());
}

TEST_CASE("a kernel that adds in another order, or that forgets the last column, is caught") {
  Kernels<float> wrong = spec_f32();
  wrong.reduce_sum = [](Exec&, const ReduceSumArgs<float>& a) {
    for (Index o = 0; o < a.outer; ++o)
      for (Index i = 0; i < a.inner; ++i) {
        float s = a.accumulate ? a.y[o * a.inner + i] : 0.0f;
        for (Index k = 0; k < a.n; ++k) s += a.x[(o * a.n + k) * a.inner + i];
        a.y[o * a.inner + i] = s;
      }
  };
  wrong.softmax_bwd = [](Exec& exec, const SoftmaxBwdArgs<float>& a) {
    spec_f32().softmax_bwd(exec, a);
    if (a.rows > 0 && a.n > 0) a.dx[a.rows * a.n - 1] = 7.0f;
  };
  int sums = 0, gradients = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    sums += !difference(wrong, "reduce_sum", kernel::reduce_sum{}, seed).empty();
    gradients += !difference(wrong, "softmax_bwd", kernel::softmax_bwd{}, seed).empty();
  }
  CHECK(sums > 10);
  CHECK(gradients > 30);
}

}  // namespace lathe::test
