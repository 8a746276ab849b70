#include <lathe/nas/space.h>

#include <lathe/base/json_writer.h>
#include <lathe/base/math.h>
#include <lathe/base/random.h>
#include <lathe/base/text.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace lathe::nas {
namespace {

using Values = std::vector<std::optional<Value>>;

// Uniform in [0, bound): one word if the bound fits, else two words with rejection of the incomplete last stretch.
std::uint64_t below(Random& random, std::uint64_t bound) {
  if (bound <= std::numeric_limits<std::uint32_t>::max()) return random.below(static_cast<std::uint32_t>(bound));
  const std::uint64_t threshold = (0 - bound) % bound;  // 2⁶⁴ mod bound
  for (;;) {
    const std::uint64_t high = random.next();
    const std::uint64_t word = high << 32 | random.next();
    if (word >= threshold) return word % bound;
  }
}

// exp of a point drawn evenly between the logarithms.
double log_uniform(Random& random, double low, double high) {
  const double a = math::log(low), b = math::log(high);
  return math::exp(a + random.uniform() * (b - a));
}

Value draw(const Parameter& parameter, Random& random) {
  if (const auto* r = parameter.integer(); r && r->log) {
    // Each integer n owns [n − ½, n + ½) of the log scale.
    const double x = math::floor(log_uniform(random, static_cast<double>(r->low) - 0.5, static_cast<double>(r->high) + 0.5) + 0.5);
    if (!(x > static_cast<double>(r->low))) return r->low;
    if (!(x < static_cast<double>(r->high))) return r->high;
    return static_cast<std::int64_t>(x);
  }
  if (const auto n = parameter.count()) {
    // A range of all 2⁶⁴ integers has count 0 modulo 2⁶⁴; the builder refuses it.
    return parameter.at(below(random, *n));
  }
  const RealRange& r = *parameter.real();
  const double x = r.log ? log_uniform(random, r.low, r.high) : r.low + random.uniform() * (r.high - r.low);
  return std::min(std::max(x, r.low), r.high);
}

}  // namespace

Space::Space()
    : names_(std::make_shared<const std::vector<std::string>>()),
      parameters_(std::make_shared<const std::vector<Parameter>>()),
      conditions_(std::make_shared<const std::vector<std::optional<Rule>>>()),
      rules_(std::make_shared<const std::vector<Rule>>()) {}

std::size_t Space::index(std::string_view name) const {
  for (std::size_t i = 0; i < names_->size(); ++i)
    if ((*names_)[i] == name) return i;
  std::string message = str("the space has no parameter `", name, "`");
  if (const auto close = nearest(name, *names_)) message += str("; did you mean `", *close, "`?");
  throw InputError(message);
}

bool Space::active(std::size_t i, std::span<const std::optional<Value>> values) const {
  const auto& condition = (*conditions_)[i];
  return !condition || condition->holds(values).value_or(false);
}

std::optional<std::string> Space::broken_rule(const Point& point) const {
  for (const Rule& rule : *rules_)
    if (!rule.holds(point.values()).value_or(true)) return rule.text();
  return std::nullopt;
}

Point Space::make(const std::function<Value(std::size_t, const Parameter&)>& pick) const {
  Values values(size());
  for (std::size_t i = 0; i < size(); ++i)
    if (active(i, values)) values[i] = pick(i, parameter(i));
  return Point(names_, std::move(values));
}

Point Space::uniform(std::uint64_t seed, std::uint64_t trial, std::uint32_t attempt) const {
  return make([&](std::size_t, const Parameter& p) {
    Random random(random_key(seed, trial, "ask:" + p.name), 0, 0, attempt);
    return draw(p, random);
  });
}

Point Space::filled(const Point& fixed, const Point& other, std::uint64_t seed, std::uint64_t trial, std::uint32_t attempt) const {
  return make([&](std::size_t i, const Parameter& p) {
    if (fixed.value(i)) return *fixed.value(i);
    if (other.value(i)) return *other.value(i);
    Random random(random_key(seed, trial, "ask:" + p.name), 0, 0, attempt);
    return draw(p, random);
  });
}

PointCount Space::count() const {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  constexpr std::size_t kMostStates = 1'000'000;
  // last_use[i]: the last parameter whose condition reads i. Forward over the parameters, a state keeps the values that later
  // conditions still read, with the number of assignments that lead to it.
  std::vector<std::size_t> last_use(size(), 0);
  for (std::size_t i = 0; i < size(); ++i)
    if ((*conditions_)[i])
      for (const std::size_t k : (*conditions_)[i]->uses()) last_use[k] = i;
  PointCount result;
  std::map<std::string, std::pair<Values, std::uint64_t>> states;
  states[""] = {Values(size()), 1};
  const auto add = [&](std::uint64_t a, std::uint64_t b) {
    result.saturated |= a > kMost - b;
    return a > kMost - b ? kMost : a + b;
  };
  for (std::size_t i = 0; i < size(); ++i) {
    std::map<std::string, std::pair<Values, std::uint64_t>> after;
    const auto keep = [&](Values values, std::uint64_t ways) {
      std::string key;
      for (std::size_t k = 0; k <= i; ++k) {
        if (last_use[k] <= i) values[k].reset();
        if (values[k]) key += str(k, "=", values[k]->json(), ";");
      }
      auto& entry = after[key];
      entry.second = add(entry.second, ways);
      entry.first = std::move(values);
    };
    for (auto& [key, state] : states) {
      auto& [values, ways] = state;
      if (!active(i, values)) {
        keep(values, ways);
        continue;
      }
      const auto n = parameter(i).count();
      if (!n) return {true, false, 0};
      if (last_use[i] > i) {
        if (*n > kMostStates || after.size() > kMostStates) return {false, true, kMost};
        for (std::uint64_t v = 0; v < *n; ++v) {
          values[i] = parameter(i).at(v);
          keep(values, ways);
        }
      } else {
        const bool over = ways > kMost / *n;
        result.saturated |= over;
        keep(values, over ? kMost : ways * *n);
      }
    }
    states = std::move(after);
  }
  for (const auto& [key, state] : states) result.points = add(result.points, state.second);
  if (result.saturated) result.points = kMost;
  return result;
}

std::optional<Point> Space::next(const std::optional<Point>& point) const {
  const auto first_value = [](std::size_t, const Parameter& p) {
    if (!p.count()) throw InputError(str("the space is infinite: `", p.name, "` is continuous; give it a step or choices"));
    return p.at(0);
  };
  if (!point) return make(first_value);
  for (std::size_t i = size(); i-- > 0;) {
    if (!point->value(i)) continue;
    const auto n = parameter(i).count();
    if (!n) first_value(i, parameter(i));
    const auto index = parameter(i).index_of(*point->value(i));
    LATHE_CHECK(index.has_value(), str("value of ", parameter(i).name, " is not in its range"));
    if (*index + 1 >= *n) continue;
    return make([&](std::size_t k, const Parameter& p) {
      if (k < i) return *point->value(k);
      return k == i ? p.at(*index + 1) : first_value(k, p);
    });
  }
  return std::nullopt;
}

void Space::enumerate(const std::function<bool(const Point&)>& visit) const {
  for (auto point = next(std::nullopt); point; point = next(point))
    if (!visit(*point)) return;
}

std::string Space::json() const {
  JsonWriter w;
  w.begin_object().key("parameters").begin_array();
  for (const Parameter& p : *parameters_) {
    w.begin_object().member("name", p.name);
    if (const auto* i = p.integer())
      w.member("kind", "integer").member("low", i->low).member("high", i->high).member("step", i->step).member("log", i->log);
    if (const auto* r = p.real())
      w.member("kind", "real").member("low", r->low).member("high", r->high).member("step", r->step).member("log", r->log);
    if (const auto* choices = p.choices()) {
      w.member("kind", p.ordinal() ? "ordinal" : "categorical").key("choices").begin_array();
      for (const Value& v : *choices) w.raw(v.json());
      w.end_array();
    }
    if (!p.when.empty()) w.member("when", p.when);
    w.end_object();
  }
  w.end_array().key("rules").begin_array();
  for (const Rule& rule : *rules_) w.value(rule.text());
  return w.end_array().end_object().text();
}

}  // namespace lathe::nas
