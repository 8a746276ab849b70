// Trains a classifier, epoch by epoch, to the same bits whatever interrupts it.
//
//   Context context({.threads = 2, .seed = 1});
//   Trainer trainer(context, architecture, config, train_rows, valid_rows);
//   while (!trainer.done()) print(trainer.run_epoch());
//   trainer.restore_best();
//   write_file_atomic("model.ckpt", trainer.checkpoint());      // at any time between steps
//
// A step: the next packed batch → loss → gradients → clipping → optimizer. Batches are shuffled by stream `shuffle` of (seed,
// trial) at counter = epoch, dropout by stream `dropout` at counter = step: nothing random has state, so a checkpoint is the
// parameters, the optimizer's state, the best parameters so far, and a position.
#pragma once
#include <lathe/base/error.h>
#include <lathe/data/batch.h>
#include <lathe/nn/transformer.h>
#include <lathe/optim/optimizer.h>
#include <lathe/train/config.h>
#include <lathe/train/evaluate.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe::train {

struct EpochResult {
  std::int64_t epoch = 0;  ///< from 1
  double train_loss = 0;   ///< mean over the epoch's rows, as seen while training
  Scores valid;            ///< of the validation rows; zeros without any
  bool best = false;       ///< better than every epoch before it
  std::int64_t steps = 0, tokens = 0;
};

/// Thrown by run_epoch() when `stop` said so between two steps; the trainer is at a step and can be checkpointed.
class Stopped : public Error {
 public:
  Stopped() : Error("stopped on request") {}
};

class Trainer {
 public:
  /// The data sets must outlive the trainer. InputError: a configuration that does not hold, no training rows, labels or ids
  /// outside the architecture's classes or vocabulary.
  Trainer(Context& context, const nn::TransformerConfig& architecture, const TrainConfig& config, const data::EncodedDataset& train,
          const data::EncodedDataset& valid);
  /// Goes on from the bytes of a checkpoint(), as restore() does.
  Trainer(Context& context, const nn::TransformerConfig& architecture, const TrainConfig& config, const data::EncodedDataset& train,
          const data::EncodedDataset& valid, std::string checkpoint, const std::string& where);
  ~Trainer();

  /// All epochs trained, or patience at its end.
  bool done() const;
  bool out_of_patience() const;
  std::int64_t epoch() const { return static_cast<std::int64_t>(history_.size()); }  ///< epochs finished
  const std::vector<EpochResult>& history() const { return history_; }
  /// The finished epoch with the best validation score (the earliest of equals); without validation rows the last one.
  const EpochResult* best() const;

  /// Trains to the end of the current epoch and evaluates. NonFiniteError if a loss (also the one of the validation rows) or a
  /// gradient is NaN or infinite, naming the operation and layer that made it (the step is replayed with checks). Stopped if `stop`
  /// returns true between steps.
  EpochResult run_epoch(const std::function<bool()>& stop = {});
  /// Called after each step with its number in the epoch, the steps of the epoch and the loss.
  std::function<void(std::int64_t step, std::int64_t steps, double loss)> on_step;

  /// Puts the parameters of best() back. Training cannot go on afterwards.
  void restore_best();

  nn::Classifier& model() { return model_; }
  const nn::TransformerConfig& architecture() const { return model_.config(); }
  std::int64_t steps_in_epoch() const { return batches_.steps_in_epoch(); }

  /// SHA-256 over all parameters in registration order, hexadecimal.
  std::string weights_hash() const;

  /// Everything that is needed to go on, as the bytes of a safetensors file.
  std::string checkpoint() const;
  /// Goes on from checkpoint(). InputError naming `where`: cut or damaged bytes, another architecture, configuration, data set,
  /// seed, trial or numerics version; the trainer is then as it was.
  void restore(std::string bytes, const std::string& where);

 private:
  Trainer(nn::Parameters parameters, const nn::TransformerConfig& architecture, const TrainConfig& config,
          const data::EncodedDataset& train, const data::EncodedDataset& valid);
  double train_step();
  void replay_with_checks();
  void finish_epoch();
  [[noreturn]] void refuse_evaluation(const EpochResult& result);
  std::string identity() const;
  std::vector<Tensor> copy_parameters() const;

  TrainConfig config_;
  const data::EncodedDataset &train_, &valid_;
  Context& context_;
  nn::Classifier model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  optim::Schedule schedule_;
  data::BatchIterator batches_;
  data::PackedBatch batch_;
  std::vector<EpochResult> history_;
  std::vector<Tensor> best_;  ///< parameters of the best epoch
  double loss_sum_ = 0;       ///< Σ loss · rows of the running epoch
  std::int64_t rows_ = 0, tokens_ = 0;
  std::string data_hash_;
};

/// A trainer that goes on from a checkpoint if there is one that can be used: a checkpoint is a cache here, and one that is damaged
/// or of another training costs the steps that it held, never a result.
std::unique_ptr<Trainer> go_on(std::optional<std::string> checkpoint, Context& context, const nn::TransformerConfig& architecture,
                               const TrainConfig& config, const data::EncodedDataset& train, const data::EncodedDataset& valid);

/// SHA-256 over the values of parameters in order (names and shapes included), hexadecimal.
std::string weights_hash(std::span<const Var> parameters);

}  // namespace lathe::train
