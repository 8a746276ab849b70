// Random numbers that depend on nothing but their names (numerics v1, "Random").
//
// Philox4x32-10 (Salmon et al., SC 2011) turns a key and a 128-bit counter into four words. A key names a stream, a
// counter a place in it, so draws are independent of threads, order and restarts, and a resumed run needs no state.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lathe {

struct RandomKey {
  std::uint32_t k0 = 0, k1 = 0;
  bool operator==(const RandomKey&) const = default;
};

/// First eight bytes of SHA-256(seed ‖ trial ‖ stream), seed and trial as eight little-endian bytes. The streams in use:
/// `init:<parameter>`, `dropout`, `shuffle`, `split`, `ask:<path>`.
RandomKey random_key(std::uint64_t seed, std::uint64_t trial, std::string_view stream);

/// One block of Philox4x32-10.
[[gnu::always_inline]] inline std::array<std::uint32_t, 4> philox(RandomKey key, std::array<std::uint32_t, 4> counter) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = 0xD2511F53ull * counter[0], p1 = 0xCD9E8D57ull * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key.k0, static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key.k1, static_cast<std::uint32_t>(p0)};
    key.k0 += 0x9E3779B9u;
    key.k1 += 0xBB67AE85u;
  }
  return counter;
}

/// A stream read word by word: counter (block, step, site, attempt), block ascending from 0, words in order.
class Random {
 public:
  explicit Random(RandomKey key, std::uint32_t step = 0, std::uint32_t site = 0, std::uint32_t attempt = 0)
      : key_(key), counter_{0, step, site, attempt} {}

  std::uint32_t next();                      ///< 32 random bits
  double uniform();                          ///< (next() >> 8) · 2⁻²⁴, in [0, 1)
  std::uint32_t below(std::uint32_t bound);  ///< uniform in [0, bound), bound > 0: Lemire's method with rejection
  double normal();                           ///< standard normal: Box–Muller on lathe's own log, sin and cos

  /// Fisher–Yates downwards: i = n−1 … 1 swaps element i with element below(i + 1).
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i-- > 1;) {
      const std::size_t j = below(static_cast<std::uint32_t>(i + 1));
      T held = items[i];
      items[i] = items[j];
      items[j] = held;
    }
  }

 private:
  RandomKey key_;
  std::array<std::uint32_t, 4> counter_, words_{};
  int used_ = 4;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace lathe
