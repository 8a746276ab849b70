#include <lathe/base/math.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/data/baseline.h>
#include <lathe/data/lbfgs.h>
#include <lathe/data/metrics.h>

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <utility>

namespace lathe::data {

std::int32_t majority_class(const Examples& train) {
  if (train.size() == 0) throw InputError("[baseline] expected at least one training row");
  const std::vector<std::int64_t> counts = train.counts();
  return static_cast<std::int32_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
}

namespace {

bool in_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '\'' || static_cast<unsigned char>(c) >= 0x80;
}

/// Words of lower-cased text: views into it.
void find_words(std::string_view text, std::vector<std::string_view>& words) {
  words.clear();
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    if (in_word(text[at])) {
      while (end < text.size() && in_word(text[end])) ++end;
    } else if (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n') {
      at = end;
      continue;
    }
    words.push_back(text.substr(at, end - at));
    at = end;
  }
}

/// Calls use(feature) for each feature of a text, repeated ones included.
template <class F>
void each_feature(std::string_view text, std::string_view prefix, bool bigrams, F&& use) {
  const std::string small = lower(text);
  std::vector<std::string_view> words;
  find_words(small, words);
  std::string feature;
  for (std::size_t i = 0; i < words.size(); ++i) {
    (feature = prefix) += words[i];
    use(feature);
    if (!bigrams || i + 1 == words.size()) continue;
    // A blank is in no word, so a pair is never mistaken for a word.
    (feature += ' ') += words[i + 1];
    use(feature);
  }
}

/// Scores to probabilities; returns log Σ exp(score).
double softmax(std::vector<double>& p) {
  const double most = *std::max_element(p.begin(), p.end());
  double total = 0;
  for (double& x : p) total += x = math::exp(x - most);
  for (double& x : p) x /= total;
  return most + math::log(total);
}

using Vocabulary = std::unordered_map<std::string, std::int32_t>;  // looked up, never walked over

/// The features of rows as ascending ids: row r has ids[offsets[r] … offsets[r+1]).
struct Rows {
  std::vector<std::int32_t> ids;
  std::vector<std::size_t> offsets{0};
  std::size_t size() const { return offsets.size() - 1; }
};

}  // namespace

struct BagOfWords::Model {
  bool bigrams = false;
  Vocabulary vocabulary;
  std::int32_t classes = 0;
  double l2 = 0;
  double score = -1;            ///< accuracy on the validation rows
  std::vector<double> weights;  ///< [features + 1, classes], the last row is the bias

  std::size_t features() const { return vocabulary.size(); }

  template <class F>
  void each(std::string_view text, std::string_view pair, F&& use) const {
    each_feature(text, "", bigrams, use);
    if (!pair.empty()) each_feature(pair, "\x01", bigrams, use);
  }

  void add_row(std::string_view text, std::string_view pair, Rows& rows) const {
    const auto first = static_cast<std::ptrdiff_t>(rows.ids.size());
    each(text, pair, [&](const std::string& feature) {
      if (const auto found = vocabulary.find(feature); found != vocabulary.end()) rows.ids.push_back(found->second);
    });
    std::sort(rows.ids.begin() + first, rows.ids.end());
    rows.ids.erase(std::unique(rows.ids.begin() + first, rows.ids.end()), rows.ids.end());
    rows.offsets.push_back(rows.ids.size());
  }

  Rows rows_of(const Examples& examples) const {
    Rows rows;
    for (std::size_t row = 0; row < examples.size(); ++row)
      add_row(examples.text[row], examples.is_pair() ? examples.pair[row] : std::string_view(), rows);
    return rows;
  }

  void learn_vocabulary(const Examples& train, int min_texts);
  void fit(const Examples& train, const Examples& valid, const BagOfWordsOptions& options);
  void scores(const Rows& rows, std::size_t row, const double* w, double* out) const;
  double loss(const Rows& rows, std::span<const std::int32_t> labels, double strength, const std::vector<double>& w,
              std::vector<double>& gradient) const;
  std::vector<std::int32_t> predict(const Rows& rows, const std::vector<double>& w) const;
};

/// Ids by first occurrence in the training rows.
void BagOfWords::Model::learn_vocabulary(const Examples& train, int min_texts) {
  struct Seen {
    int texts = 0;
    std::size_t last = ~std::size_t{0};
    std::int32_t order = 0;
  };
  std::unordered_map<std::string, Seen> seen;
  for (std::size_t row = 0; row < train.size(); ++row)
    each(train.text[row], train.is_pair() ? train.pair[row] : std::string_view(), [&](const std::string& feature) {
      Seen& s = seen.try_emplace(feature, Seen{0, ~std::size_t{0}, static_cast<std::int32_t>(seen.size())}).first->second;
      s.texts += s.last != row;
      s.last = row;
    });
  std::vector<const std::pair<const std::string, Seen>*> by_order(seen.size());
  for (const auto& entry : seen) by_order[entry.second.order] = &entry;
  for (const auto* entry : by_order)
    if (entry->second.texts >= min_texts) vocabulary.emplace(entry->first, static_cast<std::int32_t>(vocabulary.size()));
}

void BagOfWords::Model::scores(const Rows& rows, std::size_t row, const double* w, double* out) const {
  const double* bias = w + features() * static_cast<std::size_t>(classes);
  for (std::int32_t c = 0; c < classes; ++c) out[c] = bias[c];
  for (std::size_t i = rows.offsets[row]; i < rows.offsets[row + 1]; ++i) {
    const double* line = w + static_cast<std::size_t>(rows.ids[i]) * classes;
    for (std::int32_t c = 0; c < classes; ++c) out[c] += line[c];
  }
}

double BagOfWords::Model::loss(const Rows& rows, std::span<const std::int32_t> labels, double strength,
                               const std::vector<double>& w, std::vector<double>& gradient) const {
  const std::size_t penalised = features() * static_cast<std::size_t>(classes);
  double square = 0;
  for (std::size_t i = 0; i < penalised; ++i) {
    square += w[i] * w[i];
    gradient[i] = strength * w[i];
  }
  std::fill(gradient.begin() + static_cast<std::ptrdiff_t>(penalised), gradient.end(), 0.0);
  double sum = 0;
  std::vector<double> p(classes);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    scores(rows, row, w.data(), p.data());
    const double own = p[labels[row]];
    sum += softmax(p) - own;
    p[labels[row]] -= 1;
    for (std::size_t i = rows.offsets[row]; i < rows.offsets[row + 1]; ++i) {
      double* line = gradient.data() + static_cast<std::size_t>(rows.ids[i]) * classes;
      for (std::int32_t c = 0; c < classes; ++c) line[c] += p[c];
    }
    for (std::int32_t c = 0; c < classes; ++c) gradient[penalised + c] += p[c];
  }
  return sum + 0.5 * strength * square;
}

std::vector<std::int32_t> BagOfWords::Model::predict(const Rows& rows, const std::vector<double>& w) const {
  std::vector<std::int32_t> labels(rows.size());
  std::vector<double> p(classes);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    scores(rows, row, w.data(), p.data());
    labels[row] = static_cast<std::int32_t>(std::max_element(p.begin(), p.end()) - p.begin());
  }
  return labels;
}

void BagOfWords::Model::fit(const Examples& train, const Examples& valid, const BagOfWordsOptions& options) {
  classes = static_cast<std::int32_t>(train.classes());
  learn_vocabulary(train, options.min_texts);
  const Rows rows = rows_of(train), valid_rows = rows_of(valid);
  const bool choose = valid.size() > 0;
  const std::size_t strengths = choose ? options.l2.size() : options.l2.size() / 2 + 1;
  std::vector<double> w((features() + 1) * static_cast<std::size_t>(classes), 0.0);
  int worse = 0;
  for (std::size_t i = 0; i < strengths && worse < 3; ++i) {
    const auto objective = [&](const std::vector<double>& at, std::vector<double>& gradient) {
      return loss(rows, train.label, options.l2[i], at, gradient);
    };
    detail::minimise(objective, w, {options.max_iterations, options.tolerance * static_cast<double>(train.size())});
    const double reached = choose ? accuracy(valid.label, predict(valid_rows, w)) : 0;
    ++worse;
    if (choose && reached <= score) continue;
    worse = 0;
    score = reached;
    l2 = options.l2[i];
    weights = w;
  }
}

BagOfWords BagOfWords::fit(const Examples& train, const Examples& valid, const BagOfWordsOptions& options) {
  if (train.size() == 0) throw InputError("[baseline] expected at least one training row");
  if (options.l2.empty() || !(options.l2.back() > 0) || !std::is_sorted(options.l2.rbegin(), options.l2.rend()))
    throw InputError("[baseline] expected l2 > 0 in descending order");
  std::unique_ptr<Model> best;
  for (const bool bigrams : {false, true}) {
    if (options.bigrams == (bigrams ? Choice::no : Choice::yes)) continue;
    if (bigrams && best && valid.size() == 0) continue;
    auto model = std::make_unique<Model>();
    model->bigrams = bigrams;
    model->fit(train, valid, options);
    if (!best || model->score > best->score) best = std::move(model);
  }
  return BagOfWords(std::move(best));
}

BagOfWords::BagOfWords(std::unique_ptr<Model> model) : model_(std::move(model)) {}
BagOfWords::~BagOfWords() = default;
BagOfWords::BagOfWords(BagOfWords&&) noexcept = default;
BagOfWords& BagOfWords::operator=(BagOfWords&&) noexcept = default;

std::vector<std::int32_t> BagOfWords::predict(const Examples& examples) const {
  return model_->predict(model_->rows_of(examples), model_->weights);
}

std::int32_t BagOfWords::predict(std::string_view text, std::string_view pair) const {
  Rows rows;
  model_->add_row(text, pair, rows);
  return model_->predict(rows, model_->weights).front();
}

std::vector<double> BagOfWords::probabilities(std::string_view text, std::string_view pair) const {
  Rows rows;
  model_->add_row(text, pair, rows);
  std::vector<double> p(model_->classes);
  model_->scores(rows, 0, model_->weights.data(), p.data());
  softmax(p);
  return p;
}

std::size_t BagOfWords::features() const { return model_->features(); }
double BagOfWords::l2() const { return model_->l2; }
bool BagOfWords::bigrams() const { return model_->bigrams; }

std::string BagOfWords::weights_hash() const {
  Sha256 sha;
  for (const double w : model_->weights) sha.add_u64(std::bit_cast<std::uint64_t>(w));
  return to_hex(sha.finish());
}

}  // namespace lathe::data
