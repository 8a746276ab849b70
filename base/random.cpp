#include <lathe/base/random.h>

#include <lathe/base/math.h>
#include <lathe/base/sha256.h>

namespace lathe {

RandomKey random_key(std::uint64_t seed, std::uint64_t trial, std::string_view stream) {
  const Digest d = Sha256().add_u64(seed).add_u64(trial).add(stream).finish();
  const auto word = [&](std::size_t i) {
    return std::uint32_t{d[i]} | std::uint32_t{d[i + 1]} << 8 | std::uint32_t{d[i + 2]} << 16 | std::uint32_t{d[i + 3]} << 24;
  };
  return {word(0), word(4)};
}

std::uint32_t Random::next() {
  if (used_ == 4) {
    words_ = philox(key_, counter_);
    ++counter_[0];
    used_ = 0;
  }
  return words_[static_cast<std::size_t>(used_++)];
}

double Random::uniform() { return static_cast<double>(next() >> 8) * 0x1p-24; }

std::uint32_t Random::below(std::uint32_t bound) {
  std::uint64_t m = std::uint64_t{next()} * bound;
  if (static_cast<std::uint32_t>(m) < bound) {
    const std::uint32_t threshold = (0u - bound) % bound;
    while (static_cast<std::uint32_t>(m) < threshold) m = std::uint64_t{next()} * bound;
  }
  return static_cast<std::uint32_t>(m >> 32);
}

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double u = static_cast<double>((next() >> 8) + 1) * 0x1p-24;  // (0, 1]: its logarithm is finite
  const double angle = 6.283185307179586 * uniform();
  const double radius = math::sqrt(-2.0 * math::log(u));
  spare_ = radius * math::sin(angle);
  has_spare_ = true;
  return radius * math::cos(angle);
}

}  // namespace lathe
