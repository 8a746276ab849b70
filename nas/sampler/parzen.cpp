#include <lathe/nas/sampler/parzen.h>

#include <lathe/base/math.h>
#include <lathe/nas/normal.h>

#include <algorithm>
#include <bit>
#include <limits>

namespace lathe::nas {
namespace {

constexpr double kDropped = 40;  // nats below the prior kernel
constexpr std::size_t kNewest = 25;
constexpr double kReach = 10;  // σ

double square(double x) { return x * x; }

}  // namespace

double MassCache::operator()(double a, double b) {
  const std::uint64_t mixed =
      (std::bit_cast<std::uint64_t>(a) * 0x9E3779B97F4A7C15u) ^ (std::bit_cast<std::uint64_t>(b) * 0xC2B2AE3D27D4EB4Fu);
  Entry& entry = entries_[(mixed ^ (mixed >> 29) ^ (mixed >> 45)) % kSize];
  if (!entry.used || entry.a != a || entry.b != b) entry = {a, b, mass_(a, b), true};
  return entry.value;
}

Place place_of(const Axis& axis, double x) {
  if (axis.kind() == Axis::Kind::choice) return {x, x, x, x};
  const double mu = axis.layout(x);
  if (axis.kind() == Axis::Kind::continuous) return {x, mu, mu, mu};
  return {x, mu, axis.lower(x), axis.upper(x)};
}

double Kernels::log_density(std::size_t k, const Place& place, MassCache& cache) const {
  switch (axis->kind()) {
    case Axis::Kind::choice:
      if (k + 1 == mu.size()) return uniform;
      return mu[k] == place.x ? match : mismatch;
    case Axis::Kind::stepped:
      return cache((place.left - mu[k]) * inverse[k], (place.right - mu[k]) * inverse[k]) - norm[k];
    case Axis::Kind::continuous:
      break;
  }
  return -0.5 * square((place.mu - mu[k]) * inverse[k]) - norm[k];
}

double Kernels::bound(std::size_t k, const Place& place) const {
  if (axis->kind() == Axis::Kind::choice) {
    if (k + 1 == mu.size()) return uniform;
    return mu[k] == place.x ? match : mismatch;
  }
  // Stepped: Q(d) ≤ exp(−d²/2) for the distance d to the cell. Continuous: the cell is the point itself.
  const double left = place.left - mu[k], right = mu[k] - place.right;
  const double away = std::max(std::max(left, right), 0.0);
  return -0.5 * square(away * inverse[k]) - norm[k];
}

void ParzenMixture::set_weights(std::span<const double> weights) {
  double total = 0;
  for (const double w : weights) total += w;
  log_weight.resize(weights.size());
  cumulative.resize(weights.size());
  double sum = 0, last = -1, logarithm = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const double share = weights[k] / total;
    if (share != last) logarithm = math::log(share);
    last = share;
    log_weight[k] = logarithm;
    cumulative[k] = sum += share;
  }
}

std::size_t ParzenMixture::pick(double uniform) const {
  const auto at = std::upper_bound(cumulative.begin(), cumulative.end() - 1, uniform);
  return static_cast<std::size_t>(at - cumulative.begin());
}

double ParzenMixture::remaining_peak(std::size_t from) const {
  double sum = 0;
  for (std::size_t d = from; d < dimensions.size(); ++d) sum += dimensions[d].peak;
  return sum;
}

double ParzenMixture::log_density(std::span<const Place> places, MassCache& cache) {
  const std::size_t prior = kernels() - 1;
  double most = log_weight[prior];
  for (std::size_t d = 0; d < dimensions.size(); ++d) most += dimensions[d].log_density(prior, places[d], cache);
  const double least = most - kDropped;
  alive_.resize(prior);
  partial_.resize(prior);
  // A kernel stays while what it has so far, and the best it could get from the dimensions to come, reaches `least`.
  std::size_t count = 0;
  double needed = least - remaining_peak(1);
  const Kernels& first = dimensions[0];
  for (std::size_t k = 0; k < prior; ++k) {
    const double sum = log_weight[k] + first.bound(k, places[0]);
    alive_[count] = static_cast<std::uint32_t>(k);
    partial_[count] = sum;
    count += sum >= needed;
  }
  for (std::size_t d = 1; d < dimensions.size() && count; ++d) {
    needed = least - remaining_peak(d + 1);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t k = alive_[i];
      const double sum = partial_[i] + dimensions[d].bound(k, places[d]);
      alive_[kept] = k;
      partial_[kept] = sum;
      kept += sum >= needed;
    }
    count = kept;
  }
  values_.clear();
  values_.push_back(most);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t k = alive_[i];
    double value = log_weight[k];
    for (std::size_t d = 0; d < dimensions.size(); ++d) value += dimensions[d].log_density(k, places[d], cache);
    values_.push_back(value);
    most = std::max(most, value);
  }
  double sum = 0;
  for (const double value : values_) sum += exp_of_negative(value - most);
  return most + math::log(sum);
}

std::vector<double> age_weights(std::size_t m) {
  std::vector<double> out(m + 1, 1.0);
  if (m <= kNewest) return out;
  const std::size_t ramp = m - kNewest;
  const double start = 1.0 / static_cast<double>(m);
  const double step = ramp > 1 ? (1.0 - start) / static_cast<double>(ramp - 1) : 0.0;
  for (std::size_t i = 0; i < ramp; ++i) out[i] = start + static_cast<double>(i) * step;
  if (ramp > 1) out[ramp - 1] = 1;
  return out;
}

void ParzenLine::Group::add(double m, double i, double f) {
  mu.push_back(m);
  inverse.push_back(i);
  factor.push_back(f);
}

double ParzenLine::sum(const Group& group, std::size_t from, std::size_t to, const Place& place, MassCache& cache) const {
  if (axis_->kind() == Axis::Kind::stepped) {
    double sum = 0;
    for (std::size_t k = from; k < to; ++k)
      sum += group.factor[k] * cache((place.left - group.mu[k]) * group.inverse[k], (place.right - group.mu[k]) * group.inverse[k]);
    return sum;
  }
  double lanes[4] = {0, 0, 0, 0};  // a fixed order of summation that four units share
  std::size_t k = from;
  for (; k + 4 <= to; k += 4)
    for (std::size_t l = 0; l < 4; ++l)
      lanes[l] += group.factor[k + l] * exp_of_negative(-0.5 * square((place.mu - group.mu[k + l]) * group.inverse[k + l]));
  for (std::size_t l = 0; k < to; ++k, ++l)
    lanes[l] += group.factor[k] * exp_of_negative(-0.5 * square((place.mu - group.mu[k]) * group.inverse[k]));
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

double ParzenLine::log_density(const Place& place, MassCache& cache) const {
  if (axis_->kind() == Axis::Kind::choice) return choices_[static_cast<std::size_t>(place.x)];
  const auto begin = narrow_.mu.begin(), end = narrow_.mu.end();
  const auto from = std::lower_bound(begin, end, place.left - kReach * smallest_);
  const auto to = std::upper_bound(from, end, place.right + kReach * smallest_);
  const double close = sum(narrow_, static_cast<std::size_t>(from - begin), static_cast<std::size_t>(to - begin), place, cache);
  return math::log(close + sum(wide_, 0, wide_.mu.size(), place, cache));
}

ParzenBuilder::ParzenBuilder(const Ledger& ledger) : ledger_(ledger) {
  for (auto& memory : memory_) memory.resize(ledger.axes().size());
}

double ParzenBuilder::norm(const Axis& axis, double mu, double sigma) const {
  const double inverse = 1 / sigma;
  const double mass = log_normal_mass((axis.low() - mu) * inverse, (axis.high() - mu) * inverse);
  return axis.kind() == Axis::Kind::stepped ? mass : mass + math::log(sigma) + kLogSqrt2Pi;
}

// put(trial, memory) for the observations of a side, in the order of their layout; memory[trial] knows their σ.
template <class Put>
void ParzenBuilder::walk(std::size_t a, Side side, std::size_t m, const Put& put) {
  const Axis& axis = ledger_.axes()[a];
  const Ledger::Column& column = ledger_.column(a);
  Memory& memory = memory_[side == Side::above][a];
  for (auto* list : {&memory.sigma, &memory.inverse, &memory.norm, &memory.factor}) list->resize(ledger_.trials(), 0);
  const double range = axis.high() - axis.low();
  const double smallest = range / std::min(100.0, static_cast<double>(m + 2));
  const auto found = [&](std::uint32_t trial, double left_gap, double right_gap) {
    const double sigma = std::min(std::max(std::max(left_gap, right_gap), smallest), range);
    if (memory.sigma[trial] != sigma) {
      memory.sigma[trial] = sigma;
      memory.inverse[trial] = 1 / sigma;
      memory.norm[trial] = norm(axis, column.mu[trial], sigma);
      memory.factor[trial] = math::exp(-memory.norm[trial]);
    }
    put(trial, memory);
  };
  constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t before = kNone;  // waits for its right neighbour
  double left_gap = 0;
  for (const std::uint32_t trial : column.order) {
    if (here_[trial] != side) continue;
    const double mu = column.mu[trial];
    if (before == kNone) {
      left_gap = m >= 2 ? 0 : mu - axis.low();
    } else {
      const double gap = mu - column.mu[before];
      found(before, left_gap, gap);
      left_gap = gap;
    }
    before = trial;
  }
  if (before != kNone) found(before, left_gap, m >= 2 ? 0 : axis.high() - column.mu[before]);
}

void ParzenBuilder::fill_numbers(std::size_t a, Side side, std::size_t m, Kernels& kernels) {
  const Axis& axis = ledger_.axes()[a];
  const auto& mu = ledger_.column(a).mu;
  double lowest = std::numeric_limits<double>::infinity();
  walk(a, side, m, [&](std::uint32_t trial, const Memory& memory) {
    const std::uint32_t k = index_[trial];
    kernels.mu[k] = mu[trial];
    kernels.sigma[k] = memory.sigma[trial];
    kernels.inverse[k] = memory.inverse[trial];
    kernels.norm[k] = memory.norm[trial];
    lowest = std::min(lowest, memory.norm[trial]);
  });
  kernels.mu[m] = 0.5 * (axis.low() + axis.high());
  kernels.sigma[m] = axis.high() - axis.low();
  kernels.inverse[m] = 1 / kernels.sigma[m];
  kernels.norm[m] = norm(axis, kernels.mu[m], kernels.sigma[m]);
  kernels.peak = -std::min(lowest, kernels.norm[m]);
}

void ParzenBuilder::fill(std::size_t a, Side side, std::size_t m, Kernels& kernels) {
  const Axis& axis = ledger_.axes()[a];
  kernels.axis = &axis;
  kernels.mu.resize(m + 1);
  if (axis.kind() != Axis::Kind::choice) {
    kernels.sigma.resize(m + 1);
    kernels.inverse.resize(m + 1);
    kernels.norm.resize(m + 1);
    return fill_numbers(a, side, m, kernels);
  }
  const auto& x = ledger_.column(a).x;
  for (std::size_t trial = 0; trial < here_.size(); ++trial)
    if (here_[trial] == side) kernels.mu[index_[trial]] = x[trial];
  const auto choices = static_cast<double>(axis.count());
  const double share = 1 / static_cast<double>(m + 1), total = 1 + choices * share;
  kernels.match = math::log((1 + share) / total);
  kernels.mismatch = math::log(share / total);
  kernels.uniform = -math::log(choices);
  kernels.mu[m] = -1;
  kernels.peak = std::max(kernels.match, kernels.uniform);
}

void ParzenBuilder::fill_line(std::size_t a, Side side, std::span<const double> weights, ParzenLine& line) {
  const Axis& axis = ledger_.axes()[a];
  const Ledger::Column& column = ledger_.column(a);
  const std::size_t m = weights.size() - 1;
  double total = 0;
  for (const double w : weights) total += w;
  line.axis_ = &axis;
  if (axis.kind() == Axis::Kind::choice) {
    const auto choices = static_cast<double>(axis.count());
    const double share = 1 / static_cast<double>(m + 1), sum = 1 + choices * share;
    // Every kernel gives `share` to each choice and 1 to its own, over their sum; the prior 1/C.
    line.choices_.assign(static_cast<std::size_t>(axis.count()), (total - weights[m]) * share / sum + weights[m] / choices);
    for (std::size_t trial = 0; trial < here_.size(); ++trial)
      if (here_[trial] == side) line.choices_[static_cast<std::size_t>(column.x[trial])] += weights[index_[trial]] / sum;
    for (double& c : line.choices_) c = math::log(c / total);
    return;
  }
  for (auto* group : {&line.narrow_, &line.wide_})
    for (auto* list : {&group->mu, &group->inverse, &group->factor}) list->clear();
  const double range = axis.high() - axis.low();
  line.smallest_ = range / std::min(100.0, static_cast<double>(m + 2));
  const bool merge = axis.kind() == Axis::Kind::stepped;
  walk(a, side, m, [&](std::uint32_t trial, const Memory& memory) {
    const double mu = column.mu[trial], factor = weights[index_[trial]] / total * memory.factor[trial];
    ParzenLine::Group& group = memory.sigma[trial] == line.smallest_ ? line.narrow_ : line.wide_;
    if (merge && !group.mu.empty() && group.mu.back() == mu && group.inverse.back() == memory.inverse[trial]) {
      group.factor.back() += factor;
    } else {
      group.add(mu, memory.inverse[trial], factor);
    }
  });
  const double middle = 0.5 * (axis.low() + axis.high());
  line.wide_.add(middle, 1 / range, weights[m] / total * math::exp(-norm(axis, middle, range)));
}

ParzenBuilder::Counts ParzenBuilder::place_trials(const std::vector<Side>& sides, const std::vector<std::size_t>& axes) {
  here_ = sides;
  for (const std::size_t a : axes) {
    if (ledger_.column(a).order.size() == ledger_.trials()) continue;  // everybody has it
    for (std::size_t trial = 0; trial < here_.size(); ++trial)
      if (!ledger_.has(a, trial)) here_[trial] = Side::none;
  }
  index_.resize(here_.size());
  std::uint32_t count[3] = {0, 0, 0};
  for (std::size_t trial = 0; trial < here_.size(); ++trial) index_[trial] = count[static_cast<std::size_t>(here_[trial])]++;
  return {count[static_cast<std::size_t>(Side::below)], count[static_cast<std::size_t>(Side::above)]};
}

void ParzenBuilder::build(const std::vector<Side>& sides, const std::vector<std::size_t>& axes, bool equal_below,
                          ParzenMixture& below, ParzenMixture& above) {
  const Counts counts = place_trials(sides, axes);
  for (const Side side : {Side::below, Side::above}) {
    ParzenMixture& mixture = side == Side::below ? below : above;
    const std::size_t m = side == Side::below ? counts.below : counts.above;
    mixture.dimensions.resize(axes.size());
    for (std::size_t d = 0; d < axes.size(); ++d) fill(axes[d], side, m, mixture.dimensions[d]);
    mixture.set_weights(side == Side::below && equal_below ? std::vector<double>(m + 1, 1.0) : age_weights(m));
  }
}

void ParzenBuilder::build_line(const std::vector<Side>& sides, std::size_t axis, bool equal_below, ParzenMixture& below,
                               ParzenLine& below_line, ParzenLine& above_line) {
  const Counts counts = place_trials(sides, {axis});
  const auto weights = equal_below ? std::vector<double>(counts.below + 1, 1.0) : age_weights(counts.below);
  below.dimensions.resize(1);
  fill(axis, Side::below, counts.below, below.dimensions[0]);
  below.set_weights(weights);
  fill_line(axis, Side::below, weights, below_line);
  fill_line(axis, Side::above, age_weights(counts.above), above_line);
}

}  // namespace lathe::nas
