// Every kernel of every backend of this machine equals spec bit for bit, on random arguments, for any number of threads.
#include <doctest/doctest.h>
#include <lathe/base/text.h>
#include <lathe/tensor/backend.h>
#include <lathe/tensor/spec/spec.h>

#include <cstdlib>
#include <cstring>

#include "tests/conformance/cases.h"

namespace lathe::test {
namespace {

/// Draws a kernel; LATHE_CONFORMANCE_DRAWS asks for more than the quick default.
std::uint64_t draws() {
  const char* wish = std::getenv("LATHE_CONFORMANCE_DRAWS");
  return wish ? static_cast<std::uint64_t>(std::atoll(wish)) : 60;
}

template <class Kernel>
void check(const char* kernel, std::uint64_t number, Kernel which) {
  for (std::uint64_t seed = 0; seed < draws(); ++seed) {
    const FloatingPointScope scope;
    Exec plain(1);
    Draw expected(seed, number);
    conform(which, spec_f32(), plain, expected);
    for (const std::string& backend : available_backends()) {
      if (backend == "spec") continue;
      Exec exec(seed % 3 == 0 ? 3 : 1);
      Draw found(seed, number);
      conform(which, *find_backend(backend), exec, found);
      const std::string difference = found.difference(expected);
      CHECK_MESSAGE(difference.empty(), kernel << " of " << backend << ", seed " << seed << ": " << difference);
      if (!difference.empty()) return;
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
  SUBCASE(#name) { check(#name, 1000 + static_cast<std::uint64_t>(UnaryOp::k##Functor), UnaryOp::k##Functor); }
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
}

#define LATHE_KERNEL(name, Args) \
  TEST_CASE(#name " equals spec") { check(#name, std::strlen(#name), kernel::name{}); }
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL

TEST_CASE("the comparison sees a wrong bit, a write outside and a NaN for what they are") {
  Draw a(1, 2), b(1, 2), c(1, 2);
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

}  // namespace lathe::test
