// A vocabulary small enough to check by eye.
#pragma once
#include <lathe/base/error.h>
#include <lathe/tokenizer/tokenizer.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace lathe::test {

using Ids = std::vector<std::int32_t>;

inline constexpr std::int32_t kPad = 0, kUnk = 1, kCls = 2, kSep = 3, kMask = 4;

/// Specials 0–4, then the given tokens from 5 on.
inline std::string vocab_text(std::initializer_list<const char*> tokens) {
  std::string text = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (const char* token : tokens) (text += token) += '\n';
  return text;
}

/// 5 a, 6 b, 7 ab, 8 ##a, 9 ##b, 10 ##ab, 11 ., 12 ä, 13 [, 14 ], 15 mask
inline tokenizer::Tokenizer small() {
  return tokenizer::Tokenizer::from_vocab(vocab_text({"a", "b", "ab", "##a", "##b", "##ab", ".", "ä", "[", "]", "mask"}), false,
                                          "small", 100);
}

inline Ids plain(const tokenizer::Tokenizer& t, std::string_view text) {
  tokenizer::EncodeOptions options;
  options.add_special = false;
  return t.encode(text, options);
}

/// The message of the InputError that `f` throws, or "" if it throws none.
template <class F>
std::string input_error(F&& f) {
  try {
    f();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

}  // namespace lathe::test
