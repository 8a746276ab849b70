#include <lathe/data/lbfgs.h>

#include <deque>
#include <utility>

namespace lathe::data::detail {
namespace {

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void add(std::vector<double>& a, double scale, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += scale * b[i];
}

double largest(const std::vector<double>& a) {
  double most = 0;
  for (const double v : a) {
    const double size = v < 0 ? -v : v;
    if (size > most) most = size;
  }
  return most;
}

struct Pair {
  std::vector<double> s, y;
  double rho;
};

/// −H·gradient by the two loops; H starts as (sᵀy / yᵀy) of the newest pair, or 1 / |gradient|.
std::vector<double> direction(const std::vector<double>& gradient, const std::deque<Pair>& pairs) {
  std::vector<double> d = gradient, alpha(pairs.size());
  for (std::size_t i = pairs.size(); i-- > 0;) {
    alpha[i] = pairs[i].rho * dot(pairs[i].s, d);
    add(d, -alpha[i], pairs[i].y);
  }
  const double scale = pairs.empty() ? 1 / (1 + largest(gradient)) : 1 / (pairs.back().rho * dot(pairs.back().y, pairs.back().y));
  for (double& v : d) v *= scale;
  for (std::size_t i = 0; i < pairs.size(); ++i) add(d, alpha[i] - pairs[i].rho * dot(pairs[i].y, d), pairs[i].s);
  for (double& v : d) v = -v;
  return d;
}

}  // namespace

int minimise(const Function& f, std::vector<double>& x, const LbfgsOptions& options) {
  std::vector<double> gradient(x.size()), next_x(x.size()), next_gradient(x.size());
  double value = f(x, gradient);
  std::deque<Pair> pairs;
  for (int iteration = 0; iteration < options.max_iterations; ++iteration) {
    if (largest(gradient) <= options.tolerance) return iteration;
    std::vector<double> d = direction(gradient, pairs);
    double slope = dot(d, gradient);
    if (!(slope < 0)) {  // rounding has spoiled the pairs: begin again with the gradient
      pairs.clear();
      d = direction(gradient, pairs);
      slope = dot(d, gradient);
    }
    double step = 1, next_value = value;
    bool better = false;
    for (int halving = 0; halving < 40 && !better; ++halving, step /= 2) {
      next_x = x;
      add(next_x, step, d);
      next_value = f(next_x, next_gradient);
      better = next_value <= value + 1e-4 * step * slope;
    }
    if (!better) return iteration;  // as low as rounding lets it get
    Pair pair{next_x, next_gradient, 0};
    add(pair.s, -1, x);
    add(pair.y, -1, gradient);
    const double curvature = dot(pair.s, pair.y);
    if (curvature > 0) {
      pair.rho = 1 / curvature;
      pairs.push_back(std::move(pair));
      if (pairs.size() > static_cast<std::size_t>(options.memory)) pairs.pop_front();
    }
    std::swap(x, next_x);
    std::swap(gradient, next_gradient);
    value = next_value;
  }
  return options.max_iterations;
}

}  // namespace lathe::data::detail
