// Softmax and cross entropy along rows.
#include <lathe/tensor/cpu/common.h>
#include <lathe/tensor/cpu/kernels.h>

namespace lathe::cpu::LATHE_ISA {
namespace {

constexpr Index kElements = 16384;  // of a task, about

Index rows_of_task(Index n) { return max(1, kElements / max(n, 1)); }

const float kLowest = -__builtin_inff();

float row_max(Index n, const float* x) {
  f32x16 m(kLowest);
  columns(n, [&](Index c, int lanes) {
    const f32x16 v = load_lanes(x + c, lanes);
    m = max(lanes == 16 ? v : first_n(v, lanes, f32x16(kLowest)), m);
  });
  return largest(m);
}

}  // namespace

void softmax_fwd(Exec& exec, const SoftmaxFwdArgs<float>& a) {
  parallel_pieces(exec, a.n > 0 ? a.rows : 0, rows_of_task(a.n), [&](Index row, Index rows) {
    for (Index r = row; r < row + rows; ++r) {
      const float* x = a.x + r * a.n;
      float* y = a.y + r * a.n;
      const f32x16 m(row_max(a.n, x));
      f32x16 s(0.0f);
      columns(a.n, [&](Index c, int lanes) {
        const f32x16 e = exp(load_lanes(x + c, lanes) - m);
        store_lanes(y + c, lanes, e);
        s = s + only(e, lanes);
      });
      const f32x16 inverse(1.0f / sum(s));
      columns(a.n, [&](Index c, int lanes) { store_lanes(y + c, lanes, load_lanes(y + c, lanes) * inverse); });
    }
  });
}

void softmax_bwd(Exec& exec, const SoftmaxBwdArgs<float>& a) {
  parallel_pieces(exec, a.rows, rows_of_task(a.n), [&](Index row, Index rows) {
    for (Index r = row; r < row + rows; ++r) {
      const float *y = a.y + r * a.n, *dy = a.dy + r * a.n;
      float* dx = a.dx + r * a.n;
      f32x16 s(0.0f);
      columns(a.n, [&](Index c, int lanes) { s = fma(load_lanes(dy + c, lanes), load_lanes(y + c, lanes), s); });
      const f32x16 dot(sum(s));
      columns(a.n, [&](Index c, int lanes) {
        store_lanes(dx + c, lanes, load_lanes(y + c, lanes) * (load_lanes(dy + c, lanes) - dot));
      });
    }
  });
}

void cross_entropy_fwd(Exec& exec, const CrossEntropyFwdArgs<float>& a) {
  parallel_pieces(exec, a.rows, rows_of_task(a.n), [&](Index row, Index rows) {
    for (Index r = row; r < row + rows; ++r) {
      const float* x = a.logits + r * a.n;
      const float m = row_max(a.n, x);
      f32x16 s(0.0f);
      columns(a.n, [&](Index c, int lanes) { s = s + only(exp(load_lanes(x + c, lanes) - f32x16(m)), lanes); });
      const float total = sum(s);
      a.max[r] = m;
      a.inv_sum[r] = 1.0f / total;
      a.losses[r] = a.target[r] == kIgnoreLabel ? 0.0f : (m + math::lanes::log_f32(total)) - x[a.target[r]];
    }
  });
  // Σrows over the kept rows: blocks of 64 of them, as if the others were not there.
  float total = 0.0f, block = 0.0f;
  Index count = 0;
  for (Index r = 0; r < a.rows; ++r) {
    if (a.target[r] == kIgnoreLabel) continue;
    block += a.losses[r];
    if (++count % 64 == 0) total += block, block = 0.0f;
  }
  if (count % 64 != 0) total += block;
  const Index divisor = a.count > 0 ? a.count : count;
  *a.loss = divisor > 0 ? total / static_cast<float>(divisor) : __builtin_nanf("");
}

void cross_entropy_bwd(Exec& exec, const CrossEntropyBwdArgs<float>& a) {
  Index count = a.count;
  for (Index r = 0; r < a.rows && a.count == 0; ++r) count += a.target[r] != kIgnoreLabel;
  const f32x16 share(1.0f / static_cast<float>(count)), dloss(a.dloss);
  parallel_pieces(exec, a.rows, rows_of_task(a.n), [&](Index row, Index rows) {
    for (Index r = row; r < row + rows; ++r) {
      const float* x = a.logits + r * a.n;
      float* dx = a.dlogits + r * a.n;
      const Index target = a.target[r];
      if (target == kIgnoreLabel) {
        __builtin_memset(dx, 0, bytes(a.n));
        continue;
      }
      const f32x16 m(a.max[r]), inverse(a.inv_sum[r]);
      // The target's column is done on its own afterwards; x may be dx, so it is read first.
      const float p = math::lanes::exp_f32(x[target] - a.max[r]) * a.inv_sum[r];
      columns(a.n, [&](Index c, int lanes) {
        const f32x16 q = exp(load_lanes(x + c, lanes) - m) * inverse;
        store_lanes(dx + c, lanes, (q * share) * dloss);
      });
      dx[target] = ((p - 1.0f) * (1.0f / static_cast<float>(count))) * a.dloss;
    }
  });
}

}  // namespace lathe::cpu::LATHE_ISA
