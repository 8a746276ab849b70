#include <lathe/nas/sampler/axis.h>

#include <lathe/base/math.h>

#include <algorithm>

namespace lathe::nas {

Axis::Axis(const Parameter& parameter) : parameter_(parameter) {
  count_ = parameter.count().value_or(0);
  if (parameter.categorical()) {
    kind_ = Kind::choice;
    last_ = static_cast<double>(count_ - 1);
    high_ = static_cast<double>(count_);
    return;
  }
  const IntegerRange* integer = parameter.integer();
  const RealRange* real = parameter.real();
  if (integer) {
    first_ = static_cast<double>(integer->low);
    last_ = static_cast<double>(*parameter.at(count_ - 1).integer());
    step_ = static_cast<double>(integer->step);
    log_ = integer->log;
  } else if (real) {
    first_ = real->low;
    last_ = count_ ? *parameter.at(count_ - 1).real() : real->high;
    step_ = count_ > 1 ? real->step : 0;
    log_ = real->log;
  } else {
    last_ = static_cast<double>(count_ - 1);
    step_ = 1;
  }
  kind_ = step_ > 0 ? Kind::stepped : Kind::continuous;
  low_ = lower(first_);
  high_ = upper(last_);
}

double Axis::coordinate(const Value& value) const {
  if (parameter_.choices()) {
    const auto index = parameter_.index_of(value);
    LATHE_CHECK(index.has_value(), "a value of " + parameter_.name + " is not among its choices");
    return static_cast<double>(*index);
  }
  return *value.number();
}

double Axis::rounded(double x) const {
  if (kind_ == Kind::stepped) x = first_ + math::floor((x - first_) / step_ + 0.5) * step_;
  return std::min(std::max(x, first_), last_);
}

Value Axis::value(double x) const {
  if (count_ == 0) return std::min(std::max(x, first_), last_);
  const double scale = kind_ == Kind::choice ? 1 : step_ > 0 ? step_ : 1;
  const double index = math::floor((x - first_) / scale + 0.5);
  if (!(index > 0)) return parameter_.at(0);
  return parameter_.at(std::min(static_cast<std::uint64_t>(std::min(index, 0x1p62)), count_ - 1));
}

double Axis::layout(double x) const { return log_ ? math::log(x) : x; }

double Axis::from_layout(double position) const { return rounded(log_ ? math::exp(position) : position); }

Value Axis::at(double uniform) const {
  if (kind_ == Kind::choice || (kind_ == Kind::stepped && !log_)) {
    const double index = math::floor(uniform * static_cast<double>(count_));
    return parameter_.at(std::min(static_cast<std::uint64_t>(index), count_ - 1));
  }
  return value(from_layout(low_ + uniform * (high_ - low_)));
}

double uniform53(Random& random) {
  const std::uint64_t high = random.next() >> 5, low = random.next() >> 6;
  return static_cast<double>(high << 26 | low) * 0x1p-53;
}

}  // namespace lathe::nas
