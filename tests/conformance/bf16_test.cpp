// The products of bf16: the instruction, each emulation and bf16-spec give the same bits, and those are what the rule says.
#include <doctest/doctest.h>
#include <lathe/base/text.h>
#include <lathe/tensor/backend.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/conformance/cases.h"

namespace lathe::test {
namespace {

template <class Kernel>
void check(const char* kernel, Kernel which) {
  const FloatingPointScope scope;
  const Kernels<float>& reference = *find_backend("bf16-spec");
  for (const std::string& backend : bf16_backends()) {
    if (backend == "bf16-spec") continue;
    for (std::uint64_t seed = 0; seed < 120; ++seed) {
      const auto draw = [&] { return seed % 4 == 3 ? Draw(seed, kernel, Values::kTiny) : Draw(seed, kernel); };
      Exec plain(1), exec(1 + static_cast<int>(seed % 3));
      Draw expected = draw(), found = draw();
      conform(which, reference, plain, expected);
      conform(which, *find_backend(backend), exec, found);
      const std::string difference = found.difference(expected);
      CHECK_MESSAGE(difference.empty(), std::string(kernel) << " of " << backend << ", seed " << seed << ": " << difference);
      if (!difference.empty()) break;
    }
  }
}

/// c[0] = start + a · b by matmul with C0 = 0 or `start`; every backend has the same answer, or the test fails.
float dot(const std::vector<float>& a, const std::vector<float>& b, const float* start = nullptr) {
  const FloatingPointScope scope;
  Exec exec(1);
  const auto k = static_cast<Index>(a.size());
  float first = 0;
  for (const std::string& backend : bf16_backends()) {
    float c = start ? *start : 7.0f;
    find_backend(backend)->matmul(exec, {1, 1, 1, k, a.data(), k, 1, 0, b.data(), 1, 1, 0, &c, 1, 1, start != nullptr});
    if (backend == bf16_backends().front()) first = c;
    CHECK_MESSAGE((std::bit_cast<std::uint32_t>(c) == std::bit_cast<std::uint32_t>(first) || (c != c && first != first)), backend);
  }
  return first;
}

float from(std::uint32_t word) { return std::bit_cast<float>(word); }
std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

/// The nearest of the numbers with 8 significant bits, by distances in double; a tie goes to the even one.
float nearest_bf16(float x) {
  const float below = from(bits(x) & 0xffff0000u), above = from((bits(x) & 0xffff0000u) + 0x10000u);
  const double down = std::abs(static_cast<double>(x) - static_cast<double>(below));
  // The neighbour of the largest number counts as 2¹²⁸.
  const double up =
      std::abs((std::isinf(above) ? std::copysign(0x1p128, above) : static_cast<double>(above)) - static_cast<double>(x));
  return down < up || (down == up && (bits(below) & 0x10000u) == 0) ? below : above;
}

TEST_CASE("bf16: there is an instruction or emulation to compare with its meaning") {
  const std::vector<std::string> names = bf16_backends();
  REQUIRE(names.size() >= 2);
  CHECK(names.back() == "bf16-spec");
  CHECK(find_backend("bf16") == find_backend(names.front()));
  for (const std::string& name : names) CHECK(find_backend(name)->name == name);
  if (!find_backend("bf16-avx512bf16")) MESSAGE("SKIPPED: no AVX512_BF16 here; the emulations alone are compared");
}

TEST_CASE("bf16: products equal its meaning bit for bit") {
  SUBCASE("matmul") { check("matmul", kernel::matmul{}); }
  SUBCASE("linear_fwd") { check("linear_fwd", kernel::linear_fwd{}); }
  SUBCASE("linear_bwd_input") { check("linear_bwd_input", kernel::linear_bwd_input{}); }
  SUBCASE("linear_bwd_weight") { check("linear_bwd_weight", kernel::linear_bwd_weight{}); }
  SUBCASE("pack_weight") { check("pack_weight", kernel::pack_weight{}); }
}

TEST_CASE("bf16: operands are rounded to nearest even, subnormals to zero, NaN stays NaN") {
  for (std::uint32_t high = 0; high < 0x10000u; high += 61)
    for (const std::uint32_t low : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const float x = from(high << 16 | low), product = dot({x}, {1.0f});
      CAPTURE(x);
      if (std::isnan(x))
        CHECK(std::isnan(product));
      else if (std::isinf(x))
        CHECK(product == x);
      else  // dot adds +0, so −0 is lost
        CHECK(bits(product) == bits(std::abs(x) < 0x1p-126f ? 0.0f : nearest_bf16(x) + 0.0f));
    }
}

TEST_CASE("bf16: a chain ascends, each step rounds once, and chunks of 256 are added in f32") {
  CHECK(dot({0x1p24f, 1, -0x1p24f}, {1, 1, 1}) == 0);  // 1 is lost in 2²⁴
  CHECK(dot({0x1p24f, -0x1p24f, 1}, {1, 1, 1}) == 1);  // a pair that cancels, then the odd one
  CHECK(dot({1, 0x1p24f, -0x1p24f}, {1, 1, 1}) == 0);
  CHECK(dot({0x1p12f, 1, -0x1p12f}, {0x1p12f, 0.75f, 0x1p12f}) == 0);
  CHECK(dot({0x1p23f, 0.75f, -0x1p23f}, {1, 1, 1}) == 1);  // products and sums keep 24 bits, not 8
  std::vector<float> ones(300, 1.0f), a(300, 1.0f);
  a[0] = 0x1p24f;  // the 255 ones behind it in the chunk are lost, the 44 of the next one are not
  CHECK(dot(a, ones) == 0x1p24f + 44);
  CHECK(dot({}, {}) == 0);
  const float start = -0.0f;
  CHECK(bits(dot({}, {}, &start)) == bits(-0.0f));
}

TEST_CASE("bf16: results below the smallest normal number are zero, judged as the instruction does") {
  // 2⁻¹²⁶ − f·2⁻¹⁵¹: rounded to 24 bits of any exponent, up to f = 1 it is 2⁻¹²⁶, beyond it is less.
  for (const float f : {0.25f, 0.5f, 1.0f}) CHECK(dot({0x1p-63f, f * 0x1p-75f}, {0x1p-63f, -0x1p-76f}) == 0x1p-126f);
  for (const float f : {1.25f, 1.5f, 1.9921875f, 2.0f, 3.0f})
    CHECK(bits(dot({0x1p-63f, f * 0x1p-75f}, {0x1p-63f, -0x1p-76f})) == 0);
  CHECK(dot({0x1p-63f, 1}, {0x1p-64f, 1}) == 1);
  CHECK(bits(dot({0x1p-64f}, {0x1p-63f})) == 0);
  CHECK(dot({0x1p-100f, 0x1p-100f}, {0x1p-50f, 1}) == 0x1p-100f);
  CHECK(dot({0x1p120f, 0x1p120f}, {0x1p7f, 0x1p7f}) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(dot({std::numeric_limits<float>::infinity()}, {0.0f})));
  const float start = 0x1p-130f;  // the sum of the chunks is f32 as ever
  CHECK(dot({0.0f}, {0.0f}, &start) == 0x1p-130f);
}

}  // namespace
}  // namespace lathe::test
