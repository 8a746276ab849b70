// results.json: what is written is read back, and a damaged file is refused with a sentence.
#include <lathe/base/error.h>

#include "sample.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace lathe;
using namespace lathe::nas;

namespace {

std::string refusal(const std::string& json) {
  try {
    run_results(json, "results.json");
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, from);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("every field survives writing and reading") {
  const RunResults r = sample_results();
  const std::string json = to_json(r);
  const RunResults back = run_results(json, "x");
  CHECK(to_json(back) == json);
  // Spot checks, since a field that is neither written nor read would pass the line above.
  CHECK(back.study.seed == r.study.seed);
  CHECK(back.study.exhausted);
  CHECK(back.study.hints == r.study.hints);
  CHECK(back.data.length_counts == r.data.length_counts);
  CHECK(back.data.vocabulary == 3000);
  CHECK(back.trials[1].state == TrialState::pruned);
  CHECK(back.trials[0].curve == r.trials[0].curve);
  CHECK(back.trials[0].flops == 5);
  CHECK(back.trials[0].memory == 6);
  CHECK(!back.trials[2].value);
  CHECK(back.trials[2].note == r.trials[2].note);
  CHECK(back.models[0].parameters == r.models[0].parameters);
  CHECK(back.models[0].bytes == 600'000);
  CHECK(back.models[0].answer_memory == 2'700'000);
  CHECK(back.models[0].curves[0][1].tokens == 2000);
  CHECK(back.models[0].curves[0][1].best);
  CHECK(back.models[0].curves[0][0].train_loss == r.models[0].curves[0][0].train_loss);
  CHECK(back.models[0].curves[1].empty());
  CHECK(back.models[1].failed == 1);
  CHECK(back.models[0].to_default->half_width == 0.015);
  CHECK(!back.models[2].to_default);
  CHECK(back.models[1].of_winner->half_width == 0.012);
  CHECK(!back.models[0].of_winner);
  CHECK(back.winner_seed == 2);
  CHECK(back.confusion.counts == r.confusion.counts);
  CHECK(back.mistakes[0].text == r.mistakes[0].text);
  CHECK(back.mistakes[0].confidence == 0.993);
  CHECK(back.commands == r.commands);
  CHECK(back.seconds == r.seconds);
  CHECK(back.resumed);
  CHECK(back.config == r.config);
  CHECK(back.host.cores == 8);
  CHECK(back.host.workers == 2);
}

TEST_CASE("what not every run has survives too, and a record without it is read") {
  RunResults r = sample_results();
  r.study.evaluation = "synflow";
  CHECK(run_results(to_json(r), "x").study.evaluation == "synflow");
  r.trials[0].epochs = {sample_epoch(1, 0.7, true)};
  r.trials[0].measures = {{"energy", 2.5}};
  const std::string json = to_json(r);
  const RunResults back = run_results(json, "x");
  CHECK(to_json(back) == json);
  CHECK(back.trials[0].epochs[0].valid.accuracy == 0.7);
  CHECK(back.trials[0].measures[0].second == 2.5);
  CHECK(*back.trials[0].latency_ms == 4.5);
  CHECK(back.models[0].latency->p95 == 5.5);
  CHECK(back.models[0].low == 0.842 - 0.023);
  CHECK(back.models[1].violations == r.models[1].violations);
  CHECK(back.limits[0].text == "latency_ms <= 5");
  CHECK(back.latency->samples[1].measured == 1.9);
  CHECK(back.latency->note == r.latency->note);
  CHECK(back.layers[1].ms == 0.9);
  CHECK(back.reliability[1].right == 160);
  CHECK(back.why.parameters[1].log);
  CHECK(back.why.parameters[1].edge == "top");
  CHECK(back.why.effects[1].source == Effect::Source::retrained);
  CHECK(std::isnan(back.why.effects[0].error));
  CHECK(back.why.outlook[2].high == 0.9);
  CHECK(std::isnan(back.why.by_luck[0].low));
  CHECK(back.models[0].to_default->mean == 0.019);
  CHECK(std::isnan(back.models[0].to_default->p_value));
  r.models[0].to_default->p_value = 0.25;
  CHECK(run_results(to_json(r), "x").models[0].to_default->p_value == 0.25);

  train::EpochResult logged = sample_epoch(2, 0.8, false);  // of a study's log, which knows neither steps nor the best epoch
  logged.steps = logged.tokens = 0;
  logged.train_loss = 0.5;
  r.trials[0].epochs = {logged};
  const std::string sparse = to_json(r);
  CHECK(sparse.find("\"epochs\":[{\"epoch\":2,\"train_loss\":0.5,\"valid\":[0.8,") != std::string::npos);
  CHECK(to_json(run_results(sparse, "x")) == sparse);

  RunResults bare;
  CHECK(!run_results(to_json(bare), "x").latency);
  CHECK(refusal(replaced(json, "\"source\":\"retrained\"", "\"source\":\"guessed\"")) ==
        "results.json: source of an effect 'guessed' is none of trials, estimate, retrained");
}

TEST_CASE("a record of nothing is a record") {
  const RunResults back = run_results(to_json(RunResults{}), "x");
  CHECK(back.winner == -1);
  CHECK(back.trials.empty());
}

TEST_CASE("a loss that is not finite is read as NaN") {
  RunResults r = sample_results();
  r.models[0].curves[0][0].train_loss = std::numeric_limits<double>::infinity();
  r.trials[0].curve[1] = std::numeric_limits<double>::quiet_NaN();
  const RunResults back = run_results(to_json(r), "x");
  CHECK(std::isnan(back.models[0].curves[0][0].train_loss));
  CHECK(std::isnan(back.trials[0].curve[1]));
}

TEST_CASE("a damaged record is refused") {
  const std::string json = to_json(sample_results());
  for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, json.size() / 2, json.size() - 2})
    CHECK(refusal(json.substr(0, cut)).starts_with("results.json: is not the record of a run"));
  CHECK(refusal("[]").starts_with("results.json: "));
  CHECK(refusal(replaced(json, "\"schema\":1", "\"schema\":2")) == "results.json: has schema 2, this version reads schema 1");
  CHECK(refusal(replaced(json, "\"state\":\"pruned\"", "\"state\":\"paused\"")) ==
        "results.json: trial state 'paused' is none of running, complete, pruned, failed");
  CHECK(refusal(replaced(json, "\"winner\":0", "\"winner\":3")) == "results.json: winner 3 is none of the 3 models (-1: none)");
  CHECK(refusal(replaced(json, "\"winner\":0", "\"winner\":-2")).starts_with("results.json: winner -2"));
  CHECK(refusal(replaced(json, "\"classes\":2", "\"classes\":3")).starts_with("results.json: a confusion matrix of 3 classes"));
  CHECK(refusal(replaced(json, "\"classes\":2", "\"classes\":-1")).starts_with("results.json: a confusion matrix of -1 classes"));
  RunResults aimed = sample_results();
  aimed.models[0].targets = {{"accuracy >= 0.9", 0.91, 0.9, true}};
  CHECK(run_results(to_json(aimed), "x").models[0].targets[0].bound == 0.9);
  CHECK(refusal(replaced(to_json(aimed), "accuracy >= 0.9", "acuracy >= 0.9"))
            .starts_with("results.json: limits.target \"acuracy >= 0.9\""));
  CHECK(refusal(replaced(json, "\"valid_rows\":250", "\"valid_rows\":\"many\"")).starts_with("results.json: is not the record"));
}
