// Calibration: which architectures, what is compared, what is refused, and that neither workers nor kills change a digit.
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/nas/storage/memory.h>
#include <lathe/nas/transformer/calibration.h>
#include <lathe/nas/transformer/proxy.h>
#include <lathe/nn/transformer.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <set>

#include "tests/nas_transformer/support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

StudyHeader header() {
  StudyHeader h;
  h.space = SpaceBuilder().integer("size", 1, 60).real("lr", 0.001, 1, {.log = true}).rule("size != 7").build();
  h.metrics = {"accuracy"};
  return h;
}

std::int64_t params_of(const Point& p) { return 100 * p.integer("size"); }

/// Any function of a point; counts its runs. Three segments, of which the best counts.
class Function final : public Objective {
 public:
  explicit Function(std::function<double(const Point&, const SegmentContext&)> function) : function_(std::move(function)) {}
  Plan plan(const Point&) const override { return {{{0, 1, 10}, {0, 2, 10}, {0, 3, 10}}, ""}; }
  SegmentResult run(const Point& params, const SegmentContext& segment, const Checkpoint&) override {
    ++runs;
    return SegmentResult::of(function_(params, segment) - 0.25 * (segment.index - 1) * (segment.index - 1));
  }
  std::atomic<int> runs{0};

 private:
  std::function<double(const Point&, const SegmentContext&)> function_;
};

double quality(const Point& p) { return static_cast<double>(p.integer("size")) + 10 * p.real("lr"); }

/// Uniform, from the trial's own stream.
double noise(const SegmentContext& s, const char* stream) {
  return Random(random_key(s.seed, static_cast<std::uint64_t>(s.trial), stream)).uniform();
}

double good(const Point& p, const SegmentContext& s) { return quality(p) + 5 * noise(s, "good"); }

const char kProxy[] = R"({"kind":"test"})";

CalibrationOptions quick(int workers = 1) {
  CalibrationOptions options;
  options.ranks.resamples = 200;
  options.workers = workers;
  return options;
}

}  // namespace

TEST_CASE("architectures are drawn from every bin of parameters, and depend on the seed alone") {
  const StudyHeader h = header();
  const auto even = [](const Point& p) { return p.integer("size") % 2 == 0; };
  const std::vector<Point> points = calibration_points(h, even, params_of, 40, 5);
  REQUIRE(points.size() == 40);
  std::set<std::string> distinct;
  std::vector<std::int64_t> sizes;
  for (const Point& p : points) {
    CHECK(even(p));
    CHECK(h.space.valid(p));
    distinct.insert(p.json());
    sizes.push_back(p.integer("size"));
  }
  CHECK(distinct.size() == 40);
  std::sort(sizes.begin(), sizes.end());
  for (int bin = 0; bin < 5; ++bin) {  // about evenly over 2 … 60, as the draws are
    CHECK(sizes[static_cast<std::size_t>(8 * bin)] >= 12 * bin - 5);
    CHECK(sizes[static_cast<std::size_t>(8 * bin + 7)] <= 12 * (bin + 1) + 5);
  }
  CHECK(calibration_points(h, even, params_of, 40, 5) == points);
  StudyHeader other = h;
  other.seed = 2;
  CHECK(calibration_points(other, even, params_of, 40, 5) != points);
  for (const Point& p : points)  // not those of the study's own first trials
    for (std::uint64_t trial = 0; trial < 40; ++trial) CHECK_FALSE(p == h.space.uniform(h.seed, trial, 0));
}

TEST_CASE("a space with few points is used up, one with fewer than 30 is refused") {
  StudyHeader h = header();
  h.space = SpaceBuilder().integer("size", 1, 35).build();
  const auto all = [](const Point&) { return true; };
  CHECK(calibration_points(h, all, params_of, 100, 5).size() == 35);
  for (std::int64_t size = 30; size <= 40; ++size)  // a bin may hold fewer than its part
    for (const std::int64_t bins : {1, 5, 7, 30}) {
      h.space = SpaceBuilder().integer("size", 1, size).build();
      for (std::int64_t count = 30; count <= size; ++count) {
        std::set<std::string> distinct;
        for (const Point& p : calibration_points(h, all, params_of, count, bins)) distinct.insert(p.json());
        CHECK(static_cast<std::int64_t>(distinct.size()) == count);
      }
    }
  h.space = SpaceBuilder().integer("size", 1, 35).build();
  const auto some = [](const Point& p) { return p.integer("size") < 30; };
  CHECK(has(message_of([&] { calibration_points(h, some, params_of, 30, 5); }), "at least 30 architectures, this space has 29"));
  Function f(good);
  CalibrationOptions options = quick();
  options.architectures = 29;
  CHECK(has(message_of([&] { calibrate(h, f, f, kProxy, params_of, options); }), "29 architectures, expected 30"));
  options.architectures = 30;
  options.bins = 31;
  CHECK(has(message_of([&] { calibrate(h, f, f, kProxy, params_of, options); }), "31 bins"));
  options.bins = 5;
  options.threshold = 2;
  CHECK(has(message_of([&] { calibrate(h, f, f, kProxy, params_of, options); }), "proxy.threshold = 2"));
  options.threshold = 0.5;
  options.objective = 1;
  CHECK(has(message_of([&] { calibrate(h, f, f, kProxy, params_of, options); }), "objective 1, the study has 1"));
  CHECK(f.runs == 0);
}

TEST_CASE("a proxy that ranks well is trusted, one that does not is refused unless forced") {
  const StudyHeader h = header();
  Function full(good), close([](const Point&p, const SegmentContext&s) { return quality(p) + 8 * noise(s, "close"); }),
      loose([](const Point&, const SegmentContext&s) { return noise(s, "loose"); }),
      flat([](const Point&, const SegmentContext&) { return 1.0; });
  const Calibration yes = calibrate(h, full, close, kProxy, params_of, quick());
  CHECK(full.runs == 90);
  CHECK(close.runs == 90);
  CHECK(yes.full_ticks == 900);
  CHECK(yes.trusted());
  CHECK(yes.accepted());
  CHECK(has(yes.reason(), "is not below proxy.threshold = 0.5"));
  std::vector<double> reference, score, params;
  for (const CalibrationRow& row : yes.rows) {
    const Point p = h.space.parse(row.point);
    CHECK(row.params == params_of(p));
    CHECK(*row.full >= quality(p));  // the best segment, the second, takes nothing off
    CHECK(*row.full <= quality(p) + 5);
    reference.push_back(*row.full);
    score.push_back(*row.cheap);
    params.push_back(static_cast<double>(row.params));
  }
  RankOptions ranks = quick().ranks;
  ranks.seed = h.seed;
  CHECK(yes.cheap.tau.value == kendall_tau(reference, score));
  CHECK(yes.cheap.tau.interval.low == rank_agreement(reference, score, ranks).tau.interval.low);
  CHECK(yes.params.tau.value == kendall_tau(reference, params));
  CHECK(yes.cheap.recall.value == top_k_recall(reference, score, 5));

  for (Function* bad : {&loose, &flat}) {
    CalibrationOptions options = quick();
    const Calibration no = calibrate(h, full, *bad, kProxy, params_of, options);
    CHECK_FALSE(no.accepted());
    CHECK(has(no.reason(), "refused; set proxy.force"));
    CHECK(std::string(ProxyRefused(no).what()) == no.reason());
    options.force = true;
    const Calibration forced = calibrate(h, full, *bad, kProxy, params_of, options);
    CHECK_FALSE(forced.trusted());
    CHECK(forced.accepted());
    CHECK(has(forced.reason(), "used all the same"));
  }
  CHECK(has(calibrate(h, full, flat, kProxy, params_of, quick()).reason(), "undefined"));
}

TEST_CASE("less is better where the study minimises, and a failure is the worst") {
  StudyHeader h = header();
  h.directions = {Direction::minimise};
  h.metrics = {"loss"};
  const auto loss = [](const Point& p, const SegmentContext&) { return -quality(p); };
  const auto mostly = [](const Point& p, const SegmentContext&) {
    return p.integer("size") < 20 ? std::numeric_limits<double>::quiet_NaN() : -quality(p);
  };
  Function full(loss), cheap(mostly);
  const Calibration c = calibrate(h, full, cheap, kProxy, params_of, quick());
  int failed = 0;
  std::vector<double> reference, score;
  for (const CalibrationRow& row : c.rows) {
    CHECK(row.cheap.has_value() == (row.params >= 2000));
    failed += !row.cheap;
    reference.push_back(-*row.full);
    score.push_back(row.cheap ? -*row.cheap : -1e9);
  }
  CHECK(failed > 3);
  CHECK(c.cheap.tau.value == kendall_tau(reference, score));
  CHECK(c.cheap.tau.value > 0.8);
  const std::string json = c.json();
  CHECK(has(json, "\"cheap\":null"));
  CHECK(Calibration::parse(json).json() == json);
}

TEST_CASE("what the header keeps is read again to the last digit") {
  StudyHeader h = header();
  Function full(good), flat([](const Point&, const SegmentContext&) { return 1.0; });
  const std::string proxy = R"({"kind":"training","fidelity":{"steps":1e-04,"data":0.1,"text":"a \"b\"","none":null,"on":true}})";
  for (Function* cheap : {&full, &flat}) {
    const Calibration c = calibrate(h, full, *cheap, proxy, params_of, quick());
    const Calibration again = Calibration::parse(c.json());
    CHECK(again.json() == c.json());
    CHECK(again.rows == c.rows);
    CHECK(again.reason() == c.reason());
    CHECK(again.accepted() == c.accepted());
    for (const CalibrationRow& row : again.rows) CHECK(h.space.parse(row.point).json() == row.point);
  }
  for (const char* bad : {"", "{}", "[]", R"({"proxy":1})"})
    CHECK(has(message_of([&] { Calibration::parse(bad); }), "calibration cannot be read"));
}

TEST_CASE("stopped calibrations go on where they were, whatever the number of workers") {
  const StudyHeader h = header();
  Function undisturbed(good), cheap(good);
  const std::string expected = calibrate(h, undisturbed, cheap, kProxy, params_of, quick()).json();
  for (const int workers : {1, 2, 5}) {
    Function full(good), other(good);
    CHECK(calibrate(h, full, other, kProxy, params_of, quick(workers)).json() == expected);

    const Folder folder;
    CalibrationOptions options = quick(workers);
    options.folder = folder.path();
    int last = 0, calls = 0;
    options.progress = [&](std::int64_t done, std::int64_t of) {
      CHECK(of == 180);
      CHECK(done >= last);
      last = static_cast<int>(done);
      if (++calls == 120) options.stop.request();
    };
    CHECK_THROWS_AS(calibrate(h, full, other, kProxy, params_of, options), Interrupted);
    const int before = full.runs + other.runs - 180;
    CHECK(before >= 120);
    CHECK(before < 180);
    options.stop = StopFlag();
    options.progress = nullptr;
    CHECK(calibrate(h, full, other, kProxy, params_of, options).json() == expected);
    CHECK(full.runs + other.runs == 360);  // nothing twice
    CHECK(calibrate(h, full, other, kProxy, params_of, options).json() == expected);
    CHECK(full.runs + other.runs == 360);
  }
}

TEST_CASE("a killed calibration goes on, over a line that was cut off, and other settings begin anew") {
  const StudyHeader h = header();
  Function full(good), cheap(good);
  const std::string expected = calibrate(h, full, cheap, kProxy, params_of, quick()).json();
  const Folder folder;
  CalibrationOptions options = quick();
  options.folder = folder.path();
  const pid_t child = ::fork();
  if (child == 0) {
    int runs = 0;
    Function deadly([&](const Point& p, const SegmentContext& s) {
      if (++runs == 50) ::kill(::getpid(), SIGKILL);
      return good(p, s);
    });
    Function first(good);
    calibrate(h, deadly, first, kProxy, params_of, options);
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  const std::string log = read_file(folder / "calibration.log");
  write_file_atomic(folder / "calibration.log", log.substr(0, log.size() - 5));
  full.runs = cheap.runs = 0;
  CHECK(calibrate(h, full, cheap, kProxy, params_of, options).json() == expected);
  CHECK(cheap.runs == 0);
  CHECK(full.runs == 90 - 48);  // 49 were finished, of the last the line is torn
  CHECK(calibrate(h, full, cheap, kProxy, params_of, options).json() == expected);
  CHECK(full.runs == 90 - 48);
  calibrate(h, full, cheap, R"({"kind":"other"})", params_of, options);
  CHECK(full.runs == 90 - 48 + 90);
}

TEST_CASE("real trainings: calibrated, refused, forced, and searched on, with one hash for any number of workers") {
  const data::EncodedDataset train = rows(48, 1), valid = rows(40, 2);
  TrainingSetting setting{base(), task()};
  setting.base.training.epochs = 1;
  const TrainingObjective full(setting, train, valid);
  StudyHeader h;
  h.space = SpaceBuilder()
                .ordinal("hidden", {4, 8})
                .integer("layers", 1, 2)
                .ordinal("lr", {1e-5, 1e-4, 0.0003, 0.003, 0.01, 0.03, 0.06, 0.1})
                .build();
  h.metrics = {"accuracy"};
  h.trials = 6;
  const auto params = [&](const Point& p) { return nn::count_parameters(full.candidate(p).architecture(task())); };
  ProxySetting half = ProxySetting::of_kind("training");
  half.fidelity.data = 0.9;
  std::vector<std::string> hashes;
  for (const int workers : {1, 2, 5}) {
    TrainingObjective objective(setting, train, valid);
    ProxyObjective proxy(objective, half, train, valid, h.seed);
    CalibrationOptions options = quick(workers);
    options.threshold = -1;
    options.architectures = 36;  // all 32
    const Folder folder;
    options.folder = folder.path();
    const Calibration c = calibrate(h, objective, proxy, half.json(), params, options);
    CHECK(c.rows.size() == 32);
    CHECK(c.cheap_ticks <= c.full_ticks);
    CHECK(c.accepted());
    StudyHeader with = h;
    with.preparation = R"({"calibration":)" + c.json() + "}";
    const auto storage = memory_storage(with);
    const StudyRun run = execute(with, proxy, *storage, {.workers = workers});
    REQUIRE(run.finished);
    hashes.push_back(run.hash);
  }
  CHECK(hashes[0] == hashes[1]);
  CHECK(hashes[0] == hashes[2]);
}

TEST_CASE("what a command calls: refused, then forced without training anything again, then read from the header") {
  const data::EncodedDataset train = rows(48, 1), valid = rows(40, 2);
  TrainingSetting setting{base(), task()};
  setting.base.training.epochs = 1;
  TrainingObjective full(setting, train, valid);
  StudyHeader h;
  h.space =
      SpaceBuilder().ordinal("hidden", {4, 8, 16}).integer("layers", 1, 2).ordinal("lr", {1e-4, 1e-3, 0.01, 0.03, 0.1}).build();
  h.metrics = {"accuracy"};
  ProxyObjective score(full, ProxySetting::of_kind("params"), train, valid, h.seed);
  const std::string proxy = score.setting().json();
  const Folder folder;
  CalibrationOptions options = quick();
  options.folder = folder.path();
  options.threshold = 0.9;
  const std::string refusal = message_of<ProxyRefused>([&] { prepare_calibration(h, full, score, proxy, options); });
  CHECK(has(refusal, "proxy `params`: Kendall's tau"));
  CHECK(has(refusal, "refused"));
  const Calibration kept = Calibration::parse(read_file(folder / "calibration.json"));
  CHECK(kept.rows.size() == 30);
  CHECK(kept.cheap.tau.value == kept.params.tau.value);

  options.force = true;
  h.configuration = R"({"proxy.force":true})";
  const std::string log = read_file(folder / "calibration.log");
  const Calibration forced = prepare_calibration(h, full, score, proxy, options);
  CHECK(forced.accepted());
  CHECK(forced.rows == kept.rows);
  CHECK(read_file(folder / "calibration.log") == log);
}
