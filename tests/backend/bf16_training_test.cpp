// A training in bf16 has one hash, by the instruction and by its emulations, with any number of threads; its losses follow those of
// f32; and its checkpoints say what made them.
#include <doctest/doctest.h>
#include <lathe/base/version.h>
#include <lathe/tensor/backend.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "tests/backend/training.h"

namespace lathe {
namespace {

struct Run {
  std::string hash;
  std::vector<double> losses;
  double first = 0, last = 0;
};

Run training(const std::string& backend, int threads) {
  const data::EncodedDataset train = test::labelled_rows(200, 1), valid = test::labelled_rows(40, 2);
  train::TrainConfig config = train::test::training();
  config.batch_rows = 40;  // about 650 tokens: several groups, cut at odd rows too
  config.lr = 3e-3;
  train::test::Session session(config, train, valid, test::small_transformer(51),
                               {.backend = backend, .threads = threads, .seed = 3});
  Run run;
  session.trainer.on_step = [&](std::int64_t, std::int64_t, double loss) { run.losses.push_back(loss); };
  session.finish();
  for (const train::EpochResult& e : session.trainer.history()) run.losses.push_back(e.valid.loss);
  run.hash = session.trainer.weights_hash();
  run.first = session.trainer.history().front().train_loss;
  run.last = session.trainer.history().back().train_loss;
  return run;
}

TEST_CASE("bf16: a training has one hash, whatever computes it, with any number of threads") {
  std::set<std::string> hashes;
  int runs = 0;
  for (const std::string& backend : bf16_backends())
    for (const int threads : {1, 2, 3}) {
      if (threads == 3 && backend == "bf16-spec") continue;
      const std::string hash = training(backend, threads).hash;
      hashes.insert(hash);
      CHECK_MESSAGE(hashes.size() == 1, backend << " with " << threads << " threads: " << hash);
      ++runs;
    }
  MESSAGE(runs << " runs: " << *hashes.begin());
  CHECK(hashes.count(training(available_backends().front(), 1).hash) == 0);  // and not that of f32
}

TEST_CASE("bf16: its losses follow those of f32") {
  const Run half = training("bf16", 1), full = training(available_backends().front(), 1);
  REQUIRE(half.losses.size() == full.losses.size());
  REQUIRE(half.losses.size() > 15);
  double worst = 0;
  for (std::size_t i = 0; i < half.losses.size(); ++i) worst = std::max(worst, std::abs(half.losses[i] - full.losses[i]));
  MESSAGE("largest difference of a loss: " << worst << ", losses from " << full.first << " to " << full.last);
  CHECK(worst < 0.02);
  CHECK(worst > 1e-6);  // bf16 was really used
  CHECK(half.last < half.first);
}

TEST_CASE("bf16: numerics are named, the same for all that compute them, and a checkpoint is not gone on with under others") {
  for (const std::string& name : bf16_backends()) CHECK(numerics_tag(name) == std::string(kNumerics) + "+bf16");
  CHECK(numerics_tag("bf16") == std::string(kNumerics) + "+bf16");
  for (const std::string& name : available_backends()) CHECK(numerics_tag(name) == kNumerics);
  const std::vector<std::string> exact = available_backends(), inexact = inexact_backends();
  CHECK(std::count(exact.begin(), exact.end(), "bf16") == 0);
  CHECK(std::count(inexact.begin(), inexact.end(), "bf16") == 1);
  test::check_checkpoints("bf16", "bf16-scalar");
}

}  // namespace
}  // namespace lathe
