#include <lathe/cli/space_config.h>

#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/cli/format.h>

#include <cmath>
#include <utility>

namespace lathe::cli {
namespace {

using Kind = SpaceParameter::Kind;

SpaceParameter range(std::string name, Kind kind, double min, double max, bool log = false) {
  SpaceParameter p;
  p.name = std::move(name);
  p.kind = kind;
  p.min = min;
  p.max = max;
  p.log = log;
  return p;
}

SpaceParameter choices(std::string name, std::vector<Scalar> values) {
  SpaceParameter p;
  p.name = std::move(name);
  p.choices = std::move(values);
  return p;
}

std::string quoted_if_needed(const std::string& key) {
  return key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == std::string::npos
             ? key
             : toml_quote(key);
}

bool is_number(const Scalar& value) { return std::holds_alternative<std::int64_t>(value) || std::holds_alternative<double>(value); }

void write_scalar(JsonWriter& json, const Scalar& value) {
  std::visit([&](const auto& v) { json.value(v); }, value);
}

}  // namespace

std::string to_toml(const Scalar& value) {
  struct {
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(std::int64_t i) const { return std::to_string(i); }
    std::string operator()(double d) const { return toml_number(d); }
    std::string operator()(const std::string& s) const { return toml_quote(s); }
  } visitor;
  return std::visit(visitor, value);
}

std::string SpaceParameter::to_toml() const {
  const auto end = [&](double d) { return kind == Kind::integers ? std::to_string(static_cast<std::int64_t>(d)) : toml_number(d); };
  std::string list;
  for (const Scalar& c : choices) list += str(list.empty() ? "" : ", ", cli::to_toml(c));
  list = "[" + list + "]";
  // Two numbers in a bare list would be read as a range.
  const bool bare_list = !(choices.size() == 2 && is_number(choices[0]));
  std::string value;
  if (kind == Kind::choices && when.empty() && !ordered && bare_list) {
    value = list;
  } else if (kind != Kind::choices && when.empty() && !log && step == 0) {
    value = str("[", end(min), ", ", end(max), "]");
  } else {
    value = kind == Kind::choices ? "{ choices = " + list : str("{ min = ", end(min), ", max = ", end(max));
    if (step > 0) value += ", step = " + end(step);
    if (log) value += ", log = true";
    if (ordered) value += ", ordered = true";
    if (!when.empty()) value += ", when = " + toml_quote(when);
    value += " }";
  }
  return str(quoted_if_needed(name), " = ", value);
}

void SpaceParameter::write_json(JsonWriter& json) const {
  json.begin_object().member("name", name);
  if (kind == Kind::choices) {
    json.key("choices").begin_array();
    for (const Scalar& c : choices) write_scalar(json, c);
    json.end_array();
    if (ordered) json.member("ordered", true);
  } else {
    json.member("type", kind == Kind::integers ? "integer" : "number").member("min", min).member("max", max);
    if (step > 0) json.member("step", step);
    if (log) json.member("log", true);
  }
  if (!when.empty()) json.member("when", when);
  json.end_object();
}

bool operator==(const SpaceParameter& a, const SpaceParameter& b) {
  return a.name == b.name && a.kind == b.kind && a.min == b.min && a.max == b.max && a.step == b.step && a.log == b.log &&
         a.choices == b.choices && a.ordered == b.ordered && a.when == b.when;
}

const SpaceParameter* SpaceConfig::find(std::string_view name) const {
  for (const SpaceParameter& p : parameters)
    if (p.name == name) return &p;
  return nullptr;
}

std::string SpaceConfig::to_toml() const {
  std::string out;
  for (const SpaceParameter& p : parameters) out += p.to_toml() + "\n";
  if (valid.empty()) return out;
  std::string rules;
  for (const std::string& rule : valid) rules += str(rules.empty() ? "" : ", ", toml_quote(rule));
  return out + str("valid = [", rules, "]\n");
}

void SpaceConfig::write_json(JsonWriter& json) const {
  json.begin_object().key("parameters").begin_array();
  for (const SpaceParameter& p : parameters) p.write_json(json);
  json.end_array().key("valid").begin_array();
  for (const std::string& rule : valid) json.value(rule);
  json.end_array().end_object();
}

bool operator==(const SpaceConfig& a, const SpaceConfig& b) { return a.parameters == b.parameters && a.valid == b.valid; }

SpaceConfig default_space() {
  using I = std::int64_t;
  using S = std::string;
  SpaceConfig space;
  space.parameters = {
      range("layers", Kind::integers, 1, 4),
      choices("hidden", {I{32}, I{64}, I{128}}),
      choices("heads", {I{1}, I{2}, I{4}, I{8}}),
      range("expansion", Kind::integers, 2, 4),
      choices("activation", {S("gelu_tanh"), S("relu"), S("silu")}),
      choices("norm", {S("layer_norm"), S("rms_norm")}),
      choices("norm_place", {S("pre"), S("post")}),
      range("dropout", Kind::numbers, 0.05, 0.3),
      range("lr", Kind::numbers, 1e-4, 3e-3, true),
  };
  space.valid = {"hidden % heads == 0"};
  return space;
}

}  // namespace lathe::cli
