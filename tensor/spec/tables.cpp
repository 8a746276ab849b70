// Embeddings and pooling (rows chosen by an index), optimizers, and the two tables.
#include <lathe/tensor/spec/rules.h>
#include <lathe/tensor/spec/spec.h>

namespace lathe::spec {

template <class T>
void embedding_fwd(Exec&, const EmbeddingFwdArgs<T>& a) {
  for (Index r = 0; r < a.rows; ++r)
    for (Index c = 0; c < a.n; ++c) {
      const T value = a.table[a.ids[r] * a.n + c];
      T& y = a.y[r * a.ldy + c];
      y = a.accumulate ? y + value : value;
    }
}

template <class T>
void embedding_bwd(Exec&, const EmbeddingBwdArgs<T>& a) {
  for (Index r = 0; r < a.rows; ++r)
    for (Index c = 0; c < a.n; ++c) {
      T& d = a.dtable[a.ids[r] * a.n + c];
      d = d + a.dy[r * a.ldy + c];
    }
}

template <class T>
void mean_pool_fwd(Exec&, const MeanPoolFwdArgs<T>& a) {
  for (Index s = 0; s < a.sequences; ++s) {
    const Index first = a.offsets[s], length = a.offsets[s + 1] - first;
    for (Index c = 0; c < a.n; ++c) {
      const T sum = sum_rows(T(0), length, [&](Index r, T block) { return block + a.x[(first + r) * a.ldx + c]; });
      a.y[s * a.n + c] = length > 0 ? sum / static_cast<T>(length) : T(0);
    }
  }
}

template <class T>
void mean_pool_bwd(Exec&, const MeanPoolBwdArgs<T>& a) {
  for (Index s = 0; s < a.sequences; ++s) {
    const T length = static_cast<T>(a.offsets[s + 1] - a.offsets[s]);
    for (Index r = a.offsets[s]; r < a.offsets[s + 1]; ++r)
      for (Index c = 0; c < a.n; ++c) a.dx[r * a.lddx + c] = a.dy[s * a.n + c] / length;
  }
}

template <class T>
void adamw(Exec&, const AdamwArgs<T>& a) {
  for (Index i = 0; i < a.n; ++i) {
    const T g = a.grad_scale != 1 ? a.g[i] * a.grad_scale : a.g[i];
    a.m[i] = fma(a.beta1, a.m[i], a.one_minus_beta1 * g);
    const T v = fma(a.beta2, a.v[i], (a.one_minus_beta2 * g) * g);
    a.v[i] = v < T(0x1p-126) ? T(0) : v;  // subnormal v would slow down every later step
    if (a.decay != 0) a.p[i] = fma(-a.decay, a.p[i], a.p[i]);
    a.p[i] = fma(-a.step, a.m[i] / (sqrt(a.v[i] * a.c2) + a.eps), a.p[i]);
  }
}

template <class T>
void adamw_rows(Exec& exec, const AdamwRowsArgs<T>& a) {
  constexpr T kZero = 0;
  for (Index i = 0; i < a.count; ++i)
    for (Index s = a.from[i]; s < a.to; ++s)
      for (Index at = a.rows[i] * a.n; at < (a.rows[i] + 1) * a.n; ++at) {
        const T* g = a.g && s == a.to - 1 ? a.g + at : &kZero;
        adamw(exec, AdamwArgs<T>{1, a.p + at, a.m + at, a.v + at, g, a.beta1, a.one_minus_beta1, a.beta2, a.one_minus_beta2,
                                 a.steps[s].decay, a.steps[s].step, a.steps[s].c2, a.eps, a.grad_scale});
      }
}

template <class T>
void sgd(Exec&, const SgdArgs<T>& a) {
  for (Index i = 0; i < a.n; ++i) {
    T u = a.grad_scale != 1 ? a.g[i] * a.grad_scale : a.g[i];
    if (a.u) a.u[i] = u = fma(a.momentum, a.u[i], u);
    if (a.decay != 0) a.p[i] = fma(-a.decay, a.p[i], a.p[i]);
    a.p[i] = fma(-a.lr, u, a.p[i]);
  }
}

template <class T>
void sum_squares(Exec&, const SumSquaresArgs<T>& a) {
  constexpr Index kBlock = 4096;
  for (Index begin = 0; begin < a.n; begin += kBlock) {
    const auto x = [&](Index i) { return a.x[begin + i]; };
    *a.sum += static_cast<double>(dot16<T>(a.n - begin < kBlock ? a.n - begin : kBlock, x, x));
  }
}

LATHE_SPEC_INSTANCES(embedding_fwd, EmbeddingFwdArgs)
LATHE_SPEC_INSTANCES(embedding_bwd, EmbeddingBwdArgs)
LATHE_SPEC_INSTANCES(mean_pool_fwd, MeanPoolFwdArgs)
LATHE_SPEC_INSTANCES(mean_pool_bwd, MeanPoolBwdArgs)
LATHE_SPEC_INSTANCES(adamw, AdamwArgs)
LATHE_SPEC_INSTANCES(adamw_rows, AdamwRowsArgs)
LATHE_SPEC_INSTANCES(sgd, SgdArgs)
LATHE_SPEC_INSTANCES(sum_squares, SumSquaresArgs)

namespace {

template <class T, class Functor>
void unary(Exec&, const UnaryArgs<T>& a) {
  for (Index i = 0; i < a.n; ++i) {
    T y, d;
    Functor::apply(a.x[i], y, d);
    a.y[i] = y;
    if (a.d) a.d[i] = d;
  }
}

Index packs_nothing(Index, Index) { return 0; }

template <class T>
constexpr Kernels<T> kTable = {
    "spec",
    {
#define LATHE_UNARY(name, Functor, saves, flops, onnx) unary<T, functors::Functor>,
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
    },
    packs_nothing,
#define LATHE_KERNEL(kernel, Args) kernel<T>,
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL
};

}  // namespace
}  // namespace lathe::spec

namespace lathe {

template <>
const Kernels<float>& spec_kernels<float>() {
  return spec::kTable<float>;
}
template <>
const Kernels<double>& spec_kernels<double>() {
  return spec::kTable<double>;
}

}  // namespace lathe
