// AdamW and SGD: one pass over parameters, state and gradients.
#include <lathe/tensor/cpu/common.h>
#include <lathe/tensor/cpu/kernels.h>

namespace lathe::cpu::LATHE_ISA {

void adamw(Exec& exec, const AdamwArgs<float>& a) {
  const f32x16 beta1(a.beta1), one_minus_beta1(a.one_minus_beta1), beta2(a.beta2), one_minus_beta2(a.one_minus_beta2);
  const f32x16 minus_decay(-a.decay), minus_step(-a.step), c2(a.c2), eps(a.eps), grad_scale(a.grad_scale), smallest(0x1p-126f);
  const bool decays = a.decay != 0, scales = a.grad_scale != 1;
  parallel_pieces(exec, a.n, kGrain, [&](Index begin, Index size) {
    columns(size, [&](Index c, int lanes) {
      const Index i = begin + c;
      f32x16 p = load_lanes(a.p + i, lanes), g = load_lanes(a.g + i, lanes);
      if (scales) g = g * grad_scale;
      const f32x16 m = fma(beta1, load_lanes(a.m + i, lanes), one_minus_beta1 * g);
      f32x16 v = fma(beta2, load_lanes(a.v + i, lanes), (one_minus_beta2 * g) * g);
      v = select_lt(v, smallest, f32x16(0.0f), v);
      if (decays) p = fma(minus_decay, p, p);
      p = fma(minus_step, m / (sqrt(v * c2) + eps), p);
      store_lanes(a.p + i, lanes, p);
      store_lanes(a.m + i, lanes, m);
      store_lanes(a.v + i, lanes, v);
    });
  });
}

void sgd(Exec& exec, const SgdArgs<float>& a) {
  const f32x16 momentum(a.momentum), minus_decay(-a.decay), minus_lr(-a.lr), grad_scale(a.grad_scale);
  const bool decays = a.decay != 0, scales = a.grad_scale != 1;
  parallel_pieces(exec, a.n, kGrain, [&](Index begin, Index size) {
    columns(size, [&](Index c, int lanes) {
      const Index i = begin + c;
      f32x16 p = load_lanes(a.p + i, lanes), u = load_lanes(a.g + i, lanes);
      if (scales) u = u * grad_scale;
      if (a.u) {
        u = fma(momentum, load_lanes(a.u + i, lanes), u);
        store_lanes(a.u + i, lanes, u);
      }
      if (decays) p = fma(minus_decay, p, p);
      store_lanes(a.p + i, lanes, fma(minus_lr, u, p));
    });
  });
}

}  // namespace lathe::cpu::LATHE_ISA
