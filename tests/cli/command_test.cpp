// The command from the outside: help, streams, formats, and the subcommands that need no training.
#include <lathe/cli/config.h>
#include <lathe/cli/options.h>
#include <lathe/cli/progress.h>
#include <lathe/nas/transformer/candidate.h>

#include <nlohmann/json.hpp>

#include "call.h"
#include "json_lines.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace lathe;
using namespace lathe::test;
namespace fs = std::filesystem;

TEST_CASE("help, version, build info") {
  for (const char* word : {"-h", "--help"}) {
    const Answer answer = call({word});
    CHECK(answer.code == 0);
    CHECK(answer.err.empty());
    CHECK(has(answer.out, "usage: lathe COMMAND"));
  }
  CHECK(call({"--version"}).out == "lathe 0.1.0\n");
  const Answer info = call({"--build-info"});
  CHECK(info.code == 0);
  for (const char* line : {"compiler  ", "backends  ", "parts     ", "numerics  numerics v"}) CHECK(has(info.out, line));
  CHECK(has(info.out, "spec"));
  const Answer none = call({});
  CHECK(none.code == 2);
  CHECK(none.out.empty());
  CHECK(has(none.err, "usage: lathe COMMAND"));
}

TEST_CASE("every command explains itself, on one screen with -h") {
  for (const cli::Command& command : cli::commands()) {
    CAPTURE(command.name);
    CHECK(command.examples.size() == 2);
    CHECK(bool(command.run != nullptr));
    std::vector<std::string> words;
    std::istringstream name(command.name);
    for (std::string word; name >> word;) words.push_back(word);
    words.push_back("-h");
    const Answer brief = call(words);
    CHECK(brief.code == 0);
    CHECK(brief.err.empty());
    const auto lines = std::count(brief.out.begin(), brief.out.end(), '\n');
    CHECK(lines <= 28);
    CHECK(has(brief.out, command.examples[0]));
    words.back() = "--help";
    const Answer whole = call(words);
    CHECK(whole.code == 0);
    for (const cli::Option& option : cli::all_options(command)) CHECK(has(whole.out, std::string(option.long_name())));
    CHECK(call({"help", command.name}).out == whole.out);
    for (const std::string& example : command.examples) CHECK(example.starts_with("lathe " + command.name));
  }
}

TEST_CASE("options that set a key name one that exists") {
  for (const cli::Command& command : cli::commands()) {
    std::set<std::string> seen;
    for (const cli::Option& option : cli::all_options(command)) {
      CAPTURE(command.name + " " + option.names);
      CHECK(seen.insert(std::string(option.long_name())).second);
      if (!option.key.empty()) CHECK(cli::find_key(option.key) != nullptr);
    }
  }
}

TEST_CASE("what a space may vary is the same here and in the search") {
  std::set<std::string> here;
  for (const cli::Key& key : cli::config_keys())
    if (key.searched != cli::Searched::no) here.insert(std::string(key.name()));
  const std::vector<std::string>& there = nas::searchable_names();
  CHECK(here == std::set<std::string>(there.begin(), there.end()));
}

TEST_CASE("help topics") {
  const Answer config = call({"help", "config"});
  CHECK(config.code == 0);
  for (const cli::Key& key : cli::config_keys()) CHECK(has(config.out, key.path + " = "));
  for (const std::string& topic : cli::help_topics()) CHECK(call({"help", topic}).code == 0);
  CHECK(has(call({"help", "train.lr"}).out, "a number > 0"));
  CHECK(has(call({"help", "exit-codes"}).out, "130"));
  CHECK(has(call({"help", "study"}).out, "lathe study hash"));
  CHECK(call({"study", "-h"}).code == 0);
}

TEST_CASE("init writes what is read back") {
  const Workplace place;
  write("reviews.tsv", reviews(200));
  const Answer made = call({"init", "reviews.tsv"});
  CHECK(made.code == 0);
  CHECK(made.out.empty());
  CHECK(has(made.err, "wrote lathe.toml"));
  cli::Config config;
  config.read_file("lathe.toml");
  CHECK(config.file("data.train") == "reviews.tsv");
  CHECK(config.text("data.text") == "sentence");
  CHECK(config.text("data.label") == "label");
  CHECK(call({"init", "reviews.tsv"}).code == 2);  // nothing is overwritten
  CHECK(call({"init", "reviews.tsv", "--full", "--force"}).code == 0);
  cli::Config full;
  full.read_file("lathe.toml");
  CHECK(full == config);
  const std::string written = read("lathe.toml");
  CHECK(std::count(written.begin(), written.end(), '=') > 50);
  const Answer shown = call({"init", "reviews.tsv", "-"});
  CHECK(shown.code == 0);
  CHECK(has(shown.out, "[space]"));
  CHECK(call({"init", "-", "--preset", "quick"}).out.find("trials = 16") != std::string::npos);
  fs::create_directory("sub");
  CHECK(call({"init", "reviews.tsv", "--out", "sub/l.toml"}).code == 0);
  CHECK(has(read("sub/l.toml"), "train = \"../reviews.tsv\""));
  CHECK(call({"check", "sub/l.toml"}).code == 0);
  CHECK(has(call({"init", "--out", "x.toml", "--json"}).out, "\"file\":\"x.toml\""));
}

TEST_CASE("check") {
  const Workplace place;
  write("good.tsv", reviews(2000));
  const Answer good = call({"check", "good.tsv"});
  CHECK(good.code == 0);
  CHECK(has(good.out, "ok    "));
  CHECK(has(good.out, "2,000 rows"));
  CHECK_FALSE(has(good.out, "fail  "));
  CHECK_FALSE(has(good.out, "\x1b["));  // a pipe
  CHECK(has(call({"check", "good.tsv"}, {.terminal = true}).out, "\x1b[32mok\x1b[0m"));
  CHECK_FALSE(has(call({"check", "good.tsv"}, {.environment = {{"NO_COLOR", "1"}}, .terminal = true}).out, "\x1b["));
  CHECK_FALSE(has(call({"check", "good.tsv"}, {.environment = {{"TERM", "dumb"}}, .terminal = true}).out, "\x1b["));
  CHECK(has(call({"check", "good.tsv"}, {.environment = {{"CLICOLOR_FORCE", "1"}}}).out, "\x1b[32m"));
  CHECK(has(call({"check", "good.tsv", "--color", "always"}, {.environment = {{"NO_COLOR", "1"}}}).out, "\x1b[32m"));
  CHECK_FALSE(has(call({"check", "good.tsv", "--color=never"}, {.terminal = true}).out, "\x1b["));

  write("few.tsv", reviews(40));
  CHECK(call({"check", "few.tsv"}).code == 0);
  CHECK(has(call({"check", "few.tsv"}).out, "warn  "));
  CHECK(call({"check", "few.tsv", "--strict"}).code == 1);
  CHECK(has(call({"check", "few.tsv"}).err, "lathe help check"));
  CHECK_FALSE(has(call({"check", "few.tsv", "-q"}).err, "lathe help check"));

  write("bad.tsv", reviews(100) + "a\tb\tc\n");
  const Answer bad = call({"check", "bad.tsv"});
  CHECK(bad.code == 2);
  CHECK(has(bad.out, "fail  bad.tsv:102: 3 fields, expected 2"));

  const std::vector<nlohmann::json> lines = json_lines(call({"check", "bad.tsv", "--json"}).out);
  REQUIRE(lines.size() >= 2);
  for (const nlohmann::json& line : lines) CHECK(line["schema"] == 1);
  CHECK(lines.back()["type"] == "result");
  CHECK(lines.back()["failures"] == 1);

  write("never.toml",
        "[data]\ntrain = \"good.tsv\"\n[space]\nhidden = [32, 64, 96]\nheads = 5\nvalid = [\"hidden % heads == 0\"]\n");
  CHECK(call({"check", "never.toml"}).code == 2);
  CHECK(has(call({"check", "never.toml"}).out, "fail  never.toml:6:1: [space]"));
  CHECK(has(call({"check", "good.tsv", "--space"}).out, "hidden % heads == 0"));
}

TEST_CASE("a terminal sees the line that an error speaks of") {
  const Workplace place;
  write("a.toml", "[search]\n  trails = 5\n");
  const Answer answer = call({"check", "a.toml"}, {.environment = {{"NO_COLOR", "1"}}, .terminal = true});
  CHECK(answer.err == "lathe: a.toml:2:3: unknown key `search.trails`; did you mean `search.trials`?\n    trails = 5\n    ^\n");
  CHECK_FALSE(has(call({"check", "a.toml"}).err, "trails = 5"));
}

TEST_CASE("errors as JSON") {
  const Workplace place;
  const Answer answer = call({"check", "nothing.tsv", "--json"});
  CHECK(answer.code == 2);
  const std::vector<nlohmann::json> lines = json_lines(answer.out);
  CHECK(std::any_of(lines.begin(), lines.end(),
                    [](const nlohmann::json& line) { return has(line.dump(), "nothing.tsv: no such file"); }));
  const std::vector<nlohmann::json> usage = json_lines(call({"search", "--nonsense", "--json"}).out);
  REQUIRE(usage.size() == 1);
  CHECK(usage[0]["type"] == "error");
  CHECK(usage[0]["exit"] == 2);
}

TEST_CASE("standard output that cannot be written is an error") {
  std::istringstream in;
  std::ostringstream out, err;
  out.setstate(std::ios::badbit);
  cli::Streams streams{in, out, err};
  const char* const argv[] = {"lathe", "--help"};
  CHECK(cli::run(2, argv, streams) == 3);
  CHECK(has(err.str(), "standard output: cannot write"));
}

TEST_CASE("the configuration of this folder, of LATHE_CONFIG, of -c") {
  const Workplace place;
  write("reviews.tsv", reviews(300));
  write("lathe.toml", "[data]\ntrain = \"reviews.tsv\"\n");
  CHECK(has(call({"check"}).err, "configuration: lathe.toml"));
  CHECK(has(call({"check"}).out, "300 rows"));
  write("other.toml", "[data]\nmax_rows = 100\n");
  CHECK(has(call({"check", "reviews.tsv"}, {.environment = {{"LATHE_CONFIG", "other.toml"}}}).out, "100 rows"));
  CHECK(has(call({"check", "reviews.tsv", "-c", "other.toml", "--set", "data.max_rows=50"}).out, "50 rows"));
}

TEST_CASE("generate listops") {
  const Workplace place;
  CHECK(call({"generate", "listops", "--rows", "200"}).code == 0);
  const std::string text = read("listops.tsv");
  CHECK(std::count(text.begin(), text.end(), '\n') == 201);
  CHECK(text.starts_with("label\ttext\n"));
  CHECK(call({"generate", "listops", "--rows", "200", "--out", "-"}).out == text);
  CHECK(call({"generate", "listops"}).code == 2);
  CHECK(call({"generate", "listops", "--rows", "300", "--force", "-q"}).err.empty());
  CHECK(read("listops.tsv").starts_with(text));
  CHECK(error_of({"generate", "listops", "--rows", "0"}) == "--rows 0: expected an integer >= 1");
  CHECK(error_of({"generate", "listops", "x"}).starts_with("unexpected argument `x`"));
}

TEST_CASE("tokenize") {
  const Workplace place;
  write("reviews.tsv", reviews(300));
  CHECK(call({"tokenize", "--learn", "reviews.tsv", "--size", "120"}).code == 0);
  CHECK(call({"tokenize", "--learn", "reviews.tsv"}).code == 2);
  const Answer tokens = call({"tokenize", "--vocab", "tokenizer.json", "A charming film"});
  CHECK(tokens.code == 0);
  CHECK(tokens.out.starts_with("[CLS] "));
  CHECK(tokens.out.ends_with(" [SEP]\n"));
  const Answer ids = call({"tokenize", "--vocab", "tokenizer.json", "--ids", "A charming film"});
  CHECK(ids.out.starts_with("2 "));
  CHECK(call({"tokenize", "--vocab", "tokenizer.json", "--decode"}, {.in = ids.out}).out == "a charming film\n");
  // A filter: one line out for each line in, the empty one too.
  CHECK(call({"tokenize", "--vocab", "tokenizer.json", "--ids"}, {.in = "film\r\n\nfilm"}).out == "2 " + [&] {
    const std::string line = call({"tokenize", "--vocab", "tokenizer.json", "--ids", "film"}).out;
    return line.substr(2) + "2 3\n" + line;
  }());
  CHECK(call({"tokenize", "--vocab", "tokenizer.json"}, {.in = "caf\xE9\n"}).code == 2);
  CHECK(call({"tokenize", "--vocab", "tokenizer.json", "--decode", "99999"}).code == 2);
  CHECK(call({"tokenize", "--vocab", "tokenizer.json", "--decode", "x"}).code == 2);
  const Answer stats = call({"tokenize", "--stats", "reviews.tsv"});
  CHECK(stats.code == 0);
  CHECK(has(stats.out, "texts       300"));
  const std::vector<nlohmann::json> json = json_lines(call({"tokenize", "--stats", "reviews.tsv", "--json"}).out);
  REQUIRE(json.size() == 1);
  CHECK(json[0]["texts"] == 300);
  CHECK(json_lines(call({"tokenize", "--vocab", "tokenizer.json", "film", "--json"}).out)[0]["tokens"][0] == "[CLS]");
}

TEST_CASE("progress") {
  std::istringstream in;
  std::ostringstream out, err;
  cli::Streams streams{in, out, err, false, true, true, 100};
  cli::Console console(streams);
  double now = 0;
  cli::SearchProgress::Setup setup;
  setup.trials = 8;
  setup.metrics = {"accuracy"};
  setup.workers = 2;
  setup.epochs = 3;
  setup.clock = [&] { return now; };
  cli::SearchProgress progress(console, setup);
  progress.started({3, 0}, {0, 1, 1});
  progress.computed({3, 0}, nas::SegmentResult::of(0.8291));
  progress.started({3, 1}, {0, 2, 1});
  CHECK(progress.block() ==
        "search [>--------------------] 0 %  0/8 trials  0 stopped early  2 workers\n"
        "best   none yet\n"
        "now    #3 epoch 2/3 0.829    ^C stops cleanly\n");
  progress.finish();
  CHECK(has(err.str(), "\x1b[3A"));
}

TEST_CASE("a text in brackets, and one behind --, is an argument as it stands") {
  const auto predict =
      std::find_if(cli::commands().begin(), cli::commands().end(), [](const auto& c) { return c.name == "predict"; });
  REQUIRE(predict != cli::commands().end());
  std::istringstream in;
  std::ostringstream out, err;
  cli::Streams streams{in, out, err};
  cli::Console console(streams);
  const std::vector<std::string> words = {"model", "[MAX 2 9 ]", "[a,b]", "{c}", "plain, text", "--", "--top"};
  CHECK(cli::parse(*predict, words, console).arguments() ==
        std::vector<std::string>{"model", "[MAX 2 9 ]", "[a,b]", "{c}", "plain, text", "--top"});
  CHECK(cli::parse(*predict, {"--top", "2", "model", "[x]"}, console).arguments() == std::vector<std::string>{"model", "[x]"});
}
