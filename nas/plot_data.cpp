#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/plot_data.h>
#include <lathe/nas/sampler/axis.h>

#include <algorithm>
#include <map>

namespace lathe::nas {
namespace {

double value_of(const Trial& trial, std::size_t objective) {
  if (objective >= trial.values.size())
    throw InputError(str("there is no objective ", objective, ", trial ", trial.number, " has ", trial.values.size()));
  return trial.values[objective];
}

/// The axis of parameter `index`, and which of its values each coordinate is.
struct Layout {
  PlotAxis axis;
  std::map<double, std::size_t> places;
};

Layout layout_of(const Space& space, const History& history, std::size_t index) {
  const Parameter& parameter = space.parameter(index);
  const Axis axis(parameter);
  Layout out;
  out.axis = {parameter.name, axis.log(), parameter.categorical() != nullptr, {}};
  std::map<double, Value> found;
  for (const Trial& trial : history.trials)
    if (const auto& value = trial.point.value(index); value && trial.state == TrialState::complete)
      found.emplace(axis.coordinate(*value), *value);
  for (const auto& [coordinate, value] : found) {
    out.places[coordinate] = out.axis.values.size();
    out.axis.values.push_back(value);
  }
  return out;
}

}  // namespace

Slice slice(const Space& space, const History& history, std::string_view parameter, std::size_t objective) {
  const std::size_t index = space.index(parameter);
  const Axis axis(space.parameter(index));
  Layout layout = layout_of(space, history, index);
  Slice out{std::move(layout.axis), {}};
  for (const Trial& trial : history.trials) {
    if (trial.state != TrialState::complete) continue;
    const double y = value_of(trial, objective);
    if (const auto& x = trial.point.value(index))
      out.points.push_back({trial.number, layout.places.at(axis.coordinate(*x)), *x, y, feasible(trial)});
  }
  return out;
}

Contour contour(const Space& space, const History& history, std::string_view x, std::string_view y,
                std::span<const Direction> directions, std::size_t objective) {
  const std::size_t first = space.index(x), second = space.index(y);
  if (first == second) throw InputError(str("contour: `", x, "` is given twice, expected two parameters"));
  if (objective >= directions.size())
    throw InputError(str("there is no objective ", objective, ", the study has ", directions.size()));
  const Axis across(space.parameter(first)), up(space.parameter(second));
  Layout columns = layout_of(space, history, first), rows = layout_of(space, history, second);
  std::map<std::pair<std::size_t, std::size_t>, ContourCell> cells;
  for (const Trial& trial : history.trials) {
    if (trial.state != TrialState::complete) continue;
    const auto &a = trial.point.value(first), &b = trial.point.value(second);
    if (!a || !b) continue;
    const std::pair place{columns.places.at(across.coordinate(*a)), rows.places.at(up.coordinate(*b))};
    const ContourCell cell{place.first, place.second, value_of(trial, objective), trial.number, feasible(trial)};
    const auto [at, is_new] = cells.emplace(place, cell);
    ContourCell& old = at->second;
    if (!is_new && (cell.feasible != old.feasible ? cell.feasible : better(cell.value, old.value, directions[objective])))
      old = cell;
  }
  Contour out{std::move(columns.axis), std::move(rows.axis), {}};
  for (const auto& [place, cell] : cells) out.cells.push_back(cell);
  return out;
}

}  // namespace lathe::nas
