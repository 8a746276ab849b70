// lathe check: data and configuration, nothing trained.
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/model_config.h>
#include <lathe/cli/run.h>
#include <lathe/cli/session.h>
#include <lathe/cli/study_header.h>
#include <lathe/data/check.h>

#include <algorithm>
#include <string_view>

namespace lathe::cli {
namespace {

using data::Finding;
using data::Level;

const char* level_name(Level level) { return level == Level::ok ? "ok" : level == Level::warn ? "warn" : "fail"; }

/// The lines of a report, with the level in colour.
void print_report(Console& console, const data::CheckReport& report) {
  const std::string text = report.text();
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    const std::size_t end = line.find(' ');
    const std::string_view word = line.substr(0, end);
    const Style style = word == "ok" ? Style::good : word == "warn" ? Style::warning : word == "fail" ? Style::bad : Style::plain;
    console.result(str(console.styled(word, style), end == std::string_view::npos ? "" : line.substr(end), "\n"));
  }
  if (report.count(Level::ok) < static_cast<int>(report.findings.size())) console.note("Why and how to fix: lathe help check");
}

void print_json(Console& console, const data::CheckReport& report) {
  for (const Finding& finding : report.findings)
    console.json_line("check", [&](JsonWriter& json) {
      json.member("level", level_name(finding.level)).member("id", finding.id).member("message", finding.message);
      json.key("places").begin_array();
      for (const std::string& place : finding.places) json.value(place);
      json.end_array();
    });
  console.json_line("result", [&](JsonWriter& json) {
    json.member("ok", report.count(Level::ok))
        .member("warnings", report.count(Level::warn))
        .member("failures", report.count(Level::fail));
  });
}

/// The configuration itself: is there an architecture to find?
std::vector<Finding> check_configuration(const Config& config) {
  constexpr int kDraws = 1000;
  try {
    const nas::Space space = study_header(config, "").space;  // throws what a search would
    int valid = 0;
    for (int i = 0; i < kDraws; ++i) valid += space.valid(space.uniform(0, static_cast<std::uint64_t>(i), 0)) ? 1 : 0;
    const std::string facts =
        str("space: ", plural(static_cast<std::int64_t>(space.size()), "parameter"), ", ",
            space_size(space, config.own_objective() ? "points" : "architectures"), "; ",
            format_percent(static_cast<double>(valid) / kDraws, 0), " of ", with_commas(kDraws), " drawn ones meet the rules");
    if (valid > 0) return {{Level::ok, "space", facts, {}}};
    return {{Level::warn, "space", facts + ": a search may find nothing", {}}};
  } catch (const InputError& error) {
    return {{Level::fail, "space", error.what(), {}}};
  }
}

/// Parameters and rules as a table.
std::string space_text(const Config& config) {
  TextTable table({{"parameter"}, {"values"}});
  for (const SpaceParameter& p : config.space().parameters) {
    const std::string line = p.to_toml();
    const std::size_t at = line.find(" = ");
    table.add({line.substr(0, at), line.substr(at + 3)});
  }
  for (const std::string& rule : config.space().valid) table.add({"rule", rule});
  return table.text();
}

/// The check with lengths and unknown tokens if the data can be read at all.
data::CheckReport whole_check(Console& console, const Config& config) {
  const data::DataConfig files = data_config(config);
  data::CheckReport report = data::check_data(files);
  if (report.failed()) return report;
  const data::ClassificationData loaded = data::load_classification(files);
  for (const std::string& note : loaded.notes) console.detail(note);
  const tokenizer::Tokenizer tokenizer = make_tokenizer(config, loaded.train);
  return data::check_data(files, &tokenizer);
}

int run_check(Invocation& invocation) {
  Console& console = invocation.console();
  const Config config = configuration(invocation);
  data::CheckReport report;  // a program reads its data by itself
  if (!config.own_objective()) report = whole_check(console, config);
  for (Finding& finding : check_configuration(config)) report.findings.push_back(std::move(finding));
  std::stable_sort(report.findings.begin(), report.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.level < b.level; });
  if (console.json())
    print_json(console, report);
  else
    print_report(console, report);
  if (invocation.has("--space") && !console.json()) console.result("\n" + space_text(config));
  if (report.failed()) return kUserError;
  return invocation.has("--strict") && report.count(Level::warn) > 0 ? kNo : kDone;
}

}  // namespace

Command check_command() {
  Command c;
  c.name = "check";
  c.summary = "examine data and configuration; nothing is trained";
  c.arguments = "DATA|CONFIG";
  c.max_arguments = 1;
  c.examples = {"lathe check reviews.tsv", "lathe check lathe.toml --strict"};
  c.about =
      "Prints what is in order (ok), what may cost accuracy (warn) and what stops a search (fail). Exit code 2 after a failure, "
      "with "
      "--strict 1 after a warning. Lengths and unknown tokens are counted with tokenizer.file, or with a vocabulary learned from "
      "the "
      "training texts.\n"
      "\n"
      "What to do about it:\n"
      "  fields, quotes     a text with a tab or a line break: quote it, write .jsonl, or --set data.bad_rows=skip\n"
      "  not UTF-8          iconv -f latin1 -t utf-8 old.tsv > new.tsv\n"
      "  one label only     another column is the label: --label NAME\n"
      "  unseen label       a label of the test file that training lacks: add such rows, or remove them there\n"
      "  few rows           below 100 rows, or 50 of a class, a score is mostly luck: label more, or merge classes\n"
      "  majority           most rows have one label: look at macro_f1 (task.metric) instead of accuracy\n"
      "  duplicates         harmless between themselves; with different labels they are errors of labelling: look at the lines\n"
      "  overlap            texts in train and test make the test look too good: remove them, or let lathe split one file\n"
      "  cut texts          raise data.max_tokens, which costs time\n"
      "  unknown tokens     the vocabulary does not fit: learn one (tokenizer.file empty) or raise tokenizer.vocab\n"
      "  label in the text  the answer stands in the question: such a score says nothing about new texts\n"
      "  numbers as text    the column of the text is another one: --text NAME\n";
  c.options = {
      {"--text", "COLUMN", "column of the text", "data.text"},   {"--label", "COLUMN", "column of the label", "data.label"},
      {"--valid", "FILE", "validation file", "data.valid"},      {"--test", "FILE", "test file", "data.test"},
      {"--strict", "", "exit code 1 if there are warnings", ""}, {"--space", "", "print the search space too", ""},
  };
  c.groups = kConfigGroup;
  c.run = run_check;
  return c;
}

}  // namespace lathe::cli
