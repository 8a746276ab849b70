// Normalisation, softmax and cross entropy along rows.
#include <lathe/tensor/spec/rules.h>

namespace lathe::spec {

template <class T>
void norm_fwd(Exec&, const NormFwdArgs<T>& a) {
  const T n = static_cast<T>(a.n);
  for (Index r = 0; r < a.rows; ++r) {
    const T* x = a.x + r * a.ldx;
    const bool centred = a.kind == NormKind::kLayer;
    const T mean = centred ? sum16<T>(a.n, [&](Index c) { return x[c]; }) / n : T(0);
    const auto d = [&](Index c) { return centred ? x[c] - mean : x[c]; };
    const T variance = dot16<T>(a.n, d, d) / n;
    const T rstd = T(1) / sqrt(variance + a.eps);
    for (Index c = 0; c < a.n; ++c) {
      const T normal = d(c) * rstd;
      a.y[r * a.ldy + c] = a.beta ? fma(normal, a.gamma[c], a.beta[c]) : normal * a.gamma[c];
    }
    if (centred) a.mean[r] = mean;
    a.rstd[r] = rstd;
  }
}

template <class T>
void norm_bwd(Exec&, const NormBwdArgs<T>& a) {
  const T n = static_cast<T>(a.n);
  const bool centred = a.kind == NormKind::kLayer;
  const auto normal = [&](Index r, Index c) {
    const T x = a.x[r * a.ldx + c];
    return (centred ? x - a.mean[r] : x) * a.rstd[r];
  };
  const auto dy = [&](Index r, Index c) { return a.dy[r * a.ldy + c]; };
  for (Index c = 0; c < a.n; ++c) {
    T *open_gamma = a.open_gamma ? a.open_gamma + c : nullptr, *open_beta = a.open_beta ? a.open_beta + c : nullptr;
    if (a.dgamma)
      a.dgamma[c] = sum_rows(
          a.dgamma[c], a.rows, [&](Index r, T block) { return fma(dy(r, c), normal(r, c), block); }, a.range, open_gamma);
    if (a.dbeta)
      a.dbeta[c] = sum_rows(
          a.dbeta[c], a.rows, [&](Index r, T block) { return block + dy(r, c); }, a.range, open_beta);
  }
  for (Index r = 0; r < a.rows; ++r) {
    const auto g = [&](Index c) { return dy(r, c) * a.gamma[c]; };
    const T mean_g = centred ? sum16<T>(a.n, g) / n : T(0);
    const T mean_gx = dot16<T>(a.n, g, [&](Index c) { return normal(r, c); }) / n;
    for (Index c = 0; c < a.n; ++c) {
      T dx = fma(-normal(r, c), mean_gx, g(c) - mean_g) * a.rstd[r];
      if (a.residual) dx = dx + a.residual[r * a.ld_residual + c];
      a.dx[r * a.lddx + c] = dx;
    }
  }
}

template <class T>
void softmax_fwd(Exec&, const SoftmaxFwdArgs<T>& a) {
  for (Index r = 0; r < a.rows; ++r) {
    const T* x = a.x + r * a.n;
    T* y = a.y + r * a.n;
    const T m = max16<T>(a.n, [&](Index c) { return x[c]; });
    for (Index c = 0; c < a.n; ++c) y[c] = exp(x[c] - m);
    const T inverse = T(1) / sum16<T>(a.n, [&](Index c) { return y[c]; });
    for (Index c = 0; c < a.n; ++c) y[c] = y[c] * inverse;
  }
}

template <class T>
void softmax_bwd(Exec&, const SoftmaxBwdArgs<T>& a) {
  for (Index r = 0; r < a.rows; ++r) {
    const T *y = a.y + r * a.n, *dy = a.dy + r * a.n;
    const T dot = dot16<T>(
        a.n, [&](Index c) { return dy[c]; }, [&](Index c) { return y[c]; });
    for (Index c = 0; c < a.n; ++c) a.dx[r * a.n + c] = y[c] * (dy[c] - dot);
  }
}

template <class T>
void cross_entropy_fwd(Exec&, const CrossEntropyFwdArgs<T>& a) {
  // Σrows over the kept rows, counted as if the others were not there.
  T total = 0, block = 0;
  Index count = 0;
  for (Index r = 0; r < a.rows; ++r) {
    const T* x = a.logits + r * a.n;
    const T m = max16<T>(a.n, [&](Index c) { return x[c]; });
    const T sum = sum16<T>(a.n, [&](Index c) { return exp(x[c] - m); });
    const bool kept = a.target[r] != kIgnoreLabel;
    a.max[r] = m;
    a.inv_sum[r] = T(1) / sum;
    a.losses[r] = kept ? (m + log(sum)) - x[a.target[r]] : T(0);
    if (!kept) continue;
    block = block + a.losses[r];
    if (++count % 64 == 0) {
      total = total + block;
      block = 0;
    }
  }
  if (count % 64 != 0) total = total + block;
  const Index divisor = a.count > 0 ? a.count : count;
  *a.loss = divisor > 0 ? total / static_cast<T>(divisor) : std::numeric_limits<T>::quiet_NaN();
}

template <class T>
void cross_entropy_bwd(Exec&, const CrossEntropyBwdArgs<T>& a) {
  Index count = a.count;
  for (Index r = 0; r < a.rows && a.count == 0; ++r) count += a.target[r] != kIgnoreLabel;
  const T share = T(1) / static_cast<T>(count);
  for (Index r = 0; r < a.rows; ++r)
    for (Index c = 0; c < a.n; ++c) {
      const Index at = r * a.n + c;
      const T p = exp(a.logits[at] - a.max[r]) * a.inv_sum[r];
      const T hit = c == a.target[r] ? T(1) : T(0);
      a.dlogits[at] = a.target[r] == kIgnoreLabel ? T(0) : ((p - hit) * share) * a.dloss;
    }
}

LATHE_SPEC_INSTANCES(norm_fwd, NormFwdArgs)
LATHE_SPEC_INSTANCES(norm_bwd, NormBwdArgs)
LATHE_SPEC_INSTANCES(softmax_fwd, SoftmaxFwdArgs)
LATHE_SPEC_INSTANCES(softmax_bwd, SoftmaxBwdArgs)
LATHE_SPEC_INSTANCES(cross_entropy_fwd, CrossEntropyFwdArgs)
LATHE_SPEC_INSTANCES(cross_entropy_bwd, CrossEntropyBwdArgs)

}  // namespace lathe::spec
