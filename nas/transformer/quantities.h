// What a model can be judged by: how good it is, and what it costs.
//
//   accuracy, macro_f1, loss    of the validation rows: measured by training
//   latency_ms                  of answering one text, as the latency model predicts it
//   params, flops, memory_mb, size_mb    exact, from shapes alone
//
// Each can be an objective (search.objectives), a limit (limits.latency_ms, …) or a side of a target:
//
//   latency_ms <= 5
//   accuracy >= 0.95 * default       relative to the architecture of [model], trained with the search's epochs
//
// What is known before training refuses a point before it becomes a trial; what is measured becomes a constraint of the study.
#pragma once
#include <lathe/nas/study.h>
#include <lathe/train/evaluate.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::nas {

struct CandidateCost;  // objective.h

enum class Quantity : std::uint8_t { kAccuracy, kMacroF1, kLoss, kLatency, kParams, kFlops, kMemory, kSize };

struct QuantityInfo {
  Quantity quantity;
  const char* name;  ///< as in configurations, headers and reports
  const char* unit;  ///< "ms", "MB" (10⁶ bytes); "" for counts and shares
  Direction direction;
  bool measured;  ///< by training; else known before
  const char* help;
};

/// All, in the order above.
std::span<const QuantityInfo> quantities();
const QuantityInfo& info(Quantity quantity);
/// InputError with the nearest name.
Quantity quantity(std::string_view name);
Quantity quantity_of(train::Metric metric);
inline bool is_measured(Quantity quantity) { return info(quantity).measured; }

/// accuracy, macro_f1 or loss.
double measured_value(Quantity quantity, const train::Scores& scores);
/// The others. InputError: latency_ms, but no latency was predicted (CandidateCost::latency_ns < 0).
double known_value(Quantity quantity, const CandidateCost& cost);
/// "0.31 ms", "1,234,567", "0.8412": for people.
std::string show_value(Quantity quantity, double value);

/// A bound on a quantity, in its unit.
struct Limit {
  Quantity quantity = Quantity::kParams;
  bool at_least = false;  ///< else at most
  double bound = 0;
  std::string text;  ///< as it was written: "limits.params = 100"
  /// By how much `value` breaks it; ≤ 0: it holds.
  double excess(double value) const { return at_least ? bound - value : value - bound; }
  bool holds(double value) const { return excess(value) <= 0; }
  bool operator==(const Limit&) const = default;
};

/// QUANTITY (<=|>=) NUMBER [* default]
struct Target {
  Quantity quantity = Quantity::kAccuracy;
  bool at_least = true;
  double number = 0;
  bool of_default = false;  ///< `number` times the value of the default architecture
  /// In one form: "accuracy >= 0.95 * default".
  std::string text() const;
  /// With the default's value put in (any, unless of_default).
  Limit limit(double value_of_default) const;
  bool operator==(const Target&) const = default;
};
/// InputError `limits.target "<text>": …`: not of this form, unknown quantity (nearest name), a number that is not finite.
Target parse_target(std::string_view text);

/// Puts metrics, directions, constraints and the way of judging into a header. Objectives: none stands for the metric. If the first
/// one is not the metric, every report states the values of the best epoch so far by the metric, and the last report counts;
/// else the report with the best metric counts. InputError: an objective twice, nothing that training would tell.
void set_objectives(StudyHeader& header, std::span<const Quantity> objectives, train::Metric metric,
                    std::span<const Target> targets);

}  // namespace lathe::nas
