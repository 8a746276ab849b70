#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/objective.h>
#include <lathe/nas/transformer/quantities.h>

#include <algorithm>
#include <cmath>

namespace lathe::nas {
namespace {

constexpr Direction kMin = Direction::minimise, kMax = Direction::maximise;
constexpr QuantityInfo kQuantities[] = {
    {Quantity::kAccuracy, "accuracy", "", kMax, true, "share of the validation rows that are labelled rightly"},
    {Quantity::kMacroF1, "macro_f1", "", kMax, true, "mean F1 of the classes on the validation rows"},
    {Quantity::kLoss, "loss", "", kMin, true, "mean of -log p(label) on the validation rows"},
    {Quantity::kLatency, "latency_ms", "ms", kMin, false, "predicted time of answering one text"},
    {Quantity::kParams, "params", "", kMin, false, "number of parameters"},
    {Quantity::kFlops, "flops", "", kMin, false, "operations of answering one text of the mean length"},
    {Quantity::kMemory, "memory_mb", "MB", kMin, false, "parameters and activations while answering one text of max_tokens tokens"},
    {Quantity::kSize, "size_mb", "MB", kMin, false, "of the weights as stored: 4 bytes a parameter"},
};

[[noreturn]] void bad_target(std::string_view text, const std::string& why) {
  throw InputError(str("limits.target \"", text, "\": ", why));
}

}  // namespace

std::span<const QuantityInfo> quantities() { return kQuantities; }

const QuantityInfo& info(Quantity quantity) { return kQuantities[static_cast<std::size_t>(quantity)]; }

Quantity quantity(std::string_view name) {
  std::vector<std::string> names;
  for (const QuantityInfo& q : kQuantities) {
    if (name == q.name) return q.quantity;
    names.emplace_back(q.name);
  }
  const auto near = nearest(name, names);
  throw InputError(
      str("there is no quantity `", name, "`; ", near ? str("did you mean `", *near, "`?") : "there are " + join(names, ", ")));
}

Quantity quantity_of(train::Metric metric) { return metric == train::Metric::kAccuracy ? Quantity::kAccuracy : Quantity::kMacroF1; }

double measured_value(Quantity quantity, const train::Scores& scores) {
  LATHE_CHECK(is_measured(quantity));
  return quantity == Quantity::kAccuracy ? scores.accuracy : quantity == Quantity::kMacroF1 ? scores.macro_f1 : scores.loss;
}

double known_value(Quantity quantity, const CandidateCost& cost) {
  switch (quantity) {
    case Quantity::kLatency:
      if (cost.latency_ns < 0) throw InputError("latency_ms is asked for, but no latency was measured to predict it from");
      return static_cast<double>(cost.latency_ns) / 1e6;
    case Quantity::kParams:
      return static_cast<double>(cost.parameters);
    case Quantity::kFlops:
      return static_cast<double>(cost.sentence_flops);
    case Quantity::kMemory:
      return static_cast<double>(cost.inference_bytes) / 1e6;
    case Quantity::kSize:
      return static_cast<double>(4 * cost.parameters) / 1e6;
    default:
      throw InternalError(str(info(quantity).name, " is not known before training"));
  }
}

std::string show_value(Quantity quantity, double value) {
  if (is_measured(quantity)) return fixed(value, 4);
  const std::string unit = info(quantity).unit;
  if (unit.empty()) return with_commas(static_cast<std::int64_t>(value));
  const int decimals = value < 0.1 ? 4 : value < 10 ? 2 : 1;
  return str(fixed(value, decimals), " ", unit);
}

std::string Target::text() const {
  return str(info(quantity).name, at_least ? " >= " : " <= ", lathe::number(number), of_default ? " * default" : "");
}

Limit Target::limit(double value_of_default) const {
  return {quantity, at_least, of_default ? number * value_of_default : number, text()};
}

Target parse_target(std::string_view text) {
  const std::size_t less = text.find("<="), more = text.find(">=");
  const std::size_t at = std::min(less, more);
  if (at == std::string_view::npos) bad_target(text, "expected QUANTITY <= or >= NUMBER, such as accuracy >= 0.95 * default");
  Target target;
  target.at_least = more == at;
  try {
    target.quantity = quantity(trim(text.substr(0, at)));
  } catch (const InputError& error) {
    bad_target(text, error.what());
  }
  std::string_view right = trim(text.substr(at + 2));
  if (const std::size_t star = right.find('*'); star != std::string_view::npos) {
    const std::string_view name = trim(right.substr(star + 1));
    if (name != "default") bad_target(text, str("`", name, "` is no architecture to compare with, expected default"));
    target.of_default = true;
    right = trim(right.substr(0, star));
  } else if (right == "default") {
    target.of_default = true;
    right = "1";
  }
  const auto number = parse_double(right);
  if (!number || !std::isfinite(*number)) bad_target(text, str("`", right, "` is not a number"));
  target.number = *number;
  const bool share = target.quantity == Quantity::kAccuracy || target.quantity == Quantity::kMacroF1;
  if (share && target.at_least && !target.of_default && *number > 1)
    bad_target(text, str(info(target.quantity).name, " is at most 1"));
  return target;
}

void set_objectives(StudyHeader& header, std::span<const Quantity> objectives, train::Metric metric,
                    std::span<const Target> targets) {
  const Quantity by_metric[] = {quantity_of(metric)};
  if (objectives.empty()) objectives = by_metric;
  header.metrics.clear();
  header.directions.clear();
  header.constraints.clear();
  bool measured = false;
  for (const Quantity q : objectives) {
    if (std::find(header.metrics.begin(), header.metrics.end(), info(q).name) != header.metrics.end())
      throw InputError(str("search.objectives names ", info(q).name, " twice"));
    header.metrics.emplace_back(info(q).name);
    header.directions.push_back(info(q).direction);
    measured = measured || is_measured(q);
  }
  for (const Target& target : targets)
    if (is_measured(target.quantity)) header.constraints.push_back(target.text());
  if (!measured && header.constraints.empty())
    throw InputError(
        "nothing that training tells is asked for: search.objectives and limits.target name none of accuracy, macro_f1, loss");
  if (objectives[0] != quantity_of(metric)) header.judging.unit_value = Judging::UnitValue::last;
}

}  // namespace lathe::nas
