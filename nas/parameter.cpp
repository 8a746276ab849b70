#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/space.h>

#include <algorithm>

namespace lathe::nas {
namespace {

std::uint64_t integer_count(const IntegerRange& r) {
  return (static_cast<std::uint64_t>(r.high) - static_cast<std::uint64_t>(r.low)) / static_cast<std::uint64_t>(r.step) + 1;
}

// Number of steps from low to high; a high that lies within rounding of a step counts as on it.
std::uint64_t real_steps(const RealRange& r) {
  const double steps = (r.high - r.low) / r.step;
  return static_cast<std::uint64_t>(math::floor(steps + 1e-9 * (1 + steps)));
}

// Digits behind the point of a plain decimal; −1 if its shortest form has an exponent.
int decimals(double x) {
  const std::string text = number(x);
  if (text.find_first_of("eE") != std::string::npos) return -1;
  const auto point = text.find('.');
  return point == std::string::npos ? 0 : static_cast<int>(text.size() - point - 1);
}

// low + index·step, rounded to the decimals in which low and step are written: 0.15, not 0.15000000000000002.
double real_at(const RealRange& r, std::uint64_t index) {
  const double raw = r.low + static_cast<double>(index) * r.step;
  const int low = decimals(r.low), step = decimals(r.step);
  if (low < 0 || step < 0) return std::min(raw, r.high);
  const auto rounded = parse_double(fixed(raw, std::max(low, step)));
  return std::min(rounded.value_or(raw), r.high);
}

bool same_choice(const Value& a, const Value& b) {
  const auto x = a.number(), y = b.number();
  return x && y ? *x == *y : a == b;
}

}  // namespace

const std::vector<Value>* Parameter::choices() const {
  if (const auto* c = categorical()) return &c->choices;
  if (const auto* o = ordinal()) return &o->choices;
  return nullptr;
}

std::optional<std::uint64_t> Parameter::count() const {
  if (const auto* r = integer()) return integer_count(*r);
  if (const auto* r = real()) {
    if (r->step > 0) return real_steps(*r) + 1;
    if (r->low == r->high) return 1;
    return std::nullopt;
  }
  return choices()->size();
}

Value Parameter::at(std::uint64_t index) const {
  const auto n = count();
  LATHE_CHECK(n && index < *n, str("parameter ", name, " has no value number ", index));
  if (const auto* r = integer()) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(r->low) + index * static_cast<std::uint64_t>(r->step));
  }
  if (const auto* r = real()) return index == 0 ? r->low : real_at(*r, index);
  return (*choices())[static_cast<std::size_t>(index)];
}

std::optional<std::uint64_t> Parameter::index_of(const Value& value) const {
  if (const auto* r = integer()) {
    const auto* x = value.integer();
    if (!x || *x < r->low || *x > r->high) return std::nullopt;
    const std::uint64_t distance = static_cast<std::uint64_t>(*x) - static_cast<std::uint64_t>(r->low);
    if (distance % static_cast<std::uint64_t>(r->step)) return std::nullopt;
    return distance / static_cast<std::uint64_t>(r->step);
  }
  if (const auto* r = real()) {
    const auto x = value.number();
    if (!x || !(*x >= r->low && *x <= r->high)) return std::nullopt;
    if (r->low == r->high) return 0;
    if (r->step <= 0) return std::nullopt;
    const auto index = static_cast<std::uint64_t>(math::floor((*x - r->low) / r->step + 0.5));
    if (index > real_steps(*r) || *at(index).real() != *x) return std::nullopt;
    return index;
  }
  const auto& list = *choices();
  for (std::size_t i = 0; i < list.size(); ++i)
    if (same_choice(list[i], value)) return i;
  return std::nullopt;
}

bool Parameter::contains(const Value& value) const {
  if (const auto* r = real(); r && r->step <= 0) {
    const auto x = value.number();
    return x && *x >= r->low && *x <= r->high;
  }
  return index_of(value).has_value();
}

std::string PointCount::text() const {
  if (infinite) return "infinite";
  if (saturated) return "more than 1.8e19";
  if (points < 1'000'000) return with_commas(static_cast<std::int64_t>(points));
  // Rounded to two digits, in integers: 1234567 → 1.2e6.
  std::uint64_t scale = 1;
  int exponent = 0;
  for (std::uint64_t rest = points; rest >= 10; rest /= 10, ++exponent) scale *= 10;
  std::uint64_t tenths = points / (scale / 10) + (points % (scale / 10) >= scale / 20 ? 1 : 0);
  if (tenths == 100) {
    tenths = 10;
    ++exponent;
  }
  return str(tenths / 10, ".", tenths % 10, "e", exponent);
}

}  // namespace lathe::nas
