#include <lathe/cli/search_result.h>

#include <lathe/base/text.h>
#include <lathe/cli/format.h>
#include <lathe/nas/front.h>

#include <cmath>

#include <algorithm>

namespace lathe::cli {
namespace {

using Align = TextTable::Align;

std::string signed_points(double difference) { return str(difference >= 0 ? "+" : "", fixed(difference, 3)); }

std::string shown(double value) { return fixed(value, std::abs(value) < 1000 ? 4 : 0); }

std::string result_table(const nas::RunResults& results) {
  TextTable table({{"", Align::left},
                   {"model", Align::left},
                   {"test " + results.metric, Align::right},
                   {"validation", Align::right},
                   {"params", Align::right},
                   {"size", Align::right},
                   {"memory", Align::right},
                   {"latency", Align::right},
                   {"vs default", Align::right}});
  for (std::size_t i = 0; i < results.models.size(); ++i) {
    const nas::ModelRow& m = results.models[i];
    const bool failed = m.failed == m.seeds;
    table.add({static_cast<int>(i) == results.winner ? "*" : "", m.name + " " + m.architecture,
               failed ? "failed" : str(fixed(m.test, 4), " +-", fixed(m.half_width, 3)), failed ? "" : fixed(m.valid, 4),
               format_count(m.params), format_bytes(m.bytes), m.answer_memory > 0 ? format_bytes(m.answer_memory) : "",
               m.latency ? nas::show_value(nas::Quantity::kLatency, m.latency->p50) : "",
               m.to_default ? signed_points(m.to_default->mean) : ""});
  }
  for (const nas::BaselineRow& b : results.baselines)
    table.add({"", b.name, str(fixed(results.metric == "accuracy" ? b.accuracy : b.macro_f1, 4), " +-", fixed(b.half_width, 3))});
  return table.text("  ");
}

/// "front   4 trials: #3 accuracy 0.8412 params 12,345; …" of a study with several objectives, else nothing.
std::string front_line(const nas::SearchOutcome& outcome, const std::filesystem::path& folder) {
  constexpr std::size_t kShown = 6;
  const auto& objectives = outcome.results.study.objectives;
  if (objectives.size() < 2) return "";
  std::vector<nas::Direction> directions;
  for (const auto& [name, direction] : objectives)
    directions.push_back(direction == "maximise" ? nas::Direction::maximise : nas::Direction::minimise);
  const std::vector<std::int64_t> front = nas::pareto_front(outcome.study.history, directions);
  std::string out = str("front   ", plural(static_cast<std::int64_t>(front.size()), "trial"), front.empty() ? "" : ": ");
  for (std::size_t i = 0; i < front.size() && i < kShown; ++i) {
    out += str(i > 0 ? "; #" : "#", front[i]);
    const nas::Trial& trial = outcome.study.history.trials[static_cast<std::size_t>(front[i])];
    for (std::size_t k = 0; k < objectives.size(); ++k)
      out += str(" ", objectives[k].first, " ", nas::show_value(nas::quantity(objectives[k].first), trial.values[k]));
  }
  return str(out, front.size() > kShown ? "; …" : "", " (lathe study front ", folder.string(), ")\n");
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
  for (const nas::VerdictLine& line : nas::verdict_lines(results)) {
    const std::string kind = nas::kind_name(line.kind);
    out += str(kind, std::string(8 - kind.size(), ' '), line.text, "\n");
  }
  out += front_line(outcome, folder);
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
  out += str("again   lathe search ", (folder / "config.toml").string(), " --out again");
  if (results.latency) out += " --latency-from " + folder.string();  // the measurements are part of the study
  out += "\n";
  console.result(out);
}

std::optional<bool> print_best(Console& console, const nas::SearchOutcome& outcome, const std::filesystem::path& folder) {
  const nas::StudySummaryRow& study = outcome.results.study;
  const bool minimise = study.objectives[0].second == "minimise";
  const std::vector<std::int64_t> order =
      nas::leaderboard(outcome.study.history, minimise ? nas::Direction::minimise : nas::Direction::maximise);
  if (order.empty()) return {};
  const nas::TrialRow& best = outcome.results.trials[static_cast<std::size_t>(order[0])];
  const nas::Trial& trial = outcome.study.history.trials[static_cast<std::size_t>(order[0])];
  if (console.json()) {
    console.json_line("result", [&](JsonWriter& json) {
      json.member("folder", folder.string()).member("hash", outcome.study.hash).key("best").begin_object();
      json.member("trial", best.number).member("value", *best.value).member("params", best.params);
      json.member("violation", best.violation).key("point").raw(trial.point.json()).end_object();
    });
    return best.violation == 0;
  }
  const nas::Quantity quantity = nas::quantity(study.metric);
  const bool scored = study.scored() && nas::is_measured(quantity);
  std::string out =
      str("best    #", best.number, " ", scored ? study.evaluation : study.metric, " ",
          scored ? shown(*best.value) : nas::show_value(quantity, *best.value), ", ", with_commas(best.params), " parameters:");
  for (const auto& [name, value] : best.parameters) out += str(" ", name, "=", value);
  out += str(best.violation > 0 ? " (breaks a constraint, as all do)" : "", "\n", front_line(outcome, folder));
  if (const auto line = nas::calibration_line(outcome.results)) out += str("note    ", line->text, "\n");
  out += str("note    finalists.count = 0: nothing was trained again, tested or exported\nmore    lathe study ",
             best.violation > 0 ? "trials " : "best ", folder.string(), "\nstudy   ", outcome.study.hash, " (lathe study hash ",
             folder.string(), ")\n");
  console.result(out);
  return best.violation == 0;
}

void print_hash(Console& console, const std::string& hash) {
  if (console.json())
    console.json_line("hash", [&](JsonWriter& json) { json.member("hash", hash); });
  else
    console.result(str("study   ", hash, "\n"));
}

}  // namespace lathe::cli
