// lathe worker: one more process for a study that others have begun.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/objectives.h>
#include <lathe/cli/preparation.h>
#include <lathe/cli/progress.h>
#include <lathe/cli/run.h>
#include <lathe/cli/search_result.h>
#include <lathe/cli/search_run.h>
#include <lathe/cli/session.h>
#include <lathe/cli/signals.h>
#include <lathe/cli/study_header.h>
#include <lathe/cli/study_source.h>
#include <lathe/nas/controller/controller.h>
#include <lathe/nas/optimize.h>
#include <lathe/nas/transformer/objective.h>

#include <utility>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

/// A line for each segment that this process computes.
class WorkerProgress final : public nas::Observer {
 public:
  explicit WorkerProgress(Console& console) : console_(console), start_(SearchProgress::steady_seconds()) {}
  void computed(const nas::TaskKey& key, const nas::SegmentResult& result) override {
    ++segments_;
    const double seconds = SearchProgress::steady_seconds() - start_;
    if (console_.json())
      return console_.json_line("segment", [&](JsonWriter& json) {
        json.member("time", seconds).member("trial", key.trial).member("segment", key.segment);
        json.member("result", nas::to_text(result));
      });
    console_.note(str("time=", fixed(seconds, 1), " trial=", key.trial, " segment=", key.segment, " ", nas::to_text(result)));
  }
  void retried(const nas::TaskKey& key, const std::string& reason) override {
    console_.warn(str("trial #", key.trial, " runs again: ", reason));
  }
  std::int64_t segments() const { return segments_; }

 private:
  Console& console_;
  double start_;
  std::int64_t segments_ = 0;
};

class Worker {
 public:
  explicit Worker(Invocation& invocation) : invocation_(invocation), console_(invocation.console()) {}

  int run() {
    open();
    nas::StudyHeader header = config_.own_objective() ? study_header(config_, source_.storage->name()) : training_study();
    const std::string recorded = source_.storage->header();
    preparation_ = nas::Preparation::parse(header_object(recorded, "preparation"));
    header.preparation = preparation_.json();
    if (recorded.empty())
      throw InputError(
          str(source_.place, ": study `", source_.storage->name(), "` was not made by lathe; a worker cannot join it"));
    header.warm_start = header_member(recorded, "warm_start");
    require_same(recorded, header.json());
    if (!header.warm_start.empty() && source_.storage->events(0).empty())
      throw InfrastructureError(str(source_.place, ": the study is just being made; start the worker again"));
    const StopSignals signals;
    WorkerProgress progress(console_);
    nas::ExecutorOptions options;
    options.workers = static_cast<int>(invocation_.integer("--workers", 1, 1));
    options.resume = false;  // failures count on: three of one segment stop everybody
    options.stop = signals.flag();
    options.observer = &progress;
    options.samplers = nas::all_samplers();
    const nas::StudyRun run = config_.own_objective() ? help_program(header, options) : help_training(header, options);
    if (!run.finished)
      throw StoppedByUser(
          str("stopped after ", plural(progress.segments(), "segment"), " of its own; the study goes on without it"));
    console_.note(str("the study is finished; ", plural(progress.segments(), "segment"), " of it were computed here"));
    print_hash(console_, run.hash);
    return kDone;
  }

 private:
  /// Configuration and study of RUN, or of DATABASE and -c, or of a configuration that names its database.
  void open() {
    const std::string argument = invocation_.arguments().empty() ? "" : invocation_.arguments()[0];
    const bool is_config = fs::path(argument).extension() == ".toml";
    if (!argument.empty() && !is_config && fs::exists(fs::path(argument) / "config.toml")) {
      folder_ = argument;
      if (!invocation_.value("--config").empty())
        throw InputError(str("two configurations: -c and ", (folder_ / "config.toml").string(), "; give one"));
      for (const char* option : {"--set", "--seed"})
        if (invocation_.has(option)) throw InputError(str(option, " cannot be changed; a worker takes the settings of the run"));
      config_.read_file(folder_ / "config.toml");
      if (invocation_.has("--backend")) config_.set_option("run.backend", invocation_.value("--backend"), "--backend");
      config_.check();
    } else {
      config_ = configuration(invocation_, is_config ? argument : "");
    }
    std::string place = is_config ? "" : argument;
    // A run may keep its study elsewhere. A database that is named comes first: a server has other names on other machines.
    if (place.empty() || (!folder_.empty() && !config_.text("storage.url").empty())) place = config_.text("storage.url");
    if (place.empty()) throw InputError("which study? Name a run folder, or a database and -c its configuration (lathe worker -h)");
    std::string name = invocation_.value("--name", config_.text("storage.name"));
    if (name.empty() && !folder_.empty() && !config_.text("storage.url").empty()) name = study_name(config_, folder_);
    if (const std::string out = invocation_.value("--out"); !out.empty()) folder_ = out;
    source_ = open_study(place, name, while_away(console_));
    if (!config_.own_objective() && config_.text("data.train").empty())
      throw InputError(str(source_.place,
                           ": a worker needs the configuration of the study; give -c FILE, such as the config.toml of "
                           "its run folder"));
  }

  nas::StudyHeader training_study() {
    data_ = load_data(config_, console_);
    load_encodings(config_, data_, console_);
    return training_header(config_, data_, source_.storage->name());
  }

  void require_same(const std::string& recorded, const std::string& now) const {
    try {
      require_same_study(recorded, now, source_.place);
    } catch (const InputError& error) {
      std::string why = error.what();
      if (const std::size_t at = why.find("; start a new one"); at != std::string::npos) why.resize(at);
      throw InputError(why + "; a worker joins only the same study");
    }
  }

  nas::StudyRun help_program(const nas::StudyHeader& header, nas::ExecutorOptions options) {
    source_.storage.reset();
    options.max_failures = static_cast<int>(config_.integer("objective.retries")) + 1;
    nas::Study study(header, source_.backend.get(), nas::all_samplers());
    study.set_max_reports(static_cast<int>(config_.integer("objective.max_reports")));
    const fs::path logs = folder_.empty() ? fs::path() : folder_ / "trials";
    return study.optimize(nas::program(program_options(config_, logs)), std::move(options));
  }

  nas::StudyRun help_training(const nas::StudyHeader& header, nas::ExecutorOptions options) {
    nas::TrainingObjective full(training_setting(config_, data_, preparation_), data_.rows.train, data_.rows.valid);
    if (preparation_.has("supernet") && folder_.empty())
      throw InputError(
          str(source_.place, ": candidates inherit weights, which are kept in the run folder; name it, or give --out FOLDER"));
    if (!folder_.empty()) make_folder(folder_);
    const StudyPlace place{config_, data_, header, folder_, options.workers, options.stop, console_};
    const std::unique_ptr<nas::Objective> cheaper = study_objective(place, full, preparation_);
    std::unique_ptr<nas::CheckpointStore> checkpoints;  // shared where the folder is
    if (!folder_.empty()) checkpoints = nas::file_checkpoints((folder_ / "trials").string());
    options.checkpoints = checkpoints.get();
    return nas::execute(header, cheaper ? *cheaper : full, *source_.storage, options);
  }

  Invocation& invocation_;
  Console& console_;
  Config config_;
  LoadedData data_;
  nas::Preparation preparation_;
  fs::path folder_;  // empty: none
  StudySource source_;
};

int run_worker(Invocation& invocation) { return Worker(invocation).run(); }

}  // namespace

Command worker_command() {
  Command c;
  c.name = "worker";
  c.summary = "help with a study that another process has begun";
  c.arguments = "[RUN|DATABASE|CONFIG]";
  c.max_arguments = 1;
  c.examples = {"lathe worker runs/reviews-1", "lathe worker sqlite:///srv/study.db -c runs/reviews-1/config.toml"};
  c.about =
      "Any number of workers, on any machines that reach the database, compute trials of one study until it is finished. They may "
      "start and die at any time: the study and its hash do not depend on them. lathe search itself, begun with one worker, is one "
      "of them; after the study it retrains and tests.\n"
      "\n"
      "RUN is a run folder. A DATABASE needs the study's configuration too: -c, a copy of the run's config.toml, in which paths "
      "may "
      "differ. CONFIG is a configuration with storage.url. A worker whose configuration, data or numerics are others than the "
      "study's refuses and says which.\n"
      "\n"
      "A segment that fails three times for reasons of the machine stops all of them with exit code 3; lathe search --resume "
      "forgets the failures and goes on.";
  c.options = {
      {"--name", "STUDY", "which study, where the database holds several", ""},
      {"--workers", "N", "trials computed at the same time by this process (1)", ""},
      {"--out", "FOLDER", "where checkpoints and the standard error of programs go; RUN has its own", ""},
      {"--backend", "NAME", "instruction set; all but bf16 and onednn give the same bits", "run.backend"},
  };
  c.groups = kConfigGroup;
  c.run = run_worker;
  return c;
}

}  // namespace lathe::cli
