// random@1: every active parameter uniform over its range (in log(value) where the range says so). No settings.
#pragma once
#include <lathe/nas/sampler/sampler.h>

namespace lathe::nas {

class RandomSampler final : public Sampler {
 public:
  std::optional<Point> draw(const SamplerView& view, std::uint32_t attempt) override {
    return view.header.space.uniform(view.header.seed, static_cast<std::uint64_t>(view.number), attempt);
  }
};

}  // namespace lathe::nas
