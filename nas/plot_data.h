// What plots of a study show, as numbers: values over one parameter (slice) and over two (contour). Only complete trials; the same
// data as optuna.visualization, where that has them.
#pragma once
#include <lathe/nas/study.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lathe::nas {

/// How a parameter is laid out on an axis.
struct PlotAxis {
  std::string parameter;
  bool log = false, categorical = false;  ///< an ordinal parameter is not categorical: its values are in order
  std::vector<Value> values;              ///< that occur, each once: ascending, choices in their order
};

struct SlicePoint {
  std::int64_t trial = 0;
  std::size_t place = 0;  ///< of x in PlotAxis::values
  Value x;
  double y = 0;
  bool feasible = true;
};
struct Slice {
  PlotAxis axis;
  std::vector<SlicePoint> points;  ///< by trial number; trials that lack the parameter are absent
};
/// `objective`: whose value y is. InputError: no such parameter (nearest name) or objective.
Slice slice(const Space& space, const History& history, std::string_view parameter, std::size_t objective = 0);

struct ContourCell {
  std::size_t x = 0, y = 0;  ///< of PlotAxis::values
  double value = 0;          ///< of the best trial there
  std::int64_t trial = 0;    ///< the feasible one with the best value, else the best infeasible one; ties: the smaller number
  bool feasible = true;
};
struct Contour {
  PlotAxis x, y;
  std::vector<ContourCell> cells;  ///< by (x, y); only where a trial has both parameters
};
/// InputError as slice(), also for one parameter twice.
Contour contour(const Space& space, const History& history, std::string_view x, std::string_view y,
                std::span<const Direction> directions, std::size_t objective = 0);

}  // namespace lathe::nas
