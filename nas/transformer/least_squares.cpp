#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/least_squares.h>

#include <algorithm>
#include <limits>

namespace lathe::nas {
namespace {

using Vector = std::vector<double>;

/// The normal equations of unit columns: G = SAᵀAS + ridge · I and h = SAᵀb.
struct Normal {
  std::size_t n = 0;
  Vector g, h, scale;  // scale 0: a column of zeros
};

Normal normal_equations(std::span<const double> a, std::size_t n, std::span<const double> b, double ridge) {
  Normal out{n, Vector(n * n), Vector(n), Vector(n)};
  for (std::size_t j = 0; j < n; ++j) {
    double squares = 0;
    for (std::size_t i = 0; i < b.size(); ++i) squares += a[i * n + j] * a[i * n + j];
    out.scale[j] = squares > 0 ? 1 / math::sqrt(squares) : 0;
  }
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k <= j; ++k) {
      double sum = 0;
      for (std::size_t i = 0; i < b.size(); ++i) sum += a[i * n + j] * a[i * n + k];
      out.g[j * n + k] = out.g[k * n + j] = sum * out.scale[j] * out.scale[k] + (j == k ? ridge : 0);
    }
    double sum = 0;
    for (std::size_t i = 0; i < b.size(); ++i) sum += a[i * n + j] * b[i];
    out.h[j] = sum * out.scale[j];
  }
  return out;
}

/// The solution with every column out of `used` at 0.
Vector solve(const Normal& e, const std::vector<std::size_t>& used) {
  const std::size_t m = used.size();
  Vector l(m * m), y(m), x(e.n);
  for (std::size_t r = 0; r < m; ++r)
    for (std::size_t c = 0; c <= r; ++c) {
      double sum = e.g[used[r] * e.n + used[c]];
      for (std::size_t k = 0; k < c; ++k) sum -= l[r * m + k] * l[c * m + k];
      l[r * m + c] = r == c ? math::sqrt(std::max(sum, std::numeric_limits<double>::min())) : sum / l[c * m + c];
    }
  for (std::size_t r = 0; r < m; ++r) {
    double sum = e.h[used[r]];
    for (std::size_t k = 0; k < r; ++k) sum -= l[r * m + k] * y[k];
    y[r] = sum / l[r * m + r];
  }
  for (std::size_t r = m; r-- > 0;) {
    double sum = y[r];
    for (std::size_t k = r + 1; k < m; ++k) sum -= l[k * m + r] * x[used[k]];
    x[used[r]] = sum / l[r * m + r];
  }
  return x;
}

/// The column that is neither used nor blocked whose growth lowers the sum fastest, or n if none does.
std::size_t steepest(const Normal& e, const Vector& x, const std::vector<bool>& is_used, const std::vector<bool>& blocked) {
  std::size_t best = e.n;
  double most = 1e-12;
  for (std::size_t j = 0; j < e.n; ++j) {
    if (is_used[j] || blocked[j] || e.scale[j] == 0) continue;
    double slope = e.h[j];
    for (std::size_t k = 0; k < e.n; ++k) slope -= e.g[j * e.n + k] * x[k];
    if (slope > most) {
      most = slope;
      best = j;
    }
  }
  return best;
}

/// Goes from x towards `goal` until the first used column reaches 0, which leaves.
void step_back(Vector& x, const Vector& goal, std::vector<std::size_t>& used, std::vector<bool>& is_used) {
  double part = 1;
  for (const std::size_t j : used)
    if (goal[j] <= 0) part = std::min(part, x[j] / (x[j] - goal[j]));
  for (const std::size_t j : used) x[j] += part * (goal[j] - x[j]);
  for (const std::size_t j : used)
    if (goal[j] <= 0 && x[j] <= 1e-14) {
      x[j] = 0;
      is_used[j] = false;
    }
  std::erase_if(used, [&](std::size_t j) { return !is_used[j]; });
}

void check(std::span<const double> a, std::size_t columns, std::span<const double> b, double ridge) {
  if (columns == 0 || a.size() != columns * b.size() || !(ridge > 0))
    throw InputError(str("[nonnegative_least_squares] expected ", b.size(), " rows of ", columns, " columns and a ridge > 0, got ",
                         a.size(), " numbers and ", ridge));
  const auto finite = [](double v) { return v - v == 0; };
  if (!std::all_of(a.begin(), a.end(), finite) || !std::all_of(b.begin(), b.end(), finite))
    throw InputError("[nonnegative_least_squares] expected finite numbers");
}

}  // namespace

std::vector<double> nonnegative_least_squares(std::span<const double> a, std::size_t columns, std::span<const double> b,
                                              double ridge) {
  check(a, columns, b, ridge);
  const Normal e = normal_equations(a, columns, b, ridge);
  Vector x(columns);
  std::vector<bool> is_used(columns), blocked(columns);
  std::vector<std::size_t> used;
  // Every round lowers the sum, so it ends; the bound is for rounding.
  for (std::size_t round = 0; round < 10 * columns; ++round) {
    const std::size_t next = steepest(e, x, is_used, blocked);
    if (next == columns) break;
    used.insert(std::upper_bound(used.begin(), used.end(), next), next);
    Vector goal = solve(e, used);
    if (goal[next] <= 0) {  // its slope was rounding alone: it would come back until x is another
      std::erase(used, next);
      blocked[next] = true;
      continue;
    }
    is_used[next] = true;
    blocked.assign(columns, false);
    while (std::any_of(used.begin(), used.end(), [&](std::size_t j) { return goal[j] <= 0; })) {
      step_back(x, goal, used, is_used);
      goal = solve(e, used);
    }
    x = goal;
  }
  for (std::size_t j = 0; j < columns; ++j) x[j] *= e.scale[j];
  return x;
}

}  // namespace lathe::nas
