#include <lathe/nas/controller/rewards.h>

#include <lathe/base/math.h>

#include <algorithm>
#include <compare>

namespace lathe::nas {
namespace {

struct Place {
  int kind = 0;  // feasible, infeasible, failed
  double loss = 0;
  auto operator<=>(const Place&) const = default;
};

Place place_of(const Trial& trial, Direction direction) {
  if (trial.state == TrialState::failed || trial.values.empty() || !(trial.values[0] == trial.values[0])) return {2, 0};
  if (const double broken = violation(trial); broken > 0) return {1, broken};
  return {0, direction == Direction::minimise ? trial.values[0] : -trial.values[0]};
}

}  // namespace

std::vector<double> rewards(const History& history, Direction direction, std::size_t count) {
  std::vector<Place> places;
  for (std::size_t i = 0; i < count; ++i)
    places.push_back(place_of(history.trials[static_cast<std::size_t>(history.finished[i])], direction));
  std::vector<Place> sorted = places;
  std::sort(sorted.begin(), sorted.end(), [](const Place& a, const Place& b) { return a < b; });
  std::vector<double> out;
  for (const Place& place : places) {
    const auto range = std::equal_range(sorted.begin(), sorted.end(), place, [](const Place& a, const Place& b) { return a < b; });
    const auto twice = static_cast<double>((range.first - sorted.begin()) + (range.second - sorted.begin()));
    out.push_back(math::sqrt(3.0) * (1 - twice / static_cast<double>(count)));
  }
  return out;
}

}  // namespace lathe::nas
