// grid@1: every point once, in lexicographic order (the last parameter varies fastest); points that break a rule or a limit
// are passed over without counting as draws. Setting `shuffle` = 1 visits them in a random order fixed by the seed instead
// (at most a million points), so that a budget smaller than the grid covers it evenly. InputError if the space is infinite.
#pragma once
#include <lathe/nas/sampler/sampler.h>

namespace lathe::nas {

class GridSampler final : public Sampler {
 public:
  explicit GridSampler(const StudyHeader& header);
  std::optional<Point> draw(const SamplerView& view, std::uint32_t attempt) override;

 private:
  std::optional<Point> next();
  // A cache: what lies before the cursor was refused once, and a point that is refused once is refused for ever.
  std::optional<Point> cursor_;
  bool at_end_ = false;
  const Space space_;
  std::vector<Point> shuffled_;
  std::size_t position_ = 0;
  bool shuffle_ = false;
};

}  // namespace lathe::nas
