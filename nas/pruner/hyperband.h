// hyperband@1: every trial belongs to a bracket of asha@1, the rule of Optuna's HyperbandPruner (Li et al., JMLR 18(185), 2018).
//
// Bracket b = 0 … B−1 is asha@1 with min_early_stopping_rate b; only trials of the same bracket compete.
//   B = 1 + the largest k with r·ηᵏ ≤ R, by an integer loop (logarithms of floating-point numbers lose a bracket at 3⁵ = 243)
//   share of bracket b: ⌈B·η^t / (t+1)⌉ with t = B−1−b, so that patient brackets get fewer trials
//   bracket of a trial: n = crc32("<seed>_<number>") mod (sum of the shares), counted off along the shares from b = 0.
//     The crc is that of IEEE 802.3; the seed of the study stands where Optuna has its name, because a name is a label here and
//     must not change a study.
//
// The sampler sees all trials (Optuna shows it those of the bracket).
//
// Settings and defaults: min_resource r 1, max_resource R 0 (0: one more than the largest step of the trials that were complete at
// the first question with any; nothing stops before), reduction_factor η 3, bootstrap_count 0 (needs max_resource > 0).
#pragma once
#include <lathe/nas/pruner/asha.h>

#include <string_view>

namespace lathe::nas {

class HyperbandPruner final : public Pruner {
 public:
  /// InputError also: max_resource below min_resource.
  explicit HyperbandPruner(const StudyHeader& header);
  bool stops(const History& history, const Trial& trial) override;
  void only(Questions::Asked asked) override { questions_.only(std::move(asked)); }
  /// The bracket of a trial, once max_resource is known.
  std::size_t bracket(std::int64_t number) const;
  std::size_t brackets() const { return brackets_.size(); }  ///< 0: max_resource is not known yet

 private:
  void begin(std::int64_t most);
  std::vector<Direction> directions_;
  std::uint64_t seed_;
  std::int64_t least_, factor_, bootstrap_;
  Questions questions_;
  std::vector<Rungs> brackets_;
  std::vector<std::uint64_t> shares_;
};

/// CRC-32 of IEEE 802.3 (polynomial 0x04C11DB7, reflected, as in zlib).
std::uint32_t crc32(std::string_view bytes);

}  // namespace lathe::nas
