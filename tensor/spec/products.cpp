// Matrix products and linear layers: in T itself, and those of the overlay bf16.
#include <lathe/tensor/overlay.h>
#include <lathe/tensor/spec/rules.h>

namespace lathe::spec {
namespace {

template <class M, class T>
void matmul_by(const MatmulArgs<T>& a) {
  for (Index batch = 0; batch < a.batch; ++batch) {
    const T *A = a.a + batch * a.a_batch, *B = a.b + batch * a.b_batch;
    for (Index i = 0; i < a.m; ++i)
      for (Index j = 0; j < a.n; ++j) {
        T& c = a.c[batch * a.c_batch + i * a.ldc + j];
        c = product<M>(
            a.accumulate ? c : T(0), a.k, [&](Index k) { return A[i * a.a_row + k * a.a_col]; },
            [&](Index k) { return B[k * a.b_row + j * a.b_col]; });
      }
  }
}

template <class M, class T>
void linear_fwd_by(const LinearFwdArgs<T>& a) {
  const Epilogue<T>& e = a.epilogue;
  for (Index i = 0; i < a.m; ++i)
    for (Index j = 0; j < a.n; ++j) {
      T v = product<M>(
          T(0), a.k, [&](Index k) { return a.x[i * a.ldx + k]; }, [&](Index k) { return a.w[j * a.ldw + k]; });
      if (e.bias) v = v + e.bias[j];
      if (e.activation != UnaryOp::kNone) {
        T y, d;
        apply(e.activation, v, y, d);
        v = y;
        if (e.derivative) e.derivative[i * a.ldy + j] = d;
      }
      v = dropped(e.dropout, static_cast<std::uint64_t>((e.row0 + i) * a.n + j), v);
      if (e.residual) v = v + e.residual[i * e.ld_residual + j];
      a.y[i * a.ldy + j] = v;
    }
}

template <class M, class T>
void linear_bwd_input_by(const LinearBwdInputArgs<T>& a) {
  for (Index i = 0; i < a.m; ++i)
    for (Index j = 0; j < a.k; ++j) {
      T v = product<M>(
          T(0), a.n, [&](Index o) { return a.dy[i * a.ldy + o]; }, [&](Index o) { return a.w[o * a.ldw + j]; });
      if (a.multiplier) v = v * a.multiplier[i * a.ld_multiplier + j];
      if (a.residual) v = v + a.residual[i * a.ld_residual + j];
      a.dx[i * a.ldx + j] = v;
    }
}

template <class M, class T>
void linear_bwd_weight_by(const LinearBwdWeightArgs<T>& a) {
  constexpr Index kChunk = 256, kSegment = 1024;
  const Index first = a.range.first, end = first + a.m;
  // Is the sum of the first segment in dw, at the beginning and at the end of these rows?
  const bool took_over = a.from_zero && first > 0 && first < kSegment, leaves = a.from_zero && !a.range.last && end < kSegment;
  for (Index o = 0; o < a.n; ++o)
    for (Index j = 0; j < a.k; ++j) {
      const Index at = o * a.lddw + j;
      T dw = a.from_zero && first < kSegment ? T(0) : a.dw[at];
      T segment = took_over ? a.dw[at] : first % kSegment >= kChunk ? a.segment[at] : T(0);
      T chain = first % kChunk != 0 ? a.chain[at] : T(0);
      for (Index r = 0; r < a.m; ++r) {
        chain = M::step(a.dy[r * a.ldy + o], a.x[r * a.ldx + j], chain);
        const Index seen = first + r + 1;
        if (seen % kChunk == 0) segment = segment + chain, chain = 0;
        if (seen % kSegment == 0) dw = dw + segment, segment = 0;
      }
      if (a.range.last) {
        if (end % kChunk != 0) segment = segment + chain;
        if (end % kSegment != 0) dw = dw + segment;
      } else {
        if (end % kChunk != 0) a.chain[at] = chain;
        if (!leaves && end % kSegment >= kChunk) a.segment[at] = segment;
      }
      a.dw[at] = leaves ? segment : dw;
    }
}

}  // namespace

#define LATHE_SPEC_PRODUCT(kernel, Args) \
  template <class T>                     \
  void kernel(Exec&, const Args<T>& a) { \
    kernel##_by<Plain>(a);               \
  }                                      \
  LATHE_SPEC_INSTANCES(kernel, Args)
LATHE_SPEC_PRODUCT(matmul, MatmulArgs)
LATHE_SPEC_PRODUCT(linear_fwd, LinearFwdArgs)
LATHE_SPEC_PRODUCT(linear_bwd_input, LinearBwdInputArgs)
LATHE_SPEC_PRODUCT(linear_bwd_weight, LinearBwdWeightArgs)

template <class T>
void pack_weight(Exec&, const PackWeightArgs<T>&) {}  // packed_weight_size is 0: nothing to write

LATHE_SPEC_INSTANCES(pack_weight, PackWeightArgs)

const ProductKernels& bf16_products() {
  static constexpr ProductKernels kernels = {
      [](Index, Index) -> Index { return 0; },
      pack_weight<float>,
      [](Exec&, const LinearFwdArgs<float>& a) { linear_fwd_by<Bf16>(a); },
      [](Exec&, const LinearBwdInputArgs<float>& a) { linear_bwd_input_by<Bf16>(a); },
      [](Exec&, const LinearBwdWeightArgs<float>& a) { linear_bwd_weight_by<Bf16>(a); },
      [](Exec&, const MatmulArgs<float>& a) { matmul_by<Bf16>(a); },
  };
  return kernels;
}

}  // namespace lathe::spec
