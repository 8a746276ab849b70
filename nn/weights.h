// Weight files of models: parameters under their dotted names in a safetensors file. Only in builds with the JSON library.
#pragma once
#include <lathe/autograd/var.h>
#include <lathe/nn/safetensors.h>

#include <filesystem>
#include <span>
#include <string>

namespace lathe::nn {

/// View of a tensor (contiguous, with data) for writing: kF32 → F32, kF64 → F64, kI32 → I32. It must outlive the view.
StoredTensor stored(std::string name, const Tensor& tensor);
/// A tensor of the stored one's dtype: F32 (F16 and BF16 widened), F64, I32; InputError for others.
Tensor load_tensor(Context& context, const StoredTensor& stored);

/// Every parameter by its name, metadata {"format": "pt"} added unless given (older readers insist on it). `type`: kF32 keeps
/// f32 and f64 as they are, kBF16 rounds both to bf16 (bf16_of in safetensors.h), half the bytes; InputError for others.
void save_weights(const std::filesystem::path& path, std::span<const Var> parameters, Metadata metadata = {},
                  StoredType type = StoredType::kF32);

/// Fills the parameters, all or none. InputError: a parameter that the file lacks, a tensor that the model lacks, another shape.
void load_weights(const SafetensorsFile& file, std::span<const Var> parameters);
void load_weights(const std::filesystem::path& path, std::span<const Var> parameters);

}  // namespace lathe::nn
