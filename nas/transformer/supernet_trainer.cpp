#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/supernet_trainer.h>
#include <lathe/nn/distillation.h>
#include <lathe/nn/weights.h>
#include <lathe/optim/clip.h>
#include <lathe/tensor/ops.h>
#include <lathe/train/checkpoint_file.h>
#include <lathe/train/trainer.h>

#include <optional>

namespace lathe::nas {
namespace {

constexpr const char* kFormat = "lathe supernet 1";

train::TrainConfig checked(train::TrainConfig training, const SupernetOptions& options) {
  options.validate();
  training.epochs = options.epochs;
  training.patience = 0;
  training.validate();
  return training;
}

/// What the whole network's gradients are added to.
Tensor& gradient_of(Var parameter) {
  if (!parameter.grad().defined()) parameter.set_grad(Tensor::zeros(parameter.context(), parameter.shape()));
  return parameter.mutable_grad();
}

}  // namespace

void SupernetOptions::validate() const {
  if (epochs < 1) throw InputError(str("supernet.epochs is ", epochs, ", expected at least 1"));
  if (random < 0) throw InputError(str("supernet.random is ", random, ", expected at least 0"));
}

SupernetTrainer::SupernetTrainer(Context& context, SharedSpace shared, const train::TrainConfig& training,
                                 const SupernetOptions& options, const data::EncodedDataset& train,
                                 const data::EncodedDataset& valid)
    : shared_(std::move(shared)),
      training_(checked(training, options)),
      options_(options),
      train_(train),
      valid_(valid),
      context_(context),
      whole_(context, shared_.whole),
      batches_(train, train::batch_options(training_), context.key("shuffle")),
      data_hash_(train::rows_hash(train, valid)) {
  LATHE_CHECK(context.trial() == kSupernetTrial);
  for (const Var& parameter : whole_.parameters()) by_name_.emplace(parameter.name(), parameter);
  check_part(shared_.whole, shared_.largest);
  check_part(shared_.whole, shared_.smallest);
  optimizer_ = train::make_optimizer(training_, whole_.parameters());
  schedule_ = train::make_schedule(training_, train, context.key("shuffle"));
  batches_.seek(0);
}

nn::Classifier SupernetTrainer::part_of(const nn::TransformerConfig& part) const {
  return sliced(
      context_, shared_.whole,
      [this](const std::string& name) {
        const Tensor& value = by_name_.at(name).value();
        return WeightView{value.data<float>(), value.shape()};
      },
      part);
}

/// One sub-network's loss on the batch; its gradient is added to the whole network's. The teacher is made by the first.
double SupernetTrainer::train_part(const nn::TransformerConfig& part, const nn::Batch& batch, const Tensor& labels,
                                   Tensor& teacher) {
  const nn::Classifier model = part_of(part);
  const Index rows = labels.numel();
  const bool by_labels = !teacher.defined();
  const Tensor logits = model.backward(batch, [&](const Var& z, Index first) {
    return by_labels ? cross_entropy(z, labels.narrow(0, first, z.size(0)), rows)
                     : nn::soft_cross_entropy(z, teacher.narrow(0, first, z.size(0)), rows);
  });
  for (const Var& parameter : model.parameters()) {
    if (!parameter.grad().defined()) continue;
    const Var& whole = by_name_.at(parameter.name());
    Tensor& sum = gradient_of(whole);
    Slice(parameter.name(), shared_.whole, whole.shape(), part, parameter.shape())
        .add(parameter.grad().contiguous().data<float>(), sum.mutable_data<float>());
  }
  const NoGrad no_grad(context_);
  const double loss =
      by_labels ? ops::cross_entropy(logits, labels).loss.item() : nn::soft_cross_entropy(Var(logits), teacher).value().item();
  if (!(loss - loss == 0)) throw NonFiniteError(str("[supernet] the loss of ", part.summary(), " is ", loss));
  if (by_labels && options_.distill) teacher = ops::softmax(logits);
  return loss;
}

std::pair<double, double> SupernetTrainer::accumulate(const data::PackedBatch& rows, std::int64_t step) {
  context_.set_step(static_cast<std::uint32_t>(step));
  const nn::Batch batch = nn::make_batch(context_, rows.ids, Offsets(rows.offsets), rows.types);
  const Tensor labels = Tensor::from(context_, rows.labels, Shape{static_cast<Index>(rows.labels.size())});
  Tensor teacher;
  std::pair<double, double> losses;
  losses.first = train_part(shared_.largest, batch, labels, teacher);
  losses.second = train_part(shared_.smallest, batch, labels, teacher);
  for (std::int64_t i = 0; i < options_.random; ++i)
    train_part(draw_part(shared_, context_.seed(), static_cast<std::uint64_t>(step * options_.random + i)), batch, labels, teacher);
  return losses;
}

const SupernetEpoch& SupernetTrainer::run_epoch(const std::function<bool()>& stop) {
  if (done()) throw InputError("[supernet] training is finished, expected an epoch to be left");
  const std::int64_t steps = batches_.steps_in_epoch();
  const auto parts = static_cast<double>(part_count());
  while (!(stop && stop()) && batches_.next(batch_)) {
    const std::int64_t before = context_.flops().total(), step = optimizer_->steps();
    std::pair<double, double> losses;
    try {
      losses = accumulate(batch_, step);
      const optim::Clip clip = optim::clip_by_norm(whole_.parameters(), training_.clip * parts);
      optimizer_->step(schedule_.at(step), clip.scale / parts);
    } catch (const NonFiniteError& error) {
      optimizer_->zero_grad();
      throw NonFiniteError(str(error.what(), " in step ", step, " of the supernet's training: a smaller train.lr may help"));
    }
    optimizer_->zero_grad();
    flops_ += context_.flops().total() - before;
    largest_sum_ += losses.first * static_cast<double>(batch_.size());
    smallest_sum_ += losses.second * static_cast<double>(batch_.size());
    rows_ += static_cast<std::int64_t>(batch_.size());
    if (on_step) on_step(batches_.step(), steps, losses.first);
  }
  if (batches_.step() < steps) throw train::Stopped();
  finish_epoch();
  return history_.back();
}

train::Scores SupernetTrainer::evaluate(const nn::TransformerConfig& part) const {
  return valid_.rows() == 0 ? train::Scores() : train::score(train::predict(part_of(part), valid_), valid_.labels);
}

void SupernetTrainer::finish_epoch() {
  const std::int64_t before = context_.flops().total();
  SupernetEpoch result;
  result.epoch = epoch() + 1;
  result.largest_loss = largest_sum_ / static_cast<double>(rows_);
  result.smallest_loss = smallest_sum_ / static_cast<double>(rows_);
  result.largest_valid = evaluate(shared_.largest);
  result.smallest_valid = evaluate(shared_.smallest);
  flops_ += context_.flops().total() - before;
  history_.push_back(result);
  largest_sum_ = smallest_sum_ = 0;
  rows_ = 0;
  batches_.seek(result.epoch);
}

Supernet SupernetTrainer::supernet() const {
  std::vector<Supernet::Weight> weights;
  for (const Var& parameter : whole_.parameters())
    weights.push_back({parameter.name(), parameter.shape(), parameter.value().to_vector<float>()});
  return {shared_.whole, std::move(weights)};
}

std::string SupernetTrainer::weights_hash() const { return train::weights_hash(whole_.parameters()); }

std::string SupernetTrainer::identity() const {
  return JsonWriter()
      .begin_object()
      .member("numerics", context_.numerics())
      .member("seed", context_.seed())
      .member("data", data_hash_)
      .member("architectures", shared_.hash())
      .member("random", options_.random)
      .member("distill", options_.distill)
      .key("training")
      .raw(training_.to_json())
      .end_object()
      .text();
}

std::string SupernetTrainer::checkpoint() const {
  std::vector<nn::StoredTensor> tensors;
  for (const Var& parameter : whole_.parameters())
    tensors.push_back(nn::stored("parameter." + parameter.name(), parameter.value()));
  const std::vector<optim::StateTensor> state = optimizer_->state();
  for (const optim::StateTensor& tensor : state) tensors.push_back(nn::stored("optimizer." + tensor.name, tensor.value));
  std::string progress = str("position ", batches_.step(), " ", optimizer_->steps(), " ", largest_sum_, " ", smallest_sum_, " ",
                             rows_, " ", flops_, "\n");
  for (const SupernetEpoch& e : history_) {
    progress += str("epoch ", e.largest_loss, " ", e.smallest_loss);
    for (const train::Scores& scores : {e.largest_valid, e.smallest_valid})
      progress += str(" ", scores.accuracy, " ", scores.macro_f1, " ", scores.loss);
    progress += "\n";
  }
  return train::checkpoint_bytes(std::move(tensors), {kFormat, identity(), progress});
}

void SupernetTrainer::restore(std::string bytes, const std::string& where) {
  const auto [file, progress] = train::read_checkpoint(std::move(bytes), where, kFormat, identity());
  std::vector<SupernetEpoch> history;
  std::optional<train::ProgressReader> position;
  for (const std::string_view line : split(progress, '\n')) {
    if (line.starts_with("position ")) position.emplace(line, where);
    if (!line.starts_with("epoch ")) continue;
    train::ProgressReader reader(line, where);
    SupernetEpoch e;
    e.epoch = static_cast<std::int64_t>(history.size()) + 1;
    e.largest_loss = reader.number();
    e.smallest_loss = reader.number();
    for (train::Scores* scores : {&e.largest_valid, &e.smallest_valid}) {
      scores->accuracy = reader.number();
      scores->macro_f1 = reader.number();
      scores->loss = reader.number();
    }
    history.push_back(e);
  }
  if (!position) throw InputError(where + ": the position of the training cannot be read");
  const std::int64_t step = position->integer(), updates = position->integer();
  const double largest_sum = position->number(), smallest_sum = position->number();
  const std::int64_t rows = position->integer(), flops = position->integer();
  std::vector<Tensor> values;
  for (const Var& parameter : whole_.parameters()) {
    values.push_back(nn::load_tensor(context_, file.at("parameter." + parameter.name())));
    if (values.back().shape() != parameter.shape()) throw InputError(where + ": " + parameter.name() + " has another shape");
  }
  std::vector<optim::StateTensor> state;
  for (const optim::StateTensor& tensor : optimizer_->state())
    state.push_back({tensor.name, nn::load_tensor(context_, file.at("optimizer." + tensor.name))});

  optimizer_->load_state(updates, state);
  std::vector<Var> handles = whole_.parameters();
  for (std::size_t i = 0; i < handles.size(); ++i) handles[i].mutable_value().copy_from(values[i]);
  history_ = std::move(history);
  largest_sum_ = largest_sum;
  smallest_sum_ = smallest_sum;
  rows_ = rows;
  flops_ = flops;
  batches_.seek(epoch(), step);
}

}  // namespace lathe::nas
