#include <lathe/base/text.h>
#include <lathe/data/load.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace lathe::data {
namespace {

std::string count_of(std::size_t n, const char* one, const char* many) {
  return str(with_commas(static_cast<std::int64_t>(n)), " ", n == 1 ? one : many);
}

void note_file(const Table& table, const Examples& examples, ClassificationData& data) {
  FileReport report{table.file(), static_cast<std::int64_t>(examples.size()), table.describe(), examples.skipped};
  std::stable_sort(report.skipped.begin(), report.skipped.end(), [](const BadRow& a, const BadRow& b) { return a.line < b.line; });
  data.notes.push_back(str(table.file(), ": ", count_of(examples.size(), "row", "rows"), " (", table.describe(), ")"));
  if (!report.skipped.empty())
    data.notes.push_back(str(table.file(), ": ", count_of(report.skipped.size(), "bad row", "bad rows"),
                             " left out; the first: line ", report.skipped.front().line, ": ", report.skipped.front().what));
  data.files.push_back(std::move(report));
}

Examples read_part(const std::filesystem::path& path, const DataConfig& config, const Table& train, ClassificationData& data) {
  const Columns& columns = data.columns;
  ReadOptions options;
  options.bad_rows = config.bad_rows;
  const Table table = read_table(path, options);
  Columns here;
  const auto& names = train.names();
  const auto has = [&](std::size_t column) { return std::count(table.names().begin(), table.names().end(), names[column]) == 1; };
  if (config.columns.text == "auto" && !(has(columns.text) && has(columns.label) && (!columns.pair || has(*columns.pair)))) {
    ColumnChoice choice = config.columns;
    if (!columns.pair) choice.pair = "";
    here = find_columns(table, choice);
    if (here.pair.has_value() != columns.pair.has_value())
      throw InputError(str(table.file(), ":1: ", here.pair ? "a pair of texts" : "one text", ", but ", train.file(), " has ",
                           columns.pair ? "a pair" : "one text"));
    data.same_names = false;
    data.notes.push_back(str(table.file(), ": ", here.reason));
  } else {
    here.text = table.column(names[columns.text]);
    here.label = table.column(names[columns.label]);
    if (columns.pair) here.pair = table.column(names[*columns.pair]);
  }
  Examples examples = make_examples(table, here, {config.bad_rows, data.label_names});
  if (examples.size() == 0) throw InputError(str(table.file(), ": no row has both text and label"));
  note_file(table, examples, data);
  return examples;
}

void split_by_hash(const Examples& all, const SplitShares& shares, std::uint64_t seed, ClassificationData& data) {
  const std::vector<Part> parts = split_rows(all, shares, seed);
  std::array<std::vector<std::size_t>, 3> rows;
  for (std::size_t row = 0; row < parts.size(); ++row) rows[static_cast<std::size_t>(parts[row])].push_back(row);
  data.train = all.select(rows[0]);
  if (shares.valid > 0) data.valid = all.select(rows[1]);
  if (shares.test > 0) data.test = all.select(rows[2]);
  data.notes.push_back(str("split ", shares.train, "/", shares.valid, "/", shares.test, " by hash of the text, seed ", seed));
}

}  // namespace

ClassificationData load_classification(const DataConfig& config) {
  if (config.train.empty()) throw InputError("data.train: expected a file of labelled text");
  ClassificationData data;
  ReadOptions options;
  options.bad_rows = config.bad_rows;
  const Table table = read_table(config.train, options);
  data.columns = find_columns(table, config.columns);
  const Examples whole = make_examples(table, data.columns, {config.bad_rows, {}});
  data.label_names = whole.label_names;
  note_file(table, whole, data);
  data.notes.push_back(data.columns.reason);
  const Examples all = limit_rows(whole, config.max_rows, config.seed);
  if (all.size() < whole.size())
    data.notes.push_back(str("data.max_rows = ", config.max_rows, ": ", count_of(all.size(), "row", "rows"), " of ",
                             with_commas(static_cast<std::int64_t>(whole.size())), ", chosen by hash of the text"));
  if (!config.valid.empty()) data.valid = read_part(config.valid, config, table, data);
  if (!config.test.empty()) data.test = read_part(config.test, config, table, data);
  SplitShares shares = config.split;
  if (!config.valid.empty()) shares.valid = 0;
  if (!config.test.empty()) shares.test = 0;
  if (shares.valid == 0 && shares.test == 0)
    data.train = all;
  else
    split_by_hash(all, shares, config.seed, data);
  // Parts without a share still know the labels, so that whatever reads them need not tell them apart.
  data.valid.label_names = data.test.label_names = data.label_names;
  data.notes.push_back(str("training ", with_commas(static_cast<std::int64_t>(data.train.size())), ", validation ",
                           with_commas(static_cast<std::int64_t>(data.valid.size())), ", test ",
                           with_commas(static_cast<std::int64_t>(data.test.size())), " rows"));
  return data;
}

}  // namespace lathe::data
