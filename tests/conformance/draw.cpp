#include "tests/conformance/draw.h"

#include <lathe/base/error.h>
#include <lathe/base/text.h>

#include <cmath>
#include <cstring>
#include <limits>

#include <sys/mman.h>
#include <unistd.h>

namespace lathe::test {

namespace {
constexpr unsigned char kPattern = 0xA5;
}

Guarded::Guarded(std::size_t bytes, bool flush_right) : bytes_(bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  usable_ = (bytes / page + 1) * page;
  mapped_ = usable_ + 2 * page;
  void* memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  LATHE_CHECK(memory != MAP_FAILED, "mmap");
  mapping_ = static_cast<unsigned char*>(memory);
  pages_ = mapping_ + page;
  LATHE_CHECK(mprotect(mapping_, page, PROT_NONE) == 0 && mprotect(pages_ + usable_, page, PROT_NONE) == 0, "mprotect");
  std::memset(pages_, kPattern, usable_);
  data_ = flush_right ? pages_ + (usable_ - bytes) : pages_;
}

Guarded::~Guarded() { munmap(mapping_, mapped_); }

bool Guarded::pattern_intact() const {
  for (const unsigned char* p = pages_; p < pages_ + usable_; ++p)
    if ((p < data_ || p >= data_ + bytes_) && *p != kPattern) return false;
  return true;
}

Draw::Draw(std::uint64_t seed, std::string_view kernel) : random_(random_key(seed, 0, kernel)) {
  const std::uint32_t k = below(10);
  kind_ = k < 5 ? Values::kPlain : k < 7 ? Values::kWild : k < 9 ? Values::kSpecial : Values::kZero;
}

Index Draw::size(Index largest) {
  const auto top = static_cast<std::uint32_t>(largest);
  Index n = 0;
  switch (below(8)) {
    case 0:
      n = below(4);
      break;
    case 1:
    case 2:
      n = static_cast<Index>(16 * below(top / 16 + 1)) + static_cast<Index>(below(3)) - 1;
      break;
    case 3:
      n = 16 * below(top / 16 + 1);
      break;
    case 4:
      n = below(top < 20 ? top + 1 : 20);
      break;
    default:
      n = below(top + 1);
  }
  return n < 0 ? 0 : n > largest ? largest : n;
}

float Draw::value(Values kind) {
  const float plain = uniform(-2, 2);
  switch (kind) {
    case Values::kPlain:
      return plain;
    case Values::kWild: {
      if (one_in(4)) return plain;
      const std::uint32_t word = random_.next();
      float f;
      std::memcpy(&f, &word, 4);
      return one_in(16) ? std::copysign(0.0f, plain) : std::isfinite(f) ? f : plain;
    }
    case Values::kSpecial: {
      if (!one_in(40)) return plain;
      constexpr float kInf = std::numeric_limits<float>::infinity();
      const float specials[] = {kInf, -kInf, std::numeric_limits<float>::quiet_NaN(), 0.0f, -0.0f, 1e-42f, 3e38f};
      return specials[below(7)];
    }
    case Values::kZero: {
      const float small[] = {0.0f, -0.0f, 1.0f, -1.0f};
      return small[below(4)];
    }
    case Values::kTiny: {
      if (one_in(8)) return std::copysign(std::ldexp(std::abs(plain), -126 - static_cast<int>(below(24))), plain);
      const float coarse = one_in(2) ? std::copysign(1.0f, plain) : plain;
      return std::ldexp(coarse, -60 - static_cast<int>(below(17)));
    }
  }
  return plain;
}

void* Draw::array(std::size_t bytes, Element element) {
  arrays_.push_back({std::make_unique<Guarded>(bytes, !one_in(3)), element});
  return arrays_.back().memory->data();
}

float* Draw::floats(Index rows, Index n, Index ld, Values kind) {
  const Index count = rows > 0 ? (rows - 1) * ld + n : 0;
  auto* p = static_cast<float*>(array(static_cast<std::size_t>(count) * sizeof(float), Element::kFloat));
  for (Index i = 0; i < count; ++i) p[i] = value(kind);
  return p;
}

std::int32_t* Draw::integers(Index n, std::uint32_t below_this) {
  auto* p = static_cast<std::int32_t*>(array(static_cast<std::size_t>(n) * sizeof(std::int32_t), Element::kInteger));
  for (Index i = 0; i < n; ++i) p[i] = static_cast<std::int32_t>(below(below_this));
  return p;
}

std::int32_t* Draw::offsets(Index sequences, Index longest) {
  auto* p = static_cast<std::int32_t*>(array(static_cast<std::size_t>(sequences + 1) * sizeof(std::int32_t), Element::kInteger));
  p[0] = 0;
  for (Index s = 0; s < sequences; ++s) p[s + 1] = p[s] + static_cast<std::int32_t>(size(longest));
  return p;
}

double* Draw::real(double value) {
  auto* p = static_cast<double*>(array(sizeof(double), Element::kDouble));
  *p = value;
  return p;
}

RowRange Draw::range() {
  if (one_in(3)) return {};
  return {one_in(4) ? 0 : one_in(4) ? 256 * static_cast<Index>(below(12)) : static_cast<Index>(below(3000)), one_in(2)};
}

Dropout Draw::dropout() {
  Dropout d;
  if (one_in(2)) return d;
  d.threshold = one_in(8) ? 65535 : 1 + below(40000);
  d.scale = static_cast<float>(1.0 / (1.0 - d.threshold / 65536.0));
  d.key = {random_.next(), random_.next()};
  d.step = random_.next();
  d.site = random_.next();
  return d;
}

namespace {

/// First element where two arrays differ, "" if none; NaN equals NaN.
template <class T>
std::string first_difference(const void* mine, const void* theirs, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes / sizeof(T); ++i) {
    T x, y;
    std::memcpy(&x, static_cast<const char*>(mine) + i * sizeof(T), sizeof(T));
    std::memcpy(&y, static_cast<const char*>(theirs) + i * sizeof(T), sizeof(T));
    if (std::memcmp(&x, &y, sizeof(T)) != 0 && !(x != x && y != y)) return str("element ", i, " is ", x, ", expected ", y);
  }
  return {};
}

}  // namespace

std::string Draw::difference(const Draw& other) const {
  for (std::size_t a = 0; a < arrays_.size(); ++a) {
    const Guarded &mine = *arrays_[a].memory, &theirs = *other.arrays_[a].memory;
    if (!mine.pattern_intact()) return str("array ", a, " was written outside");
    if (std::memcmp(mine.data(), theirs.data(), mine.bytes()) == 0) continue;
    const std::string found =
        arrays_[a].element == Element::kFloat    ? first_difference<float>(mine.data(), theirs.data(), mine.bytes())
        : arrays_[a].element == Element::kDouble ? first_difference<double>(mine.data(), theirs.data(), mine.bytes())
                                                 : first_difference<std::int32_t>(mine.data(), theirs.data(), mine.bytes());
    if (!found.empty()) return str("array ", a, " of ", mine.bytes(), " bytes: ", found);
  }
  return {};
}

}  // namespace lathe::test
