// Several objectives over a study: which trials are worth having, and how the front grew.
#pragma once
#include <lathe/nas/pareto.h>
#include <lathe/nas/trial.h>

#include <cstdint>
#include <span>
#include <vector>

namespace lathe::nas {

/// Values of a trial, smaller is better: what is maximised has its sign turned. InputError: not one value per direction.
std::vector<double> losses_of(const Trial& trial, std::span<const Direction> directions);

/// Numbers of the feasible complete trials that no other feasible one dominates, ascending; of equal ones all (Optuna's
/// Study.best_trials). Nothing is feasible: empty. One objective: the best trials.
std::vector<std::int64_t> pareto_front(const History& history, std::span<const Direction> directions);

/// A reference for hypervolumes that several studies share: reference_point() of all their feasible complete trials, in the units
/// of the objectives. Empty if there are none.
std::vector<double> common_reference(std::span<const History* const> histories, std::span<const Direction> directions);

struct VolumeSoFar {
  std::uint64_t event = 0;  ///< commit index at which the trial finished
  std::int64_t trial = 0;
  double volume = 0;  ///< hypervolume of the front of all trials up to and including this one
};
/// One entry per complete trial in the order of commits; infeasible ones add nothing (optuna.visualization's hypervolume history).
/// `reference` in the units of the objectives, one per direction, else InputError; what is worse adds nothing.
std::vector<VolumeSoFar> hypervolume_over_time(const History& history, std::span<const Direction> directions,
                                               std::span<const double> reference);

}  // namespace lathe::nas
