#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/data/split.h>

#include <algorithm>
#include <map>
#include <utility>

namespace lathe::data {
namespace {

/// Small letter for a capital one in the ranges that split.h names; anything else as it is.
char32_t lower_letter(char32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c < 0xC0) return c;
  if (c <= 0xDE) return c == 0xD7 ? c : c + 32;                    // À–Þ
  if (c >= 0x100 && c <= 0x137) return c == 0x130 ? U'i' : c | 1;  // Ā–ķ in pairs; İ → i
  if (c >= 0x139 && c <= 0x148) return c % 2 == 1 ? c + 1 : c;     // Ĺ–ň, capitals odd
  if (c >= 0x14A && c <= 0x177) return c | 1;                      // Ŋ–ŷ
  if (c == 0x178) return 0xFF;                                     // Ÿ
  if (c >= 0x179 && c <= 0x17E) return c % 2 == 1 ? c + 1 : c;     // Ź–ž, capitals odd
  if (c >= 0x391 && c <= 0x3A9) return c + 32;                     // Α–Ω
  if (c == 0x3C2) return 0x3C3;                                    // final sigma
  if (c >= 0x400 && c <= 0x40F) return c + 80;                     // Ѐ–Џ
  if (c >= 0x410 && c <= 0x42F) return c + 32;                     // А–Я
  return c;
}

/// Letters and digits. Outside ASCII everything counts but the blocks of blanks, punctuation, symbols and emoji, so that
/// text in any script keeps its letters.
bool letter_or_digit(char32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  if (c == 0xD7 || c == 0xF7 || c == 0xFEFF) return false;
  if (c >= 0x2000 && c <= 0x2BFF) return false;                       // general punctuation … arrows, symbols
  if (c >= 0x2E00 && c <= 0x2E7F) return false;                       // supplemental punctuation
  if (c >= 0x3000 && c <= 0x303F) return c == 0x3005 || c == 0x3007;  // CJK punctuation; 々 and 〇 are characters
  if (c >= 0xFE10 && c <= 0xFE6F) return false;                       // forms of punctuation, variation selectors
  if ((c >= 0xFF00 && c <= 0xFF0F) || (c >= 0xFF1A && c <= 0xFF20) || (c >= 0xFF3B && c <= 0xFF40) || (c >= 0xFF5B && c <= 0xFF65))
    return false;                          // full-width punctuation
  return !(c >= 0x1F000 && c <= 0x1FAFF);  // emoji and pictographs
}

}  // namespace

const char* part_name(Part part) { return part == Part::train ? "training" : part == Part::valid ? "validation" : "test"; }

std::string normalise_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_utf8(text, at);
    if (letter_or_digit(c)) append_utf8(out, lower_letter(c));
  }
  return out.empty() ? std::string(trim(text)) : out;
}

std::vector<TextHash> hash_texts(const Examples& examples, RandomKey key) {
  const std::uint64_t key_bits = key.k0 | static_cast<std::uint64_t>(key.k1) << 32;
  std::vector<TextHash> hashes;
  hashes.reserve(examples.size());
  for (std::size_t row = 0; row < examples.size(); ++row) {
    Sha256 sha;
    sha.add_u64(key_bits).add(normalise_text(examples.text[row]));
    // A byte that no UTF-8 holds keeps ("ab", "c") and ("a", "bc") apart.
    if (examples.is_pair()) sha.add("\xFF").add(normalise_text(examples.pair[row]));
    const Digest digest = sha.finish();
    const auto word = [&](std::size_t from) {
      std::uint64_t value = 0;
      for (std::size_t i = from; i < from + 8; ++i) value = value << 8 | digest[i];
      return value;
    };
    hashes.push_back({word(0), word(8)});
  }
  return hashes;
}

namespace {

struct Group {
  TextHash hash;
  std::vector<std::size_t> rows;
  std::int32_t label = 0;
  Part part = Part::train;
};

/// Rows of equal text, ordered by (label, hash).
std::vector<Group> make_groups(const Examples& examples, std::uint64_t seed) {
  const std::vector<TextHash> hashes = hash_texts(examples, random_key(seed, 0, "split"));
  std::vector<std::size_t> order(examples.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return std::pair(hashes[a], a) < std::pair(hashes[b], b); });
  std::vector<Group> groups;
  for (const std::size_t row : order) {
    if (groups.empty() || groups.back().hash != hashes[row]) groups.push_back({hashes[row], {}, 0, Part::train});
    groups.back().rows.push_back(row);
  }
  for (Group& group : groups) {
    std::map<std::int32_t, int> votes;
    for (const std::size_t row : group.rows) ++votes[examples.label[row]];
    group.label =
        std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; })->first;
  }
  std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) { return a.label < b.label; });
  return groups;
}

/// round(count · share / sum), halves up.
std::int64_t quota(std::int64_t count, std::int64_t share, std::int64_t sum) { return (2 * count * share + sum) / (2 * sum); }

void assign_parts(std::vector<Group>& groups, const SplitShares& shares) {
  const std::int64_t sum = shares.train + shares.valid + shares.test;
  std::int64_t rows_before = 0;  // of the labels before this one
  for (std::size_t first = 0; first < groups.size();) {
    std::size_t last = first;
    std::int64_t rows = 0;
    while (last < groups.size() && groups[last].label == groups[first].label)
      rows += static_cast<std::int64_t>(groups[last++].rows.size());
    const auto share = [&](std::int64_t part) { return quota(rows_before + rows, part, sum) - quota(rows_before, part, sum); };
    const std::int64_t test_end = share(shares.test), valid_end = test_end + share(shares.valid);
    std::int64_t at = 0;
    for (std::size_t g = first; g < last; ++g) {
      groups[g].part = at < test_end ? Part::test : at < valid_end ? Part::valid : Part::train;
      at += static_cast<std::int64_t>(groups[g].rows.size());
    }
    rows_before += rows;
    first = last;
  }
}

/// A label of which no row trains (it has few, or all of them are in groups of other labels) takes its first group there.
void keep_labels_in_training(std::vector<Group>& groups, const Examples& examples) {
  std::vector<char> trained(examples.classes(), 0);
  for (const Group& group : groups)
    if (group.part == Part::train)
      for (const std::size_t row : group.rows) trained[examples.label[row]] = 1;
  for (Group& group : groups) {
    const bool needed =
        std::any_of(group.rows.begin(), group.rows.end(), [&](std::size_t row) { return !trained[examples.label[row]]; });
    if (!needed) continue;
    group.part = Part::train;
    for (const std::size_t row : group.rows) trained[examples.label[row]] = 1;
  }
}

}  // namespace

std::vector<Part> split_rows(const Examples& examples, const SplitShares& shares, std::uint64_t seed) {
  constexpr std::int64_t kMost = 1'000'000;  // keeps the products of quota() within 64 bits
  for (const std::int64_t share : {shares.train, shares.valid, shares.test})
    if (share < 0 || share > kMost) throw InputError(str("data.split: expected shares from 0 to 1,000,000, got ", share));
  if (shares.train == 0) throw InputError("data.split: the training share is 0");
  std::vector<Group> groups = make_groups(examples, seed);
  assign_parts(groups, shares);
  keep_labels_in_training(groups, examples);
  std::vector<Part> parts(examples.size(), Part::train);
  std::int64_t counts[3] = {0, 0, 0};
  for (const Group& group : groups)
    for (const std::size_t row : group.rows) {
      parts[row] = group.part;
      ++counts[static_cast<int>(group.part)];
    }
  const std::int64_t wanted[3] = {shares.train, shares.valid, shares.test};
  for (const Part part : {Part::train, Part::valid, Part::test}) {
    if (wanted[static_cast<int>(part)] == 0 || counts[static_cast<int>(part)] > 0) continue;
    const auto texts = static_cast<std::int64_t>(groups.size());
    throw InputError(str(examples.source.file(), ": the ", part_name(part), " part is empty: ", with_commas(texts),
                         texts == 1 ? " different text" : " different texts", " split ", shares.train, "/", shares.valid, "/",
                         shares.test, "; add rows, change data.split, or name a file with data.",
                         part == Part::test ? "test" : "valid"));
  }
  return parts;
}

}  // namespace lathe::data
