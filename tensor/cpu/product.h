// The product of numerics v1 on one thread: C = epilogue(C0 + A · B), cut into tiles that stay in registers.
//
// Every element is ((C0 + s0) + s1) + …, where each s is one FMA chain from +0 over 256 consecutive k. That order belongs to the
// k loop of the microkernel; tile shapes, packing, and the cut into tasks cannot change a bit.
//
// A is read in place, one broadcast an element. B is read in vectors of 16 columns, `kPanel` columns at a time: in place where
// its rows are contiguous, or from packed panels, each [k][kPanel] and contiguous, the last one [k][columns rounded up to 16].
#pragma once
#include <lathe/tensor/cpu/common.h>

namespace lathe::cpu::LATHE_ISA {

constexpr Index kChunk = 256;
constexpr Index kSegmentRows = 1024;  // of linear_bwd_weight
#if LATHE_ISA_ID == LATHE_ISA_ID_avx512
constexpr int kPanelVecs = 4;
#else
constexpr int kPanelVecs = 1;
#endif
constexpr Index kPanel = 16 * kPanelVecs;
constexpr Index kRowBlock = 48;  // rows of a task: a group of 256 tokens still gives work to several threads

/// Element (i, k) of A at p[i * row + k * col].
struct Left {
  const float* p;
  Index row, col;
  Index first = 0;  ///< the row of C that row 0 is
};

/// Columns [j, j + kPanel) of B, j a multiple of kPanel: element (k, j + c) at p[j / kPanel * panel + k * row + c]. The last
/// panel, if `last` is set, at last[k * last_row + c]. A panel's columns can be read up to the next multiple of 16.
struct Right {
  Index n;
  const float* p;
  Index row, panel;
  const float* last = nullptr;
  Index last_row = 0;
};

/// Elements of all packed panels of B[k, n].
constexpr Index packed_size(Index k, Index n) { return k * round_up(n, 16); }
/// B from packed panels.
Right packed(const float* panels, Index k, Index n);
/// B read in place, element (k, j) at b[k * ld + j]. If its last panel is ragged, that one is copied to `last`: k · kPanel
/// elements.
Right in_place(const float* b, Index ld, Index k, Index n, float* last);

/// The first n columns of B, n a multiple of 16 or B's own.
Right first_columns(Right b, Index n);
/// B from its row k on.
Right from_row(Right b, Index k);

/// Columns [j, j + kPanel) of B as one panel at its place in `panels`; columns beyond n up to the next multiple of 16 are +0.
void pack_panel(Index k, Index n, Index j, const float* b, Index b_row, Index b_col, float* panels);

/// Where a product goes and what C0 is.
enum class Onto {
  kZero,     ///< C0 = +0
  kOld,      ///< C0 = the old C
  kSegment,  ///< old C + (the product onto +0): one segment of a weight gradient
  kChain,    ///< none: C is the bare chain of one chunk, to be gone on with
};

struct Result {
  float* c;
  Index ld;
  Onto onto = Onto::kZero;
  const float* start = nullptr;  // where the first chain begins, element (0, 0); null: +0
  Index ld_start = 0;
  // On the finished sum, in this order; null: not.
  const float* bias = nullptr;        // + bias[j]
  const float* multiplier = nullptr;  // · multiplier[i, j]
  Index ld_multiplier = 0;
  const float* residual = nullptr;  // + residual[i, j]
  Index ld_residual = 0;
  // Or all of this instead: with activation or dropout; n is the number of columns of C.
  const Epilogue<float>* epilogue = nullptr;
  Index n = 0;
};

/// What a step of k is: its microkernel for a tile of so many rows and vectors of columns, and the steps of a chunk.
struct Tile;
using Micro = void (*)(const Tile&);
struct Arithmetic {
  Micro (*micro)(int rows, int vecs);
  Index chunk;
};
extern const Arithmetic kPlain;  ///< products of f32

/// Rows of a tile of so many columns, at most 16: a caller that feeds rows by that number has no ragged tiles but the last.
Index tile_rows(Index cols);

/// Rows [i0, i1), columns [j0, min(j1, b.n)) of C; j0 a multiple of kPanel. All pointers are those of element (0, 0).
void product(Index i0, Index i1, Index j0, Index j1, Index k, Left a, const Right& b, const Result& to,
             const Arithmetic& how = kPlain);

/// The epilogue of rows × cols finished sums t (leading dimension kPanel, overwritten), whose first is element (i, j) of C; c its
/// place.
void apply_epilogue(const Epilogue<float>& e, Index n, Index i, Index j, Index rows, Index cols, float* t, float* c, Index ldc);

}  // namespace lathe::cpu::LATHE_ISA
