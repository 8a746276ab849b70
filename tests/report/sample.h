// A small run with every field set, texts that would break a careless page included.
#pragma once
#include <lathe/nas/transformer/results.h>

#include <limits>

namespace lathe::nas {

inline train::EpochResult sample_epoch(std::int64_t epoch, double accuracy, bool best) {
  train::EpochResult e;
  e.epoch = epoch;
  e.train_loss = 0.7 - 0.1 * static_cast<double>(epoch);
  e.valid = {accuracy, accuracy - 0.01, 0.5};
  e.best = best;
  e.steps = 10 * epoch;
  e.tokens = 1000 * epoch;
  return e;
}

inline ModelRow sample_model(const std::string& name, double test, std::int64_t params) {
  ModelRow m;
  m.name = name;
  m.architecture = "L2 H64 heads 2,4 <x>";
  m.parameters = {{"layers", "2"}, {"lr", "0.001"}};
  m.valid = test + 0.01;
  m.test = test;
  m.half_width = 0.012;
  m.macro_f1 = test - 0.005;
  m.params = params;
  m.bytes = 4 * params;
  m.flops = 9'000'000;
  m.memory = 31'000'000;
  m.answer_memory = 2'700'000;
  m.seeds = 3;
  m.low = test - 0.023;
  m.high = test + 0.021;
  m.config = R"({"vocab_size":3000,"max_tokens":5,"hidden":64,"classes":2,"layers":[{"heads":2,"ffn":128},{"heads":4,"ffn":128}]})";
  m.latency = ModelLatency{4.1, 4.2, 5.5};
  m.curves = {{sample_epoch(1, 0.71, false), sample_epoch(2, test, true)}, {}};
  return m;
}

inline void sample_explanation(RunResults& r) {
  r.limits = {{"latency_ms", 5, "latency_ms <= 5"}};
  r.latency =
      LatencySummary{{{"sample <1>", 1.0, 1.1}, {"sample 2", 2.0, 1.9}}, 0.94, 0.06, 1, 32, 1, "the machine drifted <a little>"};
  r.layers = {{"embedding", 192'000, 64, 1024, 0.1}, {"layer 1 attention", 16'384, 90'000, 4096, 0.9}};
  r.reliability = {{100, 0.6, 50}, {200, 0.9, 160}};
  const double unknown = std::numeric_limits<double>::quiet_NaN();
  r.why.parameters = {{"layers", false, 0, 0, {"1", "2", "3", "9"}, 0.4, ""}, {"lr", true, 1e-4, 1e-2, {}, 0.6, "top"}};
  r.why.trial = 3;
  r.why.effects = {{"layers", "2", "1", Effect::Source::trials, -0.02, unknown, 1},
                   {"layers", "2", "3", Effect::Source::retrained, 0.01, 0.004, 3},
                   {"lr", "0.01", "0.300 to 0.500", Effect::Source::estimate, -0.03, 0.01, 2.4}};
  r.why.outlook = {{1, 0.61, 0.84, 0.86}, {4, 0.86, 0.86, 0.86}, {8, 0.86, 0.87, 0.9}};
  r.why.by_luck = {{1, unknown, 0.61, 0.84}, {4, 0.84, 0.85, 0.855}};
  r.why.random_trials = 2;
  r.why.finished_trials = 4;
}

/// More complete trials, so that importances are told.
inline void add_trials(RunResults& r, std::int64_t complete) {
  for (std::int64_t i = 0; i < complete; ++i) {
    TrialRow t{4 + i, TrialState::complete, 0.7, "L1 H16", {{"layers", "1"}}, {0.7}, 200'000, 5, 6, 30, ""};
    r.trials.push_back(t);
  }
}

inline RunResults sample_results() {
  RunResults r;
  r.data = {.name = "reviews & <b>.tsv",
            .notes = {"columns: text, label"},
            .warnings = {"7 rows occur twice"},
            .labels = {"bad", "<script>alert(1)</script>"},
            .class_rows = {600, 1400},
            .train_rows = 2000,
            .valid_rows = 250,
            .test_rows = 1057,
            .train_tokens = 40'000,
            .max_tokens = 5,
            .cut_rows = 12,
            .vocabulary = 3000,
            .length_counts = {1, 0, 30, 400, 1569},
            .hash = "d474"};
  r.study = {
      .name = "reviews", .hash = "3f9ac1", .metric = "accuracy", .sampler = "tpe", .pruner = "asha", .numerics = "numerics-1"};
  r.study.seed = 18'446'744'073'709'551'615U;
  r.study.events = 148;
  r.study.virtual_workers = 4;
  r.study.budget = 3;
  r.study.finished = true;
  r.study.exhausted = true;
  r.study.space = "1,200";
  r.study.hints = {"`lr` is at the top of its range in 4 of the 5 best trials: widen it"};
  TrialRow complete{0, TrialState::complete, 0.84, "L2 H64", {{"layers", "2"}}, {0.7, 0.84}, 90'000, 5, 6, 12, ""};
  TrialRow pruned{1, TrialState::pruned, 0.61, "L1 H32", {{"layers", "1"}}, {0.61}, 40'000, 3, 4, 9, ""};
  TrialRow failed{2, TrialState::failed, {}, "L9 H512", {{"layers", "9"}}, {}, 9'000'000, 3, 4, 13, "loss is <not> finite"};
  TrialRow better{3, TrialState::complete, 0.86, "L3 H96", {{"layers", "3"}, {"lr", "0.009"}}, {0.72, 0.86}, 150'000, 5, 6, 20, ""};
  r.trials = {complete, pruned, failed, better};
  r.models = {sample_model("#3", 0.842, 150'000), sample_model("#0", 0.838, 90'000), sample_model("default", 0.823, 120'000)};
  r.models[0].to_default = PairedDifference{0.019, 0.015};
  r.models[1].to_default = PairedDifference{0.015, 0.017};
  r.models[1].of_winner = PairedDifference{0.004, 0.012};
  r.models[1].failed = 1;
  r.winner = 0;
  r.winner_seed = 2;
  r.metric = "accuracy";
  r.baselines = {{"bag of words", 0.801, 0.79, 0.024}, {"majority class", 0.558, 0.36, 0.03}};
  r.winner_to_bag_of_words = PairedDifference{0.041, 0.02};
  r.winner_to_majority = PairedDifference{0.284, 0.03};
  r.confusion.classes = 2;
  r.confusion.counts = {400, 100, 67, 490};
  r.mistakes = {
      {"reviews.tsv:7", "it's <script>alert('x')</script> | a \"film\" & `more`\nnext", "bad", "<script>alert(1)</script>", 0.993}};
  r.models[1].violations = {"#0 breaks latency_ms <= 5"};
  for (TrialRow& t : r.trials) t.latency_ms = static_cast<double>(t.params) / 2e4;
  sample_explanation(r);
  r.commands = {{"again", "lathe search 'a b.toml' --until-commit 148"}};
  r.seconds = {{"search", 370.25}, {"finalists", 170.5}};
  r.resumed = true;
  r.config = "[data]\nfile = \"<reviews>.tsv\"\n";
  r.version = "0.1.0";
  r.host = {"Some CPU @ 2 GHz", "avx2", "gcc 12.2.0", "Linux 6.1 x86_64", 8, 2};
  return r;
}

}  // namespace lathe::nas
