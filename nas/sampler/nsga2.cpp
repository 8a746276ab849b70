#include <lathe/nas/sampler/nsga2.h>

#include <lathe/nas/sampler/options.h>

#include <algorithm>
#include <limits>

namespace lathe::nas {
namespace {
constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kSite = 1;  // site 0 of a parameter's stream is the uniform draw
}  // namespace

std::vector<std::size_t> survivors(const LossTable& losses, std::span<const double> violations, std::size_t count) {
  const auto ranks = non_domination_ranks(losses, violations);
  std::vector<std::vector<std::size_t>> fronts;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i] >= fronts.size()) fronts.resize(ranks[i] + 1);
    fronts[ranks[i]].push_back(i);
  }
  std::vector<std::size_t> out;
  for (const auto& front : fronts) {
    if (out.size() + front.size() <= count) {
      out.insert(out.end(), front.begin(), front.end());
      continue;
    }
    LossTable rows(losses.objectives());
    for (const std::size_t i : front) rows.add(losses[i]);
    const auto distance = crowding_distances(rows);
    std::vector<std::size_t> order(front.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return distance[a] > distance[b]; });
    for (std::size_t i = 0; out.size() < count; ++i) out.push_back(front[order[i]]);
    break;
  }
  std::sort(out.begin(), out.end());
  return out;
}

Nsga2Sampler::Nsga2Sampler(const StudyHeader& header) : ledger_(header) {
  const Options options("nsga2", header.sampler_settings, {"population_size", "crossover_prob", "swapping_prob", "mutation_prob"});
  population_ = static_cast<std::size_t>(options.whole("population_size", 50, 2, 100'000));
  crossover_ = options.real("crossover_prob", 0.9, 0, 1);
  swapping_ = options.real("swapping_prob", 0.5, 0, 1);
  mutation_ = header.sampler_settings.count("mutation_prob") ? options.real("mutation_prob", 0, 0, 1) : -1;
}

void Nsga2Sampler::advance() {
  const auto& commits = ledger_.commits();
  if (read_ > commits.size()) {
    parents_.clear();
    generation_.clear();
    read_ = 0;
  }
  while (read_ < commits.size()) {
    const std::uint32_t trial = commits[read_++];
    if (ledger_.rows()[trial].state != TrialState::complete) continue;
    generation_.push_back(trial);
    if (generation_.size() < population_) continue;
    generation_.insert(generation_.end(), parents_.begin(), parents_.end());
    std::sort(generation_.begin(), generation_.end());
    LossTable losses(ledger_.objectives());
    std::vector<double> violations;
    for (const std::uint32_t t : generation_) {
      losses.add(ledger_.losses(t));
      violations.push_back(ledger_.rows()[t].violation);
    }
    parents_.clear();
    for (const std::size_t i : survivors(losses, violations, population_)) parents_.push_back(generation_[i]);
    generation_.clear();
  }
}

bool Nsga2Sampler::beats(std::uint32_t a, std::uint32_t b) const {
  const double va = ledger_.rows()[a].violation, vb = ledger_.rows()[b].violation;
  if (va > 0 || vb > 0) return va < vb;
  return dominates(ledger_.losses(a), ledger_.losses(b), ledger_.objectives());
}

std::uint32_t Nsga2Sampler::tournament(Random& random, std::uint32_t excluded) const {
  const auto entrant = [&] {
    std::vector<std::uint32_t>::size_type others = parents_.size() - (excluded != kNobody);
    std::size_t i = random.below(static_cast<std::uint32_t>(others));
    if (excluded != kNobody && parents_[i] >= excluded) ++i;  // ascending: this leaves out exactly the excluded one
    return parents_[i];
  };
  const std::uint32_t first = entrant(), second = entrant();
  return beats(first, second) ? first : second;
}

std::optional<Point> Nsga2Sampler::draw(const SamplerView& view, std::uint32_t attempt) {
  ledger_.update(view.history);
  advance();
  const auto number = static_cast<std::uint64_t>(view.number);
  if (parents_.empty()) return view.header.space.uniform(view.header.seed, number, attempt);
  Random random(random_key(view.header.seed, number, "ask:#nsga2"), 0, 0, attempt);
  std::uint32_t first = 0, second = 0;
  if (uniform53(random) < crossover_) {
    first = tournament(random, kNobody);
    second = tournament(random, first);
  } else {
    first = second = parents_[random.below(static_cast<std::uint32_t>(parents_.size()))];
  }
  double rate = mutation_;
  if (rate < 0) {
    double free = 0;
    for (std::size_t i = 0; i < ledger_.axes().size(); ++i) free += !ledger_.axes()[i].single() && ledger_.has(i, first);
    rate = 1 / std::max(1.0, free);
  }
  const auto& trials = view.history.trials;
  return view.header.space.make([&](std::size_t i, const Parameter& p) {
    Random own(random_key(view.header.seed, number, "ask:" + p.name), 0, kSite, attempt);
    const bool swapped = uniform53(own) >= swapping_, mutated = uniform53(own) < rate;
    const auto& from = trials[swapped ? second : first].point.value(i);
    const auto& other = trials[swapped ? first : second].point.value(i);
    if (mutated || (!from && !other)) return ledger_.axes()[i].at(uniform53(own));
    return from ? *from : *other;
  });
}

std::vector<std::int64_t> Nsga2Sampler::parents(const SamplerView& view) {
  ledger_.update(view.history);
  advance();
  return {parents_.begin(), parents_.end()};
}

}  // namespace lathe::nas
