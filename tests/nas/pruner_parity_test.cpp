// The pruners against Optuna 5.0.0 and SciPy: pruners.txt, written by make_pruners.py.
#include <cmath>
#include <map>
#include <memory>

#include "tests/nas/support.h"

#include <lathe/base/file.h>
#include <lathe/nas/pruner/hyperband.h>
#include <lathe/nas/pruner/wilcoxon.h>

using namespace lathe;
using namespace lathe::nas;
using nas::test::contains;
using nas::test::message_of;

namespace {

double to_double(std::string_view text) {
  if (text == "nan") return std::nan("");
  const auto value = parse_double(text);
  REQUIRE_MESSAGE(value.has_value(), text);
  return *value;
}

/// `study <pruner> <direction> <seed> [setting=value …]`
StudyHeader header_of(const std::vector<std::string_view>& words) {
  StudyHeader header;
  header.pruner = PrunerRegistry::builtin().resolve(std::string(words[1]));
  header.directions = {words[2] == "maximise" ? Direction::maximise : Direction::minimise};
  header.seed = static_cast<std::uint64_t>(*parse_int(words[3]));
  for (std::size_t i = 4; i < words.size(); ++i) {
    const auto equals = words[i].find('=');
    header.pruner_settings[std::string(words[i].substr(0, equals))] = to_double(words[i].substr(equals + 1));
  }
  return header;
}

/// One history, replayed report by report.
struct Replay {
  explicit Replay(const StudyHeader& h) : header(h), pruner(PrunerRegistry::builtin().make(h)) {}

  Trial& report(const std::vector<std::string_view>& words) {
    const auto number = static_cast<std::size_t>(*parse_int(words[1]));
    while (history.trials.size() <= number) {
      history.trials.emplace_back();
      history.trials.back().number = static_cast<std::int64_t>(history.trials.size()) - 1;
    }
    Trial& trial = history.trials[number];
    trial.reports.push_back({static_cast<int>(trial.reports.size()),
                             static_cast<int>(*parse_int(words[2])),
                             static_cast<int>(*parse_int(words[3])),
                             {to_double(words[4])},
                             ++now,
                             {}});
    return trial;
  }
  void finish(Trial& trial, TrialState state, std::vector<double> values) {
    trial.state = state;
    trial.values = std::move(values);
    trial.finished = now;
    history.finished.push_back(trial.number);
  }

  StudyHeader header;
  std::unique_ptr<Pruner> pruner;
  History history;
  std::uint64_t now = 0;
};

}  // namespace

TEST_CASE("pruners: the answers of Optuna 5.0.0, also from a pruner that has just begun") {
  const std::string text = read_file(LATHE_PRUNERS);
  std::unique_ptr<Replay> replay;
  std::map<std::string, std::pair<int, int>> questions;  // by pruner: asked, stopped
  for (const std::string_view line : split(text, '\n')) {
    const auto words = split(line, ' ');
    if (words[0] == "study") {
      replay = std::make_unique<Replay>(header_of(words));
    } else if (words[0] == "report") {
      Trial& trial = replay->report(words);
      const bool expected = words[5] == "1";
      CAPTURE(replay->header.pruner);
      CAPTURE(line);
      CHECK(replay->pruner->stops(replay->history, trial) == expected);
      CHECK(PrunerRegistry::builtin().make(replay->header)->stops(replay->history, trial) == expected);
      auto& [asked, stopped] = questions[replay->header.pruner];
      ++asked;
      stopped += expected;
      if (expected) replay->finish(trial, TrialState::pruned, {});
    } else if (words[0] == "last") {
      replay->finish(replay->report(words), TrialState::complete, {to_double(words[5])});
    }
  }
  CHECK(questions.size() == 8);
  for (const auto& [tag, count] : questions) {
    CAPTURE(tag);
    CHECK(count.first > 80);   // the histories exercise
    CHECK(count.second >= 5);  // what they should
  }
}

TEST_CASE("wilcoxon: p values of SciPy, exact and approximate, with ties and zeros") {
  int compared = 0;
  const std::string text = read_file(LATHE_PRUNERS);
  for (const std::string_view line : split(text, '\n')) {
    const auto words = split(line, ' ');
    if (words[0] != "p") continue;
    std::vector<double> differences;
    for (std::size_t i = 2; i < words.size(); ++i) differences.push_back(to_double(words[i]));
    CAPTURE(line);
    CHECK(wilcoxon_p_greater(differences) == doctest::Approx(to_double(words[1])).epsilon(1e-12));
    ++compared;
  }
  CHECK(compared == 27);
  CHECK(std::isnan(wilcoxon_p_greater({})));
}

TEST_CASE("hyperband: the number of brackets is exact where a logarithm of floating-point numbers loses one") {
  StudyHeader header;
  const auto brackets = [&](double most, double factor, double least) {
    header.pruner_settings = {{"max_resource", most}, {"reduction_factor", factor}, {"min_resource", least}};
    return HyperbandPruner(header).brackets();
  };
  CHECK(brackets(243, 3, 1) == 6);
  CHECK(brackets(242, 3, 1) == 5);
  CHECK(brackets(1000, 10, 1) == 4);
  CHECK(brackets(999, 10, 1) == 3);
  CHECK(brackets(5, 3, 5) == 1);
  CHECK(brackets(1e9, 2, 1) == 30);
  CHECK(crc32("123456789") == 0xCBF43926u);  // the check value of the standard
  header.pruner_settings = {{"max_resource", 27}};
  header.seed = 11;
  const HyperbandPruner pruner(header);
  std::vector<int> members(4);
  for (int i = 0; i < 5000; ++i) ++members[pruner.bracket(i)];
  // Shares 27, 6, 6, 4 ⌈4·27/4⌉, ⌈4·9/3⌉, ⌈4·3/2⌉, ⌈4·1/1⌉ = 27, 12, 6, 4 of 49.
  const double shares[] = {27, 12, 6, 4};
  for (std::size_t b = 0; b < 4; ++b) CHECK(members[b] == doctest::Approx(5000 * shares[b] / 49).epsilon(0.15));
}

TEST_CASE("pruners: settings and names are checked") {
  const auto refusal = [](const std::string& pruner, Settings settings) {
    StudyHeader header;
    header.pruner = pruner;
    header.pruner_settings = std::move(settings);
    return message_of([&] { PrunerRegistry::builtin().make(header); });
  };
  CHECK(contains(refusal("asha", {{"min_resourc", 1}}), "did you mean `min_resource`?"));
  CHECK(contains(refusal("asha", {{"reduction_factor", 1}}), "reduction_factor is 1, expected a whole number of at least 2"));
  CHECK(contains(refusal("asha", {{"bootstrap_count", 1}}), "bootstrap_count needs a min_resource"));
  CHECK(contains(refusal("hyperband", {{"min_resource", 4}, {"max_resource", 3}}),
                 "max_resource is 3, expected at least min_resource, 4"));
  CHECK(contains(refusal("hyperband", {{"bootstrap_count", 2}}), "bootstrap_count needs a max_resource"));
  CHECK(contains(refusal("threshold", {}), "lower"));
  CHECK(contains(refusal("threshold", {{"lower", 2}, {"upper", 1}}), "lower"));
  CHECK(contains(refusal("threshold", {{"lower", 2}, {"objective", 1}}), "objective"));
  CHECK(contains(refusal("wilcoxon", {{"p_threshold", 1.5}}), "p_threshold is 1.5, expected 0 to 1"));
  CHECK(contains(refusal("patient", {{"patience", -1}}), "patience is -1"));
  CHECK(contains(refusal("patient:median", {{"min_delta", -1}}), "min_delta is -1"));
  CHECK(contains(refusal("patient:median", {{"percentil", 1}}), "did you mean `percentile`?"));
  CHECK(contains(refusal("patient:patient", {}), "expected patient:<another pruner>"));
  CHECK(contains(refusal("median:asha", {}), "expected patient:<another pruner>"));
  CHECK(contains(refusal("patient:medan", {}), "did you mean `median`?"));
  const auto registry = PrunerRegistry::builtin();
  CHECK(registry.resolve("patient:asha") == "patient@1:asha@1");
  CHECK(registry.resolve("patient@1:asha@1") == "patient@1:asha@1");
}

TEST_CASE("pruners with several objectives: only what is worse in all of them stops") {
  StudyHeader header;
  header.directions = {Direction::maximise, Direction::minimise};
  header.metrics = {"accuracy", "latency"};
  const auto stops = [&](const std::string& pruner, Settings settings, std::vector<double> values) {
    header.pruner = pruner;
    header.pruner_settings = std::move(settings);
    History history;
    for (int i = 0; i < 8; ++i) {  // a front: accuracy and latency grow together; six units for wilcoxon
      Trial t;
      t.number = i;
      t.state = TrialState::complete;
      for (int unit = 0; unit < 6; ++unit) t.reports.push_back({unit, unit, 1, {0.1 * i + 0.01 * unit, 1.0 + i}, 1, {}});
      t.reports.push_back({6, 5, 2, {0.1 * i, 1.0 + i}, 2, {}});
      t.values = {0.1 * i, 1.0 + i};
      t.finished = 2;
      history.trials.push_back(t);
    }
    Trial t;
    t.number = 8;
    for (int unit = 0; unit < 6; ++unit) t.reports.push_back({unit, unit, 1, {values[0] + 0.01 * unit, values[1]}, 3, {}});
    history.trials.push_back(t);
    return PrunerRegistry::builtin().make(header)->stops(history, history.trials.back());
  };
  for (const auto& [pruner, settings] :
       std::map<std::string, Settings>{{"median", {}}, {"asha", {{"min_resource", 1}}}, {"wilcoxon", {}}}) {
    CAPTURE(pruner);
    CHECK(stops(pruner, settings, {0.05, 7.5}));        // dominated by most
    CHECK_FALSE(stops(pruner, settings, {0.9, 20}));    // the most accurate, and the slowest
    CHECK_FALSE(stops(pruner, settings, {-0.5, 0.5}));  // the fastest, and the least accurate
  }
  CHECK(stops("threshold", {{"upper", 5}, {"objective", 1}}, {0.9, 6}));
  CHECK_FALSE(stops("threshold", {{"upper", 5}, {"objective", 1}}, {0.9, 4}));
}
