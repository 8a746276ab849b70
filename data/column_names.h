// Column names that tell what a column holds, in the order in which they are tried. Private to data/.
#pragma once
#include <array>
#include <string_view>
#include <utility>

namespace lathe::data::detail {

inline constexpr std::array<std::string_view, 14> kLabelNames = {
    "label",        "labels", "class",    "category", "target", "sentiment", "gold_label",
    "coarse_label", "intent", "polarity", "topic",    "tag",    "y",         "score"};
inline constexpr std::array<std::string_view, 15> kTextNames = {"text",      "sentence", "review",   "content", "comment",
                                                                "message",   "tweet",    "document", "body",    "question",
                                                                "utterance", "headline", "phrase",   "title",   "x"};
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kPairNames = {{{"sentence1", "sentence2"},
                                                                                             {"premise", "hypothesis"},
                                                                                             {"question1", "question2"},
                                                                                             {"question", "sentence"},
                                                                                             {"text1", "text2"},
                                                                                             {"text_a", "text_b"},
                                                                                             {"sentence_a", "sentence_b"},
                                                                                             {"question", "answer"},
                                                                                             {"query", "document"}}};

/// `lower_case` is one of the names above.
inline bool well_known_column(std::string_view lower_case) {
  for (auto name : kLabelNames)
    if (name == lower_case) return true;
  for (auto name : kTextNames)
    if (name == lower_case) return true;
  for (const auto& [first, second] : kPairNames)
    if (first == lower_case || second == lower_case) return true;
  return false;
}

}  // namespace lathe::data::detail
