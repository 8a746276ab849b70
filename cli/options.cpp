#include <lathe/cli/options.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/format.h>

#include <algorithm>
#include <deque>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace lathe::cli {
namespace {

const std::vector<Option> kConfigOptions = {
    {"-c,--config", "FILE", "configuration (TOML); lathe help config", ""},
    {"--set", "KEY=VALUE", "one key of the configuration, such as train.lr=1e-3", "", true},
    {"--seed", "N", "everything random follows from it", "seed"},
};
const std::vector<Option> kEngineOptions = {
    {"--threads", "N", "threads; the results do not depend on them", "run.threads"},
    {"--backend", "NAME", "instruction set: auto, spec, scalar, avx2, avx512, neon; or bf16, onednn", "run.backend"},
};
const std::vector<Option> kForceOptions = {
    {"--force", "", "replace what is there", ""},
};
const std::vector<Option> kCommonOptions = {
    {"--json", "", "results as JSON lines", ""},         {"-q,--quiet", "", "no progress and no notes", ""},
    {"-v,--verbose", "", "more about what is done", ""}, {"--color", "WHEN", "auto, always or never", ""},
    {"-h", "", "this help on one screen", ""},           {"--help", "", "the whole help", ""},
};

void append(std::vector<Option>& out, const std::vector<Option>& more) { out.insert(out.end(), more.begin(), more.end()); }

std::string help_hint(const Command& command) { return str(" (lathe ", command.name, " -h)"); }

/// Names that a person may have meant: all that go on like `name`, else the nearest one.
std::vector<std::string> similar_options(const Command& command, std::string_view name) {
  std::vector<std::string> names, out;
  for (const Option& option : all_options(command))
    for (const std::string_view n : split(option.names, ',')) names.emplace_back(n);
  if (name.size() >= 4)
    for (const std::string& n : names)
      if (std::string_view(n).starts_with(name)) out.push_back(n);
  if (out.empty())
    if (const auto near = nearest(name, names)) out.push_back(*near);
  return out;
}

[[noreturn]] void unknown_option(const Command& command, std::string_view word) {
  const std::string name(word.substr(0, word.find('=')));
  const std::vector<std::string> similar = similar_options(command, name);
  throw InputError(str("unknown option ", name, similar.empty() ? "" : "; similar: " + join(similar, ", "), help_hint(command)));
}

/// The parser library's view of one command.
class Parser {
 public:
  explicit Parser(const Command& command) : command_(command) {
    app_.set_help_flag();
    app_.allow_extras();
    for (const Option& option : all_options(command)) {
      const std::string name(option.long_name());
      if (option.value.empty()) {
        flags_.push_back({name, app_.add_flag(option.names)});
      } else {
        std::vector<std::string>& values = values_.emplace_back();
        app_.add_option(option.names, values)->expected(1)->allow_extra_args(false)->take_all();
        valued_.push_back({name, &values});
      }
    }
  }

  void parse(const std::vector<std::string>& words) {
    std::vector<std::string> reversed(words.rbegin(), words.rend());  // the library reads from the back
    try {
      app_.parse(reversed);
    } catch (const CLI::ArgumentMismatch&) {
      throw InputError(str(missing_value(words), help_hint(command_)));
    } catch (const CLI::ParseError& error) {
      throw InputError(str(error.what(), help_hint(command_)));
    }
    // The library takes "--trials --json" for the value "--json".
    for (const auto& [name, values] : valued_)
      for (const std::string& value : *values)
        if (is_option(value)) throw InputError(str(missing_value(words), help_hint(command_)));
    // Arguments are what is left: as an option of its own the library would take "[MAX 2 9 ]" for a list and drop its brackets.
    bool texts_only = false;
    for (const std::string& word : app_.remaining()) {
      if (word == "--" && !texts_only) {
        texts_only = true;
        continue;
      }
      const bool number = parse_double(word).has_value();
      if (!texts_only && word.size() > 1 && word[0] == '-' && !number) unknown_option(command_, word);
      arguments_.push_back(word);
    }
  }

  std::vector<std::string> arguments_;
  std::vector<std::pair<std::string, CLI::Option*>> flags_;
  std::vector<std::pair<std::string, std::vector<std::string>*>> valued_;

 private:
  bool is_option(std::string_view word) const {
    if (!word.starts_with('-')) return false;
    for (const Option& option : all_options(command_))
      for (const std::string_view name : split(option.names, ','))
        if (name == word) return true;
    return false;
  }

  /// Which option stands at the end, or before another option, without its value.
  std::string missing_value(const std::vector<std::string>& words) const {
    for (std::size_t i = words.size(); i-- > 0;)
      for (const Option& option : all_options(command_))
        for (const std::string_view name : split(option.names, ','))
          if (words[i] == name && !option.value.empty() && (i + 1 == words.size() || words[i + 1].starts_with('-')))
            return str(name, " needs a value: ", name, " ", option.value);
    return "an option lacks its value";
  }

  const Command& command_;
  CLI::App app_;
  std::deque<std::vector<std::string>> values_;  // stay where they are
};

}  // namespace

std::string_view Option::long_name() const {
  const std::size_t comma = names.rfind(',');
  return comma == std::string::npos ? std::string_view(names) : std::string_view(names).substr(comma + 1);
}

std::vector<Option> all_options(const Command& command) {
  std::vector<Option> out = command.options;
  if (command.groups & kConfigGroup) append(out, kConfigOptions);
  if (command.groups & kEngineGroup) append(out, kEngineOptions);
  if (command.groups & kForceGroup) append(out, kForceOptions);
  append(out, kCommonOptions);
  return out;
}

void require_resumable(const Invocation& invocation, const std::vector<std::string>& allowed) {
  const auto among = [](const auto& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  static const std::vector<std::string> kPrinting = {"--resume", "--json", "--verbose", "--quiet", "--color"};
  for (const Option& option : all_options(invocation.command()))
    if (invocation.has(option.long_name()) && !among(allowed, option.long_name()) && !among(kPrinting, option.long_name()))
      throw InputError(str(option.long_name(), " cannot be changed; --resume takes data and settings from the run"));
  if (!invocation.arguments().empty())
    throw InputError(str("--resume takes its data from the run; leave out ", invocation.arguments()[0]));
}

bool Invocation::has(std::string_view option) const { return !values(option).empty(); }

const std::vector<std::string>& Invocation::values(std::string_view option) const {
  const auto found = values_.find(option);
  LATHE_CHECK(found != values_.end(), str(command_.name, " has no option ", option));
  return found->second;
}

std::string Invocation::value(std::string_view option, std::string_view otherwise) const {
  const std::vector<std::string>& given = values(option);
  return given.empty() ? std::string(otherwise) : given.back();
}

std::int64_t Invocation::integer(std::string_view option, std::int64_t otherwise, std::int64_t min) const {
  if (!has(option)) return otherwise;
  const auto parsed = parse_count(value(option));
  if (!parsed || *parsed < min) throw InputError(str(option, " ", value(option), ": expected an integer >= ", min));
  return *parsed;
}

double Invocation::number(std::string_view option, double otherwise) const {
  if (!has(option)) return otherwise;
  const auto parsed = parse_double(value(option));
  if (!parsed) throw InputError(str(option, " ", value(option), ": expected a number"));
  return *parsed;
}

Invocation parse(const Command& command, const std::vector<std::string>& words, Console& console) {
  Parser parser(command);
  parser.parse(words);
  Invocation out(command, console);
  for (const auto& [name, option] : parser.flags_) out.values_[name] = std::vector<std::string>(option->count(), "true");
  for (const auto& [name, values] : parser.valued_) out.values_[name] = *values;
  out.arguments_ = std::move(parser.arguments_);
  if (out.has("-h") || out.has("--help")) return out;
  const auto count = static_cast<int>(out.arguments_.size());
  if (count < command.min_arguments)
    throw InputError(str("lathe ", command.name, " needs ", command.arguments, help_hint(command)));
  if (command.max_arguments >= 0 && count > command.max_arguments) {
    const std::string& first = out.arguments_[static_cast<std::size_t>(command.max_arguments)];
    throw InputError(str("unexpected argument `", first, "`; usage: lathe ", command.name, command.arguments.empty() ? "" : " ",
                         command.arguments, help_hint(command)));
  }
  return out;
}

}  // namespace lathe::cli
