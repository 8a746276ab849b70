// lathe study create, ask, tell, enqueue, copy, delete: what makes or changes a study.
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/ask_tell.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/run.h>
#include <lathe/cli/session.h>
#include <lathe/cli/signals.h>
#include <lathe/cli/study_copy.h>
#include <lathe/cli/study_header.h>
#include <lathe/cli/study_source.h>
#include <lathe/cli/study_trials.h>

#include <lathe/nas/executor.h>
#include <lathe/nas/proposals.h>
#include <algorithm>
#include <functional>
#include <thread>
#include <utility>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

/// The place of a study and the words behind it. Without --storage the first word is the place, unless `is_word` knows it as one of
/// the others and LATHE_STORAGE is set.
std::pair<std::string, std::vector<std::string>> place_and_words(Invocation& invocation,
                                                                 const std::function<bool(const std::string&)>& is_word) {
  std::vector<std::string> words = invocation.arguments();
  std::string place = invocation.value("--storage");
  if (place.empty() && !words.empty() && is_word(words[0])) place = invocation.console().environment("LATHE_STORAGE");
  if (!place.empty()) return {place, words};
  if (words.empty()) return {study_place(invocation), words};
  place = words[0];
  words.erase(words.begin());
  return {place, words};
}

// ---- create

int run_create(Invocation& invocation) {
  Console& console = invocation.console();
  const std::string file = invocation.arguments()[0];
  Config config;
  config.set_own_objective();
  config.read_file(file);
  config.read_environment([&](const char* name) -> const char* {
    static thread_local std::string value;
    value = console.environment(name);
    return value.empty() ? nullptr : value.c_str();
  });
  for (const std::string& assignment : invocation.values("--set")) config.set(assignment);
  if (invocation.has("--seed")) config.set_option("seed", invocation.value("--seed"), "--seed");
  if (invocation.has("--warm-start")) config.set_option("search.warm_start", invocation.value("--warm-start"), "--warm-start");
  std::string place = invocation.value("--storage");
  if (invocation.arguments().size() > 1) {
    if (!place.empty()) throw InputError(str("two places: ", invocation.arguments()[1], " and --storage ", place, "; give one"));
    place = invocation.arguments()[1];
  }
  if (place.empty()) place = config.text("storage.url");
  if (place.empty()) place = console.environment("LATHE_STORAGE");
  if (place.empty()) throw InputError("where to? lathe study create CONFIG DATABASE, such as study.db");
  config.set_option("storage.url", place, "DATABASE");
  config.check();
  std::string name = invocation.value("--name", config.text("storage.name"));
  if (name.empty()) name = fs::path(file).stem().string();
  if (const auto backend = open_database(place, true))
    for (const nas::StudySummary& study : backend->studies())
      if (study.name == name) throw InputError(str(shown_place(place), ": holds a study `", name, "` already; --name another one"));
  nas::StudyHeader header = study_header(config, name);
  const StudySource source = open_or_create_study(config, "", header, false, console);
  source.storage->settle();
  if (console.json())
    console.json_line("study", [&](JsonWriter& json) {
      json.member("name", name).member("place", source.place).key("header").raw(header.json());
    });
  else
    console.note(str("made study ", name, " in ", source.place, ": ", plural(header.trials, "trial"), " of ", header.sampler,
                     "; next: lathe study ask ", source.place));
  return kDone;
}

// ---- ask and tell

int run_ask(Invocation& invocation) {
  Console& console = invocation.console();
  const StudySource source = open_study(invocation);
  const auto lease = parse_duration(invocation.value("--lease", "1d"));
  if (!lease || *lease <= 0) throw InputError(str("--lease ", invocation.value("--lease"), ": expected a duration such as 2h"));
  AskTell study(*source.storage);
  const StopSignals signals(false);
  std::optional<AskTell::Asked> asked;
  while (!(asked = study.ask(std::chrono::milliseconds(static_cast<std::int64_t>(1000 * *lease)))) && !study.finished() &&
         invocation.has("--wait")) {
    if (signals.requested()) throw StoppedByUser("stopped; nothing was asked for");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  source.storage->settle();
  if (asked) {
    if (console.json())
      console.json_line("trial", [&](JsonWriter& json) {
        json.member("trial", asked->trial).member("attempt", asked->attempt).key("point").raw(asked->point.json());
      });
    else
      console.result(str(asked->trial, " ", asked->point.json(), "\n"));
    return kDone;
  }
  if (study.finished()) {
    if (console.json()) console.json_line("finished", [](JsonWriter&) {});
    console.note("the study is finished");
    return kNo;
  }
  std::string list;
  for (const std::int64_t trial : study.open()) list += str(list.empty() ? "" : ", ", trial);
  if (console.json()) console.json_line("busy", [&](JsonWriter& json) { json.member("trials", list); });
  console.warn(str("all open trials are being evaluated: ", list, "; tell one of them first, or --wait"));
  return kNo;
}

std::vector<double> numbers_of(const std::vector<std::string>& words, const char* what) {
  std::vector<double> out;
  for (const std::string& word : words) {
    const auto x = parse_double(word);
    if (!x) throw InputError(str(word, ": expected a number as ", what));
    out.push_back(*x);
  }
  return out;
}

int run_tell(Invocation& invocation) {
  Console& console = invocation.console();
  auto [place, words] = place_and_words(invocation, [](const std::string& word) { return parse_int(word).has_value(); });
  const auto number = words.empty() ? std::nullopt : parse_int(words[0]);
  if (!number || *number < 0) throw InputError("which trial? lathe study tell STUDY TRIAL VALUE… (lathe study tell -h)");
  nas::SegmentResult result;
  result.values = numbers_of({words.begin() + 1, words.end()}, "a value");
  result.constraints = numbers_of(invocation.values("--constraint"), "a constraint");
  if (invocation.has("--failed")) {
    if (!result.values.empty()) throw InputError("--failed and values exclude each other");
    result = nas::SegmentResult::failed(nas::Failure::error, invocation.value("--failed"));
  } else if (result.values.empty()) {
    throw InputError(str("which value? lathe study tell STUDY ", *number, " VALUE…, or --failed WHY"));
  }
  const StudySource source = open_study(place, invocation.value("--name"), while_away(console));
  AskTell study(*source.storage);
  study.tell(*number, std::move(result));
  source.storage->settle();
  if (console.json())
    console.json_line("told", [&](JsonWriter& json) { json.member("trial", *number).member("finished", study.finished()); });
  else if (study.finished())
    console.note("the study is finished");
  return kDone;
}

// ---- enqueue

/// The value of a parameter as typed.
nas::Value typed_value(const nas::Parameter& parameter, const std::string& text) {
  if (const auto* choices = parameter.choices()) {
    std::vector<std::string> names;
    for (const nas::Value& choice : *choices) {
      if (choice.show() == text) return choice;
      names.push_back(choice.show());
    }
    const auto near = nearest(text, names);
    throw InputError(
        str(parameter.name, "=", text, ": expected ", join(names, ", "), near ? str("; did you mean ", *near, "?") : ""));
  }
  if (const auto whole = parse_int(text); whole && !parameter.real()) return *whole;
  if (const auto x = parse_double(text)) return *x;
  throw InputError(str(parameter.name, "=", text, ": expected a number"));
}

nas::Point point_of(const nas::Space& space, const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0].starts_with('{')) return space.parse(words[0]);
  std::vector<std::pair<std::string, nas::Value>> values;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) throw InputError(str(word, ": expected NAME=VALUE, or one JSON object"));
    const nas::Parameter& parameter = space.parameter(space.index(word.substr(0, equals)));
    values.emplace_back(parameter.name, typed_value(parameter, word.substr(equals + 1)));
  }
  return space.point(values);
}

int run_enqueue(Invocation& invocation) {
  Console& console = invocation.console();
  auto [place, words] = place_and_words(
      invocation, [](const std::string& word) { return word.starts_with('{') || word.find('=') != std::string::npos; });
  if (words.empty()) throw InputError("which point? lathe study enqueue STUDY NAME=VALUE…, or one JSON object");
  const StudySource source = open_study(place, invocation.value("--name"), while_away(console));
  const nas::StudyHeader header = read_header(source.storage->header(), source.storage->name());
  const nas::Point point = point_of(header.space, words);
  const std::vector<nas::RecordedEvent> events = source.storage->events(0);
  const std::uint64_t commit = nas::enqueue(*source.storage, header.space, point);
  if (static_cast<std::int64_t>(trials_of(events).size()) >= budget_of(header, events))
    console.warn("all trials of the study are proposed: the point waits until lathe search --resume RUN --trials N adds some");
  source.storage->settle();
  if (console.json())
    console.json_line("enqueued", [&](JsonWriter& json) { json.member("commit", commit).key("point").raw(point.json()); });
  else
    console.note(str("enqueued at commit ", commit, ": ", point.json()));
  return kDone;
}

// ---- copy and delete

int run_copy(Invocation& invocation) {
  Console& console = invocation.console();
  const std::string &from = invocation.arguments()[0], &to = invocation.arguments()[1];
  const StudySource source = open_study(from, invocation.value("--name"));
  const std::string name = invocation.value("--as", source.storage->name());
  const auto target = open_database(to, true);
  copy_study(*source.storage, *target, name);
  const auto copy = target->open(name);
  const std::string hash = nas::study_hash(copy->header(), copy->events(0));
  if (console.json())
    console.json_line("copy",
                      [&](JsonWriter& json) { json.member("name", name).member("place", shown_place(to)).member("hash", hash); });
  else
    console.result(str("copied ", name, " into ", shown_place(to), "\nhash   ", hash, "\n"));
  return kDone;
}

/// ", and trial 3 is being evaluated by host:1:2", or "".
std::string at_work(nas::Storage& storage) {
  std::vector<std::string> claims;
  for (const nas::TaskRow& row : storage.tasks())
    if (row.state == nas::TaskState::claimed && !nas::owner_is_dead(row.owner))
      claims.push_back(str("trial ", row.task.key.trial, " is being evaluated by ", row.owner));
  return claims.empty() ? "" : ", and " + join(claims, ", ");
}

int run_delete(Invocation& invocation) {
  Console& console = invocation.console();
  const StudySource source = open_study(invocation);
  const std::string name = source.storage->name();
  const std::int64_t events = static_cast<std::int64_t>(source.storage->events(0).size());
  if (!invocation.has("--force"))
    throw InputError(str(source.place, ": study ", name, " has ", plural(events, "event"), at_work(*source.storage),
                         "; --force deletes it for ever"));
  source.backend->remove(name);
  if (console.json())
    console.json_line("deleted", [&](JsonWriter& json) { json.member("name", name).member("place", source.place); });
  else
    console.note(str("deleted study ", name, " of ", source.place));
  return kDone;
}

Command create_command() {
  Command c;
  c.name = "study create";
  c.summary = "a study from a configuration with [space], to be asked and told";
  c.arguments = "CONFIG [DATABASE]";
  c.min_arguments = 1;
  c.max_arguments = 2;
  c.examples = {"lathe study create bread.toml study.db", "lathe study create bread.toml study.db --name sourdough --seed 2"};
  c.about =
      "CONFIG names parameters in [space] and how they are proposed in [search]; metrics, directions and constraints in "
      "[objective] "
      "(one value that is maximised, unless said). The study is named after the file. With objective.command set, lathe worker "
      "evaluates its trials too.";
  c.options = {
      {"--name", "STUDY", "name of the study (the file's)", ""},
      {"--storage", "URL", "the database, instead of an argument", ""},
      {"--warm-start", "STUDY", "run or database whose trials the sampler sees from the start", ""},
      {"--set", "KEY=VALUE", "one key of the configuration", "", true},
      {"--seed", "N", "everything random follows from it", ""},
  };
  c.run = run_create;
  return c;
}

Command ask_command() {
  Command c = study_command("ask", "the next trial to evaluate: its number and its parameters", run_ask);
  c.examples = {"lathe study ask study.db", "lathe study ask study.db --wait --json"};
  c.about =
      "Prints NUMBER JSON, and exit code 1 when the study is finished. No two askers get the same trial; what an asker does not "
      "tell within --lease, another one may be given. As many trials are open at a time as the study has virtual workers "
      "(search.virtual_workers), and a result counts once those of the trials proposed with it are told: for one person alone "
      "set it to 1.";
  c.options.push_back({"--lease", "TIME", "how long the trial is kept for this asker (1d)", ""});
  c.options.push_back({"--wait", "", "wait until a trial is free or the study is finished", ""});
  return c;
}

Command tell_command() {
  Command c = study_command("tell", "the result of a trial that was asked for", run_tell);
  c.arguments = "[RUN|DATABASE] TRIAL VALUE...";
  c.min_arguments = 1;
  c.max_arguments = -1;
  c.examples = {"lathe study tell study.db 3 0.82", "lathe study tell study.db 4 --failed \"no gas left\""};
  c.about = "One VALUE for each objective, in the order of the configuration; --constraint for each constraint.";
  c.options.push_back({"--constraint", "X", "a constraint; it holds where X <= 0", "", true});
  c.options.push_back({"--failed", "WHY", "the trial failed, for ever", ""});
  return c;
}

Command enqueue_command() {
  Command c = study_command("enqueue", "a point that is tried before those of the sampler", run_enqueue);
  c.arguments = "[RUN|DATABASE] NAME=VALUE...";
  c.min_arguments = 1;
  c.max_arguments = -1;
  c.examples = {"lathe study enqueue study.db x=0.5 layers=3", "lathe study enqueue study.db '{\"x\":0.5,\"layers\":3}'"};
  c.about = "A value for every parameter that is active. The point becomes part of the log, and so of the study hash.";
  return c;
}

Command copy_command() {
  Command c;
  c.name = "study copy";
  c.summary = "a study into another database";
  c.arguments = "RUN|DATABASE DATABASE";
  c.min_arguments = 2;
  c.max_arguments = 2;
  c.examples = {"lathe study copy runs/reviews-1 archive.db", "lathe study copy study.db study.db --as second"};
  c.about = "The copy has the same hash and goes on to the same end.";
  c.options = {{"--name", "STUDY", "which study, where the database holds several", ""},
               {"--as", "STUDY", "name of the copy (the same)", ""}};
  c.run = run_copy;
  return c;
}

}  // namespace

std::vector<Command> study_edit_commands() {
  Command remove = study_command("delete", "delete a study for ever", run_delete);
  remove.examples = {"lathe study delete study.db --name old --force", "lathe study delete runs/reviews-1 --force"};
  remove.groups = kForceGroup;
  return {create_command(), ask_command(), tell_command(), enqueue_command(), copy_command(), std::move(remove)};
}

}  // namespace lathe::cli
