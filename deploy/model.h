// Model folders: all that answering needs, in plain files that outlive this program.
//
//   const deploy::Model model = deploy::Model::load("runs/reviews-1/model");
//   deploy::Prediction p = model.predict("what a film");            // p.label, p.score
//
// A folder holds config.json (architecture, labels, how it was made), model.safetensors, tokenizer.json, tokenizer_config.json
// (with which transformers' AutoTokenizer loads the same tokenizer), metrics.json, README.md (the model card) and SHA256SUMS over
// all but the card. Nothing in it is a path or a pickle.
#pragma once
#include <lathe/nn/config.h>
#include <lathe/nn/safetensors.h>
#include <lathe/tokenizer/tokenizer.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nn {
class Classifier;
}

namespace lathe::deploy {

/// Everything about a trained classifier but its weights and its tokenizer.
struct ModelInfo {
  nn::TransformerConfig architecture;
  std::vector<std::string> labels;  ///< class id → name
  std::int64_t max_tokens = 128;    ///< longer texts are cut, special tokens included
  bool pair = false;                ///< classifies pairs of texts
  std::string name;                 ///< of the model; may be empty
  std::string numerics;             ///< tag of the numerics it was trained with
  std::string study;                ///< hash of the study it came from; may be empty
};

struct Prediction {
  std::int32_t label_id = 0;
  std::string label;
  float score = 0;            ///< probability of the label
  std::vector<float> scores;  ///< of all labels, in the order of Model::info().labels
};

struct LoadOptions {
  int threads = 1;
  std::string backend;       ///< as ContextOptions
  bool check_hashes = true;  ///< compare the files with SHA256SUMS, which must be there and list all that is read
};

/// A loaded model. A handle: copies share the weights. Calls from several threads are served one after the other.
class Model {
 public:
  /// InputError "<file>: …": a file that is missing, damaged (SHA256SUMS), of a newer format, or does not fit the others.
  static Model load(const std::filesystem::path& folder, const LoadOptions& options = {});

  const ModelInfo& info() const;
  const tokenizer::Tokenizer& tokenizer() const;

  /// One text (or pair). InputError for invalid UTF-8, or for a pair where the model takes one text, and the other way round.
  Prediction predict(std::string_view text, std::string_view pair = {}) const;
  /// Many texts; the answers are those of predict() one by one, bit for bit, and do not depend on the batch.
  std::vector<Prediction> predict(std::span<const std::string> texts, std::span<const std::string> pairs = {}) const;
  /// The network, for evaluation and profiling. Not synchronised.
  const nn::Classifier& classifier() const;

 private:
  struct State;
  explicit Model(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

/// Writes a model folder; `metrics_json` becomes metrics.json, `card` README.md. Each file is complete or absent, SHA256SUMS comes
/// last: a folder with it is whole. `weights`: the type in the file, kF32 or kBF16 (nn::save_weights). InputError if the folder
/// holds other files; InfrastructureError if the disk fails.
void save_model(const std::filesystem::path& folder, const ModelInfo& info, const nn::Classifier& model,
                const tokenizer::Tokenizer& tokenizer, const std::string& metrics_json, const std::string& card,
                nn::StoredType weights = nn::StoredType::kF32);

/// config.json of a model folder, and back.
std::string to_json(const ModelInfo& info);
ModelInfo model_info(std::string_view json, const std::string& where);

}  // namespace lathe::deploy
