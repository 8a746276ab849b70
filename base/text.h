// Text helpers: UTF-8, numbers as text, nearest names.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// Shortest decimal that reads back as the same number (std::to_chars): the same text on every machine.
std::string number(double value);
std::string number(float value);
/// Fixed number of decimals, for people.
std::string fixed(double value, int decimals);
/// 67349 → "67,349".
std::string with_commas(std::int64_t value);

namespace detail {
inline void append(std::string& out, std::string_view s) { out += s; }
inline void append(std::string& out, const char* s) { out += s; }  // else a literal would become a bool
inline void append(std::string& out, char c) { out += c; }
inline void append(std::string& out, bool b) { out += b ? "true" : "false"; }
inline void append(std::string& out, double v) { out += number(v); }
inline void append(std::string& out, float v) { out += number(v); }
template <class T>
requires std::is_integral_v<T>
void append(std::string& out, T v) { out += std::to_string(v); }
}  // namespace detail

/// Everything as one string: str("row ", 7, ": ", name).
template <class... Args>
std::string str(const Args&... args) {
  std::string out;
  (detail::append(out, args), ...);
  return out;
}

/// Splits at every separator; "a,,b" gives three parts, "" one empty part. The views point into `text`.
std::vector<std::string_view> split(std::string_view text, char separator);
std::vector<std::string_view> split(std::string&& text, char separator) = delete;  // the views would outlive their text
std::string_view trim(std::string_view text);                                      ///< without blanks, tabs, \r and \n at both ends
std::string join(std::span<const std::string> parts, std::string_view separator);
/// ASCII only.
std::string lower(std::string_view text);

/// Whole-string conversions: nothing, if any character is left over or the value does not fit.
std::optional<std::int64_t> parse_int(std::string_view text);
std::optional<double> parse_double(std::string_view text);

/// Position of the first byte that is not well-formed UTF-8 (Unicode 15, table 3-7), or nothing.
std::optional<std::size_t> invalid_utf8(std::string_view text);
/// Appends one code point as UTF-8.
void append_utf8(std::string& out, char32_t code_point);
/// Decodes the code point at `at` of well-formed UTF-8 and moves `at` behind it.
char32_t next_utf8(std::string_view text, std::size_t& at);

/// The candidate with the smallest edit distance (substitution, insertion, deletion, transposition 1 each; a candidate that
/// merely continues `name` counts 1), if it is at most 3 and at most half of the longer name; ties go to the earlier one.
std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates);

}  // namespace lathe
