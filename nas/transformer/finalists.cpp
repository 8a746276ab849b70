#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/thread_share.h>
#include <lathe/nas/transformer/final_run_file.h>
#include <lathe/nas/transformer/finalists.h>
#include <lathe/nas/transformer/intervals.h>
#include <lathe/nn/weights.h>
#include <lathe/tensor/backend.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace lathe::nas {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t kDefaultTrial = 0xFFFFFFFFu;

std::uint64_t stream_trial(const Finalist& finalist, int seed) {
  const std::uint64_t trial = finalist.trial < 0 ? kDefaultTrial : static_cast<std::uint64_t>(finalist.trial);
  return (static_cast<std::uint64_t>(seed) << 32) + trial;
}

fs::path run_folder(const FinalistSetting& setting, const Finalist& finalist, int seed) {
  return setting.folder / str(finalist.name, "-seed", seed);
}

const data::EncodedDataset& tested_rows(const data::EncodedSplits& rows, const FinalistSetting& setting) {
  return setting.read_test ? rows.test : rows.valid;
}

/// Trains one finalist with one seed, or reads what an earlier call left.
class FinalTraining {
 public:
  FinalTraining(const Finalist& finalist, int seed, const data::EncodedSplits& data, const FinalistSetting& setting)
      : finalist_(finalist),
        setting_(setting),
        own_rows_(setting.encodings ? setting.encodings->rows(finalist.candidate) : nullptr),
        data_(own_rows_ ? *own_rows_ : data),
        folder_(run_folder(setting, finalist, seed)) {
    run_.seed = seed;
    identity_ = JsonWriter()
                    .begin_object()
                    .member("numerics", numerics_tag(setting.backend))
                    .member("seed", setting.seed)
                    .member("trial", stream_trial(finalist, seed))
                    .member("data", to_hex(data_.hash))
                    .key("architecture")
                    .raw(finalist.candidate.architecture(setting.task).to_json())
                    .key("training")
                    .raw(finalist.candidate.training.to_json())
                    .end_object()
                    .text();
  }

  FinalRun run(const std::function<void(const FinalRun&, bool)>& report, const ThreadShare& share) {
    if (std::optional<FinalRun> done = finished()) {
      report(*done, true);
      return *done;
    }
    make_folder(folder_);
    try {
      train_and_test(report, share);
    } catch (const NonFiniteError& error) {
      run_.failure = error.what();
    } catch (const MemoryLimitError& error) {
      run_.failure = error.what();
    }
    write_file_atomic(folder_ / "result.json", to_json(run_, identity_));
    std::error_code error;
    fs::remove(folder_ / "checkpoint", error);
    if (error) throw InfrastructureError((folder_ / "checkpoint").string() + ": cannot remove: " + error.message());
    report(run_, true);
    return run_;
  }

 private:
  /// What an earlier call left, if record and weights are whole. Anything else is trained again: that costs time, not a result.
  std::optional<FinalRun> finished() const {
    const fs::path result = folder_ / "result.json";
    if (!fs::exists(result)) return {};
    try {
      std::optional<FinalRun> run = final_run(read_file(result), identity_, result.string());
      if (!run || !run->failure.empty()) return run;
      Context context({.backend = setting_.backend, .threads = 1});
      const nn::Classifier model(nn::Parameters::to_load(context), finalist_.candidate.architecture(setting_.task));
      nn::load_weights(folder_ / "model.safetensors", model.parameters());
      if (train::weights_hash(model.parameters()) == run->weights_hash) return run;
    } catch (const InputError&) {
    }
    return {};
  }

  void train_and_test(const std::function<void(const FinalRun&, bool)>& report, const ThreadShare& share) {
    Context context(
        {.backend = setting_.backend, .threads = share.each(), .seed = setting_.seed, .trial = stream_trial(finalist_, run_.seed)});
    const fs::path checkpoint = folder_ / "checkpoint";
    std::optional<std::string> saved;
    if (fs::exists(checkpoint)) saved = read_file(checkpoint);
    const std::unique_ptr<train::Trainer> going_on =
        train::go_on(std::move(saved), context, finalist_.candidate.architecture(setting_.task), finalist_.candidate.training,
                     data_.train, data_.valid);
    train::Trainer& trainer = *going_on;
    while (!trainer.done()) {
      try {
        trainer.run_epoch([&] {
          context.set_threads(share.each());
          return setting_.stop_requested();
        });
      } catch (const train::Stopped&) {
        throw Interrupted();
      }
      run_.history = trainer.history();
      if (!trainer.done()) write_file_atomic(checkpoint, trainer.checkpoint());
      report(run_, false);
    }
    run_.history = trainer.history();
    trainer.restore_best();
    run_.valid = trainer.best()->valid;
    const train::Predictions test = train::predict(trainer.model(), tested_rows(data_, setting_));
    run_.test = train::score(test, tested_rows(data_, setting_).labels);
    run_.test_labels = test.labels;
    for (std::size_t i = 0; i < test.labels.size(); ++i)
      run_.test_confidence.push_back(
          test.probabilities[i * static_cast<std::size_t>(test.classes) + static_cast<std::size_t>(test.labels[i])]);
    run_.weights_hash = trainer.weights_hash();
    nn::save_weights(folder_ / "model.safetensors", trainer.model().parameters());
  }

  const Finalist& finalist_;
  const FinalistSetting& setting_;
  std::shared_ptr<const data::EncodedSplits> own_rows_;  // null: those of all
  const data::EncodedSplits& data_;
  fs::path folder_;
  std::string identity_;
  FinalRun run_;
};

FinalistResult summarise(FinalistResult result, const FinalistSetting& setting, const data::EncodedDataset& test) {
  std::vector<std::vector<std::int32_t>> answers;
  for (const FinalRun& run : result.runs) {
    if (!run.failure.empty()) continue;
    answers.push_back(run.test_labels);
    result.valid += run.valid.of(setting.metric);
    result.test += run.test.of(setting.metric);
    result.test_macro_f1 += run.test.macro_f1;
  }
  if (answers.empty()) return result;
  const auto n = static_cast<double>(answers.size());
  result.valid /= n;
  result.test /= n;
  result.test_macro_f1 /= n;
  const ScoreInterval interval =
      score_interval(answers, test.labels, static_cast<std::int32_t>(setting.task.classes), setting.metric);
  result.low = interval.low;
  result.high = interval.high;
  result.half_width = (interval.high - interval.low) / 2;
  return result;
}

}  // namespace

const FinalRun* FinalistResult::best_run() const {
  const FinalRun* best = nullptr;
  const train::Metric metric = finalist.candidate.training.metric;
  for (const FinalRun& run : runs)
    if (run.failure.empty() && (!best || run.valid.of(metric) > best->valid.of(metric))) best = &run;
  return best;
}

double FinalistResult::value(Quantity quantity) const {
  if (!is_measured(quantity)) return known_value(quantity, cost);
  double sum = 0;
  int good = 0;
  for (const FinalRun& run : runs) {
    if (!run.failure.empty()) continue;
    sum += measured_value(quantity, run.valid);
    ++good;
  }
  return sum / good;
}

std::vector<TargetCheck> check_targets(const FinalistResult& result, const FinalistResult& fallback,
                                       std::span<const Target> targets) {
  std::vector<TargetCheck> checks;
  if (!result.best_run() || !fallback.best_run()) return checks;
  for (const Target& target : targets) {
    const Limit limit = target.limit(fallback.value(target.quantity));
    const double value = result.value(target.quantity);
    checks.push_back({limit.text, value, limit.bound, limit.holds(value)});
  }
  return checks;
}

fs::path weights_file(const FinalistSetting& setting, const Finalist& finalist, int seed) {
  return run_folder(setting, finalist, seed) / "model.safetensors";
}

std::vector<FinalistResult> train_finalists(std::span<const Finalist> finalists, const data::EncodedSplits& data,
                                            const FinalistSetting& setting) {
  const auto seeds = static_cast<std::size_t>(setting.seeds);
  std::vector<FinalistResult> results(finalists.size());
  for (std::size_t i = 0; i < finalists.size(); ++i) {
    results[i].finalist = finalists[i];
    results[i].summary = finalists[i].candidate.architecture(setting.task).summary();
    const Candidate& candidate = finalists[i].candidate;
    results[i].cost = cost_of(candidate, setting.task, setting.encodings ? setting.encodings->rows(candidate)->train : data.train);
    if (setting.latency) results[i].cost.latency_ns = setting.latency(candidate.architecture(setting.task));
    results[i].runs.resize(seeds);
  }
  std::atomic<std::size_t> next{0};
  ThreadShare share(threads_of(setting.workers));
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    for (std::size_t task; (task = next.fetch_add(1)) < finalists.size() * seeds;) {
      const std::size_t i = task / seeds;
      const int seed = static_cast<int>(task % seeds) + 1;
      try {
        if (setting.stop_requested()) throw Interrupted();
        const auto report = [&](const FinalRun& run, bool done) {
          const std::lock_guard lock(mutex);
          if (setting.progress) setting.progress(finalists[i], run, done);
        };
        const ThreadShare::Use use(share);
        results[i].runs[task % seeds] = FinalTraining(finalists[i], seed, data, setting).run(report, share);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = finalists.size() * seeds;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < setting.workers; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  for (FinalistResult& result : results) result = summarise(std::move(result), setting, tested_rows(data, setting));
  return results;
}

namespace {

/// Is `a` a better winner than `b`, which came earlier? `holds`: all targets.
bool wins(const FinalistResult& a, bool a_holds, const FinalistResult& b, bool b_holds, const WinnerRule& rule) {
  if (a_holds != b_holds) return a_holds;
  if (rule.first) {
    const Direction direction = info(*rule.first).direction;
    const double x = a.value(*rule.first), y = b.value(*rule.first);
    if (x != y) return better(x, y, direction);
  }
  return a.valid != b.valid ? a.valid > b.valid : a.cost.parameters < b.cost.parameters;
}

}  // namespace

int choose_winner(std::span<const FinalistResult> results, const WinnerRule& rule) {
  const FinalistResult* fallback = nullptr;
  for (const FinalistResult& r : results)
    if (r.finalist.trial < 0) fallback = &r;
  const auto holds = [&](const FinalistResult& r) {
    if (!fallback) return true;
    const std::vector<TargetCheck> checks = check_targets(r, *fallback, rule.targets);
    return std::all_of(checks.begin(), checks.end(), [](const TargetCheck& check) { return check.holds; });
  };
  int winner = -1;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const FinalistResult& r = results[i];
    if (!r.best_run() || (r.finalist.trial < 0 && results.size() > 1)) continue;
    if (winner >= 0) {
      const FinalistResult& w = results[static_cast<std::size_t>(winner)];
      if (!wins(r, holds(r), w, holds(w), rule)) continue;
    }
    winner = static_cast<int>(i);
  }
  if (winner < 0)
    for (std::size_t i = 0; i < results.size(); ++i)
      if (results[i].best_run()) return static_cast<int>(i);
  return winner;
}

PairedDifference paired_difference(std::span<const std::vector<std::int32_t>> a, std::span<const std::vector<std::int32_t>> b,
                                   std::span<const std::int32_t> labels) {
  PairedDifference result;
  if (a.empty() || b.empty() || labels.empty()) return result;
  const ScoreDifference d = score_difference(a, b, labels, 0, train::Metric::kAccuracy);
  result.mean = d.mean;
  result.half_width = d.quantile * d.error;
  result.p_value = sign_flip_p_value(row_differences(a, b, labels));
  return result;
}

}  // namespace lathe::nas
