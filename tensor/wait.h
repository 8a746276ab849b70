// Waiting for another thread's number to change: a short spin, then sleep.
#pragma once
#include <atomic>
#include <chrono>

#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
#endif

namespace lathe {

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Returns when the value is no longer `old`; who changes it calls notify. Threads of a training step wait for one another by the
/// microsecond, so a short spin catches most changes; a machine with more threads than cores must not burn its neighbours' time,
/// so the spin ends soon.
template <class T>
void wait_while(const std::atomic<T>& value, T old) {
  constexpr auto kSpin = std::chrono::microseconds(30);
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < 32; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      relax();
    }
  } while (std::chrono::steady_clock::now() - start < kSpin);
  value.wait(old, std::memory_order_acquire);
}

}  // namespace lathe
