// BertNormalizer and BertPreTokenizer in one pass over the text (internal; formats: tokenizer.h, steps 2 and 3).
//
// Normalizer turns a text into normalized characters, each with the bytes it came from, and gives them to a Sink. WordSplitter is
// the Sink that collects them into words in a buffer of fixed size and hands finished words on. Nothing is allocated per
// character, word or text, and runs of ASCII letters are copied through a 256-entry table without any of this.
#pragma once
#include <lathe/base/text.h>
#include <lathe/tokenizer/tokenizer.h>
#include <lathe/tokenizer/unicode.h>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::tokenizer::detail {

/// The switches of BertNormalizer, and what they make of each ASCII byte.
struct BertRules {
  enum AsciiKind : std::uint8_t { kLetter, kBlank, kPunctuation, kDropped, kWide };

  BertRules(bool clean, bool cjk, bool strip, bool lower_case);

  bool clean_text, handle_chinese_chars, strip_accents, lowercase;
  std::array<std::uint8_t, 256> ascii_kind;  ///< AsciiKind; kWide for bytes ≥ 128
  std::array<char, 256> ascii_lower;
};

/// Feeds sink.put(code point, class bits, begin, end) for kept characters and sink.space(begin, end) for white space that the
/// rules insert or replace.
template <class Sink>
class Normalizer {
 public:
  Normalizer(const BertRules& rules, std::string_view text, Sink& sink) : rules_(rules), text_(text), sink_(sink) {}

  /// One character (ASCII too) at `at`, which moves behind it.
  void character(std::size_t& at) {
    const std::size_t begin = at;
    char32_t c = decode_utf8(text_, at);
    const std::uint8_t bits = classes_(c);
    const auto from = static_cast<std::uint32_t>(begin), to = static_cast<std::uint32_t>(at);
    if (bits == kPlainBit) {
      finish();
      return sink_.put(c, bits, from, to);
    }
    if (rules_.clean_text) {
      if (bits & kRemovedBit) return;
      if (bits & kSpaceBit) {
        finish();
        return sink_.space(from, to);
      }
    }
    const bool alone = rules_.handle_chinese_chars && (bits & kCjkBit);
    if (alone) finish(), sink_.space(from, from);
    if (bits & kPlainBit) {
      finish();
      sink_.put(c, bits, from, to);
    } else if (rules_.strip_accents) {
      const Decomposition parts = decompose(c);
      for (std::size_t i = 0; i < parts.size; ++i) stripped(parts.points[i], from, to);
    } else {
      lowered(c, from, to);
    }
    if (alone) finish(), sink_.space(to, to);
  }

  /// Gives out what waits to be sorted. Call before anything that bypasses character(), and at the end.
  void finish() {
    if (waiting_.empty()) return;
    std::stable_sort(waiting_.begin(), waiting_.end(), [](const Waiting& a, const Waiting& b) { return a.order < b.order; });
    for (const Waiting& w : waiting_) lowered(w.c, w.from, w.to);
    waiting_.clear();
  }

 private:
  struct Waiting {
    int order;
    char32_t c;
    std::uint32_t from, to;
  };

  /// NFD sorts runs of non-starters by combining class before the marks are dropped. As the sort is stable, it is enough to sort
  /// the ones that stay.
  void stripped(char32_t c, std::uint32_t from, std::uint32_t to) {
    const std::uint8_t bits = classes_(c);
    const int order = combining_class(c, bits);
    if (order == 0) finish();
    if (bits & kMarkBit) return;
    if (order == 0) return lowered(c, from, to);
    waiting_.push_back({order, c, from, to});
  }

  void lowered(char32_t c, std::uint32_t from, std::uint32_t to) {
    if (!rules_.lowercase) return sink_.put(c, classes_(c), from, to);
    if (c == kCapitalDottedI) {
      sink_.put('i', classes_('i'), from, to);
      return sink_.put(kDotAbove, classes_(kDotAbove), from, to);
    }
    c = lower(c);
    sink_.put(c, classes_(c), from, to);
  }

  const BertRules& rules_;
  const ClassTable& classes_ = ClassTable::get();
  std::string_view text_;
  Sink& sink_;
  std::vector<Waiting> waiting_;  // rare characters only: most texts never allocate it
};

/// Splits normalized characters into words. A Sink has
///   void word(const char* bytes, std::size_t size, const Offset* origin)   origin[i]: where byte i came from
///   void long_word(Offset origin)                                          more than max_chars characters
/// kOrigins = false leaves the origins out (nullptr) and saves their cost.
template <bool kOrigins, class Sink>
class WordSplitter {
 public:
  WordSplitter(const BertRules& rules, std::size_t max_chars, Sink& sink) : rules_(rules), max_chars_(max_chars), sink_(sink) {
    if (max_chars > kInline) {
      big_bytes_ = std::make_unique<char[]>(4 * max_chars);
      if (kOrigins) big_origins_ = std::make_unique<Offset[]>(4 * max_chars);
      bytes_ = big_bytes_.get();
      origins_ = big_origins_.get();
    }
  }
  WordSplitter(const WordSplitter&) = delete;
  WordSplitter& operator=(const WordSplitter&) = delete;

  /// The words of text[begin, end). Positions count from the start of `text`.
  void split(std::string_view text, std::size_t begin, std::size_t end) {
    text = text.substr(0, end);
    Normalizer<WordSplitter> normalizer(rules_, text, *this);
    for (std::size_t at = begin; at < end;) {
      const auto byte = static_cast<unsigned char>(text[at]);
      switch (rules_.ascii_kind[byte]) {
        case BertRules::kLetter:
          normalizer.finish();
          at = letters(text, at);
          break;
        case BertRules::kBlank:
          normalizer.finish();
          flush();
          ++at;
          break;
        case BertRules::kPunctuation:
          normalizer.finish();
          put(byte, kPunctuationBit, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + 1));
          ++at;
          break;
        case BertRules::kDropped:
          ++at;
          break;
        default:
          normalizer.character(at);
      }
    }
    normalizer.finish();
    flush();
  }

  void space(std::uint32_t, std::uint32_t) { flush(); }

  void put(char32_t c, std::uint8_t bits, std::uint32_t from, std::uint32_t to) {
    if (bits & kWhitespaceBit) return flush();
    if (bits & kPunctuationBit) flush();
    if (chars_ == 0) begin_ = from;
    end_ = to;
    if (chars_ < max_chars_) {
      const std::size_t n = encode_utf8(c, bytes_ + size_);
      if (kOrigins) std::fill_n(origins_ + size_, n, Offset{from, to});
      size_ += n;
    }
    ++chars_;
    if (bits & kPunctuationBit) flush();
  }

 private:
  static constexpr std::size_t kInline = 200;

  std::size_t letters(std::string_view text, std::size_t at) {
    const std::size_t first = at;
    if (chars_ == 0) begin_ = static_cast<std::uint32_t>(at);
    const std::size_t room = max_chars_ > chars_ ? max_chars_ - chars_ : 0, stop = std::min(text.size(), at + room);
    std::size_t size = size_;
    for (; at < stop; ++at) {
      const auto byte = static_cast<unsigned char>(text[at]);
      if (rules_.ascii_kind[byte] != BertRules::kLetter) break;
      if (kOrigins) origins_[size] = {static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + 1)};
      bytes_[size++] = rules_.ascii_lower[byte];
    }
    size_ = size;
    if (at == stop)  // a word beyond the limit is only measured
      while (at < text.size() && rules_.ascii_kind[static_cast<unsigned char>(text[at])] == BertRules::kLetter) ++at;
    chars_ += at - first;
    end_ = static_cast<std::uint32_t>(at);
    return at;
  }

  void flush() {
    if (chars_ == 0) return;
    if (chars_ > max_chars_)
      sink_.long_word({begin_, end_});
    else
      sink_.word(bytes_, size_, kOrigins ? origins_ : nullptr);
    size_ = chars_ = 0;
  }

  const BertRules& rules_;
  std::size_t max_chars_;
  Sink& sink_;
  std::size_t size_ = 0, chars_ = 0;
  std::uint32_t begin_ = 0, end_ = 0;
  char inline_bytes_[4 * kInline];
  Offset inline_origins_[kOrigins ? 4 * kInline : 1];
  std::unique_ptr<char[]> big_bytes_;
  std::unique_ptr<Offset[]> big_origins_;
  char* bytes_ = inline_bytes_;
  Offset* origins_ = inline_origins_;
};

/// The normalized text as a string.
std::string normalize(const BertRules& rules, std::string_view text);

}  // namespace lathe::tokenizer::detail
