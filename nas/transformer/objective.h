// The objective that searches run on: training a transformer classifier on labelled text.
//
// A trial is one training. Its segments are epochs; each reports the objectives (the validation metric, unless the setting names
// others; what is known before training is the same in every report) and costs max(1, training FLOPs >> 20) ticks, from the meta
// device, so the cost is known before the trial runs. Patience ends a trial early (unit_done). State travels between segments as
// the trainer's checkpoint.
#pragma once
#include <lathe/data/batch.h>
#include <lathe/nas/objective.h>
#include <lathe/nas/transformer/candidate.h>
#include <lathe/nas/transformer/encodings.h>
#include <lathe/nas/transformer/quantities.h>
#include <lathe/nn/cost.h>
#include <lathe/train/evaluate.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace lathe::nas {

/// A candidate's optimizer as nn::cost_of wants it: for its FLOPs and its state's memory.
nn::MakeUpdate update_of(const train::TrainConfig& config);

/// What a candidate costs on given training rows, from shapes alone: exact but for what epoch_flops says.
struct CandidateCost {
  std::int64_t parameters = 0;
  /// Training, all rows once, updates included. Batches of several groups have their loss counted twice; here all rows count so, if
  /// they are several groups together: small batches take less by so much (tens of FLOPs a row).
  std::int64_t epoch_flops = 0;
  std::int64_t sentence_flops = 0;   ///< answering for one text of the mean length
  std::int64_t training_bytes = 0;   ///< accounted peak for a batch of the longest rows
  std::int64_t inference_bytes = 0;  ///< accounted peak of answering one text of max_tokens tokens
  std::int64_t latency_ns = -1;      ///< predicted; −1: there is no latency model
};
/// Predicted nanoseconds of answering one text. A pure function, from what was measured before the study.
using PredictLatency = std::function<std::int64_t(const nn::TransformerConfig&)>;

/// Exact but for the latency, which is not predicted here. `train`: as encoded for this candidate.
CandidateCost cost_of(const Candidate& candidate, const TaskShape& task, const data::EncodedDataset& train);

struct TrainingSetting {
  Candidate base;
  TaskShape task;
  /// Known before training: refuse() checks them. Measured: constraints, in this order, which the header has to name.
  std::vector<Limit> limits = {};
  std::string backend = {};               ///< as ContextOptions
  std::vector<Quantity> objectives = {};  ///< of the header, in its order; none: the metric
  PredictLatency latency = {};            ///< null: latency_ms can be neither objective nor limit
  const Encodings* encodings = nullptr;   ///< rows for other vocabularies and lengths; must outlive all that use the setting
};

/// {"architecture":…,"training":…} of the base candidate, for files that keep what was computed from it.
std::string base_json(const TrainingSetting& setting);

class TrainingObjective final : public Objective {
 public:
  /// The data sets must outlive the objective; they are those of candidates that choose no vocabulary and length of their own.
  /// InputError: latency_ms is an objective or a limit, and the setting has no latency model.
  TrainingObjective(TrainingSetting setting, const data::EncodedDataset& train, const data::EncodedDataset& valid);

  Plan plan(const Point& params) const override;
  std::optional<std::string> refuse(const Point& params) const override;
  SegmentResult run(const Point& params, const SegmentContext& segment, const Checkpoint& checkpoint) override;

  Candidate candidate(const Point& params) const { return apply(setting_.base, params); }
  CandidateCost cost(const Point& params) const;  ///< cached
  CandidateCost cost(const Candidate& candidate) const;
  const TrainingSetting& setting() const { return setting_; }
  std::shared_ptr<const data::EncodedDataset> train_rows(const Candidate& candidate) const;
  std::shared_ptr<const data::EncodedDataset> valid_rows(const Candidate& candidate) const;
  /// Objectives and constraints that these scores of the validation rows amount to.
  SegmentResult result_of(const Point& params, const train::Scores& scores) const;

 private:
  TrainingSetting setting_;
  const data::EncodedDataset &train_, &valid_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, CandidateCost> costs_;  // by canonical text of the point
};

}  // namespace lathe::nas
