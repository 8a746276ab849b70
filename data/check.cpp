#include <lathe/base/text.h>
#include <lathe/data/check.h>
#include <lathe/data/encode.h>
#include <lathe/data/table_builder.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

namespace lathe::data {
namespace {

constexpr std::size_t kPlaces = 3;
constexpr std::array<Part, 3> kParts = {Part::train, Part::valid, Part::test};

std::string commas(std::size_t n) { return with_commas(static_cast<std::int64_t>(n)); }

/// 0.29 % → "0.3 %"; never "0.0 %" for something that exists.
std::string percent(std::size_t part, std::size_t whole) {
  const double share = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return part > 0 && share < 0.1 ? "less than 0.1 %" : str(fixed(share, 1), " %");
}

class Checker {
 public:
  Checker(const ClassificationData& data, const DataConfig& config, const tokenizer::Tokenizer* tokenizer)
      : data_(data), config_(config), tokenizer_(tokenizer) {}

  CheckReport run() {
    rows_and_columns();
    classes();
    for (const Part part : kParts)
      hashes_[static_cast<int>(part)] = hash_texts(data_.part(part), random_key(config_.seed, 0, "check"));
    duplicates();
    overlap(Part::train, Part::valid);
    overlap(Part::train, Part::test);
    overlap(Part::valid, Part::test);
    label_in_text();
    identifiers();
    if (tokenizer_) lengths();
    std::stable_sort(report_.findings.begin(), report_.findings.end(),
                     [](const Finding& a, const Finding& b) { return a.level < b.level; });
    return std::move(report_);
  }

 private:
  void add(Level level, std::string id, std::string message, std::vector<std::string> places = {}) {
    report_.findings.push_back({level, std::move(id), std::move(message), std::move(places)});
  }

  std::size_t total() const { return data_.train.size() + data_.valid.size() + data_.test.size(); }

  void rows_and_columns() {
    add(Level::ok, "rows",
        str(commas(total()), " rows, UTF-8, ", data_.columns.reason, ", no empty text; training ", commas(data_.train.size()),
            ", validation ", commas(data_.valid.size()), ", test ", commas(data_.test.size())));
    if (data_.train.size() < 100)
      add(Level::warn, "few rows",
          str("only ", commas(data_.train.size()), " training rows; fewer than 100 tell little about any model"));
  }

  void classes() {
    const std::vector<std::int64_t> counts = data_.train.counts();
    std::vector<std::int32_t> order(counts.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return counts[a] > counts[b]; });
    std::string message = str(commas(counts.size()), " classes:");
    std::vector<std::string> small;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const auto n = static_cast<std::size_t>(counts[order[i]]);
      const std::string name = detail::shown(data_.label_names[order[i]]);
      if (i < 10) message += str(i > 0 ? "  " : " ", name, " ", commas(n), " (", percent(n, data_.train.size()), ")");
      if (i == 10) message += " …";
      if (n < 50) small.push_back(str("`", name, "` (", n, ")"));
    }
    add(Level::ok, "classes", std::move(message));
    if (!small.empty()) {
      const std::size_t all = small.size();
      if (small.size() > 5) small.resize(5), small.emplace_back("…");
      add(Level::warn, "small classes",
          str(all, all == 1 ? " class has" : " classes have", " fewer than 50 training rows: ", join(small, ", ")));
    }
    const auto most = static_cast<std::size_t>(counts[order.front()]);
    if (10 * most > 9 * data_.train.size())
      add(Level::warn, "majority",
          str("`", detail::shown(data_.label_names[order.front()]), "` is ", percent(most, data_.train.size()),
              " of the training rows: accuracy says little, use task.metric = \"macro_f1\""));
  }

  /// Within one part; equal texts in two parts are the overlap.
  void duplicates() {
    std::size_t repeated = 0, conflicting = 0;
    std::vector<std::string> places, conflict_places;
    for (const Part part : kParts) {
      const Examples& examples = data_.part(part);
      struct Text {
        std::size_t first;
        bool repeated = false, conflicting = false;
      };
      std::map<TextHash, Text> texts;
      for (std::size_t row = 0; row < examples.size(); ++row) {
        const auto [entry, fresh] = texts.try_emplace(hashes_[static_cast<int>(part)][row], Text{row});
        if (fresh) continue;
        Text& text = entry->second;
        if (!std::exchange(text.repeated, true) && ++repeated && places.size() < kPlaces) places.push_back(examples.place(row));
        if (examples.label[row] != examples.label[text.first] && !std::exchange(text.conflicting, true) && ++conflicting &&
            conflict_places.size() < kPlaces)
          conflict_places.push_back(examples.place(row));
      }
    }
    if (repeated > 0)
      add(Level::warn, "duplicates", str(commas(repeated), repeated == 1 ? " text occurs" : " texts occur", " more than once"),
          places);
    if (conflicting > 0)
      add(Level::warn, "conflicts",
          str(commas(conflicting), conflicting == 1 ? " text occurs" : " texts occur",
              " with different labels: no model can get both right"),
          conflict_places);
  }

  void overlap(Part first, Part second) {
    const auto& known = hashes_[static_cast<int>(first)];
    const std::set<TextHash> texts(known.begin(), known.end());
    std::set<TextHash> shared;
    std::vector<std::string> places;
    const Examples& examples = data_.part(second);
    for (std::size_t row = 0; row < examples.size(); ++row) {
      const TextHash& hash = hashes_[static_cast<int>(second)][row];
      if (!texts.contains(hash) || !shared.insert(hash).second) continue;
      if (places.size() < kPlaces) places.push_back(examples.place(row));
    }
    if (!shared.empty())
      add(Level::warn, "overlap",
          str(commas(shared.size()), shared.size() == 1 ? " text is" : " texts are", " in the ", part_name(first), " and the ",
              part_name(second), " data: ", part_name(second), " scores would be too high"),
          places);
  }

  static bool contains_word(std::string_view text, std::string_view word) {
    const auto inside = [&](std::size_t at) {
      if (at >= text.size()) return false;
      const char c = text[at];
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
    };
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string_view::npos; ++at)
      if ((at == 0 || !inside(at - 1)) && !inside(at + word.size())) return true;
    return false;
  }

  /// The row's own label is in most texts, and another label in at most half as many: the text gives the answer away.
  void label_in_text() {
    const Examples& examples = data_.train;
    std::vector<std::string> names;
    for (const std::string& name : data_.label_names) names.push_back(lower(name));
    std::size_t own = 0, other = 0;
    std::vector<std::string> places;
    for (std::size_t row = 0; row < examples.size(); ++row) {
      std::string text = lower(examples.text[row]);
      if (examples.is_pair()) (text += '\n') += lower(examples.pair[row]);
      const auto label = static_cast<std::size_t>(examples.label[row]);
      if (contains_word(text, names[label])) {
        ++own;
        if (places.size() < kPlaces) places.push_back(examples.place(row));
      }
      other += contains_word(text, names[(label + 1) % names.size()]);
    }
    if (2 * own >= examples.size() && 2 * other <= own)
      add(Level::warn, "label in text",
          str(percent(own, examples.size()),
              " of the training texts hold their own label as a word: the model will only look for it"),
          places);
  }

  void identifiers() {
    const Examples& examples = data_.train;
    std::size_t count = 0;
    std::vector<std::string> places;
    for (std::size_t row = 0; row < examples.size(); ++row) {
      const std::string_view text = trim(examples.text[row]);
      if (text.find_first_of(" \t\r\n") != std::string_view::npos || text.find_first_of("0123456789") == std::string_view::npos)
        continue;
      ++count;
      if (places.size() < kPlaces) places.push_back(examples.place(row));
    }
    if (2 * count > examples.size())
      add(Level::warn, "identifiers",
          str("`", detail::shown(examples.source.names()[data_.columns.text]), "` looks like numbers or identifiers, not text (",
              percent(count, examples.size()), " of the rows); name another column with --text"),
          places);
  }

  void lengths() {
    std::size_t cut = 0, unknown = 0, tokens = 0;
    for (const Part part : kParts) {
      const EncodedDataset encoded = encode(data_.part(part), *tokenizer_, config_.max_tokens);
      cut += static_cast<std::size_t>(encoded.cut_rows);
      unknown += static_cast<std::size_t>(encoded.unknown_tokens);
      tokens += encoded.tokens();
    }
    if (cut > 0)
      add(Level::warn, "truncation",
          str(percent(cut, total()), " of rows exceed data.max_tokens = ", config_.max_tokens, " and will be cut"));
    else
      add(Level::ok, "lengths",
          str("no row exceeds data.max_tokens = ", config_.max_tokens, "; ", commas(tokens), " tokens, ",
              fixed(static_cast<double>(tokens) / static_cast<double>(total()), 1), " a row"));
    if (10 * unknown > 3 * tokens)
      add(Level::warn, "unknown tokens",
          str(percent(unknown, tokens), " of the tokens are unknown to the vocabulary: was it made for this language?"));
  }

  const ClassificationData& data_;
  const DataConfig& config_;
  const tokenizer::Tokenizer* tokenizer_;
  std::array<std::vector<TextHash>, 3> hashes_;
  CheckReport report_;
};

void add_bad_rows(const std::string& file, const std::vector<BadRow>& rows, BadRows bad_rows, CheckReport& report) {
  if (rows.empty()) return;
  Finding finding{bad_rows == BadRows::skip ? Level::warn : Level::fail, "bad rows", {}, {}};
  const BadRow& first = rows.front();
  const std::string hint = first.hint.empty() || bad_rows == BadRows::skip ? std::string() : str("; ", first.hint);
  if (rows.size() == 1) {
    finding.message = str(file, ":", first.line, ": ", first.what, hint);
  } else {
    finding.message = str(file, ": ", commas(rows.size()), " bad rows; the first: ", first.what, hint);
    for (std::size_t i = 0; i < std::min(rows.size(), kPlaces); ++i) finding.places.push_back(str(file, ":", rows[i].line));
  }
  if (bad_rows == BadRows::skip) finding.message += " (left out)";
  report.findings.push_back(std::move(finding));
}

}  // namespace

int CheckReport::count(Level level) const {
  return static_cast<int>(std::count_if(findings.begin(), findings.end(), [&](const Finding& f) { return f.level == level; }));
}

std::string CheckReport::text() const {
  static constexpr const char* kNames[] = {"ok    ", "warn  ", "fail  "};
  std::string out;
  for (const Finding& finding : findings) {
    out += str(kNames[static_cast<int>(finding.level)], finding.message);
    if (!finding.places.empty()) out += str("  ", join(finding.places, ", "));
    out += '\n';
  }
  const int warnings = count(Level::warn), failures = count(Level::fail);
  return out += str(count(Level::ok), " ok, ", warnings, warnings == 1 ? " warning, " : " warnings, ", failures,
                    failures == 1 ? " failure" : " failures");
}

CheckReport check_examples(const ClassificationData& data, const DataConfig& config, const tokenizer::Tokenizer* tokenizer) {
  return Checker(data, config, tokenizer).run();
}

CheckReport check_data(const DataConfig& config, const tokenizer::Tokenizer* tokenizer) {
  DataConfig lenient = config;
  lenient.bad_rows = BadRows::skip;
  CheckReport report;
  std::string error;
  std::vector<std::pair<std::string, std::vector<BadRow>>> skipped;
  try {
    const ClassificationData data = load_classification(lenient);
    report = check_examples(data, config, tokenizer);
    for (const FileReport& file : data.files) skipped.emplace_back(file.file, file.skipped);
  } catch (const InputError& e) {
    error = e.what();
    // The bad rows may be the reason, or come on top of it.
    for (const auto& path : {config.train, config.valid, config.test}) {
      if (path.empty()) continue;
      try {
        ReadOptions options;
        options.bad_rows = BadRows::skip;
        skipped.emplace_back(path.string(), read_table(path, options).skipped());
      } catch (const InputError& unreadable) {
        if (error != unreadable.what()) report.findings.push_back({Level::fail, "file", unreadable.what(), {}});
      }
    }
  }
  for (const auto& [file, rows] : skipped) add_bad_rows(file, rows, config.bad_rows, report);
  if (!error.empty()) report.findings.push_back({Level::fail, "data", error, {}});
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.level < b.level; });
  return report;
}

}  // namespace lathe::data
