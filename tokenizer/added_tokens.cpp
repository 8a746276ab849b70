#include <lathe/tokenizer/added_tokens.h>
#include <lathe/tokenizer/unicode.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace lathe::tokenizer::detail {
namespace {

/// Start of the character that ends at `end`. A text that is not UTF-8 gives some position; the encoder reports it.
std::size_t previous(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && end - at < 4 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool is_white(std::string_view text, std::size_t at) { return (ClassTable::get()(decode_utf8(text, at)) & kWhitespaceBit) != 0; }
bool is_word(std::string_view text, std::size_t at) { return is_word_character(decode_utf8(text, at)); }

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : list_(std::move(tokens)), by_length_(list_.size()) {
  std::sort(list_.begin(), list_.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  std::iota(by_length_.begin(), by_length_.end(), 0u);
  std::stable_sort(by_length_.begin(), by_length_.end(),
                   [this](std::uint32_t a, std::uint32_t b) { return list_[a].content.size() > list_[b].content.size(); });
  for (const AddedToken& token : list_) first_bytes_.set(static_cast<unsigned char>(token.content[0]));
  if (first_bytes_.count() == 1) only_first_byte_ = static_cast<unsigned char>(list_[0].content[0]);
}

std::size_t AddedTokens::next_candidate(std::string_view text, std::size_t from) const {
  if (list_.empty() || from >= text.size()) return text.size();
  if (only_first_byte_ >= 0) {
    const void* hit = std::memchr(text.data() + from, only_first_byte_, text.size() - from);
    return hit ? static_cast<std::size_t>(static_cast<const char*>(hit) - text.data()) : text.size();
  }
  while (from < text.size() && !first_bytes_[static_cast<unsigned char>(text[from])]) ++from;
  return from;
}

AddedTokens::Match AddedTokens::next(std::string_view text, std::size_t from, std::size_t search) const {
  for (std::size_t at = next_candidate(text, search); at < text.size();) {
    const auto hit = std::find_if(by_length_.begin(), by_length_.end(),
                                  [&](std::uint32_t i) { return text.substr(at).starts_with(list_[i].content); });
    if (hit == by_length_.end()) {
      at = next_candidate(text, at + 1);
      continue;
    }
    const AddedToken& token = list_[*hit];
    const std::size_t resume = at + token.content.size();
    std::size_t begin = at, end = resume;
    if (token.single_word && ((begin > 0 && is_word(text, previous(text, begin))) || (end < text.size() && is_word(text, end)))) {
      at = next_candidate(text, resume);
      continue;
    }
    if (token.lstrip) {
      begin = std::max(begin, from);
      while (begin > from && is_white(text, previous(text, begin))) begin = previous(text, begin);
    }
    if (token.rstrip)
      while (end < text.size() && is_white(text, end)) decode_utf8(text, end);
    return {begin, end, &token, resume};
  }
  return {text.size(), text.size(), nullptr, text.size()};
}

const AddedToken* AddedTokens::find(std::int32_t id) const {
  const auto at =
      std::lower_bound(list_.begin(), list_.end(), id, [](const AddedToken& token, std::int32_t i) { return token.id < i; });
  return at != list_.end() && at->id == id ? &*at : nullptr;
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto at = std::find_if(list_.begin(), list_.end(), [&](const AddedToken& token) { return token.content == content; });
  return at == list_.end() ? nullptr : &*at;
}

}  // namespace lathe::tokenizer::detail
