// The element-wise functions: value and derivative of every line of unary.def.
//
// F::apply(x, y, d) gives y = f(x) and d = f'(x) from one evaluation; a caller that drops d pays nothing for it. V is float or a
// 16-float vector (the same operations, hence the same bits), or double for the gradient checker, which takes the exact functions
// of base/math.h. Host and device code alike.
//
// Shared habits: NaN in, NaN out of y; f(±inf) is the limit, and so is f'; tails keep their relative accuracy because sigmoids
// and normal tails are computed from exp of a negative number, never as 1 − something close to 1. Derivatives at kinks are those
// from the left: relu'(0) = 0.
#pragma once
#include <lathe/base/math.h>
#include <lathe/base/math_f32.h>

namespace lathe {

namespace math::lanes {

// A double as a vector of one lane: the same names, the functions of base/math.h.
LATHE_INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
LATHE_INLINE double sqrt(double a) { return __builtin_sqrt(a); }
LATHE_INLINE double select_lt(double a, double b, double x, double y) { return a < b ? x : y; }
LATHE_INLINE double abs(double a) { return __builtin_fabs(a); }
LATHE_INLINE double exp_f32(double x) { return math::exp(x); }
LATHE_INLINE double log_f32(double x) { return math::log(x); }
LATHE_INLINE double one_minus_abs_tanh(double x) {
  const double e = math::exp(-2 * abs(x));
  return (e + e) / (e + 1);
}
LATHE_INLINE double tanh_from(double x, double) { return math::tanh(x); }
LATHE_INLINE double exp_minus_half_square(double x) { return math::exp(-0.5 * x * x); }
LATHE_INLINE double normal_tail_f32(double a, double) { return 0.5 * math::erfc(a * 0.70710678118654752); }

}  // namespace math::lanes

namespace functors {

using math::lanes::abs;
using math::lanes::exp_f32;
using math::lanes::exp_minus_half_square;
using math::lanes::fma;
using math::lanes::log_f32;
using math::lanes::normal_tail_f32;
using math::lanes::one_minus_abs_tanh;
using math::lanes::select_lt;
using math::lanes::sqrt;
using math::lanes::tanh_from;

namespace detail {

/// A constant in all lanes, rounded to the type of a lane.
template <class V>
LATHE_INLINE V number(double c, V*) {
  return V(static_cast<float>(c));
}
LATHE_INLINE double number(double c, double*) { return c; }
template <class V>
LATHE_INLINE V number(double c) {
  return number(c, static_cast<V*>(nullptr));
}

/// x cut to [−limit, limit], NaN kept: where f has reached its limit, so that inf · 0 cannot arise.
template <class V>
LATHE_INLINE V clamp_below(V x, V limit) {
  return select_lt(x, -limit, -limit, x);
}
template <class V>
LATHE_INLINE V clamp(V x, V limit) {
  return select_lt(limit, x, limit, clamp_below(x, limit));
}

/// σ(z) for z = ±a, a ≥ 0, sign as of x: p = σ(a), n = σ(−a) = 1 − p, both with full relative accuracy. slope = σ' = p·n.
template <class V>
LATHE_INLINE V logistic(V a, V x, V& slope) {
  const V e = exp_f32(-a), one = number<V>(1);
  const V p = one / (one + e), n = e * p;
  slope = p * n;
  return select_lt(x, number<V>(0), n, p);
}

}  // namespace detail

/// x · Φ(x), Φ the normal distribution function (Hendrycks & Gimpel 2016). d = Φ(x) + x · φ(x).
struct Gelu {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    using detail::number;
    const V limit = number<V>(40), cut = detail::clamp(x, limit);
    const V e = exp_minus_half_square(cut), tail = normal_tail_f32(abs(cut), e);
    const V phi = select_lt(x, number<V>(0), tail, number<V>(1) - tail);
    y = detail::clamp_below(x, limit) * phi;
    d = fma(cut, e * number<V>(0.39894228040143268), phi);  // 1 / √(2π)
  }
};

/// ½ x (1 + tanh z) = x · σ(2z), z = √(2/π) (x + 0.044715 x³). d = σ + x · σ' · 2z'.
struct GeluTanh {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    using detail::number;
    const V limit = number<V>(30), cut = detail::clamp(x, limit), square = cut * cut;
    const V c0 = number<V>(1.5957691216057308), c1 = number<V>(0.071354816272600247);  // 2 √(2/π), times 0.044715
    V slope;
    const V s = detail::logistic(abs(cut) * fma(square, c1, c0), x, slope);
    y = detail::clamp_below(x, limit) * s;
    d = fma(cut * slope, fma(square, number<V>(3 * 0.071354816272600247), c0), s);
  }
};

/// x where positive, else 0.
struct Relu {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    const V zero = detail::number<V>(0);
    y = select_lt(x, zero, zero, x);
    d = select_lt(zero, x, detail::number<V>(1), zero);
  }
};

/// x · σ(x) (Elfwing et al. 2017, "swish"). d = σ + x · σ'.
struct Silu {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    const V limit = detail::number<V>(800);
    V slope;
    const V s = detail::logistic(abs(x), x, slope);
    y = detail::clamp_below(x, limit) * s;
    d = fma(detail::clamp(x, limit), slope, s);
  }
};

/// relu(x)² (So et al. 2021). d = 2 relu(x).
struct SquaredRelu {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    const V zero = detail::number<V>(0), r = select_lt(x, zero, zero, x);
    y = r * r;
    d = r + r;
  }
};

/// d = 1 − tanh² = v (2 − v) with v = 1 − |tanh x|.
struct Tanh {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    const V v = one_minus_abs_tanh(x);
    y = tanh_from(x, v);
    d = v * (detail::number<V>(2) - v);
  }
};

/// 1 / (1 + e^−x). d = σ(x) σ(−x).
struct Sigmoid {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    y = detail::logistic(abs(x), x, d);
  }
};

struct Exp {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    y = d = exp_f32(x);
  }
};

/// Natural logarithm. d = 1 / x.
struct Log {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    y = log_f32(x);
    d = detail::number<V>(1) / x;
  }
};

/// d = ½ / √x.
struct Sqrt {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    y = sqrt(x);
    d = detail::number<V>(0.5) / y;
  }
};

struct Neg {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    y = -x;
    d = detail::number<V>(-1);
  }
};

struct Square {
  template <class V>
  LATHE_INLINE static void apply(V x, V& y, V& d) {
    y = x * x;
    d = x + x;
  }
};

}  // namespace functors
}  // namespace lathe
