// Added tokens: strings such as [MASK] that are cut out of the raw text before any rule applies (internal).
#pragma once
#include <lathe/tokenizer/tokenizer.h>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lathe::tokenizer::detail {

class AddedTokens {
 public:
  AddedTokens() = default;
  /// Sorted by id. Contents must be non-empty and different.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  struct Match {
    std::size_t begin, end;  ///< with the white space that lstrip and rstrip swallow
    const AddedToken* token;
    std::size_t resume;  ///< end of the content itself: where the next search starts
  };

  /// The first match at or behind `search`, the longest one there; token = nullptr and begin = end = text.size() if there is none.
  /// lstrip does not reach before `from`, the end of the last match.
  Match next(std::string_view text, std::size_t from, std::size_t search) const;

  const std::vector<AddedToken>& list() const { return list_; }
  const AddedToken* find(std::int32_t id) const;
  const AddedToken* find(std::string_view content) const;

 private:
  std::size_t next_candidate(std::string_view text, std::size_t from) const;

  std::vector<AddedToken> list_;
  std::vector<std::uint32_t> by_length_;  // indices into list_, longest content first
  std::bitset<256> first_bytes_;
  int only_first_byte_ = -1;  // if all tokens start with the same byte
};

}  // namespace lathe::tokenizer::detail
