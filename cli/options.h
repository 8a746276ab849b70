// Commands and their options as tables: parser, help, nearest names and reference text are made from them.
#pragma once
#include <lathe/cli/console.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::cli {

struct Option {
  std::string names;  ///< "-c,--config"; the last one is the name for Invocation
  std::string value;  ///< "FILE"; empty: a switch
  std::string help;   ///< one line
  std::string key;    ///< configuration key that it sets, or ""
  bool repeated = false;

  std::string_view long_name() const;  ///< "--config"
};

/// Options that several commands share.
enum Group : unsigned {
  kNoGroup = 0,
  kConfigGroup = 1,  ///< -c, --set, --seed: whatever reads a configuration
  kEngineGroup = 2,  ///< --threads, --backend: whatever computes
  kForceGroup = 4,   ///< --force: whatever writes
};

class Invocation;

struct Command {
  std::string name;                   ///< "search", "study list"
  std::vector<std::string> aliases;   ///< other names
  std::string summary;                ///< what it does, one line, no full stop
  std::string arguments;              ///< "DATA|CONFIG", "[TEXT...]"
  int min_arguments = 0;              ///< fewer are an error
  int max_arguments = -1;             ///< more are an error; -1: any number
  std::vector<std::string> examples;  ///< the two that help begins with
  std::string about;  ///< paragraphs of --help, separated by empty lines; lines that begin with a blank stay as they are
  std::vector<Option> options;
  unsigned groups = kNoGroup;
  int (*run)(Invocation&) = nullptr;  ///< gives the exit code
};

/// Every command that exists, in the order of the help text (commands.cpp).
const std::vector<Command>& commands();

/// Own options, then those of the groups, then those that every command has.
std::vector<Option> all_options(const Command& command);

/// A parsed command line.
class Invocation {
 public:
  Invocation(const Command& command, Console& console) : command_(command), console_(console) {}

  const Command& command() const { return command_; }
  Console& console() { return console_; }
  const std::vector<std::string>& arguments() const { return arguments_; }
  /// Was the option given? Names are long ones, "--json". A name that the command does not have is a LATHE_CHECK.
  bool has(std::string_view option) const;
  /// The last value given, or `otherwise`.
  std::string value(std::string_view option, std::string_view otherwise = "") const;
  const std::vector<std::string>& values(std::string_view option) const;
  /// A whole number from `min` on; InputError names the option.
  std::int64_t integer(std::string_view option, std::int64_t otherwise, std::int64_t min) const;
  double number(std::string_view option, double otherwise) const;

 private:
  friend Invocation parse(const Command&, const std::vector<std::string>&, Console&);
  const Command& command_;
  Console& console_;
  std::vector<std::string> arguments_;
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

/// Parses what follows the command's name. InputError: unknown option (with similar ones), missing value, too few or too
/// many arguments; the message ends with the command that shows the help.
Invocation parse(const Command& command, const std::vector<std::string>& words, Console& console);

/// For --resume, which takes data and settings from the run: InputError for an argument, or for an option that is neither among
/// `allowed` nor one of those that only say how to print.
void require_resumable(const Invocation& invocation, const std::vector<std::string>& allowed);

/// -h: two examples, usage and options, at most a screen.
std::string short_help(const Command& command);
/// --help: everything.
std::string long_help(const Command& command);
/// `lathe -h`: the commands.
std::string overview();
/// `lathe help TOPIC`: a command or one of help_topics(). InputError with the nearest topic.
std::string help_text(std::string_view topic);
std::vector<std::string> help_topics();
/// --build-info: version, compiler, instruction sets, optional parts, numerics.
std::string build_info();

}  // namespace lathe::cli
