// A training with the overlay `onednn` runs beside that of the CPU table, and its checkpoints say what made them.
#include <lathe/tensor/backend.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/backend/onednn.h"
#include "tests/backend/training.h"

namespace lathe {
namespace {

TEST_CASE("a training with it stays beside that of the CPU table, in groups and with threads") {
  if (!test::onednn()) return;
  const data::EncodedDataset train = test::labelled_rows(200, 1), valid = test::labelled_rows(40, 2);
  train::TrainConfig config = train::test::training();
  config.batch_rows = 40;  // about 650 tokens: several groups
  config.lr = 3e-3;
  for (const UnaryOp activation : {UnaryOp::kGeluTanh, UnaryOp::kSquaredRelu})
    for (const int threads : {1, 2}) {
      std::vector<double> losses[2];
      for (int which = 0; which < 2; ++which) {
        const ContextOptions options{.backend = which ? "onednn" : available_backends().front(), .threads = threads, .seed = 3};
        train::test::Session session(config, train, valid, test::small_transformer(50, activation), options);
        session.trainer.on_step = [&](std::int64_t, std::int64_t, double loss) { losses[which].push_back(loss); };
        session.finish();
        for (const train::EpochResult& e : session.trainer.history()) losses[which].push_back(e.valid.loss);
        CHECK(session.trainer.history().back().train_loss < session.trainer.history().front().train_loss);
      }
      REQUIRE(losses[0].size() == losses[1].size());
      REQUIRE(losses[0].size() > 15);
      double worst = 0;
      for (std::size_t i = 0; i < losses[0].size(); ++i) worst = std::max(worst, std::abs(losses[0][i] - losses[1][i]));
      MESSAGE("largest difference of a loss: " << worst);
      CHECK(worst < 1e-4);
    }
}

TEST_CASE("a checkpoint that it made is not gone on with by another backend, nor the other way round") {
  if (!test::onednn()) return;
  test::check_checkpoints("onednn", "onednn");
}

}  // namespace
}  // namespace lathe
