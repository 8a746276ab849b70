// Reading points back from their canonical text: a flat JSON object of booleans, numbers and texts.
#include <lathe/base/text.h>
#include <lathe/nas/space.h>

namespace lathe::nas {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view json) : json_(json) {}

  std::vector<std::pair<std::string, Value>> object() {
    std::vector<std::pair<std::string, Value>> out;
    expect('{');
    if (!take('}')) {
      do {
        std::string name = text();
        expect(':');
        out.emplace_back(std::move(name), scalar());
      } while (take(','));
      expect('}');
    }
    blanks();
    if (at_ != json_.size()) fail("the end");
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    throw InputError(str("point `", json_, "`, column ", at_ + 1, ": expected ", expected));
  }
  void blanks() {
    while (at_ < json_.size() && (json_[at_] == ' ' || json_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    blanks();
    if (at_ >= json_.size() || json_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(str("`", c, "`"));
  }

  std::uint32_t hex4() {
    std::uint32_t out = 0;
    for (int k = 0; k < 4; ++k, ++at_) {
      const char c = at_ < json_.size() ? json_[at_] : ' ';
      if (c >= '0' && c <= '9')
        out = out * 16 + static_cast<std::uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f')
        out = out * 16 + static_cast<std::uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F')
        out = out * 16 + static_cast<std::uint32_t>(c - 'A' + 10);
      else
        fail("four hexadecimal digits");
    }
    return out;
  }

  void escape(std::string& out) {
    static constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
    const char c = at_ < json_.size() ? json_[at_] : ' ';
    ++at_;
    if (const auto k = kFrom.find(c); k != std::string_view::npos) {
      out += kTo[k];
      return;
    }
    if (c != 'u') fail("an escape");
    std::uint32_t code = hex4();
    if (code >= 0xD800 && code < 0xDC00) {
      if (json_.substr(at_, 2) != "\\u") fail("the second half of a surrogate pair");
      at_ += 2;
      code = 0x10000 + ((code - 0xD800) << 10) + (hex4() - 0xDC00);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) fail("a Unicode character");
    append_utf8(out, static_cast<char32_t>(code));
  }

  std::string text() {
    expect('"');
    std::string out;
    for (;;) {
      if (at_ >= json_.size()) fail("a closing quote");
      const char c = json_[at_++];
      if (c == '"') return out;
      if (c == '\\')
        escape(out);
      else
        out += c;
    }
  }

  Value scalar() {
    blanks();
    if (at_ < json_.size() && json_[at_] == '"') return text();
    const std::size_t end = std::min(json_.find_first_of(",} \t", at_), json_.size());
    const std::string_view word = json_.substr(at_, end - at_);
    if (const auto i = parse_int(word)) {
      at_ = end;
      return *i;
    }
    if (const auto r = parse_double(word)) {
      at_ = end;
      return *r;
    }
    if (word != "true" && word != "false") fail("true, false, a number or a text");
    at_ = end;
    return word == "true";
  }

  std::string_view json_;
  std::size_t at_ = 0;
};

}  // namespace

Point Space::parse(std::string_view json) const { return point(Reader(json).object()); }

}  // namespace lathe::nas
