// Samplers: where the next point comes from.
//
// A sampler is a pure function of (header, committed results in order, pending trials, trial number, attempt). It may keep
// what it derived from the history as a cache, but a fresh one that sees the same history must answer the same: that is how
// studies resume. Randomness comes from streams `ask:<path>` of (seed, trial number) with the attempt as counter.
//
// Adding one: a file in nas/sampler/ with a class and a factory, and a line in registry.cpp.
#pragma once
#include <lathe/nas/study.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe::nas {

/// What a sampler may look at.
struct SamplerView {
  const StudyHeader& header;
  const History& history;   ///< trials in state running are the pending ones
  std::int64_t number = 0;  ///< of the trial that is asked for
  /// Would this point become a trial: valid, unlike every trial so far, within the objective's limits?
  std::function<bool(const Point&)> admits;
};

class Sampler {
 public:
  virtual ~Sampler() = default;
  /// Draw number `attempt` (0 … 255) for trial `view.number`; it need not be admitted, the caller asks again. Nothing: no
  /// point is left, now and for ever.
  virtual std::optional<Point> draw(const SamplerView& view, std::uint32_t attempt) = 0;
};

constexpr std::uint32_t kSamplerDraws = 256;     ///< draws from the sampler …
constexpr std::uint32_t kUniformDraws = 10'000;  ///< … then uniform ones, attempts 256 … 10,255, then the space is exhausted

/// The next admitted point by that rule, or nothing.
std::optional<Point> ask(Sampler& sampler, const SamplerView& view);

/// Do the sampler's proposals depend on results? Those of random, sobol and grid do not.
bool learns_from_results(std::string_view tag);

/// Samplers by tag `name@version`. A version names semantics: it changes when proposals change. A plain value: a program
/// adds its own samplers to its own copy.
class SamplerRegistry {
 public:
  using Factory = std::function<std::unique_ptr<Sampler>(const StudyHeader&)>;
  static SamplerRegistry builtin();
  void add(std::string tag, Factory factory);  ///< InputError: tag in use or not name@version
  /// `random` → `random@1`: the newest version of that name; a full tag stays. InputError with the nearest name.
  std::string resolve(const std::string& name) const;
  /// The sampler of `header.sampler`. InputError: unknown tag, unknown setting (nearest name), setting out of range, a space
  /// that the sampler cannot serve.
  std::unique_ptr<Sampler> make(const StudyHeader& header) const;
  std::vector<std::string> tags() const;

 private:
  std::map<std::string, Factory> factories_;
};

/// InputError if `settings` has a name that is not among `allowed` (nearest one).
void check_settings(const std::string& of, const Settings& settings, const std::vector<std::string>& allowed);
/// The setting, or `otherwise`.
double setting(const Settings& settings, const std::string& name, double otherwise);

}  // namespace lathe::nas
