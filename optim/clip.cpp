#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/optim/clip.h>
#include <lathe/tensor/ops.h>

#include <cmath>

namespace lathe::optim {

Clip clip_by_norm(std::span<const Var> parameters, double limit) {
  double sum = 0;
  for (const Var& parameter : parameters) {
    if (!parameter.grad().defined()) continue;
    if (const auto rows = parameter.grad_rows())
      ops::sum_squares(parameter.grad(), *rows, &sum);
    else
      ops::sum_squares(parameter.grad(), &sum);
    if (!std::isfinite(sum)) throw NonFiniteError("the gradient of `" + parameter.name() + "` is not finite");
  }
  Clip clip;
  clip.norm = math::sqrt(sum);
  if (limit > 0 && clip.norm > limit) clip.scale = limit / clip.norm;
  return clip;
}

}  // namespace lathe::optim
