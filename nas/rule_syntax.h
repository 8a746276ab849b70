// Private to rule.cpp and rule_lexer.cpp: the words of the rule language and the tree that the parser makes of them.
#pragma once
#include <lathe/nas/rule.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nas {

struct Rule::Node {
  enum class Op {
    constant,
    name,
    negate,
    invert,
    add,
    subtract,
    multiply,
    divide,
    remainder,
    equal,
    unequal,
    less,
    less_equal,
    greater,
    greater_equal,
    logic_and,
    logic_or,
    one_of
  };
  Op op = Op::constant;
  RuleType type = RuleType::number;
  std::optional<Value> value;  // constant
  std::size_t index = 0;       // name
  std::vector<std::shared_ptr<const Node>> operands;
};

namespace detail {

struct Token {
  enum class Kind { number, text, name, symbol, end };
  Kind kind = Kind::end;
  std::string text;  // name, symbol or the content of a quoted text
  double number = 0;
  std::size_t at = 0;  // offset in the rule
};

/// "rule `…`, column 9: <message>"
[[noreturn]] void rule_error(std::string_view rule, std::size_t at, const std::string& message);
std::vector<Token> rule_tokens(std::string_view rule);

using NameLookup = std::function<std::pair<std::size_t, RuleType>(const std::string& name, std::size_t at)>;
std::shared_ptr<const Rule::Node> parse_rule(std::string_view rule, const NameLookup& lookup);

}  // namespace detail
}  // namespace lathe::nas
