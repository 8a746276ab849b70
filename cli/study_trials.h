// The trials of a study as its log tells them, for every study that lathe made: no space and no sampler are needed.
#pragma once
#include <lathe/base/json_writer.h>
#include <lathe/cli/format.h>
#include <lathe/nas/storage/storage.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lathe::cli {

struct TrialRecord {
  std::int64_t number = 0;
  std::string state = "running";
  std::vector<double> values, constraints;
  std::string failure, note;
  std::string point = "{}";  ///< JSON
  struct Report {
    int step = 0;
    std::vector<double> values;
  };
  std::vector<Report> reports;

  bool complete() const { return state == "complete" && !values.empty(); }
  double violation() const;  ///< Σ max(0, constraint)
};

/// Objectives and constraints of a header.
struct Goals {
  std::vector<std::string> metrics, constraints;
  std::vector<bool> maximise;
};

/// By number.
std::vector<TrialRecord> trials_of(const std::vector<nas::RecordedEvent>& events);
/// How many trials the study may have: those of its header, or of the latest extension.
std::int64_t budget_of(const nas::StudyHeader& header, const std::vector<nas::RecordedEvent>& events);
/// Of a header as JSON; one value that is maximised if it says nothing.
Goals goals_of(const std::string& header);

/// Complete trials from the best on, then the others, all by number where nothing else decides. Feasible ones come first. Several
/// objectives: by non-domination rank, within a rank by the first objective.
void sort_best_first(std::vector<TrialRecord>& trials, const Goals& goals);
/// The best complete trial, or with several objectives the Pareto front of the feasible ones (of all, if none is feasible). Empty:
/// nothing is complete.
std::vector<TrialRecord> best_of(std::vector<TrialRecord> trials, const Goals& goals);

/// Columns: trial, state, one for each metric, violation if there are constraints, reports, point.
std::string trial_table(const std::vector<TrialRecord>& trials, const Goals& goals, std::string_view indent = "");
/// Members of a JSON object. One objective: "value", several: "values".
void write_trial(JsonWriter& json, const TrialRecord& trial, const Goals& goals);
/// "20 complete, 3 failed".
std::string count_text(const std::vector<TrialRecord>& trials);

}  // namespace lathe::cli
