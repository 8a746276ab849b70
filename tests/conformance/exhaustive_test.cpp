// exp, log, tanh and erf in f32 on all 2³² inputs: the error against f64, and the same bits from every instruction set.
//
// A chunk is the 4096 consecutive bit patterns from some multiple of 4096 on; both signs and all exponents, NaN and infinities
// included. The reference is the C library in f64, called only where the answer is not known beforehand.
#include <doctest/doctest.h>
#include <lathe/tensor/backend.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/conformance/lanes.h"

namespace lathe::test {
namespace {

constexpr std::size_t kChunk = 4096;
constexpr std::uint32_t kChunks = 1u << 20;
constexpr double kInf = std::numeric_limits<double>::infinity();

float float_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }
std::uint32_t bits_of(float x) { return __builtin_bit_cast(std::uint32_t, x); }

/// f(x) in f64 with an error far below a unit in the last place of f32.
double reference(Function f, double x) {
  const double a = std::fabs(x);
  switch (f) {
    case Function::kExp:
      return a < 0x1p-26 ? 1 + x : x > 89 ? kInf : x < -104 ? 0 : std::exp(x);
    case Function::kLog:
      return std::log(x);
    case Function::kTanh:
      return a < 0x1p-13 ? x - x * x * x / 3 : a > 10 ? std::copysign(1.0, x) : std::tanh(x);
    case Function::kErf:
      return a < 0x1p-13 ? 1.1283791670955126 * (x - x * x * x / 3) : a > 5 ? std::copysign(1.0, x) : std::erf(x);
  }
  return 0;
}

/// log of a chunk of normal numbers: log of the mantissa, kept for all exponents, plus a multiple of ln 2.
class LogReference {
 public:
  double operator()(std::uint32_t bits) {
    const std::uint32_t exponent = bits >> 23, mantissa = bits & 0x7fffff;
    if (bits >= 0x7f800000u || exponent == 0) return std::log(static_cast<double>(float_of(bits)));
    if (mantissa / kChunk != kept_) {
      kept_ = mantissa / kChunk;
      for (std::uint32_t i = 0; i < kChunk; ++i)
        logs_[i] = std::log(static_cast<double>(float_of(0x3f800000u | (kept_ * static_cast<std::uint32_t>(kChunk) + i))));
    }
    return logs_[mantissa % kChunk] + 0.69314718055994531 * (static_cast<double>(exponent) - 127);
  }

 private:
  std::uint32_t kept_ = ~0u;
  std::vector<double> logs_ = std::vector<double>(kChunk);
};

double ulp_error(float found, double expected) {
  if (std::isnan(expected) || std::isnan(found)) return std::isnan(expected) == std::isnan(found) ? 0 : kInf;
  const double limit = std::numeric_limits<float>::max();
  if (std::isinf(found) || std::fabs(expected) > limit)
    return static_cast<double>(found) == expected ||
                   (std::isinf(found) && std::fabs(expected) > limit && (found > 0) == (expected > 0))
               ? 0
               : kInf;
  // One unit in the last place of the f32 binade that holds `expected`: the exponent of its f64 form less 23.
  const auto bits = __builtin_bit_cast(std::uint64_t, expected);
  const int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  const double unit = __builtin_bit_cast(double, static_cast<std::uint64_t>((exponent < -126 ? -126 : exponent) - 23 + 1023) << 52);
  return std::fabs(static_cast<double>(found) - expected) / unit;
}

struct Result {
  double worst = 0;
  float at = 0;
  std::uint64_t different = 0;  // inputs where instruction sets disagree
  std::uint64_t wrong = 0;      // special values
  std::uint64_t inputs = 0;
};

/// exp is 0 by definition below this, where the true value is subnormal or nearly so.
bool flushed(Function f, float x) { return f == Function::kExp && x < -87.33654f; }

/// Where f(x) is 1 + x, a multiple of x, a limit or NaN. All 2³² inputs are compared with the reference, but only the first
/// instruction set computes all of these; the others take part in every 64th chunk (products of tiny numbers underflow, which some
/// processors handle a hundred times more slowly).
bool trivial(Function f, std::uint32_t bits) {
  if (f == Function::kLog) return bits >= 0x80800000u;  // negative
  const std::uint32_t magnitude = bits & 0x7fffffffu, saturated = f == Function::kExp ? 0x43000000u : 0x41800000u;
  return magnitude < 0x2f800000u || magnitude >= saturated;  // |x| < 2^-32, |x| ≥ 128 or 16
}

struct Chunk {
  std::uint32_t first;
  bool thin_out;  ///< not one of the 64ths
};

void compare_chunk(Function f, Chunk chunk, const std::vector<const Lanes*>& sets, LogReference& log, Result& result) {
  static thread_local std::vector<float> x(kChunk), y(kChunk), other(kChunk);
  result.inputs += kChunk;
  const std::uint32_t first = chunk.first;
  for (std::uint32_t i = 0; i < kChunk; ++i) x[i] = float_of(first + i);
  sets[0]->evaluate(f, x.data(), y.data(), kChunk);
  const std::size_t taking_part = trivial(f, first) && chunk.thin_out ? 1 : sets.size();
  for (std::size_t s = 1; s < taking_part; ++s) {
    sets[s]->evaluate(f, x.data(), other.data(), kChunk);
    if (std::memcmp(y.data(), other.data(), kChunk * sizeof(float)) == 0) continue;
    for (std::size_t i = 0; i < kChunk; ++i)
      result.different += bits_of(y[i]) != bits_of(other[i]) && !(std::isnan(y[i]) && std::isnan(other[i]));
  }
  if ((f == Function::kTanh || f == Function::kErf) &&
      first >= 0x80000000u) {  // odd, −0 and NaN apart: known from the positive half
    for (std::uint32_t i = 0; i < kChunk; ++i) x[i] = float_of((first & 0x7fffffffu) + i);
    sets[0]->evaluate(f, x.data(), other.data(), kChunk);
    for (std::size_t i = 0; i < kChunk; ++i)
      result.wrong += std::isnan(other[i]) ? !std::isnan(y[i]) : bits_of(y[i]) != (bits_of(other[i]) | 0x80000000u);
    return;
  }
  for (std::uint32_t i = 0; i < kChunk; ++i) {
    if (flushed(f, x[i])) {
      result.wrong += bits_of(y[i]) != 0;
      continue;
    }
    const double expected = f != Function::kLog ? reference(f, x[i])
                            : x[i] > 0          ? log(first + i)
                                                : std::log(static_cast<double>(x[i]));
    const double error = ulp_error(y[i], expected);
    if (error > result.worst) result.worst = error, result.at = x[i];
  }
}

/// The instruction sets of this machine, fastest first.
std::vector<const Lanes*> sets_here() {
  std::vector<const Lanes*> sets;
#if defined(__x86_64__)
  if (find_backend("avx512")) sets.push_back(&kAvx512Lanes);
  if (find_backend("avx2")) sets.push_back(&kAvx2Lanes), sets.push_back(&kFloatLanes);
#elif defined(__aarch64__)
  sets = {&kNeonLanes, &kFloatLanes};
#endif
  if (sets.empty()) sets.push_back(&kScalarLanes);
  return sets;
}

/// All 2³² inputs, or every `stride`th chunk of them; chunks ascend by mantissa first, so that LogReference keeps its table.
Result sweep(Function f, const std::vector<const Lanes*>& sets, std::uint32_t stride) {
  std::atomic<std::uint32_t> next{0};
  std::mutex mutex;
  Result total;
  const auto work = [&] {
    const FloatingPointScope scope;
    LogReference log;
    Result mine;
    constexpr std::uint32_t kMantissas = (1u << 23) / kChunk;  // chunks of one exponent
    for (std::uint32_t m = next++; m < kMantissas; m = next++) {
      for (std::uint32_t e = 0; e < kChunks / kMantissas; ++e)
        if ((m + 37 * e) % stride == 0)
          compare_chunk(f, {static_cast<std::uint32_t>((e * kMantissas + m) * kChunk), (m + 37 * e) % 64 != 0}, sets, log, mine);
    }
    const std::lock_guard lock(mutex);
    total.different += mine.different;
    total.wrong += mine.wrong;
    total.inputs += mine.inputs;
    if (mine.worst > total.worst) total.worst = mine.worst, total.at = mine.at;
  };
  const unsigned threads = std::thread::hardware_concurrency() > 0 ? std::thread::hardware_concurrency() : 1;
  std::vector<std::thread> team;
  for (unsigned t = 1; t < threads; ++t) team.emplace_back(work);
  work();
  for (std::thread& t : team) t.join();
  return total;
}

struct Limit {
  Function f;
  const char* name;
  double ulp;
};
constexpr Limit kLimits[] = {
    {Function::kExp, "exp", 1.05}, {Function::kLog, "log", 1.05}, {Function::kTanh, "tanh", 2}, {Function::kErf, "erf", 2}};

/// 1, or what LATHE_CONFORMANCE_STRIDE says: every how-manieth chunk to test, for a quick look and for emulated processors.
std::uint32_t stride() {
  const char* wish = std::getenv("LATHE_CONFORMANCE_STRIDE");
  return wish ? static_cast<std::uint32_t>(std::atoi(wish)) : 1;
}

}  // namespace

TEST_CASE("the vector type of every instruction set keeps its word") {
  CHECK(std::string(kScalarLanes.check_vector_type()) == "");
  for (const Lanes* set : sets_here()) CHECK_MESSAGE(std::string(set->check_vector_type()) == "", set->backend);
}

TEST_CASE("all f32 inputs: accuracy, special values, the same bits everywhere") {
  for (const Limit& limit : kLimits) {
    const std::vector<const Lanes*> sets = sets_here();
    const Result r = sweep(limit.f, sets, sets[0] == &kScalarLanes ? 64 : stride());
    MESSAGE(std::string(limit.name) << ": at most " << r.worst << " ULP, at " << r.at << ", of " << r.inputs << " inputs");
    CHECK(r.worst <= limit.ulp);
    CHECK(r.wrong == 0);
    CHECK(r.different == 0);
  }
}

TEST_CASE("the portable build agrees on a sample") {
  std::vector<const Lanes*> sets = sets_here();
  if (sets[0] == &kScalarLanes) return;
  sets = {sets[0], &kScalarLanes};
  for (const Limit& limit : kLimits) {
    const Result r = sweep(limit.f, sets, 1024);
    CHECK(r.different == 0);
    CHECK(r.wrong == 0);
  }
}

}  // namespace lathe::test
