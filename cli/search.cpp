// lathe search: from labelled text to a searched, retrained, tested and exported model.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/latency.h>
#include <lathe/cli/model_config.h>
#include <lathe/cli/objectives.h>
#include <lathe/cli/preparation.h>
#include <lathe/cli/progress.h>
#include <lathe/cli/run.h>
#include <lathe/cli/search_plan.h>
#include <lathe/cli/search_result.h>
#include <lathe/cli/search_run.h>
#include <lathe/cli/session.h>
#include <lathe/cli/signals.h>
#include <lathe/cli/study_header.h>
#include <lathe/cli/study_source.h>
#include <lathe/nas/controller/controller.h>
#include <lathe/nas/transformer/calibration.h>
#include <lathe/nas/transformer/search.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

/// One call of the command, from the configuration to the result.
class Search {
 public:
  Search(Invocation& invocation, Config config)
      : invocation_(invocation), console_(invocation.console()), config_(std::move(config)), stop_(!console_.can_redraw()) {
    job_.stop = stop_.flag();
  }

  int run() {
    if (invocation_.has("--threads") && invocation_.value("--threads") != "1")
      throw InputError(str("--threads ", invocation_.value("--threads"),
                           ": a search trains candidates side by side; --workers says with how many threads"));
    if (invocation_.has("--resume")) {
      folder_ = invocation_.value("--resume");
      job_.extend_to = extended_budget(invocation_, config_);
      insist();
      load();
    } else if (!begin()) {
      return kDone;
    }
    prepare();
    try {
      return finish(execute());
    } catch (const nas::ProxyRefused& refused) {
      console_.warn(str(refused.what(), ", or train in full (search.evaluate = \"train\"). Nothing is trained again by: ",
                        resume_command(folder_), " --set proxy.force=true"));
      return kNo;
    } catch (const InfrastructureError& error) {
      throw InfrastructureError(str(error.what(), "; nothing committed is lost. Resume: ", resume_command(folder_)));
    }
  }

 private:
  /// A new run; false if only its plan was wanted.
  bool begin() {
    for (const std::string& limit : invocation_.values("--limit")) set_limit(limit);
    require_free_folder(config_, invocation_.has("--force"));
    const nas::StudyHeader header = study_header(config_, "");  // throws before anything is read or written
    if (!config_.text("search.warm_start").empty()) earlier_trials(config_, header);
    for (const std::string& setting : config_.unused()) console_.warn(setting);
    load();
    check_evaluation(config_, data_, header, preparation_);
    const bool dry = invocation_.has("--dry-run");
    if (needs_latency(config_)) find_latency(dry);
    plan_ = plan_search(config_, data_, training_header(config_, data_, "plan"), preparation_, seconds_so_far(), console_, dry);
    if (stop_.requested()) throw StoppedByUser("stopped before anything was written");
    if (dry) {
      console_.note("Nothing was run. Remove --dry-run to start.");
      return false;
    }
    folder_ = new_run_folder(config_, invocation_.has("--force"));
    if (latency_) keep_latency(config_, header.space, data_.task, *latency_, folder_);
    write_file_atomic(folder_ / "config.toml", config_.to_toml(Config::Comments::help, folder_, is_for_training));
    console_.note("writes  " + folder_.string());
    return true;
  }

  double seconds_so_far() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

  /// Of search.time what the study left.
  void use_the_rest(const nas::History& history, double searched, nas::SearchJob& job) {
    const nas::SearchSize& wanted = plan_.wanted;
    const std::int64_t candidates = resolve_finalists(config_, plan_, seconds_so_far(), searched, history, job);
    job_.finalists = job.finalists = config_.integer("finalists.count");
    job_.seeds = job.seeds = config_.integer("finalists.seeds");
    job.finalist_epochs = config_.integer("finalists.epochs");
    if (job.finalists < candidates || job.seeds < wanted.seeds || job.finalist_epochs < wanted.finalist_epochs)
      console_.note(str("retrain ", plural(job.finalists, "finalist"), " x ", plural(job.seeds, "seed"), ", ",
                        plural(job.finalist_epochs, "epoch"), " instead of ", wanted.finalists, " x ", wanted.seeds, ", ",
                        wanted.finalist_epochs, ": the time asked for leaves no more"));
    write_file_atomic(folder_ / "config.toml", config_.to_toml(Config::Comments::help, folder_, is_for_training));
    job.config = config_.to_toml(Config::Comments::none, folder_, is_for_training);
  }

  /// --set of --resume: another threshold for a calibration that was refused, which then need not be made again.
  void insist() {
    if (!invocation_.has("--set")) return;
    if (recorded_preparation(config_, folder_, study_name(config_, folder_), console_))
      throw InputError(str(folder_.string(), ": the study has begun; what it trusts cannot be changed any more"));
    write_file_atomic(folder_ / "config.toml", config_.to_toml(Config::Comments::help, folder_, is_for_training));
  }

  /// Before the plan: trials within the limit are smaller. Of latency.from, of the study that is joined, or measured. Nothing is
  /// written yet, and a run that is to be replaced is still there: the plan may find that nothing is within the limits.
  void find_latency(bool dry) {
    const bool given = !config_.text("latency.from").empty();
    if (dry && !given) return;
    if (!given && !config_.text("storage.url").empty()) {
      const fs::path folder = next_run_folder(config_);
      if (auto recorded = recorded_preparation(config_, folder, study_name(config_, folder), console_)) {
        preparation_ = std::move(*recorded);
        return;
      }
    }
    try {
      nas::LatencyModel model = latency_model(config_, make_space(config_), data_.task, {}, stop_.flag(), console_);
      preparation_.set("latency", model.json());
      if (!given) latency_ = std::move(model);
    } catch (const nas::Interrupted&) {
      throw StoppedByUser("stopped while latency was measured; nothing was kept");
    }
  }

  void load() {
    data_ = load_data(config_, console_);
    load_encodings(config_, data_, console_);
    for (const auto& [part, rows] : {std::pair("validation", &data_.rows.valid), std::pair("test", &data_.rows.test)})
      if (rows->rows() == 0)
        throw InputError(str("data.split leaves no ", part,
                             " rows: a search chooses by validation rows and tests its winner once; give ",
                             "both a share, or name data.valid and data.test"));
  }

  /// NAME=VALUE of --limit.
  void set_limit(const std::string& text) {
    const std::size_t at = text.find('=');
    const std::string path = "limits." + text.substr(0, at);
    if (at == std::string::npos) throw InputError(str("--limit ", text, ": expected NAME=VALUE, such as params=2M"));
    if (!find_key(path)) throw InputError(str("--limit ", text, ": ", unknown_key(path)));
    config_.set_option(path, text.substr(at + 1), "--limit " + text.substr(0, at));
  }

  void prepare() {
    job_.folder = folder_;
    job_.header = training_header(config_, data_, study_name(config_, folder_));
    job_.targets = targets_of(config_);
    job_.measure = config_.flag("finalists.measure");
    job_.load = {config_.integer("latency.batch"), config_.integer("latency.tokens"),
                 static_cast<int>(config_.integer("latency.threads"))};
    job_.finalists = config_.integer("finalists.count");
    job_.seeds = config_.integer("finalists.seeds");
    job_.ablations = config_.integer("finalists.ablations");
    job_.finalist_epochs = config_.integer("finalists.epochs");
    job_.report = config_.flag("output.report");
    job_.tensorboard = config_.flag("output.tensorboard");
    if (const char* date = std::getenv("SOURCE_DATE_EPOCH")) job_.date = parse_int(date).value_or(0);
    job_.license = config_.text("output.license");
    job_.text = &data_.text;
    job_.rows = &data_.rows;
    job_.tokenizer = &*data_.tokenizer;
    job_.data_name = config_.file("data.train").filename().string();
    job_.warnings = data_.warnings;
    job_.config = config_.to_toml(Config::Comments::none, folder_, is_for_training);
    job_.commands = {{"Search again, to the same study hash", "lathe search " + folder_name(folder_) + "/config.toml --out again"},
                     {"Print the study hash", "lathe study hash " + folder_name(folder_)},
                     {"Classify a text", "lathe predict " + folder_name(folder_) + "/model \"your text\""}};
    job_.workers = worker_count(config_);
    job_.until_event = until_commit(invocation_);
  }

  SearchProgress::Setup progress_setup(const nas::StopFlag& stop) const {
    SearchProgress::Setup setup;
    setup.trials = std::max(job_.header.trials, job_.extend_to);
    setup.metrics = job_.header.metrics;
    if (config_.text("search.evaluate") == "proxy" && config_.text("proxy.kind") != "training")
      for (std::string& metric : setup.metrics)
        if (nas::is_measured(nas::quantity(metric))) metric = job_.evaluation_name;  // what is shown is a score
    setup.direction = job_.header.directions[0];
    setup.workers = job_.workers;
    setup.epochs = job_.setting.base.training.epochs;
    setup.stop = stop;
    setup.architecture = [this](const nas::Point& p) {
      return nas::apply(job_.setting.base, p).architecture(data_.task).summary();
    };
    setup.facts = [this](const nas::Point& p) {
      const nn::TransformerConfig architecture = nas::apply(job_.setting.base, p).architecture(data_.task);
      return std::vector<std::pair<std::string, std::int64_t>>{{"params", nn::count_parameters(architecture)}};
    };
    return setup;
  }

  void watch(SearchProgress& progress) {
    job_.observer = &progress;
    job_.phase = [this, &progress](const std::string& phase) {
      study_done_ = true;
      if (phase == "finalists") {
        console_.note(
            str("retrain ", plural(job_.finalists, "finalist"), " and the default, ", plural(job_.seeds, "seed"), " each"));
        progress.begin_finalists((job_.finalists + 1) * job_.seeds);
      } else {
        progress.finish();
        console_.note(phase == "baselines"   ? "test    finalists and baselines, once"
                      : phase == "measure"   ? "measure how long the models take to answer"
                      : phase == "ablations" ? str("retrain up to ", plural(job_.ablations, "one-step change"), " of the winner")
                                             : "export  model and report");
      }
    };
    if (plan_.seconds > 0)
      job_.before_finalists = [this](const nas::History& history, double searched, nas::SearchJob& job) {
        use_the_rest(history, searched, job);
      };
    job_.finalist_progress = [&progress](const nas::Finalist& f, const nas::FinalRun& r, bool done) {
      progress.finalist(f, r, done);
    };
  }

  StudyPlace place() { return {config_, data_, job_.header, folder_, job_.workers, job_.stop, console_}; }

  /// What decides the study beside configuration and data: from its header, or measured and trained now.
  void prepare_before_the_study() {
    try {
      auto recorded = recorded_preparation(config_, folder_, job_.header.name, console_);
      if (!recorded) {
        preparation_ = prepare_study(place(), std::move(preparation_));
        recorded = recorded_preparation(config_, folder_, job_.header.name, console_);  // another process may have been faster
      }
      if (recorded) preparation_ = std::move(*recorded);
    } catch (const nas::Interrupted&) {
      throw StoppedByUser("stopped before the study began. Resume: " + resume_command(folder_));
    }
    job_.header.preparation = preparation_.json();
  }

  /// Once the study is known to be this one.
  void use_preparation() {
    job_.setting = training_setting(config_, data_, preparation_);
    job_.evaluation = [this](const nas::TrainingObjective& full) { return study_objective(place(), full, preparation_); };
    job_.evaluation_name = evaluation_name(config_);
    job_.latency = latency_of(preparation_);
    if (job_.latency) job_.commands[0].second += " --latency-from " + folder_name(folder_);
  }

  nas::SearchOutcome execute() {
    prepare_before_the_study();
    const StudySource source = open_or_create_study(config_, folder_, job_.header, invocation_.has("--resume"), console_);
    use_preparation();
    SearchProgress progress(console_, progress_setup(stop_.flag()));
    watch(progress);
    job_.samplers = nas::all_samplers();
    nas::SearchOutcome outcome;
    try {
      outcome = nas::run_search(job_, *source.storage);
    } catch (const nas::Interrupted&) {
      progress.finish();
      source.storage->settle();
      throw StoppedByUser(str(study_done_ ? "stopped while retraining; the study is complete" : "stopped before the study went on",
                              ". Resume: ", resume_command(folder_)));
    } catch (const InfrastructureError&) {
      progress.finish();
      throw;
    }
    progress.finish();
    source.storage->settle();
    if (!outcome.study.finished && stop_.requested())
      throw StoppedByUser(str("stopped at commit ", outcome.study.events, ". Resume: ", resume_command(folder_)));
    return outcome;
  }

  int finish(const nas::SearchOutcome& outcome) {
    if (!outcome.study.finished) {
      console_.note(str("stopped at commit ", outcome.study.events, " as asked. Go on: ", resume_command(folder_)));
      print_hash(console_, outcome.study.hash);
      return kDone;
    }
    if (job_.finalists == 0)
      if (const std::optional<bool> feasible = print_best(console_, outcome, folder_)) return *feasible ? kDone : kNo;
    if (!outcome.complete) {
      console_.warn("no trial was completed: there is no model; lathe study show " + folder_.string() + " tells why");
      print_hash(console_, outcome.study.hash);
      return kNo;
    }
    print_result(console_, outcome, folder_);
    if (outcome.results.winner < 0) return kNo;
    const nas::ModelRow& winner = outcome.results.models[static_cast<std::size_t>(outcome.results.winner)];
    for (const std::string& violation : winner.violations) console_.warn("the winner: " + violation);
    return winner.violations.empty() ? kDone : kNo;
  }

  Invocation& invocation_;
  Console& console_;
  Config config_;
  LoadedData data_;
  fs::path folder_;
  nas::SearchJob job_;
  nas::Preparation preparation_;
  std::optional<nas::LatencyModel> latency_;  // measured by this call
  StopSignals stop_;
  bool study_done_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  TimePlan plan_;
};

int run_search_command(Invocation& invocation) {
  Config config = invocation.has("--resume") ? resumed_configuration(invocation) : configuration(invocation);
  return config.own_objective() ? search_program(invocation, std::move(config)) : Search(invocation, std::move(config)).run();
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
      "^C stops where nothing is lost and says how to resume; a killed search resumes the same way. --resume takes data and "
      "settings "
      "from the run; with --trials it adds trials to a finished one.";
  c.options = {
      {"--time", "TIME", "budget, resolved once into trials and epochs: 90s, 10m, 2h", "search.time"},
      {"--trials", "N", "architectures to try", "search.trials"},
      {"--preset", "NAME", "quick, balanced or thorough", ""},
      {"--limit", "NAME=VALUE", "what a model may cost: params=2M, latency_ms=5, \"target=accuracy >= 0.95 * default\"", "", true},
      {"--latency-from", "STUDY", "run or database whose measurements of latency are used again", "latency.from"},
      {"--text", "COLUMN", "column of the text", "data.text"},
      {"--label", "COLUMN", "column of the label", "data.label"},
      {"--valid", "FILE", "validation file", "data.valid"},
      {"--test", "FILE", "test file", "data.test"},
      {"--out", "FOLDER", "run folder (runs/<data>-<n>)", "output.dir"},
      {"--resume", "FOLDER", "go on with a run that was stopped", ""},
      {"--until-commit", "N", "stop before the study has more events", ""},
      {"--warm-start", "STUDY", "run or database whose trials the sampler sees from the start", "search.warm_start"},
      {"--workers", "N", "trials trained at the same time; not part of the study", "search.workers"},
      {"--dry-run", "", "print the plan, run nothing", ""},
  };
  c.groups = kConfigGroup | kEngineGroup | kForceGroup;
  c.run = run_search_command;
  return c;
}

}  // namespace lathe::cli
