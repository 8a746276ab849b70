// Rows of an embedding that wait for their updates: nobody can tell, not in the last bit, whoever looks and whenever.
#include <doctest/doctest.h>
#include <lathe/autograd/functions.h>
#include <lathe/optim/clip.h>
#include <lathe/optim/optimizer.h>
#include <lathe/tensor/backend.h>

#include <optional>
#include <string>
#include <vector>

using namespace lathe;
using Floats = std::vector<float>;

namespace {

constexpr Index kRows = 500, kWidth = 20, kSteps = 40;

/// A model of one embedding table that learns, its batches reach few rows, and what could go wrong in between.
struct Table {
  Context context;
  Var table;
  optim::AdamW optimizer;
  bool dense;  // the reference: the gradient says nothing of its rows, so all are updated in every step

  Table(const std::string& backend, int threads, bool all_rows, double decay)
      : context({.backend = backend, .threads = threads, .seed = 3}),
        table(start(context), true, "table"),
        optimizer(std::vector<Var>{table}, decay),
        dense(all_rows) {}

  static Tensor start(Context& context) {
    Random random(random_key(1, 0, "table"));
    Floats values(static_cast<std::size_t>(kRows * kWidth));
    for (float& v : values) v = static_cast<float>(random.uniform() - 0.5);
    return Tensor::from(context, values, {kRows, kWidth});
  }

  /// Some ids are in every batch, some in few, most in none.
  std::vector<std::int32_t> ids(Index step) const {
    Random random(random_key(2, static_cast<std::uint64_t>(step), "ids"));
    std::vector<std::int32_t> ids{0, kRows - 1};
    for (int i = 0; i < 12; ++i) ids.push_back(static_cast<std::int32_t>(random.below(i < 6 ? 40 : 300)));
    return ids;
  }

  double step(Index step) {
    const std::vector<std::int32_t> batch = ids(step);
    const Var x = embedding(table, Tensor::from(context, batch, {static_cast<Index>(batch.size())}));
    const Var loss = sum(x * x * x);
    loss.backward();
    CHECK(table.grad_rows().has_value());
    if (dense) table.mutable_grad();
    const optim::Clip clip = optim::clip_by_norm(std::vector<Var>{table}, 0.3);
    optimizer.step(0.01 / (1 + static_cast<double>(step)), clip.scale);
    optimizer.zero_grad();
    return loss.value().item() + clip.norm;
  }

  std::vector<Floats> everything() const {
    std::vector<Floats> all{table.value().to_vector<float>()};
    for (const optim::StateTensor& state : optimizer.state()) all.push_back(state.value.to_vector<float>());
    return all;
  }
};

template <class F>
void on_all(F f) {
  for (const std::string& backend : available_backends())
    for (const int threads : {1, 3})
      for (const double decay : {0.0, 0.1}) {
        CAPTURE(backend);
        CAPTURE(threads);
        CAPTURE(decay);
        f(backend, threads, decay);
      }
}

}  // namespace

TEST_CASE("waiting rows end as if they had not waited") {
  on_all([](const std::string& backend, int threads, double decay) {
    Table lazy(backend, threads, false, decay), dense(backend, threads, true, decay);
    for (Index step = 0; step < kSteps; ++step) CHECK(lazy.step(step) == dense.step(step));
    CHECK(lazy.everything() == dense.everything());
  });
}

TEST_CASE("looking at values, moments or rows in between changes nothing") {
  on_all([](const std::string& backend, int threads, double decay) {
    Table lazy(backend, threads, false, decay), dense(backend, threads, true, decay);
    for (Index step = 0; step < kSteps; ++step) {
      CHECK(lazy.step(step) == dense.step(step));
      if (step % 7 == 3) CHECK(lazy.everything() == dense.everything());
      if (step % 11 == 5) {
        const Tensor rows = Tensor::from(lazy.context, std::vector<std::int32_t>{400, 3, 400, 77}, {4});
        const Tensor same_rows = Tensor::from(dense.context, std::vector<std::int32_t>{400, 3, 400, 77}, {4});
        CHECK(ops::embedding(lazy.table.value(), rows).to_vector<float>() ==
              ops::embedding(dense.table.value(), same_rows).to_vector<float>());
      }
      if (step % 13 == 6)
        CHECK(lazy.table.value().narrow(0, 420, 2).to_vector<float>() == dense.table.value().narrow(0, 420, 2).to_vector<float>());
    }
    CHECK(lazy.everything() == dense.everything());
  });
}

TEST_CASE("steps with and without known rows may alternate") {
  on_all([](const std::string& backend, int threads, double decay) {
    Table mixed(backend, threads, false, decay), dense(backend, threads, true, decay);
    for (Index step = 0; step < kSteps; ++step) {
      mixed.dense = step % 9 == 4;
      CHECK(mixed.step(step) == dense.step(step));
    }
    CHECK(mixed.everything() == dense.everything());
  });
}

TEST_CASE("a table seen with rows of another width is settled whole") {
  Table lazy("", 1, false, 0.1), dense("", 1, true, 0.1);
  const auto halves = [](Table& t) {
    const Tensor ids = Tensor::from(t.context, std::vector<std::int32_t>{601, 2, 1}, {3});
    return ops::embedding(t.table.value().reshape({2 * kRows, kWidth / 2}), ids).to_vector<float>();
  };
  for (Index step = 0; step < 9; ++step) {
    lazy.step(step);
    dense.step(step);
  }
  CHECK(halves(lazy) == halves(dense));
}

TEST_CASE("two optimizers may take turns at one table") {
  Table lazy("", 1, false, 0.1), dense("", 1, true, 0.1);
  optim::AdamW lazy_second(std::vector<Var>{lazy.table}, 0.2), dense_second(std::vector<Var>{dense.table}, 0.2);
  for (Index step = 0; step < 20; ++step) {
    for (auto [table, second] : {std::pair(&lazy, &lazy_second), std::pair(&dense, &dense_second)}) {
      table->step(step);
      if (step % 3 == 0) continue;
      const std::vector<std::int32_t> batch = table->ids(step + 50);
      sum(embedding(table->table, Tensor::from(table->context, batch, {static_cast<Index>(batch.size())}))).backward();
      if (table->dense) table->table.mutable_grad();
      second->step(0.02);
      second->zero_grad();
    }
  }
  CHECK(lazy.everything() == dense.everything());
}

TEST_CASE("a long wait: the history ends and begins anew") {
  Table lazy("", 1, false, 0.1), dense("", 1, true, 0.1);
  for (Index step = 0; step < 1100; ++step) {
    lazy.step(step);
    dense.step(step);
  }
  CHECK(lazy.everything() == dense.everything());
}

TEST_CASE("a checkpoint in the middle is whole, and training goes on from it to the same bits") {
  Table first("", 1, false, 0.1), dense("", 1, true, 0.1);
  for (Index step = 0; step < 30; ++step) {
    first.step(step);
    dense.step(step);
  }
  Table second("", 1, false, 0.1);
  for (Index step = 0; step < 5; ++step) second.step(step + 100);  // on a way of its own, with rows that wait
  Tensor values = first.table.value().copy_to(second.context);
  second.table.mutable_value().copy_from(values);
  std::vector<optim::StateTensor> state;
  for (const optim::StateTensor& tensor : first.optimizer.state()) state.push_back({tensor.name, tensor.value.clone()});
  second.optimizer.load_state(first.optimizer.steps(), state);
  for (Index step = 30; step < kSteps; ++step) {
    second.step(step);
    dense.step(step);
  }
  CHECK(second.everything() == dense.everything());
}

TEST_CASE("the table may go before the optimizer's rows have been asked for") {
  Context context({.seed = 3});
  Tensor kept;
  {
    Var table(Table::start(context), true, "table");
    optim::AdamW optimizer(std::vector<Var>{table}, 0.1);
    sum(embedding(table, Tensor::from(context, std::vector<std::int32_t>{5}, {1}))).backward();
    optimizer.step(0.5);
    kept = table.value();
  }
  CHECK(kept.to_vector<float>()[0] == static_cast<float>(Table::start(context).to_vector<float>()[0] * (1 - 0.05)));
}

TEST_CASE("other gradients make a table's rows unknown") {
  Context context({.seed = 3});
  Var table(Table::start(context), true, "table");
  const Tensor ids = Tensor::from(context, std::vector<std::int32_t>{7, 5, 7}, {3});
  sum(embedding(table, ids)).backward();
  REQUIRE(table.grad_rows().has_value());
  const auto rows = *table.grad_rows();
  CHECK(std::vector<std::int32_t>(rows.begin(), rows.end()) == std::vector<std::int32_t>{5, 7});
  sum(table).backward();
  CHECK_FALSE(table.grad_rows().has_value());
  table.zero_grad();
  sum(embedding(table, ids)).backward();
  REQUIRE(table.grad_rows().has_value());
  CHECK(table.grad_rows()->size() == 2);
  const Floats grad = table.grad().to_vector<float>();
  CHECK(grad[5 * kWidth] == 1);
  CHECK(grad[7 * kWidth] == 2);
  CHECK(grad[6 * kWidth] == 0);
  table.zero_grad();
  CHECK(table.grad().to_vector<float>() == Floats(grad.size()));
}
