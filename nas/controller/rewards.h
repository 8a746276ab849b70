// What a finished trial is worth to the controller.
//
// Trials are put in order: feasible ones by value, then infeasible ones by Σ max(0, c), then failed ones, which are all equal.
// Pruned trials count with the value of what they reported. The reward of the k-th of n (from 0, best first; equal ones share their
// mean place) is √3 · (1 − (2k + 1) / n): mean 0 and deviation 1 whatever the values are, so that neither the scale of an objective
// nor an outlier, nor the size of a penalty, needs a setting. Directions are respected.
#pragma once
#include <lathe/nas/study.h>

#include <cstddef>
#include <span>
#include <vector>

namespace lathe::nas {

/// Of trials history.finished[0 … count), in that order.
std::vector<double> rewards(const History& history, Direction direction, std::size_t count);

}  // namespace lathe::nas
