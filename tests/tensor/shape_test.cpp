#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/tensor/offsets.h>
#include <lathe/tensor/shape.h>

#include <string>
#include <vector>

#include "tests/support/message.h"

using namespace lathe;
using lathe::test::message_of;

TEST_CASE("a shape holds up to six sizes and knows its number of elements") {
  CHECK(Shape{}.dims() == 0);
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{2, 3, 4}.numel() == 24);
  CHECK(Shape{2, 0, 4}.numel() == 0);
  CHECK(Shape{1, 2, 3, 4, 5, 6}.numel() == 720);
  CHECK(Shape{3, 4}.text() == "[3, 4]");
  CHECK(Shape{3, 4} == Shape{3, 4});
  CHECK_FALSE(Shape{3, 4} == Shape{3, 4, 1});
  CHECK(Shape{3, 4}.inserted(0, 7) == Shape{7, 3, 4});
  CHECK(Shape{3, 4}.inserted(2, 7) == Shape{3, 4, 7});
  CHECK(Shape{3, 4, 5}.without(1) == Shape{3, 5});
  CHECK(Shape{3, 4, 5}.with(1, 9) == Shape{3, 9, 5});
}

TEST_CASE("impossible shapes are refused") {
  CHECK(message_of<InputError>([] { Shape{1, 1, 1, 1, 1, 1, 1}; }) == "[shape] expected at most 6 dimensions, got 7");
  CHECK(message_of<InputError>([] { Shape{2, -3}; }) == "[shape] expected sizes of at least 0, got -3");
  CHECK_THROWS_AS((Shape{Index{1} << 40, Index{1} << 40}), InputError);
  CHECK_THROWS_AS((Shape{0, Index{1} << 40, Index{1} << 40}), InputError);  // strides would overflow though nothing is stored
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1}.inserted(0, 1)), InputError);
}

TEST_CASE("broadcasting matches from the right") {
  CHECK(broadcast_shape("add", {2, 3}, {3}) == Shape{2, 3});
  CHECK(broadcast_shape("add", {2, 1, 4}, {3, 1}) == Shape{2, 3, 4});
  CHECK(broadcast_shape("add", {}, {5}) == Shape{5});
  CHECK(broadcast_shape("add", {0, 3}, {1, 3}) == Shape{0, 3});
  CHECK(message_of<InputError>([] {
          broadcast_shape("mul", {2, 3}, {2});
        }) == "[mul] expected shapes that match from the right or are 1, got [2, 3] and [2]");
}

TEST_CASE("dimensions count from either end") {
  CHECK(normal_dim("sum", -1, 3) == 2);
  CHECK(normal_dim("sum", 0, 3) == 0);
  CHECK(message_of<InputError>([] { normal_dim("sum", 3, 3); }) == "[sum] expected a dimension of a 3-dimensional tensor, got 3");
  CHECK_THROWS_AS(normal_dim("sum", -4, 3), InputError);
  CHECK_THROWS_AS(normal_dim("sum", 0, 0), InputError);
}

TEST_CASE("offsets describe packed sequences") {
  const Offsets none;
  CHECK(none.sequences() == 0);
  CHECK(none.tokens() == 0);
  CHECK(none.max_length() == 0);
  const std::vector<std::int32_t> lengths{3, 0, 5};
  const Offsets some = Offsets::from_lengths(lengths);
  CHECK(some.vector() == std::vector<std::int32_t>{0, 3, 3, 8});
  CHECK(some.max_length() == 5);
  CHECK(some.length(1) == 0);
  CHECK(some == Offsets({0, 3, 3, 8}));
  CHECK_THROWS_AS(Offsets(std::vector<std::int32_t>{}), InputError);
  CHECK_THROWS_AS(Offsets({1, 2}), InputError);
  CHECK(message_of<InputError>([] { Offsets({0, 5, 4}); }) == "[offsets] expected offsets that never descend, got 5 before 4");
  const std::vector<std::int32_t> negative{2, -1}, huge{2147483647, 1};
  CHECK_THROWS_AS(Offsets::from_lengths(negative), InputError);
  CHECK_THROWS_AS(Offsets::from_lengths(huge), InputError);
}
