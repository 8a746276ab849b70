// Delimiter, quotes and header of a TSV or CSV text, where the caller leaves them open. The rules are told in table.h.
#include <lathe/base/text.h>
#include <lathe/data/column_names.h>
#include <lathe/data/table_builder.h>

#include <algorithm>
#include <optional>

namespace lathe::data::detail {
namespace {

constexpr int kSample = 200;

std::string_view bytes(std::string_view text, const Field& field) { return text.substr(field.begin, field.end - field.begin); }

/// Share of sampled records as wide as the first, or −1 if the first has one field only.
double evenness(std::string_view text, Dialect dialect) {
  RecordReader reader(text, dialect);
  Record record;
  std::size_t width = 0;
  int even = 0, all = 0;
  for (; all < kSample && reader.next(record); ++all) {
    if (all == 0) width = record.fields.size();
    if (record.fields.size() == width && record.fault.empty()) ++even;
  }
  return width < 2 ? -1 : static_cast<double>(even) / all;
}

char find_delimiter(std::string_view text, Format format) {
  const char own = format == Format::csv ? ',' : '\t';
  const auto quotes = [&](char delimiter) { return delimiter != '\t'; };
  if (format != Format::automatic && evenness(text, {own, quotes(own)}) >= 0) return own;
  char best = own;
  double best_score = -1;
  for (const char candidate : {'\t', ',', ';', '|'}) {
    const double score = evenness(text, {candidate, quotes(candidate)});
    if (score > best_score) best = candidate, best_score = score;
  }
  return best;
}

bool all_even(std::string_view text, Dialect dialect) {
  RecordReader reader(text, dialect);
  Record record;
  std::optional<std::size_t> width;
  while (reader.next(record)) {
    if (!record.fault.empty() || record.fields.size() != width.value_or(record.fields.size())) return false;
    width = record.fields.size();
  }
  return true;
}

/// Every field that begins with a quote is a complete quoted field of one line, and one of them holds a doubled quote.
bool doubled_quotes_throughout(std::string_view text, char delimiter) {
  RecordReader reader(text, {delimiter, false});
  Record record;
  bool doubled = false;
  while (reader.next(record))
    for (const Field& field : record.fields) {
      const std::string_view cell = bytes(text, field);
      if (cell.empty() || cell.front() != '"') continue;
      if (cell.size() < 2 || cell.back() != '"') return false;
      const std::string_view inside = cell.substr(1, cell.size() - 2);
      for (std::size_t at = 0; (at = inside.find('"', at)) != std::string_view::npos; at += 2) {
        if (inside.substr(at, 2) != "\"\"") return false;
        doubled = true;
      }
    }
  return doubled;
}

bool find_quotes(std::string_view text, char delimiter) {
  if (text.find('"') == std::string_view::npos) return delimiter != '\t';
  if (delimiter != '\t') return true;
  if (doubled_quotes_throughout(text, delimiter)) return true;
  return !all_even(text, {delimiter, false}) && all_even(text, {delimiter, true});
}

/// Cells of the first records.
std::vector<std::vector<std::string_view>> sample_cells(std::string_view text, Dialect dialect) {
  std::vector<std::vector<std::string_view>> rows;
  RecordReader reader(text, dialect);
  Record record;
  while (rows.size() < kSample && reader.next(record)) {
    std::vector<std::string_view> cells;
    for (const Field& field : record.fields) cells.push_back(trim(bytes(text, field)));
    rows.push_back(std::move(cells));
  }
  return rows;
}

bool find_header(std::string_view text, Dialect dialect) {
  const auto rows = sample_cells(text, dialect);
  const auto& first = rows.front();
  bool known = false;
  for (const auto cell : first) {
    if (parse_double(cell)) return false;
    known = known || well_known_column(lower(cell));
  }
  if (known) return true;
  if (rows.size() == 1) return false;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i].size() > 40 || (first[i].empty() && i > 0)) return false;
    if (std::count(first.begin(), first.end(), first[i]) > 1) return false;
    for (std::size_t r = 1; r < rows.size(); ++r)
      if (i < rows[r].size() && !first[i].empty() && rows[r][i] == first[i]) return false;
  }
  return true;
}

}  // namespace

Sniffed sniff(std::string_view text, Format format, const ReadOptions& options) {
  Sniffed found;
  found.dialect.delimiter = options.delimiter != '\0' ? options.delimiter : find_delimiter(text, format);
  found.dialect.quotes =
      options.quotes != Choice::automatic ? options.quotes == Choice::yes : find_quotes(text, found.dialect.delimiter);
  found.header = options.header != Choice::automatic ? options.header == Choice::yes : find_header(text, found.dialect);
  return found;
}

}  // namespace lathe::data::detail
