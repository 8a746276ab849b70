// Latency: least squares, features, the measuring of a machine that is not quiet, the model and its file.
#include <lathe/base/file.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/latency.h>
#include <lathe/nas/transformer/least_squares.h>
#include <lathe/nas/transformer/profile.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "tests/nas_transformer/support.h"

using namespace lathe;
using namespace lathe::nas;
using lathe::test::message_of;

namespace {

Space wide_space() {
  SpaceBuilder builder;
  builder.integer("layers", 1, 4)
      .categorical("hidden", {Value(std::int64_t{32}), Value(std::int64_t{64}), Value(std::int64_t{128})});
  builder.categorical("heads", {Value(std::int64_t{1}), Value(std::int64_t{2}), Value(std::int64_t{4})}).integer("expansion", 2, 4);
  builder.categorical("activation", {Value("gelu_tanh"), Value("relu")})
      .categorical("norm", {Value("layer_norm"), Value("rms_norm")});
  builder.categorical("norm_place", {Value("pre"), Value("post")}).real("lr", 1e-4, 1e-2);
  return builder.build();
}

TaskShape wide_task() { return {.vocab_size = 100, .max_tokens = 64, .classes = 2}; }

std::vector<nn::TransformerConfig> drawn(std::int64_t count, std::uint64_t seed = 1) {
  return draw_architectures(wide_space(), Candidate{}, wide_task(), count, seed);
}

/// A machine whose time is a sum over features, in whole nanoseconds.
std::int64_t planted(const nn::TransformerConfig& config, const LatencyLoad& load) {
  const std::vector<double> counts = latency_features(config, load);
  double ns = 0;
  for (std::size_t i = 0; i < counts.size(); ++i)
    ns += counts[i] * (latency_feature_names()[i] == "call" ? 3000 : i % 3 == 0 ? 0.02 : 0.005 * static_cast<double>(i % 4));
  return static_cast<std::int64_t>(ns) + 100;
}

/// A machine with a clock of its own: time passes with its calls, and `speed` says how slow it is at a moment.
struct FakeMachine {
  LatencyLoad load;
  std::function<double(double seconds)> slowness = [](double) { return 1.0; };
  double clock = 0;  // seconds
  std::int64_t visits = 0;

  LatencyMeter meter() {
    return [this](const nn::TransformerConfig& config, int warm_up, int calls) {
      ++visits;
      std::vector<std::int64_t> times;
      for (int i = -warm_up; i < calls; ++i) {
        const double ns = static_cast<double>(planted(config, load)) * slowness(clock);
        clock += ns * 1e-9;
        if (i >= 0) times.push_back(static_cast<std::int64_t>(ns));
      }
      return times;
    };
  }
};

LatencyTable table_of(const std::vector<nn::TransformerConfig>& architectures, const LatencyLoad& load) {
  LatencyTable table;
  for (const nn::TransformerConfig& architecture : architectures)
    table.samples.push_back({architecture, planted(architecture, load), 1});
  table.reference = {1000, 5, 500, 3, 0.02};
  return table;
}

LatencyModel::Facts facts(const LatencyLoad& load) { return {.load = load, .backend = "avx2", .cpu = "a processor", .cores = 2}; }

struct Fixture {
  Space space = wide_space();
  lathe::test::TemporaryFolder folder;
  FakeMachine machine;
  std::vector<std::string> notes;
  LatencyRequest request() {
    LatencyRequest r;
    r.space = &space;
    r.task = wide_task();
    r.samples = 20;
    r.cache = folder.path() / "latency.json";
    r.meter = machine.meter();
    r.note = [this](const std::string& text) { notes.push_back(text); };
    return r;
  }
};

}  // namespace

TEST_CASE("non-negative least squares: the values of scipy 1.17.1") {
  // scipy.optimize.nnls on a[i][j] = (7 i + 3 j) mod 11 − 3, 9 x 5, and two right sides
  std::vector<double> a, b, c;
  for (int i = 0; i < 9; ++i) {
    for (int j = 0; j < 5; ++j) a.push_back((i * 7 + j * 3) % 11 - 3);
    b.push_back(i * 5 % 7 - 1);
    c.push_back(i * 4 % 9 - 5);
  }
  const auto check = [](const std::vector<double>& x, const std::vector<double>& expected) {
    REQUIRE(x.size() == expected.size());
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(x[i] == doctest::Approx(expected[i]).epsilon(1e-6));
  };
  check(nonnegative_least_squares(a, 5, b, 1e-13), {0.00984137, 0.42792732, 0.33399242, 0.096032, 0.20437694});
  check(nonnegative_least_squares(a, 5, c, 1e-13), {0, 0, 0, 0, 0.1491228070175439});
  // A column of zeros, and two equal ones, of which the ridge makes halves.
  const std::vector<double> twice = {1, 0, 1, 2, 0, 2, 3, 0, 3}, d = {2, 4, 6};
  check(nonnegative_least_squares(twice, 3, d, 1e-9), {1, 0, 1});
}

TEST_CASE("non-negative least squares: a column whose slope is rounding alone does not keep others out") {
  // The third column is a third of the first two together; the last one has a row of its own, so it is that row's right side.
  for (const auto& [p, q, r, s, b, c] : {std::array{7.0, 4.0, 0.0, 8.0, 5.2e9, 6.8e9},
                                         {2.0, 9.0, 5.0, 8.0, 7.5e9, 7.5e9},
                                         {1.0, 6.0, 2.0, 6.0, 8.2e9, 8.7e9},
                                         {3.0, 0.0, 7.0, 4.0, 2e8, 2.9e9},
                                         {7.0, 0.0, 7.0, 3.0, 2e8, 1.7e9},
                                         {4.0, 3.0, 5.0, 9.0, 3.9e9, 9.9e9}}) {
    const std::vector<double> a = {p, q, (p + q) / 3, 0, r, s, (r + s) / 3, 0, 0, 0, 0, 1};
    CHECK(1e9 * nonnegative_least_squares(a, 4, std::vector<double>{b, c, 1e-9}, 1e-13)[3] == doctest::Approx(1));
  }
}

TEST_CASE("least squares refuses what does not fit") {
  const std::vector<double> a = {1, 2, 3, 4}, b = {1, 2}, bad = {1, std::nan("")};
  CHECK_THROWS_AS(nonnegative_least_squares(a, 3, b, 1e-6), InputError);
  CHECK_THROWS_AS(nonnegative_least_squares(a, 0, b, 1e-6), InputError);
  CHECK_THROWS_AS(nonnegative_least_squares(a, 2, b, 0), InputError);
  CHECK_THROWS_AS(nonnegative_least_squares(a, 2, bad, 1e-6), InputError);
}

TEST_CASE("what is timed: the load's texts, cut to what the network takes, of tokens of its vocabulary") {
  nn::TransformerConfig config = drawn(1)[0];
  config.vocab_size = 5;
  config.max_tokens = 7;
  Context context;
  for (const std::int64_t tokens : {std::int64_t{4}, std::int64_t{9}}) {
    const nn::Batch batch = latency_batch(context, {.batch = 3, .tokens = tokens}, config);
    CHECK(batch.offsets.sequences() == 3);
    for (Index i = 0; i < 3; ++i) CHECK(batch.offsets.length(i) == std::min<Index>(tokens, 7));
    const std::vector<std::int32_t> ids = batch.ids.to_vector<std::int32_t>();
    CHECK(static_cast<Index>(ids.size()) == batch.offsets.tokens());
    CHECK(std::set(ids.begin(), ids.end()) == std::set{0, 1, 2, 3, 4});  // every one, and no other
    CHECK(latency_batch(context, {.batch = 3, .tokens = tokens}, config).ids.to_vector<std::int32_t>() == ids);
  }
}

TEST_CASE("features count what an inference does") {
  nn::TransformerConfig config = drawn(1)[0];
  config = nn::TransformerConfig::uniform({.layers = 2, .hidden = 32, .heads = 4, .ffn = 100});
  config.vocab_size = 50;
  config.classes = 2;
  const auto value = [&](const char* name, const LatencyLoad& load) {
    const std::vector<std::string>& names = latency_feature_names();
    const auto at = std::find(names.begin(), names.end(), name);
    REQUIRE(at != names.end());
    return latency_features(config, load)[static_cast<std::size_t>(at - names.begin())];
  };
  const LatencyLoad one{1, 20, 1}, four{4, 20, 1}, shared{4, 20, 3};
  CHECK(value("layer", four) == 2);
  CHECK(value("weight", one) == 2 * (4 * 32 * 32 + 2 * 32 * 100) + 2 * 32);
  CHECK(value("product", one) == 2 * 20 * (32 * 96 + 32 * 32 + 32 * 112 + 100 * 32) + 16 * 32);
  CHECK(value("gelu_tanh", one) == 2 * 20 * 112);
  CHECK(value("relu", one) == 0);
  CHECK(value("layer_norm", one) == 5 * 20 * 32);
  CHECK(value("head_task", four) == 2 * 16);
  CHECK(value("head_task", shared) == 2 * 6);  // 16 tasks among three threads
  CHECK(value("score", one) == 2 * 4 * 20 * 32 * 8);
}

TEST_CASE("limits of inputs") {
  nn::TransformerConfig config = drawn(1)[0];
  CHECK_THROWS_AS(latency_features(config, {0, 8, 1}), InputError);
  CHECK_THROWS_AS(latency_features(config, {1, 0, 1}), InputError);
  CHECK_THROWS_AS(latency_features(config, {1, 8, 0}), InputError);
  CHECK(latency_features(config, {1, 65, 1}) == latency_features(config, {1, 64, 1}));  // a text is cut to what the model takes
  CHECK(latency_features(config, {1, 63, 1}) != latency_features(config, {1, 64, 1}));
  CHECK_THROWS_AS(LatencyModel(LatencyTable{}, facts({1, 8, 1})), InputError);
  LatencyTable table = table_of(drawn(3), {1, 8, 1});
  table.samples[1].median_ns = 0;
  CHECK_THROWS_AS(LatencyModel(table, facts({1, 8, 1})), InputError);
  CHECK(percentile({5}, 0.01) == 5);
  CHECK(percentile({4, 1, 3, 2}, 0.5) == 2);
  CHECK(percentile({4, 1, 3, 2}, 0.95) == 4);
  CHECK_THROWS_AS(percentile({}, 0.5), InputError);
  CHECK_THROWS_AS(percentile({1}, 0), InputError);
  CHECK_THROWS_AS(measure_table({}, FakeMachine{}.meter()), InputError);
}

TEST_CASE("draws are different architectures, the same for the same seed") {
  const auto a = drawn(60), b = drawn(60), c = drawn(60, 2);
  CHECK(a.size() == 60);
  std::set<std::string> texts;
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].to_json() == b[i].to_json());
    texts.insert(a[i].to_json());
  }
  CHECK(texts.size() == 60);
  CHECK(a[0].to_json() != c[0].to_json());
  SpaceBuilder small, none;
  small.integer("layers", 1, 3).real("lr", 1e-4, 1e-2);
  CHECK(draw_architectures(small.build(), Candidate{}, wide_task(), 100, 1).size() == 3);
  none.integer("heads", 5, 5);
  CHECK_THROWS_AS(draw_architectures(none.build(), Candidate{}, wide_task(), 5, 1), InputError);
  CHECK_THROWS_AS(drawn(0), InputError);
}

TEST_CASE("a planted machine is recovered, and unseen architectures are foretold") {
  const LatencyLoad load{2, 24, 1};
  std::vector<nn::TransformerConfig> all = drawn(160);
  const LatencyModel model(table_of({all.begin(), all.begin() + 100}, load), facts(load));
  for (std::size_t i = 100; i < all.size(); ++i) {
    const double truth = static_cast<double>(planted(all[i], load));
    CHECK(static_cast<double>(model.predict_ns(all[i])) == doctest::Approx(truth).epsilon(0.01));
  }
  const auto [error, tau] = model.quality();
  CHECK(error < 0.01);
  CHECK(tau > 0.99);
  CHECK(model.coefficients().size() == latency_feature_names().size());
  for (const double c : model.coefficients()) CHECK(c >= 0);
}

TEST_CASE("the same bits everywhere") {
  const LatencyLoad load{1, 16, 2};
  const LatencyModel model(table_of(drawn(40), load), facts(load));
  std::string predictions;
  for (const nn::TransformerConfig& config : drawn(40, 9)) predictions += str(model.predict_ns(config), " ");
  CHECK(to_hex(sha256(model.json())).substr(0, 16) == "abf1f8987c802be2");
  CHECK(to_hex(sha256(predictions)).substr(0, 16) == "5ac90e7558f36662");
}

TEST_CASE("what no sample has is told") {
  SpaceBuilder builder;
  builder.categorical("activation", {Value("relu"), Value("silu")}).integer("layers", 1, 3);
  const LatencyLoad load{1, 8, 1};
  const LatencyModel model(table_of(draw_architectures(builder.build(), Candidate{}, wide_task(), 6, 1), load), facts(load));
  nn::TransformerConfig config = drawn(1)[0];
  config.norm = NormKind::kLayer;
  for (nn::LayerConfig& layer : config.layers) layer.activation = UnaryOp::kRelu;
  CHECK(!model.uncovered(config));
  config.layers[0].activation = UnaryOp::kGelu;
  CHECK(model.uncovered(config) == "no measured architecture has gelu");
}

TEST_CASE("JSON round trip, and what is no model") {
  const LatencyLoad load{3, 16, 2};
  const LatencyModel model(table_of(drawn(25), load), facts(load));
  const std::string text = model.json();
  const LatencyModel again = LatencyModel::parse(text, "x");
  CHECK(again.json() == text);
  CHECK(again.coefficients() == model.coefficients());
  CHECK(again.facts().load == load);
  CHECK(again.table().reference.rejected == 3);
  const auto refuse = [&](std::string_view from, std::string_view to) {
    std::string bad = text;
    const std::size_t at = bad.find(from);
    REQUIRE(at != std::string::npos);
    bad.replace(at, from.size(), to);
    return message_of([&] { LatencyModel::parse(bad, "x.json"); });
  };
  CHECK(refuse("\"batch\":3", "\"batch\":\"3\"") == "x.json: is not a latency model: `batch` is \"3\", expected an integer");
  CHECK(refuse("\"features\":1", "\"features\":99").find("another version of lathe") != std::string::npos);
  CHECK(refuse("\"median_ns\":", "\"median_ns\":1").find("coefficients are not those") == std::string::npos);  // the reference's
  CHECK(refuse("\"samples\":[{\"median_ns\":", "\"samples\":[{\"median_ns\":9").find("coefficients are not those") !=
        std::string::npos);
  CHECK(refuse("\"call\":", "\"cal\":").find("coefficients are not those") != std::string::npos);
  CHECK(refuse("\"samples\"", "\"sample\"").starts_with("x.json: is not a latency model"));
  CHECK(message_of([&] { LatencyModel::parse("[", "x.json"); }).starts_with("x.json: is not a latency model"));
  CHECK(message_of([&] { LatencyModel::parse("{}", "x.json"); }).starts_with("x.json: is not a latency model"));
}

TEST_CASE("a stretch in which the machine is slow is measured again") {
  FakeMachine machine;
  machine.load = {1, 32, 1};
  machine.slowness = [](double t) { return t > 0.3 && t < 0.4 ? 1.5 : 1.0; };
  const auto architectures = drawn(30);
  MeasureOptions options;
  options.visit_ns = 2'000'000;
  std::int64_t done = -1, total = 0;
  options.progress = [&](std::int64_t d, std::int64_t t) {
    done = d;
    total = t;
  };
  const LatencyTable table = measure_table(architectures, machine.meter(), options);
  CHECK(table.reference.rejected > 20);
  CHECK(table.reference.visits == 30 * 5 + table.reference.rejected);
  CHECK(!table.reference.drifts());
  for (std::size_t i = 0; i < architectures.size(); ++i) {
    CHECK(table.samples[i].median_ns == planted(architectures[i], machine.load));
    CHECK(table.samples[i].mad_ns == 0);
  }
  CHECK(done == total);
  CHECK(total == 30 * 5);
}

TEST_CASE("a clock rate that sinks slowly is divided out") {
  FakeMachine machine;
  machine.load = {1, 32, 1};
  machine.slowness = [](double t) { return 1 + 0.06 * t; };  // seconds of the machine
  const auto architectures = drawn(30);
  const LatencyTable table = measure_table(architectures, machine.meter());
  CHECK(table.reference.range > 0.03);
  double most = 0;
  for (std::size_t i = 0; i < architectures.size(); ++i) {
    const double ratio =
        static_cast<double>(table.samples[i].median_ns) / static_cast<double>(planted(architectures[i], machine.load));
    for (std::size_t j = 0; j < i; ++j) {
      const double other =
          static_cast<double>(table.samples[j].median_ns) / static_cast<double>(planted(architectures[j], machine.load));
      most = std::max(most, std::abs(ratio / other - 1));
    }
  }
  CHECK(most < 0.01);
}

TEST_CASE("a machine that cannot be trusted is said to drift, and still ends") {
  FakeMachine machine;
  machine.load = {1, 32, 1};
  machine.slowness = [&machine](double) { return machine.visits % 2 == 0 ? 1.0 : 1.4; };
  const LatencyTable table = measure_table(drawn(12), machine.meter());
  CHECK(table.reference.drifts());
  CHECK(table.samples.size() == 12);
  for (const LatencySample& sample : table.samples) CHECK(sample.median_ns > 0);
  const LatencyMeasurement one = measure_latency(drawn(1)[0], machine.meter(), 0.1);
  CHECK(one.reference.drifts());
}

TEST_CASE("a meter that gives no times is refused") {
  const LatencyMeter none = [](const nn::TransformerConfig&, int, int) { return std::vector<std::int64_t>(); };
  const LatencyMeter negative = [](const nn::TransformerConfig&, int, int calls) {
    return std::vector<std::int64_t>(static_cast<std::size_t>(calls), -1);
  };
  CHECK_THROWS_AS(measure_table(drawn(2), none), InputError);
  CHECK_THROWS_AS(measure_table(drawn(2), negative), InputError);
}

TEST_CASE("prepared once: the file is found again; damage and another request measure anew") {
  Fixture f;
  const LatencyModel first = prepare_latency(f.request());
  const std::int64_t visits = f.machine.visits;
  CHECK(visits > 20);
  CHECK(f.notes.empty());
  CHECK(prepare_latency(f.request()).json() == first.json());
  CHECK(f.machine.visits == visits);  // nothing was measured
  CHECK(load_latency(f.request().cache).json() == first.json());

  std::string text = read_file(f.request().cache);
  write_file_atomic(f.request().cache, text.substr(0, text.size() / 2));
  CHECK(prepare_latency(f.request()).json() == first.json());  // of a machine that gives the same times
  CHECK(f.machine.visits > visits);
  REQUIRE(f.notes.size() == 1);
  CHECK(f.notes[0].find("latency.json: is not a latency model") != std::string::npos);
  CHECK(f.notes[0].ends_with("; measuring anew"));
  CHECK(read_file(f.request().cache) == text);

  LatencyRequest other = f.request();
  other.load.tokens = 16;
  CHECK(prepare_latency(other).facts().load.tokens == 16);
  CHECK(f.notes.back().ends_with("measured for another space, load or machine; measuring anew"));

  LatencyRequest stopped = f.request();
  stopped.stop.request();
  CHECK_THROWS_AS(prepare_latency(stopped), Interrupted);
  CHECK_THROWS_AS(load_latency(f.folder.path() / "nothing.json"), InputError);
}

TEST_CASE("a model is reused only where it fits") {
  Fixture f;
  const LatencyModel model = prepare_latency(f.request());
  require_usable(model, f.request(), "there");
  LatencyRequest other = f.request();
  other.load.batch = 7;
  CHECK(message_of([&] { require_usable(model, other, "there"); }) ==
        "there: measured for batch 1, 32 tokens, 1 threads, asked for 7, 32 and 1");
  other = f.request();
  other.backend = model.facts().backend == "spec" ? "scalar" : "spec";
  CHECK(message_of([&] { require_usable(model, other, "there"); }).starts_with("there: measured with backend "));
  SpaceBuilder builder;
  builder.categorical("activation", {Value("silu"), Value("relu")});
  const Space silu = builder.build();
  other = f.request();
  other.space = &silu;
  CHECK(message_of([&] { require_usable(model, other, "there"); }) ==
        "there: does not fit the space: no measured architecture has silu, but the space has");
}

TEST_CASE("real networks: larger ones take longer, and all figures are there") {
  nn::TransformerConfig small = nn::TransformerConfig::uniform({.layers = 1, .hidden = 16, .heads = 2, .ffn = 32});
  nn::TransformerConfig large = nn::TransformerConfig::uniform({.layers = 4, .hidden = 128, .heads = 4, .ffn = 512});
  for (nn::TransformerConfig* config : {&small, &large}) {
    config->vocab_size = 50;
    config->max_tokens = 32;
    config->classes = 2;
  }
  const LatencyLoad load{1, 32, 1};
  const LatencyMeasurement a = measure_latency(small, load, "", 0.1), b = measure_latency(large, load, "", 0.1);
  CHECK(a.p50_ns > 0);
  CHECK(a.p95_ns >= a.p50_ns);
  CHECK(a.calls >= 30);
  CHECK(b.p50_ns > 4 * a.p50_ns);
  CHECK_THROWS_AS(measure_latency(small, load, "", 0), InputError);
  CHECK_THROWS_AS(measure_latency(small, load, "nonsense", 0.1), InputError);
}

TEST_CASE("a profile: measured memory is the memory foretold") {
  ProfileRequest request;
  request.architecture = drawn(1)[0];
  request.load = {3, 20, 2};
  request.make_update = update_of(train::TrainConfig{});
  request.seconds = 0.05;
  const ModelProfile profile = profile_model(request);
  CHECK(profile.inference_peak_bytes == profile.cost.inference_peak_bytes);
  CHECK(profile.training_peak_bytes == profile.cost.training_peak_bytes);
  CHECK(profile.part_ns.size() == profile.parts.size());
  for (std::size_t i = 0; i + 1 < profile.parts.size(); ++i) CHECK(profile.part_ns[i] > 0);
  CHECK(profile.part_ns.back() == 0);
  request.load.tokens = 65;
  CHECK_THROWS_AS(profile_model(request), InputError);
}
