#include <lathe/nas/controller/ppo.h>

#include <lathe/base/error.h>
#include <lathe/base/math.h>

namespace lathe::nas {
namespace {

/// min(a, b) = a − relu(a − b).
Var smaller(const Var& a, const Var& b) { return a - relu(a - b); }

/// min(max(x, low), high) = low + relu(x − low) − relu(x − high).
Var clipped(const Var& x, double low, double high) { return relu(x - low) - relu(x - high) + low; }

}  // namespace

std::vector<double> gae(const Trajectories& t, const std::vector<double>& values, const std::vector<double>& reward,
                        double lambda) {
  const std::size_t rows = static_cast<std::size_t>(t.rows), steps = rows ? t.chosen.size() / rows : 0;
  std::vector<double> out(t.chosen.size(), 0);
  for (std::size_t r = 0; r < rows; ++r) {
    double next = reward[r], sum = 0;
    for (std::size_t i = steps; i-- > 0;) {
      const std::size_t at = r * steps + i;
      if (t.chosen[at] < 0) continue;
      sum = (next - values[at]) + lambda * sum;
      out[at] = sum;
      next = values[at];
    }
  }
  return out;
}

void standardise(const Trajectories& t, std::vector<double>& advantage) {
  double n = 0, mean = 0, variance = 0;
  for (std::size_t i = 0; i < advantage.size(); ++i)
    if (t.chosen[i] >= 0) n += 1, mean += advantage[i];
  if (n == 0) return;
  mean /= n;
  for (std::size_t i = 0; i < advantage.size(); ++i)
    if (t.chosen[i] >= 0) variance += (advantage[i] - mean) * (advantage[i] - mean) / n;
  const double deviation = math::sqrt(variance);
  for (std::size_t i = 0; i < advantage.size(); ++i)
    if (t.chosen[i] >= 0) advantage[i] = deviation > 1e-8 ? (advantage[i] - mean) / deviation : 0;
}

Var ppo_loss(const Policy& policy, const PpoBatch& batch, const PpoOptions& options) {
  const Trajectories& t = batch.trajectories;
  const Shape shape{t.rows, static_cast<Index>(policy.decisions())};
  const Policy::Outlook outlook = policy.outlook(t);
  Context& context = outlook.value.context();
  const DType dtype = outlook.value.dtype();
  std::vector<double> share(t.chosen.size(), 0), target(t.chosen.size(), 0);
  double active = 0;
  for (const std::int32_t choice : t.chosen) active += choice >= 0;
  LATHE_CHECK(active > 0, "no decision is active");
  for (std::size_t i = 0; i < t.chosen.size(); ++i) {
    share[i] = t.chosen[i] < 0 ? 0 : 1 / active;
    target[i] = batch.reward[i / policy.decisions()];
  }
  const auto fixed = [&](const std::vector<double>& values) { return Var(constant(context, values, shape, dtype)); };
  const Var advantage = fixed(batch.advantage);
  const Var ratio = exp(outlook.log_probability - fixed(batch.old_log_probability));
  const Var gain = smaller(ratio * advantage, clipped(ratio, 1 - options.clip, 1 + options.clip) * advantage);
  const Var error = square(outlook.value - fixed(target));
  return sum((error * options.value_weight - gain - outlook.entropy * options.entropy_weight) * fixed(share));
}

}  // namespace lathe::nas
