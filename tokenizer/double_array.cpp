#include <lathe/base/error.h>
#include <lathe/tokenizer/double_array.h>

#include <algorithm>
#include <array>
#include <deque>
#include <span>
#include <string>

namespace lathe::tokenizer::detail {

/// Places nodes breadth first, so the nodes near the roots, which every word visits, lie together.
struct DoubleArray::Builder {
  struct Node {
    std::uint32_t unit;
    std::size_t first, last, depth;  ///< its keys, sorted, and the length of their common prefix
    const std::vector<Key>* keys;
  };

  std::vector<Unit>& units;
  std::vector<bool> base_taken{};
  std::vector<std::uint32_t> next_free{};  ///< a unit itself if it is free, else one further on, on the way to the next free one
  std::size_t search_from = 0;             ///< units below are free, but did not suit anybody for long

  void grow(std::size_t size) {
    size = (size + 255) / 256 * 256;
    if (size <= units.size()) return;
    if (size > (std::size_t{1} << 24))
      throw InputError("[tokenizer] the vocabulary is too large: its trie needs more than 16,777,216 units");
    units.resize(size);
    base_taken.resize(size, false);
    while (next_free.size() <= size) next_free.push_back(static_cast<std::uint32_t>(next_free.size()));
  }

  bool taken(std::size_t unit) const { return next_free[unit] != unit; }
  void take(std::uint32_t unit) { next_free[unit] = unit + 1; }

  /// First free unit from `unit` on, halving the way for the next caller (as in union-find). May be units.size().
  std::size_t free_from(std::size_t unit) {
    while (next_free[unit] != unit) {
      next_free[unit] = next_free[next_free[unit]];
      unit = next_free[unit];
    }
    return unit;
  }

  bool fits(std::uint32_t base, std::span<const unsigned char> labels) {
    if (base == 0 || base_taken[base]) return false;
    return std::none_of(labels.begin(), labels.end(), [&](unsigned char c) { return taken(base ^ c); });
  }

  std::uint32_t find_base(std::span<const unsigned char> labels) {
    constexpr std::size_t kPatience = 256;  // then the free units in front are left as holes
    std::size_t tried = 0;
    for (std::size_t unit = free_from(search_from);; unit = free_from(unit + 1)) {
      grow(unit + 256);
      const auto base = static_cast<std::uint32_t>(unit ^ labels[0]);
      if (fits(base, labels)) {
        if (tried > kPatience) search_from = unit;
        return base;
      }
      ++tried;
    }
  }

  void place_children(const Node& node, std::deque<Node>& queue) {
    const std::vector<Key>& keys = *node.keys;
    std::array<unsigned char, 256> labels{};
    std::vector<Node> children;
    for (std::size_t k = node.first; k < node.last; ++k) {
      if (keys[k].bytes.size() == node.depth) continue;  // the node's own key
      const auto label = static_cast<unsigned char>(keys[k].bytes[node.depth]);
      LATHE_CHECK(label != 0xFF, "a trie key has byte 0xFF");
      if (children.empty() || labels[children.size() - 1] != label) {
        labels[children.size()] = label;
        children.push_back({0, k, k, node.depth + 1, node.keys});
      }
      children.back().last = k + 1;
    }
    if (children.empty()) return;
    const std::uint32_t base = find_base({labels.data(), children.size()});
    base_taken[base] = true;
    units[node.unit].base_and_label = base << 8 | (units[node.unit].base_and_label & 255u);
    for (std::size_t i = 0; i < children.size(); ++i) {
      Node& child = children[i];
      child.unit = base ^ labels[i];
      take(child.unit);
      units[child.unit].base_and_label = labels[i];
      if (keys[child.first].bytes.size() == child.depth) units[child.unit].value = keys[child.first].value;
      queue.push_back(child);
    }
  }
};

DoubleArray::DoubleArray(std::vector<std::vector<Key>> roots) {
  Builder builder{units_};
  builder.grow(std::max<std::size_t>(256, roots.size()));
  std::deque<Builder::Node> queue;
  for (std::size_t r = 0; r < roots.size(); ++r) {
    std::vector<Key>& keys = roots[r];
    std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.bytes < b.bytes; });
    for (std::size_t k = 0; k + 1 < keys.size(); ++k) LATHE_CHECK(keys[k].bytes != keys[k + 1].bytes, std::string(keys[k].bytes));
    builder.take(static_cast<std::uint32_t>(r));
    queue.push_back({static_cast<std::uint32_t>(r), 0, keys.size(), 0, &keys});
  }
  while (!queue.empty()) {
    const Builder::Node node = queue.front();
    queue.pop_front();
    builder.place_children(node, queue);
  }
}

}  // namespace lathe::tokenizer::detail
