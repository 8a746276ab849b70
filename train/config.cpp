#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/train/config.h>

#include <vector>

namespace lathe::train {
namespace {

/// Index of `name` in `names`, or InputError "unknown <what> `x`; did you mean `y`?".
std::size_t find_name(std::string_view name, const std::vector<std::string>& names, const char* what) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return i;
  const auto near = nearest(name, names);
  throw InputError(
      str("unknown ", what, " `", name, "`; ", near ? "did you mean `" + *near + "`?" : "expected " + join(names, " or ")));
}

}  // namespace

const char* name_of(OptimizerKind kind) { return kind == OptimizerKind::kAdamW ? "adamw" : "sgd"; }
const char* name_of(Metric metric) { return metric == Metric::kAccuracy ? "accuracy" : "macro_f1"; }
OptimizerKind optimizer_kind(std::string_view name) {
  return find_name(name, {"adamw", "sgd"}, "optimizer") == 0 ? OptimizerKind::kAdamW : OptimizerKind::kSgd;
}
Metric metric_kind(std::string_view name) {
  return find_name(name, {"accuracy", "macro_f1"}, "metric") == 0 ? Metric::kAccuracy : Metric::kMacroF1;
}

void TrainConfig::validate() const {
  const auto require = [](bool holds, const std::string& message) {
    if (!holds) throw InputError(message);
  };
  require(epochs >= 1, str("epochs = ", epochs, ", expected at least 1"));
  require(batch_tokens >= 0, str("batch_tokens = ", batch_tokens, ", expected 0 or more"));
  require(batch_tokens > 0 || batch_rows >= 1, str("batch_rows = ", batch_rows, ", expected at least 1"));
  require(lr > 0 && lr - lr == 0, str("lr = ", lr, ", expected a positive number"));
  require(weight_decay >= 0 && weight_decay - weight_decay == 0, str("weight_decay = ", weight_decay, ", expected 0 or more"));
  require(warmup >= 0 && warmup < 1, str("warmup = ", warmup, ", expected a share of the steps, at least 0 and below 1"));
  require(clip >= 0 && clip - clip == 0, str("clip = ", clip, ", expected 0 or more"));
  require(patience >= 0, str("patience = ", patience, ", expected 0 or more"));
}

std::string TrainConfig::to_json() const {
  return JsonWriter()
      .begin_object()
      .member("epochs", epochs)
      .member("batch_rows", batch_rows)
      .member("batch_tokens", batch_tokens)
      .member("optimizer", name_of(optimizer))
      .member("lr", lr)
      .member("weight_decay", weight_decay)
      .member("schedule", optim::name_of(schedule))
      .member("warmup", warmup)
      .member("clip", clip)
      .member("patience", patience)
      .member("metric", name_of(metric))
      .end_object()
      .text();
}

data::BatchOptions batch_options(const TrainConfig& config) {
  data::BatchOptions options;
  if (config.batch_tokens > 0) {
    options.batch_tokens = config.batch_tokens;
  } else {
    options.batch_rows = config.batch_rows;
  }
  return options;
}

std::unique_ptr<optim::Optimizer> make_optimizer(const TrainConfig& config, const std::vector<Var>& parameters) {
  if (config.optimizer == OptimizerKind::kAdamW) return std::make_unique<optim::AdamW>(parameters, config.weight_decay);
  return std::make_unique<optim::Sgd>(parameters, config.weight_decay, optim::SgdOptions{.momentum = 0.9});
}

optim::Schedule make_schedule(const TrainConfig& config, const data::EncodedDataset& rows, RandomKey shuffle) {
  optim::Schedule schedule;
  schedule.kind = config.schedule;
  schedule.peak = config.lr;
  schedule.total_steps = data::total_steps(rows, batch_options(config), shuffle, config.epochs);
  schedule.warmup_steps = static_cast<std::int64_t>(math::floor(config.warmup * static_cast<double>(schedule.total_steps)));
  schedule.validate();
  return schedule;
}

}  // namespace lathe::train
