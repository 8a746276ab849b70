// Which spaces a supernet can serve, the size of its whole network, and which sub-networks it trains.
#pragma once
#include <lathe/nas/space.h>
#include <lathe/nas/transformer/candidate.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace lathe::nas {

/// The trial number of everything random about a supernet: no study has so many trials.
inline constexpr std::uint64_t kSupernetTrial = ~std::uint64_t{0};

/// Names that a space may vary on shared weights: layers, hidden, heads, head_dim, expansion, ffn, activation, all but the first
/// two also as "layers[i].…".
const std::vector<std::string>& shareable_names();

/// InputError naming every parameter of the space that cannot be shared: what a training is (lr, dropout, …), because one training
/// makes all weights, and what changes the meaning of weights (norm, norm_place, positions, pooling). Also for a parameter under a
/// condition that the largest network does not meet.
void check_shareable(const Space& space);

/// The whole network: as large as the space, which check_shareable() accepts, in every dimension; need not be a point of it.
nn::TransformerConfig whole_of(const Space& space, const Candidate& base, const TaskShape& task);

struct SharedSpace {
  nn::TransformerConfig whole;              ///< whole_of() the space
  nn::TransformerConfig largest, smallest;  ///< by parameters without the token table, among admissible points
  /// Admissible architectures in ascending strata of equal width in the logarithm of that number; none is empty.
  std::vector<std::vector<nn::TransformerConfig>> strata;

  /// SHA-256 over all of it, hexadecimal.
  std::string hash() const;
};

/// Draws points uniformly from (seed, kSupernetTrial), keeps the admissible ones (`refused` says nothing), and climbs from the
/// largest and the smallest of them, one parameter at a time, until no value of any makes it larger or smaller. InputError as
/// check_shareable(), or if none of the draws is admissible.
SharedSpace share_space(const Space& space, const Candidate& base, const TaskShape& task, std::uint64_t seed,
                        const std::function<bool(const Point&)>& admissible);

/// The sub-network number `draw` = 0, 1, 2, …: every strata.size() draws visit each stratum once, in shuffled order, and take a
/// uniform member. A pure function of (seed, draw).
const nn::TransformerConfig& draw_part(const SharedSpace& shared, std::uint64_t seed, std::uint64_t draw);

}  // namespace lathe::nas
