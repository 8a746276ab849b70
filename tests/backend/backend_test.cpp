#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/tensor/backend.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace lathe {
namespace {

TEST_CASE("every available backend is found by its name and has every kernel") {
  const std::vector<std::string> names = available_backends();
  REQUIRE(names.size() >= 2);
  CHECK(names.back() == "spec");
  CHECK(std::count(names.begin(), names.end(), "scalar") == 1);
  for (const std::string& name : names) {
    CAPTURE(name);
    const Kernels<float>* table = find_backend(name);
    REQUIRE(table != nullptr);
    CHECK(table->name == name);
    for (const auto kernel : table->unary) CHECK((kernel != nullptr));
    CHECK((table->packed_weight_size != nullptr));
#define LATHE_KERNEL(kernel, Args) CHECK((table->kernel != nullptr));
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL
  }
}

TEST_CASE("names that are not a backend give nothing") {
  CHECK(find_backend("") == nullptr);
  CHECK(find_backend("avx") == nullptr);
  CHECK(find_backend("AVX512") == nullptr);
  CHECK(find_backend("spec ") == nullptr);
}

TEST_CASE("the best backend is the first available one, unless the environment names another") {
  const char* forced = std::getenv("LATHE_BACKEND");
  if (forced && *forced && !find_backend(forced)) {
    try {
      best_backend();
      FAIL("an unknown backend was accepted");
    } catch (const InputError& e) {
      const std::string message = e.what();
      CAPTURE(message);
      CHECK(message.find(forced) != std::string::npos);
      CHECK(message.find("did you mean 'scalar'?") != std::string::npos);
    }
    return;
  }
  CHECK(best_backend().name == (forced && *forced ? std::string(forced) : available_backends().front()));
  CHECK(&best_backend() == &best_backend());
}

float bits(std::uint32_t word) {
  float f;
  std::memcpy(&f, &word, sizeof f);
  return f;
}

TEST_CASE("a host's flush-to-zero and rounding mode do not reach a computation, and are given back") {
  const float smallest = bits(1), half = 0.5f;
  volatile float tiny = bits(8);
#if defined(__x86_64__)
  unsigned before = 0, after = 0, inside = 0;
  const unsigned host = 0x1F80u | 0x8040u | 0x6000u;  // flush to zero, denormals are zero, round towards zero
  asm volatile("stmxcsr %0" : "=m"(before));
  asm volatile("ldmxcsr %0" ::"m"(host));
  CHECK(tiny * half == 0.0f);
  {
    const FloatingPointScope scope;
    asm volatile("stmxcsr %0" : "=m"(inside));
    volatile float product = tiny * half;
    CHECK(product == 4 * smallest);
    volatile float third = 2.0f;
    third = third / 3.0f;
    CHECK(third == bits(0x3f2aaaabu));  // rounded up to nearest
  }
  asm volatile("stmxcsr %0" : "=m"(after));
  asm volatile("ldmxcsr %0" ::"m"(before));
  CHECK((inside & 0xffc0u) == 0x1F80u);
  CHECK((after & 0xffc0u) == host);
#else
  const FloatingPointScope scope;
  CHECK(tiny * half == 4 * smallest);
#endif
}

}  // namespace
}  // namespace lathe
