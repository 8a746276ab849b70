// lathe search for several objectives, under limits and targets, and over vocabularies and lengths: from end to end.
#include <nlohmann/json.hpp>

#include <set>

#include "process.h"
#include "search_config.h"

#include <doctest/doctest.h>

using namespace lathe::test;
namespace fs = std::filesystem;

namespace {

nlohmann::json parsed(const std::string& file) { return nlohmann::json::parse(read(file)); }

std::string replaced(std::string text, const std::string& part, const std::string& by) {
  REQUIRE(has(text, part));
  return text.replace(text.find(part), part.size(), by);
}

/// `lathe search FILE`: with one worker and two, cut short and gone on with. The study is the same; the folder of the first.
std::string search_all_ways(const std::string& file) {
  const Answer one = call({"search", file, "--out", "one", "--workers", "1"});
  CAPTURE(one.err);
  REQUIRE(one.code == 0);
  REQUIRE(call({"search", file, "--out", "two", "--workers", "2"}).code == 0);
  CHECK(study_hash("two") == study_hash("one"));
  REQUIRE(call({"search", file, "--out", "cut", "--until-commit", "7"}).code == 0);
  CHECK(study_hash("cut") != study_hash("one"));
  fs::remove("cut/baseline.json");  // the study's header has what it held
  REQUIRE(call({"search", "--resume", "cut"}).code == 0);
  CHECK(study_hash("cut") == study_hash("one"));
  for (const char* run : {"two", "cut"})
    CHECK(read(std::string(run) + "/model/model.safetensors") == read("one/model/model.safetensors"));
  return one.out;
}

}  // namespace

TEST_CASE("a Pareto front of accuracy and parameters: one study whoever runs it, its finalists from the front") {
  const Workplace place;
  write_search({.finalists = 2});
  write("goals.toml",
        replaced(replaced(read("lathe.toml"), "workers = 1 }", "workers = 1, objectives = [\"metric\", \"params\"] }"),
                 "hidden = 8, heads = [", "hidden = [4, 8, 16], heads = ["));
  const std::string out = search_all_ways("goals.toml");
  CHECK(has(out, "front   "));
  const nlohmann::json results = parsed("one/results.json");
  CHECK(results.at("study").at("objectives") == nlohmann::json::parse(R"([["accuracy","maximise"],["params","minimise"]])"));
  // The front by hand, and who is on it.
  std::set<std::string> front;
  const nlohmann::json& trials = results.at("trials");
  const auto params = [](const nlohmann::json& t) { return t.at("measures").at(0).at(1).get<double>(); };
  for (const auto& t : trials) {
    if (t.at("state") != "complete") continue;
    CHECK(t.at("measures").at(0).at(0) == "params");
    CHECK(params(t) == t.at("params").get<double>());
    bool dominated = false;
    for (const auto& o : trials)
      if (o.at("state") == "complete" && o.at("value") >= t.at("value") && params(o) <= params(t) &&
          (o.at("value") > t.at("value") || params(o) < params(t)))
        dominated = true;
    if (!dominated) front.insert("#" + std::to_string(t.at("number").get<int>()));
  }
  for (const auto& m : results.at("models"))
    if (m.at("name") != "default") CHECK(front.contains(m.at("name").get<std::string>()));
  CHECK(call({"study", "front", "one"}).code == 0);
}

TEST_CASE("targets relative to the default: the study has its result, trials state how far they are, the winner is judged") {
  const Workplace place;
  write_search();
  write("goals.toml",
        read("lathe.toml") + "limits = { params = 100000, target = [\"accuracy >= 0.5 * default\", \"flops <= 1 * default\"] }\n");
  const std::string out = search_all_ways("goals.toml");
  CHECK(has(out, "target  accuracy >= 0.5 * default holds: "));
  CHECK(has(out, "target  flops <= 1 * default holds: "));
  const nlohmann::json results = parsed("one/results.json");
  for (const auto& t : results.at("trials")) {
    if (t.at("state") != "complete") continue;
    const auto& last = t.at("measures").back();
    CHECK(last.at(0) == "accuracy >= 0.5 * default");
    CHECK(last.at(1).get<double>() + t.at("value").get<double>() > 0);  // both give half the default's accuracy
  }
  // A worker takes the baseline from the header.
  REQUIRE(call({"search", "goals.toml", "--out", "shared", "--until-commit", "5"}).code == 0);
  fs::remove("shared/baseline.json");
  const Answer worker = call({"worker", "shared"});
  CAPTURE(worker.err);
  CHECK(worker.code == 0);
  CHECK_FALSE(fs::exists("shared/baseline.json"));
  CHECK(study_hash("shared") == study_hash("one"));
}

TEST_CASE("the smallest model that is good enough") {
  const Workplace place;
  write_search({.trials = 8});
  const std::vector<std::string> search = {"search",  "lathe.toml",
                                           "--set",   "search.objectives=[\"params\"]",
                                           "--set",   "space.hidden=[4, 8, 16]",
                                           "--limit", "target=accuracy >= 0.5 * default"};
  const auto also = [&](std::vector<std::string> more) {
    std::vector<std::string> all = search;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  CHECK(error_of(search) ==
        "search.pruner = \"median\" would stop trials by params alone, which training does not change; set "
        "search.pruner = \"none\"");
  const Answer answer = call(also({"--set", "search.pruner=none", "--out", "a"}));
  CAPTURE(answer.err);
  REQUIRE(answer.code == 0);
  double smallest = 1e9;
  const nlohmann::json results = parsed("a/results.json");
  for (const auto& t : results.at("trials"))
    if (t.at("measures").back().at(1) <= 0) smallest = std::min(smallest, t.at("value").get<double>());
  CHECK(results.at("models").at(results.at("winner").get<std::size_t>()).at("params").get<double>() == smallest);
  CHECK(has(answer.err, " params="));
  for (std::size_t at = 0; (at = answer.err.find(" params=", at)) != std::string::npos; ++at)  // an objective is printed once
    CHECK(answer.err.find(" params=", at + 1) > answer.err.find('\n', at));
}

TEST_CASE("vocabulary and length are searched: rows, model and its tokenizer are those of the winner") {
  const Workplace place;
  write_search();
  write("test.tsv", reviews(240));  // its last third is in no other part
  const std::string space =
      replaced(read("lathe.toml"), "heads = [1, 2, 4]", "vocab = [70, 90, 100], max_tokens = { min = 4, max = 12, step = 4 }");
  write("goals.toml", replaced(space, "\"reviews.tsv\",", "\"reviews.tsv\", test = \"test.tsv\","));
  search_all_ways("goals.toml");
  const nlohmann::json results = parsed("one/results.json"), config = parsed("one/model/config.json");
  std::set<std::string> used;
  for (const auto& t : results.at("trials"))
    for (const auto& p : t.at("parameters"))
      if (p.at(0) == "vocab") used.insert(p.at(1).get<std::string>());
  CHECK(used.size() > 1);
  std::map<std::string, std::string> winner;
  for (const auto& p : results.at("models").at(results.at("winner").get<std::size_t>()).at("parameters"))
    winner[p.at(0).get<std::string>()] = p.at(1).get<std::string>();
  const nlohmann::json tokenizer = parsed("one/model/tokenizer.json");
  CHECK(std::to_string(tokenizer.at("model").at("vocab").size()) == winner.at("vocab"));
  CHECK(config.dump().find("\"max_tokens\":" + winner.at("max_tokens")) != std::string::npos);
  CHECK(config.dump().find("\"vocab_size\":" + winner.at("vocab")) != std::string::npos);
  const Answer scored = call({"evaluate", "one/model", "test.tsv", "--json"});
  REQUIRE(scored.code == 0);
  const nlohmann::json score = nlohmann::json::parse(scored.out), metrics = parsed("one/model/metrics.json");
  CHECK(score.at("accuracy") == metrics.at("test").at("accuracy"));
  CHECK(score.at("rows") == 240);
  CHECK(has(error_of({"search", "goals.toml", "--set", "space.vocab=[100, 900]"}),
            "vocab has 801 values, and each is a vocabulary to learn; at most 32"));
  CHECK(has(error_of({"search", "goals.toml", "--set", "space.vocab=[11, 12, 13]"}), "vocab = 11: "));
  CHECK(has(error_of({"search", "goals.toml", "--set", "tokenizer.file=one/model/tokenizer.json"}),
            "vocab cannot be searched: tokenizer.file gives the vocabulary"));
}

TEST_CASE("limits and objectives that cannot be: one line each") {
  const Workplace place;
  write_search();
  const auto error = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"search", "lathe.toml"});
    return error_of(more);
  };
  CHECK(error({"--limit", "flops=10"})
            .starts_with("--limit flops: limits.flops = 10 excludes every architecture that was drawn; the smallest is "));
  CHECK(
      error({"--limit", "size_mb=0.001"})
          .starts_with("--limit size_mb: limits.size_mb = 0.001 excludes every architecture that was drawn; the smallest is 0.00"));
  CHECK(error({"--limit", "memory_mb=0.00001"}).find("MB (layers 1, hidden 8)") != std::string::npos);
  CHECK(error({"--limit", "target=params <= 0.01 * default"})
            .starts_with("--limit target: params <= 0.01 * default excludes every architecture that was drawn; the smallest is "));
  CHECK(error({"--limit", "latency_m=5"}) ==
        "--limit latency_m=5: unknown key `limits.latency_m`; did you mean `limits.latency_ms`?");
  CHECK(error({"--limit", "flops=-1"}) == "--limit flops -1: expected an integer >= 0");
  CHECK(error({"--limit", "target=acuracy >= 1"}).find("did you mean `accuracy`?") != std::string::npos);
  CHECK(error({"--set", "search.objectives=[\"acuracy\"]"}).find("did you mean \"accuracy\"?") != std::string::npos);
  CHECK(error({"--set", "search.objectives=[\"metric\", \"accuracy\"]"}) == "--set: search.objectives names accuracy twice");
  CHECK(error({"--set", "search.objectives=[\"params\"]"}).find("nothing that training tells is asked for") != std::string::npos);
  CHECK(error({"--set", "space.ffn=[8, 64]", "--set", "space.expansion=[1, 2]"}).find("exclude each other: both give the width") !=
        std::string::npos);
  CHECK_FALSE(fs::exists("runs"));
}
