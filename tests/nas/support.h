// What the tests of the search share: a space, a fast deterministic objective, messages of exceptions.
#pragma once
#include <doctest/doctest.h>
#include <lathe/base/math.h>
#include <lathe/base/random.h>
#include <lathe/base/text.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/storage/memory.h>

#include <string>

#include "tests/support/message.h"

namespace lathe::nas::test {

using lathe::test::message_of;

inline bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

inline Space small_space() {
  return SpaceBuilder()
      .integer("layers", 1, 4)
      .integer("hidden", 32, 128, {.step = 32})
      .categorical("layers[i].heads", {1, 2, 4, 8})
      .real("lr", 1e-4, 1e-2, {.log = true})
      .categorical("norm", {"layer", "rms"})
      .real("eps", 1e-6, 1e-3, {.log = true, .when = "norm == 'rms'"})
      .rule("hidden % layers[i].heads == 0")
      .build();
}

inline StudyHeader small_header(std::uint64_t seed = 1, std::int64_t trials = 40) {
  StudyHeader header;
  header.space = small_space();
  header.trials = trials;
  header.seed = seed;
  header.pruner = "median@1";
  header.pruner_settings = {{"n_startup_trials", 3}};
  return header;
}

/// A learning curve that depends on the point, the unit, the step and nothing else; some points fail, some end by patience.
inline SegmentResult curve(const Point& p, const Segment& s, std::int64_t trial, std::uint64_t seed) {
  Random noise(random_key(seed, static_cast<std::uint64_t>(trial), "noise"), static_cast<std::uint32_t>(s.step),
               static_cast<std::uint32_t>(s.unit));
  const double kind = noise.uniform();
  if (kind < 0.03) return SegmentResult::failed(Failure::non_finite, "loss is nan");
  if (kind < 0.05) return SegmentResult::failed(Failure::memory_limit, "too much");
  const double quality = static_cast<double>(p.integer("hidden")) / 128 - math::log(p.real("lr")) / 40 +
                         0.05 * static_cast<double>(p.integer("layers"));
  SegmentResult result = SegmentResult::of(quality * (1 - 1.0 / (1 + s.step)) + 0.05 * noise.normal());
  result.unit_done = kind > 0.93;
  result.digest = p.hash().substr(0, 8);
  return result;
}

inline Plan curve_plan(const Point& p) {
  Plan plan;
  plan.segments.clear();
  const auto ticks = static_cast<std::uint64_t>(p.integer("hidden") * p.integer("layers")) / 16;
  for (int unit = 0; unit < 2; ++unit)
    for (int step = 1; step <= 4; ++step) plan.segments.push_back({unit, step, ticks + static_cast<std::uint64_t>(unit)});
  return plan;
}

inline std::unique_ptr<Objective> curve_objective() {
  return objective_of(
      curve_plan, [](const Point& p, const SegmentContext& c, const Checkpoint&) { return curve(p, c.segment, c.trial, c.seed); });
}

}  // namespace lathe::nas::test
