#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nn/weights.h>

#include <cstring>
#include <deque>
#include <utility>
#include <vector>

namespace lathe::nn {
namespace {

bool same_shape(const StoredTensor& tensor, const Shape& shape) {
  if (tensor.shape.size() != static_cast<std::size_t>(shape.dims())) return false;
  for (int i = 0; i < shape.dims(); ++i)
    if (tensor.shape[static_cast<std::size_t>(i)] != static_cast<std::uint64_t>(shape[i])) return false;
  return true;
}

Shape shape_of(const StoredTensor& tensor) {
  std::vector<Index> sizes;
  for (const std::uint64_t size : tensor.shape) sizes.push_back(static_cast<Index>(size));
  return Shape(std::span<const Index>(sizes));
}

template <class T>
std::vector<T> copy_elements(std::string_view bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace

StoredTensor stored(std::string name, const Tensor& tensor) {
  if (!tensor.is_contiguous()) throw InputError("[stored] tensor `" + name + "` is not contiguous");
  StoredTensor result{.name = std::move(name)};
  for (const Index size : tensor.shape().sizes()) result.shape.push_back(static_cast<std::uint64_t>(size));
  const void* data = nullptr;
  switch (tensor.dtype()) {
    case DType::kF32:
      data = tensor.data<float>();
      break;
    case DType::kF64:
      result.type = StoredType::kF64;
      data = tensor.data<double>();
      break;
    case DType::kI32:
      result.type = StoredType::kI32;
      data = tensor.data<std::int32_t>();
      break;
  }
  result.bytes = {static_cast<const char*>(data), static_cast<std::size_t>(tensor.numel()) * size_of(tensor.dtype())};
  return result;
}

Tensor load_tensor(Context& context, const StoredTensor& tensor) {
  const Shape shape = shape_of(tensor);
  if (tensor.type == StoredType::kF64) return Tensor::from(context, copy_elements<double>(tensor.bytes), shape);
  if (tensor.type == StoredType::kI32) return Tensor::from(context, copy_elements<std::int32_t>(tensor.bytes), shape);
  return Tensor::from(context, to_floats(tensor), shape);
}

namespace {

/// The bytes of a parameter in bf16.
std::string bf16_bytes(const Tensor& tensor) {
  const Tensor values = tensor.to(DType::kF32).contiguous();  // of f64: rounded twice
  const float* x = values.data<float>();
  std::string bytes(2 * static_cast<std::size_t>(values.numel()), '\0');
  for (std::size_t i = 0; i < bytes.size() / 2; ++i) {
    const std::uint16_t half = bf16_of(x[i]);
    std::memcpy(bytes.data() + 2 * i, &half, 2);
  }
  return bytes;
}

}  // namespace

void save_weights(const std::filesystem::path& path, std::span<const Var> parameters, Metadata metadata, StoredType type) {
  if (type != StoredType::kF32 && type != StoredType::kBF16)
    throw InputError(str("[save_weights] expected F32 or BF16, got ", name_of(type)));
  metadata.emplace("format", "pt");
  std::vector<StoredTensor> tensors;
  std::deque<std::string> memory;  // what the tensors view
  for (const Var& parameter : parameters) {
    tensors.push_back(stored(parameter.name(), parameter.value()));
    if (type == StoredType::kF32) continue;
    tensors.back().type = type;
    tensors.back().bytes = memory.emplace_back(bf16_bytes(parameter.value()));
  }
  write_safetensors(path, std::move(tensors), metadata);
}

void load_weights(const SafetensorsFile& file, std::span<const Var> parameters) {
  std::vector<Tensor> values;
  for (const Var& parameter : parameters) {
    const StoredTensor& tensor = file.at(parameter.name());
    const std::string what = str(file.where(), ": tensor `", tensor.name, "`: ");
    if (!same_shape(tensor, parameter.shape()))
      throw InputError(str(what, "expected shape ", parameter.shape().text(), ", got ", shape_text(tensor)));
    if (tensor.type == StoredType::kI32 || (tensor.type == StoredType::kF64 && parameter.dtype() != DType::kF64))
      throw InputError(str(what, "expected ", lathe::name_of(parameter.dtype()), ", got ", name_of(tensor.type)));
    try {
      values.push_back(load_tensor(parameter.context(), tensor).to(parameter.dtype()));
    } catch (const InputError& error) {
      throw InputError(str(file.where(), ": ", error.what()));
    }
  }
  std::vector<std::string> known;
  for (const Var& parameter : parameters) known.push_back(parameter.name());
  for (const StoredTensor& tensor : file.tensors()) {
    bool found = false;
    for (const std::string& name : known) found = found || name == tensor.name;
    if (!found) throw InputError(str(file.where(), ": tensor `", tensor.name, "` is not part of the model"));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    Var parameter = parameters[i];
    parameter.mutable_value().copy_from(values[i]);
  }
}

void load_weights(const std::filesystem::path& path, std::span<const Var> parameters) {
  load_weights(SafetensorsFile::read(path), parameters);
}

}  // namespace lathe::nn
