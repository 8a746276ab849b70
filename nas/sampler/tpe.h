// tpe@optuna-5.0: the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) with the rules of Optuna 5.0.
//
// The n finished trials (complete or pruned) are split. *Below* are the best ⌈n/10⌉, with one objective at most 25, in this order:
// feasible complete trials, one objective by value, several by non-domination rank, the rank that does not fit as a whole by greedy
// hypervolume subset selection (nas/pareto.h); feasible pruned trials, later last step first, then by the value there; infeasible
// trials, smaller Σ max(0, c) first. Equal ones: smaller number first. All others are *above*, and with `constant_liar` the running
// ones too, so that workers keep apart. Each side becomes a Parzen mixture, l below and g above (nas/sampler/parzen.h);
// `n_ei_candidates` draws of l are ranked by log l − log g.
//
// Jointly drawn are, with `multivariate`, groups of parameters: the coarsest partition in which every finished trial has all or
// nothing of a group (`group`), or what all finished trials have (without). All others are drawn one by one.
//
// Attempt a proposes candidate number a mod n_ei_candidates, best first, of draw a div n_ei_candidates: a proposal that breaks a
// rule or exists already gives way to the next best.
//
// Settings, with defaults; those of Optuna 5.0 (TPESampler) unless said otherwise:
//   n_startup_trials = 10   uniform draws until so many trials are finished
//   n_ei_candidates = 24    1 … 10,000
//   multivariate = 1 with one objective, 0 with several
//   group = 1               Optuna: 0. Without conditions there is no difference
//   constant_liar = 1
// Differences: coordinates of equal value are sorted by trial number (Optuna leaves it to numpy, where it depends on the
// processor); pruned trials of several objectives are ranked by the first one (Optuna fails).
#pragma once
#include <lathe/nas/sampler/parzen.h>

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace lathe::nas {

class TpeSampler final : public Sampler {
 public:
  explicit TpeSampler(const StudyHeader& header);
  std::optional<Point> draw(const SamplerView& view, std::uint32_t attempt) override;

  /// For tests and curious people: the groups of parameters, and log l − log g of each at given coordinates (Axis::coordinate(),
  /// one for every parameter of the space).
  struct Ratio {
    std::vector<std::string> parameters;
    double log_below = 0, log_above = 0;
  };
  std::vector<Ratio> ratios(const SamplerView& view, const std::vector<double>& coordinates);
  /// Numbers of the trials below, ascending.
  std::vector<std::int64_t> below(const SamplerView& view);

 private:
  struct Block {
    std::vector<std::size_t> axes;
    std::vector<double> candidates;      // candidate-major coordinates of the present round
    std::vector<std::uint32_t> ranking;  // candidates, best first
    ParzenMixture below, above;
    ParzenLine below_line, above_line;  // instead of `above`, if there is one axis
  };
  std::pair<double, double> log_densities(Block& block, const std::vector<Place>& places);
  void prepare(const SamplerView& view);
  void split();
  void choose_below(std::vector<std::uint32_t>& complete, std::size_t room);
  void partition();
  void draw_candidates(const SamplerView& view, std::uint32_t round, Block& block);

  std::size_t n_startup_ = 0, n_candidates_ = 0;
  bool multivariate_ = true, group_ = true, liar_ = true;
  Ledger ledger_;
  ParzenBuilder builder_;
  std::vector<RandomKey> keys_;  // of the trial, by axis
  std::vector<Side> sides_;
  std::vector<Block> blocks_;
  std::vector<std::vector<std::size_t>> groups_;  // of the commits read so far
  std::set<std::vector<bool>> patterns_;
  std::size_t grouped_ = 0;
  std::size_t ready_finished_ = 0, ready_trials_ = 0;  // what the blocks were built from
  std::int64_t ready_for_ = -1;
  std::uint32_t round_ = 0;
};

}  // namespace lathe::nas
