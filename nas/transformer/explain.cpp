// Why this one, in the record: parameters with their importance, effects of one-step changes, what more trials would bring; and how
// far the winner's confidence can be trusted.
#include <lathe/base/text.h>
#include <lathe/nas/importance.h>
#include <lathe/nas/transformer/quantities.h>
#include <lathe/nas/transformer/results.h>
#include <lathe/nas/transformer/search.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr std::size_t kBins = 10;
constexpr std::uint64_t kFewValues = 12;  // a range of so few numbers is shown value by value

ParameterRow parameter_row(const Parameter& parameter) {
  ParameterRow row;
  row.name = parameter.name;
  if (const IntegerRange* range = parameter.integer()) {
    row.low = static_cast<double>(range->low);
    row.high = static_cast<double>(range->high);
    row.log = range->log;
  } else if (const RealRange* reals = parameter.real()) {
    row.low = reals->low;
    row.high = reals->high;
    row.log = reals->log;
  }
  if (const std::vector<Value>* choices = parameter.choices()) {
    for (const Value& choice : *choices) row.choices.push_back(choice.show());
  } else if (const auto count = parameter.count(); count && *count <= kFewValues) {
    for (std::uint64_t i = 0; i < *count; ++i) row.choices.push_back(parameter.at(i).show());
  }
  return row;
}

std::int64_t winner_trial(const RunResults& r, const History& history, Direction direction) {
  if (r.winner >= 0 && r.models[static_cast<std::size_t>(r.winner)].name.starts_with("#"))
    if (const auto number = parse_int(r.models[static_cast<std::size_t>(r.winner)].name.substr(1))) return *number;
  const std::vector<std::int64_t> best = leaderboard(history, direction);
  return best.empty() ? -1 : best.front();
}

/// The first objective of finished trials in the order of their commits; not a number for those that did not complete or break a
/// constraint.
std::vector<double> finished_values(const History& history, std::int64_t below) {
  std::vector<double> values;
  for (const std::int64_t number : history.finished) {
    const Trial& trial = history.trials[static_cast<std::size_t>(number)];
    if (number >= below) continue;
    values.push_back(trial.state == TrialState::complete && feasible(trial) ? trial.values[0]
                                                                            : std::numeric_limits<double>::quiet_NaN());
  }
  return values;
}

}  // namespace

void explain(RunResults& r, const History& history, const StudyHeader& header) {
  Explanation& why = r.why;
  why = {};
  for (const Parameter& parameter : header.space.parameters()) why.parameters.push_back(parameter_row(parameter));
  const auto row = [&](const std::string& name) -> ParameterRow& { return why.parameters[header.space.index(name)]; };
  for (const Importance& i : importances(header.space, history, header.directions)) row(i.parameter).importance = i.share;
  for (const EdgeWarning& edge : widenable_edges(header.space, history, header.directions))
    row(edge.parameter).edge = edge.top ? "top" : "bottom";
  const Direction direction = header.directions[0];
  why.trial = winner_trial(r, history, direction);
  if (why.trial >= 0) why.effects = effects_around(header.space, history, why.trial);
  const std::vector<double> values = finished_values(history, std::numeric_limits<std::int64_t>::max());
  why.finished_trials = static_cast<std::int64_t>(values.size());
  OutlookOptions options;
  options.seed = header.seed;
  const Quantity first = quantity(r.study.metric);
  if (!is_measured(first)) return;  // sizes are known before: no luck of training makes one smaller
  if (!r.study.scored()) options.bound = first == Quantity::kLoss ? 0 : 1;
  why.outlook = best_after(values, direction, 2 * values.size(), options);
  const std::vector<double> luck = finished_values(history, random_trials(header));
  if (luck.size() < values.size()) {  // else there is nothing to compare with
    why.by_luck = best_after(luck, direction, values.size(), options);
    why.random_trials = static_cast<std::int64_t>(luck.size());
  }
}

std::vector<ReliabilityBin> reliability(std::span<const float> confidence, std::span<const std::int32_t> answers,
                                        std::span<const std::int32_t> truth) {
  std::vector<ReliabilityBin> bins(kBins);
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    const double c = static_cast<double>(confidence[i]);
    if (!(c >= 0 && c <= 1)) continue;
    ReliabilityBin& bin = bins[std::min(kBins - 1, static_cast<std::size_t>(c * kBins))];
    ++bin.rows;
    bin.confidence += c;
    bin.right += answers[i] == truth[i];
  }
  std::erase_if(bins, [](const ReliabilityBin& bin) { return bin.rows == 0; });
  for (ReliabilityBin& bin : bins) bin.confidence /= static_cast<double>(bin.rows);
  return bins;
}

double calibration_error(std::span<const ReliabilityBin> bins) {
  std::int64_t rows = 0;
  for (const ReliabilityBin& bin : bins) rows += bin.rows;
  double error = 0;
  for (const ReliabilityBin& bin : bins) {
    const double gap = static_cast<double>(bin.right) / static_cast<double>(bin.rows) - bin.confidence;
    error += static_cast<double>(bin.rows) / static_cast<double>(rows) * (gap < 0 ? -gap : gap);
  }
  return error;
}

}  // namespace lathe::nas
