#include <lathe/nas/foreign.h>

#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/json_reader.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace lathe::nas {
namespace {

struct Attributes {
  std::vector<Value> choices;
  std::optional<double> low, high, step;
  bool log = false;
};

Attributes read_attributes(JsonReader& in, const std::string& parameter) {
  Attributes out;
  in.object([&](const std::string& name) {
    if (name == "choices") {
      in.array([&] {
        if (in.null()) throw InputError(str("parameter `", parameter, "`: it has the choice null, which is no value here"));
        out.choices.push_back(in.scalar());
      });
    } else if (name == "log") {
      out.log = in.flag();
    } else if (name == "low" || name == "high" || name == "step") {
      if (!in.null()) (name == "low" ? out.low : name == "high" ? out.high : out.step) = in.number();
    } else {
      in.skip();
    }
  });
  return out;
}

std::int64_t whole(double x, const std::string& parameter) {
  if (!(x == math::floor(x) && x < 0x1p53 && x > -0x1p53))
    throw InputError(str("parameter `", parameter, "`: ", number(x), " is no integer"));
  return static_cast<std::int64_t>(x);
}

/// The parameter that a distribution of Optuna describes.
Parameter parameter_of(const std::string& name, const std::string& distribution) {
  JsonReader in("distribution", distribution);
  std::string kind;
  Attributes a;
  in.object([&](const std::string& member) {
    if (member == "name")
      kind = in.text();
    else if (member == "attributes")
      a = read_attributes(in, name);
    else
      in.skip();
  });
  in.end();
  if (kind == "CategoricalDistribution") return {name, Categorical{a.choices}, ""};
  if (!a.low || !a.high) in.fail("low and high");
  if (kind == "IntDistribution") {
    return {name, IntegerRange{whole(*a.low, name), whole(*a.high, name), whole(a.step.value_or(1), name), a.log}, ""};
  }
  if (kind == "FloatDistribution") return {name, RealRange{*a.low, *a.high, a.step.value_or(0), a.log}, ""};
  throw InputError(str("parameter `", name, "`: the distribution `", kind, "` is unknown; expected IntDistribution, ",
                       "FloatDistribution or CategoricalDistribution"));
}

/// A column's number as the value of a parameter.
Value value_of(const Parameter& parameter, double internal) {
  if (parameter.integer()) return whole(internal, parameter.name);
  if (parameter.real()) return internal;
  const std::vector<Value>& choices = *parameter.choices();
  if (!(internal >= 0 && internal < static_cast<double>(choices.size()) && internal == math::floor(internal)))
    throw InputError(str("parameter `", parameter.name, "`: there is no choice number ", number(internal)));
  return choices[static_cast<std::size_t>(internal)];
}

/// Extends `range` by what another trial says about the same parameter.
void cover(Parameter& range, const Parameter& also) {
  const auto refuse = [&](const char* what) {
    throw InputError(str("parameter `", range.name, "`: ", what, " changed between trials; give a space"));
  };
  if (range.domain.index() != also.domain.index()) refuse("its kind");
  if (auto* r = std::get_if<IntegerRange>(&range.domain)) {
    const IntegerRange& o = *also.integer();
    if (r->log != o.log || r->step != o.step || (o.low - r->low) % r->step) refuse("its step or scale");
    r->low = std::min(r->low, o.low);
    r->high = std::max(r->high, o.high);
  } else if (auto* x = std::get_if<RealRange>(&range.domain)) {
    const RealRange& o = *also.real();
    if (x->log != o.log || x->step != o.step || (x->step > 0 && o.low != x->low)) refuse("its step or scale");
    x->low = std::min(x->low, o.low);
    x->high = std::max(x->high, o.high);
  } else if (*range.choices() != *also.choices()) {
    refuse("its choices");
  }
}

/// A parameter and its values by trial (nothing: absent).
struct Column {
  Parameter parameter;
  std::vector<std::optional<Value>> values;
  std::size_t present = 0;
};

std::string literal(const Value& value) {
  if (!value.text()) return value.json();
  return str("'", *value.text(), "'");
}

/// A condition on `reads` that holds for the trials with a value of `of` and for no other; nothing: there is none.
std::optional<std::string> condition(const Column& of, const Column& reads) {
  std::vector<Value> with, without;
  const auto note = [](std::vector<Value>& into, const Value& v) {
    if (std::find(into.begin(), into.end(), v) == into.end()) into.push_back(v);
  };
  for (std::size_t t = 0; t < of.values.size(); ++t) {
    if (of.values[t] && !reads.values[t]) return std::nullopt;
    if (reads.values[t]) note(of.values[t] ? with : without, *reads.values[t]);
  }
  if (with.empty() || without.empty()) return std::nullopt;
  const std::string& name = reads.parameter.name;
  if (const auto* choices = reads.parameter.choices()) {
    std::vector<std::string> list;
    for (const Value& choice : *choices) {
      const bool in = std::find(with.begin(), with.end(), choice) != with.end();
      if (in && std::find(without.begin(), without.end(), choice) != without.end()) return std::nullopt;
      if (in && choice.text() && choice.text()->find_first_of("'\\") != std::string::npos) return std::nullopt;
      if (in) list.push_back(literal(choice));
    }
    return list.size() == 1 ? str(name, " == ", list[0]) : str(name, " in [", join(list, ", "), "]");
  }
  const auto less = [](const Value& a, const Value& b) { return *a.number() < *b.number(); };
  const auto [least_with, most_with] = std::minmax_element(with.begin(), with.end(), less);
  const auto [least_without, most_without] = std::minmax_element(without.begin(), without.end(), less);
  if (less(*most_without, *least_with)) return str(name, " > ", most_without->json());
  if (less(*most_with, *least_without)) return str(name, " < ", least_without->json());
  return std::nullopt;
}

std::vector<Column> columns_of(const std::vector<ForeignTrial>& trials) {
  std::vector<Column> columns;
  std::map<std::string, std::size_t> index;
  std::size_t row = 0;
  for (const ForeignTrial& trial : trials) {
    if (trial.state == ForeignTrial::State::waiting) continue;
    for (const ForeignTrial::Parameter& p : trial.parameters) {
      const Parameter found = parameter_of(p.name, p.distribution);
      const auto [at, first] = index.emplace(p.name, columns.size());
      if (first)
        columns.push_back({found, {}, 0});
      else
        cover(columns[at->second].parameter, found);
      Column& column = columns[at->second];
      column.values.resize(row + 1);
      column.values[row] = value_of(found, p.value);
      ++column.present;
    }
    ++row;
  }
  for (Column& column : columns) column.values.resize(row);
  return columns;
}

/// The constraints of a trial by key, as Optuna reads them: the list of versions before 5, then single ones.
std::map<std::string, double> constraints_of(const ForeignTrial& trial) {
  static constexpr std::string_view kPrefix = "constraints:";
  std::map<std::string, double> out;
  for (const auto& [key, json] : trial.constraints) {
    JsonReader in("constraint", json);
    if (key == "constraints") {
      std::size_t i = 0;
      in.array([&] { out.emplace(str(i++), in.number()); });
    } else if (key.starts_with(kPrefix)) {
      out[key.substr(kPrefix.size())] = in.number();
    }
  }
  return out;
}

/// In the order of the header's constraints: by name, or, where the trial has other names, by Optuna's numbers 0, 1, 2, …
std::vector<double> ordered_constraints(const ForeignTrial& trial, const std::vector<std::string>& names) {
  const auto found = constraints_of(trial);
  std::vector<double> out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto at = found.find(names[i]);
    if (at == found.end()) at = found.find(str(i));
    if (at != found.end()) out.push_back(at->second);
  }
  if (out.size() != names.size() || found.size() != names.size())
    throw InputError(str("it has ", found.size(), " constraints, expected ", names.size() == 0 ? "none" : join(names, ", ")));
  return out;
}

Trial finished_trial(const StudyHeader& header, const ForeignTrial& from) {
  std::vector<std::pair<std::string, Value>> values;
  for (const ForeignTrial::Parameter& p : from.parameters)
    values.emplace_back(p.name, value_of(parameter_of(p.name, p.distribution), p.value));
  Trial trial;
  trial.point = header.space.point(values);
  trial.state = from.state == ForeignTrial::State::complete ? TrialState::complete : TrialState::pruned;
  trial.values = from.values;
  trial.constraints = ordered_constraints(from, header.constraints);
  if (from.last_step > 0 && from.last_step <= std::numeric_limits<int>::max())
    trial.reports.push_back({0, 0, static_cast<int>(from.last_step), trial.values, 0, trial.constraints});
  return trial;
}

}  // namespace

Space foreign_space(const std::vector<ForeignTrial>& trials) {
  const std::vector<Column> columns = columns_of(trials);
  if (columns.empty()) throw InputError("no finished trial has a parameter; give a space");
  SpaceBuilder builder;
  for (const Column& column : columns) {
    Parameter parameter = column.parameter;
    if (column.present < column.values.size()) {
      std::optional<std::string> found;
      for (const Column& reads : columns)  // one that more trials have, so that conditions cannot run in a circle
        if (!found && reads.present > column.present) found = condition(column, reads);
      if (!found)
        throw InputError(str("parameter `", parameter.name, "` is missing in ", column.values.size() - column.present, " of ",
                             column.values.size(), " finished trials, and no other parameter tells in which; give a space"));
      parameter.when = *found;
    }
    builder.add(std::move(parameter));
  }
  return builder.build();
}

StudyHeader foreign_header(Backend& backend, const std::string& name) {
  const ForeignStudy study = backend.foreign_study(name);
  StudyHeader header;
  header.name = name;
  header.directions = study.directions;
  header.metrics = study.metrics;
  if (header.metrics.size() != header.directions.size()) {
    header.metrics.clear();
    for (std::size_t i = 0; i < header.directions.size(); ++i)
      header.metrics.push_back(header.directions.size() == 1 ? "value" : str("value_", i));
  }
  try {
    header.space = foreign_space(study.trials);
    bool first = true;
    for (const ForeignTrial& trial : study.trials) {
      if (trial.state == ForeignTrial::State::waiting) continue;
      std::vector<std::string> names;
      for (const auto& [key, value] : constraints_of(trial)) names.push_back(key);
      if (first) header.constraints = names;
      if (names != header.constraints)
        throw InputError(str("trial ", trial.number, " has other constraints than the trials before it"));
      first = false;
    }
  } catch (const InputError& e) {
    throw InputError(str("study `", name, "`: ", e.what()));
  }
  return header;
}

std::vector<Event> take_up(VirtualTime& engine, const ForeignTrial& trial) {
  if (trial.state != ForeignTrial::State::waiting) return engine.adopt(finished_trial(engine.header(), trial), trial.number);
  if (!trial.parameters.empty()) throw InputError("it waits with parameters that were drawn already");
  return engine.enqueue(engine.header().space.parse_partial(trial.fixed), trial.number);
}

bool taken_up(const VirtualTime& engine, const ForeignTrial& trial) {
  const bool waits = trial.state == ForeignTrial::State::waiting;
  return engine.known(trial.number, waits ? Event::Kind::enqueue : Event::Kind::adopt);
}

}  // namespace lathe::nas
