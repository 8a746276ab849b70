#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tokenizer/unicode.h>
#include <lathe/tokenizer/unicode_ranges.h>
#include <utf8proc.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lathe::tokenizer::detail {
namespace {

constexpr std::size_t kCodePoints = 0x110000;

/// Characters whose decomposition is younger than Unicode 9 (U+11938 of Unicode 13, the others of 16).
constexpr CodePointRange kDecomposesLater[] = {
    {0x105C9, 0x105C9}, {0x105E4, 0x105E4}, {0x11383, 0x11383}, {0x11385, 0x11385}, {0x1138E, 0x1138E}, {0x11391, 0x11391},
    {0x113C5, 0x113C5}, {0x113C7, 0x113C8}, {0x11938, 0x11938}, {0x16121, 0x16128}, {0x16D68, 0x16D6A},
};

/// Lower case that Unicode 15.0 does not have yet (16: Cyrillic, Latin, Garay; 17: Latin, Beria Erfe): c → c + difference.
struct LowerLater {
  char32_t first, last;
  int difference;
};
constexpr LowerLater kLowerLater[] = {
    {0x1C89, 0x1C89, 1},    {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CC, 1},    {0xA7CE, 0xA7CE, 1},
    {0xA7D2, 0xA7D2, 1},    {0xA7D4, 0xA7D4, 1},
    {0xA7DA, 0xA7DA, 1},    {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
    {0x10D50, 0x10D65, 32}, {0x16EA0, 0x16EB8, 27},
};

bool inside(std::span<const CodePointRange> ranges, char32_t c) {
  return std::any_of(ranges.begin(), ranges.end(), [c](const CodePointRange& r) { return c >= r.first && c <= r.last; });
}

void mark(std::vector<std::uint8_t>& bits, std::span<const CodePointRange> ranges, std::uint8_t bit) {
  for (const CodePointRange& r : ranges)
    for (std::uint32_t c = r.first; c <= r.last; ++c) bits[c] |= bit;
}

[[noreturn]] void throw_invalid(std::size_t at) {
  throw InputError(str("[tokenizer] text is not UTF-8: invalid byte at position ", at));
}

}  // namespace

ClassTable::ClassTable() {
  std::vector<std::uint8_t> bits(kCodePoints, 0);
  mark(bits, kRemoved, kRemovedBit);
  mark(bits, kSpace, kSpaceBit);
  mark(bits, kCjk, kCjkBit);
  mark(bits, kMark, kMarkBit);
  mark(bits, kWhitespace, kWhitespaceBit);
  mark(bits, kPunctuation, kPunctuationBit);
  mark(bits, kKeptReordering, kReordersBit);
  // Plain characters take a short cut through the normalizer. Only the scripts of the basic plane are worth asking about.
  for (char32_t c = 0; c < 0x10000; ++c) {
    const Decomposition parts = decompose(c);
    if ((bits[c] & ~kCjkBit) == 0 && lower(c) == c && parts.size == 1 && parts.points[0] == c) bits[c] |= kPlainBit;
  }

  std::size_t used = 0;
  for (std::size_t page = 0; page < page_of_.size(); ++page) {
    const auto* begin = bits.data() + page * 256;
    std::size_t same = 0;
    while (same < used && !std::equal(begin, begin + 256, pages_[same].begin())) ++same;
    if (same == used) {
      LATHE_CHECK(used < kMaxPages, "the class table needs more pages");
      std::copy(begin, begin + 256, pages_[used++].begin());
    }
    page_of_[page] = static_cast<std::uint16_t>(same);
  }
}

const ClassTable& ClassTable::get() {
  static const std::unique_ptr<const ClassTable> table(new ClassTable);
  return *table;
}

Decomposition decompose(char32_t c) {
  Decomposition out{{c, 0, 0, 0}, 1};
  if (c < 0xC0 || (c >= kDecomposesLater[0].first && inside(kDecomposesLater, c))) return out;
  std::array<utf8proc_int32_t, 8> points{};
  int boundary = 0;
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), points.data(),
                                         static_cast<utf8proc_ssize_t>(points.size()), UTF8PROC_DECOMPOSE, &boundary);
  if (n < 1 || n > 4) return out;  // 4 is Unicode's bound for canonical decompositions; n < 1 never happens for code points
  out.size = static_cast<std::size_t>(n);
  for (std::size_t i = 0; i < out.size; ++i) out.points[i] = static_cast<char32_t>(points[i]);
  return out;
}

int combining_class(char32_t c, std::uint8_t class_bits) {
  if ((class_bits & (kMarkBit | kReordersBit)) == 0) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

char32_t lower(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c >= 0x1C89)
    for (const LowerLater& later : kLowerLater)
      if (c >= later.first && c <= later.last) return static_cast<char32_t>(static_cast<int>(c) + later.difference);
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

bool is_word_character(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:  // joiners, and symbols with the property Alphabetic (circled and squared letters)
      return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
             (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
  }
}

char32_t decode_utf8(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned b0 = byte(0), b1 = byte(1);
  if (b0 < 0x80) return ++at, b0;
  if (b0 < 0xC2 || b0 > 0xF4 || !follows(1)) throw_invalid(at);
  if (b0 < 0xE0) return at += 2, (b0 & 31u) << 6 | (b1 & 63u);
  if (!follows(2)) throw_invalid(at);
  if (b0 < 0xF0) {
    const char32_t c = (b0 & 15u) << 12 | (b1 & 63u) << 6 | (byte(2) & 63u);
    if (c < 0x800 || (c >= 0xD800 && c < 0xE000)) throw_invalid(at);
    return at += 3, c;
  }
  if (!follows(3)) throw_invalid(at);
  const char32_t c = (b0 & 7u) << 18 | (b1 & 63u) << 12 | (byte(2) & 63u) << 6 | (byte(3) & 63u);
  if (c < 0x10000 || c >= kCodePoints) throw_invalid(at);
  return at += 4, c;
}

}  // namespace lathe::tokenizer::detail
