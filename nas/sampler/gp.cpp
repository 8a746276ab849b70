#include <lathe/nas/sampler/gp.h>

#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/normal.h>
#include <lathe/nas/sampler/options.h>

#include <algorithm>
#include <limits>

namespace lathe::nas {
namespace {

constexpr std::size_t kMostFitted = 150, kStarts = 4;
constexpr std::uint32_t kMoves = 64, kSite = 1;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

StudyHeader without_settings(StudyHeader header) {
  header.sampler_settings.clear();
  return header;
}

}  // namespace

GpSampler::GpSampler(const StudyHeader& header) : ledger_(header), tpe_(without_settings(header)) {
  const Options options("gp", header.sampler_settings, {"n_startup_trials", "n_candidates", "max_trials"});
  n_startup_ = static_cast<std::size_t>(options.whole("n_startup_trials", 10, 1));
  n_candidates_ = static_cast<std::size_t>(options.whole("n_candidates", 512, 1, 100'000));
  max_trials_ = static_cast<std::size_t>(options.whole("max_trials", 300, 1, 5'000));
  if (header.directions.size() != 1)
    throw InputError(str("sampler gp serves one objective, the study has ", header.directions.size(), "; take tpe or nsga2"));
  for (std::size_t i = 0; i < ledger_.axes().size(); ++i)
    if (!ledger_.axes()[i].single()) free_.push_back(i);
}

std::vector<double> GpSampler::features(const Point& point) const {
  std::vector<double> out;
  for (const std::size_t i : free_) {
    const Axis& axis = ledger_.axes()[i];
    const auto& value = point.value(i);
    if (!value) {
      out.push_back(kNone);
    } else if (axis.kind() == Axis::Kind::choice) {
      out.push_back(axis.coordinate(*value));
    } else {
      out.push_back((axis.layout(axis.coordinate(*value)) - axis.low()) / (axis.high() - axis.low()));
    }
  }
  return out;
}

// Target 0: the objective; k: constraint k − 1 (a trial without it is at 0).
GpSampler::Standard GpSampler::standard(const History& history, std::size_t target) const {
  Standard out;
  for (const std::uint32_t trial : complete_) {
    const auto& constraints = history.trials[trial].constraints;
    const double broken = target && target <= constraints.size() ? constraints[target - 1] : 0;
    out.values.push_back(target ? broken : ledger_.rows()[trial].loss);
  }
  const auto n = static_cast<double>(out.values.size());
  for (const double v : out.values) out.mean += v / n;
  double variance = 0;
  for (const double v : out.values) variance += (v - out.mean) * (v - out.mean) / n;
  if (variance > 0) out.deviation = math::sqrt(variance);
  for (double& v : out.values) v = (v - out.mean) / out.deviation;
  return out;
}

GaussianProcess GpSampler::fitted(std::size_t target, const Standard& data, const Features& rows) {
  std::size_t mark = n_startup_;
  for (std::size_t next = mark; next <= rows.rows; next = mark + std::max<std::size_t>(1, mark / 8)) mark = next;
  Model& model = models_[target];
  if (model.fitted != mark) {
    const std::size_t first = mark > kMostFitted ? mark - kMostFitted : 0;
    Features some{rows.categorical, {rows.row(first), rows.row(mark - 1) + rows.dimensions()}, mark - first};
    // Standardised as of the mark: later trials must not reach back into the fit.
    double mean = 0, variance = 0;
    const auto n = static_cast<double>(mark - first);
    std::vector<double> y;
    for (std::size_t i = first; i < mark; ++i) y.push_back(data.values[i] * data.deviation + data.mean);
    for (const double v : y) mean += v / n;
    for (const double v : y) variance += (v - mean) * (v - mean) / n;
    for (double& v : y) v = variance > 0 ? (v - mean) / math::sqrt(variance) : 0;
    model.kernel = fit_kernel(some, y);
    model.fitted = mark;
  }
  return {model.kernel, rows, data.values};
}

void GpSampler::make_targets(const History& history) {
  Features rows;
  for (const std::size_t i : free_) rows.categorical.push_back(ledger_.axes()[i].kind() == Axis::Kind::choice);
  std::size_t constraints = 0;
  for (const std::uint32_t trial : complete_) {
    rows.add(features(history.trials[trial].point));
    constraints = std::max(constraints, history.trials[trial].constraints.size());
  }
  models_.resize(std::max(models_.size(), constraints + 1));
  targets_.clear();
  double best = std::numeric_limits<double>::infinity();
  const Standard objective = standard(history, 0);
  for (std::size_t i = 0; i < complete_.size(); ++i)
    if (ledger_.rows()[complete_[i]].violation == 0) best = std::min(best, objective.values[i]);
  improvable_ = best < std::numeric_limits<double>::infinity();
  if (improvable_) targets_.push_back({fitted(0, objective, rows), best});
  for (std::size_t k = 1; k <= constraints; ++k) {
    const Standard data = standard(history, k);
    targets_.push_back({fitted(k, data, rows), -data.mean / data.deviation});
  }
  for (std::size_t trial = 0; trial < ledger_.trials(); ++trial) {
    if (ledger_.rows()[trial].state != TrialState::running) continue;
    const auto row = features(history.trials[trial].point);
    for (Target& target : targets_) target.process.believe(row);
  }
}

double GpSampler::worth(const Point& point) const {
  const auto row = features(point);
  double sum = 0;
  for (std::size_t t = 0; t < targets_.size(); ++t) {
    const auto [mean, variance] = targets_[t].process.predict(row.data());
    sum += t == 0 && improvable_ ? log_expected_improvement(targets_[t].threshold, mean, variance)
                                 : log_normal_cdf((targets_[t].threshold - mean) / math::sqrt(variance));
  }
  return sum;
}

std::optional<GpSampler::Candidate> GpSampler::candidate(const Space& space, std::vector<double> x) const {
  Point point = space.make(
      [&](std::size_t i, const Parameter& p) { return ledger_.axes()[i].single() ? p.at(0) : ledger_.axes()[i].value(x[i]); });
  if (!space.valid(point)) return std::nullopt;
  const double value = worth(point);
  return Candidate{value, std::move(x), std::move(point)};
}

double GpSampler::moved(const Axis& axis, double x, double reach, Random& random) const {
  if (axis.kind() == Axis::Kind::choice) {
    const auto other = static_cast<double>(random.below(static_cast<std::uint32_t>(axis.count() - 1)));
    return other < x ? other : other + 1;
  }
  const double step = random.normal();
  const double to = axis.from_layout(axis.layout(x) + reach * (axis.high() - axis.low()) * step);
  return to == x ? axis.rounded(x + (step < 0 ? -axis.step() : axis.step())) : to;
}

void GpSampler::improve(const SamplerView& view, Candidate at, std::uint32_t site) {
  const RandomKey key = random_key(view.header.seed, static_cast<std::uint64_t>(view.number), "ask:#gp");
  for (std::uint32_t move = 0; move < kMoves; ++move) {
    Random random(key, move, site);
    const std::size_t axis = free_[random.below(static_cast<std::uint32_t>(free_.size()))];
    if (!at.point.value(axis)) continue;
    std::vector<double> x = at.x;
    x[axis] = moved(ledger_.axes()[axis], x[axis], 0.2 / static_cast<double>(1 << (move / 16)), random);
    if (x[axis] == at.x[axis]) continue;
    auto next = candidate(view.header.space, std::move(x));
    if (!next || !(next->worth > at.worth)) continue;
    at = std::move(*next);
    looked_at_.push_back(at);
  }
}

void GpSampler::prepare(const SamplerView& view) {
  if (ready_for_ == view.number && ready_finished_ == ledger_.finished() && ready_trials_ == ledger_.trials()) return;
  ready_for_ = view.number;
  ready_finished_ = ledger_.finished();
  ready_trials_ = ledger_.trials();
  make_targets(view.history);
  looked_at_.clear();
  const auto& axes = ledger_.axes();
  std::vector<RandomKey> keys;
  for (const Axis& axis : axes)
    keys.push_back(random_key(view.header.seed, static_cast<std::uint64_t>(view.number), "ask:" + axis.name()));
  std::vector<double> spare(axes.size(), 0);
  for (std::uint32_t c = 0; c < n_candidates_; ++c) {
    std::vector<double> x(axes.size(), 0);
    for (const std::size_t i : free_) {
      Random random(keys[i], c, kSite);
      x[i] = axes[i].coordinate(axes[i].at(uniform53(random)));
    }
    if (c == 0) spare = x;
    if (auto found = candidate(view.header.space, std::move(x))) looked_at_.push_back(std::move(*found));
  }
  const auto best_first = [](const Candidate& a, const Candidate& b) { return a.worth > b.worth; };
  std::stable_sort(looked_at_.begin(), looked_at_.end(), best_first);
  std::vector<Candidate> starts(looked_at_.begin(),
                                looked_at_.begin() + static_cast<std::ptrdiff_t>(std::min(kStarts, looked_at_.size())));
  const auto& rows = ledger_.rows();
  const std::uint32_t best = *std::min_element(complete_.begin(), complete_.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (rows[a].violation != rows[b].violation) return rows[a].violation < rows[b].violation;
    return rows[a].loss != rows[b].loss ? rows[a].loss < rows[b].loss : a < b;
  });
  for (std::size_t i = 0; i < axes.size(); ++i)
    if (ledger_.has(i, best)) spare[i] = ledger_.column(i).x[best];
  if (auto found = candidate(view.header.space, spare)) starts.push_back(std::move(*found));
  for (std::uint32_t s = 0; s < starts.size(); ++s) improve(view, starts[s], s);
  std::stable_sort(looked_at_.begin(), looked_at_.end(), best_first);
}

std::optional<Point> GpSampler::draw(const SamplerView& view, std::uint32_t attempt) {
  ledger_.update(view.history);
  complete_.clear();
  for (const std::uint32_t trial : ledger_.commits())
    if (ledger_.rows()[trial].state == TrialState::complete) complete_.push_back(trial);
  if (complete_.size() > max_trials_) return tpe_.draw(view, attempt);
  const auto uniform = [&] {
    return view.header.space.uniform(view.header.seed, static_cast<std::uint64_t>(view.number), attempt);
  };
  if (complete_.size() < n_startup_ || free_.empty()) return uniform();
  prepare(view);
  return attempt < looked_at_.size() ? looked_at_[attempt].point : uniform();
}

}  // namespace lathe::nas
