// Reads what tests/nas/optuna/*.py wrote: studies of random trials, and Optuna's numbers about them.
#pragma once
#include <fstream>
#include <sstream>

#include "tests/nas/support.h"

namespace lathe::nas::test {

inline std::vector<double> numbers_of(std::string_view text) {
  std::vector<double> out;
  if (text.empty()) return out;
  for (const auto part : split(text, ',')) out.push_back(*parse_double(part));
  return out;
}

/// The spaces of tests/nas/optuna/spaces.py.
inline Space optuna_space(const std::string& name) {
  if (name == "tree")
    return SpaceBuilder()
        .categorical("kind", {"a", "b", "c"})
        .integer("depth", 1, 4)
        .real("x", 0, 1, {.when = "kind == 'a'"})
        .integer("n", 1, 8, {.when = "kind == 'b'"})
        .real("lr", 1e-4, 1e-1, {.log = true, .when = "depth >= 2"})
        .build();
  return SpaceBuilder()
      .real("x", -5, 5)
      .real("lr", 1e-5, 1e-1, {.log = true})
      .integer("n", 1, 10)
      .integer("w", 1, 1000, {.log = true})
      .real("q", 0, 1, {.step = 0.25})
      .categorical("c", {"a", "b", "c"})
      .integer("k", 32, 256, {.step = 32})
      .integer("big", 0, 100000)
      .integer("one", 7, 7)
      .build();
}

/// Adds a finished or running trial to a history, as a study of one virtual worker would.
inline void add_trial(History& history, Point point, TrialState state, std::vector<double> values = {},
                      std::vector<double> constraints = {}) {
  Trial trial;
  trial.number = static_cast<std::int64_t>(history.trials.size());
  trial.point = std::move(point);
  trial.state = state;
  trial.values = std::move(values);
  trial.constraints = std::move(constraints);
  if (state != TrialState::running) history.finished.push_back(trial.number);
  history.trials.push_back(std::move(trial));
}

struct OptunaStudy {
  StudyHeader header;
  History history;
  std::vector<std::vector<std::string>> facts;  ///< the other lines, split at blanks

  SamplerView view() const {
    return {header, history, static_cast<std::int64_t>(history.trials.size()), [](const Point&) { return true; }};
  }
};

inline void read_trial(OptunaStudy& study, const std::vector<std::string>& words) {
  const TrialState state = words[1] == "complete" ? TrialState::complete
                           : words[1] == "pruned" ? TrialState::pruned
                                                  : TrialState::running;
  std::map<std::string, std::string> rest;
  for (std::size_t i = 3; i < words.size(); ++i) {
    const auto at = words[i].find('=');
    rest[words[i].substr(0, at)] = words[i].substr(at + 1);
  }
  std::vector<double> values = numbers_of(rest["values"]);
  if (state == TrialState::pruned) values = {0};
  add_trial(study.history, study.header.space.parse(words[2]), state, values, numbers_of(rest["constraints"]));
  Trial& trial = study.history.trials.back();
  trial.plan.segments.clear();
  for (int step = 1; step <= 5; ++step) trial.plan.segments.push_back({0, step, 1});
  if (rest["reports"].empty()) return;
  for (const auto pair : split(rest["reports"], ',')) {
    const auto colon = pair.find(':');
    const int step = static_cast<int>(*parse_int(pair.substr(0, colon)));
    trial.reports.push_back({step - 1, 0, step, {*parse_double(pair.substr(colon + 1))}, 0, {}});
  }
}

inline std::vector<OptunaStudy> read_optuna(const std::string& file) {
  std::ifstream in(std::string(LATHE_OPTUNA_FOLDER) + "/" + file);
  REQUIRE(in.good());
  std::vector<OptunaStudy> out;
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> words;
    std::istringstream stream(line);
    for (std::string word; stream >> word;) words.push_back(word);
    if (words[0] == "study") {
      out.emplace_back();
      StudyHeader& header = out.back().header;
      header.name = words[1];
      header.space = optuna_space(words[2]);
      header.directions.clear();
      header.metrics.clear();
      for (const auto direction : split(words[3], ',')) {
        header.metrics.push_back(str("m", header.metrics.size()));
        header.directions.push_back(direction == "maximise" ? Direction::maximise : Direction::minimise);
      }
    } else if (words[0] == "trial") {
      read_trial(out.back(), words);
    } else {
      out.back().facts.push_back(words);
    }
  }
  return out;
}

/// Within one part in a million, or 1e-9 where the number is next to nothing.
inline bool close(double a, double b) {
  const double distance = a > b ? a - b : b - a, size = b > 0 ? b : -b;
  return distance <= 1e-6 * size + 1e-9 || a == b;
}

}  // namespace lathe::nas::test
