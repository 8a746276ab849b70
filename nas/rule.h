// Validity rules and conditions: small expressions over the parameters of a space.
//
//   hidden % heads == 0          norm == 'rms' or layers > 2          not tied and lr * 4 < 1          act in ['relu', 'silu']
//
//   or  (||)  <  and  (&&)  <  not  (!)  <  == != < <= > >= in  <  + -  <  * / %  <  unary -  <  ( ), numbers, 'text', "text",
//   true, false, names
//
// Numbers are doubles, `/` is real division, `%` is the remainder of whole numbers with the sign of the left side. x / 0,
// x % 0 and % of numbers that are not whole are not numbers: comparing with them gives false, and true for !=. A name may carry an
// index, `layers[0].heads`; in rules of per-layer choices the index is `i`, `i+1` or `i-1`, and the rule holds for every layer
// (Space does the expansion).
#pragma once
#include <lathe/nas/value.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nas {

/// What is known of a name while an expression is checked.
enum class RuleType { number, flag, text, mixed };
struct RuleName {
  std::string name;
  RuleType type = RuleType::number;
};

/// A parsed and checked expression.
class Rule {
 public:
  /// `names[k]` is the parameter with index k. InputError "rule `…`, column 9: expected …, got …": syntax, unknown names
  /// (with the nearest one), operands of the wrong type, a result that is not true or false.
  Rule(std::string_view text, std::span<const RuleName> names);

  const std::string& text() const { return text_; }
  /// Indices of the parameters it reads, ascending.
  const std::vector<std::size_t>& uses() const { return uses_; }
  /// Its truth, or nothing if a parameter that it reads is inactive.
  std::optional<bool> holds(std::span<const std::optional<Value>> values) const;

  struct Node;  ///< defined in rule.cpp

 private:
  std::string text_;
  std::vector<std::size_t> uses_;
  std::shared_ptr<const Node> root_;
};

/// The names that a rule mentions, in order of first mention, without checking them; InputError on bad syntax.
std::vector<std::string> rule_names(std::string_view text);
/// `text` with every index `[i]`, `[i+1]`, `[i-1]` replaced by its number at layer i; nothing if `text` has no such index.
/// `lowest` and `highest` receive the smallest and the largest number put in.
std::optional<std::string> at_layer(std::string_view text, std::int64_t layer, std::int64_t* lowest = nullptr,
                                    std::int64_t* highest = nullptr);

}  // namespace lathe::nas
