#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/sampler/axis.h>
#include <lathe/nas/why.h>

#include <algorithm>
#include <limits>

namespace lathe::nas {
namespace {

constexpr std::uint64_t kMostValues = 8;
constexpr double kWidth = 0.25, kOtherCategory = 0.3, kFewestTrials = 2;
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

/// A parameter cut into cells: its values, or quarters of its range.
class Cells {
 public:
  explicit Cells(const Parameter& parameter) : axis_(parameter), choices_(parameter.choices()) {
    count_ = axis_.count() > 0 && axis_.count() <= kMostValues ? static_cast<std::size_t>(axis_.count()) : 4;
    if (choices_) count_ = choices_->size();
    exact_ = choices_ || count_ == axis_.count();
  }
  std::size_t count() const { return count_; }
  bool ordered() const { return axis_.kind() != Axis::Kind::choice; }

  /// Place in the range, 0 to 1. Of categories: their number.
  double place(const Value& value) const {
    const double c = axis_.coordinate(value);
    return ordered() && axis_.high() > axis_.low() ? (axis_.layout(c) - axis_.low()) / (axis_.high() - axis_.low()) : c;
  }
  std::size_t of(const Value& value) const {
    const double position = exact_ ? exact_position(value) : place(value) * static_cast<double>(count_);
    return std::min(count_ - 1, static_cast<std::size_t>(std::max(position, 0.0)));
  }
  Value value(std::size_t cell) const {
    if (choices_) return (*choices_)[cell];
    if (exact_) return axis_.value(axis_.first() + static_cast<double>(cell) * axis_.step());
    return axis_.at((static_cast<double>(cell) + 0.5) / static_cast<double>(count_));
  }
  std::string name(std::size_t cell) const {
    if (exact_) return value(cell).show();
    return border(cell) + " to " + border(cell + 1);
  }

 private:
  double exact_position(const Value& value) const {
    const double c = axis_.coordinate(value);
    return choices_ ? c : axis_.step() > 0 ? (c - axis_.first()) / axis_.step() + 0.5 : 0;
  }
  /// Three digits are enough for a border.
  std::string border(std::size_t i) const {
    const double share = static_cast<double>(i) / static_cast<double>(count_);
    double v = axis_.low() + share * (axis_.high() - axis_.low());
    if (axis_.log()) v = math::exp(v);
    v = std::min(std::max(v, axis_.first()), axis_.last());
    double unit = 1;
    const double size = v < 0 ? -v : v;
    while (size > 0 && size / unit >= 1000) unit *= 10;
    while (size > 0 && size / unit < 100 && unit > 1e-12) unit /= 10;
    const double digits = math::floor(v / unit + 0.5);
    return number(unit < 1 ? digits / math::floor(1 / unit + 0.5) : digits * unit);
  }

  Axis axis_;
  const std::vector<Value>* choices_;
  std::size_t count_ = 0;
  bool exact_ = false;
};

/// Sums of weights and values; the mean and its error.
struct Sums {
  double weight = 0, squares = 0, sum = 0, sum2 = 0;
  void add(double w, double y) { weight += w, squares += w * w, sum += w * y, sum2 += w * y * y; }
  double mean() const { return sum / weight; }
  double trials() const { return weight > 0 ? weight * weight / squares : 0; }
  /// Variance of the mean; not a number for one trial.
  double error2() const {
    const double n = trials();
    if (n < 1.000001) return kUnknown;
    return std::max(0.0, sum2 / weight - mean() * mean()) / (n - 1);
  }
};

class Around {
 public:
  Around(const Space& space, const History& history, const Trial& chosen) : space_(space), chosen_(chosen) {
    for (const Parameter& parameter : space.parameters()) cells_.emplace_back(parameter);
    for (const Trial& trial : history.trials)
      if (trial.state == TrialState::complete && trial.values[0] - trial.values[0] == 0) trials_.push_back(&trial);
  }

  void effects_of(std::size_t p, std::vector<Effect>& out) const {
    const Cells& cells = cells_[p];
    const std::size_t mine = cells.of(*chosen_.point.value(p));
    std::vector<Sums> exact(cells.count()), local(cells.count());
    for (const Trial* trial : trials_) {
      const auto& value = trial->point.value(p);
      if (!value) continue;
      const std::size_t cell = cells.of(*value);
      if (cell != mine ? differs_only(*trial, p) : trial->point == chosen_.point) exact[cell].add(1, trial->values[0]);
      local[cell].add(weight(*trial, p), trial->values[0]);
    }
    for (std::size_t cell = 0; cell < cells.count(); ++cell) {
      const bool counted = exact[cell].weight > 0;
      const Sums &here = counted ? exact[mine] : local[mine], &there = counted ? exact[cell] : local[cell];
      if (cell == mine || !(there.weight > 0) || !(here.weight > 0)) continue;
      if (!counted && (there.trials() < kFewestTrials || here.trials() < kFewestTrials)) continue;
      out.push_back({space_.parameter(p).name, cells.name(mine), cells.name(cell),
                     counted ? Effect::Source::trials : Effect::Source::estimate, there.mean() - here.mean(),
                     math::sqrt(here.error2() + there.error2()), there.trials()});
    }
  }

 private:
  /// Equal but for p and for parameters that only one of the two has.
  bool differs_only(const Trial& trial, std::size_t p) const {
    for (std::size_t k = 0; k < space_.size(); ++k) {
      const auto &a = chosen_.point.value(k), &b = trial.point.value(k);
      if (k != p && a && b && !(*a == *b)) return false;
    }
    return true;
  }

  double weight(const Trial& trial, std::size_t p) const {
    double w = 1;
    for (std::size_t k = 0; k < space_.size(); ++k) {
      const auto &a = chosen_.point.value(k), &b = trial.point.value(k);
      if (k == p || (!a && !b)) continue;
      if (!a || !b) {
        w *= kOtherCategory;
      } else if (cells_[k].ordered()) {
        const double d = (cells_[k].place(*a) - cells_[k].place(*b)) / kWidth;
        w *= math::exp(-0.5 * d * d);
      } else if (!(*a == *b)) {
        w *= kOtherCategory;
      }
    }
    return w;
  }

  const Space& space_;
  const Trial& chosen_;
  std::vector<Cells> cells_;
  std::vector<const Trial*> trials_;
};

/// `point` with parameter p set to `value`; what that makes active is drawn.
Point changed(const Space& space, const Point& point, std::size_t p, const Value& value, std::uint64_t seed) {
  std::vector<std::pair<std::string, Value>> fixed;
  for (std::size_t k = 0; k < space.size(); ++k)
    if (k == p)
      fixed.emplace_back(space.parameter(k).name, value);
    else if (const auto& kept = point.value(k))
      fixed.emplace_back(space.parameter(k).name, *kept);
  const Point partial = space.partial(fixed);
  return space.filled(partial, partial, seed, 0, 0);
}

}  // namespace

const char* source_name(Effect::Source source) {
  switch (source) {
    case Effect::Source::trials:
      return "trials";
    case Effect::Source::estimate:
      return "estimate";
    case Effect::Source::retrained:
      return "retrained";
  }
  return "?";
}

std::vector<Effect> effects_around(const Space& space, const History& history, std::int64_t chosen) {
  if (chosen < 0 || chosen >= static_cast<std::int64_t>(history.trials.size()) ||
      history.trials[static_cast<std::size_t>(chosen)].state != TrialState::complete)
    throw InputError(str("trial ", chosen, " is no complete trial of the study"));
  const Around around(space, history, history.trials[static_cast<std::size_t>(chosen)]);
  std::vector<Effect> out;
  for (std::size_t p = 0; p < space.size(); ++p)
    if (history.trials[static_cast<std::size_t>(chosen)].point.value(p)) around.effects_of(p, out);
  return out;
}

std::vector<Point> one_step_neighbours(const Space& space, const History& history, const Point& point,
                                       std::span<const std::string> order, std::size_t count, std::uint64_t seed) {
  std::vector<Point> out;
  const auto known = [&](const Point& candidate) {
    return std::find(out.begin(), out.end(), candidate) != out.end() ||
           std::any_of(history.trials.begin(), history.trials.end(), [&](const Trial& t) { return t.point == candidate; });
  };
  for (const std::string& name : order) {
    const std::size_t p = space.index(name);
    if (!point.value(p)) continue;
    const Cells cells(space.parameter(p));
    const std::size_t mine = cells.of(*point.value(p));
    for (std::size_t cell = 0; cell < cells.count() && out.size() < count; ++cell) {
      if (cell == mine || (cells.ordered() && cell + 1 != mine && mine + 1 != cell)) continue;
      const Point candidate = changed(space, point, p, cells.value(cell), seed);
      if (space.valid(candidate) && !known(candidate)) out.push_back(candidate);
    }
  }
  return out;
}

std::int64_t random_trials(const StudyHeader& header) {
  const std::string name = header.sampler.substr(0, header.sampler.find('@'));
  if (name == "random" || name == "sobol") return header.trials;
  const auto setting = [&](const char* key, double otherwise) {
    const auto found = header.sampler_settings.find(key);
    return static_cast<std::int64_t>(found == header.sampler_settings.end() ? otherwise : found->second);
  };
  if (name == "tpe" || name == "gp") return std::min(header.trials, setting("n_startup_trials", 10));
  if (name == "evolution" || name == "nsga2") return std::min(header.trials, setting("population_size", 50));
  return 0;
}

}  // namespace lathe::nas
