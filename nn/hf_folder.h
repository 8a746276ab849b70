// Models from Hugging Face folders (config.json, model.safetensors). Only in builds with the JSON library.
//
// Read so far: sequence classifiers of model_type `bert` (post-norm, embedding norm) and `megatron-bert` (pre-norm); both with
// learned positions, token types, first-token pooling and the tanh pooler. query, key and value are joined to attention.qkv.
// Missing and unknown tensors are errors (the library of origin would fill the missing ones with random numbers).
#pragma once
#include <lathe/nn/safetensors.h>
#include <lathe/nn/transformer.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace lathe::nn {

struct HfConfig {
  TransformerConfig config;
  std::string model_type;           ///< "bert", "megatron-bert"
  std::vector<std::string> labels;  ///< names of the classes, by id
};

/// InputError: "<folder>/config.json: model_type `roberta` is not supported; supported: bert, megatron-bert", a head that is not
/// sequence classification, an option that would change the computation (relative positions, causal attention, tied oddities).
HfConfig read_hf_config(const std::filesystem::path& folder);

/// Fills a Classifier built from read_hf_config(folder).config with the folder's weights.
void load_hf_weights(const std::filesystem::path& folder, const HfConfig& config, Classifier& model);

/// The same for any file with the folder's names, such as gradients: one array a parameter of the model, in registration order.
std::vector<std::vector<float>> convert_hf_tensors(const SafetensorsFile& file, const HfConfig& config,
                                                   std::span<const Var> parameters);

}  // namespace lathe::nn
