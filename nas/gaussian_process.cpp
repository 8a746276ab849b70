#include <lathe/nas/gaussian_process.h>

#include <lathe/base/math.h>
#include <lathe/nas/normal.h>

#include <algorithm>

namespace lathe::nas {
namespace {

constexpr double kRoot5 = 2.2360679774997896964;
constexpr double kLeastNoise = 1e-6, kLeastPivot = 1e-10;
constexpr int kSteps = 50, kMemory = 8;

double squared_difference(double a, double b, bool categorical) {
  const bool no_a = a != a, no_b = b != b;
  if (no_a || no_b) return no_a == no_b ? 0 : 1;
  if (categorical) return a == b ? 0 : 1;
  return (a - b) * (a - b);
}

double matern(double squared_distance) {
  const double t = kRoot5 * math::sqrt(squared_distance);
  return (1 + t + t * t / 3) * exp_of_negative(-t);
}

// Lower Cholesky factor by columns (column j: rows j … n−1), in place.
void factor(std::vector<std::vector<double>>& columns) {
  const std::size_t n = columns.size();
  for (std::size_t k = 0; k < n; ++k) {
    auto& column = columns[k];
    const double pivot = math::sqrt(std::max(column[0], kLeastPivot));
    column[0] = pivot;
    for (std::size_t i = 1; i < column.size(); ++i) column[i] /= pivot;
    for (std::size_t j = k + 1; j < n; ++j) {
      const double factor = column[j - k];
      const double* from = column.data() + (j - k);
      double* to = columns[j].data();
      for (std::size_t i = 0; i < n - j; ++i) to[i] -= factor * from[i];
    }
  }
}

// L v = b from row `first`, in place; b is 0 before it.
void solve_lower(const std::vector<std::vector<double>>& columns, double* b, std::size_t first = 0) {
  const std::size_t n = columns.size();
  for (std::size_t j = first; j < n; ++j) {
    const double* column = columns[j].data();
    const double value = b[j] /= column[0];
    double* rest = b + j;
    for (std::size_t i = 1; i < n - j; ++i) rest[i] -= value * column[i];
  }
}

struct Likelihood {
  std::vector<double> alpha;                 // K⁻¹ y
  std::vector<std::vector<double>> inverse;  // K⁻¹, row i up to its diagonal
  double value = 0;
};

// From the factor: log N(y; 0, LLᵀ) without its constant, K⁻¹ as Wᵀ W with W = L⁻¹, and K⁻¹ y as Wᵀ W y.
Likelihood likelihood(const std::vector<std::vector<double>>& columns, std::span<const double> y, bool with_inverse) {
  const std::size_t n = y.size();
  Likelihood out;
  std::vector<double> v(y.begin(), y.end());
  solve_lower(columns, v.data());
  for (std::size_t i = 0; i < n; ++i) out.value -= 0.5 * v[i] * v[i] + math::log(columns[i][0]);
  if (!with_inverse) return out;
  std::vector<std::vector<double>> w(n);  // rows of L⁻¹
  for (std::size_t i = 0; i < n; ++i) w[i].assign(i + 1, 0);
  std::vector<double> column(n);
  for (std::size_t c = 0; c < n; ++c) {
    std::fill(column.begin(), column.end(), 0);
    column[c] = 1;
    solve_lower(columns, column.data(), c);
    for (std::size_t i = c; i < n; ++i) w[i][c] = column[i];
  }
  out.inverse.resize(n);
  for (std::size_t i = 0; i < n; ++i) out.inverse[i].assign(i + 1, 0);
  out.alpha.assign(n, 0);
  for (std::size_t k = 0; k < n; ++k) {
    const double* row = w[k].data();
    for (std::size_t i = 0; i <= k; ++i) {
      const double factor = row[i];
      double* to = out.inverse[i].data();
      for (std::size_t j = 0; j <= i; ++j) to[j] += factor * row[j];
      out.alpha[i] += factor * v[k];
    }
  }
  return out;
}

// Squared differences by dimension, for the pairs (i, j < i) in order; and the sums weighted by w.
struct Differences {
  std::vector<std::vector<double>> squares;
  explicit Differences(const Features& x) : squares(x.dimensions()) {
    for (std::size_t d = 0; d < x.dimensions(); ++d)
      for (std::size_t i = 0; i < x.rows; ++i)
        for (std::size_t j = 0; j < i; ++j) squares[d].push_back(squared_difference(x.row(i)[d], x.row(j)[d], x.categorical[d]));
  }
};

double posterior(const Differences& differences, std::span<const double> y, const MaternKernel& kernel,
                 std::vector<double>* gradient) {
  const std::size_t n = y.size(), dimensions = kernel.weights.size(), pairs = n * (n - (n > 0)) / 2;
  std::vector<double> distance(pairs, 0);
  for (std::size_t d = 0; d < dimensions; ++d) {
    const double w = kernel.weights[d];
    const double* squares = differences.squares[d].data();
    for (std::size_t p = 0; p < pairs; ++p) distance[p] += w * squares[p];
  }
  std::vector<std::vector<double>> columns(n);
  for (std::size_t j = 0; j < n; ++j) {
    columns[j].resize(n - j);
    columns[j][0] = kernel.scale + kernel.noise;
    for (std::size_t i = j + 1; i < n; ++i) columns[j][i - j] = kernel.scale * matern(distance[i * (i - 1) / 2 + j]);
  }
  const auto kept = gradient ? columns : std::vector<std::vector<double>>{};
  factor(columns);
  const Likelihood found = likelihood(columns, y, gradient != nullptr);
  double value = found.value + math::log(kernel.scale) - kernel.scale + 0.1 * math::log(kernel.noise) - 30 * kernel.noise;
  for (const double w : kernel.weights) value -= 0.1 / w + 0.1 * w;
  if (!gradient) return value;
  // ½ tr((ααᵀ − K⁻¹) ∂K); off the diagonal both halves at once.
  double by_scale = 0, by_noise = 0;
  std::vector<double> slope(pairs);
  for (std::size_t i = 0; i < n; ++i) {
    const double diagonal = found.alpha[i] * found.alpha[i] - found.inverse[i][i];
    by_scale += 0.5 * diagonal * kernel.scale;
    by_noise += 0.5 * diagonal * kernel.noise;
    for (std::size_t j = 0; j < i; ++j) {
      const std::size_t p = i * (i - 1) / 2 + j;
      const double h = found.alpha[i] * found.alpha[j] - found.inverse[i][j];
      const double t = kRoot5 * math::sqrt(distance[p]);
      by_scale += h * kept[j][i - j];
      slope[p] = -h * kernel.scale * (5.0 / 6) * (1 + t) * exp_of_negative(-t);
    }
  }
  gradient->clear();
  for (std::size_t d = 0; d < dimensions; ++d) {
    double sum[4] = {0, 0, 0, 0};  // fixed lanes: a long chain of additions would wait for each other
    const double* squares = differences.squares[d].data();
    for (std::size_t p = 0; p < pairs; ++p) sum[p % 4] += slope[p] * squares[p];
    const double w = kernel.weights[d];
    gradient->push_back(w * ((sum[0] + sum[1]) + (sum[2] + sum[3])) + 0.1 / w - 0.1 * w);
  }
  gradient->push_back(by_scale + 1 - kernel.scale);
  gradient->push_back(by_noise + 0.1 - 30 * kernel.noise);
  return value;
}

MaternKernel kernel_at(const std::vector<double>& logs) {
  MaternKernel out;
  for (std::size_t d = 0; d + 2 < logs.size(); ++d) out.weights.push_back(math::exp(logs[d]));
  out.scale = math::exp(logs[logs.size() - 2]);
  out.noise = std::max(math::exp(logs.back()), kLeastNoise);
  return out;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The L-BFGS direction of ascent (two loops over the remembered steps).
struct Memory {
  std::vector<std::vector<double>> steps, changes;
  std::vector<double> direction(const std::vector<double>& gradient) const {
    std::vector<double> d = gradient, a(steps.size());
    for (std::size_t i = steps.size(); i-- > 0;) {
      a[i] = dot(steps[i], d) / dot(changes[i], steps[i]);
      for (std::size_t k = 0; k < d.size(); ++k) d[k] -= a[i] * changes[i][k];
    }
    double scale = 1 / std::max(1.0, math::sqrt(dot(gradient, gradient)));
    if (!steps.empty()) scale = dot(steps.back(), changes.back()) / dot(changes.back(), changes.back());
    for (double& x : d) x *= scale;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const double b = dot(changes[i], d) / dot(changes[i], steps[i]);
      for (std::size_t k = 0; k < d.size(); ++k) d[k] += (a[i] - b) * steps[i][k];
    }
    return d;
  }
  void add(std::vector<double> step, std::vector<double> change) {
    if (!(dot(step, change) > 1e-12)) return;
    steps.push_back(std::move(step));
    changes.push_back(std::move(change));
    if (steps.size() <= kMemory) return;
    steps.erase(steps.begin());
    changes.erase(changes.begin());
  }
};

}  // namespace

double log_posterior(const Features& x, std::span<const double> y, const MaternKernel& kernel, std::vector<double>* gradient) {
  return posterior(Differences(x), y, kernel, gradient);
}

MaternKernel fit_kernel(const Features& x, std::span<const double> y) {
  const Differences differences(x);
  std::vector<double> at(x.dimensions() + 2, 0), gradient;
  at.back() = math::log(0.01);
  double value = posterior(differences, y, kernel_at(at), &gradient);
  Memory memory;
  for (int step = 0; step < kSteps; ++step) {
    std::vector<double> direction = memory.direction(gradient);
    double slope = dot(direction, gradient);
    if (!(slope > 0)) {
      memory = {};
      direction = memory.direction(gradient);
      slope = dot(direction, gradient);
    }
    double rate = 1;
    std::vector<double> next(at.size()), next_gradient;
    bool better = false;
    double next_value = value;
    for (int halving = 0; halving < 15 && !better; ++halving, rate *= 0.5) {
      for (std::size_t k = 0; k < at.size(); ++k) next[k] = std::clamp(at[k] + rate * direction[k], -20.0, 12.0);
      next_value = posterior(differences, y, kernel_at(next), &next_gradient);
      better = next_value >= value + 1e-4 * rate * slope;
    }
    if (!better) break;
    std::vector<double> moved(at.size()), change(at.size());
    for (std::size_t k = 0; k < at.size(); ++k) {
      moved[k] = next[k] - at[k];
      change[k] = gradient[k] - next_gradient[k];  // of the descent direction
    }
    memory.add(moved, change);
    const double gained = next_value - value;
    at = next;
    gradient = next_gradient;
    value = next_value;
    if (gained < 1e-5) break;
  }
  return kernel_at(at);
}

GaussianProcess::GaussianProcess(MaternKernel kernel, const Features& x, std::span<const double> y)
    : kernel_(std::move(kernel)), x_(x) {
  columns_.resize(x.rows);
  for (std::size_t j = 0; j < x.rows; ++j) {
    columns_[j].resize(x.rows - j);
    for (std::size_t i = j; i < x.rows; ++i) columns_[j][i - j] = covariance(x_.row(i), x_.row(j));
    columns_[j][0] += kernel_.noise;
  }
  factor(columns_);
  whitened_.assign(y.begin(), y.end());
  solve_lower(columns_, whitened_.data());
}

double GaussianProcess::covariance(const double* a, const double* b) const {
  double distance = 0;
  for (std::size_t d = 0; d < kernel_.weights.size(); ++d)
    distance += kernel_.weights[d] * squared_difference(a[d], b[d], x_.categorical[d]);
  return kernel_.scale * matern(distance);
}

GaussianProcess::Prediction GaussianProcess::predict(const double* row) const {
  work_.resize(x_.rows);
  for (std::size_t i = 0; i < x_.rows; ++i) work_[i] = covariance(row, x_.row(i));
  solve_lower(columns_, work_.data());
  Prediction out{0, kernel_.scale};
  for (std::size_t i = 0; i < x_.rows; ++i) {
    out.mean += work_[i] * whitened_[i];
    out.variance -= work_[i] * work_[i];
  }
  out.variance = std::max(out.variance, 1e-12);
  return out;
}

void GaussianProcess::believe(const std::vector<double>& row) {
  const Prediction seen = predict(row.data());
  // The new row of the factor is what predict() left in work_; its observation is the mean, so nothing is left to explain.
  for (std::size_t j = 0; j < x_.rows; ++j) columns_[j].push_back(work_[j]);
  columns_.push_back({math::sqrt(std::max(seen.variance + kernel_.noise, kLeastPivot))});
  whitened_.push_back(0);
  x_.add(row);
}

double log_expected_improvement(double best, double mean, double variance) {
  const double sigma = math::sqrt(variance), z = (best - mean) / sigma;
  const double log_pdf = -0.5 * z * z - kLogSqrt2Pi;
  double h = 0;
  if (z > -1) {
    h = math::log(math::exp(log_pdf) + z * normal_cdf(z));
  } else if (z > -1000) {
    // 1 + z Φ/φ = 1/z² − 3/z⁴ + 15/z⁶ …: by its series where the difference would cancel.
    const double s = 1 / (z * z);
    const double rest = z > -30 ? 1 + z * math::exp(log_normal_cdf(z) - log_pdf) : s * (1 - 3 * s + 15 * s * s);
    h = log_pdf + math::log(rest);
  } else {
    h = log_pdf - 2 * math::log(-z);
  }
  return h + math::log(sigma);
}

}  // namespace lathe::nas
