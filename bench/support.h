// What the benchmarks share: backends to run, memory as tensors have it, the peak that figures are a part of.
#pragma once
#include <benchmark/benchmark.h>
#include <lathe/tensor/backend.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

namespace cpu::avx2 {
float fma_chains(std::int64_t steps);
}
namespace cpu::avx512 {
float fma_chains(std::int64_t steps);
}

namespace bench {

/// Floats at 64-byte alignment, filled with numbers in [-1, 1).
class Floats {
 public:
  explicit Floats(Index n)
      : data_(static_cast<float*>(::operator new (static_cast<std::size_t>(n) * sizeof(float), std::align_val_t{64}))) {
    Random random(random_key(1, 2, "bench"));
    for (Index i = 0; i < n; ++i) data_[i] = static_cast<float>(2 * random.uniform() - 1);
  }
  ~Floats() { ::operator delete (data_, std::align_val_t{64}); }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;
  float* data() { return data_; }

 private:
  float* data_;
};

/// FLOP/s of one core without memory, the best of several short runs; 0 for backends without a measurement.
inline double fma_peak(std::string_view backend) {
#if defined(LATHE_CPU_X86)
  float (*const chains)(std::int64_t) = backend == "avx512" ? cpu::avx512::fma_chains
                                        : backend == "avx2" ? cpu::avx2::fma_chains
                                                            : nullptr;
#else
  float (*const chains)(std::int64_t) = nullptr;
#endif
  if (!chains || !find_backend(backend)) return 0;
  constexpr std::int64_t kSteps = 100000;
  double best = 0;
  for (int run = 0; run < 40; ++run) {
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(chains(kSteps));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, static_cast<double>(kSteps) * 12 * 16 * 2 / seconds);
  }
  return best;
}

/// Reports `flops` an iteration as GFLOP/s of processor time, and as a part of the peak of the threads used.
inline void report_flops(benchmark::State& state, std::string_view backend, int threads, double flops) {
  state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  static const double avx512 = fma_peak("avx512"), avx2 = fma_peak("avx2");
  const double best = avx512 > 0 ? avx512 : avx2;
  const double peak = (backend == "avx512" ? avx512 : backend == "avx2" ? avx2 : backend == "onednn" ? best : 0) * threads;
  if (peak > 0) state.counters["% of peak"] = benchmark::Counter(100 * flops / peak, benchmark::Counter::kIsIterationInvariantRate);
}

/// Reports `bytes` read and written an iteration.
inline void report_bytes(benchmark::State& state, double bytes) {
  state.counters["GB/s"] = benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

/// The tuned backends that run here.
inline std::vector<std::string> tuned_backends() {
  std::vector<std::string> names;
  for (const std::string& name : available_backends())
    if (name != "spec" && name != "scalar") names.push_back(name);
  if (names.empty()) names.push_back("scalar");
  return names;
}

}  // namespace bench
}  // namespace lathe
