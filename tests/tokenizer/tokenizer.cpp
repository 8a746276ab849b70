#include <doctest/doctest.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/tokenizer/tokenizer.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/folder.h"
#include "tests/tokenizer/small_vocab.h"

using namespace lathe::test;
using namespace lathe::tokenizer;

TEST_CASE("words, pieces, unknown words") {
  const Tokenizer t = small();
  CHECK(plain(t, "a b ab") == Ids{5, 6, 7});
  CHECK(plain(t, "abab") == Ids{7, 10});
  CHECK(plain(t, "aab.ba") == Ids{5, 10, 11, 6, 8});
  CHECK(plain(t, "abc") == Ids{kUnk});  // one failure makes the whole word unknown
  CHECK(plain(t, "a abc b") == Ids{5, kUnk, 6});
  CHECK(plain(t, "c...") == Ids{kUnk, 11, 11, 11});
  CHECK(plain(t, "ä") == Ids{12});  // cased: accents stay
  CHECK(plain(t, "A") == Ids{kUnk});
  CHECK(t.encode("ab") == Ids{kCls, 7, kSep});
}

TEST_CASE("empty text, white space, control characters") {
  const Tokenizer t = small();
  for (const char* text : {"", " ", "   ", "\n\t\r ", "\x01\x7F", "\u00a0\u3000\u2028", "\u200b\ufeff"}) {
    CAPTURE(text);
    CHECK(plain(t, text).empty());
    CHECK(t.encode(text) == Ids{kCls, kSep});
  }
  CHECK(plain(t,
              "a\x01"
              "b") == Ids{7});  // control characters join
  CHECK(plain(t, std::string_view("a\0b", 3)) == Ids{7});
  CHECK(plain(t, "a\u200bb") == Ids{7});
  CHECK(plain(t, "a\u00a0b\tab\nab") == Ids{5, 6, 7, 7});
  CHECK(plain(t, "a\vb") == Ids{7});  // VT, FF and NEL are controls, not spaces
}

TEST_CASE("a BERT vocabulary file has BERT's own limit") {
  const Tokenizer t = Tokenizer::from_vocab(vocab_text({"a", "##a"}));
  CHECK(plain(t, std::string(200, 'a')).size() == 200);
  CHECK(plain(t, std::string(201, 'a')) == Ids{kUnk});
  CHECK(plain(Tokenizer::from_json(t.to_json()), std::string(200, 'a')).size() == 200);
  CHECK(input_error([] { Tokenizer::from_vocab(vocab_text({"a"}), {}, "v", 0); }).find("max_word_chars") != std::string::npos);
}

TEST_CASE("emoji and ideographs") {
  const Tokenizer t = Tokenizer::from_vocab(vocab_text({"日", "本", "😀", "##😀", "x"}));
  CHECK(plain(t, "日本x日") == Ids{5, 6, 9, 5});
  CHECK(plain(t, "😀😀 👍") == Ids{7, 8, kUnk});
}

TEST_CASE("words at and beyond 100 characters, and huge words") {
  const Tokenizer t = small();
  const std::string a100(100, 'a');
  CHECK(plain(t, a100).size() == 100);
  CHECK(plain(t, a100 + "a") == Ids{kUnk});
  CHECK(plain(t, a100 + "a a") == Ids{kUnk, 5});
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "ä";
  CHECK(plain(t, wide) == Ids{kUnk});
  const Tokenizer w = Tokenizer::from_vocab(vocab_text({"ä", "##ä"}), false, "v", 100);
  CHECK(plain(w, wide).size() == 100);  // characters count, not bytes
  CHECK(plain(w, wide + "ä") == Ids{kUnk});
  CHECK(plain(w, "ä" + std::string(100, '\x01') + "ä") == Ids{5, 6});
  const std::string huge(1'000'000, 'a');
  CHECK(plain(t, huge) == Ids{kUnk});
  CHECK(plain(t, huge + ". a") == Ids{kUnk, 11, 5});
  const Encoding e = t.encode_full(huge);
  CHECK(e.offsets[1] == Offset{0, 1'000'000});
  // Marks that wait to be sorted are many, too.
  std::string marks = "a";
  for (int i = 0; i < 100'000; ++i) marks += "\U0001D16D";
  CHECK(plain(Tokenizer::from_vocab(vocab_text({"a", "##\U0001D16D"}), true), marks) == Ids{kUnk});
}

TEST_CASE("special tokens in the text") {
  const Tokenizer t = small();
  EncodeOptions off;
  off.add_special = off.match_special = false;
  CHECK(plain(t, "a[MASK]b [mask]") == Ids{5, kMask, 6, 13, 15, 14});
  CHECK(t.encode("[SEP]", off) == Ids{13, kUnk, 14});
  CHECK(t.encode_full("ä[SEP]b").offsets == std::vector<Offset>{{0, 0}, {0, 2}, {2, 7}, {7, 8}, {0, 0}});
  CHECK(plain(t, "[[PAD]][") == Ids{13, kPad, 14, 13});
}

TEST_CASE("offsets are bytes of the original text") {
  const Tokenizer t = Tokenizer::from_vocab(vocab_text({"a", "##b", "!", "日"}), true);
  const std::string text = "\u00c1B! 日zz e\u0301";
  const Encoding e = t.encode_full(text);
  CHECK(e.ids == Ids{kCls, 5, 6, 7, 8, kUnk, kUnk, kSep});
  CHECK(e.offsets == std::vector<Offset>{{0, 0}, {0, 2}, {2, 3}, {3, 4}, {5, 8}, {8, 10}, {11, 12}, {0, 0}});
  CHECK(e.type_ids == Ids(8, 0));
  CHECK(e.dropped == 0);
}

TEST_CASE("max_tokens of one text") {
  const Tokenizer t = small();
  for (std::size_t limit = 2; limit < 9; ++limit) {
    EncodeOptions o;
    o.max_tokens = limit;
    std::size_t dropped = 99;
    Ids ids{42};
    CHECK(t.append("a b a b a", ids, o, &dropped) == std::min<std::size_t>(limit, 7));
    CHECK(ids.size() == 1 + std::min<std::size_t>(limit, 7));
    CHECK(ids.front() == 42);
    CHECK(ids.back() == kSep);
    CHECK(dropped == (limit < 7 ? 7 - limit : 0));
    o.keep = Keep::kEnd;
    const Encoding e = t.encode_full("a b a b a", o);
    CHECK(e.ids.size() == e.offsets.size());
    if (limit > 2) CHECK(e.offsets[e.offsets.size() - 2] == Offset{8, 9});
  }
  EncodeOptions one;
  one.max_tokens = 1;
  CHECK(input_error([&] { t.encode("a", one); }) == "[tokenizer] max_tokens 1 is below the 2 special tokens around the text");
  one.add_special = false;
  CHECK(t.encode("a b", one) == Ids{5});
}

TEST_CASE("pairs") {
  const Tokenizer t = small();
  Ids ids, types;
  CHECK(t.append_pair("a", "b b", ids, types) == 6);
  CHECK(ids == Ids{kCls, 5, kSep, 6, 6, kSep});
  CHECK(types == Ids{0, 0, 0, 1, 1, 1});
  CHECK(t.append_pair("", "", ids, types) == 3);
  CHECK(types == Ids{0, 0, 0, 1, 1, 1, 0, 0, 1});
  CHECK(t.special_count() == 2);
  CHECK(t.special_count(true) == 3);
  // Every pair of lengths and every limit: the rule in words.
  for (std::size_t a = 0; a < 6; ++a)
    for (std::size_t b = 0; b < 6; ++b)
      for (std::size_t limit = 3; limit < 14; ++limit) {
        std::string first, second;
        for (std::size_t i = 0; i < a; ++i) first += "a ";
        for (std::size_t i = 0; i < b; ++i) second += "b ";
        EncodeOptions o;
        o.max_tokens = limit;
        const Encoding e = t.encode_full_pair(first, second, o);
        const auto kept_a = static_cast<std::size_t>(std::count(e.ids.begin(), e.ids.end(), 5));
        const auto kept_b = static_cast<std::size_t>(std::count(e.ids.begin(), e.ids.end(), 6));
        CHECK(kept_a + kept_b == std::min(a + b, limit - 3));
        CHECK(e.dropped == a + b - kept_a - kept_b);
        CHECK(e.ids.size() == e.type_ids.size());
        CHECK(e.ids.size() == e.offsets.size());
        if (kept_a < a && kept_b < b) CHECK(std::max(kept_a, kept_b) - std::min(kept_a, kept_b) <= 1);
        if (kept_a < a && kept_b == b) CHECK(kept_a + 1 >= kept_b);  // of equal lengths, the second keeps the odd token
        if (kept_b < b && kept_a == a) CHECK(kept_b >= kept_a);
      }
  EncodeOptions only;
  only.truncation = Truncation::kOnlyFirst;
  only.max_tokens = 5;
  CHECK(t.encode_full_pair("a a a", "b", only).ids == Ids{kCls, 5, kSep, 6, kSep});
  CHECK(!input_error([&] { t.encode_full_pair("a a a", "b b", only); }).empty());  // the first would become empty
  only.truncation = Truncation::kOnlySecond;
  CHECK(t.encode_full_pair("a", "b b b", only).ids == Ids{kCls, 5, kSep, 6, kSep});
  CHECK(!input_error([&] { t.encode_full_pair("a a", "b b b", only); }).empty());
  Ids wrong{1, 2};
  CHECK(input_error([&] { t.append_pair("a", "b", wrong, types); }).find("2 ids but 9") != std::string::npos);
}

TEST_CASE("decoding") {
  const Tokenizer t = Tokenizer::from_vocab(vocab_text({"do", "n", "'", "t", "##x", ".", ",", "s"}));
  CHECK(t.decode(t.encode("do dox, do.")) == "do dox, do.");
  CHECK(t.decode(Ids{}) == "");
  CHECK(t.decode(Ids{kCls, kSep}) == "");
  CHECK(t.decode(Ids{kCls, 5, kSep}, false) == "[CLS] do [SEP]");
  CHECK(t.decode(Ids{9, 9}) == "##xx");  // the first piece keeps its prefix
  CHECK(t.decode(Ids{5, 7, 8}) == "do ' t");
  CHECK(input_error([&] { t.decode(Ids{5, 13}); }) == "[tokenizer] id 13 is outside the vocabulary, expected 0 to 12");
  CHECK(input_error([&] { t.decode(Ids{-1}); }).find("id -1") != std::string::npos);
}

TEST_CASE("vocabulary") {
  const Tokenizer t = small();
  CHECK(t.kind() == "wordpiece");
  CHECK(t.vocab_size() == 16);
  for (std::int32_t i = 0; i < t.vocab_size(); ++i) CHECK(t.id(t.token(i)) == i);
  CHECK(!t.id("abc"));
  CHECK(!t.id(""));
  CHECK(!t.id("a\xFF"));
  CHECK(t.special() == SpecialIds{kPad, kUnk, kCls, kSep, kMask});
  CHECK(t.added_tokens().size() == 5);
  CHECK_THROWS_AS(t.token(16), lathe::InputError);
}

TEST_CASE("capitals decide lower case unless told") {
  CHECK(Tokenizer::from_vocab(vocab_text({"a", "[unused0]"})).lowercase());
  CHECK(!Tokenizer::from_vocab(vocab_text({"a", "B"})).lowercase());
  CHECK(Tokenizer::from_vocab(vocab_text({"a", "B"}), true).lowercase());
  CHECK(plain(Tokenizer::from_vocab(vocab_text({"a"})), "\u00c4") == Ids{5});
}

TEST_CASE("round trips keep the hash, and every difference changes it") {
  const Tokenizer t = small();
  const Tokenizer read = Tokenizer::from_json(t.to_json());
  CHECK(read.hash() == t.hash());
  CHECK(read.to_json() == t.to_json());
  CHECK(Tokenizer::from_vocab(vocab_text({"a", "b", "ab", "##a", "##b", "##ab", ".", "ä", "[", "]", "mask"}), true).hash() !=
        t.hash());
  const auto changed = [&](auto change) {
    auto json = nlohmann::json::parse(t.to_json());
    change(json);
    return Tokenizer::from_json(json.dump()).hash() != t.hash();
  };
  CHECK(!changed([](auto& j) { j["truncation"] = {{"max_length", 5}}; }));
  CHECK(!changed([](auto& j) { j["something new"] = 1; }));
  CHECK(changed([](auto& j) { j["normalizer"]["clean_text"] = false; }));
  CHECK(changed([](auto& j) { j["normalizer"]["handle_chinese_chars"] = false; }));
  CHECK(changed([](auto& j) { j["normalizer"]["strip_accents"] = true; }));
  CHECK(changed([](auto& j) { j["normalizer"] = nullptr; }));
  CHECK(changed([](auto& j) { j["post_processor"] = nullptr; }));
  CHECK(changed([](auto& j) { j["post_processor"]["pair"][4]["SpecialToken"]["type_id"] = 0; }));
  CHECK(changed([](auto& j) { j["decoder"]["cleanup"] = false; }));
  CHECK(changed([](auto& j) { j["decoder"] = nullptr; }));
  CHECK(changed([](auto& j) { j["model"]["max_input_chars_per_word"] = 99; }));
  CHECK(changed([](auto& j) { j["model"]["continuing_subword_prefix"] = "#"; }));
  CHECK(changed([](auto& j) { j["model"]["unk_token"] = "[PAD]"; }));
  CHECK(changed([](auto& j) { j["added_tokens"][4]["lstrip"] = true; }));
  CHECK(changed([](auto& j) { j["added_tokens"].erase(4); }));
  CHECK(changed([](auto& j) {
    j["added_tokens"].push_back({{"id", 16}, {"content", "<new>"}, {"special", false}, {"normalized", false}});
  }));

  const TemporaryFolder folder;
  t.save(folder / "tokenizer.json");
  CHECK(Tokenizer::load(folder / "tokenizer.json").hash() == t.hash());
  lathe::write_file_atomic(folder / "vocab.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\nA");
  CHECK(Tokenizer::load(folder / "vocab.txt").id("A") == 5);
}

TEST_CASE("added tokens: behind the vocabulary, single words, white space") {
  auto json = nlohmann::json::parse(small().to_json());
  const auto add = [&](int id, const char* content, bool single, bool left, bool right) {
    json["added_tokens"].push_back({{"id", id},
                                    {"content", content},
                                    {"special", false},
                                    {"normalized", false},
                                    {"single_word", single},
                                    {"lstrip", left},
                                    {"rstrip", right}});
  };
  add(16, "<x>", false, true, true);
  add(17, "ab", true, false, false);
  json["added_tokens"][6]["id"] = 7;  // "ab" is in the vocabulary
  add(17, "<x>y", false, false, false);
  const Tokenizer t = Tokenizer::from_json(json.dump());
  CHECK(t.vocab_size() == 18);
  CHECK(t.id("<x>") == 16);
  CHECK(t.token(17) == "<x>y");
  CHECK(plain(t, "a <x>  b") == Ids{5, 16, 6});
  CHECK(plain(t, "a<x>yb") == Ids{5, 17, 6});  // the longest
  const Encoding e = t.encode_full("a <x>\u2003 b");
  CHECK(e.offsets[2] == Offset{1, 9});
  CHECK(plain(t, "<x> <x> a<x>") == Ids{16, 16, 5, 16});
  CHECK(plain(t, "ab\u24df") == Ids{kUnk});  // a circled letter is a letter
  CHECK(plain(t, "abab äab ab") == Ids{7, 10, 12, 10, 7});
  CHECK(t.encode_full("ab").ids == Ids{kCls, 7, kSep});
  add(18, " b", false, true, false);
  const Encoding overlap =
      Tokenizer::from_json(json.dump()).encode_full("<x> b");  // <x> swallows the space, " b" matches all the same
  CHECK(overlap.ids == Ids{kCls, 16, 18, kSep});
  CHECK(overlap.offsets == std::vector<Offset>{{0, 0}, {0, 4}, {4, 5}, {0, 0}});
  CHECK(t.decode(Ids{5, 16}) == "a <x>");
  CHECK(Tokenizer::from_json(t.to_json()).hash() == t.hash());
  CHECK(input_error([&] { t.encode("ab\xC3"); }).find("position 2") != std::string::npos);
}

TEST_CASE("other post-processors and a vocabulary without prefix") {
  auto json = nlohmann::json::parse(small().to_json());
  json["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}};
  CHECK(Tokenizer::from_json(json.dump()).hash() == small().hash());
  json["post_processor"]["type"] = "RobertaProcessing";
  CHECK(Tokenizer::from_json(json.dump()).encode_full_pair("a", "b").ids == Ids{kCls, 5, kSep, kSep, 6, kSep});
  json["post_processor"] = nullptr;
  CHECK(Tokenizer::from_json(json.dump()).encode_full_pair("a", "b").type_ids == Ids{0, 1});
  json["model"]["continuing_subword_prefix"] = "";
  CHECK(Tokenizer::from_json(json.dump()).encode("abba") == Ids{7, 6, 5});
  json["model"]["max_input_chars_per_word"] = 1000;
  CHECK(Tokenizer::from_json(json.dump()).encode(std::string(1000, 'a')).size() == 1000);
  CHECK(Tokenizer::from_json(json.dump()).encode_full(std::string(1001, 'a')).ids == Ids{kUnk});
}

TEST_CASE("nothing is appended when a text is bad, and appending needs no memory") {
  const Tokenizer t = small();
  Ids ids{1, 2, 3}, types{0, 0, 0};
  CHECK(!input_error([&] { t.append("a b \xFF", ids); }).empty());
  CHECK(!input_error([&] { t.append_pair("a", "\xC3", ids, types); }).empty());
  CHECK(ids == Ids{1, 2, 3});
  CHECK(types == Ids{0, 0, 0});
  ids.clear();
  ids.reserve(100);
  const auto* before = ids.data();
  for (int i = 0; i < 1000; ++i) {
    ids.clear();
    t.append("ab ä a.b", ids);
  }
  CHECK(ids.data() == before);
}

TEST_CASE("one tokenizer, many threads") {
  const Tokenizer t = small();
  const Ids expected = t.encode("abab ä. [MASK] \u00e9");
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t k = 0; k < 4; ++k)
    threads.emplace_back([&, k, copy = t] {
      for (int i = 0; i < 2000; ++i) wrong[k] += copy.encode("abab ä. [MASK] \u00e9") != expected;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}
