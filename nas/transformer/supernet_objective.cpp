#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/nas/transformer/supernet_objective.h>
#include <lathe/nn/cost.h>
#include <lathe/train/trainer.h>

namespace lathe::nas {

SupernetObjective::SupernetObjective(std::shared_ptr<const Supernet> supernet, const TrainingObjective& training,
                                     const data::EncodedDataset& valid)
    : supernet_(std::move(supernet)), training_(training), valid_(valid) {
  for (std::size_t i = 0; i < valid.rows(); ++i) lengths_.push_back(valid.length(i));
  if (lengths_.empty()) throw InputError("[supernet] a search on inherited weights needs validation rows");
}

Plan SupernetObjective::plan(const Point& params) const {
  Plan plan;
  plan.attributes = training_.plan(params).attributes;
  const std::string key = params.json();
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = ticks_.find(key); found != ticks_.end()) {
      plan.segments[0].ticks = found->second;
      return plan;
    }
  }
  const nn::TransformerConfig architecture = training_.candidate(params).architecture(training_.setting().task);
  const std::int64_t flops = nn::cost_of(architecture, lengths_).inference_flops.total();
  plan.segments[0].ticks = ticks_of_flops(static_cast<std::uint64_t>(flops));
  const std::lock_guard lock(mutex_);
  ticks_.emplace(key, plan.segments[0].ticks);
  return plan;
}

train::Scores SupernetObjective::scores(const nn::TransformerConfig& architecture) const {
  Context context({.backend = training_.setting().backend, .threads = 1});
  return train::score(train::predict(supernet_->network(context, architecture), valid_), valid_.labels);
}

SegmentResult SupernetObjective::evaluate(const Point& params, int threads) const {
  const Candidate candidate = training_.candidate(params);
  Context context({.backend = training_.setting().backend, .threads = threads});
  try {
    const nn::Classifier model = supernet_->network(context, candidate.architecture(training_.setting().task));
    const train::Scores scores = train::score(train::predict(model, valid_), valid_.labels);
    if (!(scores.loss - scores.loss == 0))
      return SegmentResult::failed(Failure::non_finite, "the validation loss with inherited weights is not finite");
    SegmentResult result = training_.result_of(params, scores);
    result.digest = train::weights_hash(model.parameters()).substr(0, 16);
    result.attributes = JsonWriter()
                            .begin_object()
                            .member("valid_loss", scores.loss)
                            .member("accuracy", scores.accuracy)
                            .member("macro_f1", scores.macro_f1)
                            .end_object()
                            .text();
    return result;
  } catch (const MemoryLimitError& error) {
    return SegmentResult::failed(Failure::memory_limit, error.what());
  }
}

SegmentResult SupernetObjective::run(const Point& params, const SegmentContext& segment, const Checkpoint&) {
  const std::string key = params.json();
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = results_.find(key); found != results_.end()) return found->second;
  }
  if (segment.stop_requested()) throw Interrupted();
  SegmentResult result = evaluate(params, segment.threads());
  const std::lock_guard lock(mutex_);
  return results_.emplace(key, std::move(result)).first->second;
}

}  // namespace lathe::nas
