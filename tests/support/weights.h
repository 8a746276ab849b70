// Numbers that scripts in other languages make too: what tests with values of PyTorch fill their networks with.
#pragma once
#include <lathe/nn/transformer.h>

#include <cstdint>
#include <vector>

namespace lathe::test {

inline std::uint32_t mix(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x7FEB352Du;
  x ^= x >> 15;
  x *= 0x846CA68Bu;
  return x ^ x >> 16;
}

/// Parameter number n has the numbers mix(1000003·n + i), from −0.5 to 0.5; of norms 1 more.
inline void set_weights(const nn::Classifier& model) {
  std::uint32_t base = 0;
  for (Var parameter : model.parameters()) {
    const double center = parameter.name().ends_with("norm.weight") ? 1 : 0;
    std::vector<float> values(static_cast<std::size_t>(parameter.shape().numel()));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(center + 0.5 * (mix(base + static_cast<std::uint32_t>(i)) / 4294967296.0 - 0.5) * 2);
    parameter.mutable_value().copy_from(Tensor::from(model.context(), values, parameter.shape()).to(parameter.dtype()));
    base += 1000003;
  }
}

}  // namespace lathe::test
