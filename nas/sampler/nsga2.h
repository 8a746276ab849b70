// nsga2@1: NSGA-II (Deb et al., IEEE Trans. Evol. Comp. 6(2), 2002) for any number of objectives, with constraints.
//
// Generation g are the complete trials g·P … (g+1)·P − 1 in the order of their commits, P = `population_size`; the parents of
// generation g + 1 are the best P of the parents of g and generation g: by non-domination rank (feasible ones first, then by
// Σ max(0, c)), the rank that does not fit as a whole by crowding distance (nas/pareto.h), then by smaller number. Draws are
// uniform until the first generation is complete.
//
// A child: with probability `crossover_prob` of two different parents, each the winner of a tournament (two draws with replacement;
// the first if it dominates the second, by constrained domination, else the second), every parameter from the second with
// probability 1 − `swapping_prob` and from the other one where that one has it not; else one parent. Then every parameter is drawn
// anew, uniformly, with probability `mutation_prob`, and so is what no parent has. Pruned and failed trials never enter.
//
// Settings, with defaults, those of Optuna 5.0 (NSGAIISampler): population_size = 50 (2 … 100,000), crossover_prob = 0.9,
// swapping_prob = 0.5, mutation_prob = 1 / (number of parameters of the first parent that have a choice).
// Differences from Optuna: a trial that outlives its generation counts in the next instead of being lost; conditional parameters
// are inherited instead of drawn anew.
#pragma once
#include <lathe/nas/pareto.h>
#include <lathe/nas/sampler/ledger.h>

#include <cstdint>
#include <vector>

namespace lathe::nas {

class Nsga2Sampler final : public Sampler {
 public:
  explicit Nsga2Sampler(const StudyHeader& header);
  std::optional<Point> draw(const SamplerView& view, std::uint32_t attempt) override;
  /// Numbers of the parents that the next child comes from, ascending; none in the first generation.
  std::vector<std::int64_t> parents(const SamplerView& view);

 private:
  void advance();
  std::uint32_t tournament(Random& random, std::uint32_t excluded) const;
  bool beats(std::uint32_t a, std::uint32_t b) const;

  std::size_t population_ = 0;
  double crossover_ = 0, swapping_ = 0, mutation_ = 0;  // mutation_ below 0: 1 / parameters
  Ledger ledger_;
  std::vector<std::uint32_t> parents_, generation_;  // ascending; in the order of commits
  std::size_t read_ = 0;                             // commits that these are made of
};

/// Which `count` of complete trials survive: indices of rows, ascending. `violations` as in non_domination_ranks().
std::vector<std::size_t> survivors(const LossTable& losses, std::span<const double> violations, std::size_t count);

}  // namespace lathe::nas
