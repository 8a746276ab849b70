// The configuration of a run: one table of keys drives reading, checking, help, writing and the study's identity.
//
// A value comes from one of five places, and the later one wins whatever the order of reading:
//   default < file (TOML) < environment < --set key=value < command-line option
// Errors are InputErrors that begin with the place: "lathe.toml:14:1: unknown key `search.trails`; did you mean …?".
//
// Paths in a file are relative to the file's folder, so that a run folder can be moved; elsewhere to the current folder.
#pragma once
#include <lathe/cli/space_config.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lathe::cli {

enum class Kind : std::uint8_t { boolean, integer, number, text, path, duration, integers, texts, settings };
using Texts = std::vector<std::string>;
using Settings = std::map<std::string, double>;  ///< a table of numbers; true and false are 1 and 0
using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>, Texts, Settings>;
/// How a value is written in messages and help.
std::string shown(const Value& value);

/// Where a value came from, in ascending precedence.
enum class Source : std::uint8_t { fallback, file, environment, set, option };

/// May [space] vary it? `per_layer` also as "layers[i].<name>".
enum class Searched : std::uint8_t { no, whole, per_layer };

struct Key {
  static constexpr double kNone = std::numeric_limits<double>::infinity();

  std::string path;  ///< "search.trials"; without a dot for those before the first table
  Kind kind = Kind::text;
  Value fallback;
  std::string help;  ///< one line
  double min = -kNone, max = kNone;
  bool above_min = false;                         ///< min itself is excluded
  bool below_max = false;                         ///< max itself is excluded
  Texts allowed;                                  ///< of a text, or of each of several; empty: any
  bool (*accepts)(const std::string&) = nullptr;  ///< texts that are good beside `allowed`, such as names with a version
  bool identity = true;                           ///< part of the study's header: another value is another study
  /// In the identity only where it differs from its default: the key is younger than studies that keep their hash.
  bool late = false;
  Searched searched = Searched::no;
  std::string environment;  ///< variable that sets it, or ""

  std::string_view table() const;  ///< "search", "" for those before the first table
  std::string_view name() const;   ///< "trials"
  /// "an integer >= 1", "random or grid", …
  std::string expected() const;
};

/// All keys, in the order in which a file is written.
const std::vector<Key>& config_keys();
/// Does the key mean something where the objective is not the training of a transformer?
bool is_for_own_objective(const Key& key);
/// … where it is.
bool is_for_training(const Key& key);
/// Null if there is no such key.
const Key* find_key(std::string_view path);
/// "unknown key `search.trails`; did you mean `search.trials`?", or "`lr` is not a key of [search]; it is `train.lr`".
std::string unknown_key(std::string_view path);

class Config {
 public:
  Config();  ///< all defaults

  /// Reads TOML. InputError "file:line:col: …" for syntax, unknown keys, wrong types, values out of range, and a file
  /// version that this lathe does not know.
  void read_file(const std::filesystem::path& file);
  /// The same for text in memory; `name` stands for the file in messages, `folder` is where its paths begin.
  void read_text(std::string_view toml, const std::string& name, const std::filesystem::path& folder = ".");
  /// "key=value" as given to --set: the value is TOML, or a bare word, which is a string.
  void set(std::string_view assignment);
  /// The value of an option such as --trials, as typed; `origin` names the option in messages.
  void set_option(std::string_view path, std::string_view text, const std::string& origin);
  /// All variables of the table that are set and not empty.
  void read_environment(const std::function<const char*(const char*)>& get);
  /// A value that lathe has found itself, such as the columns of the data. Replaces whatever was there.
  void resolve(std::string_view path, Value value);

  /// Typed access. A path or type that the table does not have is a LATHE_CHECK.
  bool flag(std::string_view path) const;
  std::int64_t integer(std::string_view path) const;
  double number(std::string_view path) const;
  const std::string& text(std::string_view path) const;
  const std::vector<std::int64_t>& integers(std::string_view path) const;
  const Texts& texts(std::string_view path) const;
  const Settings& settings(std::string_view path) const;
  std::filesystem::path file(std::string_view path) const;  ///< empty, or usable from the current folder; an URL as it is
  /// Where a relative path that stands beside this value begins.
  const std::filesystem::path& folder(std::string_view path) const { return entry(path).folder; }
  double seconds(std::string_view path) const;  ///< of a duration; 0 if it is ""
  const Value& value(std::string_view path) const;

  Source source(std::string_view path) const;
  /// "lathe.toml:6:10", "--set", "--trials", "LATHE_THREADS", or "" for a default: where to say that a value is wrong.
  const std::string& origin(std::string_view path) const;

  const SpaceConfig& space() const { return space_; }
  bool has_space() const { return space_source_ != Source::fallback; }  ///< [space] was given
  /// Is the objective a program (objective.command), or whoever asks and tells? Then [space] defines parameters with names of its
  /// own, and the keys of data, model and training mean nothing.
  bool own_objective() const { return own_objective_ || !text("objective.command").empty(); }
  void set_own_objective() { own_objective_ = true; }  ///< before anything is read

  /// What single keys cannot say: hidden divisible by heads, shares of the split, …
  void check() const;
  /// What was set and says nothing of this search, a sentence each: [supernet] and [proxy] where search.evaluate names them not, …
  std::vector<std::string> unused() const;

  enum class Comments : std::uint8_t { none, help };
  /// Every key with its value in force. Reading it back gives an equal configuration. `folder`: where the file will lie;
  /// paths are written relative to it. `keep`:
  /// only the keys for which it is true.
  std::string to_toml(Comments comments, const std::filesystem::path& folder = ".", bool (*keep)(const Key&) = nullptr) const;
  /// The keys of the study's identity and the space, as JSON with fixed order and number forms: what the study's hash sees.
  std::string identity_json() const;
  /// Every key, for `--json`.
  std::string to_json() const;

  /// Equal values; where they came from does not count.
  friend bool operator==(const Config& a, const Config& b);

 private:
  struct Entry {
    Value value;
    Source source = Source::fallback;
    std::string origin;
    std::filesystem::path folder;  ///< where a relative path begins
  };
  const Entry& entry(std::string_view path) const;
  void store(const Key& key, Value value, Source source, const std::string& origin, const std::filesystem::path& folder);

  std::vector<Entry> entries_;  ///< parallel to config_keys()
  SpaceConfig space_;
  Source space_source_ = Source::fallback;
  bool own_objective_ = false;
};

}  // namespace lathe::cli
