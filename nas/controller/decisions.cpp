#include <lathe/nas/controller/decisions.h>

#include <lathe/base/math.h>

#include <algorithm>

namespace lathe::nas {

Decisions::Decisions(const Space& space, std::int64_t bins) : space_(space), of_parameter_(space.size()) {
  for (std::size_t i = 0; i < space.size(); ++i) {
    const Parameter& parameter = space.parameter(i);
    Axis axis(parameter);
    if (axis.single()) continue;
    const auto most = static_cast<std::uint64_t>(bins);
    const bool by_value = parameter.categorical() || (axis.count() > 0 && axis.count() <= most);
    of_parameter_[i] = decisions_.size();
    std::vector<std::uint64_t> starts;
    if (!by_value && axis.count() > 0) starts = parts_of(parameter, axis, most);
    decisions_.push_back(
        {i, by_value ? static_cast<std::int64_t>(axis.count()) : bins, by_value, std::move(axis), std::move(starts), {}});
  }
  for (std::size_t r = 0; r < space.rules().size(); ++r) {
    const auto& uses = space.rules()[r].uses();
    if (uses.empty() || !of_parameter_[uses.back()]) continue;
    Decision& last = decisions_[*of_parameter_[uses.back()]];
    if (last.by_value) last.rules.push_back(r);
  }
}

std::vector<std::uint64_t> Decisions::parts_of(const Parameter& parameter, const Axis& axis, std::uint64_t parts) {
  const std::uint64_t count = axis.count();
  std::vector<std::uint64_t> starts(parts + 1, 0);
  starts[parts] = count;
  for (std::uint64_t part = 1; part < parts; ++part) {
    if (!axis.log()) {
      starts[part] = count / parts * part + count % parts * part / parts;  // ⌊count · part / parts⌋
      continue;
    }
    const double border = axis.low() + static_cast<double>(part) / static_cast<double>(parts) * (axis.high() - axis.low());
    const Value value = axis.value(axis.from_layout(border));
    const std::uint64_t first = *parameter.index_of(value) + (axis.layout(axis.coordinate(value)) < border ? 1 : 0);
    starts[part] = std::min(std::max(first, starts[part - 1] + 1), count - (parts - part));
  }
  return starts;
}

std::int32_t Decisions::choice_of(const Decision& decision, const Value& value) const {
  if (decision.by_value || !decision.starts.empty()) {
    const auto index = space_.parameter(decision.parameter).index_of(value);
    LATHE_CHECK(index.has_value(), "a value of " + decision.axis.name() + " is not in its domain");
    if (decision.by_value) return static_cast<std::int32_t>(*index);
    const auto behind = std::upper_bound(decision.starts.begin(), decision.starts.end(), *index);
    return static_cast<std::int32_t>(behind - decision.starts.begin() - 1);
  }
  const Axis& axis = decision.axis;
  const double place = (axis.layout(axis.coordinate(value)) - axis.low()) / (axis.high() - axis.low());
  const double part = math::floor(place * static_cast<double>(decision.choices));
  return static_cast<std::int32_t>(std::min(std::max(part, 0.0), static_cast<double>(decision.choices - 1)));
}

std::vector<std::int32_t> Decisions::chosen(const Point& point) const {
  std::vector<std::int32_t> out;
  out.reserve(size());
  for (const Decision& decision : decisions_) {
    const auto& value = point.value(decision.parameter);
    out.push_back(value ? choice_of(decision, *value) : kInactive);
  }
  return out;
}

std::vector<bool> Decisions::allowed(std::size_t decision, std::span<const std::optional<Value>> values) const {
  const Decision& d = decisions_[decision];
  std::vector<bool> out(static_cast<std::size_t>(d.choices), true);
  if (d.rules.empty()) return out;
  std::vector<std::optional<Value>> tried(values.begin(), values.end());
  for (std::size_t c = 0; c < out.size(); ++c) {
    tried[d.parameter] = space_.parameter(d.parameter).at(c);
    for (const std::size_t r : d.rules) out[c] = out[c] && space_.rules()[r].holds(tried).value_or(true);
  }
  if (std::find(out.begin(), out.end(), true) == out.end()) out.assign(out.size(), true);
  return out;
}

Value Decisions::value(std::size_t decision, std::int32_t choice, double uniform) const {
  const Decision& d = decisions_[decision];
  const Parameter& parameter = space_.parameter(d.parameter);
  if (d.by_value) return parameter.at(static_cast<std::uint64_t>(choice));
  if (!d.starts.empty()) {
    const std::uint64_t first = d.starts[static_cast<std::size_t>(choice)],
                        last = d.starts[static_cast<std::size_t>(choice) + 1] - 1;
    if (!d.axis.log())
      return parameter.at(std::min(first + static_cast<std::uint64_t>(uniform * static_cast<double>(last - first + 1)), last));
    const double low = d.axis.lower(d.axis.coordinate(parameter.at(first))),
                 high = d.axis.upper(d.axis.coordinate(parameter.at(last)));
    const std::uint64_t index = *parameter.index_of(d.axis.value(d.axis.from_layout(low + uniform * (high - low))));
    return parameter.at(std::clamp(index, first, last));
  }
  return d.axis.at((static_cast<double>(choice) + uniform) / static_cast<double>(d.choices));
}

}  // namespace lathe::nas
