// A supernet small enough to be trained again from every step.
#pragma once
#include <lathe/nas/transformer/supernet_trainer.h>
#include <lathe/train/trainer.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/nas_transformer/support.h"
#include "tests/train/advance.h"

namespace lathe::nas::test {

/// Depth, width, heads whose size follows, and per-layer feed-forward width and activation.
inline Space shared_space() {
  return SpaceBuilder()
      .integer("layers", 1, 3)
      .ordinal("hidden", {4, 8, 12})
      .ordinal("heads", {1, 2})
      .ordinal("layers[i].expansion", {1, 3})
      .categorical("layers[i].activation", {"relu", "gelu_tanh"})
      .build();
}

inline Candidate shared_base() {
  Candidate c = base();
  c.dropout = 0.1;
  c.training.batch_rows = 13;  // of 40 rows: four steps an epoch
  return c;
}

inline SharedSpace shared(std::uint64_t seed = 3) {
  return share_space(shared_space(), shared_base(), task(), seed, [](const Point&) { return true; });
}

inline SupernetOptions short_training() {
  SupernetOptions options;
  options.epochs = 2;
  options.random = 2;
  options.distill = true;
  return options;
}

struct SupernetSession {
  explicit SupernetSession(const data::EncodedSplits& data, ContextOptions options = {},
                           SupernetOptions training = short_training(), Candidate candidate = shared_base())
      : context((options.seed = 3, options.trial = kSupernetTrial, options)),
        trainer(context, shared(), candidate.training, training, data.train, data.valid) {}
  Context context;
  SupernetTrainer trainer;

  void advance(std::int64_t steps) { lathe::test::advance(trainer, steps); }
  void finish() {
    while (!trainer.done()) trainer.run_epoch();
  }
};

/// Everything that a training leaves, as text.
inline std::string outcome(const SupernetTrainer& trainer) {
  std::string text = trainer.weights_hash() + " " + std::to_string(trainer.flops());
  char line[300];
  for (const SupernetEpoch& e : trainer.history()) {
    snprintf(line, sizeof line, "\n%lld %a %a %a %a %a %a", static_cast<long long>(e.epoch), e.largest_loss, e.smallest_loss,
             e.largest_valid.accuracy, e.largest_valid.loss, e.smallest_valid.macro_f1, e.smallest_valid.loss);
    text += line;
  }
  return text;
}

}  // namespace lathe::nas::test
