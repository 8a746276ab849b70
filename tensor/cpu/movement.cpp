// Kernels that move or combine elements by their place: copy, binary with broadcasting, embeddings, rotary positions.
#include <lathe/tensor/cpu/common.h>
#include <lathe/tensor/cpu/kernels.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

// Dimensions of a contiguous result, those of size 1 dropped and neighbours merged where every operand steps through them evenly.
struct Nest {
  int dims = 0;
  Index shape[6], stride[2][6];
};

Nest merged(int dims, const Index* shape, const Index* a_stride, const Index* b_stride) {
  Nest n;
  for (int i = 0; i < dims; ++i) {
    if (shape[i] == 1) continue;
    const Index stride[2] = {a_stride[i], b_stride[i]};
    if (n.dims > 0) {
      const int last = n.dims - 1;
      if (n.stride[0][last] == stride[0] * shape[i] && n.stride[1][last] == stride[1] * shape[i]) {
        n.shape[last] *= shape[i];
        n.stride[0][last] = stride[0];
        n.stride[1][last] = stride[1];
        continue;
      }
    }
    n.shape[n.dims] = shape[i];
    n.stride[0][n.dims] = stride[0];
    n.stride[1][n.dims] = stride[1];
    ++n.dims;
  }
  if (n.dims == 0) n.dims = 1, n.shape[0] = 1, n.stride[0][0] = n.stride[1][0] = 1;
  return n;
}

// Calls f(y offset, a offset, b offset, length, row) for runs along the innermost dimension: whole rows, or pieces of long ones.
template <class F>
void parallel_runs(Exec& exec, const Nest& n, F f) {
  const int last = n.dims - 1;
  const Index inner = n.shape[last], pieces = blocks(inner, kGrain);
  Index rows = 1;
  for (int i = 0; i < last; ++i) rows *= n.shape[i];
  parallel_pieces(exec, rows * pieces, max(1, kGrain / max(1, inner)), [&](Index first, Index count) {
    for (Index run = first; run < first + count; ++run) {
      const Index row = run / pieces, start = run % pieces * kGrain;
      Index a = start * n.stride[0][last], b = start * n.stride[1][last], rest = row;
      for (int i = last - 1; i >= 0; --i) {
        const Index at = rest % n.shape[i];
        rest /= n.shape[i];
        a += at * n.stride[0][i];
        b += at * n.stride[1][i];
      }
      f(row * inner + start, a, b, min(kGrain, inner - start));
    }
  });
}

template <class Op>
void binary_run(Index n, const float* a, Index a_step, const float* b, Index b_step, float* y, Op op) {
  if (a_step == 1 && b_step == 1) {
    columns(n, [&](Index i, int lanes) { store_lanes(y + i, lanes, op(load_lanes(a + i, lanes), load_lanes(b + i, lanes))); });
  } else if (a_step == 1 && b_step == 0) {
    const f32x16 right(*b);
    columns(n, [&](Index i, int lanes) { store_lanes(y + i, lanes, op(load_lanes(a + i, lanes), right)); });
  } else if (a_step == 0 && b_step == 1) {
    const f32x16 left(*a);
    columns(n, [&](Index i, int lanes) { store_lanes(y + i, lanes, op(left, load_lanes(b + i, lanes))); });
  } else {
    columns(n, [&](Index i, int lanes) {
      alignas(64) float left[16] = {}, right[16] = {};
      for (int l = 0; l < lanes; ++l) {
        left[l] = a[(i + l) * a_step];
        right[l] = b[(i + l) * b_step];
      }
      store_lanes(y + i, lanes, op(load(left), load(right)));
    });
  }
}

template <class Op>
void binary_all(Exec& exec, const BinaryArgs<float>& args, Op op) {
  const Nest nest = merged(args.dims, args.shape, args.a_stride, args.b_stride);
  const int last = nest.dims - 1;
  parallel_runs(exec, nest, [&](Index y, Index a, Index b, Index n) {
    binary_run(n, args.a + a, nest.stride[0][last], args.b + b, nest.stride[1][last], args.y + y, op);
  });
}

// y[i, j] = x[i · step + j · ld], 16 × 16 at a time: columns of x are its contiguous direction.
void transpose_block(Index rows, Index cols, const float* x, Index ld, float* y, Index ldy) {
  for (Index j = 0; j < cols; j += 16)
    for (Index i = 0; i < rows; i += 16) {
      const int height = static_cast<int>(min(16, rows - i)), width = static_cast<int>(min(16, cols - j));
      f32x16 t[16];
      for (int c = 0; c < 16; ++c) t[c] = c < width ? load_lanes(x + (j + c) * ld + i, height) : f32x16(0.0f);
      transpose16(t);
      for (int r = 0; r < height; ++r) store_lanes(y + (i + r) * ldy + j, width, t[r]);
    }
}

}  // namespace

void binary(Exec& exec, const BinaryArgs<float>& a) {
  switch (a.op) {
    case BinaryOp::kAdd:
      return binary_all(exec, a, [](f32x16 x, f32x16 y) { return x + y; });
    case BinaryOp::kSub:
      return binary_all(exec, a, [](f32x16 x, f32x16 y) { return x - y; });
    case BinaryOp::kMul:
      return binary_all(exec, a, [](f32x16 x, f32x16 y) { return x * y; });
    case BinaryOp::kDiv:
      return binary_all(exec, a, [](f32x16 x, f32x16 y) { return x / y; });
    case BinaryOp::kCount:
      break;
  }
}

void scale(Exec& exec, const ScaleArgs<float>& a) {
  const f32x16 alpha(a.alpha);
  parallel_pieces(exec, a.n, kGrain, [&](Index begin, Index size) {
    columns(size, [&](Index i, int lanes) { store_lanes(a.y + begin + i, lanes, load_lanes(a.x + begin + i, lanes) * alpha); });
  });
}

void copy(Exec& exec, const CopyArgs<float>& a) {
  const Nest n = merged(a.dims, a.shape, a.x_stride, a.x_stride);
  const int last = n.dims - 1;
  const Index step = n.stride[0][last];
  if (last > 0 && step != 1 && n.stride[0][last - 1] == 1) {
    // The last two dimensions are a transposed matrix: its rows in blocks, the dimensions before them one by one.
    constexpr Index kRows = 64;
    const Index rows = n.shape[last - 1], cols = n.shape[last], down = blocks(rows, kRows);
    Index matrices = 1;
    for (int i = 0; i < last - 1; ++i) matrices *= n.shape[i];
    parallel(exec, matrices * down, [&](Index task, int) {
      const Index matrix = task / down, i = task % down * kRows;
      Index x = i, rest = matrix;
      for (int d = last - 2; d >= 0; --d) {
        x += rest % n.shape[d] * n.stride[0][d];
        rest /= n.shape[d];
      }
      transpose_block(min(kRows, rows - i), cols, a.x + x, step, a.y + (matrix * rows + i) * cols, cols);
    });
    return;
  }
  parallel_runs(exec, n, [&](Index y, Index x, Index, Index length) {
    if (step == 1) {
      __builtin_memcpy(a.y + y, a.x + x, bytes(length));
    } else {
      for (Index i = 0; i < length; ++i) a.y[y + i] = a.x[x + i * step];
    }
  });
}

void embedding_fwd(Exec& exec, const EmbeddingFwdArgs<float>& a) {
  parallel_pieces(exec, a.rows, max(1, kGrain / max(1, a.n)), [&](Index first, Index count) {
    for (Index r = first; r < first + count; ++r) {
      const float* row = a.table + a.ids[r] * a.n;
      float* y = a.y + r * a.ldy;
      if (a.accumulate)
        columns(a.n, [&](Index c, int lanes) { store_lanes(y + c, lanes, load_lanes(y + c, lanes) + load_lanes(row + c, lanes)); });
      else
        __builtin_memcpy(y, row, bytes(a.n));
    }
  });
}

void embedding_bwd(Exec& exec, const EmbeddingBwdArgs<float>& a) {
  constexpr Index kColumns = 64;  // a task takes some columns of all rows, so that rows with the same id stay in order
  parallel_pieces(exec, a.n, kColumns, [&](Index first, Index size) {
    for (Index r = 0; r < a.rows; ++r) {
      const float* dy = a.dy + r * a.ldy + first;
      float* d = a.dtable + a.ids[r] * a.n + first;
      columns(size, [&](Index c, int lanes) { store_lanes(d + c, lanes, load_lanes(d + c, lanes) + load_lanes(dy + c, lanes)); });
    }
  });
}

void rope(Exec& exec, const RopeArgs<float>& a) {
  const Index half = a.head_dim / 2;
  parallel_pieces(exec, a.rows, 64, [&](Index first, Index count) {
    for (Index r = first; r < first + count; ++r) {
      const float *cosines = a.cos + a.positions[r] * half, *sines = a.sin + a.positions[r] * half;
      for (Index h = 0; h < a.heads; ++h) {
        const float* x = a.x + r * a.ldx + h * a.head_dim;
        float* y = a.y + r * a.ldy + h * a.head_dim;
        columns(half, [&](Index i, int lanes) {
          const f32x16 low = load_lanes(x + i, lanes), high = load_lanes(x + half + i, lanes),
                       cosine = load_lanes(cosines + i, lanes);
          const f32x16 s = load_lanes(sines + i, lanes), sine = a.inverse ? -s : s;
          store_lanes(y + i, lanes, fma(low, cosine, -(high * sine)));
          store_lanes(y + half + i, lanes, fma(high, cosine, low * sine));
        });
      }
    }
  });
}

}  // namespace lathe::cpu::LATHE_ISA
