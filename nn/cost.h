// What a model costs, before it exists: parameters, FLOPs and peak memory from the meta device, where the very program that trains
// runs without numbers. FLOPs are sums of tensor/flops.h; peak memory equals the allocator's accounted high-water mark of the real
// run.
#pragma once
#include <lathe/autograd/var.h>
#include <lathe/nn/config.h>
#include <lathe/tensor/flops.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace lathe::nn {

/// Builds an optimizer for these parameters and returns its step. (Optimizers live in optim/, a layer beside this one.)
/// optim::AdamW: [](const std::vector<Var>& p) { return [o = std::make_shared<optim::AdamW>(p)] { o->step(1e-3); o->zero_grad(); };
/// }
using MakeUpdate = std::function<std::function<void()>(const std::vector<Var>&)>;

struct Cost {
  std::int64_t parameters = 0;
  std::int64_t parameter_bytes = 0;       ///< as stored: 4 a parameter
  FlopCounter inference_flops;            ///< logits of the batch
  FlopCounter training_flops;             ///< forward, backward and update of the batch
  std::int64_t inference_peak_bytes = 0;  ///< parameters and activations
  std::int64_t training_peak_bytes =
      0;  ///< parameters, gradients, optimizer state, activations: of the second step, when all exist
};

/// Cost of a classifier for one packed batch of sequences of these lengths. FLOPs do not depend on the number of threads, the
/// memory of training does (for_each_group). InputError from validate() or for lengths beyond max_tokens.
Cost cost_of(const TransformerConfig& config, std::span<const std::int32_t> lengths, const MakeUpdate& make_update = {},
             int threads = 1);

}  // namespace lathe::nn
