// Trainer::checkpoint and Trainer::restore: the state between two steps as a safetensors file.
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nn/weights.h>
#include <lathe/train/checkpoint_file.h>
#include <lathe/train/trainer.h>

#include <optional>

namespace lathe::train {
namespace {

constexpr const char* kFormat =
    "lathe checkpoint 3";  // 1 had no SHA-256, 2 the best parameters twice where they were the last ones

/// "key value" lines: numbers in their shortest form, which reads back exactly.
std::string progress_text(const std::vector<EpochResult>& history, std::int64_t step, std::int64_t updates, double loss_sum,
                          std::int64_t rows, std::int64_t tokens) {
  std::string text = str("position ", step, " ", updates, " ", loss_sum, " ", rows, " ", tokens, "\n");
  for (const EpochResult& e : history)
    text += str("epoch ", e.train_loss, " ", e.valid.accuracy, " ", e.valid.macro_f1, " ", e.valid.loss, " ", e.best ? 1 : 0, " ",
                e.steps, " ", e.tokens, "\n");
  return text;
}

/// Between two epochs the parameters may be those of the best epoch; they are then stored once.
bool last_is_best(const std::vector<EpochResult>& history, std::int64_t step) {
  return step == 0 && !history.empty() && history.back().best;
}

}  // namespace

std::string Trainer::checkpoint() const {
  std::vector<nn::StoredTensor> tensors;
  const std::vector<Var>& parameters = model_.parameters();
  const bool apart = !best_.empty() && !last_is_best(history_, batches_.step());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    tensors.push_back(nn::stored("parameter." + parameters[i].name(), parameters[i].value()));
    if (apart) tensors.push_back(nn::stored("best." + parameters[i].name(), best_[i]));
  }
  const std::vector<optim::StateTensor> state = optimizer_->state();
  for (const optim::StateTensor& tensor : state) tensors.push_back(nn::stored("optimizer." + tensor.name, tensor.value));
  return checkpoint_bytes(
      std::move(tensors),
      {kFormat, identity(), progress_text(history_, batches_.step(), optimizer_->steps(), loss_sum_, rows_, tokens_)});
}

void Trainer::restore(std::string bytes, const std::string& where) {
  const auto [file, progress] = read_checkpoint(std::move(bytes), where, kFormat, identity());

  // Everything is read before anything is changed.
  std::vector<EpochResult> history;
  std::optional<ProgressReader> position;
  for (const std::string_view line : split(progress, '\n')) {
    if (line.starts_with("position ")) position.emplace(line, where);
    if (!line.starts_with("epoch ")) continue;
    ProgressReader reader(line, where);
    EpochResult e;
    e.epoch = static_cast<std::int64_t>(history.size()) + 1;
    e.train_loss = reader.number();
    e.valid.accuracy = reader.number();
    e.valid.macro_f1 = reader.number();
    e.valid.loss = reader.number();
    e.best = reader.integer() != 0;
    e.steps = reader.integer();
    e.tokens = reader.integer();
    history.push_back(e);
  }
  if (!position) throw InputError(where + ": the position of the training cannot be read");
  const std::int64_t step = position->integer(), updates = position->integer();
  const double loss_sum = position->number();
  const std::int64_t rows = position->integer(), tokens = position->integer();

  const std::vector<Var>& parameters = model_.parameters();
  std::vector<Tensor> values, best;
  bool has_best = false;
  for (const EpochResult& e : history) has_best = has_best || e.best;
  for (const Var& parameter : parameters) {
    values.push_back(nn::load_tensor(context_, file.at("parameter." + parameter.name())));
    if (has_best && !last_is_best(history, step)) best.push_back(nn::load_tensor(context_, file.at("best." + parameter.name())));
    if (values.back().shape() != parameter.shape()) throw InputError(where + ": " + parameter.name() + " has another shape");
  }
  std::vector<optim::StateTensor> state;
  for (const optim::StateTensor& tensor : optimizer_->state())
    state.push_back({tensor.name, nn::load_tensor(context_, file.at("optimizer." + tensor.name))});

  optimizer_->load_state(updates, state);
  std::vector<Var> handles = parameters;
  for (std::size_t i = 0; i < handles.size(); ++i) handles[i].mutable_value().copy_from(values[i]);
  best_ = has_best && last_is_best(history, step) ? std::move(values) : std::move(best);
  history_ = std::move(history);
  loss_sum_ = loss_sum;
  rows_ = rows;
  tokens_ = tokens;
  batches_.seek(epoch(), step);
}

}  // namespace lathe::train
