// Retraining: the same results after any interruption and from damaged files, and who wins.
#include <lathe/base/file.h>
#include <lathe/nas/transformer/ablations.h>
#include <lathe/nas/transformer/final_run_file.h>
#include <lathe/nas/transformer/intervals.h>
#include <lathe/nas/transformer/search.h>

#include <algorithm>
#include <cmath>

#include "tests/nas_transformer/support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;
namespace fs = std::filesystem;

namespace {

std::vector<Finalist> two_finalists() {
  Candidate wider = base();
  wider.hidden = 16;
  return {{"7", 7, wider}, {"default", -1, base()}};
}

FinalistSetting setting_in(const fs::path& folder, int workers = 1) {
  FinalistSetting setting;
  setting.folder = folder;
  setting.task = task();
  setting.seeds = 2;
  setting.workers = workers;
  return setting;
}

/// Every number of every run.
std::vector<std::string> texts(const std::vector<FinalistResult>& results) {
  std::vector<std::string> out;
  for (const FinalistResult& result : results)
    for (const FinalRun& run : result.runs) out.push_back(to_json(run, result.finalist.name));
  return out;
}

FinalRun run_of(double valid, double test, std::string failure = "") {
  FinalRun run;
  run.valid.accuracy = valid;
  run.test.accuracy = test;
  run.failure = std::move(failure);
  return run;
}

FinalistResult result_of(std::int64_t trial, double valid, std::int64_t parameters, bool failed = false) {
  FinalistResult result;
  result.finalist = {std::to_string(trial), trial, base()};
  result.runs = {run_of(valid, 0.5, failed ? "the loss is nan" : "")};
  result.valid = valid;
  result.cost.parameters = parameters;
  return result;
}

}  // namespace

TEST_CASE("finalists: the same for any number of workers, with means and intervals over seeds") {
  const data::EncodedSplits data = splits();
  const Folder one, three;
  const std::vector<FinalistResult> results = train_finalists(two_finalists(), data, setting_in(one.path()));
  CHECK(texts(train_finalists(two_finalists(), data, setting_in(three.path(), 3))) == texts(results));
  REQUIRE(results.size() == 2);
  std::vector<std::string> hashes;
  for (const FinalistResult& r : results) {
    REQUIRE(r.runs.size() == 2);
    for (const FinalRun& run : r.runs) {
      hashes.push_back(run.weights_hash);
      CHECK(run.failure.empty());
      CHECK(run.test_labels.size() == 30);
      CHECK(run.test_confidence.size() == 30);
      CHECK(run.history.size() == 4);
      CHECK(run.best()->valid.accuracy == run.valid.accuracy);
      CHECK(fs::exists(weights_file(setting_in(one.path()), r.finalist, run.seed)));
      CHECK_FALSE(fs::exists(weights_file(setting_in(one.path()), r.finalist, run.seed).parent_path() / "checkpoint"));
    }
    const double a = r.runs[0].test.accuracy, b = r.runs[1].test.accuracy, mean = (a + b) / 2;
    CHECK(r.test == doctest::Approx(mean));
    CHECK(r.valid == doctest::Approx((r.runs[0].valid.accuracy + r.runs[1].valid.accuracy) / 2));
    CHECK(r.test_macro_f1 == doctest::Approx((r.runs[0].test.macro_f1 + r.runs[1].test.macro_f1) / 2));
    const double variance = (a - mean) * (a - mean) + (b - mean) * (b - mean);
    // Wilson's interval (Wilson 1927) for as many rows as would vary like this.
    const double rows = std::min(30.0, mean * (1 - mean) / (variance / 2 + mean * (1 - mean) / 30)), z = 1.959963984540054;
    const double spread = z / (1 + z * z / rows) * std::sqrt(mean * (1 - mean) / rows + z * z / (4 * rows * rows));
    CHECK(r.half_width == doctest::Approx(spread));
    CHECK(r.high - r.low == doctest::Approx(2 * spread));
  }
  std::sort(hashes.begin(), hashes.end());
  CHECK(std::unique(hashes.begin(), hashes.end()) == hashes.end());  // seeds and finalists draw from streams of their own
}

TEST_CASE("finalists: interrupted anywhere, the same in the end, and nothing finished is trained again") {
  const data::EncodedSplits data = splits();
  const Folder whole, broken;
  const std::vector<std::string> expected = texts(train_finalists(two_finalists(), data, setting_in(whole.path())));
  int stops = 0, finished = 0;
  for (int allowed = 3;; allowed += 2) {
    FinalistSetting setting = setting_in(broken.path());
    int asked = 0;
    setting.stop_requested = [&] { return ++asked > allowed; };
    finished = 0;
    setting.progress = [&](const Finalist&, const FinalRun&, bool done) { finished += done; };
    try {
      const std::vector<FinalistResult> results = train_finalists(two_finalists(), data, setting);
      CHECK(texts(results) == expected);
      break;
    } catch (const Interrupted&) {
      ++stops;
    }
  }
  CHECK(stops > 4);
  CHECK(finished == 4);
  FinalistSetting again = setting_in(broken.path());
  int epochs = 0;
  again.progress = [&](const Finalist&, const FinalRun&, bool done) { epochs += !done; };
  CHECK(texts(train_finalists(two_finalists(), data, again)) == expected);
  CHECK(epochs == 0);
}

TEST_CASE("finalists: damaged files cost time, not a result") {
  const data::EncodedSplits data = splits();
  const Folder folder;
  const FinalistSetting setting = setting_in(folder.path());
  const std::vector<std::string> expected = texts(train_finalists(two_finalists(), data, setting));
  const fs::path weights = weights_file(setting, two_finalists()[0], 2), result = weights.parent_path() / "result.json";
  const std::string good_weights = read_file(weights), good_result = read_file(result);
  const auto trained_again = [&] {
    int epochs = 0;
    FinalistSetting watched = setting;
    watched.progress = [&](const Finalist& f, const FinalRun& run, bool done) {
      epochs += !done;
      if (!done) CHECK((f.name == "7" && run.seed == 2));
    };
    CHECK(texts(train_finalists(two_finalists(), data, watched)) == expected);
    CHECK(read_file(weights) == good_weights);
    CHECK(read_file(result) == good_result);
    return epochs;
  };
  CHECK(trained_again() == 0);
  write_file_atomic(result, good_result.substr(0, good_result.size() / 2));
  CHECK(trained_again() == 4);
  fs::remove(weights);
  CHECK(trained_again() == 4);
  std::string flipped = good_weights;
  flipped[flipped.size() - 2] = static_cast<char>(flipped[flipped.size() - 2] ^ 1);
  write_file_atomic(weights, flipped);
  CHECK(trained_again() == 4);
  // A checkpoint that cannot be read, beside no result: the training was cut off and its disk then failed.
  fs::remove(result);
  write_file_atomic(weights.parent_path() / "checkpoint", good_weights);
  CHECK(trained_again() == 4);
  CHECK_FALSE(fs::exists(weights.parent_path() / "checkpoint"));
}

TEST_CASE("finalists: a training that fails is told, and the others go on") {
  const data::EncodedSplits data = splits();
  std::vector<Finalist> finalists = two_finalists();
  finalists[0].candidate.training.lr = 1e37;
  const Folder folder;
  const std::vector<FinalistResult> results = train_finalists(finalists, data, setting_in(folder.path(), 2));
  for (const FinalRun& run : results[0].runs) CHECK(has(run.failure, "["));
  CHECK(results[0].best_run() == nullptr);
  CHECK(results[1].best_run() != nullptr);
  CHECK(choose_winner(results) == 1);  // the default, for want of another
}

TEST_CASE("the winner is decided by validation, then size, then order") {
  using Results = std::vector<FinalistResult>;
  const FinalistResult fallback = result_of(-1, 0.99, 1);
  CHECK(choose_winner(Results{result_of(1, 0.7, 10), result_of(2, 0.8, 10), fallback}) == 1);
  CHECK(choose_winner(Results{result_of(1, 0.8, 10), result_of(2, 0.8, 9), fallback}) == 1);
  CHECK(choose_winner(Results{result_of(1, 0.8, 9), result_of(2, 0.8, 9), fallback}) == 0);
  CHECK(choose_winner(Results{result_of(1, 0.9, 9, true), result_of(2, 0.8, 9), fallback}) == 1);
  CHECK(choose_winner(Results{result_of(1, 0.9, 9, true), fallback}) == 1);
  CHECK(choose_winner(Results{result_of(1, 0.9, 9, true), result_of(-1, 0.9, 1, true)}) == -1);
  CHECK(choose_winner(Results{fallback}) == 0);
  CHECK(choose_winner(Results{}) == -1);

  FinalistResult seeds = result_of(1, 0, 1);
  seeds.runs = {run_of(0.7, 0.9), run_of(0.9, 0.1, "the loss is nan"), run_of(0.8, 0.3), run_of(0.8, 0.6)};
  CHECK(seeds.best_run() == &seeds.runs[2]);  // failed ones do not count, the test score does not, the smaller seed wins
}

TEST_CASE("paired difference of accuracies") {
  using Answers = std::vector<std::vector<std::int32_t>>;
  const std::vector<std::int32_t> truth = {0, 1, 0, 1};
  // Per row, shares of seeds that are right: a 1, 1/2, 1, 1; b 0, 1, 0, 1. Differences 1, −1/2, 1, 0: mean 3/8.
  const PairedDifference d = paired_difference(Answers{{0, 1, 0, 1}, {0, 0, 0, 1}}, Answers{{1, 1, 1, 1}}, truth);
  CHECK(d.mean == doctest::Approx(0.375));
  const double variance = (0.625 * 0.625 + 0.875 * 0.875 + 0.625 * 0.625 + 0.375 * 0.375) / 3;
  const double of_seeds = 0.125 * 0.125;  // of the mean of accuracies 1 and 3/4
  const double all_variance = variance / 4 + of_seeds;
  const double degrees = all_variance * all_variance / (variance * variance / 16 / 3 + of_seeds * of_seeds);
  CHECK(d.half_width == doctest::Approx(student_quantile(degrees) * std::sqrt(all_variance)));
  CHECK_FALSE(d.significant());
  const PairedDifference all = paired_difference(Answers{{0, 1, 0, 1}}, Answers{{1, 0, 1, 0}}, truth);
  CHECK(all.mean == 1);
  CHECK(all.half_width == 0);
  CHECK(all.p_value == doctest::Approx(2.0 / 16));
  CHECK_FALSE(all.significant());  // four rows that differ the same way may do so by chance
  const std::vector<std::int32_t> ones(6, 1), zeros(6, 0);
  CHECK(paired_difference(Answers{ones}, Answers{zeros}, ones).significant());  // 2/64
  CHECK(paired_difference(Answers{}, Answers{}, truth).mean == 0);
}

TEST_CASE("finalists are the best complete trials, and the default") {
  const Space space = SpaceBuilder().categorical("hidden", {8, 16, 24, 32}).build();
  StudyHeader header;
  header.space = space;
  History history;
  const double values[] = {0.5, 0.9, 0.7, 0.9};
  for (std::int64_t i = 0; i < 4; ++i) {
    Trial trial;
    trial.number = i;
    trial.point = space.point({{"hidden", 8 * (i + 1)}});
    trial.state = TrialState::complete;
    trial.values = {values[i]};
    history.trials.push_back(trial);
    history.finished.push_back(i);
  }
  history.trials[2].state = TrialState::pruned;
  const std::vector<Finalist> finalists = choose_finalists(history, header, base(), 2, 6);
  REQUIRE(finalists.size() == 3);
  CHECK(finalists[0].name == "1");
  CHECK(finalists[0].candidate.hidden == 16);
  CHECK(finalists[1].trial == 3);
  CHECK(finalists[2].name == "default");
  CHECK(finalists[2].trial == -1);
  CHECK(finalists[2].candidate.hidden == 8);
  for (const Finalist& f : finalists) CHECK(f.candidate.training.epochs == 6);
  CHECK(choose_finalists(history, header, base(), 9, 0).size() == 4);  // a pruned trial is none
  CHECK(choose_finalists(history, header, base(), 9, 0)[0].candidate.training.epochs == 4);
}

namespace {

/// A study of four widths, of which trial 1 is the best, and a job without any test rows.
struct Explained {
  data::EncodedSplits data = splits();
  SearchJob job;
  History history;
  RunResults results;

  explicit Explained(const fs::path& folder, int workers) {
    data.test = {};
    job.folder = folder;
    job.header.space = SpaceBuilder().categorical("hidden", {8, 16, 9, 24}).integer("layers", 1, 2).build();
    job.header.trials = 4;
    job.setting.base = base();
    job.setting.task = task();
    job.rows = &data;
    job.seeds = 2;
    job.ablations = 3;
    job.workers = workers;
    for (const auto& [hidden, value] : {std::pair{8, 0.5}, std::pair{16, 0.9}}) {
      Trial trial;
      trial.number = static_cast<std::int64_t>(history.trials.size());
      trial.point = job.header.space.point({{"hidden", hidden}, {"layers", 1}});
      trial.state = TrialState::complete;
      trial.values = {value};
      history.finished.push_back(trial.number);
      history.trials.push_back(trial);
    }
    results.study.metric = "accuracy";
    explain(results, history, job.header);
    retrain_neighbours(results, job, history, TrainingObjective(job.setting, data.train, data.valid));
  }
};

}  // namespace

TEST_CASE("one-step changes of the winner are trained without the test rows, the same for any number of workers") {
  const Folder one, three;
  const Explained a(one.path(), 1), b(three.path(), 3);
  CHECK(a.results.why.trial == 1);
  CHECK(a.results.why.finished_trials == 2);
  CHECK(a.results.why.outlook.empty());  // of two trials
  REQUIRE(a.results.why.parameters.size() == 2);
  CHECK(a.results.why.parameters[1].choices == std::vector<std::string>{"1", "2"});
  const std::vector<Effect>& effects = a.results.why.effects;
  REQUIRE(effects.size() == 3);  // hidden 8 from its trial; 24 and two layers trained; width 9 is not divisible by its heads
  CHECK(effects[0].other == "8");
  CHECK(effects[0].source == Effect::Source::trials);
  CHECK(effects[0].difference == doctest::Approx(-0.4));
  CHECK(effects[1].parameter == "hidden");
  CHECK(effects[1].other == "24");
  CHECK(effects[2].parameter == "layers");
  CHECK(effects[2].other == "2");
  for (const std::size_t i : {1U, 2U}) {
    CHECK(effects[i].source == Effect::Source::retrained);
    CHECK(effects[i].trials == 2);
    CHECK(effects[i].error > 0);  // rows count, also where the seeds agree
    CHECK(effects[i].quantile > 1.96);
    CHECK(effects[i].difference == b.results.why.effects[i].difference);
    CHECK(effects[i].error == b.results.why.effects[i].error);
  }
}

TEST_CASE("a range that cannot be widened is no hint") {
  const Space space = SpaceBuilder().integer("layers", 1, 4).integer("hidden", 2, 8).real("dropout", 0, 0.5).build();
  History history;
  for (std::int64_t i = 0; i < 5; ++i) {
    Trial trial;
    trial.number = i;
    trial.point = space.point({{"layers", 1}, {"hidden", 2}, {"dropout", 0.001}});
    trial.state = TrialState::complete;
    trial.values = {0.5};
    history.finished.push_back(i);
    history.trials.push_back(trial);
  }
  const Direction directions[] = {Direction::maximise};
  CHECK(edge_warnings(space, history, directions).size() == 3);
  const std::vector<EdgeWarning> edges = widenable_edges(space, history, directions);
  REQUIRE(edges.size() == 1);
  CHECK(edges[0].parameter == "hidden");
}

TEST_CASE("the record of a run is read as it was written, and for its own training only") {
  FinalRun run = run_of(0.75, 0.5);
  run.seed = 3;
  run.weights_hash = "ab12";
  run.test_labels = {0, 1, 1};
  run.test_confidence = {0.5f, 0.75f, 0.99999f};
  run.history = {{1, 0.7, {0.5, 0.4, 0.69}, true, 5, 100}, {2, 1.0 / 3, {0.75, 0.7, 0.6}, true, 5, 100}};
  const std::string text = to_json(run, "me");
  const auto again = final_run(text, "me", "r");
  REQUIRE(again);
  CHECK(to_json(*again, "me") == text);
  CHECK(again->best()->epoch == 2);
  CHECK_FALSE(final_run(text, "you", "r"));
  for (std::size_t size = 0; size < text.size() - 2; size += 13)
    CHECK(message_of([&] {
            final_run(text.substr(0, size), "me", "x/result.json");
          }).starts_with("x/result.json: is not a training's result: "));
}
