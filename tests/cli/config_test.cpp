// The configuration: precedence, messages, and that a written file is read back as it was.
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/cli/config.h>
#include <lathe/cli/toml_reader.h>
#include <lathe/nas/transformer/candidate.h>

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <string>

#include "tests/support/folder.h"

using namespace lathe;
using namespace lathe::cli;
namespace fs = std::filesystem;

namespace {

Config read(const std::string& toml) {
  Config config;
  config.read_text(toml, "lathe.toml");
  return config;
}

std::string error_of(const std::string& toml) {
  try {
    read(toml).check();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

std::string set_error(const std::string& assignment) {
  try {
    Config().set(assignment);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

std::string option_error(const std::string& path, const std::string& text) {
  try {
    Config().set_option(path, text, "--it");
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

/// A value that differs from the default and is allowed.
Value other_value(const Key& key) {
  switch (key.kind) {
    case Kind::boolean:
      return !std::get<bool>(key.fallback);
    case Kind::integer: {
      const std::int64_t value = std::get<std::int64_t>(key.fallback);
      return static_cast<double>(value + 1) <= key.max ? value + 1 : value - 1;
    }
    case Kind::number:
      return std::get<double>(key.fallback) * 0.3 + 0.0123456789012345;
    case Kind::integers:
      return std::vector<std::int64_t>{7, 2, 1};
    case Kind::duration:
      return std::string("1h30m");
    case Kind::path:
      return std::string("some folder/\"file\".tsv");
    case Kind::texts:
      if (!key.allowed.empty()) return Texts{key.allowed.back(), key.allowed.front()};
      return Texts{"a \"b\"", "c"};
    case Kind::settings:
      return Settings{{"n_startup_trials", 20}, {"p", 0.25}};
    case Kind::text:
      break;
  }
  if (key.allowed.empty()) return std::string("na\"me\\ \t\x7f €");
  return key.allowed.back() == std::get<std::string>(key.fallback) ? key.allowed.front() : key.allowed.back();
}

}  // namespace

TEST_CASE("table of keys is sound") {
  std::map<std::string, int> seen;
  std::string_view table;
  std::map<std::string, int> tables;
  for (const Key& key : config_keys()) {
    CAPTURE(key.path);
    CHECK(++seen[key.path] == 1);
    CHECK(find_key(key.path) == &key);
    CHECK_NOTHROW(check_value(key, key.fallback, ""));  // the default is in range
    CHECK_FALSE(key.help.empty());
    CHECK(key.help.size() < 80);
    if (key.table() != table) CHECK(++tables[std::string(key.table())] == 1);  // a table's keys stand together
    table = key.table();
  }
  CHECK_NOTHROW(Config().check());
}

TEST_CASE("every key survives being written and read") {
  for (const Key& key : config_keys()) {
    if (key.path == "lathe" || key.allowed.size() == 1) continue;  // one value only
    CAPTURE(key.path);
    Config config;
    const Value value = other_value(key);
    REQUIRE_FALSE(value == key.fallback);
    config.resolve(key.path, value);
    CHECK_FALSE(config == Config());
    for (const auto comments : {Config::Comments::none, Config::Comments::help}) {
      Config again;
      again.read_text(config.to_toml(comments), "again.toml");
      CHECK(again == config);
      CHECK(again.to_toml(comments) == config.to_toml(comments));
      CHECK(again.identity_json() == config.identity_json());
      CHECK(again.source(key.path) == Source::file);
    }
    CHECK((config.identity_json() != Config().identity_json()) == key.identity);
    CHECK(config.to_json() != Config().to_json());
  }
}

TEST_CASE("every key can be set, and says what it expects") {
  for (const Key& key : config_keys()) {
    CAPTURE(key.path);
    Config config;
    if (key.kind == Kind::integer && key.path != "lathe") {
      config.set(key.path + "=" + std::to_string(std::get<std::int64_t>(other_value(key))));
      CHECK(config.value(key.path) == other_value(key));
      CHECK(config.source(key.path) == Source::set);
    }
    const char* const expected = key.kind == Kind::texts ? "expected a list of \"" : "expected \"";
    if (!key.allowed.empty()) CHECK(set_error(key.path + "=nonsense").find(expected) != std::string::npos);
    if (key.kind == Kind::integer || key.kind == Kind::number) {
      CHECK(set_error(key.path + "=many").find("is a string, expected ") != std::string::npos);
      CHECK(set_error(key.path + "=-1").find("= -1, expected ") != std::string::npos);
      CHECK(set_error(key.path + "=nan").find("expected ") != std::string::npos);
    }
  }
}

TEST_CASE("mistakes in a file") {
  CHECK(error_of("\n\n[search]\ntrails = 5\n") == "lathe.toml:4:1: unknown key `search.trails`; did you mean `search.trials`?");
  CHECK(error_of("[search]\n  lr = 1\n") == "lathe.toml:2:3: `lr` is not a key of [search]; it is `train.lr`");
  CHECK(error_of("[search]\ntrials = \"many\"\n") ==
        "lathe.toml:2:10: search.trials = \"many\" is a string, expected an integer >= 1");
  CHECK(error_of("search = { trials = 0 }") == "lathe.toml:1:21: search.trials = 0, expected an integer >= 1");
  CHECK(error_of("search.trials = [1]\n") == "lathe.toml:1:17: search.trials = [ 1 ] is a list, expected an integer >= 1");
  CHECK(error_of("[search]\ntrials = 2.5\n").find("= 2.5 is a number, expected an integer") != std::string::npos);
  CHECK(error_of("trials = 5\n") == "lathe.toml:1:1: `trials` is not a key of the top level; it is `search.trials`");
  CHECK(error_of("[serach]\ntrials = 5\n") == "lathe.toml:1:2: unknown table [serach]; did you mean [search]?");
  CHECK(error_of("search = 5\n") == "lathe.toml:1:10: search = 5 is an integer, expected a table");
  CHECK(error_of("[search]\nsampler = \"rnadom\"\n") ==
        "lathe.toml:2:11: search.sampler = \"rnadom\", expected \"controller\", \"evolution\", \"gp\", \"grid\", \"nsga2\", "
        "\"random\", \"sobol\" or "
        "\"tpe\"; did you mean \"random\"?");
  CHECK(error_of("[search]\nsampler = \"tpe@optuna-5.0\"\npruner = \"patient:asha@1\"\n") == "no error");
  CHECK(error_of("[search]\nsampler = \"tpe@2\"\n").find("search.sampler = \"tpe@2\", expected ") != std::string::npos);
  CHECK(error_of("[search]\npruner = \"patient:medain\"\n").find("did you mean \"patient:median\"?") != std::string::npos);
  CHECK(error_of("[search.sampler_settings]\nn_startup_trials = \"many\"\n").find("expected a table of numbers") !=
        std::string::npos);
  CHECK(error_of("search = { sampler_settings = 5 }").find("is an integer, expected a table of numbers") != std::string::npos);
  CHECK(error_of("[train]\nlr = 0\n") == "lathe.toml:2:6: train.lr = 0, expected a number > 0 and <= 100");
  CHECK(error_of("[train]\nlr = inf\n").find("expected a number > 0 and <= 100") != std::string::npos);
  CHECK(error_of("[search]\ntime = \"soon\"\n").find("expected a duration such as") != std::string::npos);
  CHECK(error_of("[data]\nsplit = [80, 20]\n").find("expected a list of three integers >= 0") != std::string::npos);
  CHECK(error_of("[data]\nsplit = [0, 50, 50]\n").find("the first share, training, must be > 0") != std::string::npos);
  CHECK(error_of("[search\ntrials = 5\n").starts_with("lathe.toml:1:8: "));
  CHECK(error_of("seed = 1\nseed = 2\n").starts_with("lathe.toml:2:"));
  CHECK(error_of("lathe = 2\nfuture_key = 1\n") ==
        "lathe.toml:1:9: the file is of version 2, this lathe reads version 1; a newer lathe wrote it");
  CHECK(error_of("[model]\nhidden = 100\nheads = 8\n") ==
        "lathe.toml:2:10: model.hidden = 100 is not divisible by model.heads = 8");
  CHECK(error_of("model = { hidden = 12, heads = 4, positions = \"rotary\" }").find("needs an even size of heads") !=
        std::string::npos);
  CHECK(error_of("seed = 1 # \xff\n").starts_with("lathe.toml:1:"));
  CHECK(error_of("") == "no error");
}

TEST_CASE("mistakes in the space") {
  const auto space = [](const std::string& line) { return error_of("[space]\n" + line + "\n"); };
  CHECK(space("hiden = [32, 64, 96]") == "lathe.toml:2:1: the space has no parameter `hiden`; did you mean `hidden`?");
  CHECK(space("activation = [\"relu\", \"gelu_tahn\"]") ==
        "lathe.toml:2:23: space.activation = \"gelu_tahn\", expected \"gelu_tanh\", \"gelu\", \"relu\", \"silu\" or "
        "\"squared_relu\"; did you mean \"gelu_tanh\"?");
  CHECK(space("layers = [4, 1]") == "lathe.toml:2:10: space.layers = [ 4, 1 ]: the range is empty, expected the smaller end first");
  CHECK(space("layers = []") == "lathe.toml:2:10: space.layers = []: no values to choose from");
  CHECK(space("layers = [1, 2.5]").find("expected an integer") != std::string::npos);
  CHECK(space("heads = [1, 2, 1]") == "lathe.toml:2:9: space.heads = [ 1, 2, 1 ]: 1 occurs twice");
  CHECK(space("dropout = [0.1, 1.0]").find("expected a number >= 0 and < 1") != std::string::npos);
  CHECK(space("lr = { min = 1e-4, max = 1e-2, logs = true }").find("`logs` says nothing about space.lr; did you mean `log`?") !=
        std::string::npos);
  CHECK(space("lr = { min = 1e-4 }") == "lathe.toml:2:1: space.lr needs either min and max, or choices");
  CHECK(space("dropout = { min = 0, max = 0.5, log = true }").find("a logarithmic range begins above 0") != std::string::npos);
  CHECK(space("lr = { min = 0.1, max = 1, step = 0.1, log = true }").find("log and step exclude") != std::string::npos);
  CHECK(space("layers = { min = 1, max = 4, step = 0 }").find("`step` is an integer > 0") != std::string::npos);
  CHECK(space("norm = { min = 1, max = 4 }").find("is a range, expected a list of choices") != std::string::npos);
  CHECK(space("\"layers[i].hidden\" = [32, 64, 96]").find("is the same in all layers") != std::string::npos);
  CHECK(space("heads = 4\n\"layers[i].heads\" = [1, 2, 4]").find("exclude each other") != std::string::npos);
  CHECK(space("valid = \"hidden % heads == 0\"").find("expected a list of rules") != std::string::npos);
  CHECK(space("valid = [1]").find("expected a list of rules") != std::string::npos);
  CHECK(space("layers = { min = 1, max = 4, when = 3 }").find("`when` is a condition in quotes") != std::string::npos);
}

TEST_CASE("forms of the space") {
  const std::string text =
      "seed = 1\n[space]\n"
      "lr = { min = 0.0001, max = 0.01, log = true }\n"
      "layers = [1, 6]\n"
      "hidden = { min = 32, max = 256, step = 32 }\n"
      "\"layers[i].heads\" = [1, 2, 4]\n"
      "activation = [\"relu\", \"silu\"]\n"
      "expansion = { choices = [2, 4] }\n"
      "pooling = { choices = [\"mean\", \"first\"], ordered = true, when = \"layers > 1\" }\n"
      "dropout = [0.0, 0.5]\n"
      "norm = \"rms_norm\"\n"
      "batch_rows = 16\n"
      "valid = [\"hidden % layers[i].heads == 0\"]\n";
  const Config config = read(text);
  const SpaceConfig& space = config.space();
  REQUIRE(space.parameters.size() == 10);
  CHECK(space.parameters[0].name == "lr");  // the order of the file
  CHECK(space.parameters[0].log);
  CHECK(space.find("layers")->kind == SpaceParameter::Kind::integers);
  CHECK(space.find("layers")->max == 6);
  CHECK(space.find("hidden")->step == 32);
  CHECK(space.find("layers[i].heads")->choices.size() == 3);
  CHECK(space.find("expansion")->kind == SpaceParameter::Kind::choices);
  CHECK(space.find("pooling")->ordered);
  CHECK(space.find("pooling")->when == "layers > 1");
  CHECK(space.find("dropout")->kind == SpaceParameter::Kind::numbers);
  CHECK(space.find("norm")->choices.size() == 1);
  CHECK(space.find("norm")->origin == "lathe.toml:11:1");
  CHECK(space.valid.size() == 1);
  Config again;
  again.read_text(config.to_toml(Config::Comments::help), "again.toml");
  CHECK(again.space() == space);
  CHECK(again.to_toml(Config::Comments::none) == config.to_toml(Config::Comments::none));
}

TEST_CASE("precedence: option > --set > environment > file > default, in any order") {
  const auto environment = [](const char* name) -> const char* {
    return std::string(name) == "LATHE_THREADS" ? "3" : std::string(name) == "LATHE_STORAGE" ? "" : nullptr;
  };
  Config config;
  CHECK(config.integer("run.threads") == 0);
  CHECK(config.source("run.threads") == Source::fallback);
  config.read_text("run = { threads = 2 }\nstorage = { url = \"file.db\" }", "a.toml");
  CHECK(config.integer("run.threads") == 2);
  CHECK(config.origin("run.threads") == "a.toml:1:19");
  config.read_environment(environment);
  CHECK(config.integer("run.threads") == 3);
  CHECK(config.origin("run.threads") == "LATHE_THREADS");
  CHECK(config.text("storage.url") == "file.db");  // an empty variable is as good as none
  config.set("run.threads = 4");
  config.set("run.threads=5");  // the later one
  CHECK(config.integer("run.threads") == 5);
  config.set_option("run.threads", "6", "--threads");
  CHECK(config.integer("run.threads") == 6);
  Config other;
  other.set_option("run.threads", "6", "--threads");
  other.set("run.threads=5");
  other.read_environment(environment);
  other.read_text("run = { threads = 2 }\nstorage = { url = \"file.db\" }", "a.toml");
  CHECK(other == config);
  CHECK(other.source("run.threads") == Source::option);
}

TEST_CASE("environment with a bad value") {
  Config config;
  CHECK_THROWS_WITH(
      config.read_environment(
          [](const char* name) -> const char* { return std::string(name) == "LATHE_BACKEND" ? "mmx" : nullptr; }),
      "LATHE_BACKEND=mmx: expected \"auto\", \"spec\", \"scalar\", \"avx2\", \"avx512\", \"neon\", \"bf16\" or \"onednn\"");
}

TEST_CASE("--set") {
  Config config;
  config.set("search.sampler=grid");  // a bare word
  config.set("data.label='the label'");
  config.set("data.text=1");  // a text needs no quotes
  config.set("data.bad_rows=\"skip\"");
  config.set("data.split=[7, 2, 1]");
  config.set("limits.params=2e6");
  config.set("space.hidden=[16, 32, 48]");
  config.set("space.layers=2");
  config.set("space.layers[i].heads={ choices = [1, 2] }");
  CHECK(config.text("search.sampler") == "grid");
  CHECK(config.text("data.label") == "the label");
  CHECK(config.text("data.text") == "1");
  CHECK(config.text("data.bad_rows") == "skip");
  CHECK(config.integers("data.split") == std::vector<std::int64_t>{7, 2, 1});
  CHECK(config.integer("limits.params") == 2000000);
  CHECK(config.space().find("hidden")->choices.size() == 3);
  CHECK(config.space().find("layers")->choices.size() == 1);
  CHECK(config.space().find("heads") == nullptr);  // replaced by the choice per layer
  CHECK(config.space().find("layers[i].heads") != nullptr);
  config.read_text("[space]\nhidden = [8, 16]", "late.toml");  // a file never wins over --set
  CHECK(config.space().find("hidden")->choices.size() == 3);
  CHECK(set_error("search.trails=5") == "--set: unknown key `search.trails`; did you mean `search.trials`?");
  CHECK(set_error("trials") == "--set trials: expected key=value, such as search.trials=50");
  CHECK(set_error("=5").find("expected key=value") != std::string::npos);
  CHECK(set_error("seed=1\nlr=2").find("more than one line") != std::string::npos);
  CHECK(set_error("data.split=[1,").starts_with("--set: [1,: "));
  CHECK(set_error("space.hiden=5") == "--set: the space has no parameter `hiden`; did you mean `hidden`?");
  CHECK(set_error("search.lr=5") == "--set: `lr` is not a key of [search]; it is `train.lr`");
}

TEST_CASE("options") {
  Config config;
  config.set_option("limits.params", "1.5M", "--limit");
  CHECK(config.integer("limits.params") == 1500000);
  config.set_option("data.split", "70/20/10", "--split");
  CHECK(config.integers("data.split")[1] == 20);
  config.set_option("search.time", "90s", "--time");
  CHECK(config.seconds("search.time") == 90);
  CHECK(option_error("search.trials", "many") == "--it many: expected an integer >= 1");
  CHECK(option_error("search.trials", "0") == "--it 0: expected an integer >= 1");
  CHECK(option_error("search.time", "soon").find("expected a duration") != std::string::npos);
  CHECK(option_error("search.sampler", "gird").find("did you mean \"grid\"?") != std::string::npos);
}

TEST_CASE("settings are tables of numbers, and --set adds to them") {
  Config config = read("[search.sampler_settings]\nn_startup_trials = 20\nmultivariate = false\n");
  CHECK(config.settings("search.sampler_settings") == Settings{{"multivariate", 0}, {"n_startup_trials", 20}});
  config.set("search.sampler_settings.n_startup_trials=5");
  config.set("search.sampler_settings={ n_candidates = 8 }");
  CHECK(config.settings("search.sampler_settings") == Settings{{"multivariate", 0}, {"n_candidates", 8}, {"n_startup_trials", 5}});
  CHECK(set_error("search.sampler_settings.n_startup_trials=many") ==
        "--set: search.sampler_settings.n_startup_trials = many, expected a number, true or false");
}

/// `"data":{…` of an identity, "" if it has no such table.
static std::string table_of(const std::string& identity, std::string_view table) {
  const std::size_t at = identity.find("\"" + std::string(table) + "\":{");
  return at == std::string::npos ? "" : identity.substr(at + table.size() + 3, identity.find('}', at) - at);
}

TEST_CASE("keys that came later are in the identity only where they say something") {
  const std::string before = Config().identity_json();
  for (const Key& key : config_keys())
    if (key.late) CHECK(table_of(before, key.table()).find("\"" + std::string(key.name()) + "\":") == std::string::npos);
  CHECK(read("search = { duplicates = \"reject\", sampler_settings = {} }").identity_json() == before);
  CHECK(read("search = { duplicates = \"reuse\" }").identity_json() != before);
}

TEST_CASE("the space of a program has names and kinds of its own") {
  const std::string objective = "objective = { command = \"./run\" }\n[space]\n";
  const Config config = read(objective +
                             "x = [-5.0, 5.0]\nlayers = [1, 6]\nkind = [\"a\", \"b\"]\nfast = [true, false]\n"
                             "rate = { min = 1e-4, max = 1, log = true, when = \"layers > 1\" }\nsizes = [1, 2.5, 4]\nfixed = 3\n");
  const SpaceConfig& space = config.space();
  REQUIRE(space.parameters.size() == 7);
  CHECK(space.find("x")->kind == SpaceParameter::Kind::numbers);
  CHECK(space.find("layers")->kind == SpaceParameter::Kind::integers);
  CHECK(space.find("kind")->choices.size() == 2);
  CHECK(space.find("fast")->choices.size() == 2);
  CHECK(space.find("rate")->kind == SpaceParameter::Kind::numbers);
  CHECK(space.find("sizes")->choices[0] == Scalar(1.0));
  Config again;
  again.read_text(config.to_toml(Config::Comments::help), "again.toml");
  CHECK(again == config);
  CHECK(again.identity_json() == config.identity_json());
  CHECK(config.identity_json().find("\"train\"") == std::string::npos);  // what a program does not know
  CHECK(error_of(objective + "x = [1, \"a\"]\n").find("not several kinds") != std::string::npos);
  CHECK(error_of("objective = { command = \"./run\" }") ==
        "lathe.toml:1:25: objective.command = \"./run\": there is no [space]; it names the parameters, such as x = [-5.0, 5.0]");
  CHECK(error_of("objective = { command = \"./run\", metrics = [\"a\", \"b\"] }\nspace = { x = [0, 1] }")
            .find("objective.directions = [\"maximise\"] has 1, but objective.metrics names 2") != std::string::npos);
  CHECK(error_of("objective = { command = \"./run\" }\nsearch = { evaluate = \"inherited\" }\nspace = { x = [0.0, 1.0] }")
            .ends_with("search.evaluate = \"inherited\": a program is evaluated by running it"));
  CHECK(error_of("objective = { metrics = [\"a\"] }").ends_with("objective.metrics = [\"a\"]: there is no objective.command"));
  CHECK(error_of("objective = { directions = [\"maximize\"] }").find("did you mean \"maximise\"?") != std::string::npos);
}

TEST_CASE("paths of a file count from its folder") {
  const lathe::test::TemporaryFolder folder;
  const fs::path& root = folder.path();
  fs::create_directories(root / "runs/a");
  write_file_atomic(root / "lathe.toml", "[data]\ntrain = \"reviews.tsv\"\ntest = \"/abs/test.tsv\"\n");
  Config config;
  config.read_file(root / "lathe.toml");
  CHECK(config.file("data.train") == root / "reviews.tsv");
  CHECK(config.file("data.test") == "/abs/test.tsv");
  CHECK(config.file("data.valid").empty());
  const std::string written = config.to_toml(Config::Comments::none, root / "runs/a");
  CHECK(written.find("train = \"../../reviews.tsv\"") != std::string::npos);
  write_file_atomic(root / "runs/a/config.toml", written);
  Config again;
  again.read_file(root / "runs/a/config.toml");
  CHECK(again == config);
  CHECK_THROWS_WITH(Config().read_file(root / "lathe.tml"), doctest::Contains("no such file; did you mean"));
}

TEST_CASE("the search knows how far the range of each searched key can be widened") {
  int numbers = 0;
  for (const Key& key : config_keys()) {
    if (key.searched == Searched::no || (key.kind != Kind::integer && key.kind != Kind::number)) continue;
    CAPTURE(key.path);
    ++numbers;
    const nas::ParameterBounds bounds = nas::bounds_of(key.name());
    CHECK(bounds.low == key.min);
    CHECK(bounds.high == key.max);
  }
  CHECK(numbers == 15);
}
