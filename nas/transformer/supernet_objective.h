// The objective of a search on inherited weights: how good is an architecture with its slices of a trained supernet?
//
// A trial is one segment: the objectives of the sub-network, without any training. It costs max(1, FLOPs >> 20) ticks, those
// of answering for all validation rows. Whatever sampler, limits and workers do with it, they do as with training; the finalists of
// such a search are trained from scratch like any others, for the inherited score only ranks.
#pragma once
#include <lathe/nas/transformer/objective.h>
#include <lathe/nas/transformer/supernet.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace lathe::nas {

class SupernetObjective final : public Objective {
 public:
  /// `training`: what a point means, its cost and its limits. It and the validation rows must outlive the objective.
  SupernetObjective(std::shared_ptr<const Supernet> supernet, const TrainingObjective& training, const data::EncodedDataset& valid);

  Plan plan(const Point& params) const override;
  /// The limits of the training objective, which the finalists must hold.
  std::optional<std::string> refuse(const Point& params) const override { return training_.refuse(params); }
  /// Digest: the weights that were inherited. Points that were asked for before are not computed again.
  SegmentResult run(const Point& params, const SegmentContext& segment, const Checkpoint& checkpoint) override;

  const Supernet& supernet() const { return *supernet_; }
  /// Scores of any architecture that lies in the supernet, with the weights that it inherits. InputError as check_part().
  train::Scores scores(const nn::TransformerConfig& architecture) const;

 private:
  SegmentResult evaluate(const Point& params, int threads) const;
  std::shared_ptr<const Supernet> supernet_;
  const TrainingObjective& training_;
  const data::EncodedDataset& valid_;
  std::vector<std::int32_t> lengths_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::uint64_t> ticks_;  // by canonical text of the point
  std::map<std::string, SegmentResult> results_;
};

}  // namespace lathe::nas
