#include <lathe/base/error.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/supernet.h>

#include <algorithm>
#include <charconv>

namespace lathe::nas {
namespace {

/// 3 of "layers.3.attention.qkv.weight".
std::size_t layer_of(std::string_view name) {
  std::size_t layer = 0;
  std::from_chars(name.data() + std::string_view("layers.").size(), name.data() + name.size(), layer);
  return layer;
}

/// The dimensions in which a parameter is sliced.
std::vector<Index> dimensions(std::string_view name, const nn::TransformerConfig& config, const Shape& shape) {
  const auto sizes = shape.sizes();
  if (name.find(".attention.") == std::string_view::npos || name.find(".norm.") != std::string_view::npos)
    return {sizes.begin(), sizes.end()};
  const std::size_t layer = layer_of(name);
  const Index heads = config.layers[layer].heads, size = config.head_dim(layer);
  if (name.ends_with(".qkv.weight")) return {3, heads, size, sizes[1]};
  if (name.ends_with(".qkv.bias")) return {3, heads, size};
  if (name.ends_with(".out.weight")) return {sizes[0], heads, size};
  return {sizes.begin(), sizes.end()};
}

}  // namespace

Slice::Slice(const std::string& name, const nn::TransformerConfig& whole, const Shape& whole_shape,
             const nn::TransformerConfig& part, const Shape& part_shape) {
  const std::vector<Index> all = dimensions(name, whole, whole_shape), own = dimensions(name, part, part_shape);
  LATHE_CHECK(all.size() == own.size() && all.size() <= 4);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (own[i] > all[i]) throw InputError(str("[supernet] `", name, "` is ", part_shape.text(), ", of ", whole_shape.text()));
    whole_[4 - all.size() + i] = all[i];
    part_[4 - all.size() + i] = own[i];
  }
}

/// f(offset in the whole, offset in the part, length) for each run of neighbouring numbers.
template <class F>
void Slice::rows(F&& f) const {
  const Index length = part_[3];
  Index to = 0;
  for (Index i = 0; i < part_[0]; ++i)
    for (Index j = 0; j < part_[1]; ++j)
      for (Index k = 0; k < part_[2]; ++k, to += length) f(((i * whole_[1] + j) * whole_[2] + k) * whole_[3], to, length);
}

void Slice::copy(const float* whole, float* part) const {
  rows([&](Index from, Index to, Index length) { std::copy_n(whole + from, length, part + to); });
}

void Slice::add(const float* part, float* whole) const {
  rows([&](Index to, Index from, Index length) {
    for (Index i = 0; i < length; ++i) whole[to + i] += part[from + i];
  });
}

void check_part(const nn::TransformerConfig& whole, const nn::TransformerConfig& part) {
  const auto smaller = [](const std::string& what, Index size, Index largest) {
    if (size > largest)
      throw InputError(str("[supernet] ", what, " ", size, " is more than the ", largest, " of the shared weights"));
  };
  smaller("layers", static_cast<Index>(part.layers.size()), static_cast<Index>(whole.layers.size()));
  smaller("hidden", part.hidden, whole.hidden);
  for (std::size_t i = 0; i < part.layers.size(); ++i) {
    const std::string layer = str("layers[", i, "].");
    smaller(layer + "heads", part.layers[i].heads, whole.layers[i].heads);
    smaller(layer + "head_dim", part.head_dim(i), whole.head_dim(i));
    smaller(layer + "ffn", part.layers[i].ffn, whole.layers[i].ffn);
  }
  nn::TransformerConfig same = part;  // what is not sliced
  same.hidden = whole.hidden;
  same.layers = whole.layers;
  same.dropout = whole.dropout;
  same.attention_dropout = whole.attention_dropout;
  same.head_dropout = whole.head_dropout;
  if (!(same == whole)) throw InputError(str("[supernet] ", part.summary(), " is not a part of ", whole.summary()));
}

nn::Classifier sliced(Context& context, const nn::TransformerConfig& whole, const WeightSource& weights,
                      const nn::TransformerConfig& part) {
  part.validate();
  check_part(whole, part);
  return nn::Classifier(nn::Parameters(context, DType::kF32,
                                       [&](const std::string& name, const Shape& shape) {
                                         Tensor value = Tensor::empty(context, shape);
                                         const WeightView from = weights(name);
                                         const Slice slice(name, whole, from.shape, part, shape);
                                         slice.copy(from.values, value.mutable_data<float>());
                                         return Var(std::move(value), true, name);
                                       }),
                        part);
}

Supernet::Supernet(nn::TransformerConfig whole, std::vector<Weight> weights)
    : whole_(std::move(whole)), weights_(std::move(weights)) {
  Context meta({.device = Device::kMeta});
  const nn::Classifier model(meta, whole_);
  const std::vector<Var>& expected = model.parameters();
  if (weights_.size() != expected.size())
    throw InputError(str("[supernet] expected ", expected.size(), " parameters, got ", weights_.size()));
  Sha256 hash;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Weight& weight = weights_[i];
    if (weight.name != expected[i].name() || weight.shape != expected[i].shape() ||
        static_cast<Index>(weight.values.size()) != weight.shape.numel())
      throw InputError(str("[supernet] expected `", expected[i].name(), "` ", expected[i].shape().text(), ", got `", weight.name,
                           "` ", weight.shape.text(), " with ", weight.values.size(), " numbers"));
    index_[weight.name] = i;
    hash.add(weight.name).add_u64(weight.values.size());
    hash.add(weight.values.data(), weight.values.size() * sizeof(float));
  }
  hash_ = to_hex(hash.finish());
}

nn::Classifier Supernet::network(Context& context, const nn::TransformerConfig& part) const {
  return sliced(
      context, whole_,
      [this](const std::string& name) {
        const Weight& weight = weights_[index_.at(name)];
        return WeightView{weight.values.data(), weight.shape};
      },
      part);
}

}  // namespace lathe::nas
