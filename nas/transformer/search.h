// A whole search: study, finalists, test, model folder, report. What `lathe search` runs, for programs that embed it.
//
//   auto backend = sqlite_backend("run/study.db", true);
//   auto storage = backend->create(header);
//   SearchOutcome outcome = run_search(job, *storage);          // again after an interruption: goes on where it was
#pragma once
#include <lathe/data/check.h>
#include <lathe/data/load.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/transformer/latency.h>
#include <lathe/nas/transformer/results.h>
#include <lathe/tokenizer/tokenizer.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lathe::nas {

struct SearchJob {
  std::filesystem::path folder;  ///< results.json, report.html, report.md, model/, finalists/ and checkpoints go here
  StudyHeader header;            ///< `trials` points of `space`, judged by set_objectives(); numerics_tag of the backend
  TrainingSetting setting;
  /// What the study executes instead of training in full: a proxy, weights that all share. Null: training.
  std::function<std::unique_ptr<Objective>(const TrainingObjective& full)> evaluation;
  std::string evaluation_name = "train";        ///< as StudySummaryRow::evaluation
  std::shared_ptr<const LatencyModel> latency;  ///< behind setting.latency, for the report; may be null
  /// Measure how long finalists and the default take to answer, and where the winner's time goes. It never decides anything: the
  /// winner must not depend on the machine.
  bool measure = false;
  LatencyLoad load;             ///< what is measured
  std::vector<Target> targets;  ///< that the winner should hold, judged against the default after retraining; in setting.limits too
  std::int64_t finalists = 3;   ///< 0: the study alone; nothing is trained again, tested or exported, no results.json, no report
  std::int64_t seeds = 3;
  std::int64_t finalist_epochs = 0;  ///< 0: as in the search
  /// Called before they are trained, with the seconds that this call spent on the study; may change finalists, seeds,
  /// finalist_epochs and config of the job.
  std::function<void(const History&, double seconds, SearchJob&)> before_finalists;
  std::int64_t ablations = 0;  ///< one-step changes of the winner that are trained to see what its decisions were worth
  bool report = true;
  bool tensorboard = false;  ///< event files in tb/
  std::int64_t date = 0;     ///< seconds since 1970, the only date in them
  std::string license;       ///< for the model card; empty: left out

  const data::ClassificationData* text = nullptr;
  const data::EncodedSplits* rows = nullptr;
  const tokenizer::Tokenizer* tokenizer = nullptr;
  std::string data_name;                                      ///< for people
  std::vector<std::string> warnings;                          ///< of the data check, for the report
  std::vector<std::pair<std::string, std::string>> commands;  ///< for the report
  std::string config;                                         ///< config.toml, for the report

  int workers = 1;  ///< real ones; those that have nothing to do lend their thread
  StopFlag stop;
  std::uint64_t until_event = std::numeric_limits<std::uint64_t>::max();
  std::int64_t extend_to = 0;                             ///< raise the budget of a finished study to so many trials
  Observer* observer = nullptr;                           ///< of the study
  SamplerRegistry samplers = SamplerRegistry::builtin();  ///< those that the header may name
  /// A phase begins: "finalists", "baselines", "measure", "ablations", "export".
  std::function<void(const std::string&)> phase = [](const std::string&) {};
  std::function<void(const Finalist&, const FinalRun&, bool done)> finalist_progress;
};

struct SearchOutcome {
  StudyRun study;
  /// `results` is whole: the study was finished, a trial complete, and there were finalists. Else it has study and trials.
  bool complete = false;
  RunResults results;
};

/// Runs or resumes. Interrupted if the stop flag was set after the study; before that the study's prefix is returned.
/// Errors of execute(), train_finalists() and save_model().
SearchOutcome run_search(const SearchJob& job, Storage& storage);

/// The finalists of a study, and the base candidate as "default" at the end. One objective: the best complete trials by the
/// leaderboard. Several: of the Pareto front (of the leaderboard by the first objective, if no trial is feasible), all, or where
/// there are more than `count`: the best by the first objective, then again and again the one that adds most hypervolume to those
/// chosen (reference: reference_point() of the front; ties: the better one by the first objective). In the order of the first one.
std::vector<Finalist> choose_finalists(const History& history, const StudyHeader& header, const Candidate& base, std::int64_t count,
                                       std::int64_t epochs);

/// How finalists are trained: in <folder>/finalists.
FinalistSetting finalist_setting(const SearchJob& job);

/// edge_warnings() of ranges that can be widened: not those of a parameter that is at its own bound (bounds_of()).
std::vector<EdgeWarning> widenable_edges(const Space& space, const History& history, std::span<const Direction> directions);

// Parts of the record (results.h).
DataSummary summarise_data(const SearchJob& job);
std::vector<TrialRow> summarise_trials(const History& history, const StudyHeader& header, const TrainingObjective& objective);
StudySummaryRow summarise_study(const StudyRun& run, const SearchJob& job);
/// What the preparation of a study (nas/preparation.h) holds about a proxy or shared weights; nothing where it trained in full.
std::optional<CalibrationSummary> summarise_calibration(const std::string& preparation);
HostFacts host_facts(int workers, const std::string& backend);
/// Latency of the models (architectures[i] is that of row i), how well it was foretold, and the parts of the winner; what a limit
/// says about the measured latency of the winner becomes a violation. Interrupted.
void measure_models(RunResults& results, std::span<const nn::TransformerConfig> architectures, const SearchJob& job);

}  // namespace lathe::nas
