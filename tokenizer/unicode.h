// Unicode as BERT's text rules see it (internal).
//
// Three versions of Unicode meet in the reference implementation, and the ids of a trained model depend on them:
//   classes (control, mark, punctuation, …)  Unicode 8, so a mark added later is not stripped;
//   NFD (decomposition, combining classes)   Unicode 9;
//   lower case                               Unicode 17.
// utf8proc 2.8 has Unicode 15.0 for all three, other releases have others. So that one text gives one result with any release,
// the classes come from unicode_ranges.h alone, and NFD and lower case come from utf8proc with the differences listed in
// unicode.cpp. Decompositions and combining classes of assigned characters never change (Unicode's stability policy).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lathe::tokenizer::detail {

/// Bits of a code point's class.
enum : std::uint8_t {
  kRemovedBit = 1,       ///< clean_text drops it
  kSpaceBit = 2,         ///< clean_text makes it a space
  kCjkBit = 4,           ///< handle_chinese_chars puts spaces around it
  kMarkBit = 8,          ///< strip_accents drops it
  kWhitespaceBit = 16,   ///< separates words
  kPunctuationBit = 32,  ///< is a word
  kReordersBit = 64,     ///< kept by strip_accents, but takes part in NFD's sorting
  kPlainBit = 128,       ///< nothing above but kCjkBit, no decomposition, no lower case: stays as it is
};

/// Two-stage table over all code points; equal pages are shared.
class ClassTable {
 public:
  static const ClassTable& get();  ///< made at first use
  std::uint8_t operator()(char32_t c) const { return pages_[page_of_[c >> 8]][c & 255]; }

 private:
  ClassTable();
  static constexpr std::size_t kMaxPages = 640;
  std::array<std::uint16_t, 0x1100> page_of_{};
  std::array<std::array<std::uint8_t, 256>, kMaxPages> pages_{};
};

/// Canonical decomposition of one code point (at most four), in Unicode 9.
struct Decomposition {
  std::array<char32_t, 4> points;
  std::size_t size;
};
Decomposition decompose(char32_t c);

/// Combining class; 0 for a starter and for everything that Unicode 9 does not know.
int combining_class(char32_t c, std::uint8_t class_bits);

/// Lower case of one character by itself (no final sigma). U+0130 becomes two in BERT, which the caller does.
char32_t lower(char32_t c);
inline constexpr char32_t kCapitalDottedI = 0x130, kDotAbove = 0x307;

/// Letter, mark, digit or connector: what may not touch an added token with single_word. The one question whose answer depends on
/// the installed utf8proc: letters younger than its Unicode do not count.
bool is_word_character(char32_t c);

/// Decodes the sequence at `at` and moves `at` behind it. Throws InputError with the byte position if it is not well-formed UTF-8
/// (Unicode 15, table 3-7). `text` is the whole text, so that the position is right.
char32_t decode_utf8(std::string_view text, std::size_t& at);

/// Writes 1 to 4 bytes at `out` and returns how many.
inline std::size_t encode_utf8(char32_t c, char* out) {
  const auto put = [&out](char32_t byte) { *out++ = static_cast<char>(byte); };
  if (c < 0x80) return put(c), 1;
  if (c < 0x800) return put(0xC0 | c >> 6), put(0x80 | (c & 63)), 2;
  if (c < 0x10000) return put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63)), 3;
  return put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63)), 4;
}

}  // namespace lathe::tokenizer::detail
