// What an inference does, counted kernel by kernel: the columns of the latency model.
#pragma once
#include <lathe/nn/config.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::nas {

/// What is answered at a time, and by how many threads.
struct LatencyLoad {
  std::int64_t batch = 1;    ///< sequences
  std::int64_t tokens = 32;  ///< of each
  int threads = 1;
  bool operator==(const LatencyLoad&) const = default;
};
/// What a model that takes fewer tokens has to do for it: longer texts are cut before they reach a model.
LatencyLoad cut_to(LatencyLoad load, const nn::TransformerConfig& config);

/// Version of the meaning of the features; part of every stored model.
inline constexpr int kLatencyFeatures = 1;

/// Names of the features, in order.
const std::vector<std::string>& latency_feature_names();

/// One number per name: calls, products by their padded sizes, epilogues, weights read and those beyond the second-level cache,
/// attention, norms, activations by kind, embeddings. Where a kernel has fewer tasks than it could share among the threads, what
/// the busiest thread does is counted. Integers, so equal on every machine. InputError from validate().
std::vector<double> latency_features(const nn::TransformerConfig& config, const LatencyLoad& load);

}  // namespace lathe::nas
