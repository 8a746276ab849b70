// What models are judged by: quantities, limits, targets, and a study of several objectives.
#include <lathe/base/file.h>
#include <lathe/nas/preparation.h>
#include <lathe/nas/transformer/baseline.h>
#include <lathe/nas/transformer/search.h>
#include <lathe/nn/cost.h>
#include <lathe/nn/transformer.h>
#include <lathe/train/trainer.h>

#include "tests/nas_transformer/support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

constexpr double kNone = -1;

TrainingSetting setting(std::vector<Quantity> objectives = {}, std::vector<Limit> limits = {}) {
  TrainingSetting out{base(), task(), std::move(limits), ""};
  out.objectives = std::move(objectives);
  return out;
}

/// A model in place of measurements: 1 µs a layer and 10 ns a column.
std::int64_t latency(const nn::TransformerConfig& a) { return static_cast<std::int64_t>(a.layers.size()) * 1000 + 10 * a.hidden; }

SegmentResult first_report(TrainingObjective& objective, const Point& p, int index = 0) {
  SegmentContext context;
  context.trial = 3;
  context.index = index;
  context.seed = 11;
  const auto store = memory_checkpoints();
  return objective.run(p, context, Checkpoint(store.get(), 3, index));
}

FinalistResult finalist(std::int64_t trial, double accuracy, double loss, std::int64_t parameters) {
  FinalistResult r;
  r.finalist.trial = trial;
  r.valid = accuracy;
  r.cost.parameters = parameters;
  FinalRun run;
  run.history.push_back({});
  run.valid = {accuracy, accuracy, loss};
  r.runs = {run};
  return r;
}

}  // namespace

TEST_CASE("quantities: names, and values that are known before training") {
  for (const QuantityInfo& q : quantities()) {
    CHECK(quantity(q.name) == q.quantity);
    CHECK(&info(q.quantity) == &q);
  }
  CHECK(message_of([] { quantity("latncy_ms"); }) == "there is no quantity `latncy_ms`; did you mean `latency_ms`?");
  CHECK(has(message_of([] { quantity("energy"); }),
            "there are accuracy, macro_f1, loss, latency_ms, params, flops, memory_mb, size_mb"));

  const data::EncodedSplits data = splits();
  TrainingSetting with = setting({Quantity::kAccuracy, Quantity::kLatency});
  with.latency = latency;
  const TrainingObjective objective(with, data.train, data.valid);
  const CandidateCost cost = objective.cost(Point());
  CHECK(known_value(Quantity::kLatency, cost) == doctest::Approx(0.00108).epsilon(1e-12));
  CHECK(known_value(Quantity::kParams, cost) == static_cast<double>(nn::count_parameters(base().architecture(task()))));
  CHECK(known_value(Quantity::kSize, cost) == doctest::Approx(4e-6 * static_cast<double>(cost.parameters)).epsilon(1e-12));
  CHECK(known_value(Quantity::kFlops, cost) == static_cast<double>(cost.sentence_flops));
  const std::int32_t longest[] = {8};  // one text of max_tokens tokens; tests/nn compares with the allocator
  CHECK(cost.inference_bytes == nn::cost_of(base().architecture(task()), longest).inference_peak_bytes);
  CHECK(known_value(Quantity::kMemory, cost) == static_cast<double>(cost.inference_bytes) / 1e6);
  CHECK(has(objective.plan(Point()).attributes, "\"latency_ms\":0.00108"));

  const std::string none = "latency_ms is asked for, but no latency was measured to predict it from";
  CHECK(message_of([&] { TrainingObjective(setting({Quantity::kLatency}), data.train, data.valid); }) == none);
  const Limit limit{Quantity::kLatency, false, 5, "limits.latency_ms = 5"};
  CHECK(message_of([&] { TrainingObjective(setting({}, {limit}), data.train, data.valid); }) == none);
}

TEST_CASE("targets: one form, and messages for everything else") {
  const auto same = [](const char* text, const char* expected) {
    CAPTURE(text);
    CHECK(parse_target(text).text() == expected);
    CHECK(parse_target(expected) == parse_target(text));
  };
  same("accuracy >= 0.95 * default", "accuracy >= 0.95 * default");
  same("  latency_ms<=0.1*default ", "latency_ms <= 0.1 * default");
  same("params <= default", "params <= 1 * default");
  same("loss <= 0.5", "loss <= 0.5");
  same("params <= 2000000", "params <= 2e+06");
  const Limit limit = parse_target("accuracy >= 0.5 * default").limit(0.8);
  CHECK(limit.bound == 0.4);
  CHECK(limit.holds(0.4));
  CHECK_FALSE(limit.holds(0.3));
  CHECK(limit.excess(0.3) > 0);
  CHECK(parse_target("loss <= 0.5").limit(kNone).excess(0.75) == 0.25);
  const auto refusal = [](const char* text) { return message_of([&] { parse_target(text); }); };
  CHECK(refusal("accuracy = 0.9") ==
        "limits.target \"accuracy = 0.9\": expected QUANTITY <= or >= NUMBER, such as accuracy >= 0.95 * default");
  CHECK(refusal("") == "limits.target \"\": expected QUANTITY <= or >= NUMBER, such as accuracy >= 0.95 * default");
  CHECK(refusal("acuracy >= 0.9") == "limits.target \"acuracy >= 0.9\": there is no quantity `acuracy`; did you mean `accuracy`?");
  CHECK(refusal("accuracy >= 0.9 * baseline") ==
        "limits.target \"accuracy >= 0.9 * baseline\": `baseline` is no architecture to compare with, expected default");
  CHECK(refusal("accuracy >= most") == "limits.target \"accuracy >= most\": `most` is not a number");
  CHECK(refusal("accuracy >= nan") == "limits.target \"accuracy >= nan\": `nan` is not a number");
  CHECK(refusal("accuracy >= 80") == "limits.target \"accuracy >= 80\": accuracy is at most 1");
  CHECK(parse_target("accuracy >= 1").number == 1);
  CHECK(parse_target("accuracy >= 1.2 * default").number == 1.2);
  CHECK(refusal("accuracy >= * default") == "limits.target \"accuracy >= * default\": `` is not a number");
}

TEST_CASE("a header's objectives and constraints; today's studies keep their words") {
  StudyHeader plain, header;
  plain.metrics = {"accuracy"};
  set_objectives(header, {}, train::Metric::kAccuracy, {});
  CHECK(header.json() == plain.json());
  const std::vector<Quantity> both = {Quantity::kAccuracy, Quantity::kLatency};
  const std::vector<Target> targets = {parse_target("macro_f1 >= 0.5"), parse_target("params <= 1000")};
  set_objectives(header, both, train::Metric::kAccuracy, targets);
  CHECK(header.metrics == std::vector<std::string>{"accuracy", "latency_ms"});
  CHECK(header.directions == std::vector<Direction>{Direction::maximise, Direction::minimise});
  CHECK(header.constraints == std::vector<std::string>{"macro_f1 >= 0.5"});  // params are known before
  CHECK(header.judging.unit_value == Judging::UnitValue::best);
  StudyHeader by_size;
  set_objectives(by_size, std::vector<Quantity>{Quantity::kParams}, train::Metric::kAccuracy, targets);
  CHECK(by_size.judging.unit_value == Judging::UnitValue::last);
  const auto refusal = [&](const std::vector<Quantity>& objectives) {
    StudyHeader h;
    return message_of([&] { set_objectives(h, objectives, train::Metric::kAccuracy, {}); });
  };
  CHECK(has(refusal({Quantity::kParams, Quantity::kFlops}), "nothing that training tells"));
  CHECK(refusal({Quantity::kLoss, Quantity::kLoss}) == "search.objectives names loss twice");
}

TEST_CASE("reports hold every objective and constraint, of the best epoch so far where the metric does not come first") {
  const data::EncodedSplits data = splits();
  Context context({.seed = 11, .trial = 3});
  train::Trainer trainer(context, base().architecture(task()), base().training, data.train, data.valid);
  std::vector<train::Scores> best, each;
  while (!trainer.done()) {
    each.push_back(trainer.run_epoch().valid);
    best.push_back(trainer.best()->valid);
  }
  const Limit loss{Quantity::kLoss, false, 0.5, "loss <= 0.5"};
  TrainingSetting with = setting({Quantity::kAccuracy, Quantity::kLatency, Quantity::kParams}, {loss});
  with.latency = latency;
  TrainingObjective objective(with, data.train, data.valid);
  with.objectives = {Quantity::kParams, Quantity::kAccuracy};
  TrainingObjective by_size(with, data.train, data.valid);
  const double params = known_value(Quantity::kParams, objective.cost(Point()));
  for (int epoch = 0; epoch < 4; ++epoch) {
    const auto i = static_cast<std::size_t>(epoch);
    const SegmentResult a = first_report(objective, Point(), epoch), b = first_report(by_size, Point(), epoch);
    CHECK(a.values == std::vector<double>{each[i].accuracy, 0.00108, params});
    CHECK(a.constraints == std::vector<double>{each[i].loss - 0.5});
    CHECK(b.values == std::vector<double>{params, best[i].accuracy});
    CHECK(b.constraints == std::vector<double>{best[i].loss - 0.5});
  }
}

TEST_CASE("limits refuse what is known to be too much, each in its unit") {
  const data::EncodedSplits data = splits();
  const auto refusal = [&](const Limit& limit) {
    TrainingSetting with = setting({}, {limit});
    with.latency = latency;
    return TrainingObjective(with, data.train, data.valid).refuse(Point()).value_or("");
  };
  CHECK(refusal({Quantity::kLatency, false, 0.001, "limits.latency_ms = 0.001"}) ==
        "limits.latency_ms = 0.001, this model has 0.00108 ms");
  CHECK(refusal({Quantity::kLatency, false, 0.00108, "limits.latency_ms = 0.00108"}).empty());
  CHECK(refusal({Quantity::kParams, true, 1e9, "params >= 1000000000"}).starts_with("params >= 1000000000, this model has "));
  for (const Quantity q : {Quantity::kFlops, Quantity::kMemory, Quantity::kSize}) {
    CAPTURE(info(q).name);
    const double value = known_value(q, TrainingObjective(setting(), data.train, data.valid).cost(Point()));
    CHECK(refusal({q, false, value, "x"}).empty());
    CHECK(has(refusal({q, false, value * 0.999, "x"}), "x, this model has "));
  }
  CHECK(refusal({Quantity::kAccuracy, true, 2, "accuracy >= 2"}).empty());  // for the study to find out
}

TEST_CASE("the default is trained once for targets that are relative to it") {
  const data::EncodedSplits data = splits();
  const Folder folder;
  const auto file = folder.path() / "baseline.json";
  const Baseline baseline = train_baseline(setting(), data, 5, file);
  CHECK(Baseline::parse(baseline.json(), "x") == baseline);
  CHECK(train_baseline(setting(), data, 5) == baseline);
  CHECK(train_baseline(setting(), data, 6).weights != baseline.weights);
  // What lies there is taken, unless it is damaged or of something else.
  const std::string kept = read_file(file), other_weights = "\"weights\":\"00\"}\n";
  const std::string planted = kept.substr(0, kept.find("\"weights\"")) + other_weights;
  write_file_atomic(file, planted);
  CHECK(train_baseline(setting(), data, 5, file).weights == "00");
  CHECK(train_baseline(setting(), data, 6, file).weights != "00");
  write_file_atomic(file, kept.substr(0, kept.size() / 2));
  CHECK(train_baseline(setting(), data, 5, file) == baseline);
  CHECK(read_file(file) == kept);
  CHECK_THROWS_AS(train_baseline(setting(), data, 5, {}, [] { return true; }), Interrupted);
  CHECK(has(message_of([] { Baseline::parse("{}", "header"); }), "header: is no result of the default architecture"));

  const std::vector<Target> targets = {parse_target("accuracy >= 0.5 * default"), parse_target("params <= 0.5 * default"),
                                       parse_target("loss <= 0.7")};
  CHECK(needs_baseline(targets));
  CHECK_FALSE(needs_baseline(std::span(targets).subspan(1)));
  const CandidateCost cost = TrainingObjective(setting(), data.train, data.valid).cost(Point());
  const std::vector<Limit> limits = resolve(targets, cost, &baseline);
  REQUIRE(limits.size() == 3);
  CHECK(limits[0].bound == 0.5 * baseline.scores.accuracy);
  CHECK(limits[1].bound == 0.5 * static_cast<double>(cost.parameters));
  CHECK(limits[2].bound == 0.7);
  CHECK(resolve(targets, cost, nullptr).size() == 2);
}

TEST_CASE("preparation: parts keep their text") {
  Preparation p;
  CHECK(p.json().empty());
  p.set("latency", R"({"ns":[1,2.50]})");
  p.set("baseline", R"({"a":1e-05})");
  CHECK(p.json() == R"({"baseline":{"a":1e-05},"latency":{"ns":[1,2.50]}})");
  const Preparation back = Preparation::parse(p.json());
  CHECK(back.json() == p.json());
  CHECK(back.get("latency") == R"({"ns":[1,2.50]})");
  CHECK(back.get("supernet").empty());
  CHECK_FALSE(back.has("supernet"));
  CHECK(Preparation::parse("").empty());
  CHECK_FALSE(message_of([] { Preparation::parse("[1]"); }).empty());
  CHECK_FALSE(message_of([] { Preparation::parse("{} x"); }).empty());
}

TEST_CASE("the winner holds the targets, and is the best of those by the first objective") {
  using Results = std::vector<FinalistResult>;
  const FinalistResult fallback = finalist(-1, 0.8, 0.5, 1000);
  const Results results = {finalist(1, 0.79, 0.6, 900), finalist(2, 0.70, 0.4, 90), finalist(3, 0.77, 0.5, 500), fallback};
  CHECK(choose_winner(results) == 0);
  const std::vector<Target> accurate = {parse_target("accuracy >= 0.95 * default")},
                            small = {parse_target("params <= 0.6 * default")};
  CHECK(choose_winner(results, {Quantity::kParams, {}}) == 1);
  CHECK(choose_winner(results, {Quantity::kLoss, {}}) == 1);
  CHECK(choose_winner(results, {Quantity::kParams, accurate}) == 2);  // 0.70 is below 0.76
  CHECK(choose_winner(results, {{}, small}) == 2);
  const std::vector<Target> impossible = {parse_target("accuracy >= 2 * default")};
  CHECK(choose_winner(results, {{}, impossible}) == 0);  // for want of one that holds it
  const std::vector<TargetCheck> checks = check_targets(results[1], fallback, accurate);
  REQUIRE(checks.size() == 1);
  CHECK_FALSE(checks[0].holds);
  CHECK(checks[0].value == 0.70);
  CHECK(checks[0].bound == 0.95 * 0.8);
}

TEST_CASE("finalists of several objectives: the ends and the middle of the front") {
  const Space space = SpaceBuilder().integer("hidden", 1, 9).build();
  StudyHeader header;
  header.space = space;
  header.metrics = {"accuracy", "params"};
  header.directions = {Direction::maximise, Direction::minimise};
  // Trials 0–3 are the front, 4 and 5 are dominated, 6 would be the best but is infeasible.
  const std::vector<std::vector<double>> values = {{0.9, 100}, {0.89, 90}, {0.8, 40}, {0.5, 10}, {0.79, 45}, {0.5, 99}, {0.99, 1}};
  History history;
  for (std::size_t i = 0; i < values.size(); ++i) {
    Trial trial;
    trial.number = static_cast<std::int64_t>(i);
    trial.point = space.point({{"hidden", static_cast<std::int64_t>(i) + 1}});
    trial.state = TrialState::complete;
    trial.values = values[i];
    trial.constraints = {i == 6 ? 1.0 : -1.0};
    history.trials.push_back(trial);
    history.finished.push_back(trial.number);
  }
  const auto names = [&](std::int64_t count) {
    std::vector<std::int64_t> out;
    for (const Finalist& f : choose_finalists(history, header, base(), count, 0)) out.push_back(f.trial);
    return out;
  };
  using Numbers = std::vector<std::int64_t>;
  CHECK(names(9) == Numbers{0, 1, 2, 3, -1});
  // Reference (0.45, 110) in losses; with 0 (0.9, 100) alone: 0.45·10. Adding 2: 0.35·60 more, 3: 0.05·90, 1: 0.44·10.
  CHECK(names(2) == Numbers{0, 2, -1});
  CHECK(names(3) == Numbers{0, 2, 3, -1});  // beside 0 and 2, 3 adds 0.05·30, 1 adds 0.09·10
  CHECK(names(1) == Numbers{0, -1});
  CHECK(names(0) == Numbers{-1});
  for (Trial& trial : history.trials) trial.constraints = {1.0};
  CHECK(names(2).size() == 3);  // nothing is feasible: the leaderboard
}
