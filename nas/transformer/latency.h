// The latency model: what an architecture will take on this machine, known before it is trained.
//
// 100 architectures drawn from the study's space are measured (latency_measure.h); non-negative least squares on what their kernels
// do (latency_features.h), with every row divided by its measured time so that relative errors count, gives the time of each thing
// done. From then on nothing is measured: a prediction is a pure function of the coefficients and the architecture, the same
// integer on every machine, so it may decide what a study proposes. The table is one machine's, for one batch, length and number of
// threads.
#pragma once
#include <lathe/nas/space.h>
#include <lathe/nas/transformer/candidate.h>
#include <lathe/nas/transformer/latency_measure.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nas {

class LatencyModel {
 public:
  /// Where and for what it was measured.
  struct Facts {
    LatencyLoad load;
    std::string backend;  ///< that computed: "avx512"
    std::string cpu;
    int cores = 0;
  };

  /// InputError: fewer than one sample, a time below 1 ns.
  LatencyModel(LatencyTable table, Facts facts);

  /// Median nanoseconds of an inference, at least 1. A text is cut to max_tokens. InputError from validate().
  std::int64_t predict_ns(const nn::TransformerConfig& config) const;
  std::int64_t operator()(const nn::TransformerConfig& config) const { return predict_ns(config); }

  /// What makes a prediction for `config` a guess: "no measured architecture has relu". Nothing: all is covered.
  std::optional<std::string> uncovered(const nn::TransformerConfig& config) const;

  const LatencyTable& table() const { return table_; }
  const Facts& facts() const { return facts_; }
  const std::vector<double>& coefficients() const { return coefficients_; }  ///< nanoseconds a unit of each feature

  /// Of the samples themselves, each predicted by a fit that had not seen it (ten folds; fewer than 20 samples: by the fit itself).
  struct Quality {
    double mean_error = 0;  ///< mean |predicted − measured| / measured
    double tau = 0;         ///< Kendall's τ-b; 0 where it is undefined
  };
  Quality quality() const;
  Quality quality(std::span<const LatencySample> others) const;  ///< of predictions for other measurements

  /// Canonical JSON object: facts, reference, samples, coefficients. parse(json()) is equal in every bit.
  std::string json() const;
  /// InputError "<where>: …": not JSON, a member missing or of the wrong type, features of another version, coefficients that are
  /// not those of the samples.
  static LatencyModel parse(std::string_view json, const std::string& where);

 private:
  LatencyTable table_;
  Facts facts_;
  std::vector<double> coefficients_;
};

/// Up to `count` different architectures of valid points of the space; point i is draw 2⁴⁸ + i of `seed`. InputError if the space
/// has none.
std::vector<nn::TransformerConfig> draw_architectures(const Space& space, const Candidate& base, const TaskShape& task,
                                                      std::int64_t count, std::uint64_t seed);

struct LatencyRequest {
  const Space* space = nullptr;
  Candidate base;
  TaskShape task;
  std::int64_t samples = 100;
  LatencyLoad load;
  std::string backend;          ///< as ContextOptions
  std::uint64_t seed = 1;       ///< of draws and order
  std::filesystem::path cache;  ///< file that holds the model between calls, "run/latency.json"; empty: none
  LatencyMeter meter;           ///< empty: network_meter
  StopFlag stop;
  std::function<void(std::int64_t done, std::int64_t total)> progress = [](std::int64_t, std::int64_t) {};
  std::function<void(const std::string&)> note = [](const std::string&) {};  ///< of a cache that could not be used, of drift
};

/// The model of `cache` if that was measured for the same request, else a new one, written there as a whole file. A cache that is
/// damaged or of another request is said to `note` and measured anew: nothing has been decided by it. Interrupted;
/// InfrastructureError if the file cannot be written; errors of draw_architectures().
LatencyModel prepare_latency(const LatencyRequest& request);

/// What prepare_latency() writes into `request.cache`: `model` was measured for a request that differs in that file alone.
void save_latency(const LatencyModel& model, const LatencyRequest& request);

/// The model in a file that prepare_latency() wrote. InputError as LatencyModel::parse, or if there is none.
LatencyModel load_latency(const std::filesystem::path& file);

/// A model that is to be reused for a request: InputError "<where>: …" if it was measured with another load or backend, or a draw
/// of the space has what no sample has.
void require_usable(const LatencyModel& model, const LatencyRequest& request, const std::string& where);

}  // namespace lathe::nas
