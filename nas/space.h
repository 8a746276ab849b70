// Search spaces: parameters, conditions, validity rules.
//
//   const Space space = SpaceBuilder()
//       .integer("layers", 1, 4)
//       .integer("hidden", 32, 256, {.step = 32})
//       .categorical("layers[i].heads", {1, 2, 4, 8})                 // one parameter per layer, active while i < layers
//       .real("lr", 1e-4, 3e-3, {.log = true})
//       .categorical("norm", {"layer", "rms"})
//       .real("eps", 1e-6, 1e-3, {.log = true, .when = "norm == 'rms'"})
//       .rule("hidden % layers[i].heads == 0")                        // for every active layer
//       .build();
//
// A parameter is active if its condition holds; a condition over an inactive parameter does not hold. A rule over an
// inactive parameter is satisfied: it has nothing to forbid. Parameters come in the order of the calls, moved behind what
// their conditions read where necessary.
#pragma once
#include <lathe/base/error.h>
#include <lathe/nas/rule.h>
#include <lathe/nas/value.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lathe::nas {

/// low, low + step, … ≤ high. `log`: drawn evenly in log(value), for which low ≥ 1; the step is then 1.
struct IntegerRange {
  std::int64_t low = 0, high = 0, step = 1;
  bool log = false;
};
/// [low, high], or low, low + step, … ≤ high if step > 0, each rounded to the decimals of low and step. `log`: drawn evenly
/// in log(value), for which low > 0 and no step is allowed.
struct RealRange {
  double low = 0, high = 0, step = 0;
  bool log = false;
};
/// Choices without an order.
struct Categorical {
  std::vector<Value> choices;
};
/// Choices whose order means something (samplers treat the index as a number).
struct Ordinal {
  std::vector<Value> choices;
};
using Domain = std::variant<IntegerRange, RealRange, Categorical, Ordinal>;

struct Parameter {
  std::string name;
  Domain domain;
  std::string when;  ///< condition; empty: always active. For per-layer parameters after expansion

  const IntegerRange* integer() const { return std::get_if<IntegerRange>(&domain); }
  const RealRange* real() const { return std::get_if<RealRange>(&domain); }
  const Categorical* categorical() const { return std::get_if<Categorical>(&domain); }
  const Ordinal* ordinal() const { return std::get_if<Ordinal>(&domain); }
  /// Choices of a categorical or ordinal parameter, else null.
  const std::vector<Value>* choices() const;
  /// Number of values; nothing: a continuous range.
  std::optional<std::uint64_t> count() const;
  /// Value number `index` < count(), ascending or in the order of the choices.
  Value at(std::uint64_t index) const;
  /// The inverse of at(); nothing if `value` is not one of them, or the range is continuous.
  std::optional<std::uint64_t> index_of(const Value& value) const;
  bool contains(const Value& value) const;
};

/// No point is left that is valid, new and within the limits.
class SpaceExhausted : public InputError {
 public:
  using InputError::InputError;
};

/// Number of points. Saturates at 2⁶⁴ − 1, which is shown as "more than 1.8e19".
struct PointCount {
  bool infinite = false, saturated = false;
  std::uint64_t points = 0;
  std::string text() const;  ///< "2,304", "1.2e9" above a million, "infinite"
};

class Space {
 public:
  Space();  ///< no parameters: exactly one point, the empty one

  std::size_t size() const { return parameters_->size(); }
  const Parameter& parameter(std::size_t i) const { return (*parameters_)[i]; }
  const std::vector<Parameter>& parameters() const { return *parameters_; }
  const std::vector<Rule>& rules() const { return *rules_; }
  /// Index of a parameter. InputError with the nearest name.
  std::size_t index(std::string_view name) const;

  /// Is parameter `i` active, given the values of the parameters before it?
  bool active(std::size_t i, std::span<const std::optional<Value>> values) const;
  /// The first rule that `point` breaks (its text), or nothing if it is valid.
  std::optional<std::string> broken_rule(const Point& point) const;
  bool valid(const Point& point) const { return !broken_rule(point); }

  /// A point from `pick(i, parameter)`, called for the active parameters in order. Rules are not checked.
  Point make(const std::function<Value(std::size_t, const Parameter&)>& pick) const;
  /// A point from values, which must be those of the active parameters; 0.30000000000000004 is the step 0.3. InputError: unknown
  /// name (nearest), value outside its domain, missing or inactive parameter. Rules are not checked.
  Point point(const std::vector<std::pair<std::string, Value>>& values) const;
  /// The inverse of Point::json(). InputError as above, or where the text is no such object.
  Point parse(std::string_view json) const;
  /// A point of which only some parameters are given, active or not: the others have no value. InputError: unknown name, value
  /// outside its domain. filled() makes a point of it.
  Point partial(const std::vector<std::pair<std::string, Value>>& values) const;
  Point parse_partial(std::string_view json) const;  ///< partial() of a JSON object
  /// Does `point` give a value to every active parameter and to no other?
  bool whole(const Point& point) const;
  /// Every active parameter's value in `fixed`, else that in `other`, else its uniform() draw. Rules are not checked.
  Point filled(const Point& fixed, const Point& other, std::uint64_t seed, std::uint64_t trial, std::uint32_t attempt) const;

  /// A uniform draw of every active parameter (log and step respected), not checked by rules: a pure function of
  /// (seed, trial, attempt). Parameter `p` reads stream `ask:<p>` of (seed, trial) at counter `attempt`.
  Point uniform(std::uint64_t seed, std::uint64_t trial, std::uint32_t attempt) const;

  /// Number of assignments, conditions respected, rules not.
  PointCount count() const;
  /// Calls `visit` for every point in lexicographic order (the last parameter varies fastest), rules not checked, until it
  /// returns false. InputError if the space is infinite, naming the continuous parameter.
  void enumerate(const std::function<bool(const Point&)>& visit) const;
  /// The point after `point` in that order, or the first one without a point; nothing after the last.
  std::optional<Point> next(const std::optional<Point>& point) const;

  /// Canonical JSON object for the study header: parameters in order with domain and condition, rules.
  std::string json() const;

 private:
  friend class SpaceBuilder;
  std::shared_ptr<const std::vector<std::string>> names_;
  std::shared_ptr<const std::vector<Parameter>> parameters_;
  std::shared_ptr<const std::vector<std::optional<Rule>>> conditions_;
  std::shared_ptr<const std::vector<Rule>> rules_;
};

/// Collects parameters and rules; build() checks the whole. Names are [A-Za-z_][A-Za-z0-9_]*, joined by dots; one `[i]`
/// after a name makes a per-layer parameter, whose name before `[i]` is an integer parameter that counts the layers.
class SpaceBuilder {
 public:
  struct IntegerOptions {
    std::int64_t step = 1;
    bool log = false;
    std::string when = {};
  };
  struct RealOptions {
    double step = 0;
    bool log = false;
    std::string when = {};
  };
  struct ChoiceOptions {
    std::string when = {};
  };
  SpaceBuilder& integer(std::string name, std::int64_t low, std::int64_t high, IntegerOptions options);
  SpaceBuilder& integer(std::string name, std::int64_t low, std::int64_t high) {
    return integer(std::move(name), low, high, IntegerOptions{});
  }
  SpaceBuilder& real(std::string name, double low, double high, RealOptions options);
  SpaceBuilder& real(std::string name, double low, double high) { return real(std::move(name), low, high, RealOptions{}); }
  SpaceBuilder& categorical(std::string name, std::vector<Value> choices, ChoiceOptions options);
  SpaceBuilder& categorical(std::string name, std::vector<Value> choices) {
    return categorical(std::move(name), std::move(choices), ChoiceOptions{});
  }
  SpaceBuilder& ordinal(std::string name, std::vector<Value> choices, ChoiceOptions options);
  SpaceBuilder& ordinal(std::string name, std::vector<Value> choices) {
    return ordinal(std::move(name), std::move(choices), ChoiceOptions{});
  }
  SpaceBuilder& add(Parameter parameter);
  SpaceBuilder& rule(std::string text);

  /// InputError: empty range, step ≤ 0, no choices or equal ones, names that are malformed or used twice, conditions and
  /// rules with bad syntax, unknown names (nearest one) or wrong types, conditions that depend on each other in a circle,
  /// no valid point (the rule that forbids most is named).
  Space build() const;

 private:
  std::vector<Parameter> parameters_;
  std::vector<std::string> rules_;
};

}  // namespace lathe::nas
