// lathe init: a commented configuration for given data.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/commands.h>
#include <lathe/cli/format.h>
#include <lathe/cli/model_config.h>
#include <lathe/cli/run.h>
#include <lathe/cli/session.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string_view>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

/// What a beginner wants to see first. The other keys keep their defaults.
bool is_essential(const Key& key) {
  static constexpr std::string_view kPaths[] = {
      "lathe",         "seed",         "task.kind",       "task.metric",     "data.train",      "data.valid",
      "data.test",     "data.text",    "data.pair",       "data.label",      "data.max_tokens", "search.sampler",
      "search.trials", "train.epochs", "finalists.count", "finalists.seeds", "finalists.epochs"};
  return std::find(std::begin(kPaths), std::end(kPaths), key.path) != std::end(kPaths);
}

/// Reads the data, writes what was found into the configuration, and says it.
void find_columns(Config& config, Console& console) {
  const data::ClassificationData loaded = data::load_classification(data_config(config));
  resolve_columns(config, loaded);
  config.resolve("task.kind", std::string("classify"));
  for (const std::string& note : loaded.notes) console.note(note);
}

int run_init(Invocation& invocation) {
  Console& console = invocation.console();
  std::vector<std::string> arguments = invocation.arguments();
  std::string target = invocation.value("--out", "lathe.toml");
  if (!arguments.empty() && arguments.back() == "-") target = "-";
  const bool has_data = !arguments.empty() && arguments.front() != "-";
  Config config;
  if (invocation.has("--preset")) apply_preset(config, invocation.value("--preset"));
  for (const std::string& assignment : invocation.values("--set")) config.set(assignment);
  for (const Option& option : all_options(invocation.command()))
    if (!option.key.empty() && invocation.has(option.long_name()))
      config.set_option(option.key, invocation.value(option.long_name()), std::string(option.long_name()));
  if (has_data) config.set_option("data.train", arguments.front(), "DATA");
  config.check();
  if (!config.text("data.train").empty()) find_columns(config, console);

  const bool full = invocation.has("--full");
  const fs::path folder = target == "-" || !fs::path(target).has_parent_path() ? fs::path(".") : fs::path(target).parent_path();
  const std::string text =
      full ? config.to_toml(Config::Comments::help, folder) : config.to_toml(Config::Comments::help, folder, is_essential);
  if (target == "-") return console.result(text), kDone;
  if (fs::exists(target) && !invocation.has("--force"))
    throw InputError(str(target, " exists; use --out NEW, --out - to look, or --force to replace it"));
  write_file_atomic(target, text);
  if (console.json())
    console.json_line("result", [&](JsonWriter& json) { json.member("file", target); });
  else
    console.note(str("wrote ", target, "; next: lathe check ", target));
  return kDone;
}

}  // namespace

Command init_command() {
  Command c;
  c.name = "init";
  c.summary = "write a commented configuration for your data";
  c.arguments = "[DATA] [-]";
  c.max_arguments = 2;
  c.examples = {"lathe init reviews.tsv", "lathe init reviews.tsv --full -"};
  c.about =
      "Reads DATA, finds its columns, and writes lathe.toml, or what --out names; a last argument - writes to standard output. "
      "Without "
      "--full only the keys that one usually changes are written; the others keep their defaults (lathe help config).";
  c.options = {
      {"--out", "FILE", "where to write (lathe.toml); - is standard output", ""},
      {"--full", "", "every key", ""},
      {"--preset", "NAME", "quick, balanced or thorough", ""},
      {"--text", "COLUMN", "column of the text", "data.text"},
      {"--label", "COLUMN", "column of the label", "data.label"},
      {"--valid", "FILE", "validation file", "data.valid"},
      {"--test", "FILE", "test file", "data.test"},
      {"--set", "KEY=VALUE", "one key of the configuration", "", true},
      {"--seed", "N", "everything random follows from it", "seed"},
  };
  c.groups = kForceGroup;
  c.run = run_init;
  return c;
}

}  // namespace lathe::cli
