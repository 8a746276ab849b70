#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/deploy/model.h>
#include <lathe/nn/transformer.h>
#include <lathe/nn/weights.h>
#include <lathe/tensor/ops.h>

#include <algorithm>
#include <mutex>
#include <numeric>
#include <utility>

namespace lathe::deploy {
namespace {

namespace fs = std::filesystem;
constexpr const char* kHashed[] = {"config.json", "metrics.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"};
/// What load() reads: a list of hashes that leaves one of these out proves nothing.
constexpr const char* kRead[] = {"config.json", "model.safetensors", "tokenizer.json"};
/// Tokens computed at a time by a call for many texts.
constexpr std::size_t kBatchTokens = 2048;

/// Every line of SHA256SUMS must hold: "<hex>  <name>".
void check_hashes(const fs::path& folder) {
  const fs::path sums = folder / "SHA256SUMS";
  if (!fs::exists(sums))
    throw InputError(folder.string() + ": is not a whole model folder (no SHA256SUMS in it, which is written last)");
  const std::string text = read_file(sums);
  std::vector<std::string_view> listed;
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty()) continue;
    const std::size_t gap = line.find("  ");
    if (gap != 64) throw InputError(sums.string() + ": is damaged, expected lines `<SHA-256>  <file>`; copy the folder again");
    const fs::path file = folder / line.substr(gap + 2);
    if (to_hex(sha256(read_file(file))) != line.substr(0, gap))
      throw InputError(file.string() +
                       ": is not the file that was saved (its SHA-256 differs from SHA256SUMS); copy the folder again");
    listed.push_back(line.substr(gap + 2));
  }
  for (const char* name : kRead)
    if (std::find(listed.begin(), listed.end(), name) == listed.end())
      throw InputError(str(sums.string(), ": is damaged, it does not list ", name, "; copy the folder again"));
}

/// tokenizer_config.json: what transformers wants beside tokenizer.json. Without the class it replaces parts of the tokenizer by
/// its own defaults.
std::string tokenizer_config(const ModelInfo& info, const tokenizer::Tokenizer& tokenizer) {
  const tokenizer::SpecialIds& special = tokenizer.special();
  const std::pair<const char*, std::int32_t> tokens[] = {{"unk_token", special.unk},
                                                         {"sep_token", special.sep},
                                                         {"pad_token", special.pad},
                                                         {"cls_token", special.cls},
                                                         {"mask_token", special.mask}};
  JsonWriter json;
  json.begin_object().member("tokenizer_class", "PreTrainedTokenizerFast").member("model_max_length", info.max_tokens);
  json.key("model_input_names").begin_array().value("input_ids");
  if (info.pair) json.value("token_type_ids");
  json.value("attention_mask").end_array();
  for (const auto& [name, id] : tokens)
    if (id != tokenizer::SpecialIds::kNone) json.member(name, tokenizer.token(id));
  return json.end_object().text() + "\n";
}

}  // namespace

struct Model::State {
  State(ModelInfo i, tokenizer::Tokenizer t, const LoadOptions& options)
      : info(std::move(i)),
        tokenizer(std::move(t)),
        context({.backend = options.backend, .threads = options.threads}),
        classifier(nn::Parameters::to_load(context), info.architecture) {}
  ModelInfo info;
  tokenizer::Tokenizer tokenizer;
  Context context;
  nn::Classifier classifier;
  std::mutex mutex;
  // Kept between calls, so that a served model does not allocate.
  std::vector<std::int32_t> ids, types;
};

Model Model::load(const fs::path& folder, const LoadOptions& options) {
  if (!fs::is_directory(folder)) throw InputError(folder.string() + ": no such model folder");
  if (!fs::exists(folder / "config.json")) throw InputError(folder.string() + ": is not a model folder (no config.json in it)");
  if (options.check_hashes) check_hashes(folder);
  const std::string where = (folder / "config.json").string();
  ModelInfo info = model_info(read_file(where), where);
  tokenizer::Tokenizer tokenizer = tokenizer::Tokenizer::load(folder / "tokenizer.json");
  if (tokenizer.vocab_size() > info.architecture.vocab_size)
    throw InputError(str((folder / "tokenizer.json").string(), ": has ", tokenizer.vocab_size(), " tokens, the model ",
                         info.architecture.vocab_size));
  auto state = std::make_shared<State>(std::move(info), std::move(tokenizer), options);
  nn::load_weights(folder / "model.safetensors", state->classifier.parameters());
  return Model(std::move(state));
}

const ModelInfo& Model::info() const { return state_->info; }
const tokenizer::Tokenizer& Model::tokenizer() const { return state_->tokenizer; }
const nn::Classifier& Model::classifier() const { return state_->classifier; }

Prediction Model::predict(std::string_view text, std::string_view pair) const {
  const std::string texts[] = {std::string(text)}, pairs[] = {std::string(pair)};
  const bool with_pair = state_->info.pair || !pair.empty();
  return predict(texts, with_pair ? std::span<const std::string>(pairs) : std::span<const std::string>()).front();
}

std::vector<Prediction> Model::predict(std::span<const std::string> texts, std::span<const std::string> pairs) const {
  State& s = *state_;
  if (s.info.pair && pairs.size() != texts.size())
    throw InputError(str("[predict] the model takes pairs: ", texts.size(), " first texts, ", pairs.size(), " second ones"));
  if (!s.info.pair && !pairs.empty()) throw InputError("[predict] the model takes single texts, got pairs");
  const std::lock_guard lock(s.mutex);
  const NoGrad no_grad(s.context);
  const tokenizer::EncodeOptions options{.max_tokens = static_cast<std::size_t>(s.info.max_tokens)};
  std::vector<Prediction> out;
  out.reserve(texts.size());
  std::vector<std::int32_t> offsets;
  for (std::size_t at = 0; at < texts.size();) {
    s.ids.clear();
    s.types.clear();
    offsets.assign(1, 0);
    while (at < texts.size() && (offsets.size() == 1 || s.ids.size() < kBatchTokens)) {
      if (s.info.pair) {
        s.tokenizer.append_pair(texts[at], pairs[at], s.ids, s.types, options);
      } else {
        s.tokenizer.append(texts[at], s.ids, options);
      }
      if (static_cast<std::int32_t>(s.ids.size()) == offsets.back())
        s.ids.push_back(s.tokenizer.special().unk);  // a text of nothing
      offsets.push_back(static_cast<std::int32_t>(s.ids.size()));
      ++at;
    }
    const nn::Batch batch = nn::make_batch(s.context, s.ids, Offsets(offsets),
                                           s.info.architecture.type_vocab_size > 0 ? s.types : std::vector<std::int32_t>());
    const Tensor p = ops::softmax(s.classifier.logits(batch, nn::Mode::kEvaluate).value());
    const auto classes = static_cast<std::size_t>(s.info.architecture.classes);
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
      const float* row = p.data<float>() + i * classes;
      Prediction answer;
      answer.scores.assign(row, row + classes);
      answer.label_id = static_cast<std::int32_t>(std::max_element(row, row + classes) - row);
      answer.label = s.info.labels[static_cast<std::size_t>(answer.label_id)];
      answer.score = row[answer.label_id];
      out.push_back(std::move(answer));
    }
  }
  return out;
}

void save_model(const fs::path& folder, const ModelInfo& info, const nn::Classifier& model, const tokenizer::Tokenizer& tokenizer,
                const std::string& metrics_json, const std::string& card, nn::StoredType weights) {
  make_folder(folder);
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool known =
        name == "README.md" || name == "SHA256SUMS" || std::find(std::begin(kHashed), std::end(kHashed), name) != std::end(kHashed);
    if (!known) throw InputError(folder.string() + ": holds `" + name + "`, which is no part of a model; choose another folder");
  }
  std::error_code error;
  fs::remove(folder / "SHA256SUMS", error);  // until the end this folder is not whole
  if (error) throw InfrastructureError((folder / "SHA256SUMS").string() + ": cannot remove: " + error.message());
  write_file_atomic(folder / "config.json", to_json(info));
  write_file_atomic(folder / "metrics.json", metrics_json);
  write_file_atomic(folder / "README.md", card);
  tokenizer.save(folder / "tokenizer.json");
  write_file_atomic(folder / "tokenizer_config.json", tokenizer_config(info, tokenizer));
  nn::save_weights(folder / "model.safetensors", model.parameters(), {{"lathe.numerics", info.numerics}}, weights);
  std::string sums;
  for (const char* name : kHashed) sums += to_hex(sha256(read_file(folder / name))) + "  " + name + "\n";
  write_file_atomic(folder / "SHA256SUMS", sums);
}

}  // namespace lathe::deploy
