#include <lathe/nas/sampler/sampler.h>

namespace lathe::nas {

std::optional<Point> ask(Sampler& sampler, const SamplerView& view) {
  for (std::uint32_t attempt = 0; attempt < kSamplerDraws; ++attempt) {
    auto point = sampler.draw(view, attempt);
    if (!point) return std::nullopt;
    if (view.admits(*point)) return point;
  }
  for (std::uint32_t attempt = kSamplerDraws; attempt < kSamplerDraws + kUniformDraws; ++attempt) {
    auto point = view.header.space.uniform(view.header.seed, static_cast<std::uint64_t>(view.number), attempt);
    if (view.admits(point)) return point;
  }
  return std::nullopt;
}

}  // namespace lathe::nas
