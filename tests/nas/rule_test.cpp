#include <cmath>

#include "tests/nas/support.h"

using namespace lathe;
using namespace lathe::nas;
using nas::test::contains;
using nas::test::message_of;

namespace {

const std::vector<RuleName> kNames = {{"hidden", RuleType::number}, {"heads", RuleType::number},
                                      {"norm", RuleType::text},     {"tied", RuleType::flag},
                                      {"mix", RuleType::mixed},     {"layers[0].heads", RuleType::number}};

std::optional<bool> holds(std::string_view text, std::vector<std::optional<Value>> values = {96, 8, "rms", true, 3, 4}) {
  return Rule(text, kNames).holds(values);
}

std::string refusal(std::string_view text) {
  return message_of([&] { Rule(text, kNames); });
}

}  // namespace

TEST_CASE("rules: arithmetic and precedence") {
  CHECK(holds("hidden % heads == 0") == true);
  CHECK(holds("hidden % 7 == 5") == true);
  CHECK(holds("1 + 2 * 3 == 7") == true);
  CHECK(holds("(1 + 2) * 3 == 9") == true);
  CHECK(holds("8 - 4 - 2 == 2") == true);
  CHECK(holds("16 / 4 / 2 == 2") == true);
  CHECK(holds("7 / 2 == 3.5") == true);
  CHECK(holds("-hidden + 100 == 4") == true);
  CHECK(holds("2 * -3 == -6") == true);
  CHECK(holds("-7 % 3 == -1") == true);
  CHECK(holds("1e-3 * 1000 == 1") == true);
  CHECK(holds("hidden/heads>=12") == true);
  CHECK(holds("layers[0].heads == 4") == true);
}

TEST_CASE("rules: logic, texts, membership") {
  CHECK(holds("not tied or heads > 4 and hidden < 100") == true);
  CHECK(holds("tied and not (heads == 8)") == false);
  CHECK(holds("! tied || heads > 4 && hidden < 100") == true);
  CHECK(holds("false or true and false") == false);
  CHECK(holds("norm == 'rms'") == true);
  CHECK(holds("norm != \"rms\"") == false);
  CHECK(holds("norm in ['layer', 'rms']") == true);
  CHECK(holds("heads in[1,2,4]") == false);
  CHECK(holds("not heads in [1, 2]") == true);
  CHECK(holds("tied == (heads == 8)") == true);
  CHECK(holds("mix == 3 or mix == 'three'") == true);
}

TEST_CASE("rules: what is not a number") {
  CHECK(holds("hidden % 0 == 0") == false);
  CHECK(holds("hidden / 0 > 1") == false);
  CHECK(holds("hidden / 0 != 1") == true);
  CHECK(holds("7.5 % 2 == 1.5") == false);
  CHECK(holds("1e300 % 3 == 0") == false);
}

TEST_CASE("rules: inactive parameters") {
  CHECK(holds("hidden % heads == 0", {96, std::nullopt, "rms", true, 3, 4}) == std::nullopt);
  CHECK(holds("tied or heads == 3", {96, std::nullopt, "rms", true, 3, 4}) == std::nullopt);
  CHECK(holds("hidden > 3", {96, std::nullopt, std::nullopt, std::nullopt, std::nullopt, std::nullopt}) == true);
}

TEST_CASE("rules: messages name place and expectation") {
  CHECK(refusal("hiden % heads == 0") == "rule `hiden % heads == 0`, column 1: no parameter `hiden`; did you mean `hidden`?");
  CHECK(refusal("hidden %% heads == 0") ==
        "rule `hidden %% heads == 0`, column 9: expected a number, a text, a parameter or `(`, got `%`");
  CHECK(contains(refusal("hidden % heads"), "column 1: the rule must be true or false, but is a number"));
  CHECK(contains(refusal("hidden = 3"), "column 8: expected `==`, got `=`"));
  CHECK(contains(refusal("1 < hidden < 4"), "column 12: comparisons do not chain"));
  CHECK(contains(refusal("norm == 3"), "column 9: `==` compares a text with a number"));
  CHECK(contains(refusal("norm < 'rms'"), "column 1: the left side of `<` must be a number, but is a text"));
  CHECK(contains(refusal("tied and hidden"), "column 10: the right side of `and` must be true or false"));
  CHECK(contains(refusal("(hidden > 3"), "column 12: expected `)`, got the end"));
  CHECK(contains(refusal("hidden > 3 heads"), "column 12: expected an operator, got `heads`"));
  CHECK(contains(refusal("norm == 'rms"), "column 9: the text has no closing quote"));
  CHECK(contains(refusal("hidden > 3x"), "column 10: `3x` is not a number"));
  CHECK(contains(refusal("hidden # 3"), "column 8: unexpected character `#`"));
  CHECK(contains(refusal("heads in 3"), "column 10: expected `[` after `in`, got `3`"));
  CHECK(contains(refusal("heads in [1, 'x']"), "column 14: `in` compares a number with a text"));
  CHECK(contains(refusal("layers[0.heads == 1"), "column 7: expected `]` after the index"));
  CHECK(contains(refusal(""), "column 1: expected a number, a text, a parameter or `(`, got the end"));
  CHECK(contains(refusal("and"), "column 1: expected a number"));
  CHECK(contains(refusal(std::string(500, '(') + "true"), "nested too deeply"));
  CHECK(contains(refusal(std::string(500, '!') + "true"), "nested too deeply"));
}

TEST_CASE("rules: layers") {
  CHECK(at_layer("hidden % layers[i].heads == 0", 3) == "hidden % layers[3].heads == 0");
  CHECK(at_layer("layers[i].heads <= layers[ i + 1 ].heads", 3) == "layers[3].heads <= layers[4].heads");
  CHECK(at_layer("hidden > layers[0].heads", 3) == std::nullopt);
  CHECK(at_layer("norm == 'layers[i].x'", 3) == std::nullopt);
  std::int64_t low = 0, high = 0;
  CHECK(at_layer("a[i-1].x < a[i].x", 0, &low, &high) == "a[-1].x < a[0].x");
  CHECK(low == -1);
  CHECK(high == 0);
  CHECK(contains(message_of([] { at_layer("a[j].x > 1", 0); }), "column 3: expected a layer number, `i`, `i+1` or `i-1`, got `j`"));
}
