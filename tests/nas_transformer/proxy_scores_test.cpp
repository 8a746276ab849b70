// Zero-cost scores and singular values against PyTorch (make_proxy_scores.py, proxy_scores.txt), and what they must not depend on.
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/proxy_scores.h>
#include <lathe/nas/transformer/singular_values.h>
#include <lathe/nn/cost.h>
#include <lathe/tensor/backend.h>

#include <cmath>
#include <limits>
#include <map>

#include "tests/nas_transformer/support.h"
#include "tests/support/weights.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;
using lathe::test::mix;
using lathe::test::set_weights;

namespace {

struct Expected {
  std::string name;
  std::map<std::string, double> scores;
};

std::vector<Expected> expected() {
  std::vector<Expected> out;
  const std::string text = read_file(LATHE_PROXY_SCORES);
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    const auto parts = split(line, '|');
    const std::string name(trim(parts[0]));
    if (out.empty() || out.back().name != name) out.push_back({name, {}});
    out.back().scores[std::string(trim(parts[1]))] = parse_double(trim(parts[2])).value();
  }
  return out;
}

/// The networks of tests/golden/make_training.py.
std::map<std::string, nn::TransformerConfig> golden() {
  nn::TransformerConfig base;
  base.vocab_size = 11;
  base.max_tokens = base.hidden = 12;
  base.classes = 3;
  base.layers = {{3, 4, 10, UnaryOp::kGeluTanh}};
  std::map<std::string, nn::TransformerConfig> out{{"pre layer_norm learned mean", base}};
  nn::TransformerConfig post = base;
  post.norm_place = nn::NormPlace::kPost;
  post.embedding_norm = post.pooler = true;
  post.pooling = nn::Pooling::kFirst;
  post.type_vocab_size = 2;
  post.layers = {{2, 6, 7, UnaryOp::kGelu}, {4, 3, 9, UnaryOp::kRelu}};
  out["post layer_norm first pooler types"] = post;
  nn::TransformerConfig rotary = base;
  rotary.norm = NormKind::kRms;
  rotary.positions = nn::Positions::kRotary;
  rotary.layers = {{3, 4, 10, UnaryOp::kSilu}, {1, 6, 5, UnaryOp::kSquaredRelu}};
  out["pre rms_norm rotary"] = rotary;
  nn::TransformerConfig scaled = base;
  scaled.norm = NormKind::kRms;
  scaled.norm_place = nn::NormPlace::kPost;
  scaled.positions = nn::Positions::kSinusoidal;
  scaled.scale_embedding = true;
  out["post rms_norm sinusoidal scaled"] = scaled;
  return out;
}

data::EncodedDataset batch(bool types) {
  data::EncodedDataset out;
  std::uint32_t at = 100000;
  for (const std::uint32_t length : {5u, 1u, 9u, 3u, 3u, 12u, 2u}) {
    std::vector<std::int32_t> ids;
    for (std::uint32_t i = 0; i < length; ++i) {
      ids.push_back(static_cast<std::int32_t>(mix(at + i) % 11));
      if (types) out.types.push_back(static_cast<std::int32_t>(mix(at + 50000 + i) % 2));
    }
    out.add(ids, static_cast<std::int32_t>(mix(at + 70000) % 3));
    at += length;
  }
  return out;
}

double relative(double value, double expected) { return std::abs(value - expected) / std::max(std::abs(expected), 1.0); }

double score(const std::string& name, const nn::TransformerConfig& config, ProxyScore kind, const std::string& backend,
             DType dtype) {
  (void)name;
  Context context({.backend = backend});
  nn::Classifier model(context, config, dtype);
  set_weights(model);
  return proxy_score(kind, model, batch(config.type_vocab_size > 0));
}

}  // namespace

TEST_CASE("scores are PyTorch's, in f64 nearly to the last digit and in f32 to six") {
  const auto configs = golden();
  int compared = 0;
  for (const Expected& e : expected()) {
    if (e.name.starts_with("nuclear")) continue;
    REQUIRE(configs.count(e.name) == 1);
    for (const ProxyScore kind : proxy_scores()) {
      CAPTURE(e.name);
      CAPTURE(name_of(kind));
      const double wanted = e.scores.at(name_of(kind));
      CHECK(relative(score(e.name, configs.at(e.name), kind, "spec", DType::kF64), wanted) < 1e-11);
      CHECK(relative(score(e.name, configs.at(e.name), kind, "", DType::kF32), wanted) < 2e-5);
      ++compared;
    }
  }
  CHECK(compared == 4 * 8);
}

TEST_CASE("every backend gives the same bits") {
  for (const auto& [name, config] : golden())
    for (const ProxyScore kind : proxy_scores()) {
      const double wanted = score(name, config, kind, "spec", DType::kF32);
      for (const std::string& backend : available_backends())
        if (numerics_tag(backend) == numerics_tag("spec")) CHECK(score(name, config, kind, backend, DType::kF32) == wanted);
    }
}

TEST_CASE("a score leaves the model as it was, and reads what it says") {
  Context context({.seed = 5});
  nn::TransformerConfig config = golden().at("post layer_norm first pooler types");
  config.dropout = config.attention_dropout = config.head_dropout = 0.5;  // no score drops
  nn::Classifier model(context, config);
  const data::EncodedDataset rows = batch(true);
  std::map<ProxyScore, double> before;
  for (const ProxyScore kind : proxy_scores()) before[kind] = proxy_score(kind, model, rows);
  for (const ProxyScore kind : proxy_scores()) CHECK(proxy_score(kind, model, rows) == before[kind]);
  for (const Var& parameter : model.parameters()) CHECK_FALSE(parameter.grad().defined());
  config.dropout = config.attention_dropout = config.head_dropout = 0;
  nn::Classifier without(context, config);  // the same weights: they depend on seed, trial and name
  for (const ProxyScore kind : proxy_scores()) {
    CAPTURE(std::string(name_of(kind)));
    CHECK(proxy_score(kind, without, rows) == before[kind]);
  }
  CHECK(before[ProxyScore::params] == static_cast<double>(model.parameter_count()));
  CHECK(before[ProxyScore::snip] > before[ProxyScore::saliency]);
  for (const ProxyScore kind : {ProxyScore::params, ProxyScore::synflow}) CHECK(proxy_score(kind, model, {}) == before[kind]);
  for (const ProxyScore kind : {ProxyScore::snip, ProxyScore::jacobian, ProxyScore::head_confidence})
    CHECK(has(message_of([&] { proxy_score(kind, model, {}); }), "expected a batch of rows"));
}

TEST_CASE("what is no number is a failure with the score's name") {
  Context context;
  nn::TransformerConfig config = golden().at("pre layer_norm learned mean");
  nn::Classifier model(context, config);
  const data::EncodedDataset rows = batch(false);
  for (Var parameter : model.parameters())
    if (parameter.name() == "classifier.weight") parameter.mutable_value().fill(0);
  CHECK(has(message_of<NonFiniteError>([&] { proxy_score(ProxyScore::jacobian, model, rows); }), "jacobian"));
  CHECK(has(message_of<NonFiniteError>([&] { proxy_score(ProxyScore::synflow, model, rows); }), "synflow"));
  for (Var parameter : model.parameters())
    if (parameter.name() == "classifier.weight") parameter.mutable_value().fill(std::numeric_limits<double>::infinity());
  for (const ProxyScore kind : {ProxyScore::snip, ProxyScore::grad_norm, ProxyScore::synflow})
    CHECK(has(message_of<NonFiniteError>([&] { proxy_score(kind, model, rows); }), name_of(kind)));
  CHECK(has(message_of([] { proxy_score_kind("synflo"); }), "did you mean synflow?"));
  for (const ProxyScore kind : proxy_scores()) CHECK(proxy_score_kind(name_of(kind)) == kind);
}

TEST_CASE("synflow of a deep and wide network stays a number") {
  Context context;
  nn::TransformerConfig config = nn::TransformerConfig::uniform({.layers = 48, .hidden = 8, .heads = 2, .ffn = 8});
  config.vocab_size = 4;
  config.max_tokens = 4;
  config.classes = 2;
  nn::Classifier model(context, config);
  for (Var parameter : model.parameters()) parameter.mutable_value().fill(-1);
  const double deep = proxy_score(ProxyScore::synflow, model, {});
  CHECK(deep > 88.8);  // e^88.8 is beyond f32
  CHECK(deep < 709);
}

TEST_CASE("singular values: PyTorch's nuclear norms, products, and what is refused") {
  int compared = 0;
  for (const Expected& e : expected()) {
    if (!e.name.starts_with("nuclear")) continue;
    const auto parts = split(e.name, ' ');
    const auto rows = static_cast<std::size_t>(parse_int(parts[1]).value()),
               columns = static_cast<std::size_t>(parse_int(parts[2]).value());
    std::vector<double> m;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) m.push_back(mix(static_cast<std::uint32_t>(i * 31 + j)) / 4294967296.0 - 0.5);
    if (parts[3] == "low") {
      const std::vector<double> full = m;
      for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < columns; ++j)
          m[i * columns + j] = full[i * columns] * full[j] + full[i * columns + columns - 1] * full[(rows - 1) * columns + j];
    }
    CAPTURE(e.name);
    CHECK(relative(nuclear_norm(m, rows, columns), e.scores.at("nuclear_norm")) < 1e-14);
    const std::vector<double> s = singular_values(m, rows, columns);
    CHECK(s.size() == std::min(rows, columns));
    double squares = 0, frobenius = 0;
    for (const double value : s) squares += value * value;
    for (const double value : m) frobenius += value * value;
    CHECK(relative(squares, frobenius) < 1e-14);
    CHECK(std::is_sorted(s.rbegin(), s.rend()));
    // A power of two goes through without a rounding, up to where squares would overflow or vanish.
    for (const double unit : {std::ldexp(1.0, 1000), std::ldexp(1.0, -1000)}) {
      std::vector<double> scaled = m;
      for (double& value : scaled) value *= unit;
      CHECK(nuclear_norm(scaled, rows, columns) == nuclear_norm(m, rows, columns) * unit);
    }
    ++compared;
  }
  CHECK(compared == 10);
  CHECK(singular_values(std::vector<double>(12, 0.0), 3, 4) == std::vector<double>{0, 0, 0});
  CHECK(singular_values({}, 0, 4).empty());
  CHECK(singular_values(std::vector<double>{3, 0, 0, -4}, 2, 2) == std::vector<double>{4, 3});
  const std::vector<double> bad = {1, std::numeric_limits<double>::quiet_NaN()};
  CHECK(has(message_of([&] { singular_values(bad, 1, 2); }), "finite"));
  CHECK(has(message_of([&] { singular_values(bad, 2, 2); }), "2 values for 2 x 2"));
}

TEST_CASE("FLOPs are those of the passes that a score takes") {
  const nn::TransformerConfig config = golden().at("pre layer_norm learned mean");
  const data::EncodedDataset rows = batch(false);
  for (const ProxyScore kind : {ProxyScore::grad_norm, ProxyScore::snip, ProxyScore::saliency, ProxyScore::head_confidence}) {
    Context context;
    nn::Classifier model(context, config);
    const std::int64_t before = context.flops().total();
    proxy_score(kind, model, rows);
    const std::int64_t counted = context.flops().total() - before, charged = proxy_score_flops(kind, config, rows);
    CAPTURE(name_of(kind));
    // Head confidence computes attention and its input once more, and no head.
    if (kind == ProxyScore::head_confidence) CHECK(counted > charged / 2);
    if (kind == ProxyScore::head_confidence) CHECK(counted < 2 * charged);
    if (kind != ProxyScore::head_confidence) CHECK(counted == charged);
  }
  CHECK(proxy_score_flops(ProxyScore::params, config, rows) == 0);
  CHECK(proxy_score_flops(ProxyScore::synflow, config, rows) > 0);
  CHECK(proxy_score_flops(ProxyScore::diversity, config, rows) > proxy_score_flops(ProxyScore::snip, config, rows));
}
