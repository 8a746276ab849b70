#include <lathe/tensor/cpu/micro.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

// Products of f32.
struct Plain {
  static constexpr int kParts = 1;
  LATHE_INLINE static f32x16 part(f32x16 v, int) { return v; }
  LATHE_INLINE static f32x16 step(f32x16 x, f32x16 b, f32x16 sum) { return fma(x, b, sum); }
  struct Mode {
    LATHE_INLINE Mode(f32x16*, int) {}
    LATHE_INLINE void leave(f32x16*, int) const {}
  };
};

constexpr Index kFar = 48 * 1024;  // elements of a B that does not stay in the second-level cache

// All chunks of k, with `tile` set for the first one but for the finish, which belongs to the last.
void run_chunks(Micro micro_kernel, Index chunk, Index k, Tile tile) {
  if (k <= chunk) {
    tile.k = k;
    return micro_kernel(tile);
  }
  Tile part = tile;
  part.bias = part.multiplier = part.residual = nullptr;
  part.k = chunk;
  for (; k > chunk; k -= chunk) {
    micro_kernel(part);
    part.start = nullptr;
    if (part.next) part.next += 16 * chunk;
    part.a += chunk * part.a_col;
    part.b += chunk * part.b_row;
    part.onto = Onto::kOld;
  }
  tile.k = k;
  tile.start = nullptr;
  tile.a = part.a;
  tile.b = part.b;
  tile.next = part.next;
  tile.onto = Onto::kOld;
  micro_kernel(tile);
}

// One row of a finished tile, whose columns may end inside a vector.
void finish_row(const Result& to, Index i, Index j, Index cols, const float* t) {
  float* c = to.c + i * to.ld + j;
  for (Index v = 0; v < cols; v += 16) {
    const int n = static_cast<int>(min(16, cols - v));
    f32x16 x = load_first(t + v, n);
    if (to.onto == Onto::kSegment) x = load_first(c + v, n) + x;
    if (to.bias) x = x + load_first(to.bias + j + v, n);
    if (to.multiplier) x = x * load_first(to.multiplier + i * to.ld_multiplier + j + v, n);
    if (to.residual) x = x + load_first(to.residual + i * to.ld_residual + j + v, n);
    store_first(c + v, n, x);
  }
}

void run_tile(Micro micro_kernel, Index chunk, Index i, Index j, Index rows, Index cols, Index k, Left a, const float* b,
              Index b_row, const float* next, const Result& to) {
  Tile tile{k, a.p + (i - a.first) * a.row, a.row, a.col, b, b_row, to.c + i * to.ld + j, to.ld, to.onto};
  tile.next = next;
  tile.target[0] = tile.target[1] = tile.c;
  tile.ld_target = to.ld;
  if (to.start) tile.start = to.start + i * to.ld_start + j, tile.ld_start = to.ld_start;
  const bool whole_vectors = cols % 16 == 0;
  if (whole_vectors && !to.epilogue && !(to.onto == Onto::kSegment && k > chunk)) {
    if (to.bias) tile.bias = to.bias + j;
    if (to.multiplier) tile.multiplier = to.multiplier + i * to.ld_multiplier + j;
    if (to.residual) tile.residual = to.residual + i * to.ld_residual + j;
    tile.ld_multiplier = to.ld_multiplier;
    tile.ld_residual = to.ld_residual;
    return run_chunks(micro_kernel, chunk, k, tile);
  }
  alignas(64) float sums[kTallestOfAll * kPanel], start[kTallestOfAll * kPanel];
  const auto gather = [&](const float* from, Index ld, float* to_tile) {
    for (Index r = 0; r < rows; ++r)
      for (Index v = 0; v < cols; v += 16)
        store(to_tile + r * kPanel + v, load_first(from + r * ld + v, static_cast<int>(min(16, cols - v))));
  };
  if (tile.start) {
    gather(tile.start, to.ld_start, start);
    tile.start = start;
    tile.ld_start = kPanel;
  }
  if (to.epilogue && to.epilogue->derivative) tile.target[1] = to.epilogue->derivative + i * to.ld + j;
  tile.c = sums;
  tile.c_row = kPanel;
  if (to.onto == Onto::kOld)
    gather(to.c + i * to.ld + j, to.ld, sums);
  else if (to.onto == Onto::kSegment)
    tile.onto = Onto::kZero;
  run_chunks(micro_kernel, chunk, k, tile);
  if (to.epilogue) return apply_epilogue(*to.epilogue, to.n, i, j, rows, cols, sums, to.c + i * to.ld + j, to.ld);
  for (Index r = 0; r < rows; ++r) finish_row(to, i + r, j, cols, sums + r * kPanel);
}

}  // namespace

const Arithmetic kPlain{micro_for<Plain>, kChunk};

Index tile_rows(Index cols) { return kTallest[blocks(min(max(cols, 1), kPanel), 16)]; }

void product(Index i0, Index i1, Index j0, Index j1, Index k, Left a, const Right& b, const Result& to, const Arithmetic& how) {
  const Index rows = i1 - i0;
  if (k == 0 && to.onto == Onto::kOld) return;  // no chunk: C stays as it is, -0 too
  for (Index j = j0; j < min(j1, b.n); j += kPanel) {
    const Index cols = min(kPanel, b.n - j);
    const int vecs = static_cast<int>((cols + 15) / 16);
    const bool last = b.last && j + kPanel > b.n;
    const float* panel = last ? b.last : b.p + j / kPanel * b.panel;
    const Index b_row = last ? b.last_row : b.row;
    const Index tiles = (rows + kTallest[vecs] - 1) / kTallest[vecs];
    // A large B comes from afar: the first tiles ask for the panel after theirs.
    const float* next = !last && k * b.n >= kFar && j + 2 * kPanel <= b.n ? panel + b.panel : nullptr;
    for (Index t = 0; t < tiles; ++t) {  // heights as equal as possible
      const Index i = i0 + rows * t / tiles, height = i0 + rows * (t + 1) / tiles - i;
      run_tile(how.micro(static_cast<int>(height), vecs), how.chunk, i, j, height, cols, k, a, panel, b_row,
               next && t < kPanelVecs ? next + t * k * 16 : nullptr, to);
    }
  }
}

Right packed(const float* panels, Index k, Index n) {
  const Index whole = n / kPanel, rest = n % kPanel;
  Right b{n, panels, kPanel, k * kPanel};
  if (rest) b.last = panels + whole * b.panel, b.last_row = round_up(rest, 16);
  return b;
}

Right in_place(const float* p, Index ld, Index k, Index n, float* last) {
  Right b{n, p, ld, kPanel};
  if (n % 16 == 0) return b;
  const Index j = n / kPanel * kPanel, cols = n - j, width = round_up(cols, 16);
  for (Index r = 0; r < k; ++r)
    for (Index v = 0; v < width; v += 16)
      store(last + r * width + v, load_first(p + r * ld + j + v, static_cast<int>(min(16, cols - v))));
  b.last = last;
  b.last_row = width;
  return b;
}

Right first_columns(Right b, Index n) {
  if (n / kPanel < b.n / kPanel) b.last = nullptr;  // what is now the last panel was a whole one
  b.n = n;
  return b;
}

Right from_row(Right b, Index k) {
  b.p += k * b.row;
  if (b.last) b.last += k * b.last_row;
  return b;
}

namespace {

// Sixteen columns of B from contiguous rows, or, with b_row = 1, from contiguous columns by 16×16 transposes.
void pack_rows(Index k, int cols, const float* b, Index b_row, float* out, Index width) {
  if (cols == 16)
    for (Index r = 0; r < k; ++r) store(out + r * width, load(b + r * b_row));
  else
    for (Index r = 0; r < k; ++r) store(out + r * width, load_first(b + r * b_row, cols));
}

void pack_columns(Index k, int cols, const float* b, Index b_col, float* out, Index width) {
  for (Index r = 0; r < k; r += 16) {
    const int n = static_cast<int>(min(16, k - r));
    f32x16 t[16];
    for (int c = 0; c < 16; ++c)
      t[c] = c >= cols ? f32x16(0.0f) : n == 16 ? load(b + c * b_col + r) : load_first(b + c * b_col + r, n);
    transpose16(t);
    for (int c = 0; c < n; ++c) store(out + (r + c) * width, t[c]);
  }
}

void pack_any(Index k, int cols, const float* b, Index b_row, Index b_col, float* out, Index width) {
  for (Index r = 0; r < k; ++r)
    for (int c = 0; c < 16; ++c) out[r * width + c] = c < cols ? b[r * b_row + c * b_col] : 0.0f;
}

}  // namespace

void pack_panel(Index k, Index n, Index j, const float* b, Index b_row, Index b_col, float* panels) {
  const Index cols = min(kPanel, n - j), width = round_up(cols, 16);
  float* out = panels + j * k;
  for (Index v = 0; v < cols; v += 16) {
    const int c = static_cast<int>(min(16, cols - v));
    const float* from = b + (j + v) * b_col;
    if (b_col == 1)
      pack_rows(k, c, from, b_row, out + v, width);
    else if (b_row == 1)
      pack_columns(k, c, from, b_col, out + v, width);
    else
      pack_any(k, c, from, b_row, b_col, out + v, width);
  }
}

}  // namespace lathe::cpu::LATHE_ISA
