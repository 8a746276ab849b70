// Pieces of the table readers. Private to data/.
#pragma once
#include <lathe/data/table.h>

#include <optional>
#include <span>

namespace lathe::data {

namespace detail {

/// A cell before it is one: bytes [begin, end) of the text, without the quotes around it.
struct Field {
  std::size_t begin = 0, end = 0;
  bool quoted = false;
  bool doubled = false;  ///< holds "" for a quote
};

struct Dialect {
  char delimiter = '\t';
  bool quotes = false;
};

/// One record of a TSV or CSV text.
struct Record {
  std::size_t begin = 0, end = 0;  ///< raw bytes, without the line end
  std::size_t next = 0;            ///< where the next record begins
  std::int64_t line = 0;           ///< first physical line
  std::vector<Field> fields;
  std::string fault;  ///< not empty: the record is malformed; it then ends with its first line
};

/// Walks over the records of `text`, passing over empty lines.
class RecordReader {
 public:
  RecordReader(std::string_view text, Dialect dialect) : text_(text), dialect_(dialect) {}
  /// False at the end. Reuses the record's memory.
  bool next(Record& record);

 private:
  void split_plain(Record& record);
  void split_quoted(Record& record);
  std::string_view text_;
  Dialect dialect_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
};

struct Sniffed {
  Dialect dialect;
  bool header = true;
};

/// The choices described in table.h for what `options` leaves open. `text` holds at least one record.
Sniffed sniff(std::string_view text, Format format, const ReadOptions& options);

/// What is wrong with the bytes of a row (NUL, not UTF-8), if anything; `line` becomes the physical line of the byte.
std::optional<BadRow> bad_bytes(std::string_view row, std::int64_t line);
/// True if `text` holds a byte that needs a closer look: NUL or ≥ 0x80.
bool unusual_bytes(std::string_view text);

}  // namespace detail

/// Fills a Table.
class TableBuilder {
 public:
  TableBuilder(std::string file, Format format, BadRows bad_rows);

  void set_text(std::shared_ptr<const std::string> text) { table_.text_ = std::move(text); }
  void set_header(bool header) { table_.header_ = header; }
  void set_names(std::vector<std::string> names) { table_.names_ = std::move(names); }
  void begin_row(std::int64_t line) { table_.lines_.push_back(line); }
  void add_cell(std::size_t begin, std::size_t size);
  void add_missing() { table_.cells_.push_back({0, Table::kMissing}); }
  /// Throws or takes a note, as bad_rows says.
  void bad_row(BadRow row);
  std::size_t rows() const { return table_.lines_.size(); }
  Table finish(std::string describe);

 private:
  Table table_;
  BadRows bad_rows_;
};

namespace detail {
Table read_delimited(std::string text, const std::string& name, Format format, const ReadOptions& options);
Table read_jsonl(std::string text, const std::string& name, const ReadOptions& options);
/// Text from the data as it may stand in a message: control characters as blanks, at most 60 bytes.
std::string shown(std::string_view text);
/// The same for names, joined by ", ".
std::string shown(std::span<const std::string> names);
inline constexpr const char* kSkipHint = "--set data.bad_rows='\"skip\"'";
}  // namespace detail

}  // namespace lathe::data
