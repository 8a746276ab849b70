#include <lathe/cli/run.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/options.h>
#include <lathe/cli/signals.h>

#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace lathe::cli {
namespace {

/// A command's name in one or two words at the front of `words`; how many it took.
const Command* find_command(const std::vector<std::string>& words, std::size_t& taken) {
  for (taken = std::min<std::size_t>(2, words.size()); taken >= 1; --taken) {
    std::string name = words[0];
    if (taken == 2) name += " " + words[1];
    for (const Command& command : commands()) {
      if (command.name == name) return &command;
      for (const std::string& alias : command.aliases)
        if (alias == name) return &command;
    }
  }
  return nullptr;
}

[[noreturn]] void unknown_command(const std::vector<std::string>& words) {
  const std::string& first = words[0];
  if (first.starts_with('-'))
    throw InputError(str("unknown option ", first, "; options follow the command: lathe search -h (lathe -h)"));
  std::vector<std::string> names, actions;
  for (const Command& command : commands()) {
    const std::size_t blank = command.name.find(' ');
    names.push_back(command.name.substr(0, blank));
    if (blank != std::string::npos && names.back() == first) actions.push_back(command.name.substr(blank + 1));
  }
  if (!actions.empty()) {
    const auto near = words.size() > 1 ? nearest(words[1], actions) : std::nullopt;
    throw InputError(str("lathe ", first, " needs one of: ", join(actions, ", "), near ? str("; did you mean ", *near, "?") : "",
                         " (lathe help ", first, ")"));
  }
  const auto near = nearest(first, names);
  throw InputError(str("unknown command `", first, "`", near ? str("; did you mean `", *near, "`?") : "", " (lathe -h)"));
}

/// Looks before anything is parsed, so that errors of parsing obey it too.
void early_settings(const std::vector<std::string>& words, Console& console) {
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    const bool next = words[i] == "--color" && i + 1 < words.size();
    const std::string when = next ? words[i + 1] : words[i].starts_with("--color=") ? words[i].substr(8) : "";
    if (when == "always") console.set_color(Console::Color::always);
    if (when == "never") console.set_color(Console::Color::never);
    if (words[i] == "--json") console.set_json(true);
  }
}

int dispatch(const std::vector<std::string>& words, Console& console) {
  if (words.empty()) {
    console.error("no command\n" + overview());
    return kUserError;
  }
  if (words[0] == "-h" || words[0] == "--help") return console.result(overview()), kDone;
  if (words[0] == "--version" || words[0] == "-V")
    return console.result(build_info().substr(0, build_info().find('\n') + 1)), kDone;
  if (words[0] == "--build-info") return console.result(build_info()), kDone;
  std::size_t taken = 0;
  const Command* command = find_command(words, taken);
  if (!command) {
    // `lathe study -h`: the help of a family of commands.
    if (words.size() == 2 && (words[1] == "-h" || words[1] == "--help")) return console.result(help_text(words[0])), kDone;
    unknown_command(words);
  }
  Invocation invocation = parse(*command, {words.begin() + static_cast<std::ptrdiff_t>(taken), words.end()}, console);
  if (invocation.has("--help")) return console.result(long_help(*command)), kDone;
  if (invocation.has("-h")) return console.result(short_help(*command)), kDone;
  console.set_quiet(invocation.has("--quiet"));
  console.set_verbose(invocation.has("--verbose"));
  const std::string when = invocation.value("--color", "auto");
  if (when != "auto" && when != "always" && when != "never")
    throw InputError(str("--color ", when, ": expected auto, always or never"));
  return command->run(invocation);
}

struct Outcome {
  int code = kDone;
  std::string message;
};

/// Every way to fail and its exit code.
Outcome outcome_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const StoppedByUser& e) {
    return {StopSignals::exit_code(), e.what()};
  } catch (const nas::Interrupted& e) {
    return {StopSignals::exit_code(), e.what()};
  } catch (const InternalError& e) {
    return {kBug, e.what()};
  } catch (const InputError& e) {
    return {kUserError, e.what()};
  } catch (const NonFiniteError& e) {
    return {kNo, e.what()};
  } catch (const MemoryLimitError& e) {
    return {kUserError, e.what()};
  } catch (const InfrastructureError& e) {
    return {kInfrastructure, e.what()};
  } catch (const std::bad_array_new_length& e) {
    return {kBug, e.what()};
  } catch (const std::bad_alloc&) {
    return {kInfrastructure, "out of memory; fewer workers, a smaller batch or a smaller model need less"};
  } catch (const std::system_error& e) {  // files and threads
    return {kInfrastructure, e.what()};
  } catch (const std::exception& e) {
    return {kBug, e.what()};
  } catch (...) {
    return {kBug, "an exception of unknown type"};
  }
}

}  // namespace

int run(int argc, const char* const* argv, Streams& streams) {
  Console console(streams);
  Outcome outcome;
  try {
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    early_settings(words, console);
    outcome.code = dispatch(words, console);
    console.check_output();
    return outcome.code;
  } catch (...) {
    outcome = outcome_of(std::current_exception());
  }
  try {
    if (outcome.code == kBug)
      outcome.message += "\nThis is a bug in lathe. Please report it with the command and these lines:\n" + build_info();
    if (console.json())
      console.json_line("error", [&](JsonWriter& json) { json.member("message", outcome.message).member("exit", outcome.code); });
    console.error(outcome.message);
  } catch (...) {  // nobody is left to tell: the exit code still does
  }
  return outcome.code;
}

}  // namespace lathe::cli
