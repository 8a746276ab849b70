// Measuring how long a network takes to answer, on a machine that does other things too.
//
// A reference network is measured again and again between the others. Where its time differs from its own median by more than a
// tenth, the machine was slower or faster than usual: what was measured there is thrown away and measured again. What remains is
// divided by the reference's course, so that a machine that only changes its clock rate does no harm. A machine that cannot be
// trusted at all is said to drift.
#pragma once
#include <lathe/nas/executor.h>
#include <lathe/nas/transformer/latency_features.h>
#include <lathe/nn/transformer.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace lathe::nas {

/// Builds the network, runs it `warm_up` times, then `calls` times, and gives the nanoseconds of each of the latter: logits of a
/// packed batch without gradients. Tests have one of their own.
using LatencyMeter = std::function<std::vector<std::int64_t>(const nn::TransformerConfig& config, int warm_up, int calls)>;

/// What is answered while the clock runs: `load`, cut to what the network takes, of arbitrary tokens of its vocabulary.
nn::Batch latency_batch(Context& context, const LatencyLoad& load, const nn::TransformerConfig& config);

/// The real one. `backend` as ContextOptions. Weights are arbitrary numbers: time does not depend on them.
LatencyMeter network_meter(const LatencyLoad& load, const std::string& backend = {});

/// The network that is measured between the others: of the size that `like` has room for, so that it differs from machine to
/// machine in nothing.
nn::TransformerConfig latency_reference(const nn::TransformerConfig& like);

struct LatencySample {
  nn::TransformerConfig architecture;
  std::int64_t median_ns = 0;  ///< over rounds, of the median of each
  std::int64_t mad_ns = 0;     ///< median distance of the rounds from it
};

/// What the reference network says about the machine.
struct ReferenceCourse {
  std::int64_t median_ns = 0, mad_ns = 0;
  std::int64_t visits = 0;    ///< measurements of other networks
  std::int64_t rejected = 0;  ///< of them thrown away
  double range = 0;           ///< (95th − 5th percentile) / median of its visits
  /// More than a quarter was thrown away: figures are not to be trusted.
  bool drifts() const { return 4 * rejected > visits; }
};

struct LatencyTable {
  std::vector<LatencySample> samples;
  ReferenceCourse reference;
};

struct MeasureOptions {
  int rounds = 5;                     ///< accepted measurements of each network
  std::int64_t visit_ns = 6'000'000;  ///< about how long one takes, without its warm-up
  double tolerance = 0.1;             ///< of the reference
  std::uint64_t seed = 1;             ///< of the order
  StopFlag stop;                      ///< Interrupted
  std::function<void(std::int64_t done, std::int64_t total)> progress = [](std::int64_t, std::int64_t) {};
};

/// Measures all, in rounds of random order (Philox), each network once a round, the reference before and behind every four.
LatencyTable measure_table(std::span<const nn::TransformerConfig> architectures, const LatencyMeter& meter,
                           const MeasureOptions& options = {});

/// One network, for the final report.
struct LatencyMeasurement {
  std::int64_t p50_ns = 0, p95_ns = 0, mad_ns = 0;  ///< over single calls, in accepted rounds
  std::int64_t calls = 0;
  ReferenceCourse reference;
};
/// `seconds`: about how long.
LatencyMeasurement measure_latency(const nn::TransformerConfig& config, const LatencyMeter& meter, double seconds = 1,
                                   const MeasureOptions& options = {});
LatencyMeasurement measure_latency(const nn::TransformerConfig& config, const LatencyLoad& load, const std::string& backend = {},
                                   double seconds = 1, const MeasureOptions& options = {});

/// Element ⌈share · n⌉ of the sorted values (nearest rank), share in (0, 1]. At least one value.
std::int64_t percentile(std::vector<std::int64_t> values, double share);

}  // namespace lathe::nas
