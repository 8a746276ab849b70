// Tables of text: TSV, CSV (RFC 4180) and JSONL files become named columns, and every row keeps its line number.
//
// The format follows the extension (.tsv .tab → TSV, .csv → CSV, .jsonl .ndjson → JSONL); any other name is sniffed: a first
// character `{` means JSONL, else the delimiter that fits best. What was found is said in `describe()`, and each choice can
// be made by hand in ReadOptions.
//
//   delimiter  The extension's own one if the first record holds it, else the one of tab , ; | that the first record holds
//              and that gives most of the first 200 records as many fields as the first; ties go to the earlier one.
//   quotes     CSV: RFC 4180: "a, b", "two\nlines", "say ""hi""". A quote inside an unquoted field is a plain character.
//              TSV: plain characters, as in GLUE and IANA's text/tab-separated-values, except when that reading is
//              contradicted by the file: it gives rows of different width and RFC 4180 does not, or every field that begins
//              with a quote is a complete quoted field and one of them holds a doubled quote.
//   header     No header if a cell of the first record is a number or occurs again below it in its column, or if a cell is
//              empty (the first may be), occurs twice, or is longer than 40 bytes; a well-known column name (`label`, `text`,
//              `sentence` …) outweighs all of these but numbers. Columns without a name are called column1, column2 …
//   lines      \n or \r\n (or \r alone where a file has no \n); a missing last newline and a UTF-8 byte order mark are fine;
//              empty lines are passed over. A row is named by the line on which it begins, counted from 1.
//   JSONL      One object a line. Columns are the keys in order of first appearance; strings are taken as they are, numbers
//              and booleans as written in JSON, nested values as compact JSON, null and absent keys are `missing`.
//
// A bad row (wrong number of fields, not UTF-8, a NUL byte, an open quote, not a JSON object) stops the reading with an
// InputError "file:line: what; what to do", or is left out and counted, as ReadOptions::bad_rows says.
#pragma once
#include <lathe/base/error.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::data {

enum class Format { automatic, tsv, csv, jsonl };
enum class BadRows { fail, skip };
enum class Choice { automatic, yes, no };

/// "fail" or "skip", as in the configuration; InputError for anything else.
BadRows parse_bad_rows(std::string_view name);

struct ReadOptions {
  Format format = Format::automatic;
  char delimiter = '\0';  ///< '\0': as described above
  Choice quotes = Choice::automatic;
  Choice header = Choice::automatic;
  BadRows bad_rows = BadRows::fail;
};

/// A row that was left out. `what` names the fault alone ("3 fields, expected 2"), `hint` the ways out.
struct BadRow {
  std::int64_t line = 0;
  std::string what, hint;
};

/// Immutable; a copy shares the text, so that views into it live as long as any copy.
class Table {
 public:
  const std::string& file() const { return file_; }  ///< as the caller named it
  std::size_t rows() const { return lines_.size(); }
  std::size_t columns() const { return names_.size(); }
  const std::vector<std::string>& names() const { return names_; }
  /// Position of a column; InputError "file:1: no column `lable`; columns: sentence, label; did you mean `label`?".
  std::size_t column(std::string_view name) const;

  std::string_view cell(std::size_t row, std::size_t column) const {
    const Span& s = cells_[row * names_.size() + column];
    return s.size == kMissing ? std::string_view() : std::string_view(text_->data() + s.begin, s.size);
  }
  bool missing(std::size_t row, std::size_t column) const { return cells_[row * names_.size() + column].size == kMissing; }
  std::int64_t line(std::size_t row) const { return lines_[row]; }
  std::string place(std::size_t row) const;  ///< "file:line"

  const std::vector<BadRow>& skipped() const { return skipped_; }
  Format format() const { return format_; }
  bool has_header() const { return header_; }
  /// "TSV, header, quotes are plain characters".
  const std::string& describe() const { return describe_; }

 private:
  friend class TableBuilder;
  static constexpr std::uint32_t kMissing = 0xFFFFFFFFu;
  struct Span {
    std::size_t begin;
    std::uint32_t size;
  };
  std::string file_, describe_;
  std::shared_ptr<const std::string> text_;
  std::vector<std::string> names_;
  std::vector<Span> cells_;  ///< row-major
  std::vector<std::int64_t> lines_;
  std::vector<BadRow> skipped_;
  Format format_ = Format::tsv;
  bool header_ = true;
};

/// Reads a whole file. InputError: missing file (with the nearest name), empty file, header without rows, bad row, UTF-16.
Table read_table(const std::filesystem::path& path, const ReadOptions& options = {});

/// The same for text in memory; `name` stands for the file name, extension included.
Table parse_table(std::string text, const std::string& name, const ReadOptions& options = {});

/// One TSV or CSV field, quoted where RFC 4180 demands it. TSV as written by lathe has quotes only around fields that hold
/// a tab, a line break or a leading quote.
std::string quote_field(std::string_view field, char delimiter);

}  // namespace lathe::data
