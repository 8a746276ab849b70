#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/optim/schedule.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace lathe::optim {
namespace {

constexpr double kPi = 3.141592653589793;
constexpr const char* kNames[] = {"constant", "linear", "cosine"};

}  // namespace

const char* name_of(ScheduleKind kind) { return kNames[static_cast<int>(kind)]; }

ScheduleKind schedule_kind(std::string_view name) {
  const std::vector<std::string> known(std::begin(kNames), std::end(kNames));
  for (std::size_t i = 0; i < known.size(); ++i)
    if (name == known[i]) return static_cast<ScheduleKind>(i);
  const auto hint = nearest(name, known);
  throw InputError(
      str("schedule `", name, "` is unknown, expected one of ", join(known, ", "), hint ? "; did you mean " + *hint + "?" : ""));
}

void Schedule::validate() const {
  if (!(peak >= 0 && std::isfinite(peak))) throw InputError(str("learning rate is ", peak, ", expected a number >= 0"));
  if (total_steps < 0) throw InputError(str("total_steps is ", total_steps, ", expected a number >= 0"));
  if (kind != ScheduleKind::kConstant && total_steps == 0)
    throw InputError(str("a ", name_of(kind), " schedule needs total_steps > 0"));
  if (warmup_steps < 0 || (total_steps > 0 && warmup_steps > total_steps))
    throw InputError(str("warmup_steps is ", warmup_steps, ", expected 0 to total_steps ", total_steps));
  if (!(final_fraction >= 0 && final_fraction <= 1))
    throw InputError(str("final_fraction is ", final_fraction, ", expected 0 to 1"));
}

double Schedule::at(std::int64_t step) const {
  validate();
  if (step < 0) throw InputError(str("step is ", step, ", expected a number >= 0"));
  if (step < warmup_steps) return peak * (static_cast<double>(step + 1) / static_cast<double>(warmup_steps));
  if (kind == ScheduleKind::kConstant) return peak;
  const std::int64_t span = total_steps - warmup_steps;
  const double t = span == 0 ? 1 : std::min(1.0, static_cast<double>(step - warmup_steps) / static_cast<double>(span));
  const double decay = kind == ScheduleKind::kLinear ? 1 - t : (1 + math::cos(kPi * t)) / 2;
  return peak * (final_fraction + (1 - final_fraction) * decay);
}

}  // namespace lathe::optim
