// lathe study: what lies in a database of studies.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/run.h>
#include <lathe/cli/study_source.h>
#include <lathe/cli/study_trials.h>
#include <lathe/nas/study.h>

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;
using Align = TextTable::Align;

int run_list(Invocation& invocation) {
  Console& console = invocation.console();
  const auto backend = open_database(study_place(invocation), false);
  TextTable table({{"study", Align::left}, {"trials", Align::right}, {"events", Align::right}, {"made by", Align::left}});
  for (const nas::StudySummary& study : backend->studies()) {
    if (console.json()) {
      console.json_line("study", [&](JsonWriter& json) {
        json.member("name", study.name).member("trials", study.trials).member("events", study.events);
        json.member("lathe", !study.header.empty());
      });
    } else {
      table.add({study.name, with_commas(study.trials), with_commas(static_cast<std::int64_t>(study.events)),
                 study.header.empty() ? "another program" : "lathe"});
    }
  }
  if (!console.json()) console.result(table.text());
  return kDone;
}

int run_hash(Invocation& invocation) {
  Console& console = invocation.console();
  const StudySource source = open_study(invocation);
  const std::string hash = nas::study_hash(source.storage->header(), source.storage->events(0));
  const std::vector<std::string> foreign = source.storage->foreign_changes();
  for (const std::string& change : foreign) console.warn("the study is mixed: " + change);
  if (console.json())
    console.json_line("hash", [&](JsonWriter& json) {
      json.member("name", source.storage->name()).member("hash", hash).member("mixed", !foreign.empty());
    });
  else
    console.result(hash + "\n");
  return kDone;
}

void print_json(Console& console, const char* type, const std::vector<TrialRecord>& trials, const Goals& goals) {
  for (const TrialRecord& trial : trials) console.json_line(type, [&](JsonWriter& json) { write_trial(json, trial, goals); });
}

/// --state, --top.
std::vector<TrialRecord> chosen(Invocation& invocation, std::vector<TrialRecord> trials, const Goals& goals) {
  const std::string state = invocation.value("--state");
  static const std::vector<std::string> kStates = {"complete", "pruned", "failed", "running"};
  if (!state.empty() && std::find(kStates.begin(), kStates.end(), state) == kStates.end()) {
    const auto near = nearest(state, kStates);
    throw InputError(
        str("--state ", state, ": expected ", join(kStates, ", "), near ? str("; did you mean ", *near, "?") : std::string()));
  }
  if (!state.empty()) std::erase_if(trials, [&](const TrialRecord& trial) { return trial.state != state; });
  const std::int64_t top = invocation.integer("--top", 0, 1);
  if (top > 0) sort_best_first(trials, goals);
  if (top > 0 && top < static_cast<std::int64_t>(trials.size())) trials.resize(static_cast<std::size_t>(top));
  return trials;
}

int run_show(Invocation& invocation) {
  Console& console = invocation.console();
  const StudySource source = open_study(invocation);
  const std::vector<nas::RecordedEvent> events = source.storage->events(0);
  const std::vector<TrialRecord> all = trials_of(events);
  const Goals goals = goals_of(source.storage->header());
  const std::vector<TrialRecord> trials = chosen(invocation, all, goals);
  if (console.json()) return print_json(console, "trial", trials, goals), kDone;

  std::string text = str("study   ", source.storage->name(), "\nhash    ", nas::study_hash(source.storage->header(), events),
                         "\nevents  ", with_commas(static_cast<std::int64_t>(events.size())), "\ntrials  ", count_text(all), "\n");
  for (const std::string& change : source.storage->foreign_changes()) text += "mixed   " + change + "\n";
  if (goals.metrics.size() > 1) {
    text += "goals  ";
    for (std::size_t i = 0; i < goals.metrics.size(); ++i)
      text += str(i ? ", " : " ", goals.maximise[i] ? "maximise " : "minimise ", goals.metrics[i]);
    text += "\nfront  ";
    const std::vector<TrialRecord> front = best_of(all, goals);
    if (front.empty() || front[0].violation() > 0)
      text += " none";
    else
      for (const TrialRecord& trial : front) text += str(" #", trial.number);
    text += "\n";
  }
  console.result(text + trial_table(trials, goals));
  return kDone;
}

int run_trials(Invocation& invocation) {
  Console& console = invocation.console();
  const StudySource source = open_study(invocation);
  const Goals goals = goals_of(source.storage->header());
  const std::vector<TrialRecord> trials = chosen(invocation, trials_of(source.storage->events(0)), goals);
  if (console.json()) return print_json(console, "trial", trials, goals), kDone;
  console.result(trial_table(trials, goals));
  return kDone;
}

int run_best(Invocation& invocation) {
  Console& console = invocation.console();
  const StudySource source = open_study(invocation);
  const Goals goals = goals_of(source.storage->header());
  const std::vector<TrialRecord> best = best_of(trials_of(source.storage->events(0)), goals);
  if (best.empty() || best[0].violation() > 0)
    return console.warn(str("study ", source.storage->name(), best.empty() ? ": no trial is complete" : ": no trial is feasible")),
           kNo;
  if (console.json()) return print_json(console, "best", best, goals), kDone;
  console.result(trial_table(best, goals));
  return kDone;
}

// ---- export

/// Header and events, one JSON object a line: everything.
std::string export_jsonl(nas::Storage& storage, const std::vector<nas::RecordedEvent>& events) {
  JsonWriter first;
  first.begin_object().member("name", storage.name()).key("header").raw(storage.header()).end_object();
  std::string text = first.text() + "\n";
  std::uint64_t index = 0;
  for (const nas::RecordedEvent& event : events) {
    JsonWriter json;
    json.begin_object().member("event", index++).member("line", event.line);
    if (!event.note.empty()) json.member("note", event.note);
    if (!event.attributes.empty()) json.key("attributes").raw(event.attributes);
    text += json.end_object().text() + "\n";
  }
  return text;
}

/// Exactly the bytes that the study hash covers: `| sha256sum` gives it.
std::string export_log(nas::Storage& storage, const std::vector<nas::RecordedEvent>& events) {
  std::string text = storage.header() + "\n";
  for (const nas::RecordedEvent& event : events) text += event.line + "\n";
  return text;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

/// A row a trial, a column a parameter.
std::string export_csv(const nas::Storage& storage, const std::vector<nas::RecordedEvent>& events) {
  const std::vector<TrialRecord> trials = trials_of(events);
  std::vector<std::string> names;
  std::set<std::string> known;
  std::vector<nlohmann::ordered_json> points;
  for (const TrialRecord& trial : trials) {
    points.push_back(nlohmann::ordered_json::parse(trial.point, nullptr, false));
    if (!points.back().is_object()) continue;
    for (const auto& [name, value] : points.back().items())
      if (known.insert(name).second) names.push_back(name);
  }
  std::string text = "trial,state";
  const Goals goals = goals_of(storage.header());
  for (const std::string& metric : goals.metrics) text += "," + csv_field(metric);
  for (const std::string& constraint : goals.constraints) text += "," + csv_field(constraint);
  text += ",reports";
  for (const std::string& name : names) text += "," + csv_field(name);
  text += "\n";
  for (std::size_t i = 0; i < trials.size(); ++i) {
    text += str(trials[i].number, ",", trials[i].state);
    for (std::size_t k = 0; k < goals.metrics.size(); ++k)
      text += "," + (k < trials[i].values.size() ? number(trials[i].values[k]) : std::string());
    for (std::size_t k = 0; k < goals.constraints.size(); ++k)
      text += "," + (k < trials[i].constraints.size() ? number(trials[i].constraints[k]) : std::string());
    text += str(",", trials[i].reports.size());
    for (const std::string& name : names) {
      text += ",";
      if (!points[i].is_object() || !points[i].contains(name)) continue;
      text += csv_field(points[i][name].is_string() ? points[i][name].get<std::string>() : points[i][name].dump());
    }
    text += "\n";
  }
  return text;
}

int run_export(Invocation& invocation) {
  const StudySource source = open_study(invocation);
  const std::vector<nas::RecordedEvent> events = source.storage->events(0);
  const std::string target = invocation.value("--out", "-");
  const std::string format = invocation.value("--format", "jsonl");
  std::string text;
  if (format == "jsonl")
    text = export_jsonl(*source.storage, events);
  else if (format == "csv")
    text = export_csv(*source.storage, events);
  else if (format == "log")
    text = export_log(*source.storage, events);
  else
    throw InputError(str("--format ", format, ": expected jsonl, csv or log"));
  if (target == "-") return invocation.console().result(text), kDone;
  if (fs::exists(target) && !invocation.has("--force"))
    throw InputError(target + " exists; use --out NEW, or --force to replace it");
  write_file_atomic(target, text);
  invocation.console().note(str("wrote ", target));
  return kDone;
}

}  // namespace

Command study_command(std::string_view name, std::string_view summary, int (*run)(Invocation&)) {
  Command c;
  c.name = str("study ", name);
  c.summary = summary;
  c.arguments = "[RUN|DATABASE]";
  c.max_arguments = 1;
  c.examples = {str("lathe study ", name, " runs/reviews-1"), str("lathe study ", name, " --storage sqlite:///study.db --json")};
  c.about =
      "RUN is a run folder; DATABASE any SQLite file with studies in Optuna's schema, sqlite:///FILE or "
      "postgresql://USER@HOST/DATABASE. Without it --storage or the variable LATHE_STORAGE names the database.";
  c.options = {{"--storage", "URL", "the database, instead of an argument", ""}};
  if (name != "list") c.options.push_back({"--name", "STUDY", "which study, where the database holds several", ""});
  c.run = run;
  return c;
}

std::vector<Command> study_commands() {
  Command list = study_command("list", "the studies of a database", run_list);
  list.aliases = {"study ls"};
  const Option top = {"--top", "K", "the best K trials, best first (all, by number)", ""};
  const Option state = {"--state", "STATE", "only trials that are complete, pruned, failed or running", ""};
  Command show = study_command("show", "a study: hash, states, trials", run_show);
  show.options.insert(show.options.end(), {top, state});
  Command trials = study_command("trials", "the trials of a study", run_trials);
  trials.options.insert(trials.options.end(), {top, state});
  Command best = study_command("best", "the best feasible trial; with several objectives the Pareto front", run_best);
  Command hash = study_command("hash", "the study hash: what \"same bits\" means", run_hash);
  Command out = study_command("export", "a study as JSON lines, CSV or its hashed log", run_export);
  out.options.push_back(
      {"--format", "NAME", "jsonl: everything; csv: a row a trial; log: the bytes that the study hash covers", ""});
  out.options.push_back({"--out", "FILE", "where to write (-, standard output)", ""});
  out.groups = kForceGroup;
  return {list, show, trials, best, hash, out};
}

}  // namespace lathe::cli
