// Several objectives: domination, crowding, hypervolume. Everything here is smaller-is-better; negate what is maximised.
//
// a dominates b: nowhere larger, somewhere smaller. Equal points do not dominate each other and share their rank.
// All functions are pure and deterministic; sums run in a fixed order.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace lathe::nas {

/// Rows of equally many numbers.
class LossTable {
 public:
  explicit LossTable(std::size_t objectives) : objectives_(objectives) {}
  void add(const double* row) { values_.insert(values_.end(), row, row + objectives_); }
  void add(std::span<const double> row) { add(row.data()); }
  std::size_t objectives() const { return objectives_; }
  std::size_t size() const { return objectives_ ? values_.size() / objectives_ : 0; }
  const double* operator[](std::size_t i) const { return &values_[i * objectives_]; }

 private:
  std::size_t objectives_;
  std::vector<double> values_;
};

bool dominates(const double* a, const double* b, std::size_t objectives);

/// Non-domination rank of every row: 0 for what nothing dominates, then what is left without those, and so on (Deb et al., IEEE
/// Trans. Evol. Comp. 6(2), 2002). With `violations` (Σ max(0, c), one per row) rows of 0 are ranked first, then the others by
/// violation alone, equal ones equally. Ranks beyond the first `enough` distinct rows may be too small, but never below those of
/// the first.
std::vector<std::size_t> non_domination_ranks(const LossTable& losses, std::span<const double> violations = {},
                                              std::size_t enough = static_cast<std::size_t>(-1));

/// Crowding distance of each row: Σ over the objectives of (next − previous value) / (largest − smallest), infinite at both ends,
/// 0 in an objective where all are equal. Equal values keep the order that the objective before left (at first that of the rows).
std::vector<double> crowding_distances(const LossTable& rows);

/// Exact volume between the rows and `reference`, duplicates and dominated rows included once. A row beyond the reference counts up
/// to it (nothing, if it is beyond in one objective). Infinite if `reference` is. Two objectives O(n log n), three O(n²), d
/// O(n^(d−1)).
double hypervolume(const LossTable& rows, std::span<const double> reference);

/// max(1.1 w, 0.9 w) of the worst value w of each objective, 1e-12 where that is 0: the reference of a subset selection.
std::vector<double> reference_point(const LossTable& rows);

/// `count` rows that together have a large hypervolume: greedily the one that adds most, of equal ones the lexicographically
/// smallest (at least 1 − 1/e of the largest volume; Guerreiro et al., Evol. Comp. 24(3), 2016). Rows that occur twice come last.
/// Numbers of the rows, in the order of their choice.
std::vector<std::size_t> hypervolume_subset(const LossTable& rows, std::size_t count, std::span<const double> reference);

/// `count` rows by rank; from the rank that does not fit as a whole, by hypervolume_subset() with its own reference point.
std::vector<std::size_t> best_by_rank_and_volume(const LossTable& losses, std::size_t count);

}  // namespace lathe::nas
