#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/rule_syntax.h>
#include <lathe/nas/space.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace lathe::nas {
namespace {

constexpr std::int64_t kMostLayers = 10'000;
constexpr std::uint64_t kMostEnumerated = 1'000'000;
constexpr std::uint32_t kProbeDraws = 10'000;

bool well_formed(std::string_view name, bool& per_layer) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  per_layer = false;
  bool start = true;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (start) {
      if (!letter(c)) return false;
      start = false;
    } else if (c == '.') {
      start = true;
    } else if (name.substr(i, 3) == "[i]" && !per_layer && (i + 3 == name.size() || name[i + 3] == '.')) {
      per_layer = true;
      i += 2;
    } else if (!letter(c) && !(c >= '0' && c <= '9')) {
      return false;
    }
  }
  return !start;
}

bool reserved(std::string_view name) {
  return name == "and" || name == "or" || name == "not" || name == "in" || name == "true" || name == "false";
}

[[noreturn]] void refuse(const Parameter& p, const std::string& why) { throw InputError(str("parameter `", p.name, "`: ", why)); }

void check_integer(const Parameter& p, const IntegerRange& r) {
  if (r.low > r.high) refuse(p, str("the range from ", r.low, " to ", r.high, " is empty"));
  if (r.step < 1) refuse(p, str("the step is ", r.step, ", expected at least 1"));
  if (r.log && r.low < 1) refuse(p, str("a log range must begin at 1 or above, not at ", r.low));
  if (r.log && r.step != 1) refuse(p, "a log range takes no step");
  if (static_cast<std::uint64_t>(r.high) - static_cast<std::uint64_t>(r.low) >= std::uint64_t{1} << 63)
    refuse(p, str("the range from ", r.low, " to ", r.high, " is too large"));
}

void check_real(const Parameter& p, const RealRange& r) {
  if (!std::isfinite(r.low) || !std::isfinite(r.high) || !std::isfinite(r.high - r.low) || !std::isfinite(r.step))
    refuse(p, "the range and its step must be finite");
  if (r.low > r.high) refuse(p, str("the range from ", r.low, " to ", r.high, " is empty"));
  if (r.step < 0) refuse(p, str("the step is ", r.step, ", expected a positive one, or 0 for none"));
  if (r.log && r.low <= 0) refuse(p, str("a log range must begin above 0, not at ", r.low));
  if (r.log && r.step != 0) refuse(p, "a log range takes no step");
  if (r.step > 0 && (r.high - r.low) / r.step > 0x1p53) refuse(p, "the step is too small for the range");
}

void check_choices(const Parameter& p, const std::vector<Value>& choices) {
  if (choices.empty()) refuse(p, "there are no choices");
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const auto x = choices[i].number();
    if (x && !std::isfinite(*x)) refuse(p, str("choice ", i + 1, " is not a finite number"));
    for (std::size_t k = 0; k < i; ++k) {
      const auto y = choices[k].number();
      if (choices[i] == choices[k] || (x && y && *x == *y)) refuse(p, str("the choice ", choices[i].json(), " occurs twice"));
    }
  }
}

RuleType type_of(const Parameter& p) {
  if (!p.choices()) return RuleType::number;
  std::set<RuleType> types;
  for (const Value& v : *p.choices()) types.insert(v.number() ? RuleType::number : v.flag() ? RuleType::flag : RuleType::text);
  return types.size() == 1 ? *types.begin() : RuleType::mixed;
}

/// Largest number of layers that an integer parameter can stand for.
std::int64_t layers_of(const Parameter& per_layer, const Parameter& base) {
  std::int64_t most = 0;
  if (base.integer()) {
    most = *base.at(*base.count() - 1).integer();
  } else if (const auto* choices = base.choices()) {
    for (const Value& v : *choices) {
      if (!v.integer()) refuse(per_layer, str("`", base.name, "` must count layers, but has the choice ", v.json()));
      most = std::max(most, *v.integer());
    }
  } else {
    refuse(per_layer, str("`", base.name, "` must count layers, but is not an integer"));
  }
  if (most > kMostLayers) refuse(per_layer, str("`", base.name, "` goes up to ", most, " layers, more than ", kMostLayers));
  return most;
}

std::optional<std::string> condition_at(const Parameter& p, std::int64_t layer) {
  try {
    return at_layer(p.when, layer);
  } catch (const InputError& e) {
    refuse(p, str("condition: ", e.what()));
  }
}

/// Expansion of per-layer parameters and rules.
class Expansion {
 public:
  Expansion(const std::vector<Parameter>& declared, const std::vector<std::string>& declared_rules) {
    for (const Parameter& p : declared) names_.push_back(p.name);
    for (const Parameter& p : declared) expand(p, declared);
    for (const std::string& rule : declared_rules) expand(rule);
  }
  std::vector<Parameter> parameters;
  std::vector<std::string> rules;

 private:
  void expand(const Parameter& p, const std::vector<Parameter>& declared) {
    const auto open = p.name.find("[i]");
    if (open == std::string::npos) {
      if (!p.when.empty() && condition_at(p, 0))
        refuse(p, str("its condition `", p.when, "` speaks of layer i, but the parameter is not one per layer"));
      parameters.push_back(p);
      return;
    }
    const std::string base = p.name.substr(0, open);
    const auto found = std::find_if(declared.begin(), declared.end(), [&](const Parameter& d) { return d.name == base; });
    if (found == declared.end()) {
      std::string message = str("there is no parameter `", base, "` to count the layers");
      if (const auto close = nearest(base, names_)) message += str("; did you mean `", *close, "`?");
      refuse(p, message);
    }
    const std::int64_t layers = layers_of(p, *found);
    layers_[base] = layers;
    for (std::int64_t i = 0; i < layers; ++i) {
      Parameter one = p;
      one.name.replace(open, 3, str("[", i, "]"));
      one.when = str(base, " > ", i);
      if (!p.when.empty()) {
        const auto at = condition_at(p, i);
        one.when += str(" and (", at.value_or(p.when), ")");
      }
      parameters.push_back(std::move(one));
    }
  }

  void expand(const std::string& rule) {
    std::int64_t layers = kMostLayers;
    if (!at_layer(rule, 0)) {
      rules.push_back(rule);
      return;
    }
    for (const detail::Token& token : detail::rule_tokens(rule)) {
      const auto open = token.text.find('[');
      if (token.kind != detail::Token::Kind::name || open == std::string::npos || token.text.compare(open, 2, "[i") != 0) continue;
      std::string plain = token.text;
      plain.replace(open, plain.find(']') - open + 1, "[i]");
      if (std::find(names_.begin(), names_.end(), plain) == names_.end()) {
        std::string message = str("no parameter `", plain, "`");
        if (const auto close = nearest(plain, names_)) message += str("; did you mean `", *close, "`?");
        detail::rule_error(rule, token.at, message);
      }
      layers = std::min(layers, layers_[plain.substr(0, open)]);
    }
    for (std::int64_t i = 0; i < layers; ++i) {
      std::int64_t lowest = 0, highest = 0;
      const auto at = at_layer(rule, i, &lowest, &highest);
      if (lowest >= 0 && highest < layers) rules.push_back(*at);
    }
  }

  std::vector<std::string> names_;
  std::map<std::string, std::int64_t> layers_;
};

std::vector<RuleName> rule_names_of(const std::vector<Parameter>& parameters) {
  std::vector<RuleName> names;
  for (const Parameter& p : parameters) names.push_back({p.name, type_of(p)});
  return names;
}

Rule condition_of(const Parameter& p, std::span<const RuleName> names) {
  try {
    return Rule(p.when, names);
  } catch (const InputError& e) {
    refuse(p, str("condition: ", e.what()));
  }
}

/// Parameters in the given order, each moved behind what its condition reads.
std::vector<Parameter> sorted(const std::vector<Parameter>& parameters) {
  const std::vector<RuleName> names = rule_names_of(parameters);
  std::vector<std::vector<std::size_t>> needs(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i)
    if (!parameters[i].when.empty()) needs[i] = condition_of(parameters[i], names).uses();
  std::vector<Parameter> out;
  std::vector<bool> placed(parameters.size(), false);
  while (out.size() < parameters.size()) {
    const auto ready = [&](std::size_t i) {
      return !placed[i] && std::all_of(needs[i].begin(), needs[i].end(), [&](std::size_t k) { return placed[k]; });
    };
    std::size_t i = 0;
    while (i < parameters.size() && !ready(i)) ++i;
    if (i == parameters.size()) {
      i = 0;
      while (placed[i]) ++i;
      refuse(parameters[i],
             str("its condition `", parameters[i].when, "` depends on the parameter itself, directly or in a circle"));
    }
    placed[i] = true;
    out.push_back(parameters[i]);
  }
  return out;
}

/// InputError if no point is valid.
void require_valid_point(const Space& space) {
  if (space.rules().empty()) return;
  std::map<std::string, std::uint64_t> broken;
  std::uint64_t seen = 0;
  bool found = false;
  const auto look = [&](const Point& point) {
    const auto rule = space.broken_rule(point);
    found = !rule;
    if (rule) ++broken[*rule];
    ++seen;
    return !found;
  };
  for (std::uint32_t attempt = 0; attempt < kProbeDraws && !found; ++attempt) look(space.uniform(0, 0, attempt));
  if (found) return;
  const PointCount count = space.count();
  const bool all = !count.infinite && !count.saturated && count.points <= kMostEnumerated;
  if (all) {
    broken.clear();
    seen = 0;
    space.enumerate(look);
    if (found) return;
  }
  const auto worst =
      std::max_element(broken.begin(), broken.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  throw InputError(str("the space has no valid point", all ? "" : str(" among ", kProbeDraws, " random ones"), ": rule `",
                       worst->first, "` forbids ", worst->second, " of ", seen));
}

}  // namespace

SpaceBuilder& SpaceBuilder::add(Parameter parameter) {
  parameters_.push_back(std::move(parameter));
  return *this;
}

SpaceBuilder& SpaceBuilder::integer(std::string name, std::int64_t low, std::int64_t high, IntegerOptions options) {
  return add({std::move(name), IntegerRange{low, high, options.step, options.log}, std::move(options.when)});
}

SpaceBuilder& SpaceBuilder::real(std::string name, double low, double high, RealOptions options) {
  return add({std::move(name), RealRange{low, high, options.step, options.log}, std::move(options.when)});
}

SpaceBuilder& SpaceBuilder::categorical(std::string name, std::vector<Value> choices, ChoiceOptions options) {
  return add({std::move(name), Categorical{std::move(choices)}, std::move(options.when)});
}

SpaceBuilder& SpaceBuilder::ordinal(std::string name, std::vector<Value> choices, ChoiceOptions options) {
  return add({std::move(name), Ordinal{std::move(choices)}, std::move(options.when)});
}

SpaceBuilder& SpaceBuilder::rule(std::string text) {
  rules_.push_back(std::move(text));
  return *this;
}

Space SpaceBuilder::build() const {
  std::set<std::string> names;
  for (const Parameter& p : parameters_) {
    bool per_layer = false;
    if (!well_formed(p.name, per_layer) || reserved(p.name))
      refuse(p, "a name is letters, digits and `_`, joined by dots, with at most one `[i]`");
    if (!names.insert(p.name).second) refuse(p, "the name is used twice");
    if (const auto* r = p.integer()) check_integer(p, *r);
    if (const auto* r = p.real()) check_real(p, *r);
    if (p.choices()) check_choices(p, *p.choices());
  }
  const Expansion expansion(parameters_, rules_);
  auto parameters = sorted(expansion.parameters);
  const std::vector<RuleName> known = rule_names_of(parameters);
  auto list = std::make_shared<std::vector<std::string>>();
  auto conditions = std::make_shared<std::vector<std::optional<Rule>>>();
  for (const Parameter& p : parameters) {
    list->push_back(p.name);
    conditions->push_back(p.when.empty() ? std::nullopt : std::optional<Rule>(condition_of(p, known)));
  }
  auto rules = std::make_shared<std::vector<Rule>>();
  for (const std::string& rule : expansion.rules) rules->emplace_back(rule, known);
  Space space;
  space.names_ = std::move(list);
  space.parameters_ = std::make_shared<const std::vector<Parameter>>(std::move(parameters));
  space.conditions_ = std::move(conditions);
  space.rules_ = std::move(rules);
  require_valid_point(space);
  return space;
}

}  // namespace lathe::nas
