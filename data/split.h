// Training, validation and test parts by a keyed hash of the text, so that no text straddles them.
//
// Rows with the same normalised text (lower-cased letters and digits, everything else dropped; both texts of a pair) form a
// group. A group takes its most frequent label (ties: the smaller id). Per label, in order of ids, its groups are sorted by
// hash = first 8 bytes of SHA-256(key ‖ normalised text), key = random_key(seed, 0, "split") as 8 little-endian bytes, and
// cut: the first go to the test part, the next to validation, the rest to training, a group to the part in which its first
// row falls. Row quotas are rounded cumulatively over the labels, so that small classes neither vanish nor pile up. A
// label that training would lack takes the first group with it there. So: duplicates never straddle, every label trains, each
// part has the label shares of the whole as far as groups allow, adding a row moves few others, and the order of rows in the
// file does not matter.
#pragma once
#include <lathe/base/random.h>
#include <lathe/data/classification.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::data {

enum class Part : std::uint8_t { train, valid, test };
const char* part_name(Part part);

/// Lower-cased letters and digits of well-formed UTF-8; blanks, punctuation and symbols are dropped. Case is folded for
/// ASCII, Latin-1, Latin Extended-A, Greek and Cyrillic from built-in ranges, so the result never depends on a library's
/// Unicode version. Text without any letter or digit is returned trimmed (":)" and ":(" stay different).
std::string normalise_text(std::string_view text);

/// First 128 bits of the keyed hash above for one row, read big-endian; the first 64 decide, the others tell texts apart.
struct TextHash {
  std::uint64_t high = 0, low = 0;
  auto operator<=>(const TextHash&) const = default;
};
std::vector<TextHash> hash_texts(const Examples& examples, RandomKey key);

struct SplitShares {
  std::int64_t train = 80, valid = 10, test = 10;  ///< any unit: only the proportions count; 0: no such part
};

/// The part of each row. InputError for negative shares, no training share, or a part that has a share but gets no row.
std::vector<Part> split_rows(const Examples& examples, const SplitShares& shares, std::uint64_t seed);

}  // namespace lathe::data
