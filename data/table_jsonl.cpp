// JSONL: one object a line. The JSON itself is read by a library.
#include <lathe/base/text.h>
#include <lathe/data/table_builder.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace lathe::data::detail {

namespace {

using Json = nlohmann::ordered_json;

/// Deepest nesting of brackets outside strings; the library's writer recurses, so it must be limited before.
int nesting(std::string_view line) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return deepest;
}

/// Why a line is no JSON, in the library's words without its prefixes.
BadRow syntax_fault(std::string_view line, std::int64_t number) {
  BadRow bad{number, "not JSON", str("correct it, or ", kSkipHint)};
  try {
    const Json unused = Json::parse(line.begin(), line.end());
    (void)unused;
  } catch (const Json::parse_error& e) {
    std::string why = e.what();
    if (const std::size_t at = why.find("syntax error "); at != std::string::npos) why.erase(0, at + 13);
    if (const std::size_t at = why.rfind(" - "); at != std::string::npos) why.erase(0, at + 3);
    std::replace_if(
        why.begin(), why.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    bad.what = str("not JSON (column ", e.byte, "): ", why);
  } catch (const Json::exception& e) {
    bad.what = str("not JSON: ", e.what());
  }
  return bad;
}

std::string value_text(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>();
  if (value.is_number_float()) return number(value.get<double>());
  return value.dump();
}

/// A row's cells: column, and the text or nothing.
using Cells = std::vector<std::pair<std::size_t, std::string> >;

class JsonlReader {
 public:
  JsonlReader(const std::string& name, const ReadOptions& options) : table_(name, Format::jsonl, options.bad_rows) {}

  void line(std::string_view text, std::int64_t number) {
    if (text.find_first_not_of(" \t") == std::string_view::npos) return;
    if (auto bad = bad_bytes(text, number)) return table_.bad_row(std::move(*bad));
    if (nesting(text) > 64) return table_.bad_row({number, "more than 64 nested brackets", kSkipHint});
    const Json object = Json::parse(text.begin(), text.end(), nullptr, false);
    if (object.is_discarded()) return table_.bad_row(syntax_fault(text, number));
    if (!object.is_object())
      return table_.bad_row({number, str("a JSON ", object.type_name(), ", expected one object a line"),
                             object.is_array() && number == 1 ? "try: jq -c '.[]'" : kSkipHint});
    add(object, number);
  }

  Table finish() {
    // Columns may have been added after the first row, so the rows are laid out only now.
    std::vector<std::string> names(columns_.size());
    for (const auto& [name, at] : columns_) names[at] = name;
    std::size_t at = 0;
    for (std::size_t row = 0; row < lines_.size(); ++row) {
      table_.begin_row(lines_[row]);
      for (std::size_t column = 0; column < names.size(); ++column) {
        if (at < ends_[row] && cells_[at].column == column) {
          table_.add_cell(cells_[at].begin, cells_[at].size);
          ++at;
        } else {
          table_.add_missing();
        }
      }
    }
    table_.set_names(std::move(names));
    table_.set_text(std::make_shared<const std::string>(std::move(text_)));
    return table_.finish("JSONL");
  }

 private:
  struct Cell {
    std::size_t column, begin, size;
  };

  void add(const Json& object, std::int64_t number) {
    const std::size_t first = cells_.size();
    for (const auto& [key, value] : object.items()) {
      const std::size_t column = columns_.emplace(key, columns_.size()).first->second;
      if (value.is_null()) continue;
      const std::string text = value_text(value);
      if (text.find('\0') != std::string::npos) {
        cells_.resize(first);
        return table_.bad_row(
            {number, str("`", shown(key), "` holds a NUL character, which text does not"), str("remove it, or ", kSkipHint)});
      }
      cells_.push_back({column, text_.size(), text.size()});
      text_ += text;
    }
    std::sort(cells_.begin() + static_cast<std::ptrdiff_t>(first), cells_.end(),
              [](const Cell& a, const Cell& b) { return a.column < b.column; });
    lines_.push_back(number);
    ends_.push_back(cells_.size());
  }

  TableBuilder table_;
  std::string text_;
  std::map<std::string, std::size_t, std::less<> > columns_;
  std::vector<Cell> cells_;
  std::vector<std::int64_t> lines_;
  std::vector<std::size_t> ends_;
};

}  // namespace

Table read_jsonl(std::string text, const std::string& name, const ReadOptions& options) {
  JsonlReader reader(name, options);
  std::int64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    std::size_t stop = end;
    if (stop > at && text[stop - 1] == '\r') --stop;
    reader.line(std::string_view(text).substr(at, stop - at), ++number);
    at = end + 1;
  }
  return reader.finish();
}

}  // namespace lathe::data::detail
