// Trains a supernet: the sandwich rule, if asked for with in-place distillation (Yu & Huang 2019, arXiv:1903.05134).
//
// A step takes one batch through the largest sub-network, the smallest one, and `random` drawn ones (draw_part), in this order. The
// largest learns the labels; so do the others, or with `distill` its answers on the same batch (soft cross entropy to its softmax).
// The step's gradient is the mean over the sub-networks, each added onto the whole network's in this order; then clipping and one
// update of all weights, as in train/trainer.h, whose batches, schedule and optimizer these are.
//
//   SupernetTrainer trainer(context, shared, training, options, train_rows, valid_rows);    // shared = share_space(…)
//   while (!trainer.done()) trainer.run_epoch();
//   auto supernet = std::make_shared<Supernet>(trainer.supernet());
//
// Bits depend on seed, space, configuration and rows alone: not on threads, backends that promise the same bits, or interruptions.
// The Context needs trial kSupernetTrial.
#pragma once
#include <lathe/data/batch.h>
#include <lathe/nas/transformer/supernet.h>
#include <lathe/nas/transformer/supernet_space.h>
#include <lathe/optim/optimizer.h>
#include <lathe/train/evaluate.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace lathe::nas {

struct SupernetOptions {
  std::int64_t epochs = 4;  ///< passes over the training rows
  std::int64_t random = 2;  ///< drawn sub-networks a step, beside the largest and the smallest
  bool distill = false;     ///< all but the largest learn its answers
  /// InputError: no epochs, fewer than 0 drawn ones.
  void validate() const;
};

struct SupernetEpoch {
  std::int64_t epoch = 0;                       ///< from 1
  double largest_loss = 0, smallest_loss = 0;   ///< mean over the rows, of what each learned from, as seen while training
  train::Scores largest_valid, smallest_valid;  ///< of the validation rows; zeros without any
};

class SupernetTrainer {
 public:
  /// The data sets must outlive the trainer. Of `training`, epochs and patience are not used. InputError as train::Trainer.
  SupernetTrainer(Context& context, SharedSpace shared, const train::TrainConfig& training, const SupernetOptions& options,
                  const data::EncodedDataset& train, const data::EncodedDataset& valid);

  bool done() const { return epoch() >= options_.epochs; }
  std::int64_t epoch() const { return static_cast<std::int64_t>(history_.size()); }  ///< epochs finished
  const std::vector<SupernetEpoch>& history() const { return history_; }
  std::int64_t steps_in_epoch() const { return batches_.steps_in_epoch(); }
  std::int64_t flops() const { return flops_; }  ///< of all that was computed so far, evaluations included

  /// Trains to the end of the current epoch and evaluates. NonFiniteError naming the sub-network and the step. train::Stopped if
  /// `stop` returns true between steps.
  const SupernetEpoch& run_epoch(const std::function<bool()>& stop = {});
  /// Called after each step with its number in the epoch, the steps of the epoch and the largest network's loss.
  std::function<void(std::int64_t step, std::int64_t steps, double loss)> on_step;

  Supernet supernet() const;
  std::string weights_hash() const;  ///< train::weights_hash of the whole network
  const nn::Classifier& whole() const { return whole_; }
  const SharedSpace& shared() const { return shared_; }

  /// Everything that is needed to go on, as the bytes of a safetensors file, and going on from it. InputError naming `where`: cut
  /// or damaged bytes, another space, configuration, data set, seed or numerics version; the trainer is then as it was.
  std::string checkpoint() const;
  void restore(std::string bytes, const std::string& where);

  /// The gradient of one step on `batch` as update number `step`, left in the parameters of whole(), not divided by part_count();
  /// the losses of the largest and the smallest. For tests; run_epoch() does the rest.
  std::pair<double, double> accumulate(const data::PackedBatch& batch, std::int64_t step);
  std::int64_t part_count() const { return 2 + options_.random; }

 private:
  double train_part(const nn::TransformerConfig& part, const nn::Batch& batch, const Tensor& labels, Tensor& teacher);
  void finish_epoch();
  train::Scores evaluate(const nn::TransformerConfig& part) const;
  nn::Classifier part_of(const nn::TransformerConfig& part) const;
  std::string identity() const;

  SharedSpace shared_;
  train::TrainConfig training_;
  SupernetOptions options_;
  const data::EncodedDataset &train_, &valid_;
  Context& context_;
  nn::Classifier whole_;
  std::map<std::string, Var, std::less<>> by_name_;  ///< its parameters
  std::unique_ptr<optim::Optimizer> optimizer_;
  optim::Schedule schedule_;
  data::BatchIterator batches_;
  data::PackedBatch batch_;
  std::vector<SupernetEpoch> history_;
  double largest_sum_ = 0, smallest_sum_ = 0;  ///< Σ loss · rows of the running epoch
  std::int64_t rows_ = 0, flops_ = 0;
  std::string data_hash_;
};

}  // namespace lathe::nas
