#include <doctest/doctest.h>
#include <lathe/base/random.h>
#include <lathe/base/text.h>
#include <lathe/tokenizer/wordpiece_trainer.h>

#include <algorithm>

#include "tests/tokenizer/small_vocab.h"

using namespace lathe::tokenizer;
using lathe::test::input_error;

namespace {

std::vector<std::string> tokens_of(const Tokenizer& t) {
  std::vector<std::string> out;
  for (std::int32_t i = 5; i < t.vocab_size(); ++i) out.emplace_back(t.token(i));
  return out;
}

WordPieceOptions options(std::int32_t size, std::int64_t min_frequency = 1) {
  WordPieceOptions o;
  o.vocab_size = size;
  o.min_frequency = min_frequency;
  return o;
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("training by hand") {
  // hug ×10, pug ×5, pun ×12, bun ×4, hugs ×5: the textbook example. u+g 20, u+n 16, h+ug 15, p+un 12, hug+s 5, p+ug 5, b+un 4.
  Strings texts;
  const std::pair<const char*, int> words[] = {{"hug", 10}, {"pug", 5}, {"pun", 12}, {"bun", 4}, {"hugs", 5}};
  for (const auto& [word, count] : words)
    for (int i = 0; i < count; ++i) texts.emplace_back(word);
  const Strings all{"b",   "g",   "h",    "n",    "p",   "s",   "u",   "##g",  "##n",
                    "##s", "##u", "##ug", "##un", "hug", "pun", "pug", "hugs", "bun"};
  CHECK(tokens_of(train_wordpiece(texts, options(1000))) == all);
  CHECK(tokens_of(train_wordpiece(texts, options(5 + 14))) == Strings(all.begin(), all.begin() + 14));
  CHECK(tokens_of(train_wordpiece(texts, options(1000, 5))) == Strings(all.begin(), all.end() - 1));
  CHECK(tokens_of(train_wordpiece(texts, options(1000, 21))) == Strings(all.begin(), all.begin() + 11));
}

TEST_CASE("the order of texts does not matter, and neither does how they are cut") {
  lathe::Random random(lathe::random_key(7, 0, "trainer"));
  Strings texts;
  for (int i = 0; i < 400; ++i) {
    std::string text;
    for (int w = 0; w < 12; ++w) {
      for (std::uint32_t n = 1 + random.below(7); n > 0; --n) text += "abcdeXYZ"[random.below(8)];
      text += " .,"[random.below(3)];
    }
    texts.push_back(text);
  }
  const Tokenizer first = train_wordpiece(texts, options(300));
  CHECK(first.vocab_size() == 300);
  Strings shuffled = texts;
  random.shuffle(shuffled);
  CHECK(train_wordpiece(shuffled, options(300)).hash() == first.hash());
  CHECK(train_wordpiece(std::vector<std::string>{lathe::join(texts, " ")}, options(300)).to_json() == first.to_json());
  std::vector<std::string_view> views(texts.begin(), texts.end());
  CHECK(train_wordpiece(std::span<const std::string_view>(views), options(300)).hash() == first.hash());
  WordPieceTrainer trainer(options(300));
  for (const std::string& text : texts) trainer.add(text);
  CHECK(trainer.train().hash() == first.hash());
  CHECK(trainer.train().hash() == first.hash());  // training leaves the counts alone
  // Everything it saw can be spelled, and a larger vocabulary begins with the smaller one.
  for (const std::string& text : texts) {
    const auto ids = first.encode(text);
    CHECK(std::count(ids.begin(), ids.end(), 1) == 0);
  }
  const auto larger = tokens_of(train_wordpiece(texts, options(400))), smaller = tokens_of(first);
  CHECK(std::equal(smaller.begin(), smaller.end(), larger.begin()));
}

TEST_CASE("repeated letters") {
  // a ##a ##a ##a, twice: ##a ##a overlaps and counts 4; then a ##aa and ##aa ##a count 2 each, and a has the smaller id.
  CHECK(tokens_of(train_wordpiece(Strings{"aaaa aaaa"}, options(100))) == Strings{"a", "##a", "##aa", "aaa", "aaaa"});
}

TEST_CASE("tiny and empty text") {
  for (const Strings& texts : {Strings{}, Strings{""}, Strings{" \t\n", "\x01\x02"}}) {
    const Tokenizer t = train_wordpiece(texts);
    CHECK(t.vocab_size() == 5);
    CHECK(t.encode("word.") == lathe::test::Ids{2, 1, 1, 3});
    CHECK(t.special() == SpecialIds{0, 1, 2, 3, 4});
  }
  CHECK(tokens_of(train_wordpiece(Strings{"x"})) == Strings{"x"});
  CHECK(tokens_of(train_wordpiece(Strings{"xy"})) == Strings{"x", "y", "##y"});  // the pair occurs once, below min_frequency
  CHECK(tokens_of(train_wordpiece(Strings{"xy xy"})) == Strings{"x", "y", "##y", "xy"});
  CHECK(tokens_of(train_wordpiece(Strings{std::string(101, 'q') + " a"})) == Strings{"a"});  // longer than a word may be
}

TEST_CASE("case and accents") {
  WordPieceOptions cased = options(100);
  cased.lowercase = false;
  CHECK(tokens_of(train_wordpiece(Strings{"Ä"}, cased)) == Strings{"Ä"});
  CHECK(tokens_of(train_wordpiece(Strings{"Ä"}, options(100))) == Strings{"a"});
  CHECK(!train_wordpiece(Strings{"Ä"}, cased).lowercase());
  CHECK(Tokenizer::from_json(train_wordpiece(Strings{"Ä"}, cased).to_json()).hash() == train_wordpiece(Strings{"Ä"}, cased).hash());
}

TEST_CASE("alphabet limit: the most frequent characters, ties to the smaller; the others vanish from words") {
  WordPieceOptions o = options(100);
  o.limit_alphabet = 2;
  const Tokenizer t = train_wordpiece(Strings{"axb axb c d"}, o);
  CHECK(tokens_of(t) == Strings{"a", "b", "##b", "ab"});
  CHECK(t.encode("axb") == lathe::test::Ids{2, 1, 3});
}

TEST_CASE("bad options and bad text") {
  CHECK(input_error([] { WordPieceTrainer(options(4)); }) == "[tokenizer] vocab_size 4 is below the 5 special tokens");
  CHECK(input_error([] { WordPieceTrainer(options(100, -1)); }).find("min_frequency -1") != std::string::npos);
  WordPieceOptions o;
  o.limit_alphabet = 0;
  CHECK(input_error([&] { WordPieceTrainer{o}; }).find("limit_alphabet 0") != std::string::npos);
  CHECK(input_error([] { train_wordpiece(Strings{"abc"}, options(8)); }) ==
        "[tokenizer] vocab_size 8 has no room for the special tokens and the 3 characters of the text, expected at least 10 or a "
        "limit_alphabet "
        "below 3");
  CHECK(input_error([] {
          train_wordpiece(Strings{"fine", "a\xFF"});
        }) == "text 1: [tokenizer] text is not UTF-8: invalid byte at position 1");
  WordPieceTrainer trainer;
  CHECK(!input_error([&] { trainer.add("good words \xC3"); }).empty());
  CHECK(trainer.train().vocab_size() == 5);
}
