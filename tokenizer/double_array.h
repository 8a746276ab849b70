// A trie of byte strings in one array (Aoe, 1989), for longest-match lookups (internal).
//
// Node s with child c lives at unit base(s) XOR c, and that unit stores c as its label. Every node has a base of its own, so the
// label alone proves the parent: one step is one load and one comparison. Several roots share the array; WordPiece uses one for the
// start of a word and one for its continuation.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lathe::tokenizer::detail {

class DoubleArray {
 public:
  static constexpr std::int32_t kNoValue = -1;

  struct Key {
    std::string_view bytes;  ///< not empty; byte 0xFF, which UTF-8 never has, marks empty units and may not occur
    std::int32_t value;      ///< ≥ 0
  };

  /// roots[r] are the keys below root r, in any order. InternalError if a key repeats.
  explicit DoubleArray(std::vector<std::vector<Key>> roots);

  struct Match {
    std::size_t size = 0;  ///< bytes of the longest key that is a prefix of the text; 0 = none
    std::int32_t value = kNoValue;
  };

  Match longest(std::uint32_t root, const char* text, std::size_t size) const {
    Match match;
    const Unit* const units = units_.data();
    std::uint32_t base = units[root].base_and_label >> 8;
    for (std::size_t i = 0; i < size;) {
      const auto byte = static_cast<unsigned char>(text[i++]);
      const Unit unit = units[base ^ byte];
      if ((unit.base_and_label & 255u) != byte) break;
      if (unit.value >= 0) match = {i, unit.value};
      base = unit.base_and_label >> 8;
    }
    return match;
  }

  /// Value of exactly this key, or kNoValue.
  std::int32_t find(std::uint32_t root, std::string_view key) const {
    if (key.find('\xFF') != key.npos) return kNoValue;  // would step on empty units
    const Match match = longest(root, key.data(), key.size());
    return match.size == key.size() ? match.value : kNoValue;
  }

  std::size_t memory() const { return units_.size() * sizeof(Unit); }

 private:
  struct Unit {
    std::uint32_t base_and_label = 0xFF;  ///< base in the upper 24 bits; base 0 belongs to nobody: no children
    std::int32_t value = kNoValue;
  };

  struct Builder;
  std::vector<Unit> units_;
};

}  // namespace lathe::tokenizer::detail
