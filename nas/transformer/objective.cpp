#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/objective.h>
#include <lathe/train/trainer.h>

#include <algorithm>
#include <vector>

namespace lathe::nas {
namespace {

std::vector<std::int32_t> longest_rows(const data::EncodedDataset& rows, std::int64_t count) {
  std::vector<std::int32_t> lengths;
  for (std::size_t i = 0; i < rows.rows(); ++i) lengths.push_back(rows.length(i));
  std::sort(lengths.begin(), lengths.end(), std::greater<>());
  lengths.resize(std::min<std::size_t>(lengths.size(), static_cast<std::size_t>(std::max<std::int64_t>(count, 1))));
  return lengths;
}

/// FLOPs of training on rows of any length, without the update: every count is a sum over rows, tokens and pairs of tokens, so
/// those of three lengths tell all. Rows that are trained in several groups (nn::Classifier::backward) have their loss counted
/// twice, and whether a batch has several depends on the order of an epoch: taken as if all rows were one batch.
class RowFlops {
 public:
  RowFlops(const nn::TransformerConfig& architecture, const nn::MakeUpdate& make_update, std::size_t tokens) {
    const Index group = nn::group_tokens_of(architecture);
    const bool several = nn::group_count(static_cast<Index>(tokens), group) > 1;
    std::int64_t of[3];  // a row of 1, 2 and 3 tokens
    for (std::int32_t length = 1; length <= 3; ++length) {
      const std::int64_t copies = several ? (2 * group + length - 1) / length : 1;  // of two groups
      const std::vector<std::int32_t> lengths(static_cast<std::size_t>(copies), length);
      const nn::Cost cost = nn::cost_of(architecture, lengths, make_update);
      update_ = cost.training_flops.of(OpClass::kOptimizer);
      parameters_ = cost.parameters;
      const std::int64_t flops = cost.training_flops.total() - update_;
      LATHE_CHECK(flops % copies == 0);
      of[length - 1] = flops / copies;
    }
    const std::int64_t twice_square = of[2] - 2 * of[1] + of[0];
    LATHE_CHECK(twice_square % 2 == 0);
    square_ = twice_square / 2;
    linear_ = of[1] - of[0] - 3 * square_;
    constant_ = of[0] - linear_ - square_;
  }
  std::int64_t all(const data::EncodedDataset& rows) const {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
      const std::int64_t n = rows.length(i);
      sum += constant_ + n * (linear_ + n * square_);
    }
    return sum;
  }
  std::int64_t update() const { return update_; }
  std::int64_t parameters() const { return parameters_; }

 private:
  std::int64_t constant_ = 0, linear_ = 0, square_ = 0, update_ = 0, parameters_ = 0;
};

}  // namespace

nn::MakeUpdate update_of(const train::TrainConfig& config) {
  return [config](const std::vector<Var>& parameters) -> std::function<void()> {
    const std::shared_ptr<optim::Optimizer> optimizer = train::make_optimizer(config, parameters);
    return [optimizer] {
      optimizer->step(1e-3);
      optimizer->zero_grad();
    };
  };
}

CandidateCost cost_of(const Candidate& candidate, const TaskShape& task, const data::EncodedDataset& train) {
  const nn::TransformerConfig architecture = candidate.architecture(task);
  const train::TrainConfig& training = candidate.training;
  const nn::MakeUpdate update = update_of(training);
  CandidateCost cost;

  const RowFlops row(architecture, update, train.tokens());
  data::BatchIterator batches(train, train::batch_options(training));
  batches.seek(0);
  cost.parameters = row.parameters();
  const std::int64_t norm_flops = 2 * cost.parameters;  // of the gradient, for clipping: a number that the meta device cannot give
  cost.epoch_flops = row.all(train) + (row.update() + norm_flops) * batches.steps_in_epoch();

  const auto mean = static_cast<std::int32_t>((train.tokens() + train.rows() - 1) / std::max<std::size_t>(train.rows(), 1));
  const std::int32_t one[] = {std::max(mean, 1)};
  cost.sentence_flops = nn::cost_of(architecture, one).inference_flops.total();

  const std::int64_t rows =
      training.batch_tokens > 0 ? training.batch_tokens / std::max<std::int64_t>(mean, 1) : training.batch_rows;
  cost.training_bytes = nn::cost_of(architecture, longest_rows(train, rows), update).training_peak_bytes;
  const std::int32_t longest[] = {static_cast<std::int32_t>(architecture.max_tokens)};
  cost.inference_bytes = nn::cost_of(architecture, longest).inference_peak_bytes;
  return cost;
}

std::string base_json(const TrainingSetting& setting) {
  JsonWriter json;
  json.begin_object().key("architecture").raw(setting.base.architecture(setting.task).to_json());
  return json.key("training").raw(setting.base.training.to_json()).end_object().text();
}

TrainingObjective::TrainingObjective(TrainingSetting setting, const data::EncodedDataset& train, const data::EncodedDataset& valid)
    : setting_(std::move(setting)), train_(train), valid_(valid) {
  if (setting_.latency) return;
  const CandidateCost no_latency;
  for (const Quantity q : setting_.objectives)
    if (q == Quantity::kLatency) known_value(q, no_latency);  // throws
  for (const Limit& limit : setting_.limits)
    if (limit.quantity == Quantity::kLatency) known_value(limit.quantity, no_latency);
}

// A data set of the caller's is passed on without an owner.
std::shared_ptr<const data::EncodedDataset> TrainingObjective::train_rows(const Candidate& candidate) const {
  if (!setting_.encodings) return {std::shared_ptr<void>(), &train_};
  const auto splits = setting_.encodings->rows(candidate);
  return {splits, &splits->train};
}

std::shared_ptr<const data::EncodedDataset> TrainingObjective::valid_rows(const Candidate& candidate) const {
  if (!setting_.encodings) return {std::shared_ptr<void>(), &valid_};
  const auto splits = setting_.encodings->rows(candidate);
  return {splits, &splits->valid};
}

CandidateCost TrainingObjective::cost(const Candidate& candidate) const {
  CandidateCost cost = cost_of(candidate, setting_.task, *train_rows(candidate));
  if (setting_.latency) cost.latency_ns = setting_.latency(candidate.architecture(setting_.task));
  return cost;
}

CandidateCost TrainingObjective::cost(const Point& params) const {
  const std::string key = params.json();
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = costs_.find(key); found != costs_.end()) return found->second;
  }
  const CandidateCost cost = this->cost(candidate(params));
  const std::lock_guard lock(mutex_);
  return costs_.emplace(key, cost).first->second;
}

Plan TrainingObjective::plan(const Point& params) const {
  const Candidate c = candidate(params);
  const CandidateCost cost = this->cost(params);
  Plan plan;
  plan.segments.clear();
  for (std::int64_t epoch = 1; epoch <= c.training.epochs; ++epoch)
    plan.segments.push_back({0, static_cast<int>(epoch), ticks_of_flops(static_cast<std::uint64_t>(cost.epoch_flops))});
  JsonWriter attributes;
  attributes.begin_object().member("params", cost.parameters).member("flops", cost.sentence_flops);
  attributes.member("memory", cost.training_bytes).member("memory_mb", known_value(Quantity::kMemory, cost));
  if (cost.latency_ns >= 0) attributes.member("latency_ms", known_value(Quantity::kLatency, cost));
  plan.attributes = attributes.member("arch", c.architecture(setting_.task).summary()).end_object().text();
  return plan;
}

std::optional<std::string> TrainingObjective::refuse(const Point& params) const {
  const Candidate c = candidate(params);
  const nn::TransformerConfig architecture = c.architecture(setting_.task);
  try {
    architecture.validate();
    c.training.validate();
  } catch (const InputError& error) {
    return error.what();  // a point that is no model is a point to skip
  }
  // Parameters are counted without a run on the meta device: they alone, before everything.
  const auto broken = [](const Limit& limit, double value) {
    const std::string unit = info(limit.quantity).unit;
    return str(limit.text, ", this model has ", unit.empty() ? std::to_string(static_cast<std::int64_t>(value)) : number(value),
               unit.empty() ? "" : " ", unit);
  };
  for (const Limit& limit : setting_.limits)
    if (limit.quantity == Quantity::kParams)
      if (const auto value = static_cast<double>(nn::count_parameters(architecture)); !limit.holds(value))
        return broken(limit, value);
  for (const Limit& limit : setting_.limits)
    if (!is_measured(limit.quantity) && limit.quantity != Quantity::kParams)
      if (const double value = known_value(limit.quantity, cost(params)); !limit.holds(value)) return broken(limit, value);
  return {};
}

SegmentResult TrainingObjective::result_of(const Point& params, const train::Scores& scores) const {
  SegmentResult result;
  const auto value = [&](Quantity q) { return is_measured(q) ? measured_value(q, scores) : known_value(q, cost(params)); };
  for (const Quantity q : setting_.objectives) result.values.push_back(value(q));
  if (result.values.empty()) result.values.push_back(scores.of(setting_.base.training.metric));
  for (const Limit& limit : setting_.limits)
    if (is_measured(limit.quantity)) result.constraints.push_back(limit.excess(value(limit.quantity)));
  return result;
}

SegmentResult TrainingObjective::run(const Point& params, const SegmentContext& segment, const Checkpoint& checkpoint) {
  const Candidate c = candidate(params);
  const nn::TransformerConfig architecture = c.architecture(setting_.task);
  Context context({.backend = setting_.backend,
                   .threads = segment.threads(),
                   .seed = segment.seed,
                   .trial = static_cast<std::uint64_t>(segment.trial)});
  try {
    const auto train = train_rows(c), valid = valid_rows(c);
    std::optional<std::string> saved;
    if (std::optional<Checkpoint::State> state = checkpoint.load()) saved = std::move(state->bytes);
    const std::unique_ptr<train::Trainer> going_on =
        train::go_on(std::move(saved), context, architecture, c.training, *train, *valid);
    train::Trainer& trainer = *going_on;
    const auto between_steps = [&] {
      context.set_threads(segment.threads());
      return segment.stop_requested();
    };
    while (trainer.epoch() <= segment.index) trainer.run_epoch(between_steps);
    const train::EpochResult& last = trainer.history()[static_cast<std::size_t>(segment.index)];
    if (trainer.epoch() < c.training.epochs) checkpoint.save(trainer.checkpoint());
    const bool metric_first = setting_.objectives.empty() || setting_.objectives[0] == quantity_of(setting_.base.training.metric);
    SegmentResult result = result_of(params, metric_first ? last.valid : trainer.best()->valid);  // set_objectives()
    result.unit_done = trainer.out_of_patience() && trainer.epoch() < c.training.epochs;
    result.digest = trainer.weights_hash().substr(0, 16);
    result.attributes = JsonWriter()
                            .begin_object()
                            .member("train_loss", last.train_loss)
                            .member("valid_loss", last.valid.loss)
                            .member("accuracy", last.valid.accuracy)
                            .member("macro_f1", last.valid.macro_f1)
                            .end_object()
                            .text();
    return result;
  } catch (const train::Stopped&) {
    throw Interrupted();
  } catch (const NonFiniteError& error) {
    return SegmentResult::failed(Failure::non_finite, error.what());
  } catch (const MemoryLimitError& error) {
    return SegmentResult::failed(Failure::memory_limit, error.what());
  }
}

}  // namespace lathe::nas
