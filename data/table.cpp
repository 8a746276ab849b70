#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/data/table.h>
#include <lathe/data/table_builder.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace lathe::data {

BadRows parse_bad_rows(std::string_view name) {
  if (name == "fail") return BadRows::fail;
  if (name == "skip") return BadRows::skip;
  const std::vector<std::string> valid = {"fail", "skip"};
  const auto near = nearest(name, valid);
  throw InputError(
      str("data.bad_rows = \"", name, "\", expected \"fail\" or \"skip\"", near ? str("; did you mean \"", *near, "\"?") : ""));
}

std::size_t Table::column(std::string_view name) const {
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (names_[i] == name) return i;
  const auto near = nearest(name, names_);
  throw InputError(str(file_, ":1: no column `", detail::shown(name), "`; columns: ", detail::shown(names_),
                       near ? str("; did you mean `", detail::shown(*near), "`?") : ""));
}

std::string Table::place(std::size_t row) const { return str(file_, ":", line(row)); }

TableBuilder::TableBuilder(std::string file, Format format, BadRows bad_rows) : bad_rows_(bad_rows) {
  table_.file_ = std::move(file);
  table_.format_ = format;
}

void TableBuilder::add_cell(std::size_t begin, std::size_t size) {
  if (size >= Table::kMissing) throw InputError(str(table_.file_, ":", table_.lines_.back(), ": a field of more than 4 GB"));
  table_.cells_.push_back({begin, static_cast<std::uint32_t>(size)});
}

void TableBuilder::bad_row(BadRow row) {
  if (bad_rows_ == BadRows::fail)
    throw InputError(str(table_.file_, ":", row.line, ": ", row.what, row.hint.empty() ? "" : "; ", row.hint));
  table_.skipped_.push_back(std::move(row));
}

Table TableBuilder::finish(std::string describe) {
  if (table_.lines_.empty()) {
    if (!table_.skipped_.empty()) {
      const BadRow& first = table_.skipped_.front();
      throw InputError(str(table_.file_, ": all ", with_commas(static_cast<std::int64_t>(table_.skipped_.size())),
                           " rows are bad; the first, line ", first.line, ": ", first.what));
    }
    throw InputError(str(table_.file_, ": a header but no rows"));
  }
  table_.describe_ = std::move(describe);
  return std::move(table_);
}

namespace detail {

std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::string out(text);
  if (out.size() > kMost) {
    std::size_t end = kMost - 3;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;  // not within a character
    out = out.substr(0, end) + "...";
  }
  for (char& c : out)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7F') c = ' ';
  return out;
}

std::string shown(std::span<const std::string> names) {
  std::string out;
  for (const std::string& name : names) (out += out.empty() ? "" : ", ") += shown(name);
  return out;
}

namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101ull, kHighs = 0x8080808080808080ull;

}  // namespace

bool unusual_bytes(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  for (; end - p >= 8; p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    // A high bit anywhere, or a zero byte (exact when no high bit is set).
    if (((word | (word - kOnes)) & kHighs) != 0) return true;
  }
  return std::any_of(p, end, [](char c) { return c == 0 || static_cast<unsigned char>(c) >= 0x80; });
}

std::optional<BadRow> bad_bytes(std::string_view row, std::int64_t line) {
  if (!unusual_bytes(row)) return {};
  const std::size_t nul = row.find('\0');
  const auto invalid = invalid_utf8(row);
  if (nul == std::string_view::npos && !invalid) return {};
  const std::size_t at = std::min(nul, invalid.value_or(std::string_view::npos));
  const std::string_view before = row.substr(0, at);
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  BadRow bad;
  bad.line = line + std::count(before.begin(), before.end(), '\n');
  static constexpr char kHex[] = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(row[at]);
  bad.what = str("byte 0x", kHex[byte >> 4], kHex[byte & 15], " (column ", at - line_start + 1, ") ",
                 at == nul ? "is a NUL character, which text does not hold" : "is not UTF-8");
  bad.hint = at == nul ? str("remove it, or ", kSkipHint) : "try: iconv -f latin1 -t utf-8";
  return bad;
}

namespace {

Format format_of(const std::string& name, std::string_view text) {
  const std::string extension = lower(std::filesystem::path(name).extension().string());
  if (extension == ".tsv" || extension == ".tab") return Format::tsv;
  if (extension == ".csv") return Format::csv;
  if (extension == ".jsonl" || extension == ".ndjson") return Format::jsonl;
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && (text[first] == '{' || (extension == ".json" && text[first] == '['))) return Format::jsonl;
  return Format::automatic;
}

void refuse_utf16(std::string_view text, const std::string& name) {
  const bool little = text.substr(0, 2) == "\xFF\xFE", big = text.substr(0, 2) == "\xFE\xFF";
  if (little || big)
    throw InputError(
        str(name, ":1: UTF-16 text (byte order mark ", little ? "FF FE" : "FE FF", "); try: iconv -f utf-16 -t utf-8"));
}

}  // namespace
}  // namespace detail

Table parse_table(std::string text, const std::string& name, const ReadOptions& options) {
  if (text.empty()) throw InputError(str(name, ": the file is empty; expected a header line and rows"));
  detail::refuse_utf16(text, name);
  if (text.compare(0, 3, "\xEF\xBB\xBF") == 0) text.erase(0, 3);
  if (text.find('\n') == std::string::npos) std::replace(text.begin(), text.end(), '\r', '\n');
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    throw InputError(str(name, ": the file holds nothing but blanks; expected a header line and rows"));
  const Format format = options.format != Format::automatic ? options.format : detail::format_of(name, text);
  if (format == Format::jsonl) return detail::read_jsonl(std::move(text), name, options);
  return detail::read_delimited(std::move(text), name, format, options);
}

Table read_table(const std::filesystem::path& path, const ReadOptions& options) {
  return parse_table(read_file(path), path.string(), options);
}

std::string quote_field(std::string_view field, char delimiter) {
  const bool tsv = delimiter == '\t';
  const bool plain = field.find(delimiter) == std::string_view::npos && field.find_first_of("\r\n") == std::string_view::npos &&
                     (tsv ? field.substr(0, 1) != "\"" : field.find('"') == std::string_view::npos);
  if (plain) return std::string(field);
  std::string out = "\"";
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  return out += '"';
}

}  // namespace lathe::data
