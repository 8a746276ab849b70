#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/base/version.h>
#include <lathe/tensor/backend.h>
#include <lathe/tensor/spec/spec.h>

#include <cstdlib>
#include <optional>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace lathe {

// Defined by the sources of cpu/, compiled once per instruction set.
namespace cpu::scalar {
const Kernels<float>& table();
}
#if defined(LATHE_CPU_X86)
namespace cpu::avx2 {
const Kernels<float>& table();
}
namespace cpu::avx512 {
const Kernels<float>& table();
}
#elif defined(LATHE_CPU_NEON)
namespace cpu::neon {
const Kernels<float>& table();
}
#endif
#if defined(LATHE_ONEDNN)
namespace onednn {
bool runs_here();
const Kernels<float>& table();
}  // namespace onednn
#endif

namespace {

bool always() { return true; }
const Kernels<float>& spec_table() { return spec_f32(); }

#if defined(LATHE_CPU_X86)
// Intel SDM vol. 1, 13.3 and 14.3: the processor has the instructions and the operating system saves their registers (XCR0).
struct X86 {
  bool avx2 = false, avx512 = false;
  X86() {
    constexpr unsigned kFma = 1u << 12, kOsXsave = 1u << 27, kAvx = 1u << 28;
    constexpr unsigned kAvx2 = 1u << 5, kAvx512Parts = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
    constexpr unsigned kYmmState = 0x6, kZmmState = 0xE6;                                          // SSE, AVX; opmask, ZMM
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (kFma | kOsXsave | kAvx)) != (kFma | kOsXsave | kAvx)) return;
    unsigned saved = 0, high = 0;
    asm volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    avx2 = (b & kAvx2) != 0 && (saved & kYmmState) == kYmmState;
    avx512 = avx2 && (b & kAvx512Parts) == kAvx512Parts && (saved & kZmmState) == kZmmState;
  }
};
const X86& x86() {
  static const X86 found;
  return found;
}
bool has_avx2() { return x86().avx2; }
bool has_avx512() { return x86().avx512; }
#endif

struct Backend {
  const char* name;
  bool (*runs_here)();
  const Kernels<float>& (*table)();
  bool exact = true;  // computes the bits of spec
};

// Fastest first; then those with bits of their own.
constexpr Backend kBackends[] = {
#if defined(LATHE_CPU_X86)
    {"avx512", has_avx512, cpu::avx512::table},
    {"avx2", has_avx2, cpu::avx2::table},
#elif defined(LATHE_CPU_NEON)
    {"neon", always, cpu::neon::table},
#endif
    {"scalar", always, cpu::scalar::table},
    {"spec", always, spec_table},
#if defined(LATHE_ONEDNN)
    {"onednn", onednn::runs_here, onednn::table, false},
#endif
};

std::vector<std::string> names_of(bool exact) {
  std::vector<std::string> names;
  for (const Backend& backend : kBackends)
    if (backend.exact == exact && backend.runs_here()) names.emplace_back(backend.name);
  return names;
}

const Kernels<float>& chosen_backend() {
  std::vector<std::string> names = available_backends();
  const char* forced = std::getenv("LATHE_BACKEND");
  if (!forced || !*forced) return *find_backend(names.front());
  if (const Kernels<float>* table = find_backend(forced)) return *table;
  for (const std::string& name : inexact_backends()) names.push_back(name);
  const std::optional<std::string> near = nearest(forced, names);
  throw InputError(str("[LATHE_BACKEND] expected one of ", join(names, ", "), ", got '", forced, "'",
                       near ? str("; did you mean '", *near, "'?") : std::string(" (unknown, or not runnable on this processor)")));
}

}  // namespace

const Kernels<float>* find_backend(std::string_view name) {
  for (const Backend& backend : kBackends)
    if (name == backend.name) return backend.runs_here() ? &backend.table() : nullptr;
  return nullptr;
}

const Kernels<float>& best_backend() {
  static const Kernels<float>& chosen = chosen_backend();
  return chosen;
}

std::vector<std::string> available_backends() { return names_of(true); }
std::vector<std::string> inexact_backends() { return names_of(false); }

std::string numerics_tag(std::string_view name) {
  if (name.empty()) name = best_backend().name;
  for (const Backend& backend : kBackends)
    if (name == backend.name && !backend.exact) return str(kNumerics, "+", name);
  return kNumerics;
}

}  // namespace lathe
