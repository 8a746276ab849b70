#include <lathe/cli/toml_reader.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <sstream>
#include <utility>

#include <toml++/toml.h>

namespace lathe::cli {
namespace {

using Node = toml::node;

/// "name:line:col" of a position, or the bare name where there are no lines (an option).
struct Places {
  std::string name;
  bool lines = true;
  std::string operator()(const toml::source_region& region) const {
    return lines ? str(name, ":", region.begin.line, ":", region.begin.column) : name;
  }
};

const char* type_name(const Node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "a boolean";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

/// The value as it would stand in a file, cut where it is long.
std::string shown(const Node& node) {
  if (const auto* text = node.as_string()) return toml_quote(text->get());
  std::ostringstream out;
  node.visit([&](const auto& n) { out << toml::toml_formatter{n, toml::format_flags::none}; });
  std::string text = out.str();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.size() > 40 ? text.substr(0, 37) + "..." : text;
}

std::optional<std::int64_t> as_integer(const Node& node) {
  if (const auto* i = node.as_integer()) return i->get();
  if (const auto* d = node.as_floating_point())
    if (std::abs(d->get()) < 9e15 && d->get() == std::trunc(d->get())) return static_cast<std::int64_t>(d->get());  // 2e6
  return {};
}

std::optional<double> as_number(const Node& node) {
  if (const auto* i = node.as_integer()) return static_cast<double>(i->get());
  if (const auto* d = node.as_floating_point())
    if (std::isfinite(d->get())) return d->get();
  return {};
}

template <class Read>
std::optional<Value> as_list(const Node& node, const Read& read) {
  const toml::array* list = node.as_array();
  if (!list) return {};
  std::vector<typename std::invoke_result_t<Read, const Node&>::value_type> out;
  for (const Node& element : *list) {
    const auto value = read(element);
    if (!value) return {};
    out.push_back(*value);
  }
  return Value(out);
}

std::optional<Value> as_settings(const Node& node) {
  const toml::table* table = node.as_table();
  if (!table) return {};
  Settings out;
  for (const auto& [name, element] : *table) {
    const auto* flag = element.as_boolean();
    const auto x = flag ? std::optional(flag->get() ? 1.0 : 0.0) : as_number(element);
    if (!x) return {};
    out[std::string(name.str())] = *x;
  }
  return Value(out);
}

std::optional<Value> convert(const Key& key, const Node& node) {
  switch (key.kind) {
    case Kind::boolean:
      if (const auto* b = node.as_boolean()) return Value(b->get());
      return {};
    case Kind::integer:
      if (const auto i = as_integer(node)) return Value(*i);
      return {};
    case Kind::number:
      if (const auto d = as_number(node)) return Value(*d);
      return {};
    case Kind::text:
    case Kind::path:
    case Kind::duration:
      if (const auto* s = node.as_string()) return Value(s->get());
      return {};
    case Kind::integers:
      return as_list(node, as_integer);
    case Kind::texts:
      return as_list(node, [](const Node& element) { return element.value_exact<std::string>(); });
    case Kind::settings:
      return as_settings(node);
  }
  return {};
}

Value read_value(const Key& key, const Node& node, const std::string& place) {
  const std::optional<Value> value = convert(key, node);
  if (!value)
    throw InputError(str(place, ": ", key.path, " = ", shown(node), " is ", type_name(node), ", expected ", key.expected()));
  check_value(key, *value, place);
  return *value;
}

// ---- the space

/// The key that a parameter's name stands for; InputError if there is none.
const Key& searched_key(const std::string& name, const std::string& place) {
  constexpr std::string_view kLayer = "layers[i].";
  const bool layer = name.starts_with(kLayer);
  const std::string bare = layer ? name.substr(kLayer.size()) : name;
  std::vector<std::string> names, layer_names;
  for (const Key& key : config_keys()) {
    if (key.searched == Searched::no) continue;
    names.emplace_back(key.name());
    if (key.searched == Searched::per_layer) layer_names.push_back(str(kLayer, key.name()));
    if (key.name() != bare) continue;
    if (!layer || key.searched == Searched::per_layer) return key;
    throw InputError(
        str(place, ": `", bare, "` is the same in all layers; write space.", bare, " instead of space.\"", name, "\""));
  }
  names.insert(names.end(), layer_names.begin(), layer_names.end());
  const auto near = nearest(name, names);
  throw InputError(str(place, ": the space has no parameter `", name, "`; ",
                       near ? str("did you mean `", *near, "`?") : "parameters: " + join(names, ", ")));
}

/// Does this hold for all values in the definition of a parameter?
bool all_values(const Node& node, const std::function<bool(const Node&)>& is) {
  if (const toml::array* list = node.as_array()) return std::all_of(list->begin(), list->end(), is);
  const toml::table* table = node.as_table();
  if (!table) return is(node);
  for (const char* name : {"min", "max", "step", "choices"})
    if (const Node* part = table->get(name); part && !all_values(*part, is)) return false;
  return true;
}

/// A parameter of a program: its kind is that of its values.
Key own_key(const std::string& name, const Node& node, const std::string& place) {
  Key key;
  key.path = name;
  if (all_values(node, [](const Node& n) { return n.is_integer(); })) {
    key.kind = Kind::integer;
  } else if (all_values(node, [](const Node& n) { return n.is_number(); })) {
    key.kind = Kind::number;
  } else if (all_values(node, [](const Node& n) { return n.is_boolean(); })) {
    key.kind = Kind::boolean;
  } else if (!all_values(node, [](const Node& n) { return n.is_string(); })) {
    throw InputError(
        str(place, ": space.", name, " = ", shown(node), ", expected numbers, or texts, or true and false, not several kinds"));
  }
  return key;
}

class SpaceReader {
 public:
  explicit SpaceReader(const Places& places, bool own_names) : places_(places), own_names_(own_names) {}

  SpaceConfig read(const toml::table& table) {
    SpaceConfig space;
    for (const auto& [key, node] : table) {
      const std::string place = places_(key.source());
      if (key.str() == "valid") {
        space.valid = rules(node);
        space.valid_origin = place;
      } else {
        space.parameters.push_back(parameter(std::string(key.str()), node, place));
        lines_.emplace_back(key.source().begin.line, key.source().begin.column);
      }
    }
    return in_order(std::move(space));
  }

  SpaceParameter parameter(const std::string& name, const Node& node, const std::string& place) {
    const Key key = own_names_ ? own_key(name, node, place) : searched_key(name, place);
    name_ = "space." + name;
    SpaceParameter p;
    p.name = name;
    p.origin = place;
    if (const toml::table* table = node.as_table()) {
      from_table(key, *table, place, p);
    } else if (const toml::array* list = node.as_array()) {
      from_list(key, *list, p);
    } else {
      p.choices.push_back(scalar(key, node));
    }
    return p;
  }

  std::vector<std::string> rules(const Node& node) {
    std::vector<std::string> out;
    const toml::array* list = node.as_array();
    if (list)
      for (const Node& rule : *list)
        if (const auto* text = rule.as_string()) out.push_back(text->get());
    if (!list || out.size() != list->size())
      throw InputError(str(places_(node.source()), ": space.valid = ", shown(node),
                           ", expected a list of rules such as [\"hidden % heads == 0\"]"));
    return out;
  }

 private:
  [[noreturn]] void fail(const Node& node, const std::string& what) const {
    throw InputError(str(places_(node.source()), ": ", name_, " = ", shown(node), what));
  }

  Scalar scalar(const Key& key, const Node& node) const {
    Key named = key;
    named.path = name_;
    const Value value = read_value(named, node, places_(node.source()));
    if (const bool* b = std::get_if<bool>(&value)) return *b;
    if (const std::int64_t* i = std::get_if<std::int64_t>(&value)) return *i;
    if (const double* d = std::get_if<double>(&value)) return *d;
    return std::get<std::string>(value);
  }

  double bound(const Key& key, const Node& node) const {
    const Scalar value = scalar(key, node);
    if (const std::int64_t* i = std::get_if<std::int64_t>(&value)) return static_cast<double>(*i);
    return std::get<double>(value);
  }

  static bool numeric(const Key& key) { return key.kind == Kind::integer || key.kind == Kind::number; }

  void set_range(const Key& key, const Node& whole, const Node& low, const Node& high, SpaceParameter& p) const {
    if (!numeric(key)) fail(whole, str(" is a range, expected a list of choices, each ", key.expected()));
    p.kind = key.kind == Kind::integer ? SpaceParameter::Kind::integers : SpaceParameter::Kind::numbers;
    p.min = bound(key, low);
    p.max = bound(key, high);
    if (p.min > p.max) fail(whole, ": the range is empty, expected the smaller end first");
  }

  void from_list(const Key& key, const toml::array& list, SpaceParameter& p) const {
    if (list.empty()) fail(list, ": no values to choose from");
    if (numeric(key) && list.size() == 2) return set_range(key, list, list[0], list[1], p);
    choices_of(key, list, p);
  }

  void choices_of(const Key& key, const toml::array& list, SpaceParameter& p) const {
    if (list.empty()) fail(list, ": no values to choose from");
    for (const Node& element : list) {
      Scalar value = scalar(key, element);
      if (std::find(p.choices.begin(), p.choices.end(), value) != p.choices.end())
        fail(list, str(": ", to_toml(value), " occurs twice"));
      p.choices.push_back(std::move(value));
    }
  }

  void from_table(const Key& key, const toml::table& table, const std::string& place, SpaceParameter& p) const {
    static const std::vector<std::string> kNames = {"min", "max", "step", "log", "choices", "ordered", "when"};
    for (const auto& [name, node] : table)
      if (std::find(kNames.begin(), kNames.end(), name.str()) == kNames.end()) {
        const auto near = nearest(name.str(), kNames);
        throw InputError(str(places_(name.source()), ": `", name.str(), "` says nothing about ", name_, "; ",
                             near ? str("did you mean `", *near, "`?") : "expected " + join(kNames, ", ")));
      }
    const Node *low = table.get("min"), *high = table.get("max"), *choices = table.get("choices");
    if (choices ? low || high || table.get("step") || table.get("log") : !low || !high)
      throw InputError(str(place, ": ", name_, " needs either min and max, or choices"));
    if (choices) {
      const toml::array* list = choices->as_array();
      if (!list) fail(*choices, str(" is ", type_name(*choices), ", expected a list of choices"));
      choices_of(key, *list, p);
    } else {
      set_range(key, table, *low, *high, p);
    }
    p.log = flag(table, "log");
    p.ordered = flag(table, "ordered");
    if (const Node* step = table.get("step")) p.step = step_of(key, *step);
    if (const Node* when = table.get("when")) {
      const auto* text = when->as_string();
      if (!text) fail(*when, ": `when` is a condition in quotes, such as \"layers > 1\"");
      p.when = text->get();
    }
    if (p.ordered && !choices) fail(table, ": a range is ordered anyway; `ordered` belongs to choices");
    if (p.log && p.step > 0) fail(table, ": log and step exclude each other");
    if (p.log && p.min <= 0) fail(table, ": a logarithmic range begins above 0");
  }

  bool flag(const toml::table& table, const char* name) const {
    const Node* node = table.get(name);
    if (!node) return false;
    const auto* value = node->as_boolean();
    if (!value) fail(*node, str(": `", name, "` is true or false"));
    return value->get();
  }

  double step_of(const Key& key, const Node& node) const {
    const auto value = as_number(node);
    if (!value || *value <= 0 || (key.kind == Kind::integer && *value != std::trunc(*value)))
      fail(node, str(": `step` is ", key.kind == Kind::integer ? "an integer" : "a number", " > 0"));
    return *value;
  }

  /// The table library sorts by name; people mean their own order.
  SpaceConfig in_order(SpaceConfig space) const {
    std::vector<std::size_t> order(space.parameters.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return lines_[a] < lines_[b]; });
    std::vector<SpaceParameter> sorted;
    for (const std::size_t i : order) sorted.push_back(std::move(space.parameters[i]));
    space.parameters = std::move(sorted);
    for (const SpaceParameter& p : space.parameters)
      if (p.name.starts_with("layers[i].") && space.find(p.name.substr(10)))
        throw InputError(str(p.origin, ": `", p.name, "` and `", p.name.substr(10), "` exclude each other"));
    return space;
  }

  Places places_;
  bool own_names_;
  std::string name_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> lines_;
};

// ---- the document

class DocumentReader {
 public:
  DocumentReader(std::string_view text, const std::string& name, bool own_names)
      : places_{name, true}, table_(parse(text, name)), own_names_(own_names || names_program()) {
    if (!own_names_ && table_.contains("objective") && table_.contains("space") && !table_["objective"]["command"])
      throw InputError(str(places_(table_.get("objective")->source()),
                           ": [objective] has no command; name the program to search with, or use lathe study create and ask"));
  }

  TomlDocument read() {
    check_version();
    for (const auto& [key, node] : table_) {
      const std::string name(key.str());
      if (name == "space") {
        const toml::table* space = node.as_table();
        if (!space)
          throw InputError(str(places_(node.source()), ": space = ", shown(node), " is ", type_name(node), ", expected a table"));
        document_.has_space = true;
        document_.space = SpaceReader(places_, own_names_).read(*space);
      } else if (is_table(name)) {
        read_table(name, node);
      } else if (find_key(name)) {
        add(name, key, node);
      } else if (node.is_table()) {
        throw InputError(str(places_(key.source()), ": ", unknown_key(name + ".")));
      } else {
        throw InputError(str(places_(key.source()), ": ", unknown_key(name)));
      }
    }
    std::stable_sort(order_.begin(), order_.end());
    std::vector<TomlKeyValue> sorted;
    for (const auto& [line, column, index] : order_) sorted.push_back(std::move(document_.values[index]));
    document_.values = std::move(sorted);
    return std::move(document_);
  }

 private:
  static toml::table parse(std::string_view text, const std::string& name) {
    try {
      return toml::parse(text, name);
    } catch (const toml::parse_error& error) {
      std::string what(error.description());
      std::replace(what.begin(), what.end(), '\n', ' ');
      throw InputError(str(name, ":", error.source().begin.line, ":", error.source().begin.column, ": ", what));
    }
  }

  bool names_program() const {
    const auto command = table_["objective"]["command"].value<std::string>();
    return command && !command->empty();
  }

  /// Before anything else: a newer file may have keys that would be called unknown.
  void check_version() const {
    const Node* node = table_.get("lathe");
    if (!node) return;
    const auto version = as_integer(*node);
    if (version && *version > kVersion)
      throw InputError(str(places_(node->source()), ": the file is of version ", *version, ", this lathe reads version ", kVersion,
                           "; a newer lathe wrote it"));
  }

  static bool is_table(const std::string& name) {
    for (const Key& key : config_keys())
      if (key.table() == name) return true;
    return false;
  }

  void read_table(const std::string& name, const Node& node) {
    const toml::table* table = node.as_table();
    if (!table)
      throw InputError(str(places_(node.source()), ": ", name, " = ", shown(node), " is ", type_name(node), ", expected a table"));
    for (const auto& [key, value] : *table) add(str(name, ".", key.str()), key, value);
  }

  void add(const std::string& path, const toml::key& key, const Node& node) {
    const Key* known = find_key(path);
    if (!known) throw InputError(str(places_(key.source()), ": ", unknown_key(path)));
    TomlKeyValue out;
    out.path = path;
    out.key_place = places_(key.source());
    out.value_place = places_(node.source());
    out.value = read_value(*known, node, out.value_place);
    order_.emplace_back(key.source().begin.line, key.source().begin.column, document_.values.size());
    document_.values.push_back(std::move(out));
  }

  static constexpr std::int64_t kVersion = 1;
  Places places_;
  toml::table table_;
  bool own_names_;
  TomlDocument document_;
  std::vector<std::tuple<std::uint32_t, std::uint32_t, std::size_t>> order_;
};

/// The value of an assignment. A text needs no quotes: what is no TOML value is taken as it stands.
toml::table parse_assigned(std::string_view text, bool is_text, const std::string& origin) {
  const bool quoted = text.starts_with('"') || text.starts_with('\'');
  const auto verbatim = [&] {
    toml::table out;
    out.insert("value", std::string(text));
    return out;
  };
  if (text.find('\n') != std::string_view::npos) throw InputError(origin + ": the value has more than one line");
  if (is_text && !quoted) return verbatim();
  try {
    return toml::parse("value = " + std::string(text));
  } catch (const toml::parse_error& error) {
    if (!quoted && !text.starts_with('[') && !text.starts_with('{')) return verbatim();
    throw InputError(str(origin, ": ", text, ": ", error.description()));
  }
}

bool is_textual(Kind kind) { return kind == Kind::text || kind == Kind::path || kind == Kind::duration; }

}  // namespace

TomlDocument read_toml(std::string_view text, const std::string& name, bool own_names) {
  return DocumentReader(text, name, own_names).read();
}

TomlDocument read_assignment(std::string_view assignment, const std::string& origin, bool own_names) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0)
    throw InputError(str(origin, " ", assignment, ": expected key=value, such as search.trials=50"));
  const std::string path(trim(assignment.substr(0, equals)));
  const std::string_view text = trim(assignment.substr(equals + 1));
  TomlDocument document;
  if (path.starts_with("space.")) {
    std::string name = path.substr(6);
    std::erase(name, '"');
    const toml::table parsed = parse_assigned(text, false, origin);
    SpaceReader reader(Places{origin, false}, own_names);
    document.has_space = true;
    if (name == "valid") {
      document.space.valid = reader.rules(*parsed.get("value"));
      document.space.valid_origin = origin;
    } else {
      document.space.parameters.push_back(reader.parameter(name, *parsed.get("value"), origin));
    }
    return document;
  }
  const Key* key = find_key(path);
  if (const std::size_t dot = path.rfind('.'); !key && dot != std::string::npos)
    if (const Key* whole = find_key(path.substr(0, dot)); whole && whole->kind == Kind::settings) {
      const auto x = text == "true" ? std::optional(1.0) : text == "false" ? std::optional(0.0) : parse_double(text);
      if (!x) throw InputError(str(origin, ": ", path, " = ", text, ", expected a number, true or false"));
      document.values.push_back({whole->path, origin, origin, Settings{{path.substr(dot + 1), *x}}});
      return document;
    }
  if (!key) throw InputError(str(origin, ": ", unknown_key(path)));
  const toml::table parsed = parse_assigned(text, is_textual(key->kind), origin);
  document.values.push_back({path, origin, origin, read_value(*key, *parsed.get("value"), origin)});
  return document;
}

}  // namespace lathe::cli
