// Elementary functions whose bits are ours: the same on every machine, compiler and C library (numerics v1, "Ground rules").
//
// Only + − × ÷ sqrt fma, integer operations and compare-select are used, so IEEE 754 fixes every result. Nothing that reaches a
// weight, a loss or a proposal may call the C library's functions: they differ by version and by processor.
//
// Accuracy: double within 2 ULP everywhere (measured: 1.4 for erfc, 1.2 for erf, below 1 for the rest); float exp and log
// within 1.05, all other float functions within 2 (tests/conformance measures all 2³² inputs). Special values are those of IEEE
// 754-2019, clause 9.2. There is no errno, no floating-point trap and no dependence on the rounding mode other than "to nearest".
#pragma once

namespace lathe::math {

double fma(double a, double b, double c);  ///< a·b + c, rounded once
double sqrt(double x);
double floor(double x);

double exp(double x);
double expm1(double x);  ///< eˣ − 1, accurate near 0
double log(double x);
double log1p(double x);          ///< log(1 + x), accurate near 0
double pow(double x, double y);  ///< all cases of C's Annex F, such as pow(x, 0) = 1 and pow(−2, 3) = −8
double sin(double x);            ///< radians, any magnitude
double cos(double x);
double tanh(double x);
double erf(double x);
double erfc(double x);  ///< 1 − erf(x), accurate in the upper tail

// f32: exp, log, tanh and erf are the kernels' own operation sequence (base/math_f32.h), so a scalar computation equals a vector
// one bit for bit; exp is exactly 0 below −87.33 (no subnormal results). sin, cos and pow round the double result.
float fma(float a, float b, float c);
float sqrt(float x);
float floor(float x);
float exp(float x);
float log(float x);
float tanh(float x);
float erf(float x);
float sin(float x);
float cos(float x);
float pow(float x, float y);

}  // namespace lathe::math
