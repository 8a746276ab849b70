// Learning rates as a pure function of the step, in f64 on lathe's own cosine: a resumed run needs no state.
#pragma once
#include <cstdint>
#include <string_view>

namespace lathe::optim {

enum class ScheduleKind { kConstant, kLinear, kCosine };
const char* name_of(ScheduleKind kind);             ///< "constant", "linear", "cosine"
ScheduleKind schedule_kind(std::string_view name);  ///< InputError with the nearest name

/// Step s counts from 0, W = warmup_steps, T = total_steps.
///   s < W: peak · (s + 1) / W                                   — the first step already learns
///   else:  peak · (final + (1 − final) · decay(t)), t = min(1, (s − W) / (T − W))
/// decay(t): constant 1; linear 1 − t; cosine (1 + cos πt) / 2 (Loshchilov & Hutter 2017).
struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  double peak = 1e-3;
  std::int64_t total_steps = 0;
  std::int64_t warmup_steps = 0;
  double final_fraction = 0;  ///< learning rate at the end, as a part of the peak

  /// InputError: negative numbers, warm-up beyond the total, final outside [0, 1]; linear and cosine need total_steps > 0.
  void validate() const;
  double at(std::int64_t step) const;
};

}  // namespace lathe::optim
