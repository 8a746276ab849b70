#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/front.h>

#include <algorithm>

namespace lathe::nas {
namespace {

double loss(double value, Direction direction) { return direction == Direction::minimise ? value : -value; }

bool counts(const Trial& trial) { return trial.state == TrialState::complete && feasible(trial); }

}  // namespace

std::vector<double> losses_of(const Trial& trial, std::span<const Direction> directions) {
  if (trial.values.size() != directions.size())
    throw InputError(str("trial ", trial.number, " has ", trial.values.size(), " values, expected ", directions.size()));
  std::vector<double> out;
  for (std::size_t k = 0; k < directions.size(); ++k) out.push_back(loss(trial.values[k], directions[k]));
  return out;
}

std::vector<std::int64_t> pareto_front(const History& history, std::span<const Direction> directions) {
  LossTable losses(directions.size());
  std::vector<std::int64_t> numbers, out;
  for (const Trial& trial : history.trials) {
    if (!counts(trial)) continue;
    losses.add(losses_of(trial, directions));
    numbers.push_back(trial.number);
  }
  const auto ranks = non_domination_ranks(losses, {}, 1);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (ranks[i] == 0) out.push_back(numbers[i]);
  return out;
}

std::vector<double> common_reference(std::span<const History* const> histories, std::span<const Direction> directions) {
  LossTable losses(directions.size());
  for (const History* history : histories)
    for (const Trial& trial : history->trials)
      if (counts(trial)) losses.add(losses_of(trial, directions));
  if (losses.size() == 0) return {};
  std::vector<double> out = reference_point(losses);
  for (std::size_t k = 0; k < out.size(); ++k) out[k] = loss(out[k], directions[k]);
  return out;
}

std::vector<VolumeSoFar> hypervolume_over_time(const History& history, std::span<const Direction> directions,
                                               std::span<const double> reference) {
  if (reference.size() != directions.size())
    throw InputError(str("the reference has ", reference.size(), " numbers, expected one for each of ", directions.size(),
                         directions.size() == 1 ? " objective" : " objectives"));
  const std::size_t d = directions.size();
  std::vector<double> corner;
  for (std::size_t k = 0; k < d; ++k) corner.push_back(loss(reference[k], directions[k]));
  std::vector<std::vector<double>> front;
  std::vector<VolumeSoFar> out;
  double volume = 0;
  for (const std::int64_t number : history.finished) {
    const Trial& trial = history.trials[static_cast<std::size_t>(number)];
    if (trial.state != TrialState::complete) continue;
    const std::vector<double> row = losses_of(trial, directions);
    const auto covered = [&](const std::vector<double>& other) { return other == row || dominates(other.data(), row.data(), d); };
    if (feasible(trial) && std::none_of(front.begin(), front.end(), covered)) {
      std::erase_if(front, [&](const auto& other) { return dominates(row.data(), other.data(), d); });
      front.push_back(row);
      LossTable table(d);
      for (const auto& member : front) table.add(member);
      volume = hypervolume(table, corner);
    }
    out.push_back({trial.finish_event, number, volume});
  }
  return out;
}

}  // namespace lathe::nas
