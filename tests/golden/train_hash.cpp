// "Same bits" for whole training runs: 50 steps of one small transformer and 12 of another, with dropout, ragged packed batches,
// AdamW, clipping and a cosine schedule, must leave one SHA-256 behind, for every backend, number of threads and size of groups,
// every compiler and machine. The values below change only together with the version of the numerics (docs/numerics.md).
#include <doctest/doctest.h>
#include <lathe/base/sha256.h>
#include <lathe/nn/transformer.h>
#include <lathe/optim/clip.h>
#include <lathe/optim/optimizer.h>
#include <lathe/optim/schedule.h>
#include <lathe/tensor/backend.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

using namespace lathe;
using namespace lathe::nn;

namespace {

constexpr const char* kPreNormHash = "683d1cf3eb89780437ba1cd819aacdea83bf09aed916987618d0ecef41bdb345";
constexpr const char* kPostNormHash = "f4f8bac54d599e13f31c120d8e2d24af65bdfc974a1e1bf85b418791a6b2086f";

constexpr Index kVocabulary = 40, kClasses = 3;

/// Layers of different shapes; width 272 and sequences of 300 tokens make products longer than one chunk of 256.
TransformerConfig pre_norm() {
  TransformerConfig config = TransformerConfig::uniform({.layers = 2, .hidden = 16, .heads = 2, .ffn = 272});
  config.layers[1] = {.heads = 3, .head_dim = 5, .ffn = 20, .activation = UnaryOp::kRelu};
  config.vocab_size = kVocabulary;
  config.max_tokens = 300;
  config.classes = kClasses;
  config.dropout = config.attention_dropout = config.head_dropout = 0.1;
  return config;
}

TransformerConfig post_norm() {
  TransformerConfig config = TransformerConfig::uniform({.layers = 3,
                                                         .hidden = 24,
                                                         .heads = 2,
                                                         .ffn = 33,
                                                         .activation = UnaryOp::kGelu,
                                                         .norm = NormKind::kRms,
                                                         .place = NormPlace::kPost});
  config.layers[1].activation = UnaryOp::kSilu;
  config.layers[2].activation = UnaryOp::kSquaredRelu;
  config.vocab_size = kVocabulary;
  config.max_tokens = 300;
  config.type_vocab_size = 2;
  config.positions = Positions::kRotary;
  config.pooling = Pooling::kFirst;
  config.pooler = true;
  config.classes = kClasses;
  config.dropout = 0.2;
  return config;
}

struct TrainingBatch {
  Batch batch;
  Tensor labels;
};

/// Four to seven ragged sequences. Step 7 has more than 1024 rows, so weight gradients fold two segments, among them a sequence of
/// 300.
TrainingBatch make_step(Context& context, std::uint32_t step, bool types) {
  Random random(context.key("train_hash:data"), step);
  std::vector<std::int32_t> lengths(4 + random.below(4));
  for (std::int32_t& length : lengths) length = 1 + static_cast<std::int32_t>(random.below(20));
  if (step == 7) lengths = {300, 17, 299, 1, 250, 230, 13};
  const Offsets offsets = Offsets::from_lengths(lengths);
  std::vector<std::int32_t> ids, kinds, labels;
  for (Index i = 0; i < offsets.tokens(); ++i) ids.push_back(static_cast<std::int32_t>(random.below(kVocabulary)));
  for (Index i = 0; types && i < offsets.tokens(); ++i) kinds.push_back(static_cast<std::int32_t>(random.below(2)));
  for (Index s = 0; s < offsets.sequences(); ++s)  // something to learn: which third of the vocabulary a sequence begins with
    labels.push_back(ids[static_cast<std::size_t>(offsets.begin(s))] * static_cast<std::int32_t>(kClasses) /
                     static_cast<std::int32_t>(kVocabulary));
  TrainingBatch result{make_batch(context, ids, offsets, kinds), Tensor::from(context, labels, {offsets.sequences()})};
  return result;
}

void add(Sha256& hash, const std::string& name, const Tensor& tensor) {
  hash.add(name);
  for (const float x : tensor.to_vector<float>()) hash.add_u64(std::bit_cast<std::uint32_t>(x));
}

struct Result {
  std::string hash;
  double first_loss = 0, last_loss = 0;
};

Result train(const std::string& backend, int threads, const TransformerConfig& config, std::uint32_t steps, Index group_tokens) {
  ContextOptions options;
  options.backend = backend;
  options.threads = threads;
  options.seed = 20;
  Context context(options);
  const Classifier model(context, config);
  optim::AdamW optimizer(model.parameters(), 0.01);
  const optim::Schedule schedule{.kind = optim::ScheduleKind::kCosine, .peak = 1e-2, .total_steps = steps, .warmup_steps = 4};
  Sha256 hash;
  Result result;
  for (std::uint32_t step = 0; step < steps; ++step) {
    context.set_step(step);
    const TrainingBatch data = make_step(context, step, config.type_vocab_size > 0);
    const double loss = model.backward(data.batch, data.labels, group_tokens);
    const optim::Clip clip = optim::clip_by_norm(model.parameters(), 1.0);
    optimizer.step(schedule.at(step), clip.scale);
    optimizer.zero_grad();
    const float value = static_cast<float>(loss);
    hash.add_u64(std::bit_cast<std::uint32_t>(value)).add_u64(std::bit_cast<std::uint64_t>(clip.norm));
    (step == 0 ? result.first_loss : result.last_loss) = static_cast<double>(value);
  }
  for (const Var& parameter : model.parameters()) add(hash, parameter.name(), parameter.value());
  for (const optim::StateTensor& state : optimizer.state()) add(hash, state.name, state.value);
  result.hash = to_hex(hash.finish());
  return result;
}

void check_all(const TransformerConfig& config, std::uint32_t steps, const std::string& expected) {
  for (const std::string& backend : available_backends())
    for (const int threads : {1, 2, 3, 7}) {
      CAPTURE(backend);
      CAPTURE(threads);
      const Index group_tokens = threads == 1 ? 0 : threads == 2 ? 1 : threads == 3 ? 256 : 40;  // no bit depends on it
      const Result result = train(backend, threads, config, steps, group_tokens);
      CHECK(result.hash == expected);
      CHECK(std::isfinite(result.last_loss));
      MESSAGE(backend << ", threads " << threads << ": " << result.hash);
    }
}

}  // namespace

TEST_CASE("50 steps, pre-norm LayerNorm, learned positions") { check_all(pre_norm(), 50, kPreNormHash); }

TEST_CASE("12 steps, post-norm RMSNorm, rotary positions, token types, pooler") { check_all(post_norm(), 12, kPostNormHash); }
