#include <lathe/nas/rule.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/rule_syntax.h>

#include <cmath>
#include <limits>

namespace lathe::nas {
namespace detail {
namespace {

using Node = Rule::Node;
using NodePtr = std::shared_ptr<const Node>;
using Op = Node::Op;

const char* type_name(RuleType type) {
  switch (type) {
    case RuleType::number:
      return "a number";
    case RuleType::flag:
      return "true or false";
    case RuleType::text:
      return "a text";
    case RuleType::mixed:
      return "a mixed value";
  }
  return "";
}

NodePtr make(Op op, RuleType type, std::vector<NodePtr> operands) {
  auto node = std::make_shared<Node>();
  node->op = op;
  node->type = type;
  node->operands = std::move(operands);
  return node;
}

// Recursive descent; one function a precedence level.
class Parser {
 public:
  Parser(std::string_view rule, const NameLookup& lookup) : rule_(rule), lookup_(lookup), tokens_(rule_tokens(rule)) {}

  NodePtr run() {
    const NodePtr root = disjunction();
    if (peek().kind != Token::Kind::end) fail(str("expected an operator, got ", shown(peek())));
    expect(root, RuleType::flag, 0, "the rule");
    return root;
  }

 private:
  const Token& peek() const { return tokens_[at_]; }
  bool is(std::string_view word) const {
    return (peek().kind == Token::Kind::symbol || peek().kind == Token::Kind::name) && peek().text == word;
  }
  bool take(std::string_view word) {
    if (!is(word)) return false;
    ++at_;
    return true;
  }
  [[noreturn]] void fail(const std::string& message) const { rule_error(rule_, peek().at, message); }
  static std::string shown(const Token& token) {
    if (token.kind == Token::Kind::end) return "the end";
    return str("`", token.text, "`");
  }
  void expect(const NodePtr& node, RuleType type, std::size_t at, const std::string& what) const {
    if (node->type != type && node->type != RuleType::mixed)
      rule_error(rule_, at, str(what, " must be ", type_name(type), ", but is ", type_name(node->type)));
  }

  NodePtr logic(Op op, std::string_view word, std::string_view sign, NodePtr (Parser::*next)()) {
    const std::size_t start = peek().at;
    NodePtr left = (this->*next)();
    while (is(word) || is(sign)) {
      const std::string name(word);
      ++at_;
      expect(left, RuleType::flag, start, str("the left side of `", name, "`"));
      const std::size_t right_at = peek().at;
      NodePtr right = (this->*next)();
      expect(right, RuleType::flag, right_at, str("the right side of `", name, "`"));
      left = make(op, RuleType::flag, {left, right});
    }
    return left;
  }
  NodePtr disjunction() { return logic(Op::logic_or, "or", "||", &Parser::conjunction); }
  NodePtr conjunction() { return logic(Op::logic_and, "and", "&&", &Parser::inversion); }

  NodePtr inversion() {
    if (!is("not") && !is("!")) return comparison();
    const DepthGuard guard(*this);
    ++at_;
    const std::size_t start = peek().at;
    NodePtr operand = inversion();
    expect(operand, RuleType::flag, start, "what follows `not`");
    return make(Op::invert, RuleType::flag, {operand});
  }

  static std::optional<Op> comparison_of(const Token& token) {
    if (token.kind != Token::Kind::symbol) return std::nullopt;
    if (token.text == "==") return Op::equal;
    if (token.text == "!=") return Op::unequal;
    if (token.text == "<") return Op::less;
    if (token.text == "<=") return Op::less_equal;
    if (token.text == ">") return Op::greater;
    if (token.text == ">=") return Op::greater_equal;
    return std::nullopt;
  }

  NodePtr comparison() {
    const std::size_t start = peek().at;
    NodePtr left = sum();
    if (take("in")) return membership(left);
    const Token sign = peek();
    const auto op = comparison_of(sign);
    if (!op) return left;
    ++at_;
    const std::size_t right_at = peek().at;
    NodePtr right = sum();
    if (*op == Op::equal || *op == Op::unequal) {
      comparable(left, right, right_at, sign.text);
    } else {
      expect(left, RuleType::number, start, str("the left side of `", sign.text, "`"));
      expect(right, RuleType::number, right_at, str("the right side of `", sign.text, "`"));
    }
    if (comparison_of(peek())) fail(str("comparisons do not chain; write `… and …` instead of a second `", peek().text, "`"));
    return make(*op, RuleType::flag, {left, right});
  }

  void comparable(const NodePtr& left, const NodePtr& right, std::size_t at, const std::string& sign) const {
    if (left->type != right->type && left->type != RuleType::mixed && right->type != RuleType::mixed)
      rule_error(rule_, at, str("`", sign, "` compares ", type_name(left->type), " with ", type_name(right->type)));
  }

  NodePtr membership(const NodePtr& left) {
    if (!take("[")) fail(str("expected `[` after `in`, got ", shown(peek())));
    std::vector<NodePtr> operands = {left};
    do {
      const std::size_t at = peek().at;
      operands.push_back(sum());
      comparable(left, operands.back(), at, "in");
    } while (take(","));
    if (!take("]")) fail(str("expected `,` or `]`, got ", shown(peek())));
    return make(Op::one_of, RuleType::flag, std::move(operands));
  }

  NodePtr arithmetic(NodePtr left, Op op, std::size_t start, NodePtr (Parser::*next)()) {
    const std::string sign = peek().text;
    ++at_;
    expect(left, RuleType::number, start, str("the left side of `", sign, "`"));
    const std::size_t right_at = peek().at;
    NodePtr right = (this->*next)();
    expect(right, RuleType::number, right_at, str("the right side of `", sign, "`"));
    return make(op, RuleType::number, {std::move(left), right});
  }

  NodePtr sum() {
    const std::size_t start = peek().at;
    NodePtr left = product();
    for (;;) {
      if (is("+"))
        left = arithmetic(left, Op::add, start, &Parser::product);
      else if (is("-"))
        left = arithmetic(left, Op::subtract, start, &Parser::product);
      else
        return left;
    }
  }

  NodePtr product() {
    const std::size_t start = peek().at;
    NodePtr left = unary();
    for (;;) {
      if (is("*"))
        left = arithmetic(left, Op::multiply, start, &Parser::unary);
      else if (is("/"))
        left = arithmetic(left, Op::divide, start, &Parser::unary);
      else if (is("%"))
        left = arithmetic(left, Op::remainder, start, &Parser::unary);
      else
        return left;
    }
  }

  NodePtr unary() {
    if (!is("-")) return primary();
    const DepthGuard guard(*this);
    ++at_;
    const std::size_t start = peek().at;
    NodePtr operand = unary();
    expect(operand, RuleType::number, start, "what follows `-`");
    return make(Op::negate, RuleType::number, {operand});
  }

  NodePtr constant(Value value, RuleType type) {
    ++at_;
    auto node = std::make_shared<Node>();
    node->type = type;
    node->value = std::move(value);
    return node;
  }

  NodePtr primary() {
    const Token& token = peek();
    if (token.kind == Token::Kind::number) return constant(token.number, RuleType::number);
    if (token.kind == Token::Kind::text) return constant(token.text, RuleType::text);
    if (is("true")) return constant(true, RuleType::flag);
    if (is("false")) return constant(false, RuleType::flag);
    if (is("(")) {
      const DepthGuard guard(*this);
      ++at_;
      NodePtr inner = disjunction();
      if (!take(")")) fail(str("expected `)`, got ", shown(peek())));
      return inner;
    }
    if (token.kind == Token::Kind::name && !is("and") && !is("or") && !is("in") && !is("not")) {
      auto node = std::make_shared<Node>();
      node->op = Op::name;
      std::tie(node->index, node->type) = lookup_(token.text, token.at);
      ++at_;
      return node;
    }
    fail(str("expected a number, a text, a parameter or `(`, got ", shown(token)));
  }

  // Nesting is bounded, so that no rule can exhaust the stack.
  struct DepthGuard {
    explicit DepthGuard(Parser& p) : parser(p) {
      if (++parser.depth_ > 100) parser.fail("the expression is nested too deeply (limit 100)");
    }
    ~DepthGuard() { --parser.depth_; }
    DepthGuard(const DepthGuard&) = delete;
    DepthGuard& operator=(const DepthGuard&) = delete;
    Parser& parser;
  };

  std::string_view rule_;
  const NameLookup& lookup_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

using Values = std::span<const std::optional<Value>>;

bool equal(const Value& a, const Value& b) {
  const auto x = a.number(), y = b.number();
  return x && y ? *x == *y : a == b;
}

double number_of(const Value& value) { return value.number().value_or(std::numeric_limits<double>::quiet_NaN()); }

double remainder(double a, double b) {
  constexpr double kWhole = 0x1p53;  // beyond, doubles do not hold every whole number
  if (!(std::fabs(a) <= kWhole && std::fabs(b) <= kWhole)) return std::numeric_limits<double>::quiet_NaN();
  const auto x = static_cast<std::int64_t>(a), y = static_cast<std::int64_t>(b);
  if (static_cast<double>(x) != a || static_cast<double>(y) != b || y == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(x % y);
}

Value evaluate(const Node& node, Values values) {
  const auto operand = [&](std::size_t i) { return evaluate(*node.operands[i], values); };
  const auto number = [&](std::size_t i) { return number_of(operand(i)); };
  const auto truth = [&](std::size_t i) {
    const Value value = operand(i);
    return value.flag() != nullptr && *value.flag();
  };
  switch (node.op) {
    case Op::constant:
      return *node.value;
    case Op::name:
      return *values[node.index];
    case Op::negate:
      return -number(0);
    case Op::invert:
      return !truth(0);
    case Op::add:
      return number(0) + number(1);
    case Op::subtract:
      return number(0) - number(1);
    case Op::multiply:
      return number(0) * number(1);
    case Op::divide: {
      const double divisor = number(1);
      return divisor == 0 ? std::numeric_limits<double>::quiet_NaN() : number(0) / divisor;
    }
    case Op::remainder:
      return remainder(number(0), number(1));
    case Op::equal:
      return equal(operand(0), operand(1));
    case Op::unequal:
      return !equal(operand(0), operand(1));
    case Op::less:
      return number(0) < number(1);
    case Op::less_equal:
      return number(0) <= number(1);
    case Op::greater:
      return number(0) > number(1);
    case Op::greater_equal:
      return number(0) >= number(1);
    case Op::logic_and:
      return truth(0) && truth(1);
    case Op::logic_or:
      return truth(0) || truth(1);
    case Op::one_of: {
      const Value left = operand(0);
      for (std::size_t i = 1; i < node.operands.size(); ++i)
        if (equal(left, operand(i))) return true;
      return false;
    }
  }
  return false;
}

}  // namespace

std::shared_ptr<const Rule::Node> parse_rule(std::string_view rule, const NameLookup& lookup) { return Parser(rule, lookup).run(); }

}  // namespace detail

Rule::Rule(std::string_view text, std::span<const RuleName> names) : text_(text) {
  std::set<std::size_t> used;
  root_ = detail::parse_rule(text, [&](const std::string& name, std::size_t at) {
    std::vector<std::string> known;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i].name == name) {
        used.insert(i);
        return std::pair{i, names[i].type};
      }
      known.push_back(names[i].name);
    }
    std::string message = str("no parameter `", name, "`");
    if (const auto close = nearest(name, known)) message += str("; did you mean `", *close, "`?");
    detail::rule_error(text, at, message);
  });
  uses_.assign(used.begin(), used.end());
}

std::optional<bool> Rule::holds(std::span<const std::optional<Value>> values) const {
  for (const std::size_t i : uses_)
    if (i >= values.size() || !values[i]) return std::nullopt;
  const Value result = detail::evaluate(*root_, values);
  return result.flag() != nullptr && *result.flag();
}

}  // namespace lathe::nas
