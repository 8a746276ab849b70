// lathe search, train, evaluate, predict from end to end: the same results whoever runs them, and whatever interrupts them.
#include <lathe/cli/signals.h>

#include <nlohmann/json.hpp>

#include <algorithm>

#include "process.h"
#include "search_config.h"

#include <doctest/doctest.h>

using namespace lathe::test;
namespace fs = std::filesystem;

namespace {

nlohmann::json parsed(const std::string& file) { return nlohmann::json::parse(read(file)); }

/// Both runs ended alike: study, retrained models with all their scores and curves, weights.
void check_same_run(const std::string& a, const std::string& b) {
  CHECK(study_hash(a) == study_hash(b));
  const nlohmann::json results_a = parsed(a + "/results.json"), results_b = parsed(b + "/results.json");
  for (const char* part : {"trials", "models", "winner", "winner_seed", "baselines", "mistakes", "confusion"})
    CHECK(results_a.at(part) == results_b.at(part));
  CHECK(read(a + "/model/model.safetensors") == read(b + "/model/model.safetensors"));
  CHECK(read(a + "/model/metrics.json") == read(b + "/model/metrics.json"));
}

}  // namespace

TEST_CASE("search: one result for any number of workers, and files that later commands take") {
  const Workplace place;
  write_search();
  const Answer one = call({"search", "lathe.toml", "--out", "a", "--workers", "1"});
  CAPTURE(one.err);
  REQUIRE(one.code == 0);
  REQUIRE(call({"search", "lathe.toml", "--out", "b", "--workers", "3"}).code == 0);
  check_same_run("a", "b");
  CHECK(has(one.out, "study   " + study_hash("a").substr(0, 64)));
  for (const char* file :
       {"config.toml", "study.db", "results.json", "report.html", "report.md", "model/config.json", "model/model.safetensors",
        "model/tokenizer.json", "model/tokenizer_config.json", "model/metrics.json", "model/README.md", "model/SHA256SUMS"})
    CHECK(fs::exists(fs::path("a") / file));
  CHECK(fs::is_empty("a/trials"));  // checkpoints of finished trials are gone

  // The file that a run leaves is the whole configuration.
  REQUIRE(call({"search", "a/config.toml", "--out", "again"}).code == 0);
  check_same_run("a", "again");
  CHECK(call({"search", "lathe.toml", "--out", "other", "--seed", "2", "-q"}).code == 0);
  CHECK(study_hash("other") != study_hash("a"));

  CHECK(has(call({"study", "list", "again"}).out, "\nagain "));
  CHECK(has(call({"study", "show", "a"}).out, study_hash("a").substr(0, 8)));
  const std::string report = read("a/report.html");
  fs::remove("a/report.html");
  CHECK(call({"report", "a"}).code == 0);
  CHECK(has(call({"report", "a", "--json"}).out, R"("file":"a/report.html")"));
  CHECK(read("a/report.html") == report);

  const Answer scored = call({"evaluate", "a/model", "reviews.tsv", "--json"});
  CHECK(scored.code == 0);
  CHECK(has(scored.out, "\"rows\":160"));
  CHECK(call({"evaluate", "a/model", "reviews.tsv", "--min", "accuracy=1.1", "-q"}).code == 1);
  CHECK(call({"evaluate", "a/model", "reviews.tsv", "--min", "accuracy=0.01", "-q"}).code == 0);
}

TEST_CASE("search --time: what the clock decided is in the run's configuration, and gives the same without a clock") {
  const Workplace place;
  write_search({.trials = 99'999, .finalists = 2, .seeds = 1, .hidden = 64});
  const Answer timed = call({"search", "lathe.toml", "--time", "5s", "--out", "timed"});
  CAPTURE(timed.err);
  REQUIRE(timed.code == 0);
  const nlohmann::json results = parsed("timed/results.json");
  CHECK(results.at("trials").size() != 99'999);
  const nlohmann::json& models = results.at("models");
  REQUIRE(models.size() >= 2);
  const std::string count = "count = " + std::to_string(models.size() - 1), seeds = "seeds = " + models[0].at("seeds").dump();
  for (const std::string& config : {read("timed/config.toml"), results.at("config").get<std::string>()}) {
    CHECK(has(config, count));
    CHECK(has(config, seeds));
    CHECK(!has(config, "\"5s\""));
  }
  REQUIRE(call({"search", "timed/config.toml", "--out", "again"}).code == 0);
  check_same_run("timed", "again");
}

TEST_CASE("search of a file alone: columns, task and space are found; --json prints one object a line") {
  const Workplace place;
  write("reviews.tsv", reviews(160));
  const std::vector<std::string> small = {"search", "reviews.tsv",        "--trials", "2",
                                          "--set",  "train.epochs=1",     "--set",    "finalists.count=1",
                                          "--set",  "finalists.seeds=1",  "--set",    "finalists.epochs=1",
                                          "--set",  "data.max_tokens=12", "--limit",  "params=300k"};
  std::vector<std::string> json = small;
  json.insert(json.end(), {"--json", "--out", "a"});
  const Answer answer = call(json);
  CAPTURE(answer.err);
  REQUIRE(answer.code == 0);
  std::string last;
  std::istringstream lines(answer.out);
  for (std::string line; std::getline(lines, line); last = line) CHECK(nlohmann::json::accept(line));
  const nlohmann::json result = nlohmann::json::parse(last);
  CHECK(result.at("type") == "result");
  CHECK(result.at("hash").get<std::string>() == study_hash("a").substr(0, 64));
  CHECK(result.at("results").at("trials").size() == 2);
  std::vector<std::string> dry = small;
  dry.push_back("--dry-run");
  const Answer plan = call(dry);
  CHECK(plan.code == 0);
  CHECK(has(plan.err, "Nothing was run"));
  CHECK(has(plan.err, "text = `sentence`"));
}

TEST_CASE("a run whose files name their columns differently resumes") {
  const Workplace place;
  write_search({.trials = 3, .finalists = 0});
  write("valid.tsv", reviews(40, "content\tlabel"));
  REQUIRE(call({"search", "lathe.toml", "--valid", "valid.tsv", "--out", "run"}).code == 0);
  const Answer resumed = call({"search", "--resume", "run"});
  CAPTURE(resumed.err);
  CHECK(resumed.code == 0);
}

TEST_CASE("a search without finalists is the study alone") {
  const Workplace place;
  write_search();
  REQUIRE(call({"search", "lathe.toml", "--out", "whole"}).code == 0);
  const nlohmann::json trials = parsed("whole/results.json").at("trials");
  const auto best = std::max_element(trials.begin(), trials.end(), [](const auto& a, const auto& b) {
    return a.at("value") < b.at("value");  // the first of equal ones
  });
  const std::vector<std::string> alone = {"search", "lathe.toml", "--set", "finalists.count=0", "--set", "finalists.ablations=2"};
  std::vector<std::string> run = alone;
  run.insert(run.end(), {"--out", "run"});
  for (const std::vector<std::string>& words : {run, {"search", "--resume", "run"}}) {
    const Answer answer = call(words);
    CAPTURE(answer.err);
    CAPTURE(answer.out);
    CHECK(answer.code == 0);
    CHECK(answer.out.starts_with("best    #" + best->at("number").dump() + " accuracy "));
    CHECK(has(answer.out, " parameters: hidden=8 heads="));
    CHECK(has(answer.out, "nothing was trained again"));
    CHECK(has(answer.out, "lathe study best run"));
    CHECK(has(answer.out, "study   " + study_hash("whole").substr(0, 64)));
    CHECK_FALSE(has(answer.err, "finalist="));
  }
  CHECK(study_hash("run") == study_hash("whole"));
  for (const char* absent : {"finalists", "model", "ablations", "results.json", "report.html"})
    CHECK_FALSE(fs::exists(fs::path("run") / absent));
  run.back() = "json";
  run.push_back("--json");
  const std::string lines = call(run).out;
  const nlohmann::json last = nlohmann::json::parse(lines.substr(lines.rfind('\n', lines.size() - 2) + 1));
  CHECK(last.at("type") == "result");
  CHECK(last.at("best").at("trial") == best->at("number"));
  CHECK(last.at("best").at("value") == best->at("value"));
  CHECK(last.at("best").at("point").contains("lr"));
  CHECK(last.at("best").at("violation") == 0);

  run.pop_back();
  run.back() = "never";
  run.insert(run.end(), {"--limit", "target=loss <= 0.0001"});
  const Answer never = call(run);
  CHECK(never.code == 1);  // done, but the answer is no
  CHECK(has(never.out, "(breaks a constraint, as all do)"));
  CHECK(has(never.out, "more    lathe study trials never\n"));
}

TEST_CASE("predict: each argument is a text as it stands, and each line of a file or of standard input") {
  const Workplace place;
  write_search();
  REQUIRE(call({"train", "lathe.toml", "--out", "a"}).code == 0);
  const std::vector<std::string> texts = {"[MAX 2 9 ]", "[a,b]", "{x}", "a warm film", "-5 stars", "\"quoted\", text",
                                          "[MASK]",     "a=b",   ""};
  std::vector<std::string> arguments = {"predict", "a/model", "--format", "jsonl", "--"};
  arguments.insert(arguments.end(), texts.begin(), texts.end());
  const Answer answer = call(arguments);
  REQUIRE(answer.code == 0);
  std::istringstream lines(answer.out);
  std::string line, joined;
  for (const std::string& text : texts) {
    CAPTURE(text);
    REQUIRE(std::getline(lines, line));
    CHECK(nlohmann::json::parse(line).at("text") == text);
    joined += text + "\n";
  }
  CHECK_FALSE(std::getline(lines, line));
  CHECK(call({"predict", "a/model", "--format", "jsonl"}, {.in = joined}).out == answer.out);
  write("texts.txt", joined);
  CHECK(call({"predict", "a/model", "--format", "jsonl", "--file", "texts.txt"}).out == answer.out);
  CHECK(call({"predict", "a/model", "[MAX 2 9 ]"}).out.ends_with("\t[MAX 2 9 ]\n"));
  // Brackets change what the model sees.
  CHECK(nlohmann::json::parse(answer.out.substr(0, answer.out.find('\n'))).at("scores") !=
        nlohmann::json::parse(call({"predict", "a/model", "MAX 2 9", "--format", "jsonl"}).out).at("scores"));

  write("bad.txt", "fine\ncaf\xE9\n");
  const Answer bad = call({"predict", "a/model", "--file", "bad.txt"});
  CHECK(bad.code == 2);
  CHECK(bad.err.starts_with("lathe: bad.txt:2: "));
  CHECK(std::count(bad.out.begin(), bad.out.end(), '\n') == 1);
}

TEST_CASE("^C and SIGTERM stop a search where nothing is lost") {
  const Workplace place;
  write_search({.trials = 70});
  REQUIRE(call({"search", "lathe.toml", "--out", "whole", "--workers", "2"}).code == 0);
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string run = signal == SIGINT ? "int" : "term";
    Process process({"search", "lathe.toml", "--out", run, "--workers", "2"});
    REQUIRE(process.read_until(" commit="));
    process.signal(signal);
    CHECK(process.wait() == 128 + signal);
    CHECK(has(process.err(), "stopping after the running step"));
    CHECK(process.last_line().starts_with("lathe: stopped at commit "));
    CHECK(process.last_line().ends_with(". Resume: lathe search --resume " + run));
    CHECK_FALSE(fs::exists(run + "/results.json"));
    CHECK(study_hash(run) != study_hash("whole"));
    const Answer resumed = call({"search", "--resume", run, "--workers", "1"});
    CAPTURE(resumed.err);
    CHECK(resumed.code == 0);
    check_same_run(run, "whole");
  }
}

TEST_CASE("^C while the finalists are retrained") {
  const Workplace place;
  write_search({.trials = 4, .finalists = 3, .seeds = 20});
  REQUIRE(call({"search", "lathe.toml", "--out", "whole", "--workers", "2"}).code == 0);
  Process process({"search", "lathe.toml", "--out", "b", "--workers", "2"});
  REQUIRE(process.read_until(" finalist="));
  process.signal(SIGINT);
  CHECK(process.wait() == 130);
  CHECK(process.last_line() == "lathe: stopped while retraining; the study is complete. Resume: lathe search --resume b");
  CHECK(study_hash("b") == study_hash("whole"));
  CHECK_FALSE(fs::exists("b/model"));
  CHECK(call({"search", "--resume", "b"}).code == 0);
  check_same_run("b", "whole");
}

TEST_CASE("kill -9 twice with one worker, resumed with two") {
  const Workplace place;
  write_search({.trials = 110});
  REQUIRE(call({"search", "lathe.toml", "--out", "whole", "--workers", "2"}).code == 0);
  {
    Process process({"search", "lathe.toml", "--out", "b", "--workers", "1"});
    REQUIRE(process.read_until(" commit="));
    process.signal(SIGKILL);
    CHECK(process.wait() == 128 + SIGKILL);
  }
  {
    Process process({"search", "--resume", "b", "--workers", "1"});
    REQUIRE(process.read_until(" commit="));
    process.signal(SIGKILL);
    CHECK(process.wait() == 128 + SIGKILL);
  }
  CHECK(study_hash("b") != study_hash("whole"));
  const Answer resumed = call({"search", "--resume", "b", "--workers", "2"});
  CAPTURE(resumed.err);
  CHECK(resumed.code == 0);
  check_same_run("b", "whole");
}

TEST_CASE("^C during lathe train") {
  const Workplace place;
  write_search();
  REQUIRE(call({"train", "lathe.toml", "--out", "whole", "--epochs", "60"}).code == 0);
  Process process({"train", "lathe.toml", "--out", "b", "--epochs", "60"});
  REQUIRE(process.read_until("epoch 1/60"));
  process.signal(SIGINT);
  CHECK(process.wait() == 130);
  CHECK(process.last_line().starts_with("lathe: stopped in epoch "));
  CHECK(process.last_line().ends_with(". Resume: lathe train --resume b"));
  CHECK_FALSE(fs::exists("b/model"));
  CHECK(call({"train", "--resume", "b"}).code == 0);
  CHECK(read("b/model/metrics.json") == read("whole/model/metrics.json"));
  CHECK(read("b/model/model.safetensors") == read("whole/model/model.safetensors"));
}

TEST_CASE("a study stops at a commit, goes on in a folder of another name, and is extended") {
  const Workplace place;
  write_search({.trials = 8});
  REQUIRE(call({"search", "lathe.toml", "--out", "whole"}).code == 0);
  const Answer part = call({"search", "lathe.toml", "--out", "b", "--until-commit", "9"});
  CHECK(part.code == 0);
  CHECK(has(part.err, "Go on: lathe search --resume b"));
  CHECK_FALSE(fs::exists("b/results.json"));
  fs::rename("b", "moved");
  REQUIRE(call({"search", "--resume", "moved/"}).code == 0);  // a completed path has a slash
  check_same_run("moved", "whole");
  CHECK(call({"study", "list", "moved", "--json"}).out.find('\n') == call({"study", "list", "moved", "--json"}).out.size() - 1);

  CHECK(error_of({"search", "--resume", "moved", "--trials", "8"}) ==
        "--trials 8: the run has 8 trials already; --resume can only add some");
  REQUIRE(call({"search", "--resume", "moved", "--trials", "10"}).code == 0);
  CHECK(parsed("moved/results.json").at("trials").size() == 10);
  REQUIRE(call({"search", "--resume", "whole", "--trials", "10", "--workers", "3"}).code == 0);
  check_same_run("moved", "whole");
}
