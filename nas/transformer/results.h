// Everything that a finished run has to say: what the report, the model card and `lathe report` are made from.
//
// Kept as results.json in the run folder. A report is a function of this record alone, so the same run gives the same bytes.
#pragma once
#include <lathe/data/encode.h>
#include <lathe/data/metrics.h>
#include <lathe/nas/study.h>
#include <lathe/nas/transformer/finalists.h>
#include <lathe/nas/why.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe::nas {

struct DataSummary {
  std::string name;                      ///< of the file, for people
  std::vector<std::string> notes;        ///< what was found: columns, split, rows left out
  std::vector<std::string> warnings;     ///< of the data check
  std::vector<std::string> labels;       ///< class id → name
  std::vector<std::int64_t> class_rows;  ///< training rows of each class
  std::int64_t train_rows = 0, valid_rows = 0, test_rows = 0;
  std::int64_t train_tokens = 0, max_tokens = 0, cut_rows = 0, vocabulary = 0;
  std::vector<std::int64_t> length_counts;  ///< training rows of 1, 2, …, max_tokens tokens
  std::string hash;
};

struct TrialRow {
  std::int64_t number = 0;
  TrialState state = TrialState::complete;
  std::optional<double> value;                                  ///< first objective (the metric); nothing after a failure
  std::string architecture;                                     ///< one line
  std::vector<std::pair<std::string, std::string>> parameters;  ///< name, value as shown
  std::vector<double> curve;                                    ///< first measured objective after each reported epoch
  std::int64_t params = 0, flops = 0, memory = 0;  ///< flops of answering one sentence; accounted training peak in bytes
  std::uint64_t finish_event = 0;
  std::string note;                                      ///< of a failure
  std::vector<train::EpochResult> epochs;                ///< losses and scores of the reported epochs, where the storage has them
  std::optional<double> latency_ms;                      ///< predicted
  std::vector<std::pair<std::string, double>> measures;  ///< further objectives and constraints, as the study names them
  double violation = 0;                                  ///< nas::violation(); 0: feasible
};

struct StudySummaryRow {
  std::string name, hash, metric, sampler, pruner, numerics;
  std::uint64_t seed = 0, events = 0;
  int virtual_workers = 0;
  std::int64_t budget = 0;
  bool finished = false, exhausted = false;
  std::string space;                                            ///< number of points, as text
  std::vector<std::pair<std::string, std::string>> objectives;  ///< name, "maximise" or "minimise"; the first one is `metric`
  /// What told the trials' values: "train", "inherited", "proxy" (a cheaper training), or a score's name, such as "synflow".
  std::string evaluation = "train";
  /// A score of untrained networks, no validation score.
  bool scored() const { return evaluation != "train" && evaluation != "proxy" && evaluation != "inherited"; }
  std::vector<std::string> hints;  ///< "`lr` is at the top of its range …"
};

/// Of one text, milliseconds. Not a number: not known.
struct ModelLatency {
  double predicted = std::numeric_limits<double>::quiet_NaN();
  double p50 = std::numeric_limits<double>::quiet_NaN();
  double p95 = std::numeric_limits<double>::quiet_NaN();
};

/// A row of the verdict: a finalist or the default architecture.
struct ModelRow {
  std::string name;  ///< "#31", "default"
  std::string architecture;
  std::vector<std::pair<std::string, std::string>> parameters;
  double valid = 0, test = 0, half_width = 0, macro_f1 = 0;
  double low = std::numeric_limits<double>::quiet_NaN();  ///< 95 % interval of `test`; not a number: test ± half_width
  double high = std::numeric_limits<double>::quiet_NaN();
  std::int64_t params = 0, bytes = 0, flops = 0, memory = 0;  ///< memory: accounted peak of training, in bytes
  std::int64_t answer_memory = 0;  ///< accounted peak of answering one text of max_tokens tokens; 0: unknown
  int seeds = 0, failed = 0;
  std::optional<PairedDifference> to_default;           ///< of accuracy on the test rows
  std::optional<PairedDifference> of_winner;            ///< the winner's accuracy less this one's; of winner and default none
  std::vector<std::vector<train::EpochResult>> curves;  ///< one a seed
  std::string config;                                   ///< architecture as TransformerConfig::to_json(); empty: unknown
  std::optional<ModelLatency> latency;
  std::vector<std::string> violations;  ///< limits that its measured quantities break, as sentences
  std::vector<TargetCheck> targets;     ///< limits.target after retraining; of the default none
};

struct BaselineRow {
  std::string name;  ///< "bag of words", "majority class"
  double accuracy = 0, macro_f1 = 0, half_width = 0;
  double low = std::numeric_limits<double>::quiet_NaN();  ///< as in ModelRow, of the run's metric
  double high = std::numeric_limits<double>::quiet_NaN();
};

struct Mistake {
  std::string place, text, truth, predicted;
  double confidence = 0;
};

/// Confident answers should be right as often as they say (Guo et al., ICML 2017): rows of the exported training by confidence.
struct ReliabilityBin {
  std::int64_t rows = 0;
  double confidence = 0;  ///< mean
  std::int64_t right = 0;
};
/// Ten bins of equal width over [0, 1]; empty ones are left out.
std::vector<ReliabilityBin> reliability(std::span<const float> confidence, std::span<const std::int32_t> answers,
                                        std::span<const std::int32_t> truth);
/// Expected calibration error: Σ rows/n · |right/rows − confidence|.
double calibration_error(std::span<const ReliabilityBin> bins);

/// A parameter of the space, for plots.
struct ParameterRow {
  std::string name;
  bool log = false;
  double low = 0, high = 0;          ///< of a range of numbers
  std::vector<std::string> choices;  ///< its values in order, where they are few or not numbers; empty: a range
  double importance = 0;             ///< share of PED-ANOVA's sum; 0 where it occurs in no complete trial
  std::string edge;                  ///< "top" or "bottom" where the best trials lie there and it can be widened, else empty
};

/// Part of a network: what it costs for one text. Not a number: not measured.
struct LayerCostRow {
  std::string name;
  std::int64_t params = 0, flops = 0, memory = 0;
  double ms = std::numeric_limits<double>::quiet_NaN();
};

/// How well the latency model predicts what was measured on this machine.
struct LatencyRow {
  std::string name;
  double predicted = 0, measured = 0;  ///< milliseconds
};
struct LatencySummary {
  std::vector<LatencyRow> samples;
  double tau = 0;         ///< Kendall's, of predicted and measured
  double mean_error = 0;  ///< mean of |predicted − measured| / measured
  std::int64_t batch = 1, tokens = 0, threads = 1;
  std::string note;  ///< that the machine drifted, …; empty: nothing to say
};

/// A limit of the search: "latency_ms", "params" or "memory_mb", in that unit, with its text ("latency_ms <= 5").
struct LimitRow {
  std::string quantity;
  double limit = 0;
  std::string text;
};

/// How well what judged the trials ranks architectures like the training in full (calibration.h).
struct CalibrationSummary {
  std::string metric;  ///< that was compared
  std::int64_t architectures = 0;
  double tau = std::numeric_limits<double>::quiet_NaN();  ///< Kendall's, with its 95 % interval; not a number: undefined
  double low = 0, high = 0;
  double params_tau = std::numeric_limits<double>::quiet_NaN();  ///< of the number of parameters alone
  double threshold = 0.5;                                        ///< that `low` should reach
  bool trusted = false;                                          ///< it does; else the search was forced
};

/// Why this one (nas/why.h).
struct Explanation {
  std::vector<ParameterRow> parameters;
  std::int64_t trial = -1;  ///< the winner's, which `effects` are around; −1: none
  std::vector<Effect> effects;
  std::vector<BestAfter> outlook;    ///< best validation metric after so many trials, up to twice as many
  std::vector<BestAfter> by_luck;    ///< the same by the study's own random trials, up to as many as it had
  std::int64_t random_trials = 0;    ///< behind `by_luck`
  std::int64_t finished_trials = 0;  ///< behind `outlook`
};

struct HostFacts {
  std::string cpu, backend, compiler, system;
  int cores = 0, workers = 0;
};

struct RunResults {
  DataSummary data;
  StudySummaryRow study;
  std::vector<TrialRow> trials;  ///< by number
  std::vector<ModelRow> models;  ///< finalists by validation, best first; the default last
  int winner = -1;               ///< index into models; −1: no training succeeded
  int winner_seed = 0;           ///< its exported training
  std::string metric;            ///< "accuracy" or "macro_f1"
  std::vector<BaselineRow> baselines;
  std::optional<PairedDifference> winner_to_bag_of_words, winner_to_majority;
  data::ConfusionMatrix confusion;  ///< of the exported training on the test rows
  std::vector<Mistake> mistakes;    ///< the most confident errors
  std::vector<ReliabilityBin> reliability;
  Explanation why;
  std::vector<LimitRow> limits;
  std::optional<LatencySummary> latency;
  std::optional<CalibrationSummary> calibration;              ///< of a proxy or of shared weights
  std::vector<LayerCostRow> layers;                           ///< of the winner, in order of computation
  std::vector<std::pair<std::string, std::string>> commands;  ///< what it does, the command
  std::vector<std::pair<std::string, double>> seconds;        ///< phase, wall clock: host facts, outside every hash
  bool resumed = false;                                       ///< those of the last call alone: the study had begun before it
  std::string config;                                         ///< config.toml of the run
  std::string version;
  HostFacts host;
};

/// results.json. Reading: InputError "<where>: …".
std::string to_json(const RunResults& results);
RunResults run_results(std::string_view json, const std::string& where);

/// Fills `results.why` for the winner among `results.models` (the best trial, if there is none).
void explain(RunResults& results, const History& history, const StudyHeader& header);

/// A sentence under the verdict.
struct VerdictLine {
  enum class Kind { note, target, hint };
  Kind kind = Kind::note;
  bool warn = false;  ///< not to be overlooked
  std::string text;
};
const char* kind_name(VerdictLine::Kind kind);  ///< "note", "target", "hint"
/// What is better than what, what cannot be told apart, which targets hold, what the finalists break, hints. Terminal, page,
/// Markdown and model card all say these.
std::vector<VerdictLine> verdict_lines(const RunResults& results);

/// How well what judged the trials ranks, if it was not the training in full.
std::optional<VerdictLine> calibration_line(const RunResults& results);

/// The report as Markdown, and as one self-contained page (no requests, works without script, light and dark, prints on A4).
std::string report_markdown(const RunResults& results);
std::string report_html(const RunResults& results);
/// README.md of the model folder: YAML front matter (model-index) and the sections of a model card.
std::string model_card(const RunResults& results, const std::string& license);

}  // namespace lathe::nas
