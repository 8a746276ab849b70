// lathe study: what lies in a database of studies.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/run.h>
#include <lathe/nas/storage/sqlite.h>
#include <lathe/nas/study.h>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

/// RUN|FILE: a run folder with study.db in it, or a database.
fs::path database_of(const std::string& argument) {
  const fs::path path(argument);
  if (!fs::is_directory(path)) return path;
  if (!fs::exists(path / "study.db")) throw InputError(argument + ": is not a run folder (no study.db in it)");
  return path / "study.db";
}

struct Opened {
  std::unique_ptr<nas::Backend> backend;
  std::unique_ptr<nas::Storage> storage;
};

Opened open_study(Invocation& invocation) {
  Opened opened;
  const fs::path file = database_of(invocation.arguments()[0]);
  opened.backend = nas::sqlite_backend(file, false);
  std::string name = invocation.value("--name");
  if (name.empty()) {
    const std::vector<nas::StudySummary> studies = opened.backend->studies();
    if (studies.size() != 1) throw InputError(str(file.string(), ": holds ", studies.size(), " studies; choose one with --name"));
    name = studies[0].name;
  }
  opened.storage = opened.backend->open(name);
  return opened;
}

int run_list(Invocation& invocation) {
  Console& console = invocation.console();
  const auto backend = nas::sqlite_backend(database_of(invocation.arguments()[0]), false);
  TextTable table({{"study", TextTable::Align::left},
                   {"trials", TextTable::Align::right},
                   {"events", TextTable::Align::right},
                   {"made by", TextTable::Align::left}});
  for (const nas::StudySummary& study : backend->studies()) {
    if (console.json()) {
      console.json_line("study", [&](JsonWriter& json) {
        json.member("name", study.name)
            .member("trials", study.trials)
            .member("events", study.events)
            .member("lathe", !study.header.empty());
      });
    } else {
      table.add({study.name, std::to_string(study.trials), std::to_string(study.events),
                 study.header.empty() ? "another program" : "lathe"});
    }
  }
  if (!console.json()) console.result(table.text());
  return kDone;
}

int run_hash(Invocation& invocation) {
  const Opened opened = open_study(invocation);
  const std::string hash = nas::study_hash(opened.storage->header(), opened.storage->events(0));
  const std::vector<std::string> foreign = opened.storage->foreign_changes();
  for (const std::string& change : foreign) invocation.console().warn("the study is mixed: " + change);
  if (invocation.console().json()) {
    invocation.console().json_line("hash", [&](JsonWriter& json) {
      json.member("name", opened.storage->name()).member("hash", hash).member("mixed", !foreign.empty());
    });
  } else {
    invocation.console().result(hash + "\n");
  }
  return kDone;
}

/// The recorded lines alone tell the trials: name=value words of propose, report and finish events.
struct TrialLine {
  std::string state = "running", values, point;
  int reports = 0;
};

std::map<std::int64_t, TrialLine> trials_of(const std::vector<nas::RecordedEvent>& events) {
  std::map<std::int64_t, TrialLine> trials;
  for (const nas::RecordedEvent& event : events) {
    const std::vector<std::string_view> words = split(event.line, ' ');
    std::int64_t number = -1;
    std::string state, values;
    for (const std::string_view word : words) {
      if (word.starts_with("trial=")) number = parse_int(word.substr(6)).value_or(-1);
      if (word.starts_with("state=")) state = word.substr(6);
      if (word.starts_with("values=")) values = word.substr(7);
    }
    if (number < 0 || words.size() < 3) continue;
    TrialLine& trial = trials[number];
    if (words[2] == "propose")
      if (const std::size_t at = event.line.find("point="); at != std::string::npos) trial.point = event.line.substr(at + 6);
    if (words[2] == "report") ++trial.reports;
    if (words[2] == "finish") trial.state = state, trial.values = values;
  }
  return trials;
}

int run_show(Invocation& invocation) {
  Console& console = invocation.console();
  const Opened opened = open_study(invocation);
  const std::vector<nas::RecordedEvent> events = opened.storage->events(0);
  const std::map<std::int64_t, TrialLine> trials = trials_of(events);
  if (console.json()) {
    for (const auto& [number, trial] : trials)
      console.json_line("trial", [&, n = number, &t = trial](JsonWriter& json) {
        json.member("trial", n).member("state", t.state).member("values", t.values).member("reports", t.reports);
        json.key("point").raw(t.point.empty() ? "{}" : t.point);
      });
    return kDone;
  }
  console.result(str("study   ", opened.storage->name(), "\nhash    ", nas::study_hash(opened.storage->header(), events),
                     "\nevents  ", events.size(), "\n"));
  for (const std::string& change : opened.storage->foreign_changes()) console.result("mixed   " + change + "\n");
  TextTable table({{"trial", TextTable::Align::right},
                   {"state", TextTable::Align::left},
                   {"value", TextTable::Align::right},
                   {"reports", TextTable::Align::right},
                   {"point", TextTable::Align::left}});
  for (const auto& [number, trial] : trials)
    table.add({std::to_string(number), trial.state, trial.values, std::to_string(trial.reports), trial.point});
  console.result(table.text());
  return kDone;
}

int run_export(Invocation& invocation) {
  const Opened opened = open_study(invocation);
  const std::string target = invocation.value("--out", "-");
  std::string text = JsonWriter()
                         .begin_object()
                         .member("name", opened.storage->name())
                         .key("header")
                         .raw(opened.storage->header())
                         .end_object()
                         .text() +
                     "\n";
  std::uint64_t index = 0;
  for (const nas::RecordedEvent& event : opened.storage->events(0)) {
    JsonWriter json;
    json.begin_object().member("event", index++).member("line", event.line);
    if (!event.note.empty()) json.member("note", event.note);
    if (!event.attributes.empty()) json.key("attributes").raw(event.attributes);
    text += json.end_object().text() + "\n";
  }
  if (target == "-") {
    invocation.console().result(text);
    return kDone;
  }
  if (fs::exists(target) && !invocation.has("--force"))
    throw InputError(target + " exists; use --out NEW, or --force to replace it");
  write_file_atomic(target, text);
  invocation.console().note(str("wrote ", target, ": header and ", index, " events, one JSON object a line"));
  return kDone;
}

Command study_command(const char* name, const char* summary, int (*run)(Invocation&)) {
  Command c;
  c.name = str("study ", std::string_view(name));
  c.summary = summary;
  c.arguments = "RUN|DATABASE";
  c.min_arguments = c.max_arguments = 1;
  c.examples = {str("lathe study ", std::string_view(name), " runs/reviews-1"),
                str("lathe study ", std::string_view(name), " study.db --json")};
  c.about = "RUN is a run folder; DATABASE any SQLite file with studies in Optuna's schema.";
  c.options = {{"--name", "STUDY", "which study, where the database holds several", ""}};
  c.run = run;
  return c;
}

}  // namespace

std::vector<Command> study_commands() {
  Command list = study_command("list", "the studies of a database", run_list);
  list.aliases = {"study ls"};
  Command show = study_command("show", "trials, states and values of a study", run_show);
  Command hash = study_command("hash", "the study hash: what \"same bits\" means", run_hash);
  Command out = study_command("export", "header and events as JSON lines", run_export);
  out.options.push_back({"--out", "FILE", "where to write (-, standard output)", ""});
  out.groups = kForceGroup;
  return {list, show, hash, out};
}

}  // namespace lathe::cli
