// TOML into the configuration. Inside the command only: the one place that knows the TOML library.
#pragma once
#include <lathe/cli/config.h>

#include <string>
#include <string_view>
#include <vector>

namespace lathe::cli {

/// One assignment of a document, with its places.
struct TomlKeyValue {
  std::string path;         ///< "search.trials"
  std::string key_place;    ///< "lathe.toml:14:1"
  std::string value_place;  ///< "lathe.toml:14:10"
  Value value;
};

struct TomlDocument {
  std::vector<TomlKeyValue> values;  ///< in the order of the text
  bool has_space = false;
  SpaceConfig space;  ///< what [space] says, checked
};

/// Reads and checks a whole document. InputError "name:line:col: …". `own_names`: [space] has parameters of any name, whose kinds
/// follow from their values; so too if the document names an objective.command.
TomlDocument read_toml(std::string_view text, const std::string& name, bool own_names = false);

/// "key=value" of --set: one value (then `values` has one element) or one parameter of the space, or its rules.
/// search.sampler_settings.NAME=… is a table of one number.
TomlDocument read_assignment(std::string_view assignment, const std::string& origin, bool own_names = false);

/// A value as typed behind an option, for this key: "5M" for an integer, "auto" for a text, … `origin` names the option.
Value read_option(const Key& key, std::string_view text, const std::string& origin);

/// Throws unless `value` meets the key's range or list. `place` may be empty.
void check_value(const Key& key, const Value& value, const std::string& place);

}  // namespace lathe::cli
