#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/optim/clip.h>
#include <lathe/train/checkpoint_file.h>
#include <lathe/train/trainer.h>

namespace lathe::train {
namespace {

void check_rows(const data::EncodedDataset& rows, const nn::TransformerConfig& architecture, const char* what) {
  for (const std::int32_t label : rows.labels)
    if (label < 0 || label >= architecture.classes)
      throw InputError(str("[train] ", what, " rows have label ", label, ", expected 0 … ", architecture.classes - 1));
  for (const std::int32_t id : rows.ids)
    if (id < 0 || id >= architecture.vocab_size)
      throw InputError(str("[train] ", what, " rows have token id ", id, ", expected 0 … ", architecture.vocab_size - 1));
}

/// Every operation looks for NaN and infinity while it lives.
class CheckFinite {
 public:
  explicit CheckFinite(Context& context) : context_(context) { context.set_check_finite(true); }
  ~CheckFinite() { context_.set_check_finite(false); }
  CheckFinite(const CheckFinite&) = delete;
  CheckFinite& operator=(const CheckFinite&) = delete;

 private:
  Context& context_;
};

}  // namespace

Trainer::Trainer(Context& context, const nn::TransformerConfig& architecture, const TrainConfig& config,
                 const data::EncodedDataset& train, const data::EncodedDataset& valid)
    : Trainer(nn::Parameters(context), architecture, config, train, valid) {}

Trainer::Trainer(Context& context, const nn::TransformerConfig& architecture, const TrainConfig& config,
                 const data::EncodedDataset& train, const data::EncodedDataset& valid, std::string checkpoint,
                 const std::string& where)
    : Trainer(nn::Parameters::to_load(context), architecture, config, train, valid) {
  restore(std::move(checkpoint), where);
}

Trainer::Trainer(nn::Parameters parameters, const nn::TransformerConfig& architecture, const TrainConfig& config,
                 const data::EncodedDataset& train, const data::EncodedDataset& valid)
    : config_((config.validate(), config)),
      train_(train),
      valid_(valid),
      context_(parameters.context()),
      model_(std::move(parameters), architecture),
      batches_(train, batch_options(config), context_.key("shuffle")) {
  check_rows(train, architecture, "training");
  check_rows(valid, architecture, "validation");
  optimizer_ = make_optimizer(config_, model_.parameters());
  schedule_ = make_schedule(config_, train, context_.key("shuffle"));
  data_hash_ = rows_hash(train, valid);
  batches_.seek(0);
}

Trainer::~Trainer() = default;

std::unique_ptr<Trainer> go_on(std::optional<std::string> checkpoint, Context& context, const nn::TransformerConfig& architecture,
                               const TrainConfig& config, const data::EncodedDataset& train, const data::EncodedDataset& valid) {
  if (checkpoint) {
    try {
      return std::make_unique<Trainer>(context, architecture, config, train, valid, std::move(*checkpoint), "checkpoint");
    } catch (const InputError&) {
      // As the header says. What is wrong with the training itself is thrown again below.
    }
  }
  return std::make_unique<Trainer>(context, architecture, config, train, valid);
}

const EpochResult* Trainer::best() const {
  if (history_.empty()) return nullptr;
  if (valid_.rows() == 0) return &history_.back();
  const EpochResult* best = nullptr;
  for (const EpochResult& epoch : history_)
    if (epoch.best) best = &epoch;
  return best;
}

bool Trainer::out_of_patience() const {
  if (config_.patience == 0 || valid_.rows() == 0 || history_.empty()) return false;
  return epoch() - best()->epoch >= config_.patience;
}

bool Trainer::done() const { return epoch() >= config_.epochs || out_of_patience(); }

double Trainer::train_step() {
  context_.set_step(static_cast<std::uint32_t>(optimizer_->steps()));
  const nn::Batch batch = nn::make_batch(context_, batch_.ids, Offsets(batch_.offsets), batch_.types);
  const Tensor labels = Tensor::from(context_, batch_.labels, Shape{static_cast<Index>(batch_.labels.size())});
  double loss = 0;
  optim::Clip clip;
  try {
    loss = model_.backward(batch, labels);
    if (!(loss - loss == 0)) throw NonFiniteError(str("the loss is ", loss));
    clip = optim::clip_by_norm(model_.parameters(), config_.clip);
  } catch (const NonFiniteError& error) {
    const std::string what = error.what();
    optimizer_->zero_grad();
    replay_with_checks();
    throw NonFiniteError(str(what, " in step ", optimizer_->steps()));
  }
  optimizer_->step(schedule_.at(optimizer_->steps()), clip.scale);
  optimizer_->zero_grad();
  return loss;
}

void Trainer::replay_with_checks() {
  const CheckFinite checks(context_);
  try {
    const nn::Batch batch = nn::make_batch(context_, batch_.ids, Offsets(batch_.offsets), batch_.types);
    const Tensor labels = Tensor::from(context_, batch_.labels, Shape{static_cast<Index>(batch_.labels.size())});
    model_.loss(batch, labels, nn::Mode::kTrain).backward();
  } catch (const NonFiniteError& error) {
    throw NonFiniteError(str(error.what(), " in step ", optimizer_->steps()));
  }
}

EpochResult Trainer::run_epoch(const std::function<bool()>& stop) {
  if (done()) throw InputError("[train] training is finished, expected an epoch to be left");
  const std::int64_t steps = batches_.steps_in_epoch();
  while (!(stop && stop()) && batches_.next(batch_)) {
    const double loss = train_step();
    loss_sum_ += loss * static_cast<double>(batch_.size());
    rows_ += static_cast<std::int64_t>(batch_.size());
    tokens_ += static_cast<std::int64_t>(batch_.tokens());
    if (on_step) on_step(batches_.step(), steps, loss);
  }
  if (batches_.step() < steps) throw Stopped();
  finish_epoch();
  return history_.back();
}

void Trainer::finish_epoch() {
  EpochResult result;
  result.epoch = epoch() + 1;
  result.train_loss = loss_sum_ / static_cast<double>(rows_);
  result.steps = batches_.steps_in_epoch();
  result.tokens = tokens_;
  if (valid_.rows() > 0) {
    result.valid = score(predict(model_, valid_), valid_.labels);
    if (!(result.valid.loss - result.valid.loss == 0)) refuse_evaluation(result);
    const EpochResult* before = best();
    result.best = !before || result.valid.of(config_.metric) > before->valid.of(config_.metric);
  }
  if (result.best) best_ = copy_parameters();
  history_.push_back(result);
  loss_sum_ = 0;
  rows_ = tokens_ = 0;
  batches_.seek(result.epoch);
}

/// The last step of an epoch may leave weights that no later step looks at: their answers are no score.
void Trainer::refuse_evaluation(const EpochResult& result) {
  const std::string place = str(" in the evaluation of epoch ", result.epoch);
  try {
    const CheckFinite checks(context_);
    predict(model_, valid_);
  } catch (const NonFiniteError& error) {
    throw NonFiniteError(error.what() + place);
  }
  throw NonFiniteError(str("the loss is ", result.valid.loss, place));
}

std::vector<Tensor> Trainer::copy_parameters() const {
  std::vector<Tensor> copies;
  for (const Var& parameter : model_.parameters()) copies.push_back(parameter.value().clone());
  return copies;
}

void Trainer::restore_best() {
  if (best_.empty()) return;
  std::vector<Var> parameters = model_.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].mutable_value().copy_from(best_[i]);
}

std::string weights_hash(std::span<const Var> parameters) {
  Sha256 hash;
  for (const Var& parameter : parameters) {
    hash.add(parameter.name()).add_u64(static_cast<std::uint64_t>(parameter.value().numel()));
    const Tensor values = parameter.value().contiguous();
    hash.add(values.data<float>(), static_cast<std::size_t>(values.numel()) * sizeof(float));
  }
  return to_hex(hash.finish());
}

std::string Trainer::weights_hash() const { return train::weights_hash(model_.parameters()); }

std::string Trainer::identity() const {
  return JsonWriter()
      .begin_object()
      .member("numerics", context_.numerics())
      .member("seed", context_.seed())
      .member("trial", context_.trial())
      .member("data", data_hash_)
      .key("architecture")
      .raw(model_.config().to_json())
      .key("training")
      .raw(config_.to_json())
      .end_object()
      .text();
}

}  // namespace lathe::train
