#include <lathe/cli/session.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/tokenizer/wordpiece_trainer.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

bool is_config(const std::string& name) { return fs::path(name).extension() == ".toml"; }

/// The file to read, or "".
std::string config_file(Invocation& invocation, const std::string& argument) {
  const std::string option = invocation.value("--config");
  if (is_config(argument)) {
    if (!option.empty()) throw InputError(str("two configurations: ", argument, " and -c ", option, "; give one"));
    return argument;
  }
  if (!option.empty()) return option;
  const std::string variable = invocation.console().environment("LATHE_CONFIG");
  if (!variable.empty()) return variable;
  if (argument.empty() && fs::exists("lathe.toml")) {
    invocation.console().note("configuration: lathe.toml of this folder");
    return "lathe.toml";
  }
  return "";
}

}  // namespace

Config configuration(Invocation& invocation) {
  return configuration(invocation, invocation.arguments().empty() ? "" : invocation.arguments().front());
}

Config configuration(Invocation& invocation, const std::string& argument) {
  Config config;
  if (const std::string file = config_file(invocation, argument); !file.empty()) {
    config.read_file(file);
    invocation.console().detail("configuration: " + file);
  }
  config.read_environment([&](const char* name) -> const char* {
    static thread_local std::string value;
    value = invocation.console().environment(name);
    return value.empty() ? nullptr : value.c_str();
  });
  const std::vector<Option> options = all_options(invocation.command());
  const auto has_option = [&](std::string_view name) {
    return std::any_of(options.begin(), options.end(), [&](const Option& o) { return o.long_name() == name; });
  };
  if (has_option("--preset") && invocation.has("--preset")) apply_preset(config, invocation.value("--preset"));
  for (const std::string& assignment : invocation.values("--set")) config.set(assignment);
  for (const Option& option : options)
    if (!option.key.empty() && invocation.has(option.long_name()))
      config.set_option(option.key, invocation.value(option.long_name()), std::string(option.long_name()));
  if (!argument.empty() && argument != "-" && !is_config(argument)) config.set_option("data.train", argument, "DATA");
  config.check();
  return config;
}

data::DataConfig data_config(const Config& config) {
  data::DataConfig out;
  out.train = config.file("data.train");
  if (out.train.empty()) throw InputError("no data: name a file, or data.train in the configuration (lathe help data)");
  out.valid = config.file("data.valid");
  out.test = config.file("data.test");
  out.columns = {config.text("data.text"), config.text("data.pair"), config.text("data.label")};
  const std::vector<std::int64_t>& split = config.integers("data.split");
  out.split = {split[0], split[1], split[2]};
  out.max_tokens = config.integer("data.max_tokens");
  out.bad_rows = data::parse_bad_rows(config.text("data.bad_rows"));
  out.max_rows = config.integer("data.max_rows");
  out.seed = static_cast<std::uint64_t>(config.integer("seed"));
  return out;
}

tokenizer::Tokenizer make_tokenizer(const Config& config, const data::Examples& train) {
  if (const fs::path file = config.file("tokenizer.file"); !file.empty()) return tokenizer::Tokenizer::load(file);
  return learn_tokenizer(config, train, config.integer("tokenizer.vocab"));
}

tokenizer::Tokenizer learn_tokenizer(const Config& config, const data::Examples& train, std::int64_t vocab) {
  tokenizer::WordPieceOptions options;
  options.vocab_size = static_cast<std::int32_t>(vocab);
  options.lowercase = config.flag("tokenizer.lowercase");
  tokenizer::WordPieceTrainer trainer(options);
  for (const std::string_view text : train.text) trainer.add(text);
  for (const std::string_view text : train.pair) trainer.add(text);
  return trainer.train();
}

void apply_preset(Config& config, const std::string& name) {
  struct Preset {
    const char* name;
    int trials, epochs, finalists, seeds;
  };
  static constexpr std::array<Preset, 3> kPresets = {
      {{"quick", 16, 1, 1, 1}, {"balanced", 64, 3, 3, 3}, {"thorough", 256, 6, 5, 5}}};
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) {
    names.emplace_back(preset.name);
    if (name != preset.name) continue;
    config.set(str("search.trials=", preset.trials));
    config.set(str("train.epochs=", preset.epochs));
    config.set(str("finalists.count=", preset.finalists));
    config.set(str("finalists.seeds=", preset.seeds));
    return;
  }
  const auto near = nearest(name, names);
  throw InputError(
      str("--preset ", name, ": expected quick, balanced or thorough", near ? str("; did you mean ", *near, "?") : ""));
}

}  // namespace lathe::cli
