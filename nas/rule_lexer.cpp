#include <lathe/nas/rule_syntax.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>

#include <algorithm>
#include <array>

namespace lathe::nas {
namespace detail {

void rule_error(std::string_view rule, std::size_t at, const std::string& message) {
  throw InputError(str("rule `", rule, "`, column ", at + 1, ": ", message));
}

namespace {

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view rule) : rule_(rule) {}

  std::vector<Token> run() {
    std::vector<Token> tokens;
    for (;;) {
      while (at_ < rule_.size() && (rule_[at_] == ' ' || rule_[at_] == '\t')) ++at_;
      Token token;
      token.at = at_;
      if (at_ == rule_.size()) {
        tokens.push_back(token);
        return tokens;
      }
      const char c = rule_[at_];
      if (digit(c) || (c == '.' && at_ + 1 < rule_.size() && digit(rule_[at_ + 1])))
        read_number(token);
      else if (letter(c))
        read_name(token);
      else if (c == '\'' || c == '"')
        read_text(token);
      else
        read_symbol(token);
      tokens.push_back(std::move(token));
    }
  }

 private:
  void read_number(Token& token) {
    while (at_ < rule_.size()) {
      const char c = rule_[at_];
      const bool sign = (c == '+' || c == '-') && at_ > token.at && (rule_[at_ - 1] == 'e' || rule_[at_ - 1] == 'E');
      if (!digit(c) && !letter(c) && c != '.' && !sign) break;
      ++at_;
    }
    token.text = std::string(rule_.substr(token.at, at_ - token.at));
    const auto number = parse_double(token.text);
    if (!number) rule_error(rule_, token.at, str("`", token.text, "` is not a number"));
    token.kind = Token::Kind::number;
    token.number = *number;
  }

  // name(.name | [index])*, where the index is a number, i, i+1, i-1
  void read_name(Token& token) {
    token.kind = Token::Kind::name;
    for (;;) {
      while (at_ < rule_.size() && (letter(rule_[at_]) || digit(rule_[at_]))) ++at_;
      if (at_ < rule_.size() && rule_[at_] == '[' && rule_.substr(token.at, at_ - token.at) != "in") {
        const auto close = rule_.find(']', at_);
        if (close == std::string_view::npos) rule_error(rule_, at_, "expected `]` after the index");
        at_ = close + 1;
      }
      if (at_ + 1 < rule_.size() && rule_[at_] == '.' && letter(rule_[at_ + 1])) {
        ++at_;
        continue;
      }
      break;
    }
    token.text = std::string(rule_.substr(token.at, at_ - token.at));
  }

  void read_text(Token& token) {
    const auto close = rule_.find(rule_[at_], at_ + 1);
    if (close == std::string_view::npos) rule_error(rule_, at_, "the text has no closing quote");
    token.kind = Token::Kind::text;
    token.text = std::string(rule_.substr(at_ + 1, close - at_ - 1));
    at_ = close + 1;
  }

  void read_symbol(Token& token) {
    static constexpr std::array<std::string_view, 20> kSymbols = {"==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-",
                                                                  "*",  "/",  "%",  "(",  ")",  "[",  "]", ",", "!", "="};
    for (const std::string_view symbol : kSymbols)
      if (rule_.substr(at_, symbol.size()) == symbol) {
        token.kind = Token::Kind::symbol;
        token.text = std::string(symbol);
        if (symbol == "=") rule_error(rule_, at_, "expected `==`, got `=`");
        at_ += symbol.size();
        return;
      }
    rule_error(rule_, at_, str("unexpected character `", rule_.substr(at_, 1), "`"));
  }

  std::string_view rule_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<Token> rule_tokens(std::string_view rule) { return Lexer(rule).run(); }

}  // namespace detail

namespace {
bool keyword(std::string_view word) {
  return word == "and" || word == "or" || word == "not" || word == "in" || word == "true" || word == "false";
}
}  // namespace

std::vector<std::string> rule_names(std::string_view text) {
  std::vector<std::string> names;
  const auto note = [&](const std::string& name, std::size_t) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    return std::pair<std::size_t, RuleType>{0, RuleType::mixed};
  };
  detail::parse_rule(text, note);
  return names;
}

std::optional<std::string> at_layer(std::string_view text, std::int64_t layer, std::int64_t* lowest, std::int64_t* highest) {
  std::string out;
  bool found = false;
  std::size_t copied = 0;
  for (const detail::Token& token : detail::rule_tokens(text)) {
    if (token.kind != detail::Token::Kind::name || keyword(token.text)) continue;
    for (std::size_t open = text.find('[', token.at); open < token.at + token.text.size(); open = text.find('[', open + 1)) {
      const std::size_t close = text.find(']', open);
      const std::string_view index = trim(text.substr(open + 1, close - open - 1));
      if (parse_int(index)) continue;
      std::string plain;
      for (const char c : index)
        if (c != ' ') plain += c;
      std::optional<std::int64_t> offset;
      if (plain == "i") offset = 0;
      if (plain.size() > 2 && plain[0] == 'i' && (plain[1] == '+' || plain[1] == '-')) {
        offset = parse_int(std::string_view(plain).substr(2));
        if (offset && (*offset < 0 || *offset > 1'000'000)) offset.reset();
        if (offset && plain[1] == '-') offset = -*offset;
      }
      if (!offset) detail::rule_error(text, open + 1, str("expected a layer number, `i`, `i+1` or `i-1`, got `", index, "`"));
      const std::int64_t number = layer + *offset;
      if (lowest && (!found || number < *lowest)) *lowest = number;
      if (highest && (!found || number > *highest)) *highest = number;
      found = true;
      out += text.substr(copied, open + 1 - copied);
      out += std::to_string(number);
      copied = close;
    }
  }
  if (!found) return std::nullopt;
  out += text.substr(copied);
  return out;
}

}  // namespace lathe::nas
