// Help texts: made from the tables of commands, options and keys, and a few pages on topics.
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/base/version.h>
#include <lathe/cli/config.h>
#include <lathe/cli/format.h>
#include <lathe/cli/options.h>
#include <lathe/tensor/backend.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace lathe::cli {
namespace {

constexpr std::size_t kWidth = 100;

std::string spelled(const Option& option) {
  std::string out = option.names;
  for (std::size_t comma = out.find(','); comma != std::string::npos; comma = out.find(',', comma + 2)) out.replace(comma, 1, ", ");
  if (!out.starts_with("--") && out.find(' ') == std::string::npos && !option.value.empty()) return out + " " + option.value;
  return option.value.empty() ? out : out + " " + option.value;
}

std::string option_lines(const std::vector<Option>& options) {
  TextTable table({{""}, {""}});
  for (const Option& option : options) {
    std::string help = option.help;
    if (option.repeated) help += " (may be repeated)";
    table.add({spelled(option), help});
  }
  return table.text("  ");
}

std::string usage(const Command& command) {
  return str("usage: lathe ", command.name, command.arguments.empty() ? "" : " ", command.arguments, " [options]\n");
}

std::string examples_of(const Command& command) {
  std::string out;
  for (const std::string& example : command.examples) out += str("  ", example, "\n");
  return out;
}

/// Paragraphs, wrapped; lines that begin with a blank stay as they are.
std::string paragraphs(std::string_view text) {
  std::string out, open;
  const auto close = [&] {
    if (!open.empty()) out += wrap(open, kWidth, "");
    open.clear();
  };
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty() || line.starts_with(' ')) {
      close();
      out += str(line, "\n");
    } else {
      open += str(open.empty() ? "" : " ", line);
    }
  }
  close();
  return out;
}

std::vector<Option> shared_options(const Command& command) {
  std::vector<Option> all = all_options(command);
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(command.options.size()));
  return all;
}

std::string config_topic() {
  std::string out =
      "A configuration is a TOML file (lathe init writes one). Each key has a default; a value comes from, the later one wins:\n"
      "  default < file < environment < --set KEY=VALUE < option\n"
      "Paths in a file count from the file's folder. [space] has a page of its own, lathe help space; [objective] too.\n\n"
      "key, default: meaning; expected. Keys marked * belong to the study's identity: another value is another study.\n";
  for (const Key& key : config_keys()) {
    out += str("\n", key.identity ? "* " : "  ", key.path, " = ", shown(key.fallback), "\n");
    std::string about = str(key.help, "; ", key.expected());
    if (!key.environment.empty()) about += str("; also the variable ", key.environment);
    if (key.searched == Searched::whole) about += "; may be searched";
    if (key.searched == Searched::per_layer) about += "; may be searched, also for each layer";
    out += wrap(about, kWidth, "      ");
  }
  return out;
}

std::string space_topic() {
  std::string names;
  for (const Key& key : config_keys())
    if (key.searched != Searched::no)
      names += str(names.empty() ? "" : ", ", key.name(), key.searched == Searched::per_layer ? "*" : "");
  return "[space] names the keys of [model] and [train], vocab and max_tokens, that a search varies, and their values:\n\n"
         "  layers = [1, 4]                              two numbers: a range, both ends included\n"
         "  hidden = [32, 64, 128]                       any other list: one of these values\n"
         "  expansion = { choices = [2, 4] }             the same for a list of two\n"
         "  lr = { min = 1e-4, max = 3e-3, log = true }  a range on a logarithmic scale\n"
         "  hidden = { min = 32, max = 256, step = 32 }  a range with steps\n"
         "  pooling = { choices = [\"mean\", \"first\"], when = \"layers > 1\" }\n"
         "  \"layers[i].heads\" = [1, 2, 4]                a choice for every layer (names with * below)\n"
         "  norm = \"rms_norm\"                            one value: fixed\n"
         "  valid = [\"hidden % heads == 0\"]              rules that every architecture must meet\n\n" +
         wrap("Names: " + names + ".", kWidth, "") + "\nA table [space] replaces the default one as a whole, which is:\n\n" +
         default_space().to_toml();
}

const std::vector<std::pair<std::string, std::string>>& topic_pages() {
  static const std::vector<std::pair<std::string, std::string>> pages = {
      {"config", config_topic()},
      {"space", space_topic()},
      {"objective",
       "Any program can be what a search optimises. A configuration:\n\n"
       "  [objective]\n"
       "  command = \"python3 train.py\"     run by /bin/sh once for each trial, in the folder of the configuration\n"
       "  metrics = [\"error\", \"seconds\"]   one value, which is maximised, unless said\n"
       "  directions = [\"minimise\", \"minimise\"]\n"
       "  constraints = [\"memory\"]          hold where they are <= 0\n"
       "  max_reports = 10                  most reports before the final value; the pruner may stop a trial at each\n"
       "  time_limit = \"10m\"               a trial that takes longer fails\n"
       "  [space]\n"
       "  x = [-5.0, 5.0]                   numbers with a point: a range of numbers\n"
       "  layers = [1, 6]                   whole numbers: a range of whole numbers\n"
       "  kind = [\"a\", \"b\", \"c\"]          any other list: one of these\n\n"
       "The program reads one line of JSON, its parameters, and LATHE_TRIAL and LATHE_SEED in its environment. It writes lines:\n"
       "  {\"step\": 1, \"value\": 0.5}        a report; steps count 1, 2, 3, …\n"
       "  {\"value\": 0.7}                    the final value; {\"values\": [0.1, 12], \"constraints\": [-3]} where there are "
       "several\n"
       "Lines that do not begin with { are passed over; standard error goes to trials/trial-N.err of the run folder.\n\n"
       "Exit code 0: complete. 75, 126, 127 or a signal (129 to 159): the machine's fault; the trial runs again "
       "(objective.retries), then the\n"
       "study stops with exit code 3 and can be resumed. Any other: the trial failed. The same parameters must give the same "
       "values.\n\n"
       "Without a command a study is asked and told: lathe help study create, lathe help study ask.\n"},
      {"exit-codes",
       "0    done\n"
       "1    done, but the answer is no: a limit or target does not hold for the winner, a proxy was refused, no trial was "
       "completed,\n"
       "     training diverged, check --strict found warnings, a score is below --min\n"
       "2    user error: command line, configuration, data\n"
       "3    infrastructure: disk, memory, database. What was done is kept; the same command goes on\n"
       "4    a bug in lathe: please report it\n"
       "130  stopped by ^C (143 by SIGTERM): what was done is kept\n"},
      {"environment",
       "LATHE_CONFIG      configuration to use where -c is not given\n"
       "LATHE_THREADS     run.threads\n"
       "LATHE_BACKEND     run.backend\n"
       "LATHE_STORAGE     storage.url; keeps passwords off the command line\n"
       "LATHE_PROGRESS    plain: progress as lines; none: no progress\n"
       "NO_COLOR          no colour; CLICOLOR_FORCE=1: colour also into pipes; TERM=dumb: neither colour nor redrawing\n"
       "COLUMNS           width of the terminal\n"
       "SOURCE_DATE_EPOCH the only date that reports and model cards carry\n"},
      {"data",
       "A data file is .tsv, .csv or .jsonl with a column of text and a column of labels. Columns are found by their names\n"
       "(text, sentence, review …; label, class, sentiment …) or their contents; data.text and data.label name others.\n"
       "What was found is always said. lathe check FILE examines a file and trains nothing.\n\n"
       "A single file is split by a keyed hash of the text, so duplicates never lie in training and test at once, and the\n"
       "order of the rows does not matter: data.split = [80, 10, 10]. data.valid and data.test name files of their own.\n"},
  };
  return pages;
}

}  // namespace

std::string short_help(const Command& command) {
  std::string out = str("lathe ", command.name, ": ", command.summary, "\n\n", examples_of(command), "\n", usage(command));
  if (!command.options.empty()) out += "\n" + option_lines(command.options);
  std::string common;
  for (const Option& option : shared_options(command)) {
    const std::size_t comma = option.names.find(',');
    common +=
        str(common.empty() ? "common: " : ", ", option.names.substr(0, comma), option.value.empty() ? "" : " " + option.value);
  }
  return out + "\n" + wrap(common + str(". Everything: lathe ", command.name, " --help"), kWidth, "");
}

std::string long_help(const Command& command) {
  std::string out = str("lathe ", command.name, ": ", command.summary, "\n\n", examples_of(command), "\n", usage(command));
  if (!command.aliases.empty()) out += str("also: lathe ", join(command.aliases, ", lathe "), "\n");
  if (!command.about.empty()) out += "\n" + paragraphs(command.about);
  if (!command.options.empty()) out += "\noptions:\n" + option_lines(command.options);
  return out + "\ncommon options:\n" + option_lines(shared_options(command));
}

std::string overview() {
  std::string out =
      "lathe: labelled text in, a small searched transformer out\n\n"
      "  lathe check reviews.tsv\n"
      "  lathe help config\n\n"
      "usage: lathe COMMAND [arguments] [options]\n\n";
  TextTable table({{""}, {""}});
  for (const Command& command : commands()) table.add({command.name, command.summary});
  return out + table.text("  ") + "\nlathe COMMAND -h shows a command; lathe help TOPIC: " + join(help_topics(), ", ") +
         "\nlathe --version, lathe --build-info\n";
}

std::vector<std::string> help_topics() {
  std::vector<std::string> out;
  for (const auto& [name, page] : topic_pages()) out.push_back(name);
  return out;
}

std::string help_text(std::string_view topic) {
  std::string family;
  std::vector<std::string> names = help_topics();
  for (const Command& command : commands()) {
    if (command.name == topic) return long_help(command);
    for (const std::string& alias : command.aliases)
      if (alias == topic) return long_help(command);
    if (command.name.starts_with(str(topic, " "))) family += str(family.empty() ? "" : "\n", long_help(command));
    names.push_back(command.name);
  }
  if (!family.empty()) return family;
  for (const auto& [name, page] : topic_pages())
    if (name == topic) return page;
  std::string keys;  // one, or a table's
  for (const Key& key : config_keys()) {
    if (key.path == topic || key.table() == topic)
      keys += str(key.path, " = ", shown(key.fallback), "\n", wrap(str(key.help, "; ", key.expected()), kWidth, "  "));
    const std::string table(key.table());
    if (!table.empty() && std::find(names.begin(), names.end(), table) == names.end()) names.push_back(table);
  }
  if (!keys.empty()) return keys;
  const auto near = nearest(topic, names);
  throw InputError(str("no help on `", topic, "`; ", near ? str("did you mean ", *near, "?") : "topics: " + join(names, ", ")));
}

std::string build_info() {
  std::string out = str("lathe ", kVersion, "\n");
#if defined(__clang__)
  out += str("compiler  clang ", __clang_major__, ".", __clang_minor__, ".", __clang_patchlevel__);
#elif defined(__GNUC__)
  out += str("compiler  gcc ", __GNUC__, ".", __GNUC_MINOR__, ".", __GNUC_PATCHLEVEL__);
#else
  out += "compiler  unknown";
#endif
  out += str(", C++ ", static_cast<std::int64_t>(__cplusplus), ", ", LATHE_BUILD_TYPE, "\n");
  std::vector<std::string> backends = available_backends();
  for (const std::string& name : inexact_backends()) backends.push_back(name);
  out += str("backends  ", join(backends, ", "), "\n");
  out += str("parts     ", LATHE_BUILD_PARTS, "\n");
  return out + str("numerics  ", kNumerics, "\n");
}

}  // namespace lathe::cli
