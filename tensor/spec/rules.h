// The rules of numerics v1 that the kernels of spec/ share: in which order things are added.
#pragma once
#include <lathe/base/math_f32.h>
#include <lathe/base/random.h>
#include <lathe/tensor/functors.h>
#include <lathe/tensor/kernels.h>

#include <bit>
#include <limits>

namespace lathe::spec {

inline float fma(float a, float b, float c) { return math::lanes::fma(a, b, c); }
inline double fma(double a, double b, double c) { return math::lanes::fma(a, b, c); }
template <class T>
T exp(T x) {
  return math::lanes::exp_f32(x);
}
template <class T>
T log(T x) {
  return math::lanes::log_f32(x);
}
template <class T>
T sqrt(T x) {
  return math::lanes::sqrt(x);
}

/// A step of a chain in T itself.
struct Plain {
  template <class T>
  static T step(T a, T b, T sum) {
    return fma(a, b, sum);
  }
};

/// A step of the overlay bf16: both factors rounded to bf16 (to nearest even; NaN stays NaN; subnormals become ±0, as f32 and bf16
/// have one range of exponents), the sum a FMA of f32 which counts subnormals as ±0, in what it reads and in its result.
struct Bf16 {
  static float rounded(float x) {
    const auto w = std::bit_cast<std::uint32_t>(x), size = w & 0x7fffffffu;
    const std::uint32_t nearest = size > 0x7f800000u   ? w | 0x00400000u
                                  : size < 0x00800000u ? w & 0x80000000u
                                                       : w + 0x7fffu + (w >> 16 & 1u);
    return std::bit_cast<float>(nearest & 0xffff0000u);
  }
  static float zero_like(float x) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0x80000000u); }
  static float step(float a, float b, float sum) {
    if (sum > -0x1p-126f && sum < 0x1p-126f) sum = zero_like(sum);
    a = rounded(a), b = rounded(b);
    const float result = fma(a, b, sum);
    // Tiny means below 2⁻¹²⁶ when rounded to 24 bits of any exponent: the sum times 2⁶⁴ has that exponent. What overflows is not
    // tiny.
    const float scaled = fma(a * 0x1p64f, b, sum * 0x1p64f);
    return scaled > -0x1p-62f && scaled < 0x1p-62f ? zero_like(result) : result;
  }
};

/// One chain from +0 over a(k)·b(k), k in [begin, end) ascending, by M's steps.
template <class M, class T, class A, class B>
T chain(Index begin, Index end, A a, B b) {
  T s = 0;
  for (Index k = begin; k < end; ++k) s = M::step(a(k), b(k), s);
  return s;
}

/// The product: chunks of 256 consecutive k, each a chain, added in order onto c. k starts at `first` only to leave out what is
/// absent: the chunks stay where they are.
template <class M = Plain, class T, class A, class B>
T product(T c, Index n, A a, B b, Index first = 0) {
  constexpr Index kChunk = 256;
  for (Index begin = 0; begin < n; begin += kChunk) {
    const Index end = begin + kChunk < n ? begin + kChunk : n;
    c = c + chain<M, T>(begin < first ? first : begin, end, a, b);
  }
  return c;
}

/// Sixteen lanes folded 8, 4, 2, 1 by op(lane i, lane i + half).
template <class T, class Op>
T fold_lanes(T (&lane)[16], Op op) {
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lane[i] = op(lane[i], lane[i + half]);
  return lane[0];
}

/// Σ16: element i is added to lane i mod 16, from +0.
template <class T, class X>
T sum16(Index n, X x) {
  T lane[16] = {};
  for (Index i = 0; i < n; ++i) lane[i % 16] = lane[i % 16] + x(i);
  return fold_lanes(lane, [](T a, T b) { return a + b; });
}

/// Σ16 of products by fma. The last 16 elements are filled up with +0 · +0 (this matters where a product underflowed to −0).
template <class T, class X, class Y>
T dot16(Index n, X x, Y y) {
  T lane[16] = {};
  for (Index i = 0; i < (n + 15) / 16 * 16; ++i)
    lane[i % 16] = i < n ? fma(x(i), y(i), lane[i % 16]) : fma(T(0), T(0), lane[i % 16]);
  return fold_lanes(lane, [](T a, T b) { return a + b; });
}

/// Maximum in the same lanes, by x > m ? x : m from −∞: a NaN never wins, and which of +0 and −0 wins is fixed.
template <class T, class X>
T max16(Index n, X x) {
  T lane[16];
  for (T& m : lane) m = -std::numeric_limits<T>::infinity();
  const auto larger = [](T candidate, T m) { return candidate > m ? candidate : m; };
  for (Index i = 0; i < n; ++i) lane[i % 16] = larger(x(i), lane[i % 16]);
  return fold_lanes(lane, larger);
}

/// Σrows: blocks of 64 rows of the batch, add(row, block sum) ascending from +0, blocks added in order onto `start`. *open: the
/// block that a cut before or behind these rows leaves open.
template <class T, class Add>
T sum_rows(T start, Index rows, Add add, RowRange range = {}, T* open = nullptr) {
  constexpr Index kBlock = 64;
  T block = range.first % kBlock != 0 ? *open : T(0);
  for (Index row = 0; row < rows; ++row) {
    block = add(row, block);
    if ((range.first + row + 1) % kBlock != 0) continue;
    start = start + block;
    block = 0;
  }
  if ((range.first + rows) % kBlock == 0) return start;
  if (range.last) return start + block;
  *open = block;
  return start;
}

/// x of element e after dropout (struct Dropout): +0 if its 16-bit number is below the threshold, else scaled.
template <class T>
T dropped(const Dropout& d, std::uint64_t e, T x) {
  if (!d.on()) return x;
  const std::uint64_t block = e / 8;
  const auto words = philox(d.key, {static_cast<std::uint32_t>(block), d.step, d.site, static_cast<std::uint32_t>(block >> 32)});
  const std::uint32_t number = words[e % 8 / 2] >> (e % 2 == 0 ? 0 : 16) & 0xffffu;
  return number < d.threshold ? T(0) : x * static_cast<T>(d.scale);
}

/// Value and derivative of an element-wise function named at run time.
template <class T>
void apply(UnaryOp op, T x, T& y, T& d) {
  switch (op) {
#define LATHE_UNARY(name, Functor, saves, flops, onnx) \
  case UnaryOp::k##Functor:                            \
    functors::Functor::apply(x, y, d);                 \
    return;
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
    case UnaryOp::kNone:
    case UnaryOp::kCount:
      break;
  }
  y = x;
  d = 1;
}

// Every kernel, by its name in kernels.def.
#define LATHE_KERNEL(kernel, Args) \
  template <class T>               \
  void kernel(Exec&, const Args<T>&);
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL

}  // namespace lathe::spec

/// At the end of the file that defines a kernel: both of its instances.
#define LATHE_SPEC_INSTANCES(kernel, Args)                \
  template void kernel<float>(Exec&, const Args<float>&); \
  template void kernel<double>(Exec&, const Args<double>&);
