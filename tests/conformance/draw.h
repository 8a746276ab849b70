// Random kernel arguments for the conformance tests: sizes, memory and values that depend on a seed alone, so that the same call
// made twice, once for spec and once for another backend, works on equal memory and can be compared byte by byte afterwards.
#pragma once
#include <lathe/base/random.h>
#include <lathe/tensor/kernels.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::test {

/// What floats an input holds.
enum class Values {
  kPlain,    ///< like activations: about ±2
  kWild,     ///< any exponent, subnormals and ±0 included
  kSpecial,  ///< plain, with a few ±inf, NaN, ±0
  kZero,     ///< ±0 and ±1 only: ties, and sums that cancel
  kTiny      ///< products, and sums beside them, around the smallest normal number; asked for by name only
};

/// An array whose neighbouring pages cannot be touched: it ends exactly before an unmapped page or starts exactly after one.
/// Reading or writing beyond it on that side kills the test; the other side carries a pattern that must survive.
class Guarded {
 public:
  Guarded(std::size_t bytes, bool flush_right);
  ~Guarded();
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  bool pattern_intact() const;

 private:
  unsigned char *mapping_, *pages_, *data_;
  std::size_t mapped_, usable_, bytes_;
};

class Draw {
 public:
  Draw(std::uint64_t seed, std::string_view kernel);
  Draw(std::uint64_t seed, std::string_view kernel, Values kind) : random_(random_key(seed, 0, kernel)), kind_(kind) {}

  std::uint32_t below(std::uint32_t n) { return random_.below(n); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  float uniform(float low, float high) { return low + (high - low) * static_cast<float>(random_.uniform()); }
  /// 0, 1, a size around a multiple of 16, or anything, up to `largest`.
  Index size(Index largest);
  Index size_from_one(Index largest) { return 1 + size(largest - 1); }
  /// A leading dimension for rows of n: n itself, or more.
  Index leading(Index n) { return n + (one_in(2) ? static_cast<Index>(below(20)) : 0); }

  /// The kind of values of this call; individual arrays may ask for others.
  Values kind() const { return kind_; }
  float value(Values kind);
  /// Memory for rows × ld floats of which the last row is only n long: nothing beyond may be read.
  float* floats(Index rows, Index n, Index ld, Values kind);
  float* floats(Index rows, Index n, Index ld) { return floats(rows, n, ld, kind_); }
  float* floats(Index n) { return floats(1, n, n, kind_); }
  float* floats(Index n, Values kind) { return floats(1, n, n, kind); }
  std::int32_t* integers(Index n, std::uint32_t below_this);
  /// Offsets of `sequences` lengths up to `longest`.
  std::int32_t* offsets(Index sequences, Index longest);
  double* real(double value);
  Dropout dropout();
  /// Rows that are a batch, or part of one, cut anywhere.
  RowRange range();

  /// First difference from another run of the same seed, "" if none. NaN equals NaN; every byte counts, outputs and the rest.
  std::string difference(const Draw& other) const;

 private:
  enum class Element { kFloat, kInteger, kDouble };
  struct Array {
    std::unique_ptr<Guarded> memory;
    Element element;
  };
  void* array(std::size_t bytes, Element element);
  Random random_;
  Values kind_;
  std::vector<Array> arrays_;
};

}  // namespace lathe::test
