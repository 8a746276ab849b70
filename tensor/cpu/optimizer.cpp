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

namespace {

// One row, or as many vectors of its columns as are told, through its steps. The vectors hide each other's latency.
template <int kVecs>
LATHE_INLINE void replay(const AdamwRowsArgs<float>& a, Index from, Index at, int lanes) {
  const f32x16 beta1(a.beta1), one_minus_beta1(a.one_minus_beta1), beta2(a.beta2), one_minus_beta2(a.one_minus_beta2), eps(a.eps),
      zero(0.0f), smallest(0x1p-126f);
  f32x16 p[kVecs], m[kVecs], v[kVecs];
  for (int j = 0; j < kVecs; ++j) p[j] = load_lanes(a.p + at + 16 * j, lanes);
  Index s = from;
  if (a.cold)  // nothing but decay until a gradient comes
    for (; s < a.to - (a.g != nullptr); ++s) {
      const f32x16 minus_decay(-a.steps[s].decay);
      if (a.steps[s].decay != 0)
        for (int j = 0; j < kVecs; ++j) p[j] = fma(minus_decay, p[j], p[j]);
    }
  if (s < a.to) {
    for (int j = 0; j < kVecs; ++j) m[j] = load_lanes(a.m + at + 16 * j, lanes), v[j] = load_lanes(a.v + at + 16 * j, lanes);
    for (; s < a.to; ++s) {
      const AdamwStep<float>& step = a.steps[s];
      const f32x16 minus_decay(-step.decay), minus_step(-step.step), c2(step.c2);
      const bool has_gradient = a.g && s == a.to - 1;
      for (int j = 0; j < kVecs; ++j) {
        f32x16 to_m = zero, to_v = zero;
        if (has_gradient) {
          f32x16 g = load_lanes(a.g + at + 16 * j, lanes);
          if (a.grad_scale != 1) g = g * f32x16(a.grad_scale);
          to_m = one_minus_beta1 * g;
          to_v = (one_minus_beta2 * g) * g;
        }
        m[j] = fma(beta1, m[j], to_m);
        v[j] = fma(beta2, v[j], to_v);
        v[j] = select_lt(v[j], smallest, zero, v[j]);
        if (step.decay != 0) p[j] = fma(minus_decay, p[j], p[j]);
        p[j] = fma(minus_step, m[j] / (sqrt(v[j] * c2) + eps), p[j]);
      }
    }
    for (int j = 0; j < kVecs; ++j) {
      store_lanes(a.m + at + 16 * j, lanes, m[j]);
      store_lanes(a.v + at + 16 * j, lanes, v[j]);
    }
  }
  for (int j = 0; j < kVecs; ++j) store_lanes(a.p + at + 16 * j, lanes, p[j]);
}

}  // namespace

void adamw_rows(Exec& exec, const AdamwRowsArgs<float>& a) {
  parallel_pieces(exec, a.count, 16, [&](Index begin, Index size) {
    for (Index i = begin; i < begin + size; ++i) {
      const Index row = a.rows[i] * a.n;
      Index c = 0;
      for (; c + 64 <= a.n; c += 64) replay<4>(a, a.from[i], row + c, 16);
      columns(a.n - c, [&](Index d, int lanes) { replay<1>(a, a.from[i], row + c + d, lanes); });
    }
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
