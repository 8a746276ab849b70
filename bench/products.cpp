// The matrix products of a transformer block: hidden × 3 hidden, hidden × hidden, hidden × 4 hidden and back, for a group of 256
// tokens (in cache) and for a batch of 2048, as GFLOP/s and as a part of the measured FMA peak. Beside lathe's own backends runs
// oneDNN, where lathe was built with it.
//
//   bench_products --benchmark_filter='avx512/.*/h256'  --benchmark_min_time=0.2
#include "bench/support.h"

namespace lathe::bench {
namespace {

struct Shape {
  const char* name;
  Index m, n, k;
};

enum class Kind { kForward, kGelu, kBackwardInput, kBackwardWeight, kPack };

void run(benchmark::State& state, const std::string& backend, int threads, Kind kind, Shape s) {
  const FloatingPointScope scope;
  const Kernels<float>& table = *find_backend(backend);
  Exec exec(threads);
  Floats x(s.m * s.k), w(s.n * s.k), y(s.m * s.n), d(s.m * s.n), bias(s.n), dx(s.m * s.k), dw(s.n * s.k);
  const Index size = table.packed_weight_size(s.n, s.k);
  Floats forward(size), backward(size);
  const PackWeightArgs<float> pack{s.n, s.k, w.data(), s.k, forward.data(), backward.data()};
  table.pack_weight(exec, pack);
  LinearFwdArgs<float> fwd{s.m, s.n, s.k, x.data(), s.k, w.data(), s.k, forward.data(), {}, y.data(), s.n};
  fwd.epilogue.bias = bias.data();
  if (kind == Kind::kGelu) {
    fwd.epilogue.activation = UnaryOp::kGeluTanh;
    fwd.epilogue.derivative = d.data();
  }
  LinearBwdInputArgs<float> bwd_input{s.m, s.n, s.k, y.data(), s.n, w.data(), s.k, backward.data()};
  bwd_input.dx = dx.data();
  bwd_input.ldx = s.k;
  const LinearBwdWeightArgs<float> bwd_weight{s.m, s.n, s.k, y.data(), s.n, x.data(), s.k, dw.data(), s.k};
  for (auto _ : state) {
    switch (kind) {
      case Kind::kForward:
      case Kind::kGelu:
        table.linear_fwd(exec, fwd);
        break;
      case Kind::kBackwardInput:
        table.linear_bwd_input(exec, bwd_input);
        break;
      case Kind::kBackwardWeight:
        table.linear_bwd_weight(exec, bwd_weight);
        break;
      case Kind::kPack:
        table.pack_weight(exec, pack);
        break;
    }
    benchmark::ClobberMemory();
  }
  if (kind == Kind::kPack)
    report_bytes(state, 4.0 * static_cast<double>(s.n * s.k) * 4);
  else
    report_flops(state, backend, threads, 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k));
}

void add(const std::string& backend, int threads, Index m, Index h) {
  const Shape shapes[] = {{"qkv", m, 3 * h, h}, {"out", m, h, h}, {"up", m, 4 * h, h}, {"down", m, h, 4 * h}};
  const struct {
    const char* name;
    Kind kind;
  } kinds[] = {{"forward", Kind::kForward},
               {"forward_gelu", Kind::kGelu},
               {"input_gradient", Kind::kBackwardInput},
               {"weight_gradient", Kind::kBackwardWeight},
               {"pack", Kind::kPack}};
  for (const auto& kind : kinds)
    for (const Shape& shape : shapes) {
      const std::string name = backend + "/" + kind.name + "/h" + std::to_string(h) + "/" + shape.name +
                               "/tokens:" + std::to_string(m) + "/threads:" + std::to_string(threads);
      benchmark::RegisterBenchmark(name.c_str(), [backend, threads, k = kind.kind, shape](benchmark::State& state) {
        run(state, backend, threads, k, shape);
      })->UseRealTime();
    }
}

}  // namespace
}  // namespace lathe::bench

int main(int argc, char** argv) {
  std::vector<std::string> backends = lathe::bench::tuned_backends();
  for (const std::string& name : lathe::inexact_backends()) backends.push_back(name);
  for (const std::string& backend : backends)
    for (const int threads : {1, 2})
      for (const lathe::Index tokens : {256, 2048})
        for (const lathe::Index hidden : {64, 128, 256, 512}) lathe::bench::add(backend, threads, tokens, hidden);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
