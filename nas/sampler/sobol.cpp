#include <lathe/nas/sampler/sobol.h>

#include <algorithm>
#include <bit>
#include <limits>

namespace lathe::nas {
namespace {

using Directions = std::array<std::uint32_t, 32>;

constexpr int kTries = 16;
constexpr std::size_t kCompared = 64;  // earlier dimensions that a new one is compared with
constexpr int kDigits = 6;             // of the projections compared: 64 points

// Polynomials over GF(2): bit i is the coefficient of x^i. a·b mod p.
std::uint64_t multiply(std::uint64_t a, std::uint64_t b, std::uint64_t p, int degree) {
  std::uint64_t product = 0;
  for (; b; b >>= 1) {
    if (b & 1) product ^= a;
    a <<= 1;
    if (a >> degree & 1) a ^= p;
  }
  return product;
}

std::uint64_t power_of_x(std::uint64_t exponent, std::uint64_t p, int degree) {
  std::uint64_t result = 1, base = degree == 1 ? 2 ^ p : 2;  // x mod p
  for (; exponent; exponent >>= 1) {
    if (exponent & 1) result = multiply(result, base, p, degree);
    base = multiply(base, base, p, degree);
  }
  return result;
}

// Primitive: x has the full order 2^degree − 1.
bool primitive(std::uint64_t p, int degree) {
  if (!(p & 1)) return false;
  const std::uint64_t order = (std::uint64_t{1} << degree) - 1;
  if (power_of_x(order, p, degree) != 1) return false;
  std::uint64_t rest = order;
  for (std::uint64_t prime = 2; prime * prime <= rest; ++prime) {
    if (rest % prime) continue;
    if (power_of_x(order / prime, p, degree) == 1) return false;
    while (rest % prime == 0) rest /= prime;
  }
  return rest == 1 || rest == order || power_of_x(order / rest, p, degree) != 1;
}

// v_k = m_k · 2^(31−k); m_k by the recurrence of the polynomial from the first `degree` ones.
Directions recurrence(std::uint64_t p, int degree, const std::vector<std::uint32_t>& first) {
  Directions v{};
  for (int k = 0; k < 32; ++k) {
    if (k < degree) {
      v[static_cast<std::size_t>(k)] = first[static_cast<std::size_t>(k)] << (31 - k);
      continue;
    }
    const std::uint32_t oldest = v[static_cast<std::size_t>(k - degree)];
    std::uint32_t sum = oldest ^ (oldest >> degree);
    for (int i = 1; i < degree; ++i)
      if (p >> (degree - i) & 1) sum ^= v[static_cast<std::size_t>(k - i)];
    v[static_cast<std::size_t>(k)] = sum;
  }
  return v;
}

// Of the boxes 2^a × 2^(kDigits − a) that the first 2^kDigits points of two dimensions leave empty, the squares of their numbers
// summed over a: 0 in a (0, m, 2)-net.
int empty_boxes(const Directions& x, const Directions& y) {
  std::array<std::uint32_t, 1 << kDigits> px, py;
  for (std::uint32_t i = 0; i < px.size(); ++i) {
    px[i] = sobol_point(x, i);
    py[i] = sobol_point(y, i);
  }
  int sum = 0;
  for (int a = 0; a <= kDigits; ++a) {
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < px.size(); ++i) {
      const std::uint64_t column = a ? px[i] >> (32 - a) : 0, row = a < kDigits ? py[i] >> (32 - kDigits + a) : 0;
      seen |= std::uint64_t{1} << (column << (kDigits - a) | row);
    }
    const int empty = (1 << kDigits) - std::popcount(seen);
    sum += empty * empty;
  }
  return sum;
}

Directions best_directions(std::uint64_t p, int degree, const std::vector<Directions>& before) {
  Random random(random_key(0, before.size(), "ask:#sobol"));
  Directions best{};
  int least = std::numeric_limits<int>::max();
  for (int tries = 0; tries < kTries; ++tries) {
    std::vector<std::uint32_t> first;
    for (int k = 0; k < degree; ++k) first.push_back(2 * random.below(std::uint32_t{1} << k) + 1);  // odd, below 2^(k+1)
    const Directions v = recurrence(p, degree, first);
    int empty = 0;
    for (std::size_t j = before.size() > kCompared ? before.size() - kCompared : 0; j < before.size(); ++j)
      empty += empty_boxes(before[j], v);
    if (empty < least) {
      least = empty;
      best = v;
    }
  }
  return best;
}

// Row k of a lower triangular matrix with ones on its diagonal reads the first k digits: digit k of the result.
Directions scrambled(const Directions& v, Random& random) {
  std::array<std::uint32_t, 32> rows{};
  for (int k = 0; k < 32; ++k) {
    const std::uint32_t digit = std::uint32_t{1} << (31 - k);
    const std::uint32_t above = ~(digit | (digit - 1));  // the digits before
    rows[static_cast<std::size_t>(k)] = (random.next() & above) | digit;
  }
  Directions out{};
  for (std::size_t i = 0; i < 32; ++i)
    for (int k = 0; k < 32; ++k)
      if (std::popcount(v[i] & rows[static_cast<std::size_t>(k)]) & 1) out[i] |= std::uint32_t{1} << (31 - k);
  return out;
}

}  // namespace

std::vector<Directions> sobol_directions(std::size_t dimensions) {
  std::vector<Directions> out;
  if (dimensions) {
    Directions van_der_corput{};
    for (std::size_t k = 0; k < 32; ++k) van_der_corput[k] = std::uint32_t{1} << (31 - k);
    out.push_back(van_der_corput);
  }
  for (int degree = 1; out.size() < dimensions; ++degree)
    for (std::uint64_t p = std::uint64_t{1} << degree; p < std::uint64_t{2} << degree && out.size() < dimensions; ++p)
      if (primitive(p, degree)) out.push_back(best_directions(p, degree, out));
  return out;
}

std::uint32_t sobol_point(const Directions& directions, std::uint32_t index) {
  std::uint32_t x = 0;
  for (std::size_t k = 0; index; ++k, index >>= 1)
    if (index & 1) x ^= directions[k];
  return x;
}

SobolSampler::SobolSampler(const StudyHeader& header) {
  check_settings("sampler sobol", header.sampler_settings, {});
  const auto plain = sobol_directions(header.space.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    axes_.emplace_back(header.space.parameter(i));
    Random random(random_key(header.seed, 0, "ask:#sobol:" + axes_.back().name()));
    directions_.push_back(scrambled(plain[i], random));
    shifts_.push_back(random.next());
  }
}

std::optional<Point> SobolSampler::draw(const SamplerView& view, std::uint32_t attempt) {
  const std::uint32_t index = static_cast<std::uint32_t>(view.number) + (attempt << 20);
  return view.header.space.make([&](std::size_t i, const Parameter&) {
    const std::uint32_t x = sobol_point(directions_[i], index) ^ shifts_[i];
    return axes_[i].at((static_cast<double>(x) + 0.5) * 0x1p-32);
  });
}

}  // namespace lathe::nas
