// Products of bf16 operands with f32 sums, by the instruction VDPBF16PS or by two FMAs: the same bits (docs/numerics.md).
//
// Operands are rounded to bf16 as they are packed: to nearest even, NaN stays NaN, subnormals become ±0 (VCVTNE2PS2BF16). A dword
// holds two consecutive k of one row or column, the earlier one in its high half: VDPBF16PS adds the product of the high halves
// first (measured on Zen 4 and Zen 5; Intel SDM), so that a chain runs over ascending k, whatever pairs it is cut into. The pair of
// a last odd k is filled up by +0 in A and −0 in B, whose product changes no sum, not even −0. Sums and results that are subnormal
// count as ±0.
//
// For the rest of a product a dword is an element: k is counted in pairs, panels and tiles are those of product.h.
#pragma once
#include <lathe/tensor/cpu/product.h>
#include <lathe/tensor/overlay.h>

namespace lathe::cpu::LATHE_ISA {

constexpr Index pairs_of(Index k) { return (k + 1) / 2; }

/// What the instruction and its emulation each have their own of.
struct Bf16 {
  Arithmetic arithmetic;
  /// rows × k elements to rows of pairs; ld ≥ pairs_of(k) rounded up to 16, and all of it may be written.
  void (*pack_left)(Index rows, Index k, const float* x, Index ldx, float* out, Index ld);
  /// cols ≤ 16 columns of k elements, each contiguous, to rows of 16 pairs. Columns of B.
  void (*pack_columns)(Index k, int cols, const float* b, Index b_col, float* out, Index ld);
  /// k rows of cols ≤ 16 elements to pairs_of(k) rows of 16; `fill` is behind a last odd row.
  void (*pack_rows)(Index k, int cols, const float* b, Index b_row, float* out, Index ld, float fill);
};

const Bf16& bf16_emulated();
#if LATHE_ISA_ID == LATHE_ISA_ID_avx512
const Bf16& bf16_instruction();  ///< needs AVX512_BF16
#endif

/// The overlay of this instruction set.
const ProductKernels& bf16_products();
#if LATHE_ISA_ID == LATHE_ISA_ID_avx512
const ProductKernels& bf16_instruction_products();
#endif

}  // namespace lathe::cpu::LATHE_ISA
