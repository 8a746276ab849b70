#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/singular_values.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace lathe::nas {
namespace {

constexpr std::size_t kLanes = 8;
constexpr int kMostSweeps = 60;  // a dozen is the most that has been seen

/// In 8 fixed lanes, which a compiler may turn into vectors without changing a bit.
double dot(const double* a, const double* b, std::size_t n) {
  double lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += a[i + l] * b[i + l];
  for (std::size_t l = 0; i + l < n; ++l) lanes[l] += a[i + l] * b[i + l];
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/// Vectors end to end, turned in pairs until all are orthogonal; then their lengths are the singular values.
class Jacobi {
 public:
  Jacobi(std::vector<double> vectors, std::size_t count, std::size_t size)
      : vectors_(std::move(vectors)), count_(count), size_(size), squares_(count) {}

  std::vector<double> run() {
    int sweeps = 0;
    while (sweep()) LATHE_CHECK(++sweeps < kMostSweeps, "Jacobi rotations do not converge");
    std::vector<double> lengths;
    for (const double square : squares_) lengths.push_back(math::sqrt(square));
    std::sort(lengths.begin(), lengths.end(), std::greater<>());
    return lengths;
  }

 private:
  double* vector(std::size_t i) { return vectors_.data() + i * size_; }

  /// Every pair once; was there anything to turn?
  bool sweep() {
    double total = 0;
    for (std::size_t i = 0; i < count_; ++i) total += squares_[i] = dot(vector(i), vector(i), size_);
    const double epsilon = std::numeric_limits<double>::epsilon();
    const double nothing = epsilon * epsilon * total;  // the square of a length that rounding alone may have left
    bool turned = false;
    for (std::size_t p = 0; p + 1 < count_; ++p)
      for (std::size_t q = p + 1; q < count_; ++q) {
        if (squares_[p] <= nothing || squares_[q] <= nothing) continue;
        const double product = dot(vector(p), vector(q), size_);
        if (std::abs(product) <= 4 * epsilon * math::sqrt(squares_[p]) * math::sqrt(squares_[q])) continue;
        turn(p, q, product);
        turned = true;
      }
    for (std::size_t i = 0; i < count_; ++i) squares_[i] = dot(vector(i), vector(i), size_);
    return turned;
  }

  void turn(std::size_t p, std::size_t q, double product) {
    const double zeta = (squares_[q] - squares_[p]) / (2 * product);
    const double root = std::abs(zeta) > 1e150 ? std::abs(zeta) : math::sqrt(1 + zeta * zeta);
    const double t = (zeta < 0 ? -1.0 : 1.0) / (std::abs(zeta) + root);
    const double c = 1 / math::sqrt(1 + t * t), s = c * t;
    double *a = vector(p), *b = vector(q);
    for (std::size_t i = 0; i < size_; ++i) {
      const double x = a[i], y = b[i];
      a[i] = c * x - s * y;
      b[i] = s * x + c * y;
    }
    squares_[p] -= t * product;
    squares_[q] += t * product;
  }

  std::vector<double> vectors_;
  std::size_t count_, size_;
  std::vector<double> squares_;
};

}  // namespace

std::vector<double> singular_values(std::span<const double> a, std::size_t rows, std::size_t columns) {
  if (a.size() != rows * columns) throw InputError(str("[singular_values] ", a.size(), " values for ", rows, " x ", columns));
  double largest = 0;
  for (const double value : a) {
    if (!std::isfinite(value)) throw InputError("[singular_values] expected finite values");
    largest = std::max(largest, std::abs(value));
  }
  const std::size_t count = std::min(rows, columns), size = std::max(rows, columns);
  if (largest == 0) return std::vector<double>(count, 0.0);
  // By a power of two, which rounds nothing, so that squares neither overflow nor vanish.
  double unit = 1;
  while (unit > largest) unit /= 2;
  while (unit <= largest / 2) unit *= 2;
  std::vector<double> vectors(a.size());
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < size; ++j)
      vectors[i * size + j] = (rows <= columns ? a[i * columns + j] : a[j * columns + i]) / unit;
  std::vector<double> values = Jacobi(std::move(vectors), count, size).run();
  for (double& value : values) value *= unit;
  return values;
}

double nuclear_norm(std::span<const double> a, std::size_t rows, std::size_t columns) {
  double sum = 0;
  for (const double value : singular_values(a, rows, columns)) sum += value;
  return sum;
}

double singular_value_flops(double rows, double columns) {
  const double count = std::min(rows, columns), size = std::max(rows, columns);
  return 8 * (count * (count - 1) / 2) * (8 * size);  // 2 for the product, 6 for the rotation
}

}  // namespace lathe::nas
