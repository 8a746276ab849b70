// The Pareto front of a study with several objectives, for page and Markdown.
#include <lathe/base/text.h>
#include <lathe/nas/pareto.h>
#include <lathe/nas/transformer/quantities.h>
#include <lathe/nas/transformer/report_text.h>

#include <algorithm>

namespace lathe::nas {
namespace {

/// Of the study's objective `i`; nothing where the trial has none.
std::optional<double> objective_of(const RunResults& r, const TrialRow& t, std::size_t i) {
  if (i == 0) return t.value;
  for (const auto& [name, value] : t.measures)
    if (name == r.study.objectives[i].first) return value;
  return {};
}

std::string show_objective(const RunResults& r, const std::string& name, double value) {
  for (const QuantityInfo& q : quantities())
    if (q.name == name && !(q.measured && r.study.scored())) return show_value(q.quantity, value);
  return score(value);
}

}  // namespace

std::vector<std::size_t> front_trials(const RunResults& r) {
  const auto& objectives = r.study.objectives;
  if (objectives.size() < 2) return {};
  std::vector<std::size_t> complete, front;
  LossTable losses(objectives.size());
  for (const std::size_t i : trials_by_value(r)) {
    const TrialRow& t = r.trials[i];
    if (t.state != TrialState::complete || t.violation > 0) continue;
    std::vector<double> row;
    for (std::size_t k = 0; k < objectives.size(); ++k)
      if (const auto value = objective_of(r, t, k); value && *value - *value == 0)
        row.push_back(objectives[k].second == "minimise" ? *value : -*value);
    if (row.size() < objectives.size()) continue;
    losses.add(row);
    complete.push_back(i);
  }
  const std::vector<std::size_t> ranks = non_domination_ranks(losses);
  for (std::size_t i = 0; i < complete.size(); ++i)
    if (ranks[i] == 0) front.push_back(complete[i]);
  return front;
}

std::vector<std::string> front_cells(const RunResults& r, const TrialRow& trial) {
  std::vector<std::string> cells;
  for (std::size_t k = 0; k < r.study.objectives.size(); ++k)
    cells.push_back(show_objective(r, r.study.objectives[k].first, objective_of(r, trial, k).value_or(0)));
  return cells;
}

std::string objectives_sentence(const RunResults& r) {
  if (r.study.objectives.size() < 2) return "";
  std::string names;
  for (const auto& [name, direction] : r.study.objectives) names += str(names.empty() ? "" : ", ", direction, " ", name);
  const std::size_t front = front_trials(r).size();
  return str("Objectives: ", names, "; ", front, front == 1 ? " trial is" : " trials are",
             " on the Pareto front: nothing that was tried is better in one of them without being worse in another");
}

}  // namespace lathe::nas
