// The sandwich step against PyTorch, and the same weights for any threads, backend and interruption.
#include <lathe/nas/transformer/supernet_trainer.h>
#include <lathe/tensor/backend.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "tests/nas_transformer/supernet_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

nn::TransformerConfig network(Index hidden, std::vector<nn::LayerConfig> layers) {
  nn::TransformerConfig config = nn::TransformerConfig::uniform({.layers = 1, .hidden = hidden});
  config.layers = std::move(layers);
  config.vocab_size = 7;
  config.max_tokens = 6;
  config.classes = 3;
  return config;
}

/// The sizes of make_supernet.py.
SharedSpace torch_space() {
  SharedSpace s;
  const UnaryOp gelu = UnaryOp::kGeluTanh;
  s.whole = s.largest = network(8, {{2, 4, 12, gelu}, {2, 4, 12, gelu}});
  s.smallest = network(4, {{1, 2, 4, gelu}});
  s.strata = {{network(6, {{2, 3, 8, UnaryOp::kRelu}, {1, 4, 12, gelu}})}};
  return s;
}

data::EncodedDataset torch_rows() {
  data::EncodedDataset rows;
  const std::vector<std::vector<std::int32_t>> sequences = {{1, 2, 3, 4, 5, 6}, {3, 1}, {6, 6, 2, 0}, {5}};
  const std::int32_t labels[] = {0, 2, 1, 2};
  for (std::size_t i = 0; i < sequences.size(); ++i) rows.add(sequences[i], labels[i]);
  return rows;
}

data::PackedBatch whole_batch(const data::EncodedDataset& rows) {
  data::BatchIterator batches(rows, {.batch_rows = 100, .order = data::Order::file});
  data::PackedBatch batch;
  batches.seek(0);
  REQUIRE(batches.next(batch));
  return batch;
}

std::map<std::string, std::vector<double>> read_torch() {
  std::ifstream in(LATHE_SUPERNET);
  REQUIRE(in);
  std::map<std::string, std::vector<double>> values;
  for (std::string line; std::getline(in, line);) {
    if (line[0] == '#') continue;
    std::istringstream words(line);
    std::string name;
    words >> name;
    for (double value; words >> value;) values[name].push_back(value);
  }
  return values;
}

}  // namespace

TEST_CASE("supernet: the gradient of a step is PyTorch's") {
  const auto expected = read_torch();
  const data::EncodedDataset rows = torch_rows();
  SupernetOptions options;
  options.random = 1;
  options.distill = true;
  for (const int threads : {1, 3}) {
    Context context({.threads = threads, .trial = kSupernetTrial});
    SupernetTrainer trainer(context, torch_space(), {}, options, rows, rows);
    Index k = 0;
    for (Var parameter : trainer.whole().parameters()) {
      float* values = parameter.mutable_value().mutable_data<float>();
      for (Index i = 0; i < parameter.shape().numel(); ++i, ++k)
        values[i] = static_cast<float>(static_cast<double>((37 * k + 11) % 101 - 50) / 200 +
                                       (parameter.name().ends_with("norm.weight") ? 1 : 0));
    }
    const auto [largest, smallest] = trainer.accumulate(whole_batch(rows), 0);
    CHECK(std::abs(largest - expected.at("loss")[0]) < 1e-6);
    CHECK(std::abs(smallest - expected.at("loss")[1]) < 1e-6);
    REQUIRE(expected.size() == trainer.whole().parameters().size() + 1);
    for (const Var& parameter : trainer.whole().parameters()) {
      CAPTURE(parameter.name());
      const std::vector<double>& wanted = expected.at(parameter.name());
      const std::vector<float> got = parameter.grad().to_vector<float>();
      REQUIRE(got.size() == wanted.size());
      double worst = 0;
      for (std::size_t i = 0; i < got.size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(got[i]) - wanted[i]) / (1e-6 + 1e-4 * std::abs(wanted[i])));
      CHECK(worst < 1);
    }
  }
}

TEST_CASE("supernet: one outcome for any number of threads and every backend") {
  const data::EncodedSplits data = splits();
  SupernetSession one(data);
  one.finish();
  const std::string expected = outcome(one.trainer);
  for (const std::string& backend : available_backends())
    for (const int threads : {1, 2, 3}) {
      CAPTURE(backend);
      CAPTURE(threads);
      SupernetSession other(data, {.backend = backend, .threads = threads});
      other.finish();
      CHECK(outcome(other.trainer) == expected);
    }
  CHECK(one.trainer.history().back().largest_valid.accuracy > 0.5);
  CHECK(one.trainer.flops() > 0);
}

TEST_CASE("supernet: the training goes on from any step, to the same bits") {
  const data::EncodedSplits data = splits();
  SupernetSession whole(data);
  std::int64_t steps = 0;
  whole.trainer.on_step = [&](std::int64_t, std::int64_t, double) { ++steps; };
  whole.finish();
  const std::string expected = outcome(whole.trainer);
  REQUIRE(steps == 8);
  for (std::int64_t at = 0; at < steps; ++at) {
    CAPTURE(at);
    SupernetSession first(data);
    first.advance(at);
    const std::string bytes = first.trainer.checkpoint();
    CHECK(first.trainer.checkpoint() == bytes);
    SupernetSession second(data, {.threads = 2});
    second.advance((at * 5) % steps);
    second.trainer.restore(bytes, "c");
    CHECK(second.trainer.checkpoint() == bytes);
    second.finish();
    CHECK(outcome(second.trainer) == expected);
  }
}

TEST_CASE("supernet: damaged and foreign checkpoints are refused, and the trainer stays as it was") {
  const data::EncodedSplits data = splits();
  SupernetSession session(data), victim(data);
  session.advance(5);
  victim.advance(2);
  const std::string bytes = session.trainer.checkpoint(), before = victim.trainer.checkpoint();
  const auto refused = [&](std::string damaged) {
    return message_of([&] { victim.trainer.restore(std::move(damaged), "f"); }).starts_with("f: ");
  };
  for (std::size_t at = 0; at < bytes.size(); at += 997) {
    CAPTURE(at);
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    CHECK(refused(damaged));
    CHECK(refused(bytes.substr(0, at)));
  }
  CHECK(victim.trainer.checkpoint() == before);
  SupernetOptions labels = short_training(), more = short_training();
  labels.distill = false;
  more.random = 3;
  Candidate fast = shared_base();
  fast.training.lr = 0.5;
  const auto differs = [&](SupernetSession&& other) { return message_of([&] { other.trainer.restore(bytes, "f"); }); };
  CHECK(has(differs(SupernetSession(data, {}, labels)), "distill is true there and false here"));
  CHECK(has(differs(SupernetSession(data, {}, more)), "random is 2 there and 3 here"));
  CHECK(has(differs(SupernetSession(data, {}, short_training(), fast)), "lr is 0.01 there and 0.5 here"));
  CHECK(differs(SupernetSession(data)) == "nothing was thrown");
}

TEST_CASE("supernet: distillation, drawn sub-networks and the seed each matter; a training that diverges is said to") {
  const data::EncodedSplits data = splits();
  std::set<std::string> hashes;
  for (const bool distill : {true, false})
    for (const std::int64_t random : {0, 1, 2}) {
      SupernetOptions options = short_training();
      options.epochs = 1;
      options.distill = distill;
      options.random = random;
      SupernetSession session(data, {}, options);
      session.finish();
      hashes.insert(session.trainer.weights_hash());
    }
  CHECK(hashes.size() == 6);
  Candidate wild = shared_base();
  wild.training.lr = 1e37;
  SupernetSession session(data, {}, short_training(), wild);
  const std::string message = message_of<NonFiniteError>([&] { session.finish(); });
  CHECK(has(message, "of the supernet's training: a smaller train.lr may help"));
  SupernetOptions none = short_training();
  none.epochs = 0;
  CHECK(message_of([&] { SupernetSession(data, {}, none); }) == "supernet.epochs is 0, expected at least 1");
  none.epochs = 1;
  none.random = -1;
  CHECK(message_of([&] { SupernetSession(data, {}, none); }) == "supernet.random is -1, expected at least 0");
}
