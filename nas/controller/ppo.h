// Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) of trajectories that are rewarded at their end.
//
// For the active decisions t of all trajectories, N of them together, with advantage Aₜ, reward R of the trajectory, critic vₜ,
// entropy Hₜ and ρₜ = π(chosen) / π_old(chosen), π_old being the policy that proposed the trajectory:
//
//   loss = −1/N Σ min(ρₜ·Aₜ, clip(ρₜ, 1 − ε, 1 + ε)·Aₜ) + 1/N Σ value_weight · (vₜ − R)² − 1/N Σ entropy_weight · Hₜ
//
// Advantages are those of GAE (Schulman et al. 2016, arXiv:1506.02438) with γ = 1: Aₜ = Σₖ λᵏ δₜ₊ₖ, δₜ = vₜ₊₁ − vₜ, and R − vₜ for
// the last active decision; then their mean is taken off and they are divided by their deviation.
#pragma once
#include <lathe/nas/controller/policy.h>

#include <vector>

namespace lathe::nas {

struct PpoOptions {
  double clip = 0.2, gae_lambda = 0.95, value_weight = 0.5, entropy_weight = 0.01;
};

struct PpoBatch {
  Trajectories trajectories;
  std::vector<double> old_log_probability;  ///< [rows, decisions]
  std::vector<double> advantage;            ///< [rows, decisions]
  std::vector<double> reward;               ///< [rows]
};

/// Advantages [rows, decisions], 0 where inactive; `values` [rows, decisions] of the critic. Not standardised yet.
std::vector<double> gae(const Trajectories& trajectories, const std::vector<double>& values, const std::vector<double>& reward,
                        double lambda);
/// Mean 0 and deviation 1 over the active decisions; all 0 where they are equal.
void standardise(const Trajectories& trajectories, std::vector<double>& advantage);

/// A scalar. At least one decision must be active.
Var ppo_loss(const Policy& policy, const PpoBatch& batch, const PpoOptions& options);

}  // namespace lathe::nas
