#include <lathe/base/text.h>
#include <lathe/data/classification.h>
#include <lathe/data/column_names.h>
#include <lathe/data/split.h>
#include <lathe/data/table_builder.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace lathe::data {
namespace {

constexpr std::string_view kAuto = "auto";

/// The column whose name, in lower case, is `name`.
std::optional<std::size_t> named(const Table& table, std::string_view name) {
  for (std::size_t i = 0; i < table.columns(); ++i)
    if (lower(table.names()[i]) == name) return i;
  return {};
}

/// Number of different values, counted up to limit + 1.
std::size_t distinct_values(const Table& table, std::size_t column, std::size_t limit) {
  std::set<std::string_view> values;
  for (std::size_t row = 0; row < table.rows() && values.size() <= limit; ++row) values.insert(trim(table.cell(row, column)));
  return values.size();
}

struct Found {
  std::size_t column = 0;
  std::string why;  ///< empty where the name told it
};

Found find_label(const Table& table, const ColumnChoice& choice) {
  if (choice.label != kAuto) return {table.column(choice.label), {}};
  for (const auto name : detail::kLabelNames)
    if (const auto column = named(table, name)) {
      if (choice.text != kAuto && table.column(choice.text) == *column) continue;
      return {*column, {}};
    }
  const std::size_t limit = std::max<std::size_t>(2, std::min<std::size_t>(100, table.rows() / 10));
  std::vector<Found> candidates;
  for (std::size_t i = 0; i < table.columns(); ++i) {
    if (choice.text != kAuto && table.column(choice.text) == i) continue;
    const std::size_t values = distinct_values(table, i, limit);
    if (values >= 2 && values <= limit) candidates.push_back({i, str(values, " different values")});
  }
  if (candidates.size() == 1) return candidates.front();
  std::vector<std::string> names;
  for (const Found& c : candidates) names.push_back(str("`", detail::shown(table.names()[c.column]), "` (", c.why, ")"));
  if (names.empty())
    throw InputError(
        str(table.file(), ":1: no column looks like a label; columns: ", detail::shown(table.names()), "; name it with --label"));
  throw InputError(str(table.file(), ":1: which column is the label? candidates: ", join(names, ", "), "; name it with --label"));
}

Found find_text(const Table& table, std::size_t label) {
  for (const auto name : detail::kTextNames)
    if (const auto column = named(table, name); column && *column != label) return {*column, {}};
  std::optional<std::size_t> best;
  std::size_t best_bytes = 0;
  for (std::size_t i = 0; i < table.columns(); ++i) {
    if (i == label) continue;
    std::size_t bytes = 0;
    for (std::size_t row = 0; row < table.rows(); ++row) bytes += table.cell(row, i).size();
    if (!best || bytes > best_bytes) best = i, best_bytes = bytes;
  }
  if (!best)
    throw InputError(
        str(table.file(), ":1: one column, `", detail::shown(table.names().front()), "`; expected a text and a label"));
  return {*best, table.columns() == 2 ? "the other column" : "the longest text"};
}

}  // namespace

Columns find_columns(const Table& table, const ColumnChoice& choice) {
  Columns columns;
  if (table.columns() < 2 && choice.label == kAuto)
    throw InputError(
        str(table.file(), ":1: one column, `", detail::shown(table.names().front()), "`; expected a text and a label"));
  const Found label = find_label(table, choice);
  columns.label = label.column;
  Found text;
  if (choice.text != kAuto) {
    text.column = table.column(choice.text);
    if (choice.pair != kAuto && !choice.pair.empty()) columns.pair = table.column(choice.pair);
  } else {
    const bool look_for_pair = choice.pair == kAuto;
    for (const auto& [first, second] : detail::kPairNames) {
      const auto a = named(table, first), b = named(table, second);
      if (!look_for_pair || !a || !b || *a == columns.label || *b == columns.label || columns.pair) continue;
      text.column = *a;
      columns.pair = *b;
    }
    if (!columns.pair) text = find_text(table, columns.label);
    if (!look_for_pair && !choice.pair.empty()) columns.pair = table.column(choice.pair);
  }
  columns.text = text.column;
  if (columns.text == columns.label || columns.pair == columns.label || columns.pair == columns.text)
    throw InputError(
        str(table.file(), ":1: text and label are the same column, `", detail::shown(table.names()[columns.text]), "`"));
  const auto told = [&](std::string_view role, const Found& found) {
    return str(role, " = `", detail::shown(table.names()[found.column]), "`", found.why.empty() ? "" : " (", found.why,
               found.why.empty() ? "" : ")");
  };
  columns.reason = told("text", text);
  if (columns.pair) columns.reason += str(", ", told("pair", {*columns.pair, {}}));
  columns.reason += str(", ", told("label", label));
  return columns;
}

std::vector<std::string> label_order(std::vector<std::string> labels) {
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  std::vector<std::pair<double, std::string>> numbers;
  for (const std::string& label : labels) {
    const auto value = parse_double(label);
    if (!value || *value != *value) return labels;  // NaN has no place in an order of numbers
    numbers.emplace_back(*value, label);
  }
  std::sort(numbers.begin(), numbers.end());
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = numbers[i].second;
  return labels;
}

std::string Examples::place(std::size_t row) const { return str(source.file(), ":", line[row]); }

std::vector<std::int64_t> Examples::counts() const {
  std::vector<std::int64_t> counts(classes());
  for (const std::int32_t id : label) ++counts[id];
  return counts;
}

Examples Examples::select(std::span<const std::size_t> rows) const {
  Examples out;
  out.source = source;
  out.label_names = label_names;
  for (const std::size_t row : rows) {
    out.text.push_back(text[row]);
    if (is_pair()) out.pair.push_back(pair[row]);
    out.label.push_back(label[row]);
    out.line.push_back(line[row]);
  }
  return out;
}

namespace {

/// Rows with text and label; the others fail or are skipped.
std::vector<std::string_view> take_rows(const Table& table, const Columns& columns, BadRows bad_rows, Examples& out) {
  std::vector<std::string_view> labels;
  const auto bad = [&](std::size_t row, std::size_t column, std::string_view role) {
    BadRow fault{table.line(row), {}, str("complete it, or ", detail::kSkipHint)};
    fault.what = table.missing(row, column) ? str("no `", detail::shown(table.names()[column]), "` (the ", role, ")")
                                            : str("the ", role, " (`", detail::shown(table.names()[column]), "`) is empty");
    if (bad_rows == BadRows::fail) throw InputError(str(table.place(row), ": ", fault.what, "; ", fault.hint));
    out.skipped.push_back(std::move(fault));
  };
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::string_view text = table.cell(row, columns.text), label = trim(table.cell(row, columns.label));
    if (trim(text).empty()) {
      bad(row, columns.text, "text");
    } else if (columns.pair && trim(table.cell(row, *columns.pair)).empty()) {
      bad(row, *columns.pair, "second text");
    } else if (label.empty()) {
      bad(row, columns.label, "label");
    } else {
      out.text.push_back(text);
      if (columns.pair) out.pair.push_back(table.cell(row, *columns.pair));
      out.line.push_back(table.line(row));
      labels.push_back(label);
    }
  }
  return labels;
}

[[noreturn]] void unknown_label(const Examples& examples, std::size_t row, std::string_view label,
                                const std::vector<std::string>& known) {
  std::vector<std::string> first(known.begin(),
                                 known.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(known.size(), 10)));
  if (known.size() > first.size()) first.emplace_back("…");
  const auto near = nearest(label, known);
  throw InputError(str(examples.place(row), ": label `", detail::shown(label), "` does not occur in the training data; labels: ",
                       detail::shown(first), near ? str("; did you mean `", detail::shown(*near), "`?") : ""));
}

}  // namespace

Examples make_examples(const Table& table, const Columns& columns, const LabelOptions& options) {
  Examples out;
  out.source = table;
  out.skipped = table.skipped();
  const std::vector<std::string_view> labels = take_rows(table, columns, options.bad_rows, out);
  const std::string column = detail::shown(table.names()[columns.label]);
  const std::set<std::string_view> distinct(labels.begin(), labels.end());
  const auto rows = with_commas(static_cast<std::int64_t>(labels.size()));
  if (options.known_labels.empty()) {
    if (labels.size() >= 20 && distinct.size() > labels.size() / 2)
      throw InputError(str(table.file(), ": `", column, "` has ", with_commas(static_cast<std::int64_t>(distinct.size())),
                           " different values in ", rows,
                           " rows, which is no label for classification; name another with --label"));
    if (distinct.size() == 1)
      throw InputError(str(table.file(), ": only one label, `", detail::shown(*distinct.begin()), "`, in ", rows,
                           " rows; expected two or more. Is `", column, "` the label column?"));
    if (distinct.empty()) throw InputError(str(table.file(), ": no row has both text and label"));
    out.label_names = label_order({distinct.begin(), distinct.end()});
  } else {
    out.label_names = options.known_labels;
  }
  std::map<std::string_view, std::int32_t> ids;
  for (const std::string& name : out.label_names) ids.emplace(name, static_cast<std::int32_t>(ids.size()));
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const auto id = ids.find(labels[row]);
    if (id == ids.end()) unknown_label(out, row, labels[row], out.label_names);
    out.label.push_back(id->second);
  }
  return out;
}

Examples limit_rows(const Examples& examples, std::int64_t max_rows, std::uint64_t seed) {
  if (max_rows < 0) throw InputError(str("data.max_rows = ", max_rows, ", expected 0 (all) or more"));
  if (max_rows == 0 || static_cast<std::uint64_t>(max_rows) >= examples.size()) return examples;
  const std::vector<TextHash> hashes = hash_texts(examples, random_key(seed, 0, "sample"));
  std::vector<std::size_t> rows(examples.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  std::sort(rows.begin(), rows.end(),
            [&](std::size_t a, std::size_t b) { return std::pair(hashes[a], a) < std::pair(hashes[b], b); });
  rows.resize(static_cast<std::size_t>(max_rows));
  std::sort(rows.begin(), rows.end());
  return examples.select(rows);
}

}  // namespace lathe::data
