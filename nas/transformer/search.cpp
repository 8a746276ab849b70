#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/base/version.h>
#include <lathe/data/baseline.h>
#include <lathe/deploy/model.h>
#include <lathe/nas/front.h>
#include <lathe/nas/transformer/ablations.h>
#include <lathe/nas/transformer/intervals.h>
#include <lathe/nas/transformer/search.h>
#include <lathe/nas/transformer/tensorboard.h>
#include <lathe/nas/transformer/trial_epochs.h>
#include <lathe/nn/weights.h>
#include <lathe/tensor/backend.h>

#include <algorithm>
#include <chrono>

namespace lathe::nas {
namespace {

namespace fs = std::filesystem;

/// Wall-clock time of the phases: host facts, outside every hash.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

BaselineRow baseline_row(std::string name, const std::vector<std::int32_t>& truth, const std::vector<std::int32_t>& answers,
                         std::int32_t classes, train::Metric metric) {
  BaselineRow row;
  row.name = std::move(name);
  row.accuracy = data::accuracy(truth, answers);
  row.macro_f1 = data::macro_f1(truth, answers, classes);
  const ScoreInterval interval = score_interval(std::span(&answers, 1), truth, classes, metric);
  row.low = interval.low;
  row.high = interval.high;
  row.half_width = (interval.high - interval.low) / 2;
  return row;
}

std::vector<std::vector<std::int32_t>> answers_of(const FinalistResult& result) {
  std::vector<std::vector<std::int32_t>> answers;
  for (const FinalRun& run : result.runs)
    if (run.failure.empty()) answers.push_back(run.test_labels);
  return answers;
}

ModelRow model_row(const FinalistResult& result, const History& history, const TaskShape& task) {
  ModelRow row;
  row.name = result.finalist.trial < 0 ? "default" : "#" + result.finalist.name;
  row.architecture = result.summary;
  row.config = result.finalist.candidate.architecture(task).to_json();
  if (result.finalist.trial >= 0) {
    const Point& point = history.trials[static_cast<std::size_t>(result.finalist.trial)].point;
    for (std::size_t i = 0; i < point.size(); ++i)
      if (const auto& value = point.value(i)) row.parameters.emplace_back(point.name(i), value->show());
  }
  row.valid = result.valid;
  row.test = result.test;
  row.half_width = result.half_width;
  row.low = result.low;
  row.high = result.high;
  row.macro_f1 = result.test_macro_f1;
  row.params = result.cost.parameters;
  row.bytes = 4 * result.cost.parameters;
  row.flops = result.cost.sentence_flops;
  row.memory = result.cost.training_bytes;
  row.answer_memory = result.cost.inference_bytes;
  for (const FinalRun& run : result.runs) {
    ++row.seeds;
    if (!run.failure.empty()) ++row.failed;
    row.curves.push_back(run.history);
  }
  return row;
}

/// What the first objective and the targets say about the finalists.
WinnerRule winner_rule(const SearchJob& job) {
  WinnerRule rule;
  if (!job.setting.objectives.empty()) rule.first = job.setting.objectives[0];
  rule.targets = job.targets;
  return rule;
}

/// What the test rows say: verdict, baselines, mistakes.
class Verdict {
 public:
  Verdict(const SearchJob& job, const std::vector<FinalistResult>& finals, const History& history) : job_(job), finals_(finals) {
    winner_ = choose_winner(finals, winner_rule(job));
    order_.resize(finals.size());
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = i;
    std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      const auto rank = [&](std::size_t i) { return finals[i].finalist.trial < 0 ? 2 : static_cast<int>(i) == winner_ ? 0 : 1; };
      return rank(a) != rank(b) ? rank(a) < rank(b) : rank(a) == 1 && finals[a].valid > finals[b].valid;
    });
    for (const std::size_t i : order_) rows_.push_back(model_row(finals[i], history, job.setting.task));
  }

  int winner() const { return winner_; }
  /// Where each row of the results stands among the finalists.
  const std::vector<std::size_t>& order() const { return order_; }

  void fill(RunResults& results) {
    const std::vector<std::int32_t>& truth = job_.rows->test.labels;
    results.metric = train::name_of(job_.setting.base.training.metric);
    const auto fallback =
        std::find_if(finals_.begin(), finals_.end(), [](const FinalistResult& r) { return r.finalist.trial < 0; });
    if (fallback != finals_.end() && fallback->best_run())
      for (std::size_t i = 0; i < order_.size(); ++i)
        if (finals_[order_[i]].finalist.trial >= 0 && finals_[order_[i]].best_run())
          judge(rows_[i], finals_[order_[i]], *fallback, truth);
    for (std::size_t i = 0; i < order_.size(); ++i)
      if (const FinalistResult& other = finals_[order_[i]]; static_cast<int>(order_[i]) != winner_ && winner_ >= 0)
        if (other.finalist.trial >= 0 && other.best_run())
          rows_[i].of_winner = paired_difference(answers_of(finals_[static_cast<std::size_t>(winner_)]), answers_of(other), truth);
    results.models = std::move(rows_);
    baselines(results, truth);
    if (winner_ < 0) return;
    for (std::size_t i = 0; i < order_.size(); ++i)
      if (static_cast<int>(order_[i]) == winner_) results.winner = static_cast<int>(i);
    const FinalRun& run = *finals_[static_cast<std::size_t>(winner_)].best_run();
    results.winner_seed = run.seed;
    results.confusion = data::confusion_matrix(truth, run.test_labels, static_cast<std::int32_t>(job_.text->label_names.size()));
    results.reliability = reliability(run.test_confidence, run.test_labels, truth);
    mistakes(results, run);
  }

 private:
  void judge(ModelRow& row, const FinalistResult& result, const FinalistResult& fallback, const std::vector<std::int32_t>& truth) {
    row.to_default = paired_difference(answers_of(result), answers_of(fallback), truth);
    row.targets = check_targets(result, fallback, job_.targets);
    for (std::size_t i = 0; i < row.targets.size(); ++i)
      if (const TargetCheck& check = row.targets[i]; !check.holds)
        row.violations.push_back(str(check.text, " does not hold after retraining: it is ",
                                     show_value(job_.targets[i].quantity, check.value), ", the bound ",
                                     show_value(job_.targets[i].quantity, check.bound)));
  }

  void baselines(RunResults& results, const std::vector<std::int32_t>& truth) {
    const auto classes = static_cast<std::int32_t>(job_.text->label_names.size());
    const data::BagOfWords bag = data::BagOfWords::fit(job_.text->train, job_.text->valid);
    const std::vector<std::int32_t> words = bag.predict(job_.text->test);
    const std::vector<std::int32_t> majority(truth.size(), data::majority_class(job_.text->train));
    const train::Metric metric = job_.setting.base.training.metric;
    results.baselines.push_back(baseline_row("bag of words", truth, words, classes, metric));
    results.baselines.push_back(baseline_row("majority class", truth, majority, classes, metric));
    if (winner_ >= 0) {
      const std::vector<std::vector<std::int32_t>> winner = answers_of(finals_[static_cast<std::size_t>(winner_)]);
      results.winner_to_bag_of_words = paired_difference(winner, std::span(&words, 1), truth);
      results.winner_to_majority = paired_difference(winner, std::span(&majority, 1), truth);
    }
  }

  void mistakes(RunResults& results, const FinalRun& run) {
    constexpr std::size_t kShown = 20;
    const data::Examples& test = job_.text->test;
    std::vector<std::size_t> wrong;
    for (std::size_t i = 0; i < test.size(); ++i)
      if (run.test_labels[i] != test.label[i]) wrong.push_back(i);
    std::stable_sort(wrong.begin(), wrong.end(),
                     [&](std::size_t a, std::size_t b) { return run.test_confidence[a] > run.test_confidence[b]; });
    if (wrong.size() > kShown) wrong.resize(kShown);
    for (const std::size_t i : wrong) {
      std::string text(test.text[i]);
      if (test.is_pair()) text += " | " + std::string(test.pair[i]);
      results.mistakes.push_back({test.place(i), std::move(text), job_.text->label_names[static_cast<std::size_t>(test.label[i])],
                                  job_.text->label_names[static_cast<std::size_t>(run.test_labels[i])],
                                  static_cast<double>(run.test_confidence[i])});
    }
  }

  const SearchJob& job_;
  const std::vector<FinalistResult>& finals_;
  int winner_ = -1;
  std::vector<std::size_t> order_;
  std::vector<ModelRow> rows_;
};

std::string metrics_json(const RunResults& results, const FinalRun& run) {
  const auto scores = [](JsonWriter& json, const char* name, const train::Scores& s) {
    json.key(name).begin_object().member("accuracy", s.accuracy).member("macro_f1", s.macro_f1).member("loss", s.loss).end_object();
  };
  JsonWriter json;
  json.begin_object();
  scores(json, "valid", run.valid);
  scores(json, "test", run.test);
  const ModelRow& model = results.models[static_cast<std::size_t>(results.winner)];
  json.key("over_seeds").begin_object().member("metric", results.metric).member("seeds", model.seeds - model.failed);
  json.member("valid", model.valid).member("test", model.test).member("test_half_width_95", model.half_width).end_object();
  json.key("baselines").begin_object();
  for (const BaselineRow& row : results.baselines) json.member(row.name, row.accuracy);
  json.end_object().member("test_rows", results.data.test_rows).member("weights", run.weights_hash);
  return json.end_object().text() + "\n";
}

/// `count` of a front, as choose_finalists() says.
std::vector<std::int64_t> spread(const History& history, std::span<const Direction> directions,
                                 const std::vector<std::int64_t>& front, std::size_t count) {
  LossTable losses(directions.size());
  for (const std::int64_t number : front) losses.add(losses_of(history.trials[static_cast<std::size_t>(number)], directions));
  const std::vector<double> reference = reference_point(losses);
  std::vector<std::int64_t> chosen = {front[0]};
  LossTable so_far(directions.size());
  so_far.add(losses[0]);
  std::vector<bool> taken(front.size());
  taken[0] = true;
  while (chosen.size() < count) {
    std::size_t best = 0;
    double best_volume = -1;
    for (std::size_t i = 0; i < front.size(); ++i) {
      if (taken[i]) continue;
      LossTable with = so_far;
      with.add(losses[i]);
      if (const double volume = hypervolume(with, reference); volume > best_volume) best = i, best_volume = volume;
    }
    taken[best] = true;
    so_far.add(losses[best]);
    chosen.push_back(front[best]);
  }
  return chosen;
}

std::vector<std::int64_t> finalist_trials(const History& history, const std::vector<Direction>& directions, std::int64_t count) {
  std::vector<std::int64_t> trials = leaderboard(history, directions[0]);
  if (directions.size() > 1) {
    const std::vector<std::int64_t> front = pareto_front(history, directions);
    const auto dominated = [&](std::int64_t number) { return std::find(front.begin(), front.end(), number) == front.end(); };
    if (!front.empty()) std::erase_if(trials, dominated);
    if (!front.empty() && static_cast<std::int64_t>(trials.size()) > count && count > 0) {
      const std::vector<std::int64_t> chosen = spread(history, directions, trials, static_cast<std::size_t>(count));
      std::erase_if(trials, [&](std::int64_t n) { return std::find(chosen.begin(), chosen.end(), n) == chosen.end(); });
    }
  }
  if (static_cast<std::int64_t>(trials.size()) > count) trials.resize(static_cast<std::size_t>(std::max<std::int64_t>(count, 0)));
  return trials;
}

void export_model(const SearchJob& job, const RunResults& results, const FinalistResult& winner, const FinalistSetting& setting) {
  const FinalRun& run = *winner.best_run();
  deploy::ModelInfo info;
  info.architecture = winner.finalist.candidate.architecture(job.setting.task);
  info.labels = job.text->label_names;
  info.max_tokens = info.architecture.max_tokens;
  info.pair = job.setting.task.pair;
  info.name = job.header.name;
  info.numerics = job.header.numerics;
  info.study = results.study.hash;
  Context context({.backend = job.setting.backend});
  nn::Classifier model(nn::Parameters::to_load(context), info.architecture);
  nn::load_weights(weights_file(setting, winner.finalist, run.seed), model.parameters());
  const Encodings* encodings = job.setting.encodings;
  deploy::save_model(job.folder / "model", info, model,
                     encodings ? encodings->tokenizer(winner.finalist.candidate) : *job.tokenizer, metrics_json(results, run),
                     model_card(results, job.license));
}

}  // namespace

std::vector<Finalist> choose_finalists(const History& history, const StudyHeader& header, const Candidate& base, std::int64_t count,
                                       std::int64_t epochs) {
  std::vector<Finalist> finalists;
  for (const std::int64_t number : finalist_trials(history, header.directions, count)) {
    Finalist finalist{std::to_string(number), number, apply(base, history.trials[static_cast<std::size_t>(number)].point)};
    if (epochs > 0) finalist.candidate.training.epochs = epochs;
    finalists.push_back(std::move(finalist));
  }
  Finalist fallback{"default", -1, base};
  if (epochs > 0) fallback.candidate.training.epochs = epochs;
  finalists.push_back(std::move(fallback));
  return finalists;
}

FinalistSetting finalist_setting(const SearchJob& job) {
  FinalistSetting setting;
  setting.folder = job.folder / "finalists";
  setting.task = job.setting.task;
  setting.metric = job.setting.base.training.metric;
  setting.seed = job.header.seed;
  setting.seeds = static_cast<int>(job.seeds);
  setting.workers = job.workers;
  setting.backend = job.setting.backend;
  setting.encodings = job.setting.encodings;
  setting.latency = job.setting.latency;
  setting.stop_requested = [stop = job.stop] { return stop.requested(); };
  setting.progress = job.finalist_progress;
  return setting;
}

SearchOutcome run_search(const SearchJob& asked, Storage& storage) {
  SearchJob job = asked;
  LATHE_CHECK(job.text && job.rows && job.tokenizer);
  if (const std::string tag = numerics_tag(job.setting.backend); job.header.numerics != tag)
    throw InputError(str("[search] the study's header says ", job.header.numerics, ", backend ",
                         job.setting.backend.empty() ? "auto" : job.setting.backend, " computes ", tag));
  Stopwatch watch;
  SearchOutcome outcome;
  make_folder(job.folder);
  TrainingObjective objective(job.setting, job.rows->train, job.rows->valid);
  make_folder(job.folder / "trials");
  const auto checkpoints = file_checkpoints((job.folder / "trials").string());
  ExecutorOptions options;
  options.workers = job.workers;
  options.stop = job.stop;
  options.until_event = job.until_event;
  options.extend_to = job.extend_to;
  options.observer = job.observer;
  options.samplers = job.samplers;
  options.checkpoints = checkpoints.get();
  const std::unique_ptr<Objective> cheaper = job.evaluation ? job.evaluation(objective) : nullptr;
  outcome.results.resumed = !storage.events(0).empty();
  outcome.study = execute(job.header, cheaper ? *cheaper : objective, storage, options);
  RunResults& results = outcome.results;
  results.study = summarise_study(outcome.study, job);
  results.calibration = summarise_calibration(job.header.preparation);
  results.trials = summarise_trials(outcome.study.history, job.header, objective);
  add_epochs(results.trials, storage.events(0));
  if (job.tensorboard) write_tensorboard(results, job.folder / "tb", job.date);
  if (!outcome.study.finished) return outcome;
  results.seconds.emplace_back("search", watch.lap());
  if (job.finalists == 0 || leaderboard(outcome.study.history, job.header.directions[0]).empty()) return outcome;

  if (job.before_finalists) job.before_finalists(outcome.study.history, results.seconds.back().second, job);
  job.phase("finalists");
  const FinalistSetting setting = finalist_setting(job);
  const std::vector<Finalist> finalists =
      choose_finalists(outcome.study.history, job.header, job.setting.base, job.finalists, job.finalist_epochs);
  const std::vector<FinalistResult> finals = train_finalists(finalists, *job.rows, setting);
  results.seconds.emplace_back("finalists", watch.lap());

  job.phase("baselines");
  results.data = summarise_data(job);
  Verdict verdict(job, finals, outcome.study.history);
  verdict.fill(results);
  explain(results, outcome.study.history, job.header);
  if (job.measure) {
    results.seconds.emplace_back("baselines", watch.lap());
    job.phase("measure");
    std::vector<nn::TransformerConfig> architectures;
    for (const std::size_t i : verdict.order())
      architectures.push_back(finals[i].finalist.candidate.architecture(job.setting.task));
    measure_models(results, architectures, job);
  }
  if (job.ablations > 0) {
    results.seconds.emplace_back(job.measure ? "measure" : "baselines", watch.lap());
    job.phase("ablations");
    retrain_neighbours(results, job, outcome.study.history, objective);
  }
  results.seconds.emplace_back(job.ablations > 0 ? "ablations" : job.measure ? "measure" : "baselines", watch.lap());
  for (const Limit& limit : job.setting.limits)  // those that a plot has an axis for
    if (limit.quantity == Quantity::kLatency || limit.quantity == Quantity::kParams || limit.quantity == Quantity::kMemory)
      results.limits.push_back({info(limit.quantity).name, limit.bound, limit.text});
  results.commands = job.commands;
  results.config = job.config;
  results.version = kVersion;
  results.host = host_facts(job.workers, Context({.backend = job.setting.backend}).backend());

  job.phase("export");
  if (verdict.winner() >= 0) export_model(job, results, finals[static_cast<std::size_t>(verdict.winner())], setting);
  results.seconds.emplace_back("export", watch.lap());
  write_file_atomic(job.folder / "results.json", to_json(results) + "\n");
  if (job.tensorboard) write_tensorboard(results, job.folder / "tb", job.date);
  if (job.report) {
    write_file_atomic(job.folder / "report.md", report_markdown(results));
    write_file_atomic(job.folder / "report.html", report_html(results));
  }
  outcome.complete = true;
  return outcome;
}

}  // namespace lathe::nas
