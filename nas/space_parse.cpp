// Points from their canonical text and from single values.
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/json_reader.h>
#include <lathe/nas/space.h>

namespace lathe::nas {
namespace {

std::vector<std::pair<std::string, Value>> members(std::string_view json) {
  std::vector<std::pair<std::string, Value>> out;
  JsonReader in("point", json);
  in.object([&](const std::string& name) { out.emplace_back(name, in.scalar()); });
  in.end();
  return out;
}

/// The step of a stepped range on which `x` lies but for rounding: other programs write 3 · 0.1 as 0.30000000000000004.
std::optional<Value> on_step(const Parameter& p, double x) {
  const RealRange* r = p.real();
  if (!r || r->step <= 0) return std::nullopt;
  const double index = math::floor((x - r->low) / r->step + 0.5);
  if (!(index >= 0 && index < static_cast<double>(*p.count()))) return std::nullopt;
  const Value value = p.at(static_cast<std::uint64_t>(index));
  const double off = (x - *value.real()) / r->step;
  if (!(off < 1e-8 && off > -1e-8)) return std::nullopt;
  return value;
}

/// `value` in the type of the declaration: 1 and 1.0 are one choice. InputError if it lies outside of the domain.
Value fitting(const Parameter& p, Value value) {
  if (const auto x = value.number())
    if (const auto step = on_step(p, *x)) return *step;
  if (p.integer() && value.real() && *value.real() == math::floor(*value.real()) && *value.real() < 0x1p53 &&
      *value.real() > -0x1p53)
    value = static_cast<std::int64_t>(*value.real());
  if (!p.contains(value)) throw InputError(str("parameter `", p.name, "` = ", value.json(), " is outside of its range"));
  if (p.real()) return *value.number();
  if (p.choices()) return p.at(*p.index_of(value));
  return value;
}

std::vector<const Value*> by_index(const Space& space, const std::vector<std::pair<std::string, Value>>& given) {
  std::vector<const Value*> out(space.size(), nullptr);
  for (const auto& [name, value] : given) {
    const std::size_t i = space.index(name);
    if (out[i]) throw InputError(str("parameter `", name, "` is given twice"));
    out[i] = &value;
  }
  return out;
}

}  // namespace

Point Space::point(const std::vector<std::pair<std::string, Value>>& given) const {
  std::vector<std::optional<Value>> values(size());
  const auto wanted = by_index(*this, given);
  for (std::size_t i = 0; i < size(); ++i) {
    const Parameter& p = parameter(i);
    const bool on = active(i, values);
    if (on && !wanted[i]) throw InputError(str("parameter `", p.name, "` has no value"));
    if (!on && wanted[i])
      throw InputError(str("parameter `", p.name, "` has a value but is inactive: `", p.when, "` does not hold"));
    if (on) values[i] = fitting(p, *wanted[i]);
  }
  return Point(names_, std::move(values));
}

Point Space::partial(const std::vector<std::pair<std::string, Value>>& given) const {
  std::vector<std::optional<Value>> values(size());
  const auto wanted = by_index(*this, given);
  for (std::size_t i = 0; i < size(); ++i)
    if (wanted[i]) values[i] = fitting(parameter(i), *wanted[i]);
  return Point(names_, std::move(values));
}

bool Space::whole(const Point& point) const {
  for (std::size_t i = 0; i < size(); ++i)
    if (active(i, point.values()) != point.value(i).has_value()) return false;
  return true;
}

Point Space::parse(std::string_view json) const { return point(members(json)); }
Point Space::parse_partial(std::string_view json) const { return partial(members(json)); }

}  // namespace lathe::nas
