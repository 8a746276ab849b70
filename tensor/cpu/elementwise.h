// The element-wise functions of unary.def on tiles, for kernels that apply one to what they have just computed.
#pragma once
#include <lathe/tensor/kernels.h>

namespace lathe::cpu::LATHE_ISA {

/// y = f(x + bias[column]) for rows × cols elements, and d = f'(x + bias[column]) if d is given. bias may be null.
struct Activation {
  Index rows, cols;
  const float* x;
  Index ldx;
  const float* bias;
  float* y;
  Index ldy;
  float* d;
  Index ldd;
};
using ActivationFunction = void (*)(const Activation&);

/// The function of an operation other than kNone.
ActivationFunction activation_function(UnaryOp op);

}  // namespace lathe::cpu::LATHE_ISA
