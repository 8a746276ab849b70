// The objective that searches run on: training a transformer classifier on labelled text.
//
// A trial is one training. Its segments are epochs; each reports the validation metric and costs max(1, training FLOPs >> 20)
// ticks, from the meta device, so the cost is known before the trial runs. Patience ends a trial early (unit_done). State travels
// between segments as the trainer's checkpoint.
#pragma once
#include <lathe/data/batch.h>
#include <lathe/nas/objective.h>
#include <lathe/nas/transformer/candidate.h>
#include <lathe/nn/cost.h>
#include <lathe/train/evaluate.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace lathe::nas {

/// A candidate's optimizer as nn::cost_of wants it: for its FLOPs and its state's memory.
nn::MakeUpdate update_of(const train::TrainConfig& config);

/// What a candidate costs on given training rows: exact, from shapes alone.
struct CandidateCost {
  std::int64_t parameters = 0;
  std::int64_t epoch_flops = 0;     ///< training, all rows once, updates included
  std::int64_t sentence_flops = 0;  ///< answering for one text of the mean length
  std::int64_t training_bytes = 0;  ///< accounted peak for a batch of the longest rows
};
CandidateCost cost_of(const Candidate& candidate, const TaskShape& task, const data::EncodedDataset& train);

/// Limits that are checked before training; 0: none.
struct Limits {
  std::int64_t params = 0;
};

struct TrainingSetting {
  Candidate base;
  TaskShape task;
  Limits limits;
  std::string backend;  ///< as ContextOptions
};

class TrainingObjective final : public Objective {
 public:
  /// The data sets must outlive the objective.
  TrainingObjective(TrainingSetting setting, const data::EncodedDataset& train, const data::EncodedDataset& valid);

  Plan plan(const Point& params) const override;
  std::optional<std::string> refuse(const Point& params) const override;
  SegmentResult run(const Point& params, const SegmentContext& segment, const Checkpoint& checkpoint) override;

  Candidate candidate(const Point& params) const { return apply(setting_.base, params); }
  CandidateCost cost(const Point& params) const;  ///< cached
  const TrainingSetting& setting() const { return setting_; }

 private:
  TrainingSetting setting_;
  const data::EncodedDataset &train_, &valid_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, CandidateCost> costs_;  // by canonical text of the point
};

}  // namespace lathe::nas
