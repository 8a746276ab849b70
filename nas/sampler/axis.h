// A parameter as a coordinate: what samplers compute with.
//
//   integer, ordinal, stepped real   stepped     the value (ordinal: its index), in a cell of half a step to both sides
//   real                             continuous  the value
//   categorical                      choice      the index, without an order
//
// A `log` parameter is laid out by the logarithm of its value (of the borders of its cell, if it is stepped). `low()` and `high()`
// are the borders of that layout: all cells lie in between, and a uniform draw in between is the space's uniform draw.
#pragma once
#include <lathe/base/random.h>
#include <lathe/nas/space.h>

#include <cstdint>

namespace lathe::nas {

class Axis {
 public:
  enum class Kind { continuous, stepped, choice };
  explicit Axis(const Parameter& parameter);

  const std::string& name() const { return parameter_.name; }
  Kind kind() const { return kind_; }
  bool log() const { return log_; }
  bool single() const { return count_ == 1; }     ///< only one value: nothing to choose
  std::uint64_t count() const { return count_; }  ///< number of values; 0: continuous
  double first() const { return first_; }         ///< smallest value
  double last() const { return last_; }           ///< largest value
  double step() const { return step_; }           ///< 0: continuous
  double low() const { return low_; }
  double high() const { return high_; }

  double coordinate(const Value& value) const;  ///< the value or index itself, without logarithm
  Value value(double coordinate) const;         ///< the nearest admissible value
  double rounded(double coordinate) const;      ///< onto the nearest step, into the range
  double layout(double coordinate) const;       ///< logarithm where `log`
  double from_layout(double position) const;    ///< the coordinate at a position, rounded onto a step, into the range
  double lower(double coordinate) const { return layout(coordinate - 0.5 * step_); }  ///< border of the cell
  double upper(double coordinate) const { return layout(coordinate + 0.5 * step_); }
  /// The value of a uniform number in [0, 1), increasing with it.
  Value at(double uniform) const;

 private:
  Parameter parameter_;
  Kind kind_ = Kind::continuous;
  bool log_ = false;
  std::uint64_t count_ = 0;
  double first_ = 0, last_ = 0, step_ = 0, low_ = 0, high_ = 0;
};

/// Uniform in [0, 1) with 53 bits: two words of the stream.
double uniform53(Random& random);

}  // namespace lathe::nas
