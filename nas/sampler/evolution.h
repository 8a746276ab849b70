// evolution@1: regularized evolution (Real et al., AAAI 2019, arXiv:1802.01548), one objective.
//
// The first `population_size` trials, adopted ones counted, are uniform. After that the population are the newest `population_size`
// complete trials in the order of their commits: who is older leaves, however good. A tournament of `sample_size` draws with
// replacement gives the parent: the least Σ max(0, c), then the best value, then the smaller number. The child differs from it in
// one active parameter with more than one value, which gets another value, drawn uniformly from the rest; parameters that this
// makes active are uniform, all others stay. Pruned and failed trials never enter. While nothing is complete, draws are uniform.
//
// Settings, with defaults: population_size = 50 (2 … 1,000,000), sample_size = 10 (1 … population_size): those of NAS-Bench-101
// (Ying et al., ICML 2019), made for some hundred trials. Real et al. took 100 and 25 for 20,000 trials.
#pragma once
#include <lathe/nas/sampler/ledger.h>

#include <cstdint>

namespace lathe::nas {

class EvolutionSampler final : public Sampler {
 public:
  /// InputError: bad setting, or more than one objective.
  explicit EvolutionSampler(const StudyHeader& header);
  std::optional<Point> draw(const SamplerView& view, std::uint32_t attempt) override;

 private:
  std::optional<std::uint32_t> parent(Random& random) const;
  Value other_value(std::size_t axis, double old, Random& random) const;
  std::int64_t population_ = 0, sample_ = 0;
  Ledger ledger_;
};

}  // namespace lathe::nas
