#include <lathe/cli/search_result.h>

#include <lathe/base/text.h>
#include <lathe/cli/format.h>

#include <algorithm>

namespace lathe::cli {
namespace {

using Align = TextTable::Align;

std::string signed_points(double difference) { return str(difference >= 0 ? "+" : "", fixed(difference, 3)); }

std::string result_table(const nas::RunResults& results) {
  TextTable table({{"", Align::left},
                   {"model", Align::left},
                   {"test " + results.metric, Align::right},
                   {"validation", Align::right},
                   {"params", Align::right},
                   {"size", Align::right},
                   {"memory", Align::right},
                   {"vs default", Align::right}});
  for (std::size_t i = 0; i < results.models.size(); ++i) {
    const nas::ModelRow& m = results.models[i];
    const bool failed = m.failed == m.seeds;
    table.add({static_cast<int>(i) == results.winner ? "*" : "", m.name + " " + m.architecture,
               failed ? "failed" : str(fixed(m.test, 4), " +-", fixed(m.half_width, 3)), failed ? "" : fixed(m.valid, 4),
               format_count(m.params), format_bytes(m.bytes), format_bytes(m.memory),
               m.to_default ? signed_points(m.to_default->mean) : ""});
  }
  for (const nas::BaselineRow& b : results.baselines)
    table.add({"", b.name, str(fixed(results.metric == "accuracy" ? b.accuracy : b.macro_f1, 4), " +-", fixed(b.half_width, 3))});
  return table.text("  ");
}

}  // namespace

void print_result(Console& console, const nas::SearchOutcome& outcome, const std::filesystem::path& folder) {
  const nas::RunResults& results = outcome.results;
  if (console.json()) {
    console.json_line("result", [&](JsonWriter& json) {
      json.member("folder", folder.string()).member("hash", outcome.study.hash).key("results").raw(nas::to_json(results));
    });
    return;
  }
  std::string out = str("test: ", with_commas(results.data.test_rows),
                        " rows, read once; mean and 95 % interval over seeds and rows\n", result_table(results));
  const std::vector<std::string>& hints = results.study.hints;  // among the sentences
  for (const std::string& sentence : nas::verdict_sentences(results))
    out += str(std::find(hints.begin(), hints.end(), sentence) == hints.end() ? "note    " : "hint    ", sentence, "\n");
  if (results.winner >= 0) {
    out += "winner ";
    for (const auto& [name, value] : results.models[static_cast<std::size_t>(results.winner)].parameters)
      out += str(" ", name, "=", value);
    out += "\n";
  }
  out += "files   ";
  if (std::filesystem::exists(folder / "report.html"))
    out += str((folder / "report.html").string(), ", ", (folder / "report.md").string(), ", ");
  out += str((folder / "model").string(), "/\nstudy   ", outcome.study.hash, " (lathe study hash ", folder.string(), ")\n");
  out += str("try     lathe predict ", (folder / "model").string(), " \"your text\"\n");
  out += str("again   lathe search ", (folder / "config.toml").string(), " --out again\n");
  console.result(out);
}

void print_hash(Console& console, const std::string& hash) {
  if (console.json())
    console.json_line("hash", [&](JsonWriter& json) { json.member("hash", hash); });
  else
    console.result(str("study   ", hash, "\n"));
}

}  // namespace lathe::cli
