// lathe study: what lies in a database of studies.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/run.h>
#include <lathe/cli/study_source.h>
#include <lathe/nas/study.h>

#include <algorithm>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;
using Align = TextTable::Align;

/// A trial as the recorded lines tell it: name=value words of propose, report and finish events.
struct TrialRecord {
  std::int64_t number = 0;
  std::string state = "running", values, failure, note;
  std::string point = "{}";
  int reports = 0;
  std::uint64_t commit = 0;  ///< of its end
  std::optional<double> value() const { return parse_double(values.substr(0, values.find(','))); }
};

std::string word_of(std::string_view line, std::string_view name) {
  for (const std::string_view word : split(line, ' '))
    if (word.starts_with(name) && word.size() > name.size() && word[name.size()] == '=')
      return std::string(word.substr(name.size() + 1));
  return "";
}

std::vector<TrialRecord> trials_of(const std::vector<nas::RecordedEvent>& events) {
  std::map<std::int64_t, TrialRecord> trials;
  for (std::size_t index = 0; index < events.size(); ++index) {
    const nas::RecordedEvent& event = events[index];
    const std::vector<std::string_view> words = split(event.line, ' ');
    const auto number = parse_int(word_of(event.line, "trial"));
    if (!number || words.size() < 3) continue;
    TrialRecord& trial = trials[*number];
    trial.number = *number;
    if (words[2] == "propose")
      if (const std::size_t at = event.line.find("point="); at != std::string::npos) trial.point = event.line.substr(at + 6);
    if (words[2] == "report") {
      ++trial.reports;
      trial.failure = word_of(event.line, "failure");
      trial.note = event.note;
    }
    if (words[2] == "finish") {
      trial.state = word_of(event.line, "state");
      trial.values = word_of(event.line, "values");
      trial.commit = index;
    }
  }
  std::vector<TrialRecord> out;
  for (auto& [number, trial] : trials) out.push_back(std::move(trial));
  return out;
}

/// The header's directions[0] and metrics[0].
struct Goal {
  bool maximise = true;
  std::string metric = "value";
};

Goal goal_of(const std::string& header) {
  Goal goal;
  const nlohmann::json json = nlohmann::json::parse(header, nullptr, false);
  if (json.contains("directions") && json["directions"].is_array() && !json["directions"].empty())
    goal.maximise = json["directions"][0] != "minimise";
  if (json.contains("metrics") && json["metrics"].is_array() && !json["metrics"].empty() && json["metrics"][0].is_string())
    goal.metric = json["metrics"][0].get<std::string>();
  return goal;
}

/// Best first; trials without a value last; ties and the rest by number.
void sort_by_value(std::vector<TrialRecord>& trials, bool maximise) {
  std::stable_sort(trials.begin(), trials.end(), [&](const TrialRecord& a, const TrialRecord& b) {
    const bool complete_a = a.state == "complete", complete_b = b.state == "complete";
    if (complete_a != complete_b) return complete_a;
    if (a.value().has_value() != b.value().has_value()) return a.value().has_value();
    return a.value() && *a.value() != *b.value() && (*a.value() > *b.value()) == maximise;
  });
}

int run_list(Invocation& invocation) {
  Console& console = invocation.console();
  const auto backend = nas::open_backend(database_of(study_place(invocation)), false);
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

void show_json(Console& console, const std::vector<TrialRecord>& trials) {
  for (const TrialRecord& trial : trials)
    console.json_line("trial", [&](JsonWriter& json) {
      json.member("trial", trial.number).member("state", trial.state).key("value");
      if (const auto value = trial.value()) {
        json.value(*value);
      } else {
        json.null();
      }
      json.member("reports", trial.reports).key("point").raw(trial.point);
      if (!trial.failure.empty()) json.member("failure", trial.failure).member("note", trial.note);
    });
}

int run_show(Invocation& invocation) {
  Console& console = invocation.console();
  const StudySource source = open_study(invocation);
  const std::vector<nas::RecordedEvent> events = source.storage->events(0);
  std::vector<TrialRecord> trials = trials_of(events);
  const Goal goal = goal_of(source.storage->header());
  std::map<std::string, std::int64_t> states;
  for (const TrialRecord& trial : trials) ++states[trial.state];
  const std::int64_t top = invocation.integer("--top", 0, 1);
  if (top > 0) sort_by_value(trials, goal.maximise);
  if (top > 0 && top < static_cast<std::int64_t>(trials.size())) trials.resize(static_cast<std::size_t>(top));
  if (console.json()) return show_json(console, trials), kDone;

  std::string counts;
  for (const auto& [state, count] : states) counts += str(counts.empty() ? "" : ", ", with_commas(count), " ", state);
  console.result(str("study   ", source.storage->name(), "\nhash    ", nas::study_hash(source.storage->header(), events),
                     "\nevents  ", with_commas(static_cast<std::int64_t>(events.size())), "\ntrials  ", counts, "\n"));
  for (const std::string& change : source.storage->foreign_changes()) console.result("mixed   " + change + "\n");
  TextTable table({{"trial", Align::right},
                   {"state", Align::left},
                   {goal.metric, Align::right},
                   {"reports", Align::right},
                   {"point", Align::left}});
  for (const TrialRecord& trial : trials)
    table.add({std::to_string(trial.number), trial.state, trial.value() ? fixed(*trial.value(), 4) : trial.failure,
               std::to_string(trial.reports), trial.note.empty() ? trial.point : str(trial.note, "  ", trial.point)});
  console.result(table.text());
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
  std::string text = str("trial,state,", csv_field(goal_of(storage.header()).metric), ",reports");
  for (const std::string& name : names) text += "," + csv_field(name);
  text += "\n";
  for (std::size_t i = 0; i < trials.size(); ++i) {
    text += str(trials[i].number, ",", trials[i].state, ",", csv_field(trials[i].values), ",", trials[i].reports);
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

Command study_command(std::string_view name, std::string_view summary, int (*run)(Invocation&)) {
  Command c;
  c.name = str("study ", name);
  c.summary = summary;
  c.arguments = "[RUN|DATABASE]";
  c.max_arguments = 1;
  c.examples = {str("lathe study ", name, " runs/reviews-1"), str("lathe study ", name, " --storage sqlite:///study.db --json")};
  c.about =
      "RUN is a run folder; DATABASE any SQLite file with studies in Optuna's schema, or sqlite:///FILE. Without it --storage or "
      "the "
      "variable LATHE_STORAGE names the database.";
  c.options = {{"--storage", "URL", "the database, instead of an argument", ""}};
  c.run = run;
  return c;
}

}  // namespace

std::vector<Command> study_commands() {
  const Option name = {"--name", "STUDY", "which study, where the database holds several", ""};
  Command list = study_command("list", "the studies of a database", run_list);
  list.aliases = {"study ls"};
  Command show = study_command("show", "trials, states and values of a study", run_show);
  show.options.push_back(name);
  show.options.push_back({"--top", "K", "the best K trials, best first (all, by number)", ""});
  Command hash = study_command("hash", "the study hash: what \"same bits\" means", run_hash);
  hash.options.push_back(name);
  Command out = study_command("export", "a study as JSON lines, CSV or its hashed log", run_export);
  out.options.push_back(name);
  out.options.push_back(
      {"--format", "NAME", "jsonl: everything; csv: a row a trial; log: the bytes that the study hash covers", ""});
  out.options.push_back({"--out", "FILE", "where to write (-, standard output)", ""});
  out.groups = kForceGroup;
  return {list, show, hash, out};
}

}  // namespace lathe::cli
