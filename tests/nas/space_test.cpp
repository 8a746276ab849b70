#include <cmath>
#include <limits>
#include <set>

#include "tests/nas/support.h"

using namespace lathe;
using namespace lathe::nas;
using nas::test::contains;
using nas::test::message_of;

TEST_CASE("space: values of each kind of parameter") {
  const Parameter steps{"s", IntegerRange{32, 100, 32}, ""};
  CHECK(steps.count() == 3u);
  CHECK(steps.at(2) == Value(96));
  CHECK(steps.index_of(64) == 1u);
  CHECK_FALSE(steps.index_of(65).has_value());
  CHECK_FALSE(steps.contains(128));
  const Parameter one{"one", IntegerRange{7, 7}, ""};
  CHECK(one.count() == 1u);
  const Parameter negative{"n", IntegerRange{-3, 3, 2}, ""};
  CHECK(negative.at(3) == Value(3));
  CHECK(negative.index_of(-1) == 1u);
  const Parameter dropout{"d", RealRange{0.05, 0.3, 0.05}, ""};
  CHECK(dropout.count() == 6u);
  CHECK(dropout.at(2).json() == "0.15");  // not 0.15000000000000002
  CHECK(dropout.at(5) == Value(0.3));
  for (std::uint64_t i = 0; i < 6; ++i) CHECK(dropout.index_of(dropout.at(i)) == i);
  const Parameter uneven{"u", RealRange{0, 1, 0.3}, ""};
  CHECK(uneven.count() == 4u);
  CHECK(uneven.at(3).json() == "0.9");
  const Parameter free{"f", RealRange{0, 1}, ""};
  CHECK_FALSE(free.count().has_value());
  CHECK(free.contains(0.123));
  CHECK_FALSE(free.contains(std::nan("")));
  const Parameter ordinal{"o", Ordinal{{"small", "large"}}, ""};
  CHECK(ordinal.index_of("large") == 1u);
  const Parameter wide{
      "w", IntegerRange{std::numeric_limits<std::int64_t>::min() / 2, std::numeric_limits<std::int64_t>::max() / 2}, ""};
  CHECK(wide.at(*wide.count() - 1) == Value(std::numeric_limits<std::int64_t>::max() / 2));
}

TEST_CASE("space: per-layer parameters, conditions, order") {
  const Space space = nas::test::small_space();
  CHECK(space.size() == 2 + 4 + 3);
  CHECK(space.parameter(2).name == "layers[0].heads");
  CHECK(space.parameter(5).when == "layers > 3");
  const Point p = space.point(
      {{"layers", 2}, {"hidden", 64}, {"layers[0].heads", 2}, {"layers[1].heads", 8}, {"lr", 0.001}, {"norm", "layer"}});
  CHECK(p.json() == R"({"layers":2,"hidden":64,"layers[0].heads":2,"layers[1].heads":8,"lr":0.001,"norm":"layer"})");
  CHECK(p.has("layers[1].heads"));
  CHECK_FALSE(p.has("layers[2].heads"));
  CHECK(p.integer("hidden") == 64);
  CHECK(p.real("hidden") == 64.0);
  CHECK(p.text("norm") == "layer");
  CHECK(space.valid(p));
  CHECK(contains(message_of([&] { (void)p.integer("layers[2].heads"); }), "inactive"));
  CHECK(contains(message_of([&] { (void)p.integer("hiden"); }), "did you mean `hidden`?"));
  CHECK(contains(message_of([&] { (void)p.integer("norm"); }), "parameter `norm` = \"layer\" is not an integer"));

  // Conditions may be declared before what they read; parameters are moved behind it, the rest keeps its order.
  const Space moved =
      SpaceBuilder().real("eps", 0, 1, {.when = "norm == 'rms'"}).integer("a", 1, 2).categorical("norm", {"layer", "rms"}).build();
  CHECK(moved.parameter(0).name == "a");
  CHECK(moved.parameter(1).name == "norm");
  CHECK(moved.parameter(2).name == "eps");

  // A condition over an inactive parameter does not hold.
  const Space chain =
      SpaceBuilder().integer("a", 0, 1).integer("b", 0, 1, {.when = "a == 1"}).integer("c", 0, 1, {.when = "b != 5"}).build();
  CHECK(chain.count().points == 1 + 2 * 2);
}

TEST_CASE("space: points from and to text") {
  const Space space = nas::test::small_space();
  for (std::uint32_t k = 0; k < 200; ++k) {
    const Point p = space.uniform(3, k, 0);
    CHECK(space.parse(p.json()) == p);
    CHECK(space.parse(p.json()).hash() == p.hash());
  }
  const Space odd = SpaceBuilder()
                        .categorical("t", {"plain", "with \"quotes\"\n\t\\ and \xE2\x82\xAC"})
                        .categorical("m", {true, 3, "x", 0.5})
                        .build();
  odd.enumerate([&](const Point& p) {
    CHECK(odd.parse(p.json()) == p);
    return true;
  });
  CHECK(odd.parse(R"( { "t" : "pl\u0061in" , "m" : 3 } )").text("t") == "plain");
  CHECK(contains(message_of([&] { odd.parse(R"({"t":"plain","m":4})"); }), "parameter `m` = 4 is outside of its range"));
  CHECK(contains(message_of([&] { odd.parse(R"({"t":"plain"})"); }), "parameter `m` has no value"));
  CHECK(contains(message_of([&] { odd.parse(R"({"t":"plain","n":4})"); }), "no parameter `n`"));
  CHECK(contains(message_of([&] { odd.parse(R"({"t":"plain","m":3,"m":3})"); }), "given twice"));
  for (const char* bad : {"", "{", "{}x", "[1]", "{\"t\"}", "{\"t\":}", "{\"t\":\"", "{\"t\":\"\\u12\"}",
                          "{\"t\":\"\\ud800\",\"m\":3}", "{\"t\":nul,\"m\":3}"})
    CHECK_THROWS_AS(odd.parse(bad), InputError);
  CHECK(contains(
      message_of([&] {
        space.point(
            {{"layers", 1}, {"layers[3].heads", 1}, {"hidden", 32}, {"layers[0].heads", 1}, {"lr", 0.001}, {"norm", "layer"}});
      }),
      "is inactive: `layers > 3` does not hold"));
  // A whole number given for a real parameter, and the reverse, take the parameter's type.
  const Space types = SpaceBuilder().integer("i", 0, 9).real("r", 0, 9).build();
  const Point p = types.point({{"i", 3.0}, {"r", 3}});
  CHECK(p.value(0)->integer() != nullptr);
  CHECK(p.value(1)->real() != nullptr);
  CHECK_THROWS_AS(types.point({{"i", 3.5}, {"r", 3}}), InputError);
}

TEST_CASE("space: counting agrees with enumeration") {
  const auto check = [](const Space& space) {
    std::uint64_t n = 0;
    std::set<std::string> seen;
    std::string last;
    space.enumerate([&](const Point& p) {
      ++n;
      CHECK(seen.insert(p.json()).second);
      return true;
    });
    CHECK(space.count().points == n);
    return n;
  };
  CHECK(check(Space()) == 1);
  CHECK(check(SpaceBuilder().integer("a", 1, 3).categorical("b", {"x", "y"}).build()) == 6);
  // layers 1…3, two choices a layer: 2 + 4 + 8
  CHECK(check(SpaceBuilder().integer("layers", 1, 3).categorical("layers[i].k", {1, 2}).build()) == 14);
  CHECK(check(SpaceBuilder()
                  .integer("layers", 0, 3)
                  .categorical("layers[i].k", {1, 2})
                  .integer("x", 1, 5, {.when = "layers > 1"})
                  .build()) == 1 + 2 + 5 * (4 + 8));
  CHECK(check(SpaceBuilder()
                  .integer("layers", 1, 3)
                  .categorical("layers[i].kind", {"attn", "conv"})
                  .integer("layers[i].width", 1, 3, {.when = "layers[i].kind == 'conv'"})
                  .build()) == 4 + 16 + 64);
  const Space huge = SpaceBuilder().integer("layers", 1, 12).integer("layers[i].w", 1, 100).build();
  CHECK(huge.count().saturated);
  CHECK(huge.count().text() == "more than 1.8e19");
  CHECK(SpaceBuilder().real("x", 0, 1).build().count().infinite);
  CHECK(SpaceBuilder().real("x", 0, 1).build().count().text() == "infinite");
  CHECK(SpaceBuilder().integer("a", 1, 2304).build().count().text() == "2,304");
  CHECK(SpaceBuilder().integer("a", 1, 1'249'999'999).build().count().text() == "1.2e9");
  CHECK(SpaceBuilder().integer("a", 1, 9'990'000).build().count().text() == "1.0e7");
  // A continuous parameter that can never be active does not make the space infinite.
  CHECK_FALSE(SpaceBuilder().integer("a", 1, 2).real("x", 0, 1, {.when = "a > 2"}).build().count().infinite);
  CHECK(contains(
      message_of([] { SpaceBuilder().integer("a", 1, 2).real("x", 0, 1).build().enumerate([](const Point&) { return true; }); }),
      "`x` is continuous"));
}

TEST_CASE("space: enumeration order, the last parameter varies fastest") {
  std::string all;
  SpaceBuilder()
      .integer("a", 1, 2)
      .integer("b", 1, 2, {.when = "a == 2"})
      .categorical("c", {"x", "y"})
      .build()
      .enumerate([&](const Point& p) {
        all += p.json();
        return true;
      });
  CHECK(all ==
        R"({"a":1,"c":"x"}{"a":1,"c":"y"}{"a":2,"b":1,"c":"x"}{"a":2,"b":1,"c":"y"}{"a":2,"b":2,"c":"x"}{"a":2,"b":2,"c":"y"})");
}

TEST_CASE("space: rules of layers") {
  const Space space = SpaceBuilder()
                          .integer("layers", 1, 3)
                          .integer("layers[i].w", 1, 3)
                          .rule("layers[i].w <= layers[i+1].w")
                          .rule("layers[i].w != 2")
                          .build();
  CHECK(space.rules().size() == 2 + 3);
  std::uint64_t valid = 0;
  space.enumerate([&](const Point& p) {
    valid += space.valid(p);
    return true;
  });
  CHECK(valid == 2 + 3 + 4);  // non-descending words of length 1, 2, 3 over {1, 3}
}

TEST_CASE("space: errors at construction") {
  const auto refusal = [](const SpaceBuilder& b) { return message_of([&] { b.build(); }); };
  CHECK(refusal(SpaceBuilder().integer("h", 256, 64)) == "parameter `h`: the range from 256 to 64 is empty");
  CHECK(contains(refusal(SpaceBuilder().integer("h", 1, 9, {.step = 0})), "the step is 0"));
  CHECK(contains(refusal(SpaceBuilder().integer("h", 0, 9, {.log = true})), "must begin at 1 or above"));
  CHECK(contains(refusal(SpaceBuilder().integer("h", 1, 9, {.step = 2, .log = true})), "takes no step"));
  CHECK(contains(
      refusal(SpaceBuilder().integer("h", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max())),
      "too large"));
  CHECK(contains(refusal(SpaceBuilder().real("x", 1, 0)), "is empty"));
  CHECK(contains(refusal(SpaceBuilder().real("x", 0, 1, {.log = true})), "above 0"));
  CHECK(contains(refusal(SpaceBuilder().real("x", 0, 1, {.step = -0.1})), "the step is -0.1"));
  CHECK(contains(refusal(SpaceBuilder().real("x", 0, std::numeric_limits<double>::infinity())), "must be finite"));
  CHECK(contains(refusal(SpaceBuilder().real("x", std::nan(""), 1)), "must be finite"));
  CHECK(contains(refusal(SpaceBuilder().real("x", 0, 1, {.step = 1e-300})), "too small"));
  CHECK(contains(refusal(SpaceBuilder().categorical("c", {})), "there are no choices"));
  CHECK(contains(refusal(SpaceBuilder().categorical("c", {1, "1", 1.0})), "the choice 1 occurs twice"));
  CHECK(contains(refusal(SpaceBuilder().integer("a", 1, 2).integer("a", 1, 2)), "the name is used twice"));
  for (const char* name : {"", "1a", "a b", "a..b", "a.", ".a", "a[i", "a[0]", "[i].a", "a[i].b[i]", "not", "a-b"})
    CHECK(contains(refusal(SpaceBuilder().integer(name, 1, 2)), "a name is letters"));
  CHECK(contains(refusal(SpaceBuilder().integer("layers", 1, 2).integer("layer[i].x", 1, 2)),
                 "no parameter `layer` to count the layers; did you mean `layers`?"));
  CHECK(contains(refusal(SpaceBuilder().categorical("layers", {"a"}).integer("layers[i].x", 1, 2)), "must count layers"));
  CHECK(contains(refusal(SpaceBuilder().integer("layers", 1, 100'000).integer("layers[i].x", 1, 2)), "more than 10000"));
  CHECK(refusal(SpaceBuilder().categorical("norm", {"a", "b"}).integer("x", 1, 2, {.when = "nrom == 'a'"})) ==
        "parameter `x`: condition: rule `nrom == 'a'`, column 1: no parameter `nrom`; did you mean `norm`?");
  CHECK(
      contains(refusal(SpaceBuilder().integer("a", 1, 2, {.when = "b > 1"}).integer("b", 1, 2, {.when = "a > 1"})), "in a circle"));
  CHECK(contains(refusal(SpaceBuilder().integer("a", 1, 2, {.when = "a > 1"})), "in a circle"));
  CHECK(contains(refusal(SpaceBuilder().integer("a", 1, 2).integer("x", 1, 2, {.when = "a[i].b > 1"})), "is not one per layer"));
  CHECK(contains(refusal(SpaceBuilder().integer("layers", 1, 2).integer("layers[i].heads", 1, 2).rule("layers[i].hads > 1")),
                 "column 1: no parameter `layers[i].hads`; did you mean `layers[i].heads`?"));
  CHECK(refusal(SpaceBuilder().integer("a", 1, 3).integer("b", 1, 2).rule("a > 0").rule("a * b > 6")) ==
        "the space has no valid point: rule `a * b > 6` forbids 6 of 6");
  CHECK(contains(refusal(SpaceBuilder().real("a", 0, 1).rule("a > 2")),
                 "no valid point among 10000 random ones: rule `a > 2` forbids 10000 of 10000"));
  // One valid point in 250,000: found although random draws miss it.
  CHECK_NOTHROW(SpaceBuilder().integer("a", 1, 500).integer("b", 1, 500).rule("a == 417 and b == 3").build());
}

TEST_CASE("space: JSON for the header") {
  const Space space = SpaceBuilder()
                          .integer("l", 1, 2)
                          .real("l[i].x", 0.5, 1, {.step = 0.25})
                          .ordinal("o", {"s", "m"}, {.when = "l == 2"})
                          .rule("l > 0")
                          .build();
  CHECK(space.json() == R"({"parameters":[{"name":"l","kind":"integer","low":1,"high":2,"step":1,"log":false},)"
                        R"({"name":"l[0].x","kind":"real","low":0.5,"high":1,"step":0.25,"log":false,"when":"l > 0"},)"
                        R"({"name":"l[1].x","kind":"real","low":0.5,"high":1,"step":0.25,"log":false,"when":"l > 1"},)"
                        R"({"name":"o","kind":"ordinal","choices":["s","m"],"when":"l == 2"}],"rules":["l > 0"]})");
}
