#include <lathe/cli/format.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <utility>

namespace lathe::cli {
namespace {

std::string two_digits(std::int64_t value) { return str(value < 10 ? "0" : "", value); }

/// Three significant digits: 1.31, 13.1, 131.
std::string three_digits(double value) { return fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0); }

/// `value` scaled by powers of 1000; units[0] is for values below 1000. A value that would be shown as 1000 takes the next unit.
std::string scaled(std::int64_t value, const std::array<const char*, 4>& units) {
  if (value > -1000 && value < 1000) return str(value, units[0]);
  double scaled_value = std::abs(static_cast<double>(value)) / 1000;
  std::size_t unit = 1;
  while (scaled_value >= 999.5 && unit + 1 < units.size()) {
    scaled_value /= 1000;
    ++unit;
  }
  return str(value < 0 ? "-" : "", three_digits(scaled_value), units[unit]);
}

}  // namespace

std::string toml_quote(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string toml_number(double value) {
  std::string out = number(value);
  if (out.find_first_of(".ein") == std::string::npos) out += ".0";
  return out;
}

std::optional<double> parse_duration(std::string_view text) {
  if (const auto seconds = parse_double(text)) return *seconds >= 0 && std::isfinite(*seconds) ? seconds : std::nullopt;
  double total = 0, last_unit = 1e9;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    if (digits == 0 || digits == text.size()) return {};
    const auto value = parse_double(text.substr(0, digits));
    const char letter = text[digits];
    const double unit = letter == 's' ? 1 : letter == 'm' ? 60 : letter == 'h' ? 3600 : letter == 'd' ? 86400 : 0;
    if (!value || unit == 0 || unit >= last_unit) return {};  // each unit once, the larger first
    total += *value * unit;
    last_unit = unit;
    text = trim(text.substr(digits + 1));
  }
  return last_unit < 1e9 ? std::optional(total) : std::nullopt;
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0) || seconds > 1e12) return "?";
  if (seconds < 1e-3) return str(three_digits(seconds * 1e6), " us");
  if (seconds < 0.9995) return str(seconds < 0.01 ? three_digits(seconds * 1e3) : fixed(seconds * 1e3, 0), " ms");
  if (seconds < 9.95) return fixed(seconds, 1) + " s";
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 60) return str(whole, " s");
  if (whole < 3600) return str(whole / 60, " m ", two_digits(whole % 60), " s");
  if (whole < 86400) return str(whole / 3600, " h ", two_digits(whole / 60 % 60), " m");
  return str(whole / 86400, " d ", two_digits(whole / 3600 % 24), " h");
}

std::optional<std::int64_t> parse_count(std::string_view text) {
  std::string digits(text);
  double unit = 1;
  if (!digits.empty()) {
    const char letter = digits.back();
    unit = letter == 'k' || letter == 'K' ? 1e3 : letter == 'M' ? 1e6 : letter == 'G' ? 1e9 : 1;
    if (unit > 1) digits.pop_back();
  }
  if (digits.find(',') != std::string::npos) {  // only as thousands: 40,000
    const std::vector<std::string_view> groups = split(digits, ',');
    for (std::size_t i = 0; i < groups.size(); ++i)
      if (i == 0 ? groups[i].empty() || groups[i].size() > 3 : groups[i].size() != 3) return {};
    std::erase(digits, ',');
  }
  if (unit == 1)
    if (const auto whole = parse_int(digits)) return whole;
  const auto value = parse_double(digits);
  if (!value) return {};
  const double product = *value * unit;
  if (!(std::abs(product) < 9e15) || product != std::trunc(product)) return {};
  return static_cast<std::int64_t>(product);
}

std::string format_count(std::int64_t count) { return scaled(count, {"", " k", " M", " G"}); }

std::string format_bytes(std::int64_t bytes) { return scaled(bytes, {" B", " kB", " MB", " GB"}); }

std::string plural(std::int64_t count, std::string_view noun) { return str(with_commas(count), " ", noun, count == 1 ? "" : "s"); }

std::string format_percent(double share, int decimals) { return fixed(share * 100, decimals) + " %"; }

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_utf8(text, at);
    const bool mark = (c >= 0x300 && c < 0x370) || c == 0x200B || c == 0x200D || (c >= 0xFE00 && c < 0xFE10);
    const bool wide = (c >= 0x1100 && c < 0x1160) || (c >= 0x2E80 && c < 0xA4D0) || (c >= 0xAC00 && c < 0xD7A4) ||
                      (c >= 0xF900 && c < 0xFB00) || (c >= 0xFF00 && c < 0xFF61) || (c >= 0x1F300 && c < 0x1FB00) ||
                      (c >= 0x20000 && c < 0x40000);
    width += mark ? 0 : wide ? 2 : 1;
  }
  return width;
}

std::string cut_to_width(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  std::size_t at = 0, used = 0;
  while (at < text.size()) {
    std::size_t next = at;
    next_utf8(text, next);
    const std::size_t wide = display_width(text.substr(at, next - at));
    if (used + wide + 1 > width) break;
    used += wide;
    at = next;
  }
  return std::string(text.substr(0, at)) + (width > 0 ? "…" : "");
}

std::string wrap(std::string_view text, std::size_t width, std::string_view indent) {
  std::string out, line;
  for (const std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    if (!line.empty() && display_width(indent) + display_width(line) + 1 + display_width(word) > width) {
      out += str(indent, line, "\n");
      line.clear();
    }
    line += str(line.empty() ? "" : " ", word);
  }
  return out + str(indent, line, "\n");
}

TextTable::TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

void TextTable::add(std::vector<std::string> cells) {
  LATHE_CHECK(cells.size() <= columns_.size());
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::text(std::string_view indent) const {
  std::vector<std::size_t> widths;
  bool titled = false;
  for (const Column& column : columns_) {
    widths.push_back(display_width(column.title));
    titled = titled || !column.title.empty();
  }
  for (const auto& row : rows_)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], display_width(row[c]));
  std::string out;
  const auto line = [&](const auto& cell) {
    std::string row;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::string& text = cell(c);
      const std::string blanks(widths[c] - display_width(text), ' ');
      row += c == 0 ? "" : "  ";
      row += columns_[c].align == Align::left ? text + blanks : blanks + text;
    }
    row.erase(row.find_last_not_of(' ') + 1);
    out += str(indent, row, "\n");
  };
  if (titled) line([&](std::size_t c) -> const std::string& { return columns_[c].title; });
  for (const auto& row : rows_) line([&](std::size_t c) -> const std::string& { return row[c]; });
  return out;
}

}  // namespace lathe::cli
