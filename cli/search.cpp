// lathe search: from labelled text to a searched, retrained, tested and exported model.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/base/version.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/model_config.h>
#include <lathe/cli/progress.h>
#include <lathe/cli/run.h>
#include <lathe/cli/session.h>
#include <lathe/cli/signals.h>
#include <lathe/nas/storage/sqlite.h>
#include <lathe/nas/transformer/plan.h>
#include <lathe/nas/transformer/search.h>

#include <thread>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

int worker_count(const Config& config) {
  const std::int64_t workers = config.integer("search.workers");
  return workers > 0 ? static_cast<int>(workers) : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

nas::SearchSize size_of(const Config& config) {
  nas::SearchSize size;
  size.trials = config.integer("search.trials");
  size.epochs = config.integer("train.epochs");
  size.finalists = config.integer("finalists.count");
  size.seeds = config.integer("finalists.seeds");
  size.finalist_epochs = config.integer("finalists.epochs");
  if (size.finalist_epochs == 0) size.finalist_epochs = size.epochs;
  return size;
}

/// The plan: what will run, how long it takes; search.time becomes numbers of trials and epochs here, once.
class Planner {
 public:
  Planner(Config& config, const LoadedData& data, int workers) : config_(config), data_(data), workers_(workers) {}

  void resolve_and_print(Console& console) {
    const nas::TrainingSetting setting{
        base_candidate(config_), data_.task, {config_.integer("limits.params")}, backend_name(config_)};
    const nas::TrainingObjective objective(setting, data_.rows.train, data_.rows.valid);
    const nas::Space space = make_space(config_);
    const nas::SpaceSample sample = nas::sample_space(space, objective);
    const nas::CandidateCost base = nas::cost_of(setting.base, data_.task, data_.rows.train);
    const nas::SpeedModel speed = nas::measure_speed(sample, objective, data_.rows.train);
    nas::SearchSize size = size_of(config_);
    if (const double seconds = config_.seconds("search.time"); seconds > 0) {
      size = nas::resolve_time(seconds, sample, speed, size, base, workers_);
      config_.resolve("search.trials", size.trials);
      config_.resolve("train.epochs", size.epochs);
      config_.resolve("finalists.count", size.finalists);
      config_.resolve("finalists.seeds", size.seeds);
      config_.resolve("finalists.epochs", size.finalist_epochs);
    }
    const nas::Estimate estimate = nas::estimate(sample, speed, size, base, workers_);
    if (console.json()) {
      console.json_line("plan", [&](JsonWriter& json) {
        json.member("trials", size.trials)
            .member("epochs", size.epochs)
            .member("finalists", size.finalists)
            .member("seeds", size.seeds);
        json.member("search_seconds", estimate.search_seconds).member("finalist_seconds", estimate.finalist_seconds);
        json.member("worker_bytes", estimate.worker_bytes).member("workers", workers_);
      });
      return;
    }
    console.note(str("space   ", space.count().text(), " architectures; ", format_percent(sample.admissible(), 0), " of ",
                     sample.drawn, " drawn ones are valid and within the limits"));
    console.note(str("plan    ", format_duration(estimate.search_seconds), " search: ", size.trials, " trials, ", size.epochs,
                     " epochs, ", config_.text("search.sampler"), ", ", config_.text("search.pruner"), " stopping | ",
                     format_duration(estimate.finalist_seconds), ": ", size.finalists, " finalists and the default x ", size.seeds,
                     " seeds"));
    console.note(str("total   at most about ", format_duration(estimate.total()), " with ", workers_,
                     workers_ == 1 ? " worker" : " workers", " at ", fixed(speed.flops_per_second() * 1e-9, 0),
                     " GFLOP/s each; memory ", format_bytes(estimate.worker_bytes), " a worker"));
  }

 private:
  Config& config_;
  const LoadedData& data_;
  int workers_;
};

nas::StudyHeader header_of(const Config& config, const LoadedData& data, const std::string& name) {
  nas::StudyHeader header;
  header.name = name;
  header.configuration = config.identity_json();
  header.space = make_space(config);
  header.trials = config.integer("search.trials");
  header.virtual_workers = static_cast<int>(config.integer("search.virtual_workers"));
  header.seed = static_cast<std::uint64_t>(config.integer("seed"));
  header.metrics = {train::name_of(base_candidate(config).training.metric)};
  header.sampler = config.text("search.sampler") + "@1";
  header.pruner = config.text("search.pruner") + "@1";
  header.data_hash = to_hex(data.rows.hash);
  header.numerics = kNumerics;
  return header;
}

std::string percent(double share) { return fixed(share, 4); }

void print_result(Console& console, const nas::RunResults& results, const fs::path& folder) {
  TextTable table({{"", TextTable::Align::left},
                   {"model", TextTable::Align::left},
                   {"test " + results.metric, TextTable::Align::right},
                   {"validation", TextTable::Align::right},
                   {"params", TextTable::Align::right},
                   {"size", TextTable::Align::right},
                   {"vs default", TextTable::Align::right}});
  for (std::size_t i = 0; i < results.models.size(); ++i) {
    const nas::ModelRow& m = results.models[i];
    const bool failed = m.failed == m.seeds;
    table.add({static_cast<int>(i) == results.winner ? "*" : "", m.name + " " + m.architecture,
               failed ? "failed" : str(percent(m.test), " +-", fixed(m.half_width, 3)), failed ? "" : percent(m.valid),
               format_count(m.params), format_bytes(m.bytes),
               m.to_default ? str(m.to_default->mean >= 0 ? "+" : "", fixed(m.to_default->mean, 3)) : ""});
  }
  for (const nas::BaselineRow& b : results.baselines)
    table.add({"", b.name, str(percent(results.metric == "accuracy" ? b.accuracy : b.macro_f1), " +-", fixed(b.half_width, 3))});
  console.result(
      str("test: ", with_commas(results.data.test_rows), " rows, read once; mean and 95 % interval over seeds and rows\n"));
  console.result(table.text("  "));
  for (const std::string& sentence : nas::verdict_sentences(results)) console.result("note    " + sentence + "\n");
  if (results.winner >= 0) {
    std::string parameters;
    for (const auto& [name, value] : results.models[static_cast<std::size_t>(results.winner)].parameters)
      parameters += str(" ", name, "=", value);
    console.result("winner " + parameters + "\n");
  }
  console.result(str("files   ", (folder / "report.html").string(), ", ", (folder / "report.md").string(), ", ",
                     (folder / "model").string(), "/\n"));
  console.result(str("study   ", results.study.hash, " (lathe study hash ", folder.string(), ")\n"));
  console.result(str("try     lathe predict ", (folder / "model").string(), " \"your text\"\n"));
}

struct Run {
  fs::path folder;
  bool resumed = false;
};

int run_search_command(Invocation& invocation) {
  Console& console = invocation.console();
  Run run;
  Config config;
  if (const std::string resume = invocation.value("--resume"); !resume.empty()) {
    if (!invocation.arguments().empty())
      throw InputError("--resume takes its data and settings from the run; leave out " + invocation.arguments()[0]);
    if (!invocation.values("--set").empty() || invocation.has("--config"))
      throw InputError("--resume goes on with the settings of the run; --set and -c would make it another study");
    run.folder = resume;
    run.resumed = true;
    if (!fs::exists(run.folder / "config.toml")) throw InputError(resume + ": is not a run folder (no config.toml in it)");
    config.read_file(run.folder / "config.toml");
    if (invocation.has("--workers")) config.set_option("search.workers", invocation.value("--workers"), "--workers");
    config.check();
  } else {
    config = configuration(invocation);
  }
  const LoadedData data = load_data(config, console);
  const int workers = worker_count(config);
  if (!run.resumed) {
    if (config.file("output.dir").empty() && data_stem(config).empty())
      throw InputError("no data: name a file (lathe search DATA)");
    Planner(config, data, workers).resolve_and_print(console);
    if (invocation.has("--dry-run")) {
      console.note("Nothing was run. Remove --dry-run to start.");
      return kDone;
    }
    run.folder = new_run_folder(config, invocation.has("--force"));
    write_file_atomic(run.folder / "config.toml", config.to_toml(Config::Comments::help, run.folder));
    console.note("writes  " + run.folder.string());
  }

  nas::SearchJob job;
  const std::string name = config.text("storage.name").empty() ? fs::absolute(run.folder).lexically_normal().filename().string()
                                                               : config.text("storage.name");
  job.folder = run.folder;
  job.header = header_of(config, data, name);
  job.setting = {base_candidate(config), data.task, {config.integer("limits.params")}, backend_name(config)};
  job.finalists = config.integer("finalists.count");
  job.seeds = config.integer("finalists.seeds");
  job.finalist_epochs = config.integer("finalists.epochs");
  job.report = config.flag("output.report");
  job.license = config.text("output.license");
  job.text = &data.text;
  job.rows = &data.rows;
  job.tokenizer = &*data.tokenizer;
  job.data_name = config.file("data.train").filename().string();
  job.warnings = data.warnings;
  job.config = config.to_toml(Config::Comments::none, run.folder);
  job.commands = {{"Search again, to the same study hash", "lathe search config.toml --out again"},
                  {"Print the study hash", "lathe study hash " + run.folder.filename().string()},
                  {"Classify a text", "lathe predict " + (run.folder.filename() / "model").string() + " \"your text\""}};
  job.workers = workers;
  const StopSignals signals;
  job.stop = signals.flag();
  if (invocation.has("--until-commit")) job.until_event = static_cast<std::uint64_t>(invocation.integer("--until-commit", 0, 0));
  SearchProgress progress(console, job.header.trials, job.header.metrics[0], workers);
  job.observer = &progress;
  job.phase = [&](const std::string& phase) {
    progress.finish();
    console.note(phase == "finalists"   ? str("retrain ", job.finalists, " finalists and the default, ", job.seeds, " seeds each")
                 : phase == "baselines" ? "test    finalists and baselines, once"
                                        : "export  model and report");
  };
  job.finalist_progress = [&](const nas::Finalist& f, const nas::FinalRun& r, bool done) { progress.finalist(f, r, done); };

  fs::path database = run.folder / "study.db";
  if (const std::string& url = config.text("storage.url"); !url.empty()) {
    if (url.find("://") != std::string::npos && !url.starts_with("sqlite:///"))
      throw InputError("storage.url = " + url + ": expected a file or sqlite:///FILE");
    database = url.starts_with("sqlite:///") ? url.substr(10) : url;
  }
  const auto backend = nas::sqlite_backend(database, true);
  bool exists = false;
  for (const nas::StudySummary& study : backend->studies()) exists = exists || study.name == name;
  const auto storage = exists ? backend->open(name) : backend->create(job.header);
  nas::SearchOutcome outcome;
  const auto how = "lathe search --resume " + run.folder.string();
  try {
    outcome = nas::run_search(job, *storage);
  } catch (const nas::Interrupted&) {
    progress.finish();
    storage->settle();
    throw StoppedByUser("stopped while retraining. Resume: " + how);
  } catch (const InfrastructureError& error) {
    progress.finish();
    throw InfrastructureError(str(error.what(), "; nothing committed is lost. Resume: ", how));
  }
  progress.finish();
  storage->settle();
  if (!outcome.study.finished) {
    if (signals.requested()) throw StoppedByUser(str("stopped at commit ", outcome.study.events, ". Resume: ", how));
    console.note(str("stopped at commit ", outcome.study.events, " as asked. Go on: ", how));
    console.result(str("study   ", outcome.study.hash, "\n"));
    return kDone;
  }
  if (!outcome.complete) {
    console.warn("no trial succeeded: there is no model");
    return kNo;
  }
  if (console.json()) {
    console.json_line("result", [&](JsonWriter& json) {
      json.member("folder", run.folder.string())
          .member("hash", outcome.study.hash)
          .key("results")
          .raw(nas::to_json(outcome.results));
    });
  } else {
    print_result(console, outcome.results, run.folder);
  }
  return outcome.results.winner >= 0 ? kDone : kNo;
}

}  // namespace

Command search_command() {
  Command c;
  c.name = "search";
  c.summary = "search an architecture, retrain the best, test, export, report";
  c.arguments = "DATA|CONFIG";
  c.max_arguments = 1;
  c.examples = {"lathe search reviews.tsv --time 10m", "lathe search reviews.tsv -c lathe.toml --set search.trials=50"};
  c.about =
      "Finds the columns and the task, learns a vocabulary, proposes architectures from [space], trains each for a few epochs, "
      "trains the best again from scratch with several seeds, tests once on rows that nothing else has read, compares with the "
      "default architecture, a bag of words and the majority class, and writes a model folder and a report.\n"
      "\n"
      "The same configuration and data give the same study hash, with any number of workers and after any interruption: the first "
      "^C stops where nothing is lost and says how to resume; a killed search resumes the same way.";
  c.options = {
      {"--time", "TIME", "budget, resolved once into trials and epochs: 90s, 10m, 2h", "search.time"},
      {"--trials", "N", "architectures to try", "search.trials"},
      {"--preset", "NAME", "quick, balanced or thorough", ""},
      {"--text", "COLUMN", "column of the text", "data.text"},
      {"--label", "COLUMN", "column of the label", "data.label"},
      {"--valid", "FILE", "validation file", "data.valid"},
      {"--test", "FILE", "test file", "data.test"},
      {"--out", "FOLDER", "run folder (runs/<data>-<n>)", "output.dir"},
      {"--resume", "FOLDER", "go on with a run that was stopped", ""},
      {"--until-commit", "N", "stop before the study has more events", ""},
      {"--workers", "N", "trials trained at the same time; not part of the study", "search.workers"},
      {"--dry-run", "", "print the plan, run nothing", ""},
  };
  c.groups = kConfigGroup | kEngineGroup | kForceGroup;
  c.run = run_search_command;
  return c;
}

}  // namespace lathe::cli
