#include <lathe/nas/pareto.h>

#include <lathe/base/error.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace lathe::nas {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool lexicographic(const double* a, const double* b, std::size_t objectives) {
  return std::lexicographical_compare(a, a + objectives, b, b + objectives);
}

bool equal(const double* a, const double* b, std::size_t objectives) { return std::equal(a, a + objectives, b); }

// Row numbers in lexicographic order, equal rows by number.
std::vector<std::size_t> sorted_rows(const LossTable& table) {
  std::vector<std::size_t> order(table.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const std::size_t d = table.objectives();
  if (d == 2) {  // worth its own line: a comparison of two numbers
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const double *x = table[a], *y = table[b];
      if (x[0] != y[0]) return x[0] < y[0];
      return x[1] != y[1] ? x[1] < y[1] : a < b;
    });
    return order;
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (lexicographic(table[a], table[b], d)) return true;
    return !lexicographic(table[b], table[a], d) && a < b;
  });
  return order;
}

// Ranks of distinct rows in lexicographic order, two objectives: `least[k]` is the smallest second value in front k so far,
// ascending in k; a row belongs to the first front whose least value is above its own.
std::vector<std::size_t> ranks_2d(const LossTable& table, const std::vector<std::size_t>& rows) {
  std::vector<std::size_t> ranks;
  std::vector<double> least;
  for (const std::size_t row : rows) {
    const double y = table[row][1];
    const auto at = std::upper_bound(least.begin(), least.end(), y);
    ranks.push_back(static_cast<std::size_t>(at - least.begin()));
    if (at == least.end()) {
      least.push_back(y);
    } else {
      *at = y;
    }
  }
  return ranks;
}

// The same for any number of objectives, front by front. A row can only be dominated by one before it.
std::vector<std::size_t> ranks_nd(const LossTable& table, const std::vector<std::size_t>& rows, std::size_t enough) {
  std::vector<std::size_t> ranks(rows.size(), 0), left(rows.size()), front, next;
  for (std::size_t i = 0; i < left.size(); ++i) left[i] = i;
  std::size_t rank = 0;
  while (!left.empty() && rows.size() - left.size() < enough) {
    front.clear();
    next.clear();
    for (const std::size_t i : left) {
      const bool dominated = std::any_of(
          front.begin(), front.end(), [&](std::size_t j) { return dominates(table[rows[j]], table[rows[i]], table.objectives()); });
      (dominated ? next : front).push_back(i);
    }
    for (const std::size_t i : front) ranks[i] = rank;
    ++rank;
    left = next;
  }
  for (const std::size_t i : left) ranks[i] = rank;
  return ranks;
}

std::vector<std::size_t> ranks_of_all(const LossTable& table, std::size_t enough) {
  const std::vector<std::size_t> order = sorted_rows(table);
  std::vector<std::size_t> distinct, group(table.size());
  for (const std::size_t row : order) {
    if (distinct.empty() || !equal(table[distinct.back()], table[row], table.objectives())) distinct.push_back(row);
    group[row] = distinct.size() - 1;
  }
  std::vector<std::size_t> ranks;
  if (table.objectives() == 1) {
    for (std::size_t i = 0; i < distinct.size(); ++i) ranks.push_back(i);
  } else if (table.objectives() == 2) {
    ranks = ranks_2d(table, distinct);
  } else {
    ranks = ranks_nd(table, distinct, enough);
  }
  std::vector<std::size_t> out(table.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = ranks[group[i]];
  return out;
}

// ---- Hypervolume of rows that lie within the reference

using Rows = std::vector<const double*>;

double volume_2d(Rows& rows, const double* reference) {
  std::sort(rows.begin(), rows.end(), [](const double* a, const double* b) { return lexicographic(a, b, 2); });
  double sum = 0, top = reference[1];
  for (const double* row : rows) {
    if (row[1] >= top) continue;
    sum += (reference[0] - row[0]) * (top - row[1]);
    top = row[1];
  }
  return sum;
}

// Upwards along the third objective; the staircase of the first two, ascending in the first, is what is covered at that height.
double volume_3d(Rows& rows, const double* reference) {
  std::sort(rows.begin(), rows.end(),
            [](const double* a, const double* b) { return a[2] != b[2] ? a[2] < b[2] : lexicographic(a, b, 2); });
  std::vector<std::array<double, 2>> stairs;
  double volume = 0, height = 0;
  const auto area = [&] {
    double sum = 0, top = reference[1];
    for (const auto& [x, y] : stairs) {
      sum += (reference[0] - x) * (top - y);
      top = y;
    }
    return sum;
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i && rows[i][2] > height) volume += area() * (rows[i][2] - height);
    height = rows[i][2];
    const double x = rows[i][0], y = rows[i][1];
    auto at = std::find_if(stairs.begin(), stairs.end(), [&](const auto& s) { return s[0] >= x; });
    const bool covered = (at != stairs.begin() && (at - 1)->at(1) <= y) || (at != stairs.end() && (*at)[0] == x && (*at)[1] <= y);
    if (covered) continue;
    auto end = at;
    while (end != stairs.end() && (*end)[1] >= y) ++end;
    at = stairs.erase(at, end);
    stairs.insert(at, {x, y});
  }
  return volume + area() * (reference[2] - height);
}

// Slices along the last objective, each with the volume of what lies below it in the others.
double volume_nd(Rows rows, const double* reference, std::size_t d) {
  if (rows.empty()) return 0;
  if (d == 1) {
    double least = reference[0];
    for (const double* row : rows) least = std::min(least, row[0]);
    return reference[0] - least;
  }
  if (d == 2) return volume_2d(rows, reference);
  if (d == 3) return volume_3d(rows, reference);
  std::sort(rows.begin(), rows.end(), [&](const double* a, const double* b) {
    return a[d - 1] != b[d - 1] ? a[d - 1] < b[d - 1] : lexicographic(a, b, d - 1);
  });
  Rows below;
  double volume = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto covers = [&](const double* other) { return dominates(other, rows[i], d - 1) || equal(other, rows[i], d - 1); };
    if (std::none_of(below.begin(), below.end(), covers)) {
      below.erase(std::remove_if(below.begin(), below.end(), [&](const double* b) { return dominates(rows[i], b, d - 1); }),
                  below.end());
      below.push_back(rows[i]);
    }
    const double next = i + 1 < rows.size() ? rows[i + 1][d - 1] : reference[d - 1];
    if (next > rows[i][d - 1]) volume += volume_nd(below, reference, d - 1) * (next - rows[i][d - 1]);
  }
  return volume;
}

double box(const double* row, std::span<const double> reference) {
  double volume = 1;
  for (std::size_t k = 0; k < reference.size(); ++k) volume *= reference[k] - row[k];
  return volume;
}

// ---- Subset selection over distinct rows in lexicographic order

// Two objectives: what a row adds is the rectangle to its corner, and a choice only moves the corners of its neighbours inwards.
std::vector<std::size_t> subset_2d(const LossTable& table, std::vector<std::size_t> rows, std::size_t count,
                                   std::span<const double> reference) {
  std::vector<std::array<double, 2>> corner(rows.size(), {reference[0], reference[1]});
  std::vector<std::size_t> out;
  while (out.size() < count) {
    std::size_t best = 0;
    double most = -kInfinity;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double added = (corner[i][0] - table[rows[i]][0]) * (corner[i][1] - table[rows[i]][1]);
      if (added > most) {
        most = added;
        best = i;
      }
    }
    const double* chosen = table[rows[best]];
    out.push_back(rows[best]);
    for (std::size_t i = 0; i < best; ++i) corner[i][0] = std::min(corner[i][0], chosen[0]);
    for (std::size_t i = best + 1; i < rows.size(); ++i) corner[i][1] = std::min(corner[i][1], chosen[1]);
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(best));
    corner.erase(corner.begin() + static_cast<std::ptrdiff_t>(best));
  }
  return out;
}

// What a row adds only shrinks while others are chosen: an old figure is a bound, and only rows whose bound is above the best new
// figure are computed again.
std::vector<std::size_t> subset_nd(const LossTable& table, const std::vector<std::size_t>& rows, std::size_t count,
                                   std::span<const double> reference) {
  const std::size_t d = table.objectives();
  std::vector<double> added(rows.size());
  std::vector<bool> taken(rows.size(), false);
  for (std::size_t i = 0; i < rows.size(); ++i) added[i] = box(table[rows[i]], reference);
  std::vector<std::size_t> out, order(rows.size());
  Rows chosen;
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  double volume = 0;
  while (out.size() < count) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return added[a] != added[b] ? added[a] > added[b] : a < b; });
    std::size_t best = rows.size();
    double most = -kInfinity;
    for (const std::size_t i : order) {
      if (taken[i]) continue;
      if (added[i] < most) break;
      if (!chosen.empty()) {
        Rows with = chosen;
        with.push_back(table[rows[i]]);
        added[i] = volume_nd(std::move(with), reference.data(), d) - volume;
      }
      if (added[i] > most || (added[i] == most && i < best)) {
        most = added[i];
        best = i;
      }
    }
    taken[best] = true;
    out.push_back(rows[best]);
    chosen.push_back(table[rows[best]]);
    volume += most;
  }
  return out;
}

}  // namespace

bool dominates(const double* a, const double* b, std::size_t objectives) {
  bool smaller = false;
  for (std::size_t k = 0; k < objectives; ++k) {
    if (a[k] > b[k]) return false;
    smaller |= a[k] < b[k];
  }
  return smaller;
}

std::vector<std::size_t> non_domination_ranks(const LossTable& losses, std::span<const double> violations, std::size_t enough) {
  if (violations.empty()) return ranks_of_all(losses, enough);
  LATHE_CHECK(violations.size() == losses.size(), "one violation per row");
  std::vector<std::size_t> feasible, broken;
  LossTable good(losses.objectives()), bad(1);
  for (std::size_t i = 0; i < losses.size(); ++i) {
    (violations[i] > 0 ? broken : feasible).push_back(i);
    if (violations[i] > 0) {
      bad.add(&violations[i]);
    } else {
      good.add(losses[i]);
    }
  }
  std::vector<std::size_t> out(losses.size());
  std::size_t next = 0;
  const auto first = ranks_of_all(good, enough);
  for (std::size_t i = 0; i < feasible.size(); ++i) {
    out[feasible[i]] = first[i];
    next = std::max(next, first[i] + 1);
  }
  const auto second = ranks_of_all(bad, enough);
  for (std::size_t i = 0; i < broken.size(); ++i) out[broken[i]] = next + second[i];
  return out;
}

std::vector<double> crowding_distances(const LossTable& rows) {
  std::vector<double> out(rows.size(), 0);
  std::vector<std::size_t> order(rows.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  for (std::size_t k = 0; k < rows.objectives() && !order.empty(); ++k) {
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rows[a][k] < rows[b][k]; });
    const auto value = [&](std::size_t place) { return rows[order[place]][k]; };
    const std::size_t n = order.size();
    if (value(0) == value(n - 1)) continue;
    double low = kInfinity, high = -kInfinity;
    for (std::size_t i = 0; i < n; ++i) {
      if (value(i) != -kInfinity) low = std::min(low, value(i));
      if (value(i) != kInfinity) high = std::max(high, value(i));
    }
    const double width = high - low > 0 ? high - low : 1;
    for (std::size_t i = 0; i < n; ++i) {
      const double before = i ? value(i - 1) : -kInfinity, after = i + 1 < n ? value(i + 1) : kInfinity;
      if (before != after) out[order[i]] += (after - before) / width;
    }
  }
  return out;
}

double hypervolume(const LossTable& rows, std::span<const double> reference) {
  LATHE_CHECK(reference.size() == rows.objectives(), "one reference value per objective");
  for (const double r : reference)
    if (!std::isfinite(r)) return kInfinity;
  Rows inside;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    bool within = true;
    for (std::size_t k = 0; k < reference.size(); ++k) within &= rows[i][k] <= reference[k];
    if (within) inside.push_back(rows[i]);
  }
  return volume_nd(std::move(inside), reference.data(), reference.size());
}

std::vector<double> reference_point(const LossTable& rows) {
  std::vector<double> out(rows.objectives(), -kInfinity);
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t k = 0; k < out.size(); ++k) out[k] = std::max(out[k], rows[i][k]);
  for (double& r : out) {
    r = std::max(1.1 * r, 0.9 * r);
    if (r == 0) r = 1e-12;
  }
  return out;
}

std::vector<std::size_t> hypervolume_subset(const LossTable& rows, std::size_t count, std::span<const double> reference) {
  LATHE_CHECK(count <= rows.size(), "a subset is not larger than the set");
  std::vector<std::size_t> distinct, again;
  for (const std::size_t row : sorted_rows(rows)) {
    const bool known = !distinct.empty() && equal(rows[distinct.back()], rows[row], rows.objectives());
    (known ? again : distinct).push_back(row);
  }
  if (distinct.size() <= count) {
    std::sort(again.begin(), again.end());
    again.resize(count - distinct.size());
    distinct.insert(distinct.end(), again.begin(), again.end());
    return distinct;
  }
  for (const double r : reference)
    if (!std::isfinite(r)) return {distinct.begin(), distinct.begin() + static_cast<std::ptrdiff_t>(count)};
  return rows.objectives() == 2 ? subset_2d(rows, distinct, count, reference) : subset_nd(rows, distinct, count, reference);
}

std::vector<std::size_t> best_by_rank_and_volume(const LossTable& losses, std::size_t count) {
  count = std::min(count, losses.size());
  const auto ranks = non_domination_ranks(losses, {}, count);
  std::vector<std::size_t> sizes;
  for (const std::size_t rank : ranks) {
    if (rank >= sizes.size()) sizes.resize(rank + 1, 0);
    ++sizes[rank];
  }
  std::size_t whole = 0, taken = 0;  // so many ranks fit as a whole
  while (whole < sizes.size() && taken + sizes[whole] <= count) taken += sizes[whole++];
  std::vector<std::size_t> out, last;
  LossTable tied(losses.objectives());
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (ranks[i] < whole) out.push_back(i);
    if (ranks[i] != whole) continue;
    last.push_back(i);
    tied.add(losses[i]);
  }
  if (taken < count)
    for (const std::size_t i : hypervolume_subset(tied, count - taken, reference_point(tied))) out.push_back(last[i]);
  return out;
}

}  // namespace lathe::nas
