// What a model costs, foretold and measured side by side: `lathe profile`.
#pragma once
#include <lathe/nas/transformer/latency_measure.h>
#include <lathe/nn/cost.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::nas {

struct ModelProfile {
  nn::Cost cost;                          ///< of one batch of equal sequences
  std::vector<nn::PartCost> parts;        ///< of the same; "optimizer" at the end
  std::vector<std::int64_t> part_ns;      ///< median time of each part alone; 0 for the optimizer
  LatencyMeasurement latency;             ///< of the whole, one batch
  std::int64_t inference_peak_bytes = 0;  ///< measured: the allocator's high-water mark
  std::int64_t training_peak_bytes = 0;
  std::string backend;
};

struct ProfileRequest {
  nn::TransformerConfig architecture;
  LatencyLoad load;
  std::string backend;         ///< as ContextOptions
  nn::MakeUpdate make_update;  ///< empty: nothing is updated in training
  double seconds = 1;          ///< about how long to measure, beside the two trained batches
  StopFlag stop;               ///< Interrupted
};

/// InputError from validate(), or for more tokens than the model takes.
ModelProfile profile_model(const ProfileRequest& request);

}  // namespace lathe::nas
