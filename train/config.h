// How a model is trained: the numbers that are no part of its architecture.
#pragma once
#include <lathe/data/batch.h>
#include <lathe/optim/optimizer.h>
#include <lathe/optim/schedule.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::train {

enum class OptimizerKind { kAdamW, kSgd };
enum class Metric { kAccuracy, kMacroF1 };

// Names as in configuration files; the second of each pair throws InputError with the nearest name.
const char* name_of(OptimizerKind kind);  ///< "adamw", "sgd"
const char* name_of(Metric metric);       ///< "accuracy", "macro_f1"
OptimizerKind optimizer_kind(std::string_view name);
Metric metric_kind(std::string_view name);

struct TrainConfig {
  std::int64_t epochs = 3;                          ///< passes over the training rows; also the length of the schedule
  std::int64_t batch_rows = 32;                     ///< rows a step, unless batch_tokens > 0
  std::int64_t batch_tokens = 0;                    ///< tokens a step
  OptimizerKind optimizer = OptimizerKind::kAdamW;  ///< sgd: momentum 0.9
  double lr = 1e-3;
  double weight_decay = 0.01;
  optim::ScheduleKind schedule = optim::ScheduleKind::kCosine;
  double warmup = 0.05;       ///< share of all steps
  double clip = 1.0;          ///< largest gradient norm; 0: no limit
  std::int64_t patience = 2;  ///< stop after so many epochs in a row without a better validation score; 0: never
  Metric metric = Metric::kAccuracy;

  /// InputError with the first thing that is wrong.
  void validate() const;
  /// Every field in the order above: what a checkpoint compares.
  std::string to_json() const;
};

/// What they say about steps and updates.
data::BatchOptions batch_options(const TrainConfig& config);
std::unique_ptr<optim::Optimizer> make_optimizer(const TrainConfig& config, const std::vector<Var>& parameters);
/// Over all steps of all epochs on these rows, which `shuffle` orders; ⌊warmup · steps⌋ of them warm up. InputError as validate().
optim::Schedule make_schedule(const TrainConfig& config, const data::EncodedDataset& rows, RandomKey shuffle);

}  // namespace lathe::train
