#include <lathe/nas/sampler/grid.h>

#include <lathe/base/random.h>
#include <lathe/base/text.h>

namespace lathe::nas {
namespace {
constexpr std::uint64_t kMostShuffled = 1'000'000;
}

GridSampler::GridSampler(const StudyHeader& header) : space_(header.space) {
  check_settings("sampler grid", header.sampler_settings, {"shuffle"});
  const double shuffle = setting(header.sampler_settings, "shuffle", 0);
  if (shuffle != 0 && shuffle != 1) throw InputError(str("sampler grid: shuffle is ", shuffle, ", expected 0 or 1"));
  shuffle_ = shuffle == 1;
  const PointCount count = space_.count();
  if (count.infinite) {
    space_.enumerate([](const Point&) { return true; });  // throws on the way to the first continuous parameter that is active
  }
  if (shuffle_) {
    if (count.saturated || count.points > kMostShuffled)
      throw InputError(
          str("sampler grid: shuffle serves at most ", with_commas(kMostShuffled), " points, the space has ", count.text()));
    space_.enumerate([&](const Point& point) {
      shuffled_.push_back(point);
      return true;
    });
    Random random(random_key(header.seed, 0, "ask:grid"));
    random.shuffle(shuffled_);
  }
}

std::optional<Point> GridSampler::next() {
  if (shuffle_) {
    if (position_ == shuffled_.size()) return std::nullopt;
    return shuffled_[position_++];
  }
  if (at_end_) return std::nullopt;
  cursor_ = space_.next(cursor_);
  at_end_ = !cursor_;
  return cursor_;
}

std::optional<Point> GridSampler::draw(const SamplerView& view, std::uint32_t) {
  for (auto point = next(); point; point = next())
    if (view.admits(*point)) return point;
  return std::nullopt;
}

}  // namespace lathe::nas
