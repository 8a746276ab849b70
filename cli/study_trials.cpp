#include <lathe/cli/study_trials.h>

#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/pareto.h>

#include <algorithm>
#include <map>
#include <numeric>

#include <nlohmann/json.hpp>

namespace lathe::cli {
namespace {

using Align = TextTable::Align;

/// The rest behind `name=` of a word of the line, or "".
std::string_view word_of(std::string_view line, std::string_view name) {
  for (const std::string_view word : split(line, ' '))
    if (word.starts_with(name) && word.size() > name.size() && word[name.size()] == '=') return word.substr(name.size() + 1);
  return "";
}

std::vector<double> numbers_of(std::string_view line, std::string_view name) {
  std::vector<double> out;
  if (const std::string_view list = word_of(line, name); !list.empty())
    for (const std::string_view text : split(list, ','))
      if (const auto x = parse_double(text)) out.push_back(*x);
  return out;
}

/// "plan=0/1/40,0/2/40" → 1, 2.
std::vector<int> steps_of(std::string_view line) {
  std::vector<int> out;
  for (const std::string_view segment : split(word_of(line, "plan"), ',')) {
    const auto parts = split(segment, '/');
    out.push_back(parts.size() == 3 ? static_cast<int>(parse_int(parts[1]).value_or(0)) : 0);
  }
  return out;
}

std::vector<double> losses_of(const TrialRecord& trial, const Goals& goals) {
  std::vector<double> out;
  for (std::size_t i = 0; i < goals.metrics.size(); ++i) {
    const double value = i < trial.values.size() ? trial.values[i] : 0;
    out.push_back(goals.maximise[i] ? -value : value);
  }
  return out;
}

void write_numbers(JsonWriter& json, const std::vector<double>& numbers) {
  json.begin_array();
  for (const double x : numbers) json.value(x);
  json.end_array();
}

}  // namespace

std::int64_t budget_of(const nas::StudyHeader& header, const std::vector<nas::RecordedEvent>& events) {
  for (auto event = events.rbegin(); event != events.rend(); ++event)
    if (const auto trials = parse_int(word_of(event->line, "trials"))) return *trials;
  return header.trials;
}

double TrialRecord::violation() const {
  double sum = 0;
  for (const double c : constraints) sum += std::max(0.0, c);
  return sum;
}

std::vector<TrialRecord> trials_of(const std::vector<nas::RecordedEvent>& events) {
  std::map<std::int64_t, TrialRecord> trials;
  std::map<std::int64_t, std::vector<int>> steps;
  for (const nas::RecordedEvent& event : events) {
    const std::vector<std::string_view> words = split(event.line, ' ');
    const auto number = parse_int(word_of(event.line, "trial"));
    if (!number || words.size() < 3) continue;
    TrialRecord& trial = trials[*number];
    trial.number = *number;
    if (words[2] == "propose") {
      if (const std::size_t at = event.line.find("point="); at != std::string::npos) trial.point = event.line.substr(at + 6);
      steps[*number] = steps_of(event.line);
    } else if (words[2] == "report") {
      const auto segment = static_cast<std::size_t>(parse_int(word_of(event.line, "segment")).value_or(0));
      const std::vector<int>& of = steps[*number];
      trial.failure = word_of(event.line, "failure");
      trial.note = event.note;
      if (trial.failure.empty()) trial.reports.push_back({segment < of.size() ? of[segment] : 0, numbers_of(event.line, "values")});
    } else if (words[2] == "finish") {
      trial.state = word_of(event.line, "state");
      trial.values = numbers_of(event.line, "values");
      trial.constraints = numbers_of(event.line, "constraints");
    }
  }
  std::vector<TrialRecord> out;
  for (auto& [number, trial] : trials) out.push_back(std::move(trial));
  return out;
}

Goals goals_of(const std::string& header) {
  Goals goals;
  const nlohmann::json json = nlohmann::json::parse(header, nullptr, false);
  if (json.is_object() && json.contains("objectives") && json["objectives"].is_array())
    for (const auto& objective : json["objectives"]) {
      goals.metrics.push_back(objective.value("metric", std::string("value")));
      goals.maximise.push_back(objective.value("direction", std::string()) != "minimise");
    }
  if (json.is_object() && json.contains("constraints")) goals.constraints = json["constraints"].get<std::vector<std::string>>();
  if (goals.metrics.empty()) {
    goals.metrics = {"value"};
    goals.maximise = {true};
  }
  return goals;
}

void sort_best_first(std::vector<TrialRecord>& trials, const Goals& goals) {
  std::stable_partition(trials.begin(), trials.end(), [](const TrialRecord& t) { return t.complete(); });
  nas::LossTable losses(goals.metrics.size());
  std::vector<double> violations;
  for (const TrialRecord& trial : trials) {
    if (!trial.complete()) break;
    losses.add(losses_of(trial, goals));
    violations.push_back(trial.violation());
  }
  // Of one objective the ranks are the values themselves.
  const std::vector<std::size_t> ranks =
      goals.metrics.size() > 1 ? nas::non_domination_ranks(losses, violations) : std::vector<std::size_t>(losses.size());
  std::vector<std::size_t> order(losses.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (ranks[a] != ranks[b]) return ranks[a] < ranks[b];
    return violations[a] != violations[b] ? violations[a] < violations[b] : losses[a][0] < losses[b][0];
  });
  std::vector<TrialRecord> sorted;
  for (const std::size_t i : order) sorted.push_back(std::move(trials[i]));
  std::move(sorted.begin(), sorted.end(), trials.begin());
}

std::vector<TrialRecord> best_of(std::vector<TrialRecord> trials, const Goals& goals) {
  std::erase_if(trials, [](const TrialRecord& t) { return !t.complete(); });
  sort_best_first(trials, goals);
  if (trials.empty()) return trials;
  if (goals.metrics.size() == 1) {
    trials.resize(1);
    return trials;
  }
  nas::LossTable losses(goals.metrics.size());
  std::vector<double> violations;
  for (const TrialRecord& trial : trials) {
    losses.add(losses_of(trial, goals));
    violations.push_back(trial.violation());
  }
  const std::vector<std::size_t> ranks = nas::non_domination_ranks(losses, violations);
  std::size_t front = 0;
  while (front < ranks.size() && ranks[front] == 0) ++front;
  trials.resize(front);
  return trials;
}

std::string trial_table(const std::vector<TrialRecord>& trials, const Goals& goals, std::string_view indent) {
  std::vector<TextTable::Column> columns = {{"trial", Align::right}, {"state", Align::left}};
  for (const std::string& metric : goals.metrics) columns.push_back({metric, Align::right});
  if (!goals.constraints.empty()) columns.push_back({"violation", Align::right});
  columns.push_back({"reports", Align::right});
  columns.push_back({"point", Align::left});
  TextTable table(std::move(columns));
  for (const TrialRecord& trial : trials) {
    std::vector<std::string> cells = {std::to_string(trial.number), trial.state};
    for (std::size_t i = 0; i < goals.metrics.size(); ++i)
      cells.push_back(i < trial.values.size() ? fixed(trial.values[i], 4) : i == 0 ? trial.failure : "");
    if (!goals.constraints.empty()) cells.push_back(trial.constraints.empty() ? "" : number(trial.violation()));
    cells.push_back(std::to_string(trial.reports.size()));
    cells.push_back(trial.note.empty() ? trial.point : str(trial.note, "  ", trial.point));
    table.add(std::move(cells));
  }
  return table.text(indent);
}

void write_trial(JsonWriter& json, const TrialRecord& trial, const Goals& goals) {
  json.member("trial", trial.number).member("state", trial.state);
  if (goals.metrics.size() > 1) {
    json.key("values");
    write_numbers(json, trial.values);
  } else if (trial.values.empty()) {
    json.key("value").null();
  } else {
    json.member("value", trial.values[0]);
  }
  if (!goals.constraints.empty()) {
    json.key("constraints");
    write_numbers(json, trial.constraints);
  }
  json.member("reports", static_cast<std::int64_t>(trial.reports.size())).key("point").raw(trial.point);
  if (!trial.failure.empty()) json.member("failure", trial.failure).member("note", trial.note);
}

std::string count_text(const std::vector<TrialRecord>& trials) {
  std::map<std::string, std::int64_t> states;
  for (const TrialRecord& trial : trials) ++states[trial.state];
  std::string out;
  for (const auto& [state, count] : states) out += str(out.empty() ? "" : ", ", with_commas(count), " ", state);
  return out.empty() ? "none" : out;
}

}  // namespace lathe::cli
