// Trainer::checkpoint and Trainer::restore: the state between two steps as a safetensors file.
#include <lathe/base/error.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/nn/weights.h>
#include <lathe/train/trainer.h>

#include <algorithm>
#include <map>
#include <span>

namespace lathe::train {
namespace {

constexpr const char* kFormat = "lathe checkpoint 2";  // 1 had no SHA-256

/// SHA-256 over everything that is restored. The file format notices a cut file, not a flipped bit, and a wrong weight would go on
/// unseen.
std::string digest_of(std::span<const nn::StoredTensor> sorted, const std::string& identity, const std::string& progress) {
  Sha256 hash;
  const auto add = [&](std::string_view text) { hash.add_u64(text.size()).add(text); };
  add(identity);
  add(progress);
  for (const nn::StoredTensor& tensor : sorted) {
    add(tensor.name);
    add(tensor.bytes);
  }
  return to_hex(hash.finish());
}

/// "key value" lines: numbers in their shortest form, which reads back exactly.
std::string progress_text(const std::vector<EpochResult>& history, std::int64_t step, std::int64_t updates, double loss_sum,
                          std::int64_t rows, std::int64_t tokens) {
  std::string text = str("position ", step, " ", updates, " ", loss_sum, " ", rows, " ", tokens, "\n");
  for (const EpochResult& e : history)
    text += str("epoch ", e.train_loss, " ", e.valid.accuracy, " ", e.valid.macro_f1, " ", e.valid.loss, " ", e.best ? 1 : 0, " ",
                e.steps, " ", e.tokens, "\n");
  return text;
}

class ProgressReader {
 public:
  ProgressReader(std::string_view line, const std::string& where) : parts_(split(line, ' ')), where_(where) {}
  double number() {
    const auto value = at_ < parts_.size() ? parse_double(parts_[at_++]) : std::nullopt;
    if (!value) throw InputError(where_ + ": the position of the training cannot be read");
    return *value;
  }
  std::int64_t integer() { return static_cast<std::int64_t>(number()); }

 private:
  std::vector<std::string_view> parts_;
  std::string where_;
  std::size_t at_ = 1;  // behind the key
};

/// The first member in which two identities differ, "lr is 0.01 there and 0.02 here". Both are written in one order.
std::string difference_of(std::string_view there, std::string_view here) {
  const auto at =
      static_cast<std::size_t>(std::mismatch(there.begin(), there.end(), here.begin(), here.end()).first - there.begin());
  const std::size_t colon = there.rfind("\":", at);
  if (colon == std::string_view::npos || colon == 0) return str("it has ", there, ", this is ", here);
  const std::size_t name = there.rfind('"', colon - 1) + 1;
  const auto value = [&](std::string_view text) {
    const std::string_view rest = text.substr(colon + 2), whole = rest.substr(0, rest.find_first_of(",}]"));
    return whole.size() > 40 ? str(whole.substr(0, 13), "…") : std::string(whole);
  };
  return str(there.substr(name, colon - name), " is ", value(there), " there and ", value(here), " here");
}

const std::string& entry(const nn::SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) throw InputError(file.where() + ": is not a checkpoint (no `" + key + "` in its metadata)");
  return found->second;
}

}  // namespace

std::string Trainer::checkpoint() const {
  std::vector<nn::StoredTensor> tensors;
  const std::vector<Var>& parameters = model_.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    tensors.push_back(nn::stored("parameter." + parameters[i].name(), parameters[i].value()));
    if (!best_.empty()) tensors.push_back(nn::stored("best." + parameters[i].name(), best_[i]));
  }
  const std::vector<optim::StateTensor> state = optimizer_->state();
  for (const optim::StateTensor& tensor : state) tensors.push_back(nn::stored("optimizer." + tensor.name, tensor.value));
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  nn::Metadata metadata;
  metadata["format"] = kFormat;
  metadata["identity"] = identity();
  metadata["progress"] = progress_text(history_, batches_.step(), optimizer_->steps(), loss_sum_, rows_, tokens_);
  metadata["sha256"] = digest_of(tensors, metadata["identity"], metadata["progress"]);
  return nn::safetensors_bytes(std::move(tensors), metadata);
}

void Trainer::restore(std::string bytes, const std::string& where) {
  const nn::SafetensorsFile file = nn::SafetensorsFile::parse(std::move(bytes), where);
  if (entry(file, "format") != kFormat) throw InputError(where + ": is not a checkpoint of this version");
  if (entry(file, "sha256") != digest_of(file.tensors(), entry(file, "identity"), entry(file, "progress")))
    throw InputError(where + ": is damaged (its contents do not have the SHA-256 that it names)");
  if (entry(file, "identity") != identity())
    throw InputError(where + ": the checkpoint is of another training: " + difference_of(entry(file, "identity"), identity()));

  // Everything is read before anything is changed.
  std::vector<EpochResult> history;
  std::optional<ProgressReader> position;
  for (const std::string_view line : split(entry(file, "progress"), '\n')) {
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
    if (has_best) best.push_back(nn::load_tensor(context_, file.at("best." + parameter.name())));
    if (values.back().shape() != parameter.shape()) throw InputError(where + ": " + parameter.name() + " has another shape");
  }
  std::vector<optim::StateTensor> state;
  for (const optim::StateTensor& tensor : optimizer_->state())
    state.push_back({tensor.name, nn::load_tensor(context_, file.at("optimizer." + tensor.name))});

  optimizer_->load_state(updates, state);
  std::vector<Var> handles = parameters;
  for (std::size_t i = 0; i < handles.size(); ++i) handles[i].mutable_value().copy_from(values[i]);
  best_ = std::move(best);
  history_ = std::move(history);
  loss_sum_ = loss_sum;
  rows_ = rows;
  tokens_ = tokens;
  batches_.seek(epoch(), step);
}

}  // namespace lathe::train
