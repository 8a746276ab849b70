// Random streams: known answers, independence of how they are read, and the distributions.
#include <doctest/doctest.h>
#include <lathe/base/random.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lathe::test {

TEST_CASE("Philox4x32-10 gives Random123's known answers") {
  using Block = std::array<std::uint32_t, 4>;
  CHECK(philox({0, 0}, {0, 0, 0, 0}) == Block{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
  CHECK(philox({~0u, ~0u}, {~0u, ~0u, ~0u, ~0u}) == Block{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
  CHECK(philox({0xa4093822u, 0x299f31d0u}, {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}) ==
        Block{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});
}

TEST_CASE("a key is the first eight bytes of a SHA-256") {
  // hashlib.sha256((7).to_bytes(8, "little") + (3).to_bytes(8, "little") + b"init:layer.weight")
  CHECK(random_key(7, 3, "init:layer.weight") == RandomKey{0xc2a5ab40u, 0x5ff43543u});
  CHECK_FALSE(random_key(7, 3, "init:layer.bias") == random_key(7, 3, "init:layer.weight"));
  CHECK_FALSE(random_key(3, 7, "x") == random_key(7, 3, "x"));
}

TEST_CASE("a stream is its blocks in order") {
  const RandomKey key = random_key(1, 2, "shuffle");
  Random random(key, 5, 6, 7);
  for (std::uint32_t block = 0; block < 3; ++block)
    for (const std::uint32_t word : philox(key, {block, 5, 6, 7})) CHECK(random.next() == word);
}

TEST_CASE("uniform, below and normal have the right moments and never leave their range") {
  Random random(random_key(1, 0, "moments"));
  constexpr int n = 200000;
  double sum = 0, squares = 0, fourth = 0, uniform = 0;
  int counts[7] = {};
  for (int i = 0; i < n; ++i) {
    const double z = random.normal(), u = random.uniform();
    CHECK_UNARY(std::isfinite(z) && u >= 0 && u < 1);
    sum += z, squares += z * z, fourth += z * z * z * z, uniform += u;
    ++counts[random.below(7)];
  }
  CHECK(std::fabs(sum / n) < 0.01);
  CHECK(std::fabs(squares / n - 1) < 0.02);
  CHECK(std::fabs(fourth / n - 3) < 0.15);
  CHECK(std::fabs(uniform / n - 0.5) < 0.005);
  for (const int count : counts) CHECK(std::abs(count - n / 7) < 700);
  CHECK(random.below(1) == 0);
  for (int i = 0; i < 100; ++i) CHECK(random.below(0xffffffffu) < 0xffffffffu);
}

TEST_CASE("shuffle permutes, and again the same way") {
  std::vector<int> a(50), b;
  std::iota(a.begin(), a.end(), 0);
  b = a;
  const std::vector<int> sorted = a;
  Random first(random_key(1, 0, "shuffle")), second(random_key(1, 0, "shuffle"));
  first.shuffle(a);
  second.shuffle(b);
  CHECK(a == b);
  CHECK(a != sorted);
  std::sort(a.begin(), a.end());
  CHECK(a == sorted);
  std::vector<int> none, one{4};
  first.shuffle(none);
  first.shuffle(one);
  CHECK(none.empty());
  CHECK(one == std::vector<int>{4});
}

}  // namespace lathe::test
