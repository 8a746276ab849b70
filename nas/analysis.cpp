#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/front.h>
#include <lathe/nas/study.h>

#include <algorithm>

namespace lathe::nas {

bool better(double a, double b, Direction direction) { return direction == Direction::minimise ? a < b : a > b; }

namespace {

/// Before `b` on the leaderboard, numbers aside.
bool preferred(const Trial& a, const Trial& b, Direction direction) {
  const double broken_a = violation(a), broken_b = violation(b);
  return broken_a != broken_b ? broken_a < broken_b : better(a.values[0], b.values[0], direction);
}

}  // namespace

std::vector<std::int64_t> leaderboard(const History& history, Direction direction) {
  std::vector<std::int64_t> out;
  for (const Trial& trial : history.trials)
    if (trial.state == TrialState::complete) out.push_back(trial.number);
  const auto trial = [&](std::int64_t n) -> const Trial& { return history.trials[static_cast<std::size_t>(n)]; };
  std::stable_sort(out.begin(), out.end(),
                   [&](std::int64_t a, std::int64_t b) { return preferred(trial(a), trial(b), direction); });
  return out;
}

Counts count_states(const History& history) {
  Counts counts;
  for (const Trial& trial : history.trials) switch (trial.state) {
      case TrialState::running:
        ++counts.running;
        break;
      case TrialState::complete:
        ++counts.complete;
        break;
      case TrialState::pruned:
        ++counts.pruned;
        break;
      case TrialState::failed:
        ++counts.failed;
        break;
    }
  return counts;
}

std::vector<BestSoFar> best_so_far(const History& history, Direction direction) {
  std::vector<BestSoFar> out;
  for (const std::int64_t number : history.finished) {
    const Trial& trial = history.trials[static_cast<std::size_t>(number)];
    if (trial.state != TrialState::complete) continue;
    BestSoFar entry{trial.finish_event, number, trial.values[0]};
    if (!out.empty() && !preferred(trial, history.trials[static_cast<std::size_t>(out.back().trial)], direction)) {
      entry.trial = out.back().trial;
      entry.value = out.back().value;
    }
    out.push_back(entry);
  }
  return out;
}

std::string EdgeWarning::text() const {
  return str("`", parameter, "` is at the ", top ? "top" : "bottom", " of its range in ", hits, " of the ", of,
             " best trials: widen it");
}

namespace {

// −1 at the lower edge, +1 at the upper one, 0 between.
int edge(const Parameter& p, const Value& value) {
  if (p.categorical()) return 0;
  if (const auto n = p.count()) {
    const auto index = p.index_of(value);
    if (*n <= 2 || !index) return 0;
    return *index == 0 ? -1 : *index + 1 == *n ? 1 : 0;
  }
  const RealRange& r = *p.real();
  const auto scale = [&](double x) { return r.log ? math::log(x) : x; };
  const double share = (scale(*value.number()) - scale(r.low)) / (scale(r.high) - scale(r.low));
  return share <= 0.05 ? -1 : share >= 0.95 ? 1 : 0;
}

}  // namespace

std::vector<EdgeWarning> edge_warnings(const Space& space, const History& history, std::span<const Direction> directions,
                                       int best) {
  LATHE_CHECK(!directions.empty(), "a study has an objective");
  auto top = directions.size() > 1 ? pareto_front(history, directions) : leaderboard(history, directions[0]);
  const auto most = static_cast<std::size_t>(std::max(best, 0));
  if (directions.size() == 1 && top.size() > most) top.resize(most);
  std::vector<EdgeWarning> out;
  if (top.size() < 3) return out;  // one or two trials say nothing about a range
  for (std::size_t i = 0; i < space.size(); ++i) {
    int low = 0, high = 0, active = 0;
    for (const std::int64_t number : top) {
      const auto& value = history.trials[static_cast<std::size_t>(number)].point.value(i);
      if (!value) continue;
      ++active;
      const int where = edge(space.parameter(i), *value);
      low += where < 0;
      high += where > 0;
    }
    const int of = static_cast<int>(top.size());
    if (active < 3) continue;
    // Four of five, or the same share of fewer.
    if (5 * high >= 4 * of) out.push_back({space.parameter(i).name, true, high, of});
    if (5 * low >= 4 * of) out.push_back({space.parameter(i).name, false, low, of});
  }
  return out;
}

}  // namespace lathe::nas
