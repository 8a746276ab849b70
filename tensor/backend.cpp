#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/base/version.h>
#include <lathe/tensor/backend.h>
#include <lathe/tensor/overlay.h>
#include <lathe/tensor/spec/spec.h>

#include <cstdlib>
#include <optional>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace lathe {

// Defined by the sources of cpu/, compiled once per instruction set.
namespace spec {
const ProductKernels& bf16_products();
}
namespace cpu::scalar {
const Kernels<float>& table();
const ProductKernels& bf16_products();
}  // namespace cpu::scalar
#if defined(LATHE_CPU_X86)
namespace cpu::avx2 {
const Kernels<float>& table();
const ProductKernels& bf16_products();
}  // namespace cpu::avx2
namespace cpu::avx512 {
const Kernels<float>& table();
const ProductKernels& bf16_products();
const ProductKernels& bf16_instruction_products();
}  // namespace cpu::avx512
#elif defined(LATHE_CPU_NEON)
namespace cpu::neon {
const Kernels<float>& table();
const ProductKernels& bf16_products();
}  // namespace cpu::neon
#endif
#if defined(LATHE_ONEDNN)
namespace onednn {
bool runs_here();
std::string version();
const ProductKernels& products();
}  // namespace onednn
#endif

namespace {

bool always() { return true; }
const Kernels<float>& spec_table() { return spec_f32(); }

#if defined(LATHE_CPU_X86)
// Intel SDM vol. 1, 13.3 and 14.3: the processor has the instructions and the operating system saves their registers (XCR0).
struct X86 {
  bool avx2 = false, avx512 = false, avx512_bf16 = false;
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
    constexpr unsigned kBf16 = 1u << 5;
    avx512_bf16 = avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & kBf16) != 0;
  }
};
const X86& x86() {
  static const X86 found;
  return found;
}
bool has_avx2() { return x86().avx2; }
bool has_avx512() { return x86().avx512; }
bool has_avx512_bf16() { return x86().avx512_bf16; }
#endif

using Table = const Kernels<float>& (*)();
const char* name_of(Table table);

// The table kBase with the products of kOverlay.
template <Table kBase, const ProductKernels& (*kOverlay)()>
const Kernels<float>& overlaid() {
  static const Kernels<float> made = [] {
    Kernels<float> t = kBase();
    const ProductKernels& products = kOverlay();
    t.name = name_of(overlaid<kBase, kOverlay>);
    t.packed_weight_size = products.packed_weight_size;
    t.pack_weight = products.pack_weight;
    t.linear_fwd = products.linear_fwd;
    t.linear_bwd_input = products.linear_bwd_input;
    t.linear_bwd_weight = products.linear_bwd_weight;
    t.matmul = products.matmul;
    return t;
  }();
  return made;
}

struct Backend {
  const char* name;
  bool (*runs_here)();
  Table table;
  const char* numerics = nullptr;  // its bits, if they are not those of spec
};

#if defined(LATHE_ONEDNN)
const Kernels<float>& fastest_cpu() { return *find_backend(available_backends().front()); }
constexpr const char* kOnednn = "onednn";
#endif
constexpr const char* kBf16 = "bf16";  // numerics, and the name of the fastest table that computes them

// Fastest first; then those with bits of their own, fastest first too.
constexpr Backend kBackends[] = {
#if defined(LATHE_CPU_X86)
    {"avx512", has_avx512, cpu::avx512::table},
    {"avx2", has_avx2, cpu::avx2::table},
#elif defined(LATHE_CPU_NEON)
    {"neon", always, cpu::neon::table},
#endif
    {"scalar", always, cpu::scalar::table},
    {"spec", always, spec_table},
#if defined(LATHE_CPU_X86)
    {"bf16-avx512bf16", has_avx512_bf16, overlaid<cpu::avx512::table, cpu::avx512::bf16_instruction_products>, kBf16},
    {"bf16-avx512", has_avx512, overlaid<cpu::avx512::table, cpu::avx512::bf16_products>, kBf16},
    {"bf16-avx2", has_avx2, overlaid<cpu::avx2::table, cpu::avx2::bf16_products>, kBf16},
#elif defined(LATHE_CPU_NEON)
    {"bf16-neon", always, overlaid<cpu::neon::table, cpu::neon::bf16_products>, kBf16},
#endif
    {"bf16-scalar", always, overlaid<cpu::scalar::table, cpu::scalar::bf16_products>, kBf16},
    {"bf16-spec", always, overlaid<spec_table, spec::bf16_products>, kBf16},
#if defined(LATHE_ONEDNN)
    {"onednn", onednn::runs_here, overlaid<fastest_cpu, onednn::products>, kOnednn},
#endif
};

const char* name_of(Table table) {
  for (const Backend& backend : kBackends)
    if (backend.table == table) return backend.name;
  return nullptr;
}

// Names of what runs here with these bits; empty: those of spec.
std::vector<std::string> names_with(std::string_view numerics) {
  std::vector<std::string> names;
  for (const Backend& backend : kBackends)
    if ((backend.numerics ? backend.numerics : "") == numerics && backend.runs_here()) names.emplace_back(backend.name);
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
    if ((name == backend.name) || (name == kBf16 && backend.numerics == kBf16 && backend.runs_here()))
      return backend.runs_here() ? &backend.table() : nullptr;
  return nullptr;
}

const Kernels<float>& best_backend() {
  static const Kernels<float>& chosen = chosen_backend();
  return chosen;
}

std::vector<std::string> available_backends() { return names_with(""); }
std::vector<std::string> bf16_backends() { return names_with(kBf16); }

std::vector<std::string> inexact_backends() {
  std::vector<std::string> names{kBf16};
  for (const std::string& name : names_with("onednn")) names.push_back(name);
  return names;
}

std::string numerics_tag(std::string_view name) {
  if (name.empty()) name = best_backend().name;
  if (name == kBf16) return str(kNumerics, "+", kBf16);
  for (const Backend& backend : kBackends)
    if (name == backend.name && backend.numerics) {
      std::string tag = str(kNumerics, "+", backend.numerics);
#if defined(LATHE_ONEDNN)
      if (backend.numerics == kOnednn) tag += "-" + onednn::version();
#endif
      return tag;
    }
  return kNumerics;
}

}  // namespace lathe
