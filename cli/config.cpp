#include <lathe/cli/config.h>

#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/format.h>
#include <lathe/cli/objectives.h>
#include <lathe/cli/toml_reader.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

std::size_t key_index(std::string_view path) {
  const Key* key = find_key(path);
  LATHE_CHECK(key, "no configuration key " + std::string(path));
  return static_cast<std::size_t>(key - config_keys().data());
}

bool in_range(const Key& key, double value) {
  return (key.above_min ? value > key.min : value >= key.min) && (key.below_max ? value < key.max : value <= key.max);
}

bool is_allowed(const Key& key, const std::string& text) {
  return key.allowed.empty() || std::find(key.allowed.begin(), key.allowed.end(), text) != key.allowed.end() ||
         (key.accepts && key.accepts(text));
}

bool acceptable(const Key& key, const Value& value) {
  if (const std::int64_t* i = std::get_if<std::int64_t>(&value)) return in_range(key, static_cast<double>(*i));
  if (const double* d = std::get_if<double>(&value)) return in_range(key, *d);
  if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value)) {
    const std::size_t size = std::get<std::vector<std::int64_t>>(key.fallback).size();
    return list->size() == size &&
           std::all_of(list->begin(), list->end(), [&](std::int64_t i) { return in_range(key, static_cast<double>(i)); });
  }
  if (const std::string* text = std::get_if<std::string>(&value)) {
    if (key.kind == Kind::duration) return text->empty() || parse_duration(*text).has_value();
    return is_allowed(key, *text);
  }
  if (const Texts* texts = std::get_if<Texts>(&value))
    return std::all_of(texts->begin(), texts->end(), [&](const std::string& text) { return is_allowed(key, text); });
  return true;
}

/// "; did you mean …?" for a text that is none of the allowed ones.
std::string value_hint(const Key& key, const Value& value) {
  const std::string* text = std::get_if<std::string>(&value);
  if (const Texts* texts = std::get_if<Texts>(&value))
    for (const std::string& one : *texts)
      if (!is_allowed(key, one)) text = &one;
  if (!text || key.allowed.empty()) return "";
  const auto near = nearest(*text, key.allowed);
  return near ? str("; did you mean ", toml_quote(*near), "?") : "";
}

std::string prefix(const std::string& place) { return place.empty() ? "" : place + ": "; }

/// The path that a text names, from the folder it counts from. `reviews.tsv`, not `runs/a/../../reviews.tsv`: reports name the
/// file, and a resumed run writes the same report. Where a folder is a link the short form may be another file, and the long one is
/// kept.
fs::path resolved(const std::string& text, const fs::path& folder) {
  if (text.empty()) return {};
  const fs::path path(text);
  if (path.is_absolute() || folder == "." || text.find("://") != std::string::npos) return path;
  const fs::path whole = folder / path, shorter = whole.lexically_normal();
  std::error_code error;
  return fs::equivalent(whole, shorter, error) && !error ? shorter : whole;
}

bool same_file(const fs::path& a, const fs::path& b) {
  if (a.empty() || b.empty()) return a.empty() && b.empty();
  return fs::absolute(a).lexically_normal() == fs::absolute(b).lexically_normal();
}

/// InputError if the space always gives the feed-forward width in both ways.
void check_widths(const SpaceConfig& space) {
  const SpaceParameter* of[2] = {};
  for (const SpaceParameter& p : space.parameters) {
    const std::string bare = p.name.starts_with("layers[i].") ? p.name.substr(10) : p.name;
    if (p.when.empty() && (bare == "ffn" || bare == "expansion")) of[bare == "ffn"] = &p;
  }
  if (of[0] && of[1])
    throw InputError(str(prefix(of[1]->origin), "`", of[1]->name, "` and `", of[0]->name,
                         "` exclude each other: both give the width of the feed-forward part"));
}

}  // namespace

std::string shown(const Value& value) {
  struct {
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(std::int64_t i) const { return std::to_string(i); }
    std::string operator()(double d) const { return number(d); }
    std::string operator()(const std::string& s) const { return toml_quote(s); }
    std::string operator()(const std::vector<std::int64_t>& list) const {
      std::string out = "[";
      for (std::size_t i = 0; i < list.size(); ++i) out += str(i ? ", " : "", list[i]);
      return out + "]";
    }
    std::string operator()(const Texts& list) const {
      std::string out = "[";
      for (std::size_t i = 0; i < list.size(); ++i) out += str(i ? ", " : "", toml_quote(list[i]));
      return out + "]";
    }
    std::string operator()(const Settings& settings) const {
      std::string out = "{";
      for (const auto& [name, x] : settings) out += str(out.size() > 1 ? ", " : " ", name, " = ", number(x));
      return out.size() > 1 ? out + " }" : out + "}";
    }
  } visitor;
  return std::visit(visitor, value);
}

void check_value(const Key& key, const Value& value, const std::string& place) {
  if (!acceptable(key, value))
    throw InputError(str(prefix(place), key.path, " = ", shown(value), ", expected ", key.expected(), value_hint(key, value)));
}

Value read_option(const Key& key, std::string_view text, const std::string& origin) {
  std::optional<Value> value;
  switch (key.kind) {
    case Kind::boolean:
      if (text == "true" || text == "false") value = text == "true";
      break;
    case Kind::integer:
      if (const auto count = parse_count(text)) value = *count;
      break;
    case Kind::number:
      if (const auto parsed = parse_double(text)) value = *parsed;
      break;
    case Kind::integers: {
      std::vector<std::int64_t> list;
      const char separator = text.find('/') != std::string_view::npos ? '/' : ',';
      bool good = true;
      for (const std::string_view part : split(text, separator)) {
        const auto parsed = parse_int(trim(part));
        good = good && parsed;
        list.push_back(parsed.value_or(0));
      }
      if (good) value = list;
      break;
    }
    case Kind::texts: {
      Texts list;
      for (const std::string_view part : split(text, ',')) list.emplace_back(trim(part));
      value = list;
      break;
    }
    case Kind::settings:
      value = read_assignment(str(key.path, "=", text), origin).values[0].value;
      break;
    default:
      value = std::string(text);
  }
  if (!value || !acceptable(key, *value))
    throw InputError(str(origin, " ", text, ": expected ", key.expected(), value ? value_hint(key, *value) : ""));
  return *value;
}

Config::Config() : space_(default_space()) {
  for (const Key& key : config_keys()) entries_.push_back({key.fallback, Source::fallback, "", "."});
}

void Config::store(const Key& key, Value value, Source source, const std::string& origin, const fs::path& folder) {
  Entry& entry = entries_[key_index(key.path)];
  if (source < entry.source) return;
  entry = {std::move(value), source, origin, folder};
}

void Config::read_file(const fs::path& file) {
  read_text(lathe::read_file(file), file.string(), file.has_parent_path() ? file.parent_path() : fs::path("."));
}

void Config::read_text(std::string_view toml, const std::string& name, const fs::path& folder) {
  TomlDocument document = read_toml(toml, name, own_objective_);
  for (TomlKeyValue& v : document.values) store(*find_key(v.path), std::move(v.value), Source::file, v.value_place, folder);
  if (!document.has_space || space_source_ > Source::file) return;
  space_ = std::move(document.space);  // as a whole: parameters of the default space would be in the way
  space_source_ = Source::file;
}

void Config::set(std::string_view assignment) {
  TomlDocument document = read_assignment(assignment, "--set", own_objective());
  for (TomlKeyValue& v : document.values) {
    if (Settings* added = std::get_if<Settings>(&v.value)) added->insert(settings(v.path).begin(), settings(v.path).end());
    store(*find_key(v.path), std::move(v.value), Source::set, v.value_place, ".");
  }
  if (!document.has_space) return;
  if (own_objective() && !has_space()) space_ = {};
  space_source_ = Source::set;
  if (!document.space.valid_origin.empty()) {
    space_.valid = std::move(document.space.valid);
    space_.valid_origin = document.space.valid_origin;
  }
  for (SpaceParameter& p : document.space.parameters) {
    const std::string bare = p.name.starts_with("layers[i].") ? p.name.substr(10) : p.name;
    const auto same = [&](const SpaceParameter& q) { return q.name == bare || q.name == "layers[i]." + bare; };
    const auto old = std::find_if(space_.parameters.begin(), space_.parameters.end(), same);
    if (old == space_.parameters.end())
      space_.parameters.push_back(std::move(p));
    else
      *old = std::move(p);
  }
}

void Config::set_option(std::string_view path, std::string_view text, const std::string& origin) {
  const Key* key = find_key(path);
  LATHE_CHECK(key, "no configuration key " + std::string(path));
  store(*key, read_option(*key, text, origin), Source::option, origin, ".");
}

void Config::read_environment(const std::function<const char*(const char*)>& get) {
  for (const Key& key : config_keys()) {
    if (key.environment.empty()) continue;
    const char* text = get(key.environment.c_str());
    if (!text || !*text) continue;
    Value value;
    try {
      value = read_option(key, text, key.environment);
    } catch (const InputError&) {  // the variable as one would write it: NAME=value
      throw InputError(str(key.environment, "=", text, ": expected ", key.expected()));
    }
    store(key, std::move(value), Source::environment, key.environment, ".");
  }
}

void Config::resolve(std::string_view path, Value value) {
  Entry& entry = entries_[key_index(path)];
  LATHE_CHECK(entry.value.index() == value.index(), "type of " + std::string(path));
  entry.value = std::move(value);
  entry.folder = ".";
}

const Config::Entry& Config::entry(std::string_view path) const { return entries_[key_index(path)]; }
const Value& Config::value(std::string_view path) const { return entry(path).value; }
Source Config::source(std::string_view path) const { return entry(path).source; }
const std::string& Config::origin(std::string_view path) const { return entry(path).origin; }

namespace {
template <class T>
const T& typed(const Value& value, std::string_view path) {
  const T* out = std::get_if<T>(&value);
  LATHE_CHECK(out, "type of " + std::string(path));
  return *out;
}
}  // namespace

bool Config::flag(std::string_view path) const { return typed<bool>(value(path), path); }
std::int64_t Config::integer(std::string_view path) const { return typed<std::int64_t>(value(path), path); }
double Config::number(std::string_view path) const { return typed<double>(value(path), path); }
const std::string& Config::text(std::string_view path) const { return typed<std::string>(value(path), path); }
const std::vector<std::int64_t>& Config::integers(std::string_view path) const {
  return typed<std::vector<std::int64_t>>(value(path), path);
}
const Texts& Config::texts(std::string_view path) const { return typed<Texts>(value(path), path); }
const Settings& Config::settings(std::string_view path) const { return typed<Settings>(value(path), path); }
fs::path Config::file(std::string_view path) const { return resolved(text(path), entry(path).folder); }
double Config::seconds(std::string_view path) const { return text(path).empty() ? 0 : parse_duration(text(path)).value_or(0); }

std::vector<std::string> Config::unused() const {
  const std::string& evaluate = text("search.evaluate");
  const auto used = [&](const Key& key) {
    if (key.path == "latency.from") return needs_latency(*this);
    if (key.table() == "supernet") return evaluate == "inherited";
    if (key.table() != "proxy" || evaluate == "proxy") return true;
    const bool of_calibration = key.path == "proxy.architectures" || key.path == "proxy.threshold" || key.path == "proxy.force";
    return of_calibration && evaluate == "inherited";
  };
  std::vector<std::string> out;
  for (const Key& key : config_keys())
    if (!used(key) && value(key.path) != key.fallback)
      out.push_back(str(prefix(origin(key.path)), key.path, " = ", shown(value(key.path)), " has no effect: ",
                        key.path == "latency.from" ? std::string("no objective, limit or target is a latency")
                                                   : str("search.evaluate is \"", evaluate, "\"")));
  return out;
}

void Config::check() const {
  const auto fail = [this](std::string_view path, const std::string& what) {
    throw InputError(str(prefix(origin(path)), path, " = ", shown(value(path)), what));
  };
  const std::int64_t hidden = integer("model.hidden"), heads = integer("model.heads"), head_dim = integer("model.head_dim");
  if (head_dim == 0 && hidden % heads != 0) fail("model.hidden", str(" is not divisible by model.heads = ", heads));
  if (text("model.positions") == "rotary" && (head_dim > 0 ? head_dim : hidden / heads) % 2 != 0)
    fail("model.positions", head_dim > 0 ? str(" needs an even size of heads, and model.head_dim is ", head_dim)
                                         : str(" needs an even size of heads, and model.hidden / model.heads is ", hidden / heads));
  if (integers("data.split")[0] == 0) fail("data.split", ": the first share, training, must be > 0");
  if (!own_objective()) {
    for (const Key& key : config_keys())
      if (key.table() == "objective" && value(key.path) != key.fallback) fail(key.path, ": there is no objective.command");
    targets_of(*this);
    check_widths(space_);
    return;
  }
  if (value("search.objectives") != find_key("search.objectives")->fallback)
    fail("search.objectives", ": a program names its own, in objective.metrics");
  if (text("search.evaluate") != "train") fail("search.evaluate", ": a program is evaluated by running it");
  const std::size_t metrics = texts("objective.metrics").size(), directions = texts("objective.directions").size();
  if (metrics != directions) fail("objective.directions", str(" has ", directions, ", but objective.metrics names ", metrics));
  if (!has_space() || space_.parameters.empty())
    fail("objective.command", ": there is no [space]; it names the parameters, such as x = [-5.0, 5.0]");
}

bool operator==(const Config& a, const Config& b) {
  for (const Key& key : config_keys()) {
    const bool same =
        key.kind == Kind::path ? same_file(a.file(key.path), b.file(key.path)) : a.value(key.path) == b.value(key.path);
    if (!same) return false;
  }
  return a.space_ == b.space_;
}

}  // namespace lathe::cli
