// Slicing: a sub-network is the network that one builds by hand from the weights it should have; and what a space needs for it.
#include <lathe/nas/transformer/supernet.h>
#include <lathe/nas/transformer/supernet_space.h>

#include <set>

#include "tests/nas_transformer/supernet_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

nn::TransformerConfig network(Index hidden, std::vector<nn::LayerConfig> layers, nn::NormPlace place, nn::Positions positions,
                              NormKind norm) {
  nn::TransformerConfig config = nn::TransformerConfig::uniform({.layers = 1, .hidden = hidden, .norm = norm, .place = place});
  config.layers = std::move(layers);
  config.vocab_size = 9;
  config.max_tokens = 8;
  config.type_vocab_size = 2;
  config.classes = 3;
  config.positions = positions;
  return config;
}

std::vector<Supernet::Weight> random_weights(const nn::TransformerConfig& whole) {
  Context context({.seed = 5});
  const nn::Classifier model(context, whole);
  Random random(random_key(1, 0, "weights"));
  std::vector<Supernet::Weight> weights;
  for (const Var& p : model.parameters()) {
    std::vector<float> values;
    for (Index i = 0; i < p.shape().numel(); ++i) values.push_back(static_cast<float>(random.normal() * 0.3));
    weights.push_back({p.name(), p.shape(), values});
  }
  return weights;
}

/// Element of the whole parameter from which element (row, column) of the part's comes; vectors have column 0 alone.
Index origin(const std::string& name, const nn::TransformerConfig& whole, const nn::TransformerConfig& part, Index row,
             Index column, Index whole_columns) {
  if (name.find(".attention.") != std::string::npos && name.find("norm") == std::string::npos) {
    const auto layer = static_cast<std::size_t>(name[7] - '0');
    const Index dim = part.head_dim(layer), heads = part.layers[layer].heads;
    const auto inner = [&](Index i) { return i / dim * whole.head_dim(layer) + i % dim; };  // head, then column of the head
    if (name.find(".qkv.") != std::string::npos) {
      const Index which = row / (heads * dim);  // q, k or v
      row = which * whole.layers[layer].heads * whole.head_dim(layer) + inner(row % (heads * dim));
    } else if (name.ends_with("weight")) {
      column = inner(column);
    }
  }
  return row * whole_columns + column;
}

nn::Batch small_batch(Context& context) {
  const std::vector<std::int32_t> ids = {1, 2, 3, 4, 8, 0, 5, 5, 7}, types = {0, 0, 1, 1, 0, 0, 0, 1, 1};
  return nn::make_batch(context, ids, Offsets(std::vector<std::int32_t>{0, 4, 5, 9}), types);
}

struct Networks {
  nn::TransformerConfig whole, part;
};

std::vector<Networks> networks() {
  std::vector<Networks> all;
  const auto add = [&](nn::NormPlace place, nn::Positions positions, NormKind norm) {
    const nn::TransformerConfig whole =
        network(12, {{3, 4, 20, UnaryOp::kRelu}, {2, 6, 8, UnaryOp::kGelu}, {4, 2, 16, UnaryOp::kSilu}}, place, positions, norm);
    all.push_back({whole, whole});
    all.push_back({whole, network(12, {{3, 4, 20, UnaryOp::kGelu}, {2, 6, 8, UnaryOp::kRelu}}, place, positions, norm)});
    all.push_back({whole, network(6, {{2, 2, 7, UnaryOp::kGeluTanh}, {1, 4, 8, UnaryOp::kRelu}}, place, positions, norm)});
    all.push_back({whole, network(8, {{3, 2, 1, UnaryOp::kRelu}, {2, 2, 3, UnaryOp::kRelu}, {1, 2, 16, UnaryOp::kSilu}}, place,
                                  positions, norm)});
  };
  add(nn::NormPlace::kPre, nn::Positions::kLearned, NormKind::kLayer);
  add(nn::NormPlace::kPost, nn::Positions::kRotary, NormKind::kRms);
  add(nn::NormPlace::kPre, nn::Positions::kSinusoidal, NormKind::kRms);
  return all;
}

}  // namespace

TEST_CASE("supernet: logits and gradients of a slice are those of the network built by hand, to the bit") {
  for (const auto& [whole, part] : networks()) {
    CAPTURE(whole.summary());
    CAPTURE(part.summary());
    const std::vector<Supernet::Weight> weights = random_weights(whole);
    const Supernet supernet(whole, weights);
    Context context;
    const nn::Batch batch = small_batch(context);
    const Tensor labels = Tensor::from(context, {std::int32_t{2}, std::int32_t{0}, std::int32_t{1}}, Shape{3});
    const nn::Classifier slice = supernet.network(context, part);
    nn::Classifier own(context, part);
    REQUIRE(slice.parameters().size() == own.parameters().size());
    for (Var parameter : own.parameters()) {
      const auto found = std::find_if(weights.begin(), weights.end(), [&](const auto& w) { return w.name == parameter.name(); });
      REQUIRE(found != weights.end());
      const Index columns = parameter.shape().dims() == 2 ? parameter.size(1) : 1;
      const Index whole_columns = found->shape.dims() == 2 ? found->shape[1] : 1;
      float* to = parameter.mutable_value().mutable_data<float>();
      for (Index i = 0; i < parameter.shape().numel(); ++i)
        to[i] =
            found->values[static_cast<std::size_t>(origin(parameter.name(), whole, part, i / columns, i % columns, whole_columns))];
    }
    CHECK(slice.logits(batch, nn::Mode::kEvaluate).value().to_vector<float>() ==
          own.logits(batch, nn::Mode::kEvaluate).value().to_vector<float>());
    CHECK(slice.backward(batch, labels) == own.backward(batch, labels));
    // Adding a gradient to the whole network's touches exactly its own elements.
    for (std::size_t p = 0; p < own.parameters().size(); ++p) {
      const Var &mine = own.parameters()[p], &theirs = slice.parameters()[p];
      CAPTURE(mine.name());
      const std::vector<float> gradient = mine.grad().to_vector<float>();
      CHECK(theirs.grad().to_vector<float>() == gradient);
      const auto found = std::find_if(weights.begin(), weights.end(), [&](const auto& w) { return w.name == mine.name(); });
      std::vector<float> sum(found->values.size(), 1), expected = sum;
      Slice(mine.name(), whole, found->shape, part, mine.shape()).add(gradient.data(), sum.data());
      const Index columns = mine.shape().dims() == 2 ? mine.size(1) : 1;
      const Index whole_columns = found->shape.dims() == 2 ? found->shape[1] : 1;
      for (Index i = 0; i < mine.shape().numel(); ++i)
        expected[static_cast<std::size_t>(origin(mine.name(), whole, part, i / columns, i % columns, whole_columns))] +=
            gradient[static_cast<std::size_t>(i)];
      CHECK(sum == expected);
    }
  }
}

TEST_CASE("supernet: what is no part is refused, naming what does not fit") {
  const nn::TransformerConfig whole = networks()[0].whole;
  Context context;
  const Supernet supernet(whole, random_weights(whole));
  const auto refusal = [&](auto&& change) {
    nn::TransformerConfig part = whole;
    change(part);
    return message_of([&] { supernet.network(context, part); });
  };
  CHECK(refusal([](auto&) {}) == "nothing was thrown");
  CHECK(refusal([](auto& c) { c.layers.push_back(c.layers[0]); }) ==
        "[supernet] layers 4 is more than the 3 of the shared weights");
  CHECK(refusal([](auto& c) { c.hidden = 14; }) == "[supernet] hidden 14 is more than the 12 of the shared weights");
  CHECK(refusal([](auto& c) { c.layers[1].heads = 3; }) == "[supernet] layers[1].heads 3 is more than the 2 of the shared weights");
  CHECK(refusal([](auto& c) { c.layers[2].head_dim = 3; }) ==
        "[supernet] layers[2].head_dim 3 is more than the 2 of the shared weights");
  CHECK(refusal([](auto& c) { c.layers[0].ffn = 21; }) == "[supernet] layers[0].ffn 21 is more than the 20 of the shared weights");
  CHECK(refusal([](auto& c) { c.dropout = 0.5; }) == "nothing was thrown");
  CHECK(has(refusal([](auto& c) { c.positions = nn::Positions::kRotary; }), "is not a part of"));
  CHECK(has(refusal([](auto& c) { c.norm = NormKind::kRms; }), "is not a part of"));
  CHECK(has(refusal([](auto& c) { c.vocab_size = 8; }), "is not a part of"));
  CHECK(has(refusal([](auto& c) { c.layers.clear(); }), "layers is empty"));

  std::vector<Supernet::Weight> weights = random_weights(whole);
  weights[3].values.pop_back();
  CHECK(has(message_of([&] { Supernet(whole, weights); }), "[supernet] expected `layers.0.attention.norm.weight` [12], got"));
  weights.pop_back();
  CHECK(has(message_of([&] { Supernet(whole, weights); }), "parameters, got"));
}

TEST_CASE("supernet: the whole network covers every point of a space, and the strata hold points of it") {
  const Space space = shared_space();
  const SharedSpace s = shared();
  CHECK(s.whole.hidden == 12);
  REQUIRE(s.whole.layers.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(s.whole.layers[i].heads == 2);
    CHECK(s.whole.head_dim(i) == 12);  // one head of all columns
    CHECK(s.whole.layers[i].ffn == 36);
  }
  CHECK(s.largest.summary().starts_with("L3 H12"));
  CHECK(s.largest.layers[2].ffn == 36);
  CHECK(s.smallest.summary().starts_with("L1 H4"));
  CHECK(s.smallest.layers[0].ffn == 4);
  std::set<std::string> possible, seen;
  std::int64_t points = 0;
  space.enumerate([&](const Point& point) {
    const nn::TransformerConfig architecture = apply(shared_base(), point).architecture(task());
    CHECK_NOTHROW(check_part(s.whole, architecture));
    possible.insert(architecture.to_json());
    return ++points, true;
  });
  CHECK(points == 504);
  std::int64_t before = 0;
  for (const auto& stratum : s.strata) {
    REQUIRE_FALSE(stratum.empty());
    for (const nn::TransformerConfig& member : stratum) {
      CHECK(possible.contains(member.to_json()));
      CHECK(seen.insert(member.to_json()).second);
      const std::int64_t size = nn::count_parameters(member) - member.vocab_size * member.hidden;
      CHECK(size >= before);
      before = size;
    }
  }
  CHECK(s.strata.size() > 5);
  CHECK(shared().hash() == s.hash());
  CHECK(shared(4).hash() != s.hash());
}

TEST_CASE("supernet: sizes of 0 follow others, and the whole network covers them too") {
  const auto covers = [](const Space& space, const Candidate& candidate, Index head_dim, Index ffn) {
    const SharedSpace s = share_space(space, candidate, task(), 3, [](const Point&) { return true; });
    for (std::size_t i = 0; i < s.whole.layers.size(); ++i) {
      CHECK(s.whole.head_dim(i) == head_dim);
      CHECK(s.whole.layers[i].ffn == ffn);
    }
    CHECK_NOTHROW(check_part(s.whole, s.largest));
    int points = 0;
    space.enumerate([&](const Point& point) {
      CHECK_NOTHROW(check_part(s.whole, apply(candidate, point).architecture(task())));
      return ++points, true;
    });
    CHECK(points > 3);
  };
  const auto sizes = [] { return SpaceBuilder().ordinal("hidden", {16, 32}).ordinal("heads", {1, 2}); };
  Candidate candidate = base();
  candidate.all.expansion = 3;
  covers(sizes().ordinal("head_dim", {0, 8}).build(), candidate, 32, 96);
  covers(sizes().ordinal("head_dim", {0, 40}).build(), candidate, 40, 96);
  covers(sizes().ordinal("ffn", {0, 10}).build(), candidate, 32, 96);
  covers(sizes().ordinal("ffn", {0, 100}).build(), candidate, 32, 100);
  covers(sizes().integer("layers", 1, 2).ordinal("layers[i].head_dim", {0, 8}).ordinal("layers[i].ffn", {0, 10}).build(), candidate,
         32, 96);
  covers(sizes().ordinal("head_dim", {4, 8}).ordinal("ffn", {5, 10}).build(), candidate, 8, 10);
}

TEST_CASE("supernet: drawn sub-networks visit every stratum equally often") {
  const SharedSpace s = shared();
  std::map<std::string, std::size_t> stratum_of;
  for (std::size_t i = 0; i < s.strata.size(); ++i)
    for (const auto& member : s.strata[i]) stratum_of[member.to_json()] = i;
  std::vector<int> visits(s.strata.size());
  std::set<std::string> distinct;
  for (std::uint64_t draw = 0; draw < 50 * s.strata.size(); ++draw) {
    const std::string text = draw_part(s, 3, draw).to_json();
    ++visits[stratum_of.at(text)];
    distinct.insert(text);
    CHECK(draw_part(s, 3, draw).to_json() == text);
  }
  for (const int count : visits) CHECK(count == 50);
  CHECK(distinct.size() > 100);
  int same = 0;
  for (std::uint64_t draw = 0; draw < 100; ++draw) same += draw_part(s, 3, draw) == draw_part(s, 4, draw);
  CHECK(same < 30);
}

TEST_CASE("supernet: limits hold for every sub-network that is trained") {
  const auto small = [](const Point& p) { return p.integer("hidden") <= 8 && p.integer("layers") < 3; };
  const SharedSpace s = share_space(shared_space(), shared_base(), task(), 3, small);
  CHECK(s.whole.hidden == 12);
  CHECK(s.largest.summary().starts_with("L2 H8"));
  for (const auto& stratum : s.strata)
    for (const auto& member : stratum) CHECK((member.hidden <= 8 && member.layers.size() < 3));
  CHECK(has(message_of([&] { share_space(shared_space(), shared_base(), task(), 3, [](const Point&) { return false; }); }),
            "none of 1024 points of the space is a model within the limits"));
}

TEST_CASE("supernet: spaces that weights cannot be shared over are refused, naming every reason") {
  const auto refusal = [](const Space& space) { return message_of([&] { check_shareable(space); }); };
  CHECK(refusal(shared_space()) == "nothing was thrown");
  CHECK(refusal(Space()) == "nothing was thrown");
  const std::string message = refusal(SpaceBuilder()
                                          .integer("layers", 1, 2)
                                          .real("lr", 1e-4, 1e-2, {.log = true})
                                          .categorical("pooling", {"mean", "first"})
                                          .categorical("positions", {"learned", "rotary"})
                                          .build());
  CHECK(message ==
        "[supernet] `lr`, `pooling`, `positions` cannot be searched on shared weights, which one training makes for all "
        "architectures: take them out of [space]; shared are layers, hidden, heads, head_dim, expansion, ffn, activation");
  CHECK(has(refusal(SpaceBuilder().ordinal("dropout", {0.0, 0.1}).build()), "`dropout` cannot be searched"));
  CHECK(has(refusal(SpaceBuilder().integer("layers", 1, 2).ordinal("heads", {1, 2}, {.when = "layers == 1"}).build()),
            "`heads` is not active in the largest model"));
}
