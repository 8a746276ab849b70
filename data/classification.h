// Labelled text for classification: which column is the text, which the label, and what the labels are.
//
// Columns that are not named are found, and the reason is told, so that the user sees what was assumed:
//   label  a column with a well-known name (label, class, category, target, sentiment …), else the only column with at
//          least 2 and at most max(2, min(100, rows / 10)) different values; none or several: InputError that asks for it.
//   text   two columns of a well-known pair (sentence1/sentence2, premise/hypothesis, question1/question2,
//          question/sentence, text1/text2 …), else a well-known name (text, sentence, review, content …), else the column
//          with the longest cells on average.
//
// Labels are trimmed and become ids 0 … C−1 in a fixed order: by value if all of them are numbers (equal values, such as
// 1 and 1.0, by bytes), else by bytes. The order depends on the training labels alone, never on the order of rows.
#pragma once
#include <lathe/data/table.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::data {

struct ColumnChoice {
  std::string text = "auto";   ///< a column name, or "auto"
  std::string pair = "auto";   ///< second text of a pair; "auto", a column name, or "" for none
  std::string label = "auto";  ///< a column name, or "auto"
};

struct Columns {
  std::size_t text = 0;
  std::optional<std::size_t> pair;
  std::size_t label = 0;
  std::string reason;  ///< "text = `sentence`, label = `label`", with the reason where no name told it
};

/// InputError with the nearest name for a column that does not exist; with the candidates where the choice is not clear.
Columns find_columns(const Table& table, const ColumnChoice& choice = {});

/// Distinct names in the order described above.
std::vector<std::string> label_order(std::vector<std::string> labels);

/// Rows of text with their label. The views point into `source`, which the set keeps alive.
struct Examples {
  Table source;
  std::vector<std::string_view> text;
  std::vector<std::string_view> pair;    ///< empty unless the task has two texts
  std::vector<std::int32_t> label;       ///< 0 … label_names.size() − 1
  std::vector<std::int64_t> line;        ///< line in source.file()
  std::vector<std::string> label_names;  ///< shared by the parts of one data set
  std::vector<BadRow> skipped;           ///< rows left out: those of the table and those without text or label

  std::size_t size() const { return label.size(); }
  std::size_t classes() const { return label_names.size(); }
  bool is_pair() const { return !pair.empty(); }
  std::string place(std::size_t row) const;  ///< "file:line"
  /// Rows of each class.
  std::vector<std::int64_t> counts() const;
  /// The rows named, in this order; `skipped` stays behind.
  Examples select(std::span<const std::size_t> rows) const;
};

struct LabelOptions {
  BadRows bad_rows = BadRows::fail;
  /// Empty: the labels are learned from the table. Else a label that is not among them is an InputError
  /// "file:line: label `neutral` does not occur in the training data; labels: neg, pos".
  std::vector<std::string> known_labels;
};

/// InputError: empty text or label (bad_rows), a label column with as many values as an identifier has (more than half of
/// the rows, from 20 rows on), or, when learning the labels, fewer than two of them.
Examples make_examples(const Table& table, const Columns& columns, const LabelOptions& options = {});

/// At most `max_rows` rows (0: all), those with the smallest keyed hash of their text (split.h, but stream `sample`), in file
/// order: a sample that does not depend on how the file is sorted, that is independent of the split, and of which a smaller
/// max_rows takes a part.
Examples limit_rows(const Examples& examples, std::int64_t max_rows, std::uint64_t seed);

}  // namespace lathe::data
