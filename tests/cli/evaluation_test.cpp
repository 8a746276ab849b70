// lathe search with everything that may come before its first proposal: latency, shared weights, proxies, their calibration.
#include <nlohmann/json.hpp>

#include "process.h"
#include "search_config.h"

#include <doctest/doctest.h>

using namespace lathe::test;
namespace fs = std::filesystem;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A space that weights can be shared in, small enough that every architecture is soon trained.
void write_shared() {
  write("reviews.tsv", reviews(160));
  write("shared.toml", R"(
[data]
train = "reviews.tsv"
max_tokens = 12
[tokenizer]
vocab = 120
[search]
trials = 9
virtual_workers = 3
sampler = "evolution"
pruner = "none"
workers = 1
[model]
hidden = 16
heads = 2
layers = 1
[space]
layers = [1, 2]
hidden = [8, 16]
expansion = [1, 2, 4]
"layers[i].heads" = [1, 2]
[train]
epochs = 1
batch_rows = 16
lr = 0.01
[supernet]
epochs = 2
[proxy]
force = true
[finalists]
count = 1
seeds = 1
epochs = 1
measure = false
)");
}

/// One worker, two, five, and killed after `kill_at` has been printed, then resumed: one study.
void check_one_study(std::vector<std::string> options, const std::string& kill_at) {
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = {"search", "shared.toml"};
    all.insert(all.end(), options.begin(), options.end());
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const Answer one = call(with({"--out", "one"}));
  CAPTURE(one.err);
  REQUIRE(one.code == 0);
  for (const char* workers : {"2", "5"}) {
    REQUIRE(call(with({"--out", workers, "--workers", workers})).code == 0);
    CHECK(study_hash(workers) == study_hash("one"));
  }
  Process process(with({"--out", "killed", "--workers", "2"}));
  REQUIRE(process.read_until(kill_at));
  process.signal(SIGKILL);
  process.wait();
  const Answer resumed = call({"search", "--resume", "killed"});
  CAPTURE(resumed.err);
  REQUIRE(resumed.code == 0);
  CHECK(study_hash("killed") == study_hash("one"));
  CHECK(read("killed/model/model.safetensors") == read("one/model/model.safetensors"));
  for (const char* run : {"one", "2", "5", "killed"}) fs::remove_all(run);
}

}  // namespace

TEST_CASE("shared weights and a controller under a limit: one study for any number of workers, and after kills") {
  const Workplace place;
  write_shared();
  const std::vector<std::string> options = {
      "--set", "search.evaluate=inherited", "--set", "search.sampler=controller", "--limit", "params=8000"};
  for (const char* moment : {"share   epoch 1", "to see how well", "done=3/9"}) check_one_study(options, moment);
  // A worker reads the weights of the run.
  std::vector<std::string> cut = {"search", "shared.toml", "--out", "cut", "--until-commit", "5"}, whole = cut;
  cut.insert(cut.end(), options.begin(), options.end());
  REQUIRE(call(cut).code == 0);
  const Answer worker = call({"worker", "cut"});
  CAPTURE(worker.err);
  CHECK(worker.code == 0);
  whole = {"search", "shared.toml", "--out", "whole"};
  whole.insert(whole.end(), options.begin(), options.end());
  REQUIRE(call(whole).code == 0);
  CHECK(study_hash("cut") == study_hash("whole"));
  const std::string exported = call({"study", "export", "whole"}).out;  // the header comes first
  CHECK(has(exported.substr(0, exported.find('\n')), "\"preparation\":{\"calibration\":{"));
  CHECK(has(exported.substr(0, exported.find('\n')), "\"supernet\":{\"epochs\":2,"));
}

TEST_CASE("a cheaper training and a latency limit: one study for any number of workers, and after kills") {
  const Workplace place;
  write_shared();
  REQUIRE(call({"search", "shared.toml", "--limit", "latency_ms=50", "--set", "latency.samples=10", "--set", "latency.tokens=8",
                "--out", "measured"})
              .code == 0);
  check_one_study({"--set", "search.evaluate=proxy", "--set", "proxy.data=0.5", "--limit", "latency_ms=50", "--set",
                   "latency.samples=10", "--set", "latency.tokens=8", "--latency-from", "measured"},
                  "to see how well");
}

TEST_CASE("what cannot stand for training is refused, and so is a space whose weights cannot be shared") {
  const Workplace place;
  write_shared();
  const Answer refused = call({"search", "shared.toml", "--set", "search.evaluate=proxy", "--set", "proxy.kind=jacobian", "--set",
                               "proxy.force=false", "--set", "proxy.threshold=0.99"});
  CHECK(refused.code == 1);
  CHECK(has(refused.err, "proxy `jacobian`: Kendall's tau with the training in full is"));
  const std::string shared = read("shared.toml");
  write("shared.toml", shared + "[space.lr]\nmin = 1e-4\nmax = 1e-2\n");
  const Answer unshared = call({"search", "shared.toml", "--set", "search.evaluate=inherited", "--out", "never"});
  CHECK(unshared.code == 2);
  CHECK(has(unshared.err, "`lr` cannot be searched on shared weights"));
  CHECK_FALSE(fs::exists("never"));
  const Answer score = call({"search", "lathe.toml", "--set", "proxy.kind=synflo"});
  CHECK(score.code == 2);
}

TEST_CASE("finalists are measured, and what the measurement says against a limit is told") {
  const Workplace place;
  write_shared();
  const Answer answer = call({"search", "shared.toml", "--out", "run", "--limit", "latency_ms=50", "--set", "latency.samples=10",
                              "--set", "latency.tokens=8", "--set", "finalists.measure=true"});
  CAPTURE(answer.err);
  REQUIRE(answer.code == 0);
  const nlohmann::json results = nlohmann::json::parse(read("run/results.json"));
  for (const auto& model : results.at("models")) {
    REQUIRE(model.at("latency").size() == 3);  // predicted, p50, p95
    for (const auto& ms : model.at("latency")) CHECK(ms.get<double>() > 0);
  }
  CHECK(results.at("latency").at("samples").size() == 10);
  CHECK(results.at("layers").size() >= 3);
  CHECK(has(answer.out, "--latency-from run"));
}
