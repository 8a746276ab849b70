// One loop for each line of unary.def, on whole arrays and on tiles; and what follows a product.
#include <lathe/tensor/cpu/dropout.h>
#include <lathe/tensor/cpu/elementwise.h>
#include <lathe/tensor/cpu/kernels.h>
#include <lathe/tensor/cpu/product.h>
#include <lathe/tensor/functors.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

template <class F>
void unary(Exec& exec, const UnaryArgs<float>& a) {
  parallel_pieces(exec, a.n, kGrain, [&](Index begin, Index size) {
    const float* x = a.x + begin;
    float *y = a.y + begin, *d = a.d ? a.d + begin : nullptr;
    if (d)
      columns(size, [&](Index i, int lanes) {
        f32x16 value, slope;
        F::apply(load_lanes(x + i, lanes), value, slope);
        store_lanes(y + i, lanes, value);
        store_lanes(d + i, lanes, slope);
      });
    else
      columns(size, [&](Index i, int lanes) {
        f32x16 value, slope;
        F::apply(load_lanes(x + i, lanes), value, slope);
        store_lanes(y + i, lanes, value);
      });
  });
}

template <class F>
void activate(const Activation& t) {
  for (Index r = 0; r < t.rows; ++r) {
    const float* x = t.x + r * t.ldx;
    float* y = t.y + r * t.ldy;
    columns(t.cols, [&](Index c, int lanes) {
      f32x16 value, slope, v = load_lanes(x + c, lanes);
      if (t.bias) v = v + load_lanes(t.bias + c, lanes);
      F::apply(v, value, slope);
      store_lanes(y + c, lanes, value);
      if (t.d) store_lanes(t.d + r * t.ldd + c, lanes, slope);
    });
  }
}

constexpr ActivationFunction kActivations[] = {
#define LATHE_UNARY(name, Functor, saves, flops, onnx) activate<functors::Functor>,
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
};

}  // namespace

#define LATHE_UNARY(name, Functor, saves, flops, onnx) \
  void unary_##name(Exec& exec, const UnaryArgs<float>& a) { unary<functors::Functor>(exec, a); }
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY

ActivationFunction activation_function(UnaryOp op) { return kActivations[static_cast<int>(op)]; }

void apply_epilogue(const Epilogue<float>& e, Index n, Index i, Index j, Index rows, Index cols, float* t, float* c, Index ldc) {
  const float* bias = e.bias ? e.bias + j : nullptr;
  if (e.activation != UnaryOp::kNone) {
    float* d = e.derivative ? e.derivative + i * ldc + j : nullptr;
    activation_function(e.activation)({rows, cols, t, kPanel, bias, t, kPanel, d, ldc});
  } else if (bias) {
    for (Index r = 0; r < rows; ++r)
      columns(cols, [&](Index v, int lanes) {
        float* x = t + r * kPanel + v;
        store(x, load(x) + load_lanes(bias + v, lanes));
      });
  }
  if (e.dropout.threshold != 0) {
    const auto width = static_cast<std::uint64_t>(n);
    dropout_rows(e.dropout, rows, cols, static_cast<std::uint64_t>(e.row0 + i) * width + static_cast<std::uint64_t>(j), width, t,
                 kPanel);
  }
  for (Index r = 0; r < rows; ++r) {
    const float* residual = e.residual ? e.residual + (i + r) * e.ld_residual + j : nullptr;
    columns(cols, [&](Index v, int lanes) {
      const f32x16 x = load(t + r * kPanel + v);
      store_lanes(c + r * ldc + v, lanes, residual ? x + load_lanes(residual + v, lanes) : x);
    });
  }
}

}  // namespace lathe::cpu::LATHE_ISA
