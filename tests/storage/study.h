// A small study with every kind of parameter, several segments a trial, early stopping and failures, for the storage tests.
#pragma once
#include <lathe/base/random.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/space.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "tests/support/folder.h"

namespace lathe::test {

inline nas::StudyHeader small_study(std::int64_t trials = 40) {
  nas::StudyHeader header;
  header.name = "small";
  header.space = nas::SpaceBuilder()
                     .integer("layers", 1, 4)
                     .categorical("activation", {"relu", "silu"})
                     .ordinal("hidden", {32, 64, 128})
                     .real("lr", 1e-4, 1e-2, {.log = true})
                     .real("momentum", 0, 0.9, {.step = 0.1, .when = "activation == 'relu'"})
                     .categorical("bias", {true, false})
                     .build();
  header.trials = trials;
  header.seed = 11;
  header.pruner = "median@1";
  header.metrics = {"accuracy"};
  return header;
}

/// Value from the point alone; every 13th trial fails. Up to `sleep_us` of sleep a segment, drawn from the wall clock on purpose.
inline std::unique_ptr<nas::Objective> small_objective(unsigned sleep_us = 0) {
  const auto plan = [](const nas::Point& point) {
    nas::Plan p;
    p.segments.clear();
    for (int step = 1; step <= 3; ++step)
      p.segments.push_back({0, step, static_cast<std::uint64_t>(3 * point.integer("layers") + step)});
    p.attributes = R"({"params":1234,"arch":"L\"2\"","flag":true,"list":[1,2]})";
    return p;
  };
  const auto run = [sleep_us](const nas::Point& point, const nas::SegmentContext& context, const nas::Checkpoint&) {
    if (sleep_us > 0) {
      const auto now = static_cast<unsigned>(std::chrono::steady_clock::now().time_since_epoch().count());
      std::this_thread::sleep_for(std::chrono::microseconds(now % sleep_us));
    }
    if (context.trial % 13 == 12 && context.index == 0)
      return nas::SegmentResult::failed(nas::Failure::non_finite, "the loss is nan");
    const double lr = point.real("lr"), hidden = static_cast<double>(point.integer("hidden"));
    nas::SegmentResult result =
        nas::SegmentResult::of(hidden / 256 + lr * 10 + 0.01 * context.segment.step * static_cast<double>(context.trial % 5));
    result.attributes = R"({"train_loss":0.5})";
    return result;
  };
  return nas::objective_of(plan, run);
}

}  // namespace lathe::test
