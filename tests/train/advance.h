// Taking a trainer a number of steps, wherever epochs end.
#pragma once
#include <lathe/train/trainer.h>

#include <cstdint>

namespace lathe::test {

/// Runs exactly `steps` more steps of a train::Trainer, or of what has its run_epoch() and on_step.
template <class Trainer>
void advance(Trainer& trainer, std::int64_t steps) {
  std::int64_t left = steps;
  trainer.on_step = [&](std::int64_t, std::int64_t, double) { --left; };
  while (left > 0) {
    try {
      trainer.run_epoch([&] { return left <= 0; });
    } catch (const train::Stopped&) {
    }
  }
  trainer.on_step = nullptr;
}

}  // namespace lathe::test
