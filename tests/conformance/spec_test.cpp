// spec itself against formulas written down a second time, in f64, with plain sums and the C library: what spec computes is right
// to rounding. And against hand-made inputs whose sum tells in which order it was taken: the order is the one that numerics v1
// says.
#include <doctest/doctest.h>
#include <lathe/tensor/spec/spec.h>

#include <cmath>
#include <functional>
#include <vector>

namespace lathe::test {
namespace {

using Matrix = std::vector<double>;

/// n numbers in ±1, the same at every call with the same seed.
Matrix numbers(Index n, std::uint64_t seed) {
  Random random(random_key(seed, 0, "spec test"));
  Matrix x(static_cast<std::size_t>(n));
  for (double& v : x) v = static_cast<double>(static_cast<float>(2 * random.uniform() - 1));  // exact in f32 too
  return x;
}

template <class T>
std::vector<T> as(const Matrix& x) {
  return {x.begin(), x.end()};
}

template <class T>
double tolerance() {
  return sizeof(T) == 4 ? 2e-5 : 1e-12;
}

/// Every element within the tolerance of T, relative to values of about 1.
template <class T>
void check_near(const std::vector<T>& found, const Matrix& expected, double factor = 1) {
  REQUIRE(found.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i)
    worst = std::max(worst, std::fabs(static_cast<double>(found[i]) - expected[i]) / (1 + std::fabs(expected[i])));
  CHECK(worst < factor * tolerance<T>());
}

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

/// Gradient of f at x by central differences.
Matrix slope(const Matrix& x, const std::function<double(const Matrix&)>& f) {
  Matrix g(x.size()), moved = x;
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < x.size(); ++i) {
    moved[i] = x[i] + kStep;
    const double above = f(moved);
    moved[i] = x[i] - kStep;
    g[i] = (above - f(moved)) / (2 * kStep);
    moved[i] = x[i];
  }
  return g;
}

double dot(const Matrix& a, const Matrix& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
  return s;
}

}  // namespace

TEST_CASE_TEMPLATE("products", T, float, double) {
  Exec exec;
  constexpr Index m = 5, n = 7, k = 700;
  const Matrix a = numbers(m * k, 1), b = numbers(k * n, 2), c0 = numbers(m * n, 3);
  Matrix expected(at(m * n));
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) {
      double s = 0;
      for (Index l = 0; l < k; ++l) s += a[at(i * k + l)] * b[at(l * n + j)];
      expected[at(i * n + j)] = s + c0[at(i * n + j)];
    }
  const std::vector<T> x = as<T>(a), y = as<T>(b);
  std::vector<T> c = as<T>(c0);
  spec_kernels<T>().matmul(exec, {1, m, n, k, x.data(), k, 1, 0, y.data(), n, 1, 0, c.data(), n, 0, true});
  check_near(c, expected, 5);
  std::vector<T> t = as<T>(c0);  // the same from a transposed A, as the gradient of a weight
  std::vector<T> xt(x.size());
  for (Index i = 0; i < m; ++i)
    for (Index l = 0; l < k; ++l) xt[at(l * m + i)] = x[at(i * k + l)];
  spec_kernels<T>().linear_bwd_weight(exec, {k, m, n, xt.data(), m, y.data(), n, t.data(), n});
  check_near(t, expected, 5);
}

TEST_CASE_TEMPLATE("a linear layer with everything behind it", T, float, double) {
  Exec exec;
  constexpr Index m = 4, n = 6, k = 9;
  const Matrix x = numbers(m * k, 1), w = numbers(n * k, 2), bias = numbers(n, 3), residual = numbers(m * n, 4);
  Matrix y(at(m * n)), d(at(m * n));
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) {
      double v = bias[at(j)];
      for (Index l = 0; l < k; ++l) v += x[at(i * k + l)] * w[at(j * k + l)];
      const double phi = 0.5 * std::erfc(-v / std::sqrt(2.0));
      d[at(i * n + j)] = phi + v * std::exp(-v * v / 2) / std::sqrt(2 * 3.14159265358979323846);
      y[at(i * n + j)] = v * phi + residual[at(i * n + j)];
    }
  const std::vector<T> xt = as<T>(x), wt = as<T>(w), bt = as<T>(bias), rt = as<T>(residual);
  std::vector<T> found(at(m * n)), derivative(at(m * n));
  LinearFwdArgs<T> args{m, n, k, xt.data(), k, wt.data(), k, nullptr, {}, found.data(), n};
  args.epilogue.bias = bt.data();
  args.epilogue.activation = UnaryOp::kGelu;
  args.epilogue.derivative = derivative.data();
  args.epilogue.residual = rt.data();
  args.epilogue.ld_residual = n;
  spec_kernels<T>().linear_fwd(exec, args);
  check_near(found, y);
  check_near(derivative, d);

  Matrix dx(at(m * k));
  for (Index i = 0; i < m; ++i)
    for (Index l = 0; l < k; ++l)
      for (Index j = 0; j < n; ++j) dx[at(i * k + l)] += residual[at(i * n + j)] * w[at(j * k + l)];
  std::vector<T> dxt(at(m * k));
  LinearBwdInputArgs<T> bwd{};
  bwd.m = m, bwd.n = n, bwd.k = k, bwd.dy = rt.data(), bwd.ldy = n, bwd.w = wt.data(), bwd.ldw = k, bwd.dx = dxt.data(),
  bwd.ldx = k;
  spec_kernels<T>().linear_bwd_input(exec, bwd);
  check_near(dxt, dx);
}

TEST_CASE_TEMPLATE("layer norm and RMS norm, forward and gradient", T, float, double) {
  Exec exec;
  constexpr Index rows = 3, n = 21;
  constexpr double eps = 1e-3;
  const Matrix x = numbers(rows * n, 1), gamma = numbers(n, 2), beta = numbers(n, 3), dy = numbers(rows * n, 4);
  for (const NormKind kind : {NormKind::kLayer, NormKind::kRms}) {
    const bool layer = kind == NormKind::kLayer;
    const auto norm = [&](const Matrix& in, const Matrix& scale, const Matrix& shift) {
      Matrix y(in.size());
      for (Index r = 0; r < rows; ++r) {
        double mean = 0, var = 0;
        for (Index c = 0; c < n; ++c) mean += layer ? in[at(r * n + c)] / n : 0;
        for (Index c = 0; c < n; ++c) var += (in[at(r * n + c)] - mean) * (in[at(r * n + c)] - mean) / n;
        for (Index c = 0; c < n; ++c)
          y[at(r * n + c)] = (in[at(r * n + c)] - mean) / std::sqrt(var + eps) * scale[at(c)] + (layer ? shift[at(c)] : 0);
      }
      return y;
    };
    const std::vector<T> xt = as<T>(x), gt = as<T>(gamma), bt = as<T>(beta), dyt = as<T>(dy);
    std::vector<T> y(at(rows * n)), mean(at(rows)), rstd(at(rows)), dx(at(rows * n)), dgamma(at(n)), dbeta(at(n));
    spec_kernels<T>().norm_fwd(exec, {kind, rows, n, xt.data(), n, gt.data(), layer ? bt.data() : nullptr, static_cast<T>(eps),
                                      y.data(), n, mean.data(), rstd.data()});
    check_near(y, norm(x, gamma, beta));
    NormBwdArgs<T> bwd{};
    bwd.kind = kind, bwd.rows = rows, bwd.n = n, bwd.dy = dyt.data(), bwd.ldy = n, bwd.x = xt.data(), bwd.ldx = n,
    bwd.gamma = gt.data();
    bwd.mean = mean.data(), bwd.rstd = rstd.data(), bwd.dx = dx.data(), bwd.lddx = n, bwd.dgamma = dgamma.data();
    bwd.dbeta = layer ? dbeta.data() : nullptr;
    spec_kernels<T>().norm_bwd(exec, bwd);
    const double loose = sizeof(T) == 4 ? 1 : 1e4;  // differences are good to about 1e-9
    check_near(dx, slope(x, [&](const Matrix& in) { return dot(norm(in, gamma, beta), dy); }), loose);
    check_near(dgamma, slope(gamma, [&](const Matrix& g) { return dot(norm(x, g, beta), dy); }), loose);
    if (layer) check_near(dbeta, slope(beta, [&](const Matrix& b) { return dot(norm(x, gamma, b), dy); }), loose);
  }
}

TEST_CASE_TEMPLATE("softmax and cross entropy, forward and gradient", T, float, double) {
  Exec exec;
  constexpr Index rows = 4, n = 19;
  const Matrix x = numbers(rows * n, 1), dy = numbers(rows * n, 2);
  const std::int32_t target[rows] = {3, kIgnoreLabel, 18, 0};
  const auto softmax = [&](const Matrix& in) {
    Matrix y(in.size());
    for (Index r = 0; r < rows; ++r) {
      double s = 0;
      for (Index c = 0; c < n; ++c) s += std::exp(in[at(r * n + c)]);
      for (Index c = 0; c < n; ++c) y[at(r * n + c)] = std::exp(in[at(r * n + c)]) / s;
    }
    return y;
  };
  const auto loss = [&](const Matrix& in) {
    const Matrix p = softmax(in);
    double s = 0;
    for (Index r = 0; r < rows; ++r)
      if (target[r] != kIgnoreLabel) s -= std::log(p[at(r * n + target[r])]) / 3;
    return s;
  };
  const std::vector<T> xt = as<T>(x), dyt = as<T>(dy);
  std::vector<T> y(x.size()), dx(x.size()), losses(at(rows)), largest(at(rows)), inverse(at(rows)), mean(1);
  spec_kernels<T>().softmax_fwd(exec, {rows, n, xt.data(), y.data()});
  check_near(y, softmax(x));
  spec_kernels<T>().softmax_bwd(exec, {rows, n, y.data(), dyt.data(), dx.data()});
  const double loose = sizeof(T) == 4 ? 1 : 1e4;
  check_near(dx, slope(x, [&](const Matrix& in) { return dot(softmax(in), dy); }), loose);
  spec_kernels<T>().cross_entropy_fwd(exec,
                                      {rows, n, xt.data(), target, losses.data(), largest.data(), inverse.data(), mean.data()});
  check_near(mean, {loss(x)});
  CHECK(losses[1] == 0);
  spec_kernels<T>().cross_entropy_bwd(exec, {rows, n, xt.data(), target, largest.data(), inverse.data(), T(2), dx.data()});
  check_near(dx, slope(x, [&](const Matrix& in) { return 2 * loss(in); }), loose);

  const std::int32_t none[rows] = {kIgnoreLabel, kIgnoreLabel, kIgnoreLabel, kIgnoreLabel};
  spec_kernels<T>().cross_entropy_fwd(exec, {rows, n, xt.data(), none, losses.data(), largest.data(), inverse.data(), mean.data()});
  CHECK(std::isnan(mean[0]));
}

namespace {

/// Attention of two sequences as in a text book: full score matrices, masked by −∞.
struct TextbookAttention {
  static constexpr Index kHeads = 2, kDim = 3, kWidth = kHeads * kDim;
  std::vector<std::int32_t> q_offsets{0, 4, 9}, k_offsets{0, 6, 8};
  double scale = 0.7;
  bool causal = false;

  Matrix operator()(const Matrix& q, const Matrix& k, const Matrix& v) const {
    Matrix out(q.size());
    for (std::size_t s = 0; s < 2; ++s)
      for (Index h = 0; h < kHeads; ++h)
        for (Index i = q_offsets[s]; i < q_offsets[s + 1]; ++i) {
          const Index queries = q_offsets[s + 1] - q_offsets[s], keys = k_offsets[s + 1] - k_offsets[s];
          Matrix e(at(keys));
          double sum = 0;
          for (Index j = 0; j < keys; ++j) {
            double score = 0;
            for (Index d = 0; d < kDim; ++d)
              score += q[at(i * kWidth + h * kDim + d)] * k[at((k_offsets[s] + j) * kWidth + h * kDim + d)];
            const bool hidden = causal && j > i - q_offsets[s] + keys - queries;
            sum += e[at(j)] = hidden ? 0 : std::exp(score * scale);
          }
          for (Index d = 0; d < kDim && sum > 0; ++d)
            for (Index j = 0; j < keys; ++j)
              out[at(i * kWidth + h * kDim + d)] += e[at(j)] / sum * v[at((k_offsets[s] + j) * kWidth + h * kDim + d)];
        }
    return out;
  }
};

}  // namespace

TEST_CASE_TEMPLATE("attention, forward and gradient", T, float, double) {
  Exec exec;
  TextbookAttention attention;
  for (const bool causal : {false, true}) {
    attention.causal = causal;  // the second sequence has more queries than keys: its first queries see nothing
    constexpr Index w = TextbookAttention::kWidth;
    const Matrix q = numbers(9 * w, 1), k = numbers(8 * w, 2), v = numbers(8 * w, 3), dout = numbers(9 * w, 4);
    const std::vector<T> qt = as<T>(q), kt = as<T>(k), vt = as<T>(v), dt = as<T>(dout);
    std::vector<T> out(q.size()), largest(18), inverse(18), dq(q.size()), dk(k.size()), dv(v.size());
    AttentionFwdArgs<T> fwd{};
    fwd.sequences = 2, fwd.heads = TextbookAttention::kHeads, fwd.head_dim = TextbookAttention::kDim;
    fwd.q_offsets = attention.q_offsets.data(), fwd.k_offsets = attention.k_offsets.data();
    fwd.q = qt.data(), fwd.k = kt.data(), fwd.v = vt.data(), fwd.ldq = fwd.ldk = fwd.ldv = fwd.ldo = w;
    fwd.scale = static_cast<T>(attention.scale), fwd.causal = causal, fwd.max_tokens = 16;
    fwd.out = out.data(), fwd.max = largest.data(), fwd.inv_sum = inverse.data();
    spec_kernels<T>().attention_fwd(exec, fwd);
    check_near(out, attention(q, k, v));
    spec_kernels<T>().attention_bwd(exec, {fwd, dt.data(), w, dq.data(), dk.data(), dv.data(), w, w, w});
    const double loose = sizeof(T) == 4 ? 1 : 1e4;
    check_near(dq, slope(q, [&](const Matrix& x) { return dot(attention(x, k, v), dout); }), loose);
    check_near(dk, slope(k, [&](const Matrix& x) { return dot(attention(q, x, v), dout); }), loose);
    check_near(dv, slope(v, [&](const Matrix& x) { return dot(attention(q, k, x), dout); }), loose);
  }
}

TEST_CASE_TEMPLATE("AdamW over three steps", T, float, double) {
  Exec exec;
  constexpr Index n = 5;
  const Matrix p0 = numbers(n, 1);
  constexpr double lr = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.1;
  Matrix p = p0, m(at(n)), v(at(n));
  std::vector<T> pt = as<T>(p0), mt(at(n)), vt(at(n));
  for (int t = 1; t <= 3; ++t) {
    const Matrix g = numbers(n, static_cast<std::uint64_t>(10 + t));
    for (std::size_t i = 0; i < p.size(); ++i) {  // Loshchilov & Hutter 2019, algorithm 2
      m[i] = beta1 * m[i] + (1 - beta1) * g[i];
      v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
      const double m_hat = m[i] / (1 - std::pow(beta1, t)), v_hat = v[i] / (1 - std::pow(beta2, t));
      p[i] = p[i] - lr * (m_hat / (std::sqrt(v_hat) + eps) + weight_decay * p[i]);
    }
    const std::vector<T> gt = as<T>(g);
    AdamwArgs<T> a{};
    a.n = n, a.p = pt.data(), a.m = mt.data(), a.v = vt.data(), a.g = gt.data();
    a.beta1 = T(beta1), a.one_minus_beta1 = T(1 - beta1), a.beta2 = T(beta2), a.one_minus_beta2 = T(1 - beta2);
    a.decay = T(lr * weight_decay), a.step = T(lr / (1 - std::pow(beta1, t))), a.c2 = T(1 / (1 - std::pow(beta2, t))),
    a.eps = T(eps);
    a.grad_scale = 1;
    spec_kernels<T>().adamw(exec, a);
  }
  check_near(pt, p);
  check_near(mt, m);
  check_near(vt, v);
  vt[0] = T(0x1p-126) * T(0.9);  // β₂ v stays below 2^-126: flushed
  const std::vector<T> zero(at(n));
  spec_kernels<T>().adamw(
      exec, {n, pt.data(), mt.data(), vt.data(), zero.data(), T(0.9), T(0.1), T(0.999), T(0.001), 0, T(0.01), 1, T(1e-8), 1});
  CHECK(vt[0] == 0);
  CHECK(vt[1] > 0);
}

TEST_CASE_TEMPLATE("rotary positions turn each pair by its angle", T, float, double) {
  Exec exec;
  constexpr Index rows = 3, heads = 2, dim = 4, w = heads * dim;
  const Matrix x = numbers(rows * w, 1);
  const std::int32_t positions[rows] = {2, 0, 1};
  Matrix cos_table, sin_table, expected(x.size());
  const auto angle = [](Index position, Index i) {
    return static_cast<double>(position) * std::pow(10000.0, -2.0 * static_cast<double>(i) / dim);
  };
  for (Index p = 0; p < 3; ++p)
    for (Index i = 0; i < dim / 2; ++i) cos_table.push_back(std::cos(angle(p, i))), sin_table.push_back(std::sin(angle(p, i)));
  for (Index r = 0; r < rows; ++r)
    for (Index h = 0; h < heads; ++h)
      for (Index i = 0; i < dim / 2; ++i) {
        const std::size_t lo = at(r * w + h * dim + i), hi = lo + 2;
        const double t = angle(positions[r], i);
        expected[lo] = x[lo] * std::cos(t) - x[hi] * std::sin(t);
        expected[hi] = x[hi] * std::cos(t) + x[lo] * std::sin(t);
      }
  const std::vector<T> xt = as<T>(x), cos_t = as<T>(cos_table), sin_t = as<T>(sin_table);
  std::vector<T> y(x.size());
  RopeArgs<T> a{rows, heads, dim, positions, cos_t.data(), sin_t.data(), false, xt.data(), w, y.data(), w};
  spec_kernels<T>().rope(exec, a);
  check_near(y, expected);
  a.inverse = true, a.x = y.data();
  spec_kernels<T>().rope(exec, a);
  check_near(y, x);
}

TEST_CASE("element-wise functions and their derivatives, f64 against differences") {
  Exec exec;
  for (int op = 0; op < static_cast<int>(UnaryOp::kCount); ++op) {
    const auto value = [&](double x) {
      double y = 0;
      spec_f64().unary[op](exec, {1, &x, &y, nullptr});
      return y;
    };
    for (const double x : {-3.7, -1.1, -0.3, 0.2, 0.9, 2.5, 6.0}) {
      if (x < 0 && (op == static_cast<int>(UnaryOp::kLog) || op == static_cast<int>(UnaryOp::kSqrt))) continue;
      double y = 0, d = 0;
      spec_f64().unary[op](exec, {1, &x, &y, &d});
      CHECK_MESSAGE(std::fabs((value(x + 1e-6) - value(x - 1e-6)) / 2e-6 - d) < 1e-8 * (1 + std::fabs(d)),
                    "op " << op << " at " << x);
    }
  }
}

TEST_CASE("element-wise functions in f32 against f64, at the limits too") {
  Exec exec;
  const float inf = INFINITY;
  for (int op = 0; op < static_cast<int>(UnaryOp::kCount); ++op) {
    double worst = 0, worst_slope = 0;
    for (int i = -4000; i <= 4000; ++i) {
      const float x = static_cast<float>(i) * 0.005f;
      const double wide = static_cast<double>(x);
      float y = 0, d = 0;
      double y64 = 0, d64 = 0;
      spec_f32().unary[op](exec, {1, &x, &y, &d});
      spec_f64().unary[op](exec, {1, &wide, &y64, &d64});
      if (std::isfinite(y64) && y64 != 0)
        worst = std::max(worst, std::fabs(static_cast<double>(y) - y64) / std::max(std::fabs(y64), 1e-32));
      if (std::isfinite(d64)) worst_slope = std::max(worst_slope, std::fabs(static_cast<double>(d) - d64) / (1 + std::fabs(d64)));
    }
    CHECK_MESSAGE(worst < 2e-5, "op " << op);  // relative, 1e-32 being as good as 0
    CHECK_MESSAGE(worst_slope < 5e-7, "op " << op);
    float y = 0, d = 0;
    const float nan = NAN;
    spec_f32().unary[op](exec, {1, &nan, &y, &d});
    CHECK_MESSAGE(std::isnan(y), "op " << op);
  }
  const auto both = [&](UnaryOp op, float x) {
    float y = 0, d = 0;
    spec_f32().unary[static_cast<int>(op)](exec, {1, &x, &y, &d});
    return std::pair(y, d);
  };
  for (const UnaryOp op : {UnaryOp::kGelu, UnaryOp::kGeluTanh, UnaryOp::kSilu, UnaryOp::kRelu}) {
    CHECK(both(op, inf) == std::pair(inf, 1.0f));
    CHECK(both(op, -inf) == std::pair(0.0f, 0.0f));
    CHECK(both(op, 3e38f) == std::pair(3e38f, 1.0f));
  }
  CHECK(both(UnaryOp::kTanh, -inf) == std::pair(-1.0f, 0.0f));
  CHECK(both(UnaryOp::kSigmoid, -inf) == std::pair(0.0f, 0.0f));
  CHECK(both(UnaryOp::kSigmoid, inf) == std::pair(1.0f, 0.0f));
}

// 2^24 + 1 is not an f32: added one at a time, ones are lost; added to one another first, they count.
TEST_CASE("the order of summation is the one of numerics v1") {
  Exec exec;
  const auto with_ones = [](Index n, Index first, Index second) {
    std::vector<float> x(at(n));
    x[0] = 0x1p24f;
    x[at(first)] += 1;
    x[at(second)] += 1;
    return x;
  };
  const auto product = [&](Index first, Index second) {
    const std::vector<float> x = with_ones(600, first, second), ones(600, 1.0f);
    float c = 0;
    spec_f32().matmul(exec, {1, 1, 1, 600, x.data(), 600, 1, 0, ones.data(), 1, 1, 0, &c, 1, 0, false});
    return c - 0x1p24f;
  };
  CHECK(product(254, 255) == 0);  // one chain with the large number
  CHECK(product(256, 257) == 2);  // a chunk of their own
  CHECK(product(256, 511) == 2);
  CHECK(product(511, 512) == 0);  // a chunk each, both added to the large number

  const auto lanes = [&](Index first, Index second) {
    const std::vector<float> x = with_ones(64, first, second);
    float y = 0;
    spec_f32().reduce_sum(exec, {1, 64, 1, x.data(), &y, false});
    return y - 0x1p24f;
  };
  CHECK(lanes(16, 32) == 0);  // lane 0
  CHECK(lanes(1, 9) == 2);    // lanes 1 and 9 meet before they meet lane 0
  CHECK(lanes(8, 4) == 0);    // lanes 8 and 4 meet lane 0 one after the other
  CHECK(lanes(4, 12) == 2);

  const auto rows = [&](Index first, Index second) {
    const std::vector<float> column = with_ones(200, first, second);
    std::vector<float> x;
    for (const float v : column) x.push_back(v), x.push_back(v);
    float y[2] = {};
    spec_f32().reduce_sum(exec, {1, 200, 2, x.data(), y, false});
    CHECK(y[0] == y[1]);
    return y[0] - 0x1p24f;
  };
  CHECK(rows(62, 63) == 0);
  CHECK(rows(64, 65) == 2);
  CHECK(rows(127, 128) == 0);

  const auto segments = [&](Index first, Index second) {  // of a weight gradient
    std::vector<float> x(2100), ones(2100, 1.0f);
    x[at(first)] += 1;
    x[at(second)] += 1;
    float w = 0x1p24f;
    spec_f32().linear_bwd_weight(exec, {2100, 1, 1, ones.data(), 1, x.data(), 1, &w, 1});
    return w - 0x1p24f;
  };
  CHECK(segments(0, 1023) == 2);
  CHECK(segments(1023, 1024) == 0);
  CHECK(segments(1024, 2047) == 2);
}

TEST_CASE("dropout draws the numbers that it says") {
  Exec exec;
  Dropout d;
  d.threshold = 30000;
  d.scale = 2;
  d.key = {0x299f31d0u, 0xa4093822u};
  d.step = 0x85a308d3u;
  d.site = 0x13198a2eu;
  // Random123's known answer: philox4x32-10 of counter (243f6a88, 85a308d3, 13198a2e, 03707344), key (a4093822, 299f31d0).
  const auto words = philox({0xa4093822u, 0x299f31d0u}, {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u});
  CHECK(words[0] == 0xd16cfe09u);
  CHECK(words[1] == 0x94fdccebu);
  CHECK(words[2] == 0x5001e420u);
  CHECK(words[3] == 0x24126ea1u);
  // The eight elements of block 03707344'243f6a88: halves of those words, low first.
  d.key = {0xa4093822u, 0x299f31d0u};
  const std::uint64_t first = 0x03707344243f6a88ull;
  std::vector<float> x(8, 1.0f), y(8);
  spec_f32().dropout(exec, {8, 1, static_cast<Index>(first * 8), x.data(), y.data(), d});
  const unsigned halves[] = {0xfe09, 0xd16c, 0xcceb, 0x94fd, 0xe420, 0x5001, 0x6ea1, 0x2412};
  for (std::size_t i = 0; i < 8; ++i) CHECK(y[i] == (halves[i] < d.threshold ? 0.0f : 2.0f));
}

TEST_CASE("rows chosen by index: embeddings and means") {
  Exec exec;
  const std::int32_t ids[] = {1, 0, 1};
  const float table[] = {1, 2, 3, 4};
  float y[6] = {10, 10, 10, 10, 10, 10};
  spec_f32().embedding_fwd(exec, {3, 2, ids, table, y, 2, true});
  CHECK(y[0] == 13);
  CHECK(y[3] == 12);
  CHECK(y[5] == 14);
  float grad[4] = {1, 0, 0, 0};
  spec_f32().embedding_bwd(exec, {3, 2, 2, ids, y, 2, grad});
  CHECK(grad[0] == 12);
  CHECK(grad[2] == 26);
  const std::int32_t offsets[] = {0, 2, 2, 3};
  float mean[6];
  spec_f32().mean_pool_fwd(exec, {3, 2, offsets, y, 2, mean});
  CHECK(mean[0] == 12);
  CHECK(mean[2] == 0);
  CHECK(mean[4] == 13);
  float dx[6];
  spec_f32().mean_pool_bwd(exec, {3, 2, offsets, mean, dx, 2});
  CHECK(dx[0] == 6);
  CHECK(dx[4] == 13);
}

}  // namespace lathe::test
