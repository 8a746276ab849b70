// Trivial baselines: what a model must beat to be worth anything. Every report shows them.
//
// Bag of words: multinomial logistic regression on the words and neighbouring word pairs that a text contains.
//   features  words = runs of letters, digits and apostrophes, lower-cased, and each other character that is no blank; with
//             `bigrams` also pairs of adjacent words; those in at least `min_texts` training texts, each present (1) or not
//             (0); both texts of a pair have features of their own
//   model     p(c | x) = softmax_c(w_c·x + b_c)
//   loss      Σ_rows −log p(label | x) + (l2 / 2) Σ w²   (b is not penalised)
//   fitting   L-BFGS (Nocedal 1980; memory 10) with backtracking by Armijo's rule, from 0 for the strongest l2, then each
//             weaker l2 from the solution before it, until three in a row were no better on the validation rows. The best
//             there is kept (ties: the stronger); so it is decided between words alone and words with pairs (ties: words)
// All in f64 and one fixed order, with lathe's own exp and log: the same numbers on every machine.
#pragma once
#include <lathe/data/classification.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::data {

/// The most frequent class of the training rows (ties: the smaller id).
std::int32_t majority_class(const Examples& train);

struct BagOfWordsOptions {
  Choice bigrams = Choice::automatic;  ///< automatic: whichever is better on the validation rows; words alone without any
  int min_texts = 1;
  std::vector<double> l2 = {32, 16, 8, 4, 2, 1, 0.5, 0.25};  ///< descending
  int max_iterations = 100;                                  ///< for each l2
  double tolerance = 1e-4;                                   ///< stop when |gradient| ≤ tolerance · rows
};

class BagOfWords {
 public:
  /// InputError without rows. Without validation rows, l2 = the middle of the list.
  static BagOfWords fit(const Examples& train, const Examples& valid, const BagOfWordsOptions& options = {});
  ~BagOfWords();
  BagOfWords(BagOfWords&&) noexcept;
  BagOfWords& operator=(BagOfWords&&) noexcept;

  std::vector<std::int32_t> predict(const Examples& examples) const;
  std::int32_t predict(std::string_view text, std::string_view pair = {}) const;
  /// p(c | x) of every class.
  std::vector<double> probabilities(std::string_view text, std::string_view pair = {}) const;
  std::size_t features() const;
  double l2() const;     ///< the one that was chosen
  bool bigrams() const;  ///< likewise
  /// SHA-256 of the weights, hexadecimal: for the test that the fit is the same everywhere.
  std::string weights_hash() const;

 private:
  struct Model;
  explicit BagOfWords(std::unique_ptr<Model> model);
  std::unique_ptr<Model> model_;
};

}  // namespace lathe::data
