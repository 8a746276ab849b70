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
#include <string>
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
  std::int64_t inference_peak_bytes = 0;  ///< parameters and activations: of the second batch, when weights are packed
  std::int64_t training_peak_bytes =
      0;  ///< parameters, gradients, optimizer state, activations: of the second step, when all exist
};

/// Cost of a classifier for one packed batch of sequences of these lengths. FLOPs do not depend on the number of threads, the
/// memory of training does (for_each_group). InputError from validate() or for lengths beyond max_tokens.
Cost cost_of(const TransformerConfig& config, std::span<const std::int32_t> lengths, const MakeUpdate& make_update = {},
             int threads = 1);

/// What one part of the model adds to that. FLOPs and parameters of all parts sum up to those of Cost, exactly. Bytes are accounted
/// ones (allocator.h).
struct PartCost {
  std::string name;  ///< of ModelPart; "optimizer" at the end
  std::int64_t parameters = 0;
  FlopCounter inference_flops, training_flops;
  std::int64_t parameter_bytes = 0;  ///< with tables of computed positions; in training once more for the gradients
  std::int64_t packed_bytes = 0;     ///< weights in the order in which products read them
  std::int64_t working_bytes = 0;    ///< inference: most that it holds while it computes the batch, its result included
  std::int64_t kept_bytes = 0;       ///< training: what forward leaves for backward, of the group of most tokens
  std::int64_t state_bytes = 0;      ///< of the optimizer
};

/// The cost of every part, for one thread; errors of cost_of.
std::vector<PartCost> cost_by_part(const TransformerConfig& config, std::span<const std::int32_t> lengths,
                                   const MakeUpdate& make_update = {});

}  // namespace lathe::nn
