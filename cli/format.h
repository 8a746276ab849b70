// Text for people and files: durations, sizes, counts, TOML strings, tables with aligned columns.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::cli {

/// A TOML basic string: quotes, backslashes and control characters escaped.
std::string toml_quote(std::string_view text);
/// A TOML float: always with a point or an exponent, so that it is read back as one.
std::string toml_number(double value);

/// "90s", "10m", "1h30m", "2d", or a bare number of seconds; nothing for anything else or a negative value.
std::optional<double> parse_duration(std::string_view text);
/// "0.42 s", "14 s", "2 m 41 s", "1 h 05 m", "3 d 04 h".
std::string format_duration(double seconds);

/// "5M", "1.5G", "2e6", "40,000" as a count: k, M and G are powers of 1000. Nothing if it is no integer.
std::optional<std::int64_t> parse_count(std::string_view text);
/// "812", "8.1 k", "1.31 M", "2.40 G".
std::string format_count(std::int64_t count);
/// "812 B", "5.2 MB": powers of 1000.
std::string format_bytes(std::int64_t bytes);
/// "1 trial", "2,000 trials".
std::string plural(std::int64_t count, std::string_view noun);
/// "55.8 %".
std::string format_percent(double share, int decimals = 1);

/// Columns in which a person's eye finds its way: text to the left, numbers to the right.
class TextTable {
 public:
  enum class Align : std::uint8_t { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  explicit TextTable(std::vector<Column> columns);
  void add(std::vector<std::string> cells);  ///< missing cells are empty
  bool empty() const { return rows_.empty(); }
  /// One line a row, two blanks between columns, no blanks at the ends of lines. `indent` goes before every line.
  std::string text(std::string_view indent = "") const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Number of columns that a terminal needs for UTF-8 text: code points without combining marks, wide ones twice.
std::size_t display_width(std::string_view text);
/// Cut to `width` columns, with "…" at the end where something was cut.
std::string cut_to_width(std::string_view text, std::size_t width);
/// Broken at blanks into lines of at most `width` columns, each after `indent`.
std::string wrap(std::string_view text, std::size_t width, std::string_view indent);

}  // namespace lathe::cli
