#include <lathe/base/error.h>
#include <lathe/base/math.h>
#include <lathe/base/random.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/supernet_space.h>
#include <lathe/nn/transformer.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>

namespace lathe::nas {
namespace {

constexpr std::uint32_t kDraws = 1024, kStrata = 8;
constexpr std::uint64_t kValues = 64;  ///< of one parameter that a climb looks at

/// "heads" of "layers[2].heads".
std::string_view plain_name(std::string_view name) {
  const std::size_t at = name.find("].");
  return name.starts_with("layers[") && at != std::string_view::npos ? name.substr(at + 2) : name;
}

bool is_shareable(std::string_view name) {
  const auto& names = shareable_names();
  return std::find(names.begin(), names.end(), plain_name(name)) != names.end();
}

/// The number behind value `index` of a parameter, 0 for names.
double size_of(const Parameter& parameter, std::uint64_t index) { return parameter.at(index).number().value_or(0); }

/// `largest`: the greatest value everywhere. `following`: sizes that follow others do so where the space lets them (head_dim and
/// ffn of 0), and heads are the fewest, so that the columns of a head are the most.
enum class Corner { largest, following };

Point corner(const Space& space, Corner which) {
  return space.make([&](std::size_t, const Parameter& parameter) {
    const std::string_view name = plain_name(parameter.name);
    const auto rank = [&](std::uint64_t index) {
      const double size = size_of(parameter, index);
      if (which == Corner::largest) return size;
      if (name == "heads") return -size;
      const bool follows = size == 0 && (name == "head_dim" || name == "ffn");
      return follows ? std::numeric_limits<double>::infinity() : size;
    };
    std::uint64_t best = 0;
    for (std::uint64_t i = 1; i < parameter.count().value_or(0); ++i)
      if (rank(i) > rank(best)) best = i;
    return parameter.at(best);
  });
}

/// How large: parameters without the token table, which says nothing of depth and layers.
std::int64_t body_size(const nn::TransformerConfig& config) {
  return nn::count_parameters(config) - config.vocab_size * config.hidden;
}

struct Sized {
  Point point;
  nn::TransformerConfig architecture;
  std::int64_t size = 0;
};

class Pool {
 public:
  Pool(const Space& space, const Candidate& base, const TaskShape& task, const std::function<bool(const Point&)>& admissible)
      : space_(space), base_(base), task_(task), admissible_(admissible) {}

  std::optional<Sized> sized(const Point& point) const {
    if (!space_.valid(point) || !admissible_(point)) return {};
    Sized out{point, apply(base_, point).architecture(task_), 0};
    out.size = body_size(out.architecture);
    return out;
  }

  /// Distinct admissible points, smallest first; equals in the order of their draws.
  std::vector<Sized> drawn(std::uint64_t seed) const {
    std::vector<Sized> pool;
    std::set<std::string> seen;
    for (std::uint32_t i = 0; i < kDraws; ++i) {
      const Point point = space_.uniform(seed, kSupernetTrial, i);
      if (!seen.insert(point.json()).second) continue;
      if (auto member = sized(point)) pool.push_back(std::move(*member));
    }
    if (pool.empty())
      throw InputError(str("[supernet] none of ", kDraws, " points of the space is a model within the limits: widen them"));
    std::stable_sort(pool.begin(), pool.end(), [](const Sized& a, const Sized& b) { return a.size < b.size; });
    return pool;
  }

  /// Coordinate ascent (sign 1) or descent (−1).
  Sized climbed(Sized best, int sign) const {
    for (bool better = true; better;) {
      better = false;
      for (std::size_t i = 0; i < space_.size(); ++i) {
        const std::uint64_t count = *space_.parameter(i).count(), steps = std::min(count, kValues);
        for (std::uint64_t s = 0; s < steps; ++s) {
          const Value value = space_.parameter(i).at(steps < 2 ? 0 : s * (count - 1) / (steps - 1));
          auto next = sized(space_.make([&](std::size_t j, const Parameter& parameter) {
            return j == i ? value : best.point.value(j).value_or(parameter.at(0));
          }));
          if (!next || sign * next->size <= sign * best.size) continue;
          best = std::move(*next);
          better = true;
        }
      }
    }
    return best;
  }

 private:
  const Space& space_;
  const Candidate& base_;
  const TaskShape& task_;
  const std::function<bool(const Point&)>& admissible_;
};

}  // namespace

const std::vector<std::string>& shareable_names() {
  static const std::vector<std::string> names = {"layers", "hidden", "heads", "head_dim", "expansion", "ffn", "activation"};
  return names;
}

void check_shareable(const Space& space) {
  std::vector<std::string> bad;
  for (const Parameter& parameter : space.parameters())
    if (!is_shareable(parameter.name) || !parameter.count()) bad.push_back("`" + parameter.name + "`");
  if (!bad.empty())
    throw InputError(str("[supernet] ", join(bad, ", "),
                         " cannot be searched on shared weights, which one training makes for all architectures: take ",
                         bad.size() == 1 ? "it" : "them", " out of [space]; shared are ", join(shareable_names(), ", ")));
  const Point largest = corner(space, Corner::largest);
  for (std::size_t i = 0; i < space.size(); ++i)
    if (!largest.value(i))
      throw InputError(str("[supernet] `", space.parameter(i).name, "` is not active in the largest model (when ",
                           space.parameter(i).when, "): shared weights need it to be"));
}

nn::TransformerConfig whole_of(const Space& space, const Candidate& base, const TaskShape& task) {
  nn::TransformerConfig whole = apply(base, corner(space, Corner::largest)).architecture(task);
  const nn::TransformerConfig following = apply(base, corner(space, Corner::following)).architecture(task);
  for (std::size_t i = 0; i < whole.layers.size(); ++i) {
    const Index size = std::max(whole.head_dim(i), following.head_dim(i));
    whole.layers[i].head_dim = whole.positions == nn::Positions::kRotary ? size + size % 2 : size;  // rotary turns pairs
    whole.layers[i].ffn = std::max(whole.layers[i].ffn, following.layers[i].ffn);
  }
  whole.validate();
  return whole;
}

SharedSpace share_space(const Space& space, const Candidate& base, const TaskShape& task, std::uint64_t seed,
                        const std::function<bool(const Point&)>& admissible) {
  check_shareable(space);
  SharedSpace shared;
  shared.whole = whole_of(space, base, task);
  const Pool pool(space, base, task, admissible);
  const std::vector<Sized> drawn = pool.drawn(seed);
  const Sized smallest = pool.climbed(drawn.front(), -1), largest = pool.climbed(drawn.back(), 1);
  shared.smallest = smallest.architecture;
  shared.largest = largest.architecture;
  const double low = math::log(static_cast<double>(smallest.size)), high = math::log(static_cast<double>(largest.size));
  std::vector<std::vector<nn::TransformerConfig>> strata(kStrata);
  for (const Sized& member : drawn) {
    const double place = high > low ? (math::log(static_cast<double>(member.size)) - low) / (high - low) * kStrata : 0;
    strata[std::min(static_cast<std::size_t>(place), std::size_t{kStrata - 1})].push_back(member.architecture);
  }
  for (auto& stratum : strata)
    if (!stratum.empty()) shared.strata.push_back(std::move(stratum));
  return shared;
}

std::string SharedSpace::hash() const {
  Sha256 hash;
  const auto add = [&](const nn::TransformerConfig& config) {
    const std::string text = config.to_json();
    hash.add_u64(text.size()).add(text);
  };
  add(whole);
  add(largest);
  add(smallest);
  for (const auto& stratum : strata) {
    hash.add_u64(stratum.size());
    for (const nn::TransformerConfig& member : stratum) add(member);
  }
  return to_hex(hash.finish());
}

const nn::TransformerConfig& draw_part(const SharedSpace& shared, std::uint64_t seed, std::uint64_t draw) {
  const RandomKey key = random_key(seed, kSupernetTrial, "supernet");
  std::vector<std::size_t> order(shared.strata.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  Random(key, static_cast<std::uint32_t>(draw / order.size()), 0).shuffle(order);
  const auto& stratum = shared.strata[order[draw % order.size()]];
  return stratum[Random(key, static_cast<std::uint32_t>(draw), 1).below(static_cast<std::uint32_t>(stratum.size()))];
}

}  // namespace lathe::nas
