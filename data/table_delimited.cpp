// TSV and CSV: cutting text into records and fields, and the reader made of it. The choices are in table_sniff.cpp.
#include <lathe/base/text.h>
#include <lathe/data/table_builder.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace lathe::data::detail {
namespace {

/// Position of `c` in [from, to), or `to`. memchr is many times faster here than a loop over bytes.
std::size_t find_byte(std::string_view text, char c, std::size_t from, std::size_t to) {
  if (from >= to) return to;
  const void* hit = std::memchr(text.data() + from, c, to - from);
  return hit ? static_cast<std::size_t>(static_cast<const char*>(hit) - text.data()) : to;
}

std::size_t without_cr(std::string_view text, std::size_t begin, std::size_t end) {
  return end > begin && text[end - 1] == '\r' ? end - 1 : end;
}

}  // namespace

bool RecordReader::next(Record& record) {
  record.fields.clear();
  record.fault.clear();
  for (;;) {
    if (at_ >= text_.size()) return false;
    const std::size_t newline = find_byte(text_, '\n', at_, text_.size());
    record.begin = at_;
    record.end = without_cr(text_, at_, newline);
    record.next = std::min(newline + 1, text_.size());
    record.line = line_;
    if (record.end > record.begin) break;
    at_ = record.next;
    ++line_;
  }
  if (dialect_.quotes && find_byte(text_, '"', record.begin, record.end) != record.end)
    split_quoted(record);
  else
    split_plain(record);
  line_ += 1 + std::count(text_.begin() + static_cast<std::ptrdiff_t>(record.begin),
                          text_.begin() + static_cast<std::ptrdiff_t>(record.end), '\n');
  at_ = record.next;
  return true;
}

void RecordReader::split_plain(Record& record) {
  for (std::size_t begin = record.begin;;) {
    const std::size_t end = find_byte(text_, dialect_.delimiter, begin, record.end);
    record.fields.push_back({begin, end, false, false});
    if (end == record.end) return;
    begin = end + 1;
  }
}

// RFC 4180, one record. On a fault the record is cut back to its first line, so that reading can go on behind it.
void RecordReader::split_quoted(Record& record) {
  const std::size_t first_begin = record.begin, first_end = record.end, first_next = record.next;
  const auto fault = [&](std::string what) {
    record.fault = std::move(what);
    record.end = first_end;
    record.next = first_next;
    record.fields.clear();
  };
  for (std::size_t at = record.begin;;) {
    Field field;
    if (at < text_.size() && text_[at] == '"') {
      field = {at + 1, at + 1, true, false};
      for (std::size_t from = at + 1;;) {
        const std::size_t quote = find_byte(text_, '"', from, text_.size());
        if (quote == text_.size()) {
          // Only a quote on the first line has a column there; a later one is named by its field.
          return fault(at <= first_end ? str("the quote in column ", at - first_begin + 1, " is never closed")
                                       : str("the quote before field ", record.fields.size() + 1, " is never closed"));
        }
        if (quote + 1 < text_.size() && text_[quote + 1] == '"') {
          field.doubled = true;
          from = quote + 2;
          continue;
        }
        field.end = quote;
        at = quote + 1;
        break;
      }
    } else {
      field.begin = at;
      while (at < text_.size() && text_[at] != dialect_.delimiter && text_[at] != '\n') ++at;
      field.end = at;
    }
    const bool last =
        at >= text_.size() || text_[at] == '\n' || (text_[at] == '\r' && (at + 1 >= text_.size() || text_[at + 1] == '\n'));
    if (last) {
      if (!field.quoted) field.end = without_cr(text_, field.begin, field.end);
      record.fields.push_back(field);
      record.end = field.quoted ? at : field.end;
      record.next = std::min(find_byte(text_, '\n', at, text_.size()) + 1, text_.size());
      return;
    }
    if (text_[at] != dialect_.delimiter) return fault(str("text behind the closing quote of field ", record.fields.size() + 1));
    record.fields.push_back(field);
    ++at;
  }
}

namespace {

std::vector<std::string> column_names(const Record& header, std::string_view text, const std::string& file) {
  std::vector<std::string> names;
  for (const Field& field : header.fields) {
    std::string name(trim(text.substr(field.begin, field.end - field.begin)));
    if (name.empty()) name = str("column", names.size() + 1);
    if (std::find(names.begin(), names.end(), name) != names.end())
      throw InputError(str(file, ":", header.line, ": the column `", shown(name), "` occurs twice"));
    names.push_back(std::move(name));
  }
  return names;
}

std::vector<std::string> numbered_names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i <= count; ++i) names.push_back(str("column", i));
  return names;
}

/// Width of most of the first 200 records; ties go to the one that is met first.
std::size_t usual_width(std::string_view text, Dialect dialect) {
  std::vector<std::pair<std::size_t, int>> widths;
  RecordReader reader(text, dialect);
  Record record;
  for (int i = 0; i < 200 && reader.next(record); ++i) {
    const auto known = std::find_if(widths.begin(), widths.end(), [&](const auto& w) { return w.first == record.fields.size(); });
    if (known == widths.end())
      widths.emplace_back(record.fields.size(), 1);
    else
      ++known->second;
  }
  return std::max_element(widths.begin(), widths.end(), [](const auto& a, const auto& b) { return a.second < b.second; })->first;
}

/// Turns "" into " within the field, in place (the result is never longer).
void undouble(std::string& text, Field& field) {
  std::size_t out = field.begin;
  for (std::size_t in = field.begin; in < field.end; ++in) {
    text[out++] = text[in];
    if (text[in] == '"') ++in;
  }
  field.end = out;
}

BadRow uneven(const Record& record, std::size_t expected) {
  const std::size_t found = record.fields.size();
  BadRow bad{record.line, str(found, found == 1 ? " field" : " fields", ", expected ", expected), {}};
  bad.hint = str(found > expected ? "quote it, use .jsonl, or " : "complete it, or ", kSkipHint);
  return bad;
}

std::string describe(const Sniffed& sniffed) {
  std::string what = sniffed.dialect.delimiter == '\t'  ? std::string("TSV")
                     : sniffed.dialect.delimiter == ',' ? std::string("CSV")
                                                        : str("CSV with `", sniffed.dialect.delimiter, "`");
  what += sniffed.header ? ", header" : ", no header";
  return what + (sniffed.dialect.quotes ? ", quoted fields" : ", quotes are plain characters");
}

}  // namespace

Table read_delimited(std::string text, const std::string& name, Format format, const ReadOptions& options) {
  const Sniffed sniffed = sniff(text, format, options);
  TableBuilder table(name, sniffed.dialect.delimiter == '\t' ? Format::tsv : Format::csv, options.bad_rows);
  table.set_header(sniffed.header);
  const bool look_closer = unusual_bytes(text);
  RecordReader reader(text, sniffed.dialect);
  Record record;
  std::size_t width = 0;
  if (sniffed.header) {
    reader.next(record);
    if (const auto bad = look_closer
                             ? bad_bytes(std::string_view(text).substr(record.begin, record.end - record.begin), record.line)
                             : std::nullopt)
      throw InputError(str(name, ":", bad->line, ": ", bad->what, "; ", bad->hint));
    if (!record.fault.empty()) throw InputError(str(name, ":", record.line, ": ", record.fault));
    for (Field& field : record.fields)
      if (field.doubled) undouble(text, field);
    std::vector<std::string> names = column_names(record, text, name);
    width = names.size();
    table.set_names(std::move(names));
  } else {
    width = usual_width(text, sniffed.dialect);
    table.set_names(numbered_names(width));
  }
  while (reader.next(record)) {
    if (look_closer) {
      if (auto bad = bad_bytes(std::string_view(text).substr(record.begin, record.end - record.begin), record.line)) {
        table.bad_row(std::move(*bad));
        continue;
      }
    }
    if (!record.fault.empty()) {
      table.bad_row({record.line, record.fault, str("double the quotes inside (\"\"), use .jsonl, or ", kSkipHint)});
      continue;
    }
    if (record.fields.size() != width) {
      table.bad_row(uneven(record, width));
      continue;
    }
    table.begin_row(record.line);
    for (Field& field : record.fields) {
      if (field.doubled) undouble(text, field);
      table.add_cell(field.begin, field.end - field.begin);
    }
  }
  table.set_text(std::make_shared<const std::string>(std::move(text)));
  return table.finish(describe(sniffed));
}

}  // namespace lathe::data::detail
