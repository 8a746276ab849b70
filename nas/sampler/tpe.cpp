#include <lathe/nas/sampler/tpe.h>

#include <lathe/base/math.h>
#include <lathe/nas/pareto.h>
#include <lathe/nas/sampler/options.h>

#include <algorithm>
#include <tuple>

namespace lathe::nas {
namespace {

constexpr std::size_t kMostBelow = 25;  // one objective
constexpr std::uint32_t kSiteCoordinate = 1, kSiteKernel = 2;

std::size_t tenth(std::size_t n) { return (n + 9) / 10; }

// A normal (μ, σ) cut to the layout of the axis. At least a third of a kernel lies inside.
double truncated_normal(Random& random, double mu, double sigma, const Axis& axis) {
  for (int i = 0; i < 1000; ++i) {
    const double x = mu + sigma * random.normal();
    if (x >= axis.low() && x <= axis.high()) return x;
  }
  return mu;
}

double draw_choice(double uniform, double choices, double own, double share) {
  // Own with probability share·1 + own, every other with `share`: laid out in the order of the choices.
  double sum = 0;
  for (double choice = 0; choice + 1 < choices; ++choice) {
    sum += choice == own ? 1 - (choices - 1) * share : share;
    if (uniform < sum) return choice;
  }
  return choices - 1;
}

}  // namespace

TpeSampler::TpeSampler(const StudyHeader& header) : ledger_(header), builder_(ledger_) {
  const Options options("tpe", header.sampler_settings,
                        {"n_startup_trials", "n_ei_candidates", "multivariate", "group", "constant_liar"});
  n_startup_ = static_cast<std::size_t>(options.whole("n_startup_trials", 10, 0));
  n_candidates_ = static_cast<std::size_t>(options.whole("n_ei_candidates", 24, 1, 10'000));
  multivariate_ = options.flag("multivariate", header.directions.size() == 1);
  group_ = options.flag("group", multivariate_);
  liar_ = options.flag("constant_liar", true);
  if (group_ && !multivariate_) throw InputError("sampler tpe: group is 1, but multivariate is 0");
}

// The best of `complete` that fit into `room`, to the front.
void TpeSampler::choose_below(std::vector<std::uint32_t>& complete, std::size_t room) {
  room = std::min(room, complete.size());
  if (room == 0 || room == complete.size()) return;
  const auto& rows = ledger_.rows();
  if (ledger_.objectives() == 1) {
    std::nth_element(
        complete.begin(), complete.begin() + static_cast<std::ptrdiff_t>(room - 1), complete.end(),
        [&](std::uint32_t a, std::uint32_t b) { return rows[a].loss != rows[b].loss ? rows[a].loss < rows[b].loss : a < b; });
    return;
  }
  LossTable losses(ledger_.objectives());
  for (const std::uint32_t trial : complete) losses.add(ledger_.losses(trial));
  const std::vector<std::size_t> best = best_by_rank_and_volume(losses, room);
  std::vector<bool> chosen(complete.size(), false);
  for (const std::size_t i : best) chosen[i] = true;
  std::vector<std::uint32_t> front, rest;
  for (std::size_t i = 0; i < complete.size(); ++i) (chosen[i] ? front : rest).push_back(complete[i]);
  front.insert(front.end(), rest.begin(), rest.end());
  complete = std::move(front);
}

void TpeSampler::split() {
  const auto& rows = ledger_.rows();
  sides_.assign(rows.size(), Side::none);
  std::vector<std::uint32_t> complete, pruned, infeasible;
  for (std::uint32_t trial = 0; trial < rows.size(); ++trial) {
    const Ledger::Row& row = rows[trial];
    if (row.state == TrialState::failed) continue;
    if (row.state == TrialState::running) {
      if (liar_) sides_[trial] = Side::above;
      continue;
    }
    sides_[trial] = Side::above;
    (row.violation > 0 ? infeasible : row.state == TrialState::complete ? complete : pruned).push_back(trial);
  }
  std::size_t room = tenth(ledger_.usable());
  if (ledger_.objectives() == 1) room = std::min(room, kMostBelow);
  choose_below(complete, room);
  std::sort(pruned.begin(), pruned.end(), [&](std::uint32_t a, std::uint32_t b) {
    const Ledger::Row &x = rows[a], &y = rows[b];
    if (x.reported != y.reported) return x.reported;
    if (x.reported && x.last_step != y.last_step) return x.last_step > y.last_step;
    if (x.reported && x.last_loss != y.last_loss) return x.last_loss < y.last_loss;
    return a < b;
  });
  std::sort(infeasible.begin(), infeasible.end(), [&](std::uint32_t a, std::uint32_t b) {
    return rows[a].violation != rows[b].violation ? rows[a].violation < rows[b].violation : a < b;
  });
  for (const auto* list : {&complete, &pruned, &infeasible})
    for (std::size_t i = 0; i < list->size() && room; ++i, --room) sides_[(*list)[i]] = Side::below;
}

void TpeSampler::partition() {
  const auto& axes = ledger_.axes();
  const auto& commits = ledger_.commits();
  if (grouped_ > commits.size()) {
    groups_.clear();
    patterns_.clear();
    grouped_ = 0;
  }
  for (; grouped_ < commits.size(); ++grouped_) {
    std::vector<bool> has(axes.size());
    for (std::size_t a = 0; a < axes.size(); ++a) has[a] = !axes[a].single() && ledger_.has(a, commits[grouped_]);
    if (!patterns_.insert(has).second) continue;
    std::vector<std::vector<std::size_t>> finer;
    std::vector<bool> left = has;
    for (const auto& group : groups_) {
      std::vector<std::size_t> inside, outside;
      for (const std::size_t a : group) {
        (has[a] ? inside : outside).push_back(a);
        left[a] = false;
      }
      for (auto* part : {&inside, &outside})
        if (!part->empty()) finer.push_back(std::move(*part));
    }
    std::vector<std::size_t> rest;
    for (std::size_t a = 0; a < axes.size(); ++a)
      if (left[a]) rest.push_back(a);
    if (!rest.empty()) finer.push_back(std::move(rest));
    groups_ = std::move(finer);
  }
}

void TpeSampler::prepare(const SamplerView& view) {
  ledger_.update(view.history);
  if (ready_for_ == view.number && ready_finished_ == ledger_.finished() && ready_trials_ == ledger_.trials()) return;
  ready_for_ = view.number;
  ready_finished_ = ledger_.finished();
  ready_trials_ = ledger_.trials();
  round_ = static_cast<std::uint32_t>(-1);
  const auto& axes = ledger_.axes();
  keys_.clear();
  for (const Axis& axis : axes)
    keys_.push_back(random_key(view.header.seed, static_cast<std::uint64_t>(view.number), "ask:" + axis.name()));
  std::vector<std::vector<std::size_t>> blocks;
  std::vector<bool> covered(axes.size(), false);
  if (multivariate_) {
    partition();
    if (group_) blocks = groups_;
    if (!group_) {
      blocks.emplace_back();
      for (std::size_t a = 0; a < axes.size(); ++a) {
        const bool always = std::all_of(patterns_.begin(), patterns_.end(), [&](const std::vector<bool>& has) { return has[a]; });
        if (always && !axes[a].single()) blocks[0].push_back(a);
      }
      if (blocks[0].empty()) blocks.clear();
    }
    for (const auto& block : blocks)
      for (const std::size_t a : block) covered[a] = true;
  }
  for (std::size_t a = 0; a < axes.size(); ++a)
    if (!covered[a] && !axes[a].single()) blocks.push_back({a});
  blocks_.resize(blocks.size());
  split();
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    blocks_[b].axes = blocks[b];
    Block& block = blocks_[b];
    const bool several = ledger_.objectives() > 1;
    if (blocks[b].size() == 1) {
      builder_.build_line(sides_, blocks[b][0], several, block.below, block.below_line, block.above_line);
    } else {
      builder_.build(sides_, blocks[b], several, block.below, block.above);
    }
  }
}

std::pair<double, double> TpeSampler::log_densities(Block& block, const std::vector<Place>& places) {
  if (places.size() == 1) {
    MassCache& masses = builder_.masses();
    return {block.below_line.log_density(places[0], masses), block.above_line.log_density(places[0], masses)};
  }
  MassCache& masses = builder_.log_masses();
  return {block.below.log_density(places, masses), block.above.log_density(places, masses)};
}

void TpeSampler::draw_candidates(const SamplerView&, std::uint32_t round, Block& block) {
  const auto& axes = ledger_.axes();
  const std::size_t dimensions = block.axes.size();
  block.candidates.resize(n_candidates_ * dimensions);
  std::vector<double> score(n_candidates_);
  std::vector<Place> places(dimensions);
  for (std::uint32_t c = 0; c < n_candidates_; ++c) {
    Random picks(keys_[block.axes[0]], c, kSiteKernel, round);
    const std::size_t kernel = block.below.pick(uniform53(picks));
    const double share = 1 / static_cast<double>(block.below.kernels());
    for (std::size_t d = 0; d < dimensions; ++d) {
      const Axis& axis = axes[block.axes[d]];
      const Kernels& kernels = block.below.dimensions[d];
      Random random(keys_[block.axes[d]], c, kSiteCoordinate, round);
      double x = 0;
      if (axis.kind() == Axis::Kind::choice) {
        const auto choices = static_cast<double>(axis.count());
        const bool prior = kernel + 1 == block.below.kernels();
        x = draw_choice(uniform53(random), choices, kernels.mu[kernel], prior ? 1 / choices : share / (1 + choices * share));
      } else {
        x = axis.from_layout(truncated_normal(random, kernels.mu[kernel], kernels.sigma[kernel], axis));
      }
      block.candidates[c * dimensions + d] = x;
      places[d] = place_of(axis, x);
    }
    const auto [below, above] = log_densities(block, places);
    score[c] = below - above;
  }
  block.ranking.resize(n_candidates_);
  for (std::uint32_t c = 0; c < n_candidates_; ++c) block.ranking[c] = c;
  std::sort(block.ranking.begin(), block.ranking.end(),
            [&](std::uint32_t a, std::uint32_t b) { return score[a] != score[b] ? score[a] > score[b] : a < b; });
}

std::optional<Point> TpeSampler::draw(const SamplerView& view, std::uint32_t attempt) {
  prepare(view);
  if (ledger_.usable() < n_startup_)
    return view.header.space.uniform(view.header.seed, static_cast<std::uint64_t>(view.number), attempt);
  const auto round = static_cast<std::uint32_t>(attempt / n_candidates_);
  const std::size_t rank = attempt % n_candidates_;
  if (round != round_) {
    for (Block& block : blocks_) draw_candidates(view, round, block);
    round_ = round;
  }
  std::vector<double> x(ledger_.axes().size(), 0);
  for (const Block& block : blocks_)
    for (std::size_t d = 0; d < block.axes.size(); ++d)
      x[block.axes[d]] = block.candidates[block.ranking[rank] * block.axes.size() + d];
  return view.header.space.make(
      [&](std::size_t i, const Parameter& p) { return ledger_.axes()[i].single() ? p.at(0) : ledger_.axes()[i].value(x[i]); });
}

std::vector<TpeSampler::Ratio> TpeSampler::ratios(const SamplerView& view, const std::vector<double>& coordinates) {
  prepare(view);
  std::vector<Ratio> out;
  for (Block& block : blocks_) {
    Ratio ratio;
    std::vector<Place> places;
    for (const std::size_t a : block.axes) {
      ratio.parameters.push_back(ledger_.axes()[a].name());
      places.push_back(place_of(ledger_.axes()[a], coordinates.at(a)));
    }
    std::tie(ratio.log_below, ratio.log_above) = log_densities(block, places);
    out.push_back(std::move(ratio));
  }
  return out;
}

std::vector<std::int64_t> TpeSampler::below(const SamplerView& view) {
  prepare(view);
  std::vector<std::int64_t> out;
  for (std::size_t trial = 0; trial < sides_.size(); ++trial)
    if (sides_[trial] == Side::below) out.push_back(static_cast<std::int64_t>(trial));
  return out;
}

}  // namespace lathe::nas
