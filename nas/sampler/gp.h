// gp@1: Bayesian optimisation of one objective by a Gaussian process (nas/gaussian_process.h) and expected improvement.
//
// Data: all complete trials. Numbers are laid out on [0, 1] (by logarithm where the range says so), categoricals differ or not,
// inactive parameters are absent; values have their mean taken off and are divided by their standard deviation. The kernel is
// fitted when the number of complete trials passes a mark (n_startup_trials, then an eighth more each time), to the newest 150
// before that mark. Pending trials are believed at their predicted mean. Every constraint has a process of its own; a point is
// worth
//   log E[improvement over the best feasible value] + Σ log P(constraint ≤ 0),   without the first part while nothing is feasible.
// Searched are `n_candidates` uniform points, and around the best four of them and the best trial 64 steps each, one parameter at a
// time, ever smaller, kept where they improve. Attempt a proposes the a-th best valid point that was looked at, then uniform ones.
// Pruned and failed trials are not used.
//
// Settings, with defaults: n_startup_trials = 10 (Optuna's GPSampler; until then uniform), n_candidates = 512 (1 … 100,000),
// max_trials = 300: with more complete trials proposals are those of tpe@optuna-5.0, as the cost of a step grows with the square
// of the trials (Optuna has no such limit).
#pragma once
#include <lathe/nas/gaussian_process.h>
#include <lathe/nas/sampler/tpe.h>

#include <cstdint>
#include <vector>

namespace lathe::nas {

class GpSampler final : public Sampler {
 public:
  /// InputError: bad setting, or more than one objective.
  explicit GpSampler(const StudyHeader& header);
  std::optional<Point> draw(const SamplerView& view, std::uint32_t attempt) override;

 private:
  struct Model {
    MaternKernel kernel;
    std::size_t fitted = 0;  // complete trials that the kernel comes from; 0: none
  };
  struct Standard {
    double mean = 0, deviation = 1;
    std::vector<double> values;
  };
  struct Target {
    GaussianProcess process;
    double threshold = 0;  // best value, or 0 of a constraint, standardised
  };
  struct Candidate {
    double worth = 0;
    std::vector<double> x;  // coordinates by axis
    Point point;
  };
  void prepare(const SamplerView& view);
  std::vector<double> features(const Point& point) const;
  Standard standard(const History& history, std::size_t target) const;
  GaussianProcess fitted(std::size_t target, const Standard& data, const Features& rows);
  void make_targets(const History& history);
  double worth(const Point& point) const;
  std::optional<Candidate> candidate(const Space& space, std::vector<double> x) const;
  void improve(const SamplerView& view, Candidate start, std::uint32_t site);
  double moved(const Axis& axis, double x, double reach, Random& random) const;

  std::size_t n_startup_ = 0, n_candidates_ = 0, max_trials_ = 0;
  Ledger ledger_;
  TpeSampler tpe_;
  std::vector<std::size_t> free_;        // axes with more than one value
  std::vector<std::uint32_t> complete_;  // complete trials in the order of commits
  std::vector<Model> models_;            // the objective's, then one for each constraint
  std::vector<Target> targets_;
  bool improvable_ = false;           // targets_[0] is the objective's
  std::vector<Candidate> looked_at_;  // best first
  std::int64_t ready_for_ = -1;
  std::size_t ready_finished_ = 0, ready_trials_ = 0;
};

}  // namespace lathe::nas
