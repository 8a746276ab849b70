// lathe search with a program as objective.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/model_config.h>
#include <lathe/cli/progress.h>
#include <lathe/cli/run.h>
#include <lathe/cli/search_plan.h>
#include <lathe/cli/search_result.h>
#include <lathe/cli/search_run.h>
#include <lathe/cli/session.h>
#include <lathe/cli/signals.h>
#include <lathe/cli/study_header.h>
#include <lathe/cli/study_source.h>
#include <lathe/cli/study_trials.h>
#include <lathe/nas/controller/controller.h>
#include <lathe/nas/optimize.h>

#include <algorithm>
#include <utility>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

/// Options that speak of data, models or training.
void require_no_training(const Invocation& invocation) {
  for (const char* name : {"--time", "--preset", "--limit", "--text", "--label", "--valid", "--test", "--threads", "--backend"})
    if (invocation.has(name)) throw InputError(str(name, " is about training; here objective.command is searched with"));
  if (!invocation.arguments().empty() && fs::path(invocation.arguments()[0]).extension() != ".toml")
    throw InputError(str(invocation.arguments()[0], ": objective.command reads its data by itself; leave out DATA"));
}

class ProgramSearch {
 public:
  ProgramSearch(Invocation& invocation, Config config)
      : invocation_(invocation), console_(invocation.console()), config_(std::move(config)) {}

  int run() {
    require_no_training(invocation_);
    if (invocation_.has("--resume")) {
      folder_ = invocation_.value("--resume");
      options_.extend_to = extended_budget(invocation_, config_);
    } else if (!begin()) {
      return kDone;
    }
    header_ = study_header(config_, study_name(config_, folder_));
    try {
      return finish(execute());
    } catch (const InfrastructureError& error) {
      throw InfrastructureError(str(error.what(), "; nothing committed is lost. Resume: ", resume_command(folder_)));
    }
  }

 private:
  /// A new run; false if only its plan was wanted.
  bool begin() {
    require_free_folder(config_, invocation_.has("--force"));
    const nas::StudyHeader header = study_header(config_, "");  // throws before anything is written
    if (!config_.text("search.warm_start").empty()) earlier_trials(config_, header);
    const bool dry = invocation_.has("--dry-run");
    print_plan(header, dry);
    if (dry) {
      console_.note("Nothing was run. Remove --dry-run to start.");
      return false;
    }
    folder_ = new_run_folder(config_, invocation_.has("--force"));
    config_.resolve("objective.folder", program_options(config_, {}).folder.string());
    write_file_atomic(folder_ / "config.toml", config_.to_toml(Config::Comments::help, folder_, is_for_own_objective));
    console_.note("writes  " + folder_.string());
    return true;
  }

  void print_plan(const nas::StudyHeader& header, bool is_result) {
    const std::string command = config_.text("objective.command"), points = space_size(header.space, "points");
    if (console_.json())
      return console_.json_line("plan", [&](JsonWriter& json) {
        json.member("command", command).member("points", points).member("trials", header.trials);
        json.member("sampler", header.sampler).member("pruner", header.pruner).member("workers", worker_count(config_));
      });
    const std::string text =
        str("program ", command, "\nspace   ", plural(static_cast<std::int64_t>(header.space.size()), "parameter"), ", ", points,
            "\nplan    ", plural(header.trials, "trial"), ", ", header.sampler, " sampler, ", header.pruner, " stopping, ",
            plural(worker_count(config_), "worker"));
    is_result ? console_.result(text + "\n") : console_.note(text);
  }

  SearchProgress::Setup progress_setup() const {
    SearchProgress::Setup setup;
    setup.trials = std::max(header_.trials, options_.extend_to);
    setup.metrics = header_.metrics;
    setup.direction = header_.directions[0];
    setup.workers = options_.workers;
    setup.epochs = config_.integer("objective.max_reports") + 1;
    setup.step = "step";
    setup.stop = options_.stop;
    return setup;
  }

  nas::StudyRun execute() {
    StudySource source = open_or_create_study(config_, folder_, header_, invocation_.has("--resume"), console_);
    source.storage.reset();
    const StopSignals signals(!console_.can_redraw());
    options_.stop = signals.flag();
    options_.workers = worker_count(config_);
    options_.max_failures = static_cast<int>(config_.integer("objective.retries")) + 1;
    options_.until_event = until_commit(invocation_);
    SearchProgress progress(console_, progress_setup());
    options_.observer = &progress;
    nas::Study study(header_, source.backend.get(), nas::all_samplers());
    study.set_max_reports(static_cast<int>(config_.integer("objective.max_reports")));
    const nas::StudyRun run = study.optimize(nas::program(program_options(config_, folder_ / "trials")), options_);
    progress.finish();
    if (!run.finished && signals.requested())
      throw StoppedByUser(str("stopped at commit ", run.events, ". Resume: ", resume_command(folder_)));
    trials_ = trials_of(source.backend->open(header_.name)->events(0));
    return run;
  }

  int finish(const nas::StudyRun& run) {
    if (!run.finished) {
      console_.note(str("stopped at commit ", run.events, " as asked. Go on: ", resume_command(folder_)));
      print_hash(console_, run.hash);
      return kDone;
    }
    const Goals goals = goals_of(header_.json());
    const std::vector<TrialRecord> best = best_of(trials_, goals);
    const std::string record = results_json(run, goals, best);
    write_file_atomic(folder_ / "results.json", record + "\n");
    if (console_.json()) {
      console_.json_line("result", [&](JsonWriter& json) {
        json.member("folder", folder_.string()).member("hash", run.hash).key("results").raw(record);
      });
    } else {
      print_result(run, goals, best);
    }
    if (best.empty()) console_.warn("no trial was completed; lathe study show " + folder_.string() + " tells why");
    return best.empty() ? kNo : kDone;
  }

  /// All that the study found, for programs: results.json.
  std::string results_json(const nas::StudyRun& run, const Goals& goals, const std::vector<TrialRecord>& best) const {
    JsonWriter json;
    json.begin_object().member("lathe_program_results", 1).key("study").begin_object();
    json.member("name", header_.name).member("hash", run.hash).member("events", run.events).member("exhausted", run.exhausted);
    json.member("sampler", header_.sampler).member("pruner", header_.pruner).member("seed", header_.seed);
    json.member("virtual_workers", header_.virtual_workers).end_object();
    json.member("command", config_.text("objective.command")).key("metrics").begin_array();
    for (std::size_t i = 0; i < goals.metrics.size(); ++i) {
      json.begin_object().member("name", goals.metrics[i]);
      json.member("direction", goals.maximise[i] ? "maximise" : "minimise").end_object();
    }
    json.end_array().key("constraints").begin_array();
    for (const std::string& name : goals.constraints) json.value(name);
    json.end_array().key("best").begin_array();
    for (const TrialRecord& trial : best) json.value(trial.number);
    json.end_array().key("trials").begin_array();
    for (const TrialRecord& trial : trials_) {
      json.begin_object();
      write_trial(json, trial, goals);
      json.end_object();
    }
    return json.end_array().end_object().text();
  }

  void print_result(const nas::StudyRun& run, const Goals& goals, const std::vector<TrialRecord>& best) {
    constexpr std::size_t kShown = 10;
    std::vector<TrialRecord> shown = trials_;
    if (!best.empty()) std::erase_if(shown, [](const TrialRecord& trial) { return !trial.complete(); });
    sort_best_first(shown, goals);
    const std::string all = str("; all trials: lathe study trials ", folder_.string());
    if (shown.size() > kShown) shown.resize(kShown);
    std::string out = str("trials: ", count_text(trials_), "\n", trial_table(shown, goals, "  "));
    if (run.exhausted) out += "note    the sampler found no further point: the space may be used up\n";
    if (!best.empty()) {
      out += goals.metrics.size() > 1 ? "front  " : "best   ";
      for (const TrialRecord& trial : best) out += str(" #", trial.number);
      if (best.size() == 1) out += str(" ", best[0].point);
      if (best[0].violation() > 0) out += "  (breaks a constraint, as all do)";
      out += "\n";
    }
    out += str("files   ", (folder_ / "results.json").string(), ", ", (folder_ / "trials").string(), "/trial-*.err", all, "\n");
    out += str("study   ", run.hash, " (lathe study hash ", folder_.string(), ")\n");
    out += str("more    ", resume_command(folder_), " --trials ", 2 * static_cast<std::int64_t>(trials_.size()), "\n");
    out += str("again   lathe search ", (folder_ / "config.toml").string(), " --out again\n");
    console_.result(out);
  }

  Invocation& invocation_;
  Console& console_;
  Config config_;
  fs::path folder_;
  nas::StudyHeader header_;
  nas::ExecutorOptions options_;
  std::vector<TrialRecord> trials_;
};

}  // namespace

Config resumed_configuration(Invocation& invocation) {
  require_resumable(invocation, {"--workers", "--trials", "--until-commit", "--backend", "--threads", "--set"});
  const fs::path folder = invocation.value("--resume");
  if (!fs::exists(folder / "config.toml")) throw InputError(folder.string() + ": is not a run folder (no config.toml in it)");
  Config config;
  config.read_file(folder / "config.toml");
  for (const auto& [option, key] : {std::pair("--workers", "search.workers"), std::pair("--backend", "run.backend")})
    if (invocation.has(option)) config.set_option(key, invocation.value(option), option);
  for (const std::string& setting : invocation.values("--set")) {
    if (config.own_objective() || !(setting.starts_with("proxy.force=") || setting.starts_with("proxy.threshold=")))
      throw InputError(str("--set ", setting, ": --resume takes settings from the run, all but proxy.force and proxy.threshold"));
    config.set(setting);
  }
  config.check();
  return config;
}

std::int64_t extended_budget(const Invocation& invocation, const Config& config) {
  const std::int64_t budget = config.integer("search.trials"), wanted = invocation.integer("--trials", 0, 1);
  if (invocation.has("--trials") && wanted <= budget)
    throw InputError(str("--trials ", wanted, ": the run has ", plural(budget, "trial"), " already; --resume can only add some"));
  return wanted;
}

std::uint64_t until_commit(const Invocation& invocation) {
  if (!invocation.has("--until-commit")) return std::numeric_limits<std::uint64_t>::max();
  return static_cast<std::uint64_t>(invocation.integer("--until-commit", 0, 0));
}

std::string resume_command(const fs::path& folder) { return "lathe search --resume " + folder.string(); }

nas::ProgramOptions program_options(const Config& config, const fs::path& logs) {
  nas::ProgramOptions options;
  options.command = config.text("objective.command");
  options.folder = config.file("objective.folder");
  if (options.folder.empty()) options.folder = config.folder("objective.command");
  options.time_limit = std::chrono::milliseconds(static_cast<std::int64_t>(1000 * config.seconds("objective.time_limit")));
  options.log_folder = logs;
  options.objectives = config.texts("objective.metrics").size();
  options.constraints = config.texts("objective.constraints").size();
  return options;
}

int search_program(Invocation& invocation, Config config) { return ProgramSearch(invocation, std::move(config)).run(); }

}  // namespace lathe::cli
