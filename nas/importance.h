// Which parameters matter: PED-ANOVA (Watanabe et al., IJCAI 2023, arXiv:2304.10255; conditional parameters as in
// arXiv:2601.20800), with the numbers of Optuna 5.0 (PedAnovaImportanceEvaluator).
//
// Of the n complete trials, *top* are the best ⌈target_quantile · n⌉ (with one objective all that equal the last of them; with
// several by rank and hypervolume, nas/pareto.h), *region* those of region_quantile in the same way. Trials that break a constraint
// come behind all others, those of equal violation together (Optuna does not look at constraints here). A parameter that is active
// in at least two trials of the region has the importance γ² · α²/β · Σ_b p(b) (q(b)/p(b) − 1)², where γ = |top|/|region|; α and β
// are the shares of top and region in which it is active; q and p the densities of its values there, each + 1e-12.
//
// Densities are on a grid of bins: 50 between the ends of the range (of the logarithms, if it is `log`); a stepped range its own
// number of values, a log integer range ⌈log₂(high − low + 1)⌉ + 1, both at most 50; categorical parameters their choices. One
// kernel for each bin that is hit, weighted by its count, and a prior of weight 1. Numbers: normals over the bins, σ = 1.059 ·
// min(IQR/1.34, standard deviation) · count^−0.2, at least 0.5/1.64; prior in the middle, as wide as the grid; each cut to the
// grid. Categorical: as in nas/sampler/parzen.h.
#pragma once
#include <lathe/nas/study.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe::nas {

struct ImportanceOptions {
  double target_quantile = 0.1;  ///< 0 < target < region ≤ 1; else InputError
  double region_quantile = 1.0;
  std::optional<std::size_t> objective;  ///< of several objectives this one alone. InputError if there is no such
};

struct Importance {
  std::string parameter;
  double value = 0;  ///< as above, 0 and more
  double share = 0;  ///< of the sum over the parameters; equal shares if all values are 0
};

/// The parameters that occur in complete trials, most important first, equal ones in the order of the space. One trial or none: 0.
std::vector<Importance> importances(const Space& space, const History& history, std::span<const Direction> directions,
                                    const ImportanceOptions& options = {});

}  // namespace lathe::nas
