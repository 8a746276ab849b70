#include <lathe/tokenizer/bert_text.h>

namespace lathe::tokenizer::detail {

BertRules::BertRules(bool clean, bool cjk, bool strip, bool lower_case)
    : clean_text(clean), handle_chinese_chars(cjk), strip_accents(strip), lowercase(lower_case) {
  const ClassTable& classes = ClassTable::get();
  for (unsigned byte = 0; byte < 256; ++byte) {
    ascii_lower[byte] = static_cast<char>(byte < 128 && lowercase ? lower(byte) : byte);
    if (byte >= 128) {
      ascii_kind[byte] = kWide;
      continue;
    }
    const std::uint8_t bits = classes(byte);
    if (clean_text && (bits & kRemovedBit))
      ascii_kind[byte] = kDropped;
    else if (bits & kWhitespaceBit)
      ascii_kind[byte] = kBlank;
    else
      ascii_kind[byte] = bits & kPunctuationBit ? kPunctuation : kLetter;
  }
}

namespace {
struct StringSink {
  std::string out;
  void put(char32_t c, std::uint8_t, std::uint32_t, std::uint32_t) { append_utf8(out, c); }
  void space(std::uint32_t, std::uint32_t) { out += ' '; }
};
}  // namespace

std::string normalize(const BertRules& rules, std::string_view text) {
  StringSink sink;
  sink.out.reserve(text.size());
  Normalizer<StringSink> normalizer(rules, text, sink);
  for (std::size_t at = 0; at < text.size();) normalizer.character(at);
  normalizer.finish();
  return std::move(sink.out);
}

}  // namespace lathe::tokenizer::detail
