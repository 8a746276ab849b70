// LayerNorm and RMSNorm. Sixteen rows share one transposed halving tree; 64 rows are a task and one block of dgamma and dbeta.
#include <lathe/tensor/cpu/common.h>
#include <lathe/tensor/cpu/kernels.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

constexpr Index kRows = 64;

// Rows [i, i + rows) of the forward pass, rows ≤ 16.
void fwd_rows(const NormFwdArgs<float>& a, Index i, int rows) {
  const f32x16 n(static_cast<float>(a.n));
  alignas(64) float mean[16] = {}, rstd[16];
  f32x16 s[16];
  for (int r = 0; r < 16; ++r) s[r] = f32x16(0.0f);
  if (a.kind == NormKind::kLayer) {
    for (int r = 0; r < rows; ++r) {
      const float* x = a.x + (i + r) * a.ldx;
      f32x16 sum(0.0f);
      columns(a.n, [&](Index c, int lanes) { sum = sum + load_lanes(x + c, lanes); });
      s[r] = sum;
    }
    store(mean, sum16(s) / n);
  }
  for (int r = 0; r < rows; ++r) {
    const float* x = a.x + (i + r) * a.ldx;
    const f32x16 m(mean[r]);
    f32x16 sum(0.0f);
    columns(a.n, [&](Index c, int lanes) {
      const f32x16 d = only(load_lanes(x + c, lanes) - m, lanes);
      sum = fma(d, d, sum);
    });
    s[r] = sum;
  }
  store(rstd, f32x16(1.0f) / sqrt(sum16(s) / n + f32x16(a.eps)));
  for (int r = 0; r < rows; ++r) {
    const float* x = a.x + (i + r) * a.ldx;
    float* y = a.y + (i + r) * a.ldy;
    const f32x16 m(mean[r]), inverse(rstd[r]);
    if (a.beta)
      columns(a.n, [&](Index c, int lanes) {
        const f32x16 normal = (load_lanes(x + c, lanes) - m) * inverse;
        store_lanes(y + c, lanes, fma(normal, load_lanes(a.gamma + c, lanes), load_lanes(a.beta + c, lanes)));
      });
    else
      columns(a.n, [&](Index c, int lanes) {
        store_lanes(y + c, lanes, ((load_lanes(x + c, lanes) - m) * inverse) * load_lanes(a.gamma + c, lanes));
      });
    if (a.kind == NormKind::kLayer) a.mean[i + r] = mean[r];
    a.rstd[i + r] = rstd[r];
  }
}

// Rows [i, i + rows) of the backward pass, rows ≤ 16; dgamma and dbeta are chains of the block of 64 rows, padded to 16 columns.
void bwd_rows(const NormBwdArgs<float>& a, Index i, int rows, float* dgamma, float* dbeta) {
  const bool layer = a.kind == NormKind::kLayer;
  f32x16 s1[16], s2[16], mean[16], rstd[16];
  for (int r = 0; r < 16; ++r) s1[r] = s2[r] = f32x16(0.0f);
  for (int r = 0; r < rows; ++r) {
    mean[r] = f32x16(layer ? a.mean[i + r] : 0.0f);
    rstd[r] = f32x16(a.rstd[i + r]);
  }
  columns(a.n, [&](Index c, int lanes) {
    const f32x16 gamma = load_lanes(a.gamma + c, lanes);
    f32x16 sum_gamma = load(dgamma + c), sum_beta = load(dbeta + c);
    for (int r = 0; r < rows; ++r) {
      const f32x16 dy = load_lanes(a.dy + (i + r) * a.ldy + c, lanes);
      const f32x16 normal = only((load_lanes(a.x + (i + r) * a.ldx + c, lanes) - mean[r]) * rstd[r], lanes);
      const f32x16 g = dy * gamma;
      s1[r] = s1[r] + g;
      s2[r] = fma(g, normal, s2[r]);
      sum_gamma = fma(dy, normal, sum_gamma);
      sum_beta = sum_beta + dy;
    }
    store(dgamma + c, sum_gamma);
    store(dbeta + c, sum_beta);
  });
  const f32x16 n(static_cast<float>(a.n));
  alignas(64) float mean_g[16] = {}, mean_gx[16];
  if (layer) store(mean_g, sum16(s1) / n);
  store(mean_gx, sum16(s2) / n);
  for (int r = 0; r < rows; ++r) {
    const float *x = a.x + (i + r) * a.ldx, *dy = a.dy + (i + r) * a.ldy;
    const float* residual = a.residual ? a.residual + (i + r) * a.ld_residual : nullptr;
    float* dx = a.dx + (i + r) * a.lddx;
    const f32x16 m = mean[r], inverse = rstd[r], mg(mean_g[r]), mgx(mean_gx[r]);
    columns(a.n, [&](Index c, int lanes) {
      const f32x16 normal = (load_lanes(x + c, lanes) - m) * inverse,
                   g = load_lanes(dy + c, lanes) * load_lanes(a.gamma + c, lanes);
      const f32x16 d = fma(-normal, mgx, g - mg) * inverse;
      store_lanes(dx + c, lanes, residual ? d + load_lanes(residual + c, lanes) : d);
    });
  }
}

}  // namespace

void norm_fwd(Exec& exec, const NormFwdArgs<float>& a) {
  parallel(exec, blocks(a.rows, kRows), [&](Index task, int) {
    const Index end = min(a.rows, (task + 1) * kRows);
    for (Index i = task * kRows; i < end; i += 16) fwd_rows(a, i, static_cast<int>(min(16, end - i)));
  });
}

void norm_bwd(Exec& exec, const NormBwdArgs<float>& a) {
  // Blocks are those of the batch: the first one here may have begun before row 0.
  const Index before = a.range.first % kRows, parts = blocks(before + a.rows, kRows), width = round_up(a.n, 16);
  const auto take_over = [&](const float* open, float* part) {
    __builtin_memset(part, 0, bytes(width));
    if (open) __builtin_memcpy(part, open, bytes(a.n));
  };
  // One partial of dgamma and of dbeta for each block of rows.
  float* partials = floats(exec.shared_scratch(bytes(parts * 2 * width)));
  parallel(exec, parts, [&](Index block, int) {
    float *dgamma = partials + block * 2 * width, *dbeta = dgamma + width;
    const bool began = block == 0 && before != 0;
    take_over(began && a.dgamma ? a.open_gamma : nullptr, dgamma);
    take_over(began && a.dbeta ? a.open_beta : nullptr, dbeta);
    const Index begin = max(0, block * kRows - before), end = min(a.rows, (block + 1) * kRows - before);
    for (Index i = begin; i < end; i += 16) bwd_rows(a, i, static_cast<int>(min(16, end - i)), dgamma, dbeta);
  });
  const bool stays_open = !a.range.last && (before + a.rows) % kRows != 0;
  const auto fold = [&](float* total, float* open, const float* part) {
    if (!total) return;
    const Index closed = parts - stays_open;
    columns(a.n, [&](Index c, int lanes) {
      f32x16 sum = load_lanes(total + c, lanes);
      for (Index block = 0; block < closed; ++block) sum = sum + load(part + block * 2 * width + c);
      store_lanes(total + c, lanes, sum);
    });
    if (stays_open) __builtin_memcpy(open, part + closed * 2 * width, bytes(a.n));
  };
  fold(a.dgamma, a.open_gamma, partials);
  fold(a.dbeta, a.open_beta, partials + width);
}

}  // namespace lathe::cpu::LATHE_ISA
