// CPU backends: which kernel tables exist in this build and run on this machine, and which one is used.
//
// These compute the same bits (numerics v1); they differ in speed alone:
//   spec     the naive kernels that define the numerics
//   scalar   the tuned kernels in plain C++, for any processor
//   avx2     x86-64 with AVX2 and FMA
//   avx512   x86-64 with AVX-512 F, BW, DQ and VL
//   neon     64-bit ARM
// With other bits, and only used when named:
//   bf16     the fastest of the above, with products of operands rounded to bf16, summed in f32. Its bits are one too, on every
//            processor: bf16-avx512bf16 (the instruction VDPBF16PS), bf16-avx512, bf16-avx2, bf16-neon, bf16-scalar (its emulation)
//            and bf16-spec (its meaning) compute the same; "bf16" is the first of them that runs here
//   onednn   the fastest of the above, with its products by oneDNN, if lathe was built with it
#pragma once
#include <lathe/tensor/kernels.h>

#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// The table of that name; null if there is none in this build or this processor or operating system cannot run it.
const Kernels<float>* find_backend(std::string_view name);

/// The fastest table that runs here, or the one that the environment variable LATHE_BACKEND names; InputError if that is
/// unknown or cannot run here. The variable is read once.
const Kernels<float>& best_backend();

/// Names of all tables that run here and compute the bits of "spec", fastest first, "spec" last.
std::vector<std::string> available_backends();

/// The same for the bits of bf16: "bf16-avx512bf16" … "bf16-spec".
std::vector<std::string> bf16_backends();

/// Names of what runs here and computes bits of its own: "bf16", "onednn".
std::vector<std::string> inexact_backends();

/// The numerics that a Context with this ContextOptions::backend computes, as models, checkpoints and studies carry them:
/// kNumerics, with "+bf16" or "+onednn-<version>" behind it for bits of its own.
std::string numerics_tag(std::string_view backend = {});

}  // namespace lathe
