#include <doctest/doctest.h>
#include <lathe/base/file.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/tokenizer/bert_text.h>
#include <lathe/tokenizer/unicode.h>

#include <nlohmann/json.hpp>

#include "tests/support/shared.h"
#include "tests/tokenizer/small_vocab.h"

using namespace lathe::tokenizer::detail;

namespace {
constexpr char32_t kEnd = 0x110000;
bool is_surrogate(char32_t c) { return c >= 0xD800 && c < 0xE000; }

std::string utf8(std::initializer_list<char32_t> points) {
  std::string out;
  for (const char32_t c : points) lathe::append_utf8(out, c);
  return out;
}
}  // namespace

TEST_CASE("character classes agree with BERT's for every code point") {
  const auto file = lathe::test::shared_file("data/interop/tokenizers/bert_chars.json");
  if (file.empty()) return;
  const auto ranges = nlohmann::json::parse(lathe::read_file(file));
  const ClassTable& classes = ClassTable::get();
  const std::pair<const char*, std::uint8_t> kinds[] = {
      {"removed", kRemovedBit}, {"space", kSpaceBit},           {"cjk", kCjkBit},
      {"mn", kMarkBit},         {"whitespace", kWhitespaceBit}, {"punctuation", kPunctuationBit}};
  for (const auto& kind : kinds) {
    const std::string name = kind.first;  // structured bindings cannot be captured in C++20 by clang 14
    const std::uint8_t bit = kind.second;
    CAPTURE(name);
    std::vector<bool> expected(kEnd, false);
    for (const auto& range : ranges[name])
      for (char32_t c = range[0].get<char32_t>(); c <= range[1].get<char32_t>(); ++c) expected[c] = true;
    int wrong = 0;
    for (char32_t c = 0; c < kEnd; ++c) wrong += expected[c] != ((classes(c) & bit) != 0);
    CHECK(wrong == 0);
  }
}

TEST_CASE("one pass gives what normalizing, then splitting gives") {
  // Each character between letters, through the word splitter, against the string normalizer and a plain split of its result.
  struct Words {
    std::string joined;
    void word(const char* bytes, std::size_t size, const lathe::tokenizer::Offset*) { joined.append(bytes, size) += '\n'; }
    void long_word(lathe::tokenizer::Offset) { joined += "(long)\n"; }
  };
  const ClassTable& classes = ClassTable::get();
  for (const bool on : {true, false}) {
    const BertRules rules(on, on, on, on);
    int wrong = 0;
    for (char32_t c = 0; c < kEnd; ++c) {
      if (is_surrogate(c)) continue;
      const std::string text = utf8({'A', c, 'b'});
      Words got, expected;
      WordSplitter<false, Words>(rules, 100, got).split(text, 0, text.size());
      const std::string normal = normalize(rules, text);
      std::string word;
      const auto flush = [&] {
        if (!word.empty()) expected.word(word.data(), word.size(), nullptr);
        word.clear();
      };
      for (std::size_t at = 0; at < normal.size();) {
        const char32_t n = lathe::next_utf8(normal, at);
        if (classes(n) & (kWhitespaceBit | kPunctuationBit)) flush();
        if (!(classes(n) & kWhitespaceBit)) lathe::append_utf8(word, n);
        if (classes(n) & kPunctuationBit) flush();
      }
      flush();
      wrong += got.joined != expected.joined;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("the normal form of every code point is the same with every utf8proc") {
  // The hash was computed with tokenizers 0.23.3's BertNormalizer: one line of UTF-8 per code point, surrogates left out. It fails
  // if an installed utf8proc knows decompositions or lower case that the reference does not have.
  const BertRules uncased(true, true, true, true), cased(true, true, false, false), lower_only(true, true, false, true),
      strip_only(true, true, true, false);
  const auto hash = [](const BertRules& rules) {
    lathe::Sha256 sha;
    for (char32_t c = 0; c < kEnd; ++c)
      if (!is_surrogate(c)) sha.add(normalize(rules, utf8({c})) + "\n");
    return lathe::to_hex(sha.finish());
  };
  CHECK(hash(uncased) == "12acac5609ab4fec4e65ad87637ba38fd10aef3794f9ae1aad2aa99a1a542b94");
  CHECK(hash(cased) == "47bfb61998f3cd7f8d8e6144ac77f23dc65ec9d0ebec66da2437f7639af70ef8");
  CHECK(hash(lower_only) == "3a968879aab800662aa505cde980ad92e4413a2e84df990befa7a43186b0d59c");
  CHECK(hash(strip_only) == "14c84b3a07fece7ea6438e95485dbbf66d271832f0fc30de8a4f739c04f1fa28");
}

TEST_CASE("accents, case and order of marks") {
  const BertRules rules(true, true, true, true);
  CHECK(normalize(rules, "\u00c5ngstr\u00f6m") == "angstrom");
  CHECK(normalize(rules, utf8({0x130, 's'})) == "is");
  CHECK(normalize(BertRules(true, true, false, true), utf8({0x130})) == utf8({'i', 0x307}));
  CHECK(normalize(rules, utf8({0x3A3, 0x391, 0x3A3})) == utf8({0x3C3, 0x3B1, 0x3C3}));  // no final sigma
  // U+1D16D (class 226) and U+1D165 (216) are kept; NFD sorts them, also across a dropped mark, but not across a starter.
  CHECK(normalize(rules, utf8({'a', 0x1D16D, 0x1D165})) == utf8({'a', 0x1D165, 0x1D16D}));
  CHECK(normalize(rules, utf8({'a', 0x1D16D, 0x301, 0x1D165})) == utf8({'a', 0x1D165, 0x1D16D}));
  CHECK(normalize(rules, utf8({'a', 0x1D16D, 'b', 0x1D165})) == utf8({'a', 0x1D16D, 'b', 0x1D165}));
  CHECK(normalize(rules, utf8({'a', 0x1D16D, 0x200B, 0x1D165})) == utf8({'a', 0x1D165, 0x1D16D}));  // removed before sorting
  CHECK(normalize(rules, utf8({'a', 0x1D16D, 0xC4, 0x1D165})) == utf8({'a', 0x1D16D, 'a', 0x1D165}));
  CHECK(normalize(rules, utf8({'a', 0x1D16D, 0xE31, 0x1D165})) == utf8({'a', 0x1D16D, 0x1D165}));  // a dropped starter
  CHECK(normalize(rules, utf8({0xAC01})) == utf8({0x1100, 0x1161, 0x11A8}));
}

TEST_CASE("invalid UTF-8 is found where it begins") {
  const BertRules rules(true, true, true, true);
  const std::pair<std::string, int> bad[] = {
      {"\xFF", 0},
      {"ab\x80", 2},
      {"\xC0\x80", 0},
      {"\xC1\xBF", 0},
      {"a\xC3", 1},
      {"a\xC3z", 1},
      {"\xE0\x9F\xBF", 0},
      {"\xED\xA0\x80", 0},
      {"x\xE2\x82", 1},
      {"x\xE2\x82z", 1},
      {"\xF0\x8F\xBF\xBF", 0},
      {"\xF4\x90\x80\x80", 0},
      {"\xF5\x80\x80\x80", 0},
      {"ok \xF0\x9F\x98", 3},
      {"\xC3\xA4\xE4", 2},
  };
  for (const auto& row : bad) {
    const std::string text = row.first;
    const int position = row.second;
    CAPTURE(position);
    CHECK(lathe::invalid_utf8(text) == std::size_t(position));
    const std::string message = lathe::test::input_error([&] { normalize(rules, text); });
    CHECK(message == lathe::str("[tokenizer] text is not UTF-8: invalid byte at position ", position));
  }
  for (char32_t c = 0; c < kEnd; ++c) {
    if (is_surrogate(c)) continue;
    const std::string text = utf8({c});
    std::size_t at = 0;
    if (decode_utf8(text, at) != c || at != text.size()) FAIL("U+", c);
    char bytes[4];
    if (std::string(bytes, encode_utf8(c, bytes)) != text) FAIL("U+", c);
  }
}
