// After the search: the best candidates and the default are trained again from scratch with several seeds, and only then is the
// test part looked at. Who wins is decided by validation alone.
#pragma once
#include <lathe/data/encode.h>
#include <lathe/nas/transformer/objective.h>
#include <lathe/train/trainer.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe::nas {

/// A candidate to be trained again.
struct Finalist {
  std::string name;         ///< "31": the trial's number; "default"
  std::int64_t trial = -1;  ///< −1: the default
  Candidate candidate;
};

/// One training of a finalist.
struct FinalRun {
  int seed = 1;  ///< 1, 2, …
  std::vector<train::EpochResult> history;
  train::Scores valid, test;              ///< of the best epoch
  std::vector<std::int32_t> test_labels;  ///< what it said about each test row
  std::vector<float> test_confidence;     ///< probability of that label
  std::string weights_hash;
  std::string failure;  ///< why there is no model (a loss that is not finite, …), else empty
  const train::EpochResult* best() const;
};

struct FinalistResult {
  Finalist finalist;
  std::string summary;  ///< architecture in a line
  CandidateCost cost;
  std::vector<FinalRun> runs;
  double valid = 0, test = 0;  ///< mean metric over the runs that did not fail
  double test_macro_f1 = 0;
  double low = 0, high = 1;          ///< 95 % interval of `test` over seeds and rows: score_interval() of intervals.h
  double half_width = 0;             ///< (high − low) / 2
  const FinalRun* best_run() const;  ///< best validation, ties: smaller seed; null if all failed
  /// Mean validation score over the runs that did not fail (not a number: all failed), or what is known from `cost`.
  double value(Quantity quantity) const;
};

struct FinalistSetting {
  std::filesystem::path folder;  ///< finalists/<name>-seed<n>/ are made in it and found again on resume
  TaskShape task;
  train::Metric metric = train::Metric::kAccuracy;
  std::uint64_t seed = 1;  ///< of the study
  int seeds = 3;
  int workers = 1;  ///< trainings at the same time; those that are over lend their thread
  std::string backend;
  const Encodings* encodings = nullptr;  ///< as TrainingSetting; without them all train on the rows given
  PredictLatency latency = {};           ///< null: no predicted latency in the costs
  bool read_test = true;                 ///< false: the validation rows stand for the test rows, which are not read
  std::function<bool()> stop_requested = [] { return false; };
  /// A training advanced by an epoch or ended: name, seed, its history so far, done. From any thread, one call at a time.
  std::function<void(const Finalist&, const FinalRun&, bool done)> progress;
};

/// Trains every finalist with every seed. A training that a former call finished is read, one that was cut off goes on from its
/// latest epoch, one whose files are damaged begins anew; all give the same bits as an undisturbed call. Random streams: trial
/// number 2³² · seed + trial (default: 2³² · seed + 2³² − 1). Interrupted if stop_requested; InfrastructureError if the disk fails.
std::vector<FinalistResult> train_finalists(std::span<const Finalist> finalists, const data::EncodedSplits& data,
                                            const FinalistSetting& setting);

/// A target and what came of it after retraining.
struct TargetCheck {
  std::string text;             ///< "accuracy >= 0.95 * default"
  double value = 0, bound = 0;  ///< of the finalist; what it had to reach
  bool holds = false;
};
/// Every target for one finalist; `fallback` is the default, retrained the same way. Empty if either has no training that
/// succeeded.
std::vector<TargetCheck> check_targets(const FinalistResult& result, const FinalistResult& fallback,
                                       std::span<const Target> targets);

/// What the winner is chosen by.
struct WinnerRule {
  std::optional<Quantity> first;  ///< the first objective; nothing: the metric
  std::vector<Target> targets;
};
/// Index of the winner: of those that hold all targets (of all, if none does) the best one by the first objective, which is mean
/// validation metric unless the rule says otherwise; ties: better metric, then fewer parameters, then the earlier one. The default
/// cannot win unless it is alone. −1 if every training failed.
int choose_winner(std::span<const FinalistResult> results, const WinnerRule& rule = {});

/// Weights of one training, as model.safetensors in its folder.
std::filesystem::path weights_file(const FinalistSetting& setting, const Finalist& finalist, int seed);

/// Is `a` better than `b` on the test rows? Per row the difference of the shares of seeds that are right; its mean with a 95 %
/// interval, that of score_difference(), and the p-value of sign_flip_p_value(), since the interval is too narrow where few rows
/// differ. Significant: the interval excludes 0 and p ≤ 0.05 (not a number: unknown).
struct PairedDifference {
  double mean = 0, half_width = 0;
  double p_value = std::numeric_limits<double>::quiet_NaN();
  bool significant() const { return (mean - half_width > 0 || mean + half_width < 0) && !(p_value > 0.05); }
};
PairedDifference paired_difference(std::span<const std::vector<std::int32_t>> a, std::span<const std::vector<std::int32_t>> b,
                                   std::span<const std::int32_t> labels);

}  // namespace lathe::nas
