// What a point of a search space means.
#include <set>

#include "tests/nas_transformer/support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

TEST_CASE("every searchable name moves its field, and nothing else") {
  const std::vector<std::pair<std::string, Value>> values = {
      {"layers", 3},          {"hidden", 24},       {"heads", 3},           {"expansion", 5},
      {"activation", "relu"}, {"norm", "rms_norm"}, {"norm_place", "post"}, {"positions", "sinusoidal"},
      {"pooling", "first"},   {"dropout", 0.25},    {"batch_rows", 7},      {"batch_tokens", 99},
      {"optimizer", "sgd"},   {"lr", 0.5},          {"weight_decay", 0.25}, {"schedule", "linear"},
      {"warmup", 0.5},        {"clip", 2.0},        {"head_dim", 6},        {"vocab", 30},
      {"max_tokens", 6}};
  std::set<std::string> names = {"ffn"};  // the other word for expansion: below
  for (const auto& [name, value] : values) names.insert(name);
  CHECK(names == std::set<std::string>(searchable_names().begin(), searchable_names().end()));

  TaskShape shape = task();
  shape.vocabularies[30] = 28;  // the texts have no more
  const auto text = [&](const Candidate& c) { return c.architecture(shape).to_json() + c.training.to_json(); };
  Candidate one_by_one = base();
  for (const auto& entry : values) {
    CAPTURE(entry.first);
    CHECK(text(apply(base(), point({entry}))) != text(base()));
    const std::string before = text(one_by_one);
    one_by_one = apply(one_by_one, point({entry}));
    CHECK(text(one_by_one) != before);
  }
  const Candidate c = apply(base(), point(values));
  CHECK(text(c) == text(one_by_one));
  CHECK(c.layers == 3);
  CHECK(c.training.batch_tokens == 99);
  CHECK(c.training.optimizer == train::OptimizerKind::kSgd);
  CHECK(c.training.clip == 2);
  const nn::TransformerConfig a = c.architecture(shape);
  CHECK(a.vocab_size == 28);
  CHECK(a.max_tokens == 6);
  REQUIRE(a.layers.size() == 3);
  for (const nn::LayerConfig& layer : a.layers) {
    CHECK(layer.heads == 3);
    CHECK(layer.head_dim == 6);
    CHECK(layer.ffn == 5 * 24);
    CHECK(layer.activation == UnaryOp::kRelu);
  }
  CHECK(a.norm == NormKind::kRms);
  CHECK(a.norm_place == nn::NormPlace::kPost);
  CHECK(a.positions == nn::Positions::kSinusoidal);
  CHECK(a.pooling == nn::Pooling::kFirst);
  CHECK(a.dropout == 0.25);
  CHECK(a.attention_dropout == 0.25);
  CHECK(a.head_dropout == 0.25);
  CHECK_NOTHROW(a.validate());
}

TEST_CASE("the feed-forward width is a number or a multiple of hidden, whichever the space has") {
  const auto width = [](const Candidate& c) { return c.architecture(task()).layers[0].ffn; };
  CHECK(width(base()) == 16);
  CHECK(width(apply(base(), point({{"ffn", 23}}))) == 23);
  CHECK(width(apply(base(), point({{"hidden", 16}}))) == 32);
  Candidate wide = base();
  wide.all.ffn = 50;
  CHECK(width(apply(wide, point({{"hidden", 16}}))) == 50);
  CHECK(width(apply(wide, point({{"expansion", 3}}))) == 24);  // the space's word counts
  CHECK(message_of([] {
          apply(base(), point({{"expansion", 3}, {"ffn", 9}}));
        }) == "`expansion` and `ffn` both give the width of the feed-forward part; search one of them");
  CHECK(has(message_of([] { apply(base(), point({{"vocab", 30}})).architecture(task()); }), "no vocabulary of 30 tokens"));
  // Nonsense is for validate() to refuse, not to be read as the default.
  for (const char* name : {"ffn", "head_dim", "max_tokens"}) {
    CAPTURE(name);
    CHECK(has(message_of([&] { apply(base(), point({{name, -4}})).architecture(task()).validate(); }), "-4"));
  }
}

TEST_CASE("the data decide vocabulary, length, classes and segments") {
  const nn::TransformerConfig a = base().architecture({.vocab_size = 50, .max_tokens = 9, .classes = 4, .pair = true});
  CHECK(a.vocab_size == 50);
  CHECK(a.max_tokens == 9);
  CHECK(a.classes == 4);
  CHECK(a.type_vocab_size == 2);
  CHECK(base().architecture(task()).type_vocab_size == 0);
}

TEST_CASE("layers one by one") {
  const Space space = SpaceBuilder()
                          .integer("layers", 1, 3)
                          .categorical("layers[i].heads", {1, 2, 4})
                          .categorical("layers[i].activation", {"relu", "silu"})
                          .integer("layers[i].ffn", 4, 64, {.step = 4})
                          .categorical("layers[i].head_dim", {2, 6})
                          .build();
  const Point p = space.point({{"layers", 2},
                               {"layers[0].heads", 4},
                               {"layers[1].heads", 1},
                               {"layers[0].activation", "silu"},
                               {"layers[1].activation", "relu"},
                               {"layers[0].ffn", 12},
                               {"layers[1].ffn", 40},
                               {"layers[0].head_dim", 6},
                               {"layers[1].head_dim", 2}});
  const nn::TransformerConfig a = apply(base(), p).architecture(task());
  REQUIRE(a.layers.size() == 2);
  CHECK(a.layers[0].heads == 4);
  CHECK(a.layers[1].heads == 1);
  CHECK(a.layers[0].activation == UnaryOp::kSilu);
  CHECK(a.layers[1].activation == UnaryOp::kRelu);
  CHECK(a.layers[0].ffn == 12);
  CHECK(a.layers[1].ffn == 40);
  CHECK(a.layers[0].head_dim == 6);
  CHECK(a.layers[1].head_dim == 2);
  CHECK_NOTHROW(a.validate());
  // A layer beyond the depth has no choices: neither in draws nor in points that are written down.
  std::vector<std::pair<std::string, Value>> one_layer = {
      {"layers", 1}, {"layers[0].heads", 4}, {"layers[0].activation", "silu"}, {"layers[0].ffn", 12}, {"layers[0].head_dim", 6}};
  CHECK(apply(base(), space.point(one_layer)).architecture(task()).layers.size() == 1);
  one_layer.emplace_back("layers[1].ffn", 8);
  CHECK(has(message_of([&] { space.point(one_layer); }), "layers[1].ffn"));
  for (std::uint64_t i = 0; i < 20; ++i) {
    const Point drawn = space.uniform(3, i, 0);
    const Candidate c = apply(base(), drawn);
    CHECK(c.per_layer.size() == static_cast<std::size_t>(c.layers));
    std::int64_t values = 0;
    for (std::size_t k = 0; k < drawn.size(); ++k) values += drawn.value(k) ? 1 : 0;
    CHECK(values == 1 + 4 * c.layers);
  }
  const Point one = SpaceBuilder().integer("layers", 2, 2).categorical("layers[i].heads", {1}).build().uniform(1, 0, 0);
  CHECK(apply(base(), one).architecture(task()).layers[1].ffn == 16);  // what the space does not vary is the base's
}

TEST_CASE("what means nothing is refused") {
  const auto refusal = [](const char* name, const Value& value) {
    return message_of([&] { apply(base(), point({{name, value}})); });
  };
  CHECK(refusal("hiden", 8) == "`hiden` cannot be searched; did you mean `hidden`?");
  CHECK(refusal("zzzzzz", 8) == "`zzzzzz` cannot be searched");
  const auto refusal_of_layer = [](const char* field) {
    const Space space = SpaceBuilder().integer("layers", 1, 1).categorical(std::string("layers[i].") + field, {8}).build();
    return message_of([&] { apply(base(), space.uniform(1, 0, 0)); });
  };
  CHECK(refusal_of_layer("ffn") == "nothing was thrown");
  CHECK(refusal_of_layer("head") == "`layers[0].head` cannot be searched; did you mean `layers[0].heads`?");
  CHECK(refusal_of_layer("pooling") ==
        "`layers[0].pooling` cannot be searched; of a layer: heads, head_dim, expansion, ffn, activation");
  CHECK(refusal("vocb", 8) == "`vocb` cannot be searched; did you mean `vocab`?");
  CHECK(refusal("max_token", 8) == "`max_token` cannot be searched; did you mean `max_tokens`?");
  CHECK(refusal("hidden", "wide") == "`hidden` = wide, expected an integer");
  CHECK(refusal("hidden", 8.5) == "`hidden` = 8.5, expected an integer");
  CHECK(refusal("lr", "fast") == "`lr` = fast, expected a number");
  CHECK(refusal("norm", 3) == "`norm` = 3, expected a name");
  CHECK(has(refusal("activation", "gelu_tahn"), "gelu_tanh"));
  CHECK(apply(base(), point({{"dropout", 0}})).dropout == 0);  // an integer is a number
}
