// The numerics written as code: every kernel of kernels.h as plain loops, templated on float and double.
//
// These tables are what the others are measured by: every float backend equals spec_f32() bit for bit (tests/conformance), and the
// gradient checker runs on spec_f64(). They are slow and meant to be read: rules.h has the four orders of summation, the other
// files one kernel after the other. They ignore Exec: one thread, no scratch but their own.
#pragma once
#include <lathe/tensor/kernels.h>

namespace lathe {

/// T is float or double.
template <class T>
const Kernels<T>& spec_kernels();
template <>
const Kernels<float>& spec_kernels<float>();
template <>
const Kernels<double>& spec_kernels<double>();

inline const Kernels<float>& spec_f32() { return spec_kernels<float>(); }
inline const Kernels<double>& spec_f64() { return spec_kernels<double>(); }

}  // namespace lathe
