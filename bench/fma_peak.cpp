// How many floating-point operations a second one core can do with this instruction set: 24 independent FMA chains, no memory.
#include <lathe/tensor/cpu/vec.h>

namespace lathe::cpu::LATHE_ISA {

float fma_chains(std::int64_t steps);

// Each step is 12 FMAs of 16 floats. Plain C++ is too slow to matter and keeps its registers in memory.
float fma_chains(std::int64_t steps) {
  f32x16 r[12];
  for (int i = 0; i < 12; ++i) r[i] = f32x16(0.5f);
  const f32x16 a(1.0001f), b(1e-9f);
  for (std::int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) r[i] = fma(r[i], a, b);
  }
  f32x16 s = r[0];
  for (int i = 1; i < 12; ++i) s = s + r[i];
  return sum(s);
}

}  // namespace lathe::cpu::LATHE_ISA
