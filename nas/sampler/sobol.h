// sobol@1: a scrambled Sobol sequence. Trial n is point n; the first 2ᵏ trials cover every parameter evenly in 2ᵏ equal shares, and
// pairs of parameters more evenly than chance. Learns nothing from results. Good for a first look, for fits and for importances.
//
// Dimension j, one for each parameter of the space (inactive ones included), belongs to the j-th primitive polynomial over GF(2) by
// degree and value (Sobol 1967; the first is van der Corput's). The free initial direction numbers are not a table: of 16 draws the
// one is taken whose 64-point projections with up to 64 dimensions before leave the fewest elementary boxes empty. Scrambling by a
// random lower triangular matrix and a digital shift (Matoušek, J. Complexity 14, 1998) for each parameter, from seed and name.
// Points are 32-bit fractions. A refused point gives way to point n + 2²⁰ · attempt.
// No settings.
#pragma once
#include <lathe/nas/sampler/axis.h>
#include <lathe/nas/sampler/sampler.h>

#include <array>
#include <cstdint>
#include <vector>

namespace lathe::nas {

/// Direction numbers of the first `dimensions` dimensions, unscrambled: bit 31 is the first binary digit.
std::vector<std::array<std::uint32_t, 32>> sobol_directions(std::size_t dimensions);
/// Point `index` of one dimension, as a 32-bit fraction.
std::uint32_t sobol_point(const std::array<std::uint32_t, 32>& directions, std::uint32_t index);

class SobolSampler final : public Sampler {
 public:
  explicit SobolSampler(const StudyHeader& header);
  std::optional<Point> draw(const SamplerView& view, std::uint32_t attempt) override;

 private:
  std::vector<Axis> axes_;
  std::vector<std::array<std::uint32_t, 32>> directions_;
  std::vector<std::uint32_t> shifts_;
};

}  // namespace lathe::nas
