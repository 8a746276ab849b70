#include <lathe/nas/json_reader.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>

#include <algorithm>

namespace lathe::nas {

void JsonReader::object(const std::function<void(const std::string& name)>& member) {
  expect('{');
  if (take('}')) return;
  do {
    const std::string name = text();
    expect(':');
    member(name);
  } while (take(','));
  expect('}');
}

void JsonReader::array(const std::function<void()>& element) {
  expect('[');
  if (take(']')) return;
  do {
    element();
  } while (take(','));
  expect(']');
}

void JsonReader::end() {
  blanks();
  if (at_ != json_.size()) fail("the end");
}

void JsonReader::fail(const std::string& expected) const {
  throw InputError(str(what_, " `", json_, "`, column ", at_ + 1, ": expected ", expected));
}

void JsonReader::blanks() {
  while (at_ < json_.size() && (json_[at_] == ' ' || json_[at_] == '\t' || json_[at_] == '\n' || json_[at_] == '\r')) ++at_;
}

bool JsonReader::take(char c) {
  blanks();
  if (at_ >= json_.size() || json_[at_] != c) return false;
  ++at_;
  return true;
}

void JsonReader::expect(char c) {
  if (!take(c)) fail(str("`", c, "`"));
}

std::uint32_t JsonReader::hex4() {
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

void JsonReader::escape(std::string& out) {
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

std::string JsonReader::text() {
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

Value JsonReader::scalar() {
  blanks();
  if (at_ < json_.size() && json_[at_] == '"') return text();
  const std::size_t end = std::min(json_.find_first_of(",}] \t\r\n", at_), json_.size());
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

bool JsonReader::null() {
  blanks();
  if (json_.substr(std::min(at_, json_.size()), 4) != "null") return false;
  at_ += 4;
  return true;
}

double JsonReader::number() {
  const auto x = scalar().number();
  if (!x) fail("a number");
  return *x;
}

bool JsonReader::flag() {
  const Value value = scalar();
  if (!value.flag()) fail("true or false");
  return *value.flag();
}

void JsonReader::skip() {
  blanks();
  const char c = at_ < json_.size() ? json_[at_] : ' ';
  if (c == '{')
    object([this](const std::string&) { skip(); });
  else if (c == '[')
    array([this] { skip(); });
  else if (!null())
    scalar();
}

std::string_view JsonReader::raw() {
  blanks();
  const std::size_t begin = at_;
  skip();
  return json_.substr(begin, at_ - begin);
}

}  // namespace lathe::nas
