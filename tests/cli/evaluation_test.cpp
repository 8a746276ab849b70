// lathe search with everything that may come before its first proposal: latency, shared weights, proxies, their calibration.
#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "process.h"
#include "search_config.h"

#include <doctest/doctest.h>

using namespace lathe::test;
namespace fs = std::filesystem;

namespace {

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

/// Every file below a folder, by its path from there.
std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    files[entry.path().lexically_relative(folder).string()] = entry.is_directory() ? "" : read(entry.path().string());
  return files;
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
  // Insisting later evaluates nothing again.
  const std::string run = "runs/reviews-1";
  REQUIRE(fs::exists(run + "/calibration.log"));
  const std::string log = read(run + "/calibration.log");
  CHECK(has(refused.err, "lathe search --resume " + run + " --set proxy.force=true"));
  CHECK(call({"search", "--resume", run}).code == 1);
  CHECK(call({"search", "--resume", run, "--set", "train.epochs=9"}).code == 2);
  const Answer forced = call({"search", "--resume", run, "--set", "proxy.force=true"});
  REQUIRE(forced.code == 0);
  for (const std::string& text : {forced.out, read(run + "/report.md"), read(run + "/report.html"), read(run + "/model/README.md")})
    CHECK(has(text, "refused, as the lower end does not reach 0.99, and forced"));
  const nlohmann::json kept = nlohmann::json::parse(read(run + "/calibration.json"));
  const nlohmann::json told = nlohmann::json::parse(read(run + "/results.json")).at("calibration");
  CHECK(told.at("tau").at(0) == kept.at("cheap").at("tau").at(0));
  CHECK(told.at("architectures") == kept.at("rows").size());
  CHECK(read(run + "/calibration.log") == log);
  CHECK(call({"search", "--resume", run, "--trials", "10"}).code == 0);
  CHECK(has(call({"search", "--resume", run, "--set", "proxy.force=false"}).err, "the study has begun"));
  const std::string shared = read("shared.toml");
  write("shared.toml", shared + "[space.lr]\nmin = 1e-4\nmax = 1e-2\n");
  const Answer unshared = call({"search", "shared.toml", "--set", "search.evaluate=inherited", "--out", "never"});
  CHECK(unshared.code == 2);
  CHECK(has(unshared.err, "`lr` cannot be searched on shared weights"));
  CHECK_FALSE(fs::exists("never"));
  const Answer score = call({"search", "shared.toml", "--set", "proxy.kind=synflo"});
  CHECK(score.code == 2);
  CHECK(has(score.err, "proxy.kind"));
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

TEST_CASE("what cannot be is said before anything is written, by a dry run too") {
  const Workplace place;
  write_shared();
  const auto refused = [](std::vector<std::string> options, const std::string& message) {
    for (const bool dry : {false, true}) {
      std::vector<std::string> all = {"search", "shared.toml", "--out", "never"};
      all.insert(all.end(), options.begin(), options.end());
      if (dry) all.push_back("--dry-run");
      const Answer answer = call(all);
      CAPTURE(answer.err);
      CHECK(answer.code == 2);
      CHECK(has(answer.err, message));
      CHECK_FALSE(fs::exists("never"));
    }
  };
  refused({"--set", "search.evaluate=proxy"}, "proxy");  // a training in full
  refused({"--set", "search.evaluate=proxy", "--set", "proxy.kind=snip", "--set", "proxy.steps=0.5"}, "proxy");
  refused({"--limit", "latency_ms=5", "--latency-from", "nowhere"}, "nowhere");
  for (const char* evaluate : {"search.evaluate=inherited", "search.evaluate=proxy"})
    refused({"--set", evaluate, "--set", "proxy.steps=0.5", "--limit", "target=accuracy >= 0.5"},
            "expected a target relative to the default");
  refused({"--set", "search.evaluate=proxy", "--set", "proxy.kind=synflow", "--limit", "target=accuracy >= 0.9 * default"},
          "trains nothing");
  for (const char* outside : {"model.hidden=32", "model.layers=3", "model.heads=4"})
    refused({"--set", "search.evaluate=inherited", "--set", outside, "--limit", "target=loss <= 1.5 * default"},
            "does not lie in [space]");
}

TEST_CASE("settings without effect are told") {
  const Workplace place;
  write_shared();
  const auto warnings = [](std::vector<std::string> options) {
    std::vector<std::string> all = {"search", "shared.toml", "--set", "search.evaluate=inherited", "--dry-run"};
    all.insert(all.end(), options.begin(), options.end());  // a later --set wins
    const Answer answer = call(all);
    CHECK(answer.code == 0);
    return answer.err;
  };
  CHECK_FALSE(has(warnings({}), "no effect"));
  CHECK(has(warnings({"--set", "proxy.steps=0.5"}), "--set: proxy.steps = 0.5 has no effect: search.evaluate is \"inherited\""));
  CHECK(has(warnings({"--set", "search.evaluate=train"}), "supernet.epochs = 2 has no effect: search.evaluate is \"train\""));
  CHECK(has(warnings({"--latency-from", "nowhere"}), "has no effect: no objective, limit or target is a latency"));
}

TEST_CASE("a target relative to the default is judged by what judges the candidates") {
  const Workplace place;
  write_shared();
  const auto default_accuracy = [](const std::string& run) {
    const std::string exported = call({"study", "export", run}).out;
    const std::size_t at = exported.find("\"baseline\":{\"accuracy\":");
    REQUIRE(at != std::string::npos);
    return std::stod(exported.substr(at + 23));
  };
  const std::vector<std::string> base = {"search", "shared.toml",   "--limit", "target=loss <= 1.5 * default",
                                         "--set",  "train.epochs=3"};
  const auto search = [&](const std::string& out, std::vector<std::string> options) {
    std::vector<std::string> all = base;
    all.insert(all.end(), options.begin(), options.end());
    all.insert(all.end(), {"--out", out});
    const Answer answer = call(all);
    CAPTURE(answer.err);
    CHECK((answer.code == 0 || answer.code == 1));
    return answer.err;
  };
  search("full", {});
  search("cheap", {"--set", "search.evaluate=proxy", "--set", "proxy.steps=0.1"});
  CHECK(default_accuracy("cheap") != default_accuracy("full"));
  const std::string err = search("shared", {"--set", "search.evaluate=inherited"});
  CHECK(has(err, "default accuracy"));
}

TEST_CASE("a searched length and latency: texts are cut to what a model takes") {
  const Workplace place;
  write_shared();
  const std::string shared = read("shared.toml");
  write("shared.toml", shared.substr(0, shared.find("[space]")) + "[space]\nmax_tokens = [6, 12]\nhidden = [8, 16]\n" +
                           shared.substr(shared.find("[train]")));
  const Answer answer = call({"search", "shared.toml", "--limit", "latency_ms=50", "--set", "latency.samples=10", "--out", "run",
                              "--set", "finalists.measure=true"});
  CAPTURE(answer.err);
  CHECK(answer.code == 0);
}

TEST_CASE("a search that joins a study takes its latency, and hands it on") {
  const Workplace place;
  write_shared();
  const auto search = [](const std::string& out, std::vector<std::string> options) {
    std::vector<std::string> all = {"search", "shared.toml",        "--limit", "latency_ms=50",
                                    "--set",  "latency.samples=10", "--out",   out};
    all.insert(all.end(), options.begin(), options.end());
    const Answer answer = call(all);
    CAPTURE(answer.err);
    CHECK(answer.code == 0);
  };
  const std::vector<std::string> together = {"--set", "storage.url=\"sqlite:///shared.db\"", "--set", "storage.name=one"};
  search("a", together);
  search("b", together);
  CHECK(study_hash("a") == study_hash("b"));
  for (const char* from : {"a", "b", "shared.db", "shared.db#one"}) {
    CAPTURE(from);
    search("again", {"--latency-from", from});
    CHECK(study_hash("again") == study_hash("a"));
    fs::remove_all("again");
  }
  CHECK_FALSE(fs::exists("b/latency.json"));
  search("own", {"--set", "storage.url=\"sqlite:///own/mine.db\""});  // in a folder that is not there yet
  CHECK(fs::exists("own/latency.json"));
}

TEST_CASE("--force replaces a run only once latency is measured and something is within its limit") {
  const Workplace place;
  write_shared();
  REQUIRE(call({"search", "shared.toml", "--out", "run"}).code == 0);
  const std::map<std::string, std::string> before = files_of("run");
  REQUIRE(before.contains("model/model.safetensors"));
  for (const std::vector<std::string>& out : {std::vector<std::string>{"--out", "run", "--force"}, {}}) {
    std::vector<std::string> tight = {"search", "shared.toml", "--limit", "latency_ms=0.001", "--set", "latency.samples=10"};
    tight.insert(tight.end(), out.begin(), out.end());
    const Answer refused = call(tight);
    CAPTURE(refused.err);
    CHECK(refused.code == 2);
    CHECK(has(refused.err, "limits.latency_ms = 0.001 excludes every architecture"));
  }
  CHECK_FALSE(fs::exists("runs"));
  std::vector<std::string> measure = {"search", "shared.toml", "--limit", "latency_ms=50", "--out", "run", "--force", "--set"};
  measure.push_back("latency.samples=1000");
  Process measuring(measure);
  REQUIRE(measuring.read_until("training 128"));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  measuring.signal(SIGINT);
  CHECK(measuring.wait() == 130);
  CHECK(has(measuring.err(), "nothing was kept"));
  CHECK(files_of("run") == before);

  // Killed before there was a study: the table is that of the run.
  measure.back() = "latency.samples=10";
  REQUIRE(call(measure).code == 0);
  const std::string table = read("run/latency.json"), hash = study_hash("run");
  fs::remove("run/study.db");
  const Answer resumed = call({"search", "--resume", "run"});
  CAPTURE(resumed.err);
  CHECK(resumed.code == 0);
  CHECK(read("run/latency.json") == table);
  CHECK(study_hash("run") == hash);
}

TEST_CASE("--force leaves nothing of the run that it replaces") {
  const Workplace place;
  write_shared();
  REQUIRE(call({"search", "shared.toml", "--out", "new"}).code == 0);
  const auto names = [](const fs::path& folder) {
    std::set<std::string> out;
    for (const auto& [name, bytes] : files_of(folder)) out.insert(name);
    return out;
  };
  std::set<std::string> written;
  const auto replaced = [&](std::vector<std::string> options) {
    options.insert(options.begin(), {"search", "shared.toml", "--out", "run", "--force"});
    const Answer answer = call(options);
    CAPTURE(answer.err);
    CHECK((answer.code == 0 || answer.code == 1));  // the target may not hold in the end
    written.merge(names("run"));
    REQUIRE(call({"search", "shared.toml", "--out", "run", "--force"}).code == 0);
    for (const auto& [option, key] : {std::pair("--warm-start", "search.warm_start"), std::pair("--latency-from", "latency.from")})
      for (const std::string source : {"run", "run/study.db#run", "run/study.db", "sqlite:///run/study.db", "./run/../run"}) {
        const std::string error = error_of({"search", "shared.toml", "--out", "run", "--force", option, source});
        CAPTURE(source);
        CHECK(error.starts_with("--force would remove "));
        CHECK(error.ends_with(std::string(", which ") + key + " reads; use --out NEW"));
        CHECK(std::filesystem::exists("run/study.db"));
      }
    CHECK(names("run") == names("new"));
  };
  replaced({"--set", "search.evaluate=proxy", "--set", "proxy.steps=0.5", "--limit", "target=loss <= 9 * default"});
  replaced({"--set", "search.evaluate=inherited", "--limit", "latency_ms=50", "--set", "latency.samples=10", "--set",
            "latency.tokens=8", "--set", "finalists.ablations=1", "--set", "output.tensorboard=true"});
  for (const std::string name : {"latency.json", "supernet.ckpt", "calibration.log", "calibration.json", "calibration",
                                 "baseline.json", "ablations", "tb"}) {
    CAPTURE(name);
    CHECK(written.contains(name));
  }
}

TEST_CASE("a supernet that is lost is trained again") {
  const Workplace place;
  write_shared();
  REQUIRE(call({"search", "shared.toml", "--set", "search.evaluate=inherited", "--out", "cut", "--until-commit", "5"}).code == 0);
  fs::remove("cut/supernet.ckpt");
  const Answer worker = call({"worker", "cut/study.db", "-c", "cut/config.toml", "--out", "elsewhere"});
  CAPTURE(worker.err);
  CHECK(worker.code == 0);
  CHECK(has(worker.err, "train the weights that all architectures share"));
  CHECK(fs::exists("elsewhere/supernet.ckpt"));
}
