// The overlay `onednn`: the best CPU table of this machine with its four products, and the packing for them, replaced.
//
// Rows of the result are shared out among the threads of the Exec, each product on one thread. What the primitive cannot say
// (saved derivatives, dropout, other functions, matrices that lie differently from the result) is done behind it, on the rows just
// made, by the kernels of the CPU table.
#include <lathe/base/error.h>
#include <lathe/tensor/backend.h>
#include <lathe/tensor/onednn/product.h>
#include <lathe/tensor/overlay.h>

#include <algorithm>
#include <memory>

namespace lathe::onednn {

const Kernels<float>& table();

namespace {

const Kernels<float>& cpu() {
  static const Kernels<float>& best = *find_backend(available_backends().front());
  return best;
}

// f(first row, rows, thread). Work is cut by the number of threads, unlike anywhere else in lathe: these bits promise nothing.
template <class F>
void share_rows(Exec& exec, const ProductKey& key, F f) {
  constexpr Index kGrain = 16;            // rows of oneDNN's tiles, roughly
  constexpr Index kWorthwhile = 1 << 18;  // multiplications below which waking a thread costs more than it saves
  const Index threads = key.m * key.n * key.k < kWorthwhile ? 1 : exec.threads();
  const Index step = (key.m + threads * kGrain - 1) / (threads * kGrain) * kGrain;
  parallel(exec, (key.m + step - 1) / step,
           [&](Index task, int thread) { f(task * step, std::min(step, key.m - task * step), thread); });
}

// `rows` rows of the product of `key`, their operands given.
void compute(Exec& exec, int thread, ProductKey key, Index rows, const ProductOperands& operands) {
  key.m = rows;
  // The leading dimension of a single row is any number; one entry of the cache is enough.
  if (rows == 1) key.ldc = key.n;
  if (rows == 1 && !key.a_transposed) key.lda = key.k;
  const std::shared_ptr<const Product> product = Product::get(key);
  product->run(operands, exec.scratch(thread, product->scratch_bytes()));
}

// y = y ∘ x on rows × n elements.
void combine(Exec& exec, BinaryOp op, Index rows, Index n, float* y, Index ldy, const float* x, Index ldx) {
  if (ldy == n && ldx == n) n *= rows, rows = 1;
  for (Index i = 0; i < rows; ++i) cpu().binary(exec, {op, 1, {n}, {1}, {1}, y + i * ldy, x + i * ldx, y + i * ldy});
}

Index packed_weight_size(Index, Index) { return 0; }
void pack_weight(Exec&, const PackWeightArgs<float>&) {}

// Activation, if it was not fused, and dropout of rows first … of y.
void finish(Exec& exec, const LinearFwdArgs<float>& a, bool activate, Index first, Index rows) {
  const Epilogue<float>& e = a.epilogue;
  const bool whole = a.ldy == a.n;
  const Index each = whole ? rows : 1;
  for (Index i = first; i < first + rows; i += each) {
    float *y = a.y + i * a.ldy, *d = e.derivative ? e.derivative + i * a.ldy : nullptr;
    if (activate) cpu().unary[static_cast<int>(e.activation)](exec, {each * a.n, y, y, d});
    if (e.dropout.on()) cpu().dropout(exec, {each, a.n, e.row0 + i, y, y, e.dropout});
  }
}

void linear_fwd(Exec& exec, const LinearFwdArgs<float>& a) {
  if (a.m == 0 || a.n == 0) return;
  const Epilogue<float>& e = a.epilogue;
  if (a.k == 0) {  // nothing to multiply
    LinearFwdArgs<float> rest = a;
    rest.packed = nullptr;
    return cpu().linear_fwd(exec, rest);
  }
  const bool activates = e.activation != UnaryOp::kNone, fused = activates && !e.derivative && fuses(e.activation);
  const bool open = (activates && !fused) || e.dropout.on();  // is there something between the primitive and the residual?
  ProductKey key{.m = a.m, .n = a.n, .k = a.k, .lda = a.ldx, .ldb = a.ldw, .ldc = a.ldy, .b_transposed = true};
  key.bias = e.bias != nullptr;
  key.activation = fused ? e.activation : UnaryOp::kNone;
  key.residual = e.residual && !open && (e.ld_residual == a.ldy || a.m == 1);
  share_rows(exec, key, [&](Index i, Index rows, int thread) {
    float* y = a.y + i * a.ldy;
    const float* residual = e.residual ? e.residual + i * e.ld_residual : nullptr;
    compute(exec, thread, key, rows,
            {.a = a.x + i * a.ldx, .b = a.w, .bias = e.bias, .residual = key.residual ? residual : nullptr, .c = y});
    if (open) finish(exec, a, activates && !fused, i, rows);
    if (residual && !key.residual) combine(exec, BinaryOp::kAdd, rows, a.n, y, a.ldy, residual, e.ld_residual);
  });
}

void linear_bwd_input(Exec& exec, const LinearBwdInputArgs<float>& a) {
  if (a.m == 0 || a.k == 0) return;
  if (a.n == 0) {
    LinearBwdInputArgs<float> rest = a;
    rest.packed = nullptr;
    return cpu().linear_bwd_input(exec, rest);
  }
  ProductKey key{.m = a.m, .n = a.k, .k = a.n, .lda = a.ldy, .ldb = a.ldw, .ldc = a.ldx};
  key.multiplier = a.multiplier && (a.ld_multiplier == a.ldx || a.m == 1);
  key.residual = a.residual && (a.ld_residual == a.ldx || a.m == 1) && (key.multiplier || !a.multiplier);
  share_rows(exec, key, [&](Index i, Index rows, int thread) {
    float* dx = a.dx + i * a.ldx;
    const float* multiplier = a.multiplier ? a.multiplier + i * a.ld_multiplier : nullptr;
    const float* residual = a.residual ? a.residual + i * a.ld_residual : nullptr;
    compute(exec, thread, key, rows,
            {.a = a.dy + i * a.ldy,
             .b = a.w,
             .multiplier = key.multiplier ? multiplier : nullptr,
             .residual = key.residual ? residual : nullptr,
             .c = dx});
    if (multiplier && !key.multiplier) combine(exec, BinaryOp::kMul, rows, a.k, dx, a.ldx, multiplier, a.ld_multiplier);
    if (residual && !key.residual) combine(exec, BinaryOp::kAdd, rows, a.k, dx, a.ldx, residual, a.ld_residual);
  });
}

// Each group of rows is added onto dw as it comes: chain and segment, which keep the order of additions across a cut, are not used.
void linear_bwd_weight(Exec& exec, const LinearBwdWeightArgs<float>& a) {
  if (a.n == 0 || a.k == 0) return;
  const bool overwrites = a.from_zero && a.range.first == 0;
  if (a.m == 0) {
    for (Index o = 0; overwrites && o < a.n; ++o) std::fill_n(a.dw + o * a.lddw, a.k, 0.0f);
    return;
  }
  ProductKey key{.m = a.n, .n = a.k, .k = a.m, .lda = a.ldy, .ldb = a.ldx, .ldc = a.lddw, .a_transposed = true};
  if (a.m == 1) key.lda = a.n, key.ldb = a.k;  // one row: see compute
  key.accumulate = !overwrites;
  share_rows(exec, key, [&](Index o, Index rows, int thread) {
    compute(exec, thread, key, rows, {.a = a.dy + o, .b = a.x, .c = a.dw + o * a.lddw});
  });
}

// Strides as a leading dimension; false if neither direction lies together.
bool leading(Index rows, Index cols, Index row, Index col, Index& ld, bool& transposed) {
  transposed = !((col == 1 || cols == 1) && (row >= cols || rows == 1));
  if (!transposed)
    ld = rows == 1 ? cols : row;
  else if ((row == 1 || rows == 1) && (col >= rows || cols == 1))
    ld = cols == 1 ? rows : col;
  else
    return false;
  return true;
}

void matmul(Exec& exec, const MatmulArgs<float>& a) {
  ProductKey key{.m = a.m, .n = a.n, .k = a.k, .ldc = a.ldc, .accumulate = a.accumulate};
  if (a.batch == 0 || a.m == 0 || a.n == 0) return;
  if (a.k == 0 || !leading(a.m, a.k, a.a_row, a.a_col, key.lda, key.a_transposed) ||
      !leading(a.k, a.n, a.b_row, a.b_col, key.ldb, key.b_transposed))
    return cpu().matmul(exec, a);
  if (a.batch == 1)
    return share_rows(exec, key, [&](Index i, Index rows, int thread) {
      compute(exec, thread, key, rows, {.a = a.a + i * a.a_row, .b = a.b, .c = a.c + i * a.ldc});
    });
  parallel(exec, a.batch, [&](Index batch, int thread) {
    compute(exec, thread, key, a.m, {.a = a.a + batch * a.a_batch, .b = a.b + batch * a.b_batch, .c = a.c + batch * a.c_batch});
  });
}

}  // namespace

const ProductKernels& products() {
  static constexpr ProductKernels kProducts = {packed_weight_size, pack_weight,       linear_fwd,
                                               linear_bwd_input,   linear_bwd_weight, matmul};
  return kProducts;
}

}  // namespace lathe::onednn
