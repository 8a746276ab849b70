// Kernels that treat each element on its own, and plain sums.
#include <lathe/tensor/spec/rules.h>

namespace lathe::spec {

namespace {

/// Calls f(position in the contiguous result, index per dimension) for every element.
template <class F>
void for_each_index(int dims, const Index* shape, F f) {
  Index total = 1;
  for (int d = 0; d < dims; ++d) total *= shape[d];
  for (Index position = 0; position < total; ++position) {
    Index index[6] = {}, rest = position;
    for (int d = dims - 1; d >= 0; --d) {
      index[d] = rest % shape[d];
      rest /= shape[d];
    }
    f(position, index);
  }
}

Index offset(int dims, const Index* index, const Index* stride) {
  Index at = 0;
  for (int d = 0; d < dims; ++d) at += index[d] * stride[d];
  return at;
}

template <class T>
T apply(BinaryOp op, T a, T b) {
  switch (op) {
    case BinaryOp::kAdd:
      return a + b;
    case BinaryOp::kSub:
      return a - b;
    case BinaryOp::kMul:
      return a * b;
    case BinaryOp::kDiv:
      return a / b;
    case BinaryOp::kCount:
      break;
  }
  return a;
}

}  // namespace

template <class T>
void binary(Exec&, const BinaryArgs<T>& a) {
  for_each_index(a.dims, a.shape, [&](Index position, const Index* index) {
    a.y[position] = apply(a.op, a.a[offset(a.dims, index, a.a_stride)], a.b[offset(a.dims, index, a.b_stride)]);
  });
}

template <class T>
void copy(Exec&, const CopyArgs<T>& a) {
  for_each_index(a.dims, a.shape,
                 [&](Index position, const Index* index) { a.y[position] = a.x[offset(a.dims, index, a.x_stride)]; });
}

template <class T>
void scale(Exec&, const ScaleArgs<T>& a) {
  for (Index i = 0; i < a.n; ++i) a.y[i] = a.x[i] * a.alpha;
}

template <class T>
void dropout(Exec&, const DropoutArgs<T>& a) {
  for (Index i = 0; i < a.rows * a.n; ++i) a.y[i] = dropped(a.dropout, static_cast<std::uint64_t>(a.row0 * a.n + i), a.x[i]);
}

template <class T>
void reduce_sum(Exec&, const ReduceSumArgs<T>& a) {
  for (Index o = 0; o < a.outer; ++o)
    for (Index i = 0; i < a.inner; ++i) {
      const T* x = a.x + o * a.n * a.inner + i;
      T& y = a.y[o * a.inner + i];
      if (a.inner == 1) {
        const T s = sum16<T>(a.n, [&](Index k) { return x[k]; });
        y = a.accumulate ? y + s : s;
      } else {
        y = sum_rows(a.accumulate ? y : T(0), a.n, [&](Index k, T block) { return block + x[k * a.inner]; });
      }
    }
}

template <class T>
void sum_rows(Exec&, const SumRowsArgs<T>& a) {
  for (Index c = 0; c < a.n; ++c)
    a.y[c] = sum_rows(
        a.y[c], a.rows, [&](Index r, T block) { return block + a.x[r * a.ldx + c]; }, a.range, a.open ? a.open + c : nullptr);
}

LATHE_SPEC_INSTANCES(binary, BinaryArgs)
LATHE_SPEC_INSTANCES(copy, CopyArgs)
LATHE_SPEC_INSTANCES(scale, ScaleArgs)
LATHE_SPEC_INSTANCES(dropout, DropoutArgs)
LATHE_SPEC_INSTANCES(reduce_sum, ReduceSumArgs)
LATHE_SPEC_INSTANCES(sum_rows, SumRowsArgs)

}  // namespace lathe::spec
