#include "bench/phases.h"

#include <lathe/base/error.h>
#include <lathe/tensor/backend.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

namespace lathe::bench {
namespace {

/// What one call computes and moves; 0 where neither tells anything.
struct Work {
  double flops = 0, bytes = 0;
};

struct Timer {
  std::string name;
  double seconds = 0;
  std::int64_t calls = 0;
  Work work;
};

std::vector<Timer>& timers() {
  static std::vector<Timer> all;
  return all;
}

double product(Index a, Index b, Index c = 1) { return static_cast<double>(a) * static_cast<double>(b) * static_cast<double>(c); }
double floats(Index rows, Index columns, double arrays) { return 4 * arrays * product(rows, columns); }

double pairs(const AttentionFwdArgs<float>& a) {
  double sum = 0;
  for (Index s = 0; s < a.sequences; ++s) sum += product(a.q_offsets[s + 1] - a.q_offsets[s], a.k_offsets[s + 1] - a.k_offsets[s]);
  return sum * product(a.heads, a.head_dim);
}

template <class Args>
Work work_of(const Args&) {
  return {};
}
Work work_of(const LinearFwdArgs<float>& a) { return {2 * product(a.m, a.n, a.k), 0}; }
Work work_of(const LinearBwdInputArgs<float>& a) { return {2 * product(a.m, a.n, a.k), 0}; }
Work work_of(const LinearBwdWeightArgs<float>& a) { return {2 * product(a.m, a.n, a.k), 0}; }
Work work_of(const AttentionFwdArgs<float>& a) { return {4 * pairs(a), 0}; }
Work work_of(const AttentionBwdArgs<float>& a) { return {10 * pairs(a.fwd), 0}; }
Work work_of(const PackWeightArgs<float>& a) { return {0, floats(a.n, a.k, 1 + (a.forward != nullptr) + (a.backward != nullptr))}; }
Work work_of(const NormFwdArgs<float>& a) { return {0, floats(a.rows, a.n, 2)}; }
Work work_of(const NormBwdArgs<float>& a) { return {0, floats(a.rows, a.n, a.residual ? 4 : 3)}; }
Work work_of(const AdamwArgs<float>& a) { return {0, floats(a.n, 1, 7)}; }
Work work_of(const SumSquaresArgs<float>& a) { return {0, floats(a.rows ? a.row_count : a.n, a.rows ? a.width : 1, 1)}; }
Work work_of(const EmbeddingFwdArgs<float>& a) { return {0, floats(a.rows, a.n, a.accumulate ? 3 : 2)}; }
Work work_of(const EmbeddingBwdArgs<float>& a) { return {0, floats(a.rows, a.n, 3)}; }
Work work_of(const UnaryArgs<float>& a) { return {0, floats(a.n, 1, a.d ? 3 : 2)}; }
Work work_of(const ScaleArgs<float>& a) { return {0, floats(a.n, 1, 2)}; }

const Kernels<float>* base = nullptr;

template <class Args>
void timed(std::size_t timer, void (*kernel)(Exec&, const Args&), Exec& exec, const Args& args) {
  const auto start = std::chrono::steady_clock::now();
  kernel(exec, args);
  Timer& t = timers()[timer];
  t.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ++t.calls;
  const Work work = work_of(args);
  t.work.flops += work.flops;
  t.work.bytes += work.bytes;
}

constexpr std::size_t kUnary = static_cast<std::size_t>(UnaryOp::kCount);
enum Kernel : std::size_t {
#define LATHE_KERNEL(kernel, Args) k_##kernel,
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL
};

template <std::size_t op>
void unary(Exec& exec, const UnaryArgs<float>& args) {
  timed(op, base->unary[op], exec, args);
}

template <std::size_t... op>
void wrap_unary(Kernels<float>& table, std::index_sequence<op...>) {
  ((table.unary[op] = unary<op>), ...);
}

}  // namespace

const Kernels<float>& timed_table(std::string_view backend) {
  base = backend.empty() ? &best_backend() : find_backend(backend);
  if (!base) throw InputError("the backend " + std::string(backend) + " does not run here");
  static Kernels<float> table;
  table = *base;
  timers().clear();
  wrap_unary(table, std::make_index_sequence<kUnary>());
#define LATHE_UNARY(name, Functor, saves, flops, onnx) timers().push_back({#name});
#include <lathe/tensor/unary.def>
#undef LATHE_UNARY
  timers().resize(kUnary);
#define LATHE_KERNEL(kernel, Args)                                                                                  \
  table.kernel = [](Exec& exec, const Args<float>& args) { timed(kUnary + k_##kernel, base->kernel, exec, args); }; \
  timers().push_back({#kernel});
#include <lathe/tensor/kernels.def>
#undef LATHE_KERNEL
  return table;
}

void reset_phases() {
  for (Timer& timer : timers()) timer = {timer.name};
}

std::string phases(double seconds, int steps, double peak) {
  std::vector<Timer> sorted = timers();
  std::sort(sorted.begin(), sorted.end(), [](const Timer& a, const Timer& b) { return a.seconds > b.seconds; });
  std::string text = "| kernel | calls | ms | share of the step | GFLOP/s | of the peak | GB/s |\n|-|-|-|-|-|-|-|\n";
  char line[200];
  const auto row = [&](const char* name, double calls, double time, Work work) {
    std::snprintf(line, sizeof line, "| %s | %.0f | %.3f | %.1f %% |", name, calls / steps, time / steps * 1e3,
                  100 * time / seconds);
    text += line;
    std::snprintf(line, sizeof line,
                  work.flops > 0 && peak > 0 ? " %.1f | %.0f %% |"
                  : work.flops > 0           ? " %.1f | |"
                                             : " | |",
                  work.flops / time * 1e-9, peak > 0 ? 100 * work.flops / time / peak : 0.0);
    text += line;
    std::snprintf(line, sizeof line, work.bytes > 0 ? " %.1f |\n" : " |\n", work.bytes / time * 1e-9);
    text += line;
  };
  Timer all;
  for (const Timer& timer : sorted) {
    if (timer.calls == 0) continue;
    row(timer.name.c_str(), static_cast<double>(timer.calls), timer.seconds, timer.work);
    all.seconds += timer.seconds;
    all.work.flops += timer.work.flops;
  }
  row("between the kernels", 0, seconds - all.seconds, {});
  row("**step**", 0, seconds, {all.work.flops, 0});
  return text;
}

}  // namespace lathe::bench
