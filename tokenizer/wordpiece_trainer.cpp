#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tokenizer/bert_text.h>
#include <lathe/tokenizer/state.h>
#include <lathe/tokenizer/wordpiece.h>
#include <lathe/tokenizer/wordpiece_trainer.h>

#include <algorithm>
#include <map>
#include <queue>
#include <tuple>
#include <utility>
#include <vector>

namespace lathe::tokenizer {
namespace {

constexpr const char* kSpecials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
constexpr std::string_view kPrefix = "##";

struct Word {
  std::u32string characters;
  std::int64_t count;
};

/// The `limit` most frequent characters, by code point.
std::vector<char32_t> alphabet_of(const std::vector<Word>& words, std::size_t limit) {
  std::map<char32_t, std::int64_t> counts;
  for (const Word& word : words)
    for (const char32_t c : word.characters) counts[c] += word.count;
  std::vector<std::pair<char32_t, std::int64_t>> order(counts.begin(), counts.end());
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  order.resize(std::min(order.size(), limit));
  std::vector<char32_t> out;
  for (const auto& [c, count] : order) out.push_back(c);
  std::sort(out.begin(), out.end());
  return out;
}

/// Byte-pair encoding on words. Pairs wait in a heap with the words in which they appeared; a count that has changed since is
/// noticed when the entry comes up, and the entry goes back with the present count.
class PairJoiner {
 public:
  PairJoiner(std::vector<std::string> tokens, std::vector<std::vector<std::int32_t>> spellings, std::vector<std::int64_t> counts)
      : tokens_(std::move(tokens)), spellings_(std::move(spellings)), counts_(std::move(counts)) {
    for (std::size_t i = 0; i < tokens_.size(); ++i) ids_.emplace(tokens_[i], static_cast<std::int32_t>(i));
    for (std::size_t w = 0; w < spellings_.size(); ++w)
      for (std::size_t i = 0; i + 1 < spellings_[w].size(); ++i) gain(spellings_[w][i], spellings_[w][i + 1], w);
    push_gained();
  }

  std::vector<std::string> run(std::size_t vocab_size, std::int64_t min_frequency) && {
    while (tokens_.size() < vocab_size && !heap_.empty()) {
      Entry top = heap_.top();
      heap_.pop();
      const std::int64_t present = pair_counts_.at(top.pair);
      if (top.count != present) {
        top.count = present;
        heap_.push(std::move(top));
        continue;
      }
      if (top.count < 1 || top.count < min_frequency) break;
      join(top);
      push_gained();
    }
    return std::move(tokens_);
  }

 private:
  using Pair = std::uint64_t;  // left id in the upper half, so smaller pairs are smaller numbers

  struct Entry {
    std::int64_t count;
    Pair pair;
    std::uint64_t serial;
    std::vector<std::uint32_t> words;
    /// "Comes later" for std::priority_queue.
    bool operator<(const Entry& other) const {
      return std::tie(count, other.pair, other.serial) < std::tie(other.count, pair, serial);
    }
  };

  static Pair pair_of(std::int32_t left, std::int32_t right) {
    return static_cast<Pair>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
  }

  void gain(std::int32_t left, std::int32_t right, std::size_t word) {
    const Pair pair = pair_of(left, right);
    pair_counts_[pair] += counts_[word];
    gained_.emplace_back(pair, static_cast<std::uint32_t>(word));
  }

  void lose(std::int32_t left, std::int32_t right, std::size_t word) { pair_counts_[pair_of(left, right)] -= counts_[word]; }

  void push_gained() {
    std::sort(gained_.begin(), gained_.end());
    gained_.erase(std::unique(gained_.begin(), gained_.end()), gained_.end());
    for (std::size_t i = 0; i < gained_.size();) {
      const Pair pair = gained_[i].first;
      Entry entry{pair_counts_[pair], pair, serial_++, {}};
      for (; i < gained_.size() && gained_[i].first == pair; ++i) entry.words.push_back(gained_[i].second);
      if (entry.count > 0) heap_.push(std::move(entry));
    }
    gained_.clear();
  }

  std::int32_t token_for(std::int32_t left, std::int32_t right) {
    std::string_view tail = tokens_[static_cast<std::size_t>(right)];
    if (tail.starts_with(kPrefix)) tail.remove_prefix(kPrefix.size());
    const std::string token = tokens_[static_cast<std::size_t>(left)] + std::string(tail);
    const auto [at, fresh] = ids_.emplace(token, static_cast<std::int32_t>(tokens_.size()));
    if (fresh) tokens_.push_back(token);
    return at->second;
  }

  void join(const Entry& entry) {
    const auto left = static_cast<std::int32_t>(entry.pair >> 32), right = static_cast<std::int32_t>(entry.pair & 0xFFFFFFFFu);
    const std::int32_t joined = token_for(left, right);
    for (const std::uint32_t w : entry.words) {
      std::vector<std::int32_t>& word = spellings_[w];
      std::size_t kept = 0;  // the joined word is written over the old one
      for (std::size_t i = 0; i < word.size(); ++i, ++kept) {
        if (word[i] != left || i + 1 == word.size() || word[i + 1] != right) {
          word[kept] = word[i];
          continue;
        }
        if (kept > 0) {
          lose(word[kept - 1], left, w);
          gain(word[kept - 1], joined, w);
        }
        word[kept] = joined;
        ++i;
        if (i + 1 < word.size()) {
          lose(right, word[i + 1], w);
          gain(joined, word[i + 1], w);
        }
      }
      word.resize(kept);
    }
  }

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::vector<std::vector<std::int32_t>> spellings_;
  std::vector<std::int64_t> counts_;
  std::unordered_map<Pair, std::int64_t> pair_counts_;
  std::vector<std::pair<Pair, std::uint32_t>> gained_;
  std::priority_queue<Entry> heap_;
  std::uint64_t serial_ = 0;
};

}  // namespace

WordPieceTrainer::WordPieceTrainer(const WordPieceOptions& options) : options_(options) {
  constexpr auto kCount = static_cast<std::int32_t>(std::size(kSpecials));
  if (options.vocab_size < kCount)
    throw InputError(str("[tokenizer] vocab_size ", options.vocab_size, " is below the ", kCount, " special tokens"));
  if (options.min_frequency < 0) throw InputError(str("[tokenizer] min_frequency ", options.min_frequency, " is negative"));
  if (options.limit_alphabet < 1)
    throw InputError(str("[tokenizer] limit_alphabet ", options.limit_alphabet, ", expected at least 1"));
}

void WordPieceTrainer::add(std::string_view text) {
  struct Collector {
    std::vector<std::string> words;
    void word(const char* bytes, std::size_t size, const Offset*) { words.emplace_back(bytes, size); }
    void long_word(Offset) {}
  } collector;
  const detail::BertRules rules(true, true, options_.lowercase, options_.lowercase);
  detail::WordSplitter<false, Collector>(rules, detail::kMaxWordChars, collector).split(text, 0, text.size());
  for (const std::string& word : collector.words) {
    const auto at = words_.find(word);
    if (at == words_.end())
      words_.emplace(word, 1);
    else
      ++at->second;
  }
}

Tokenizer WordPieceTrainer::train() const {
  std::vector<std::pair<std::string_view, std::int64_t>> sorted(words_.begin(), words_.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<Word> words;
  for (const auto& [text, count] : sorted) {
    Word word{{}, count};
    for (std::size_t at = 0; at < text.size();) word.characters += next_utf8(text, at);
    words.push_back(std::move(word));
  }

  // Special tokens, characters, characters inside words.
  const std::vector<char32_t> alphabet = alphabet_of(words, static_cast<std::size_t>(options_.limit_alphabet));
  std::vector<std::string> tokens(std::begin(kSpecials), std::end(kSpecials));
  std::map<char32_t, std::int32_t> first_id, inside_id;
  const auto add_token = [&](std::string_view prefix, char32_t c) {
    std::string token(prefix);
    append_utf8(token, c);
    tokens.push_back(token);
    return static_cast<std::int32_t>(tokens.size() - 1);
  };
  for (const char32_t c : alphabet) first_id[c] = add_token("", c);
  for (const Word& word : words)
    for (std::size_t i = 1; i < word.characters.size(); ++i)
      if (first_id.contains(word.characters[i])) inside_id[word.characters[i]] = 0;
  for (auto& [c, id] : inside_id) id = add_token(kPrefix, c);
  if (tokens.size() > static_cast<std::size_t>(options_.vocab_size))
    throw InputError(str("[tokenizer] vocab_size ", options_.vocab_size, " has no room for the special tokens and the ",
                         alphabet.size(), " characters of the text, expected at least ", tokens.size(),
                         " or a limit_alphabet below ", alphabet.size()));

  // Characters outside the alphabet vanish, so their neighbours become adjacent.
  std::vector<std::vector<std::int32_t>> spellings;
  std::vector<std::int64_t> counts;
  for (const Word& word : words) {
    std::vector<std::int32_t> spelling;
    for (std::size_t i = 0; i < word.characters.size(); ++i) {
      const auto& ids = i == 0 ? first_id : inside_id;
      if (const auto at = ids.find(word.characters[i]); at != ids.end()) spelling.push_back(at->second);
    }
    spellings.push_back(std::move(spelling));
    counts.push_back(word.count);
  }
  tokens = PairJoiner(std::move(tokens), std::move(spellings), std::move(counts))
               .run(static_cast<std::size_t>(options_.vocab_size), options_.min_frequency);
  return Tokenizer(detail::make_bert(std::move(tokens), options_.lowercase, detail::kMaxWordChars, "[tokenizer] training"));
}

namespace {
template <class Text>
Tokenizer train_all(std::span<const Text> texts, const WordPieceOptions& options) {
  WordPieceTrainer trainer(options);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    try {
      trainer.add(texts[i]);
    } catch (const InputError& error) {
      throw InputError(str("text ", i, ": ", error.what()));
    }
  }
  return trainer.train();
}
}  // namespace

Tokenizer train_wordpiece(std::span<const std::string> texts, const WordPieceOptions& options) { return train_all(texts, options); }
Tokenizer train_wordpiece(std::span<const std::string_view> texts, const WordPieceOptions& options) {
  return train_all(texts, options);
}

}  // namespace lathe::tokenizer
