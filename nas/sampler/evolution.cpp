#include <lathe/nas/sampler/evolution.h>

#include <lathe/base/text.h>
#include <lathe/nas/sampler/options.h>

namespace lathe::nas {
namespace {
constexpr std::uint32_t kSite = 1;  // site 0 of a parameter's stream is the uniform draw
}

EvolutionSampler::EvolutionSampler(const StudyHeader& header) : ledger_(header) {
  const Options options("evolution", header.sampler_settings, {"population_size", "sample_size"});
  population_ = options.whole("population_size", 50, 2, 1'000'000);
  sample_ = options.whole("sample_size", std::min<std::int64_t>(10, population_), 1, population_);
  if (header.directions.size() != 1)
    throw InputError(
        str("sampler evolution serves one objective, the study has ", header.directions.size(), "; take nsga2 or tpe"));
}

std::optional<std::uint32_t> EvolutionSampler::parent(Random& random) const {
  const auto& rows = ledger_.rows();
  const auto& commits = ledger_.commits();
  std::vector<std::uint32_t> population;
  for (std::size_t i = commits.size(); i-- > 0 && population.size() < static_cast<std::size_t>(population_);)
    if (rows[commits[i]].state == TrialState::complete) population.push_back(commits[i]);
  if (population.empty()) return std::nullopt;
  const auto before = [&](std::uint32_t a, std::uint32_t b) {
    if (rows[a].violation != rows[b].violation) return rows[a].violation < rows[b].violation;
    return rows[a].loss != rows[b].loss ? rows[a].loss < rows[b].loss : a < b;
  };
  std::uint32_t best = population[random.below(static_cast<std::uint32_t>(population.size()))];
  for (std::int64_t i = 1; i < sample_; ++i) {
    const std::uint32_t other = population[random.below(static_cast<std::uint32_t>(population.size()))];
    if (before(other, best)) best = other;
  }
  return best;
}

Value EvolutionSampler::other_value(std::size_t i, double old, Random& random) const {
  const Axis& axis = ledger_.axes()[i];
  Value value = axis.at(uniform53(random));
  for (int tries = 0; tries < 100 && axis.coordinate(value) == old; ++tries) value = axis.at(uniform53(random));
  if (axis.coordinate(value) != old) return value;
  return axis.value(old == axis.last() ? axis.first() : axis.last());  // the rest is next to improbable (log ranges)
}

std::optional<Point> EvolutionSampler::draw(const SamplerView& view, std::uint32_t attempt) {
  ledger_.update(view.history);
  const auto number = static_cast<std::uint64_t>(view.number);
  Random random(random_key(view.header.seed, number, "ask:#evolution"), 0, 0, attempt);
  const bool uniform = ledger_.trials() < static_cast<std::size_t>(population_);  // adopted trials count
  const auto chosen = uniform ? std::nullopt : parent(random);
  if (!chosen) return view.header.space.uniform(view.header.seed, number, attempt);
  std::vector<std::size_t> changeable;
  for (std::size_t i = 0; i < ledger_.axes().size(); ++i)
    if (ledger_.has(i, *chosen) && !ledger_.axes()[i].single()) changeable.push_back(i);
  if (changeable.empty()) return view.header.space.uniform(view.header.seed, number, attempt);
  const std::size_t changed = changeable[random.below(static_cast<std::uint32_t>(changeable.size()))];
  const Point& from = view.history.trials[*chosen].point;
  return view.header.space.make([&](std::size_t i, const Parameter& p) {
    if (i != changed && from.value(i)) return *from.value(i);
    Random own(random_key(view.header.seed, number, "ask:" + p.name), 0, kSite, attempt);
    return i == changed ? other_value(i, ledger_.column(i).x[*chosen], own) : ledger_.axes()[i].at(uniform53(own));
  });
}

}  // namespace lathe::nas
