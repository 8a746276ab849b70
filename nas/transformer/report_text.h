// The words that the report, its Markdown form and the model card share. Private to nas/transformer.
#pragma once
#include <lathe/nas/transformer/results.h>

namespace lathe::nas {

/// Text for a cell or a line of Markdown: one line, and nothing in it is read as a table, markup or HTML.
std::string markdown_text(std::string_view text);
/// Text as a Markdown code span, fenced by more backticks than it holds in a row.
std::string markdown_code(std::string_view text);
/// verdict_lines() as a list.
std::string verdict_markdown(const RunResults& results);
/// The leaderboard: every finalist, the default and the baselines.
std::string model_table_markdown(const RunResults& results);

/// "0.8420", "12,345", or "-" for a number that is not finite.
std::string score(double value);
/// Signed: "+0.0190".
std::string signed_score(double value);
/// "time of search"; of a resumed run the last call's alone is known.
std::string time_of(const RunResults& r, const std::string& phase);
/// "5.2 MB" (10⁶).
std::string megabytes(std::int64_t bytes);
/// "4.21": of a latency; "-" where it is not known.
std::string milliseconds(double ms);
/// "0.831–0.853": the 95 % interval of a test score.
std::string interval_text(const ModelRow& model);
std::string interval_text(const BaselineRow& baseline, const std::string& metric);
/// "6 m 10 s".
std::string duration_text(double seconds);
/// What the search would do with twice the budget, and whether it beat luck; each with its assumption. May be empty.
std::vector<std::string> outlook_sentences(const RunResults& results);
/// A baseline in the metric of the run.
double baseline_score(const BaselineRow& baseline, const std::string& metric);
/// No seed of it gave a model.
bool all_failed(const ModelRow& model);

/// "64 trials from 1,200 architectures: 40 complete, 20 stopped early, 4 failed; best #31 with 0.8412".
std::string search_sentence(const RunResults& results);
/// What TrialRow::value is: "validation accuracy", "validation accuracy with shared weights", "synflow score", "params".
std::string value_name(const RunResults& results);
/// Of two values of trials; smaller ones may be better.
bool better_value(const RunResults& results, double a, double b);
/// How good a trial is by the metric, as its evaluation told (by the score, if study.scored()); nothing where it did not.
std::optional<double> quality_of(const RunResults& results, const TrialRow& trial);
/// The name of quality_of().
std::string quality_name(const RunResults& results);
/// Complete trials by value, best first, equal ones by number; then those that break a constraint, by how much; then stopped ones,
/// then the rest. Indices into results.trials.
std::vector<std::size_t> trials_by_value(const RunResults& results);
/// Of a study with several objectives the feasible complete trials that no other one dominates, best first by the first objective;
/// of one objective none. Indices into results.trials.
std::vector<std::size_t> front_trials(const RunResults& results);
/// A trial's objectives for people, in the order of the study.
std::vector<std::string> front_cells(const RunResults& results, const TrialRow& trial);
/// "Objectives: maximise accuracy, minimise params; 4 trials are on the Pareto front: …"; empty for one objective.
std::string objectives_sentence(const RunResults& results);
/// Of one text, milliseconds, where it was foretold.
std::optional<double> predicted_latency(const TrialRow& trial);
bool any_latency(const RunResults& results);  ///< of a model, measured
/// What stands behind importances, as a sentence, and whether that is enough to show them.
std::string importance_sentence(const RunResults& results);
bool shows_importance(const RunResults& results);
/// "layers 3, heads 4".
std::string point_text(const std::vector<std::pair<std::string, std::string>>& parameters);

}  // namespace lathe::nas
