// The configuration as text: TOML for people, JSON for hashes and machines.
#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/cli/config.h>
#include <lathe/cli/format.h>

#include <utility>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

struct TomlValue {
  std::string operator()(bool b) const { return b ? "true" : "false"; }
  std::string operator()(std::int64_t i) const { return std::to_string(i); }
  std::string operator()(double d) const { return toml_number(d); }
  std::string operator()(const std::string& s) const { return toml_quote(s); }
  std::string operator()(const std::vector<std::int64_t>& list) const {
    std::string out = "[";
    for (std::size_t i = 0; i < list.size(); ++i) out += str(i ? ", " : "", list[i]);
    return out + "]";
  }
  std::string operator()(const Texts& list) const { return shown(list); }
  std::string operator()(const Settings& settings) const { return shown(settings); }
};

struct JsonValue {
  JsonWriter& json;
  void operator()(bool b) const { json.value(b); }
  void operator()(std::int64_t i) const { json.value(i); }
  void operator()(double d) const { json.value(d); }
  void operator()(const std::string& s) const { json.value(s); }
  void operator()(const std::vector<std::int64_t>& list) const {
    json.begin_array();
    for (const std::int64_t i : list) json.value(i);
    json.end_array();
  }
  void operator()(const Texts& list) const {
    json.begin_array();
    for (const std::string& text : list) json.value(text);
    json.end_array();
  }
  void operator()(const Settings& settings) const {
    json.begin_object();
    for (const auto& [name, x] : settings) json.member(name, x);
    json.end_object();
  }
};

/// "help (allowed values)" behind a value.
std::string comment(const Key& key) {
  if (key.allowed.size() < 2) return key.help;
  return str(key.help, " (", join(key.allowed, ", "), ")");
}

constexpr std::size_t kCommentColumn = 30;

void add_line(std::string& out, const std::string& assignment, const std::string& help) {
  out += assignment;
  if (!help.empty())
    out +=
        std::string(display_width(assignment) < kCommentColumn ? kCommentColumn - display_width(assignment) : 2, ' ') + "# " + help;
  out += '\n';
}

/// A path as seen from `folder`, with slashes.
std::string seen_from(const fs::path& path, const fs::path& folder) {
  if (path.empty()) return "";
  if (path.string().find("://") != std::string::npos) return path.string();  // an URL
  const fs::path from = fs::weakly_canonical(fs::absolute(folder)), to = fs::weakly_canonical(fs::absolute(path));
  const fs::path relative = to.lexically_relative(from);
  return (relative.empty() ? to : relative).generic_string();
}

constexpr const char* kSpaceHelp =
    "# What the search varies; keys of [model] and [train] that are not named here keep their values above and below.\n"
    "#   layers = [1, 4]                 two numbers: a range, both ends included\n"
    "#   hidden = [32, 64, 128]          any other list: one of these; so is { choices = [32, 64] }\n"
    "#   lr = { min = 1e-4, max = 3e-3, log = true }      also step = …\n"
    "#   pooling = { choices = [\"mean\", \"first\"], when = \"layers > 1\" }\n"
    "#   \"layers[i].heads\" = [1, 2, 4]   a choice for every layer\n"
    "#   valid = [\"hidden % heads == 0\"] rules that every architecture must meet\n";

constexpr const char* kOwnSpaceHelp = "# The parameters of the program: lathe help objective.\n";

}  // namespace

std::string Config::to_toml(Comments comments, const fs::path& folder, bool (*keep)(const Key&)) const {
  static constexpr const char* kEveryKey = "# lathe configuration: every key with its value. `lathe help config` says more.\n";
  static constexpr const char* kSomeKeys =
      "# lathe configuration. `lathe help config` lists all keys, `lathe init --full` writes them.\n";
  const bool help = comments == Comments::help;
  std::string out = help ? keep ? kSomeKeys : kEveryKey : "";
  const auto add_space = [&] {
    out += "\n[space]\n";
    if (help) out += own_objective() ? kOwnSpaceHelp : kSpaceHelp;
    out += space_.to_toml();
  };
  std::string_view table;
  std::string pending;  // a table's heading, until one of its keys is written
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Key& key = config_keys()[i];
    if (key.table() != table) {
      if (key.table() == "search") add_space();
      table = key.table();
      pending = str("\n[", table, "]\n");
    }
    if (keep && !keep(key)) continue;
    out += pending;
    pending.clear();
    const std::string value =
        key.kind == Kind::path ? toml_quote(seen_from(file(key.path), folder)) : std::visit(TomlValue{}, entries_[i].value);
    add_line(out, str(key.name(), " = ", value), help ? comment(key) : "");
  }
  return out;
}

namespace {

/// Tables as objects, in the order of the keys.
template <class Keep>
void write_tables(JsonWriter& json, const Config& config, const Keep& keep) {
  std::string_view table;
  for (const Key& key : config_keys()) {
    if (!keep(key)) continue;
    if (key.table() != table) {
      if (!table.empty()) json.end_object();
      table = key.table();
      json.key(table).begin_object();
    }
    json.key(key.name());
    std::visit(JsonValue{json}, config.value(key.path));
  }
  if (!table.empty()) json.end_object();
}

template <class Keep>
std::string json_of(const Config& config, const Keep& keep) {
  JsonWriter json;
  json.begin_object();
  write_tables(json, config, keep);
  json.key("space");
  config.space().write_json(json);
  json.end_object();
  return json.text();
}

}  // namespace

bool is_for_own_objective(const Key& key) {
  const std::string_view table = key.table();
  return table.empty() || table == "objective" || table == "search" || table == "storage" || table == "output";
}

bool is_for_training(const Key& key) { return key.table() != "objective"; }

std::string Config::identity_json() const {
  return json_of(*this, [this](const Key& key) {
    if (own_objective() && !is_for_own_objective(key)) return false;
    return key.identity && !(key.late && value(key.path) == key.fallback);
  });
}

std::string Config::to_json() const {
  return json_of(*this, [](const Key&) { return true; });
}

}  // namespace lathe::cli
