#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/base/random.h>
#include <lathe/tokenizer/double_array.h>

#include <map>
#include <string>

using lathe::tokenizer::detail::DoubleArray;

TEST_CASE("double array: longest match equals a map's, for two roots") {
  // Random keys over few letters (deep, crowded) and over many bytes (wide nodes).
  for (const std::uint32_t letters : {2u, 4u, 255u}) {
    CAPTURE(letters);
    lathe::Random random(lathe::random_key(1, letters, "double array"));
    const auto draw = [&](std::uint32_t most) {
      std::string s(1 + random.below(most), ' ');
      for (char& c : s) c = static_cast<char>(random.below(letters));  // never 0xFF
      return s;
    };
    std::vector<std::map<std::string, std::int32_t>> maps(2);
    for (auto& map : maps)
      for (int i = 0; i < 3000; ++i) map.emplace(draw(12), static_cast<std::int32_t>(map.size()));
    std::vector<std::vector<DoubleArray::Key>> keys(2);
    for (std::size_t r = 0; r < 2; ++r)
      for (const auto& [key, value] : maps[r]) keys[r].push_back({key, value});
    const DoubleArray trie(keys);
    for (std::uint32_t r = 0; r < 2; ++r) {
      for (const auto& [key, value] : maps[r]) REQUIRE(trie.find(r, key) == value);
      for (const auto& [key, value] : maps[r])  // 0xFF must not lead back to a root
        REQUIRE(trie.find(r, key + "\xFF" + maps[0].begin()->first) == DoubleArray::kNoValue);
      for (int i = 0; i < 3000; ++i) {
        const std::string text = draw(16);
        std::size_t size = 0;
        std::int32_t value = DoubleArray::kNoValue;
        for (std::size_t n = 1; n <= text.size(); ++n)
          if (const auto at = maps[r].find(text.substr(0, n)); at != maps[r].end()) size = n, value = at->second;
        const auto match = trie.longest(r, text.data(), text.size());
        REQUIRE(match.size == size);
        REQUIRE(match.value == value);
      }
    }
  }
}

TEST_CASE("double array: edges") {
  const DoubleArray empty({{}, {}});
  CHECK(empty.longest(0, "a", 1).size == 0);
  CHECK(empty.longest(1, "", 0).size == 0);
  CHECK(empty.find(0, "") == DoubleArray::kNoValue);
  const std::string zero(1, '\0');
  const DoubleArray one({{{zero, 7}}});
  CHECK(one.find(0, zero) == 7);
  CHECK(one.find(0,
                 "\xFF"
                 "a") == DoubleArray::kNoValue);
  CHECK(one.find(0, "a") == DoubleArray::kNoValue);
  for (std::size_t roots = 1; roots < 4; ++roots)  // base 0 would make a leaf the parent of these
    for (char c = 0; c < 5; ++c) {
      std::vector<std::vector<DoubleArray::Key>> keys(roots);
      keys[0].push_back({std::string_view(&c, 1), 7});
      const std::string twice(2, c);
      CHECK(DoubleArray(keys).longest(0, twice.data(), 2).size == 1);
    }
  CHECK_THROWS_AS(DoubleArray({{{"a", 1}, {"a", 2}}}), lathe::InternalError);
}
