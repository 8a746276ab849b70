// Enqueued points, duplicates, and what a study takes from an earlier one.
#include <lathe/nas/proposals.h>

#include <set>

#include "tests/nas/executor_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

StudyHeader tiny_header(std::int64_t trials, std::int64_t high = 3) {
  StudyHeader header;
  header.space = SpaceBuilder().integer("x", 0, high).build();
  header.trials = trials;
  header.virtual_workers = 2;
  header.seed = 5;
  return header;
}

Point x_is(const StudyHeader& header, int x) { return header.space.point({{"x", x}}); }

/// The value depends on the trial too, so that a result that was taken over can be told from one that was computed.
std::unique_ptr<Objective> counting(std::atomic<int>& runs) {
  return objective_of(
      [](const Point&) {
        return Plan{{{0, 1, 2}, {0, 2, 3}}, ""};
      },
      [&runs](const Point& p, const SegmentContext& c, const Checkpoint&) {
        ++runs;
        return SegmentResult::of(static_cast<double>(p.integer("x")) + 0.001 * static_cast<double>(c.trial) + 0.1 * c.segment.step);
      });
}

std::string lines_of(Storage& storage) {
  std::string out;
  for (const RecordedEvent& e : storage.events(0)) out += e.line + "\n";
  return out;
}

}  // namespace

TEST_CASE("enqueue: points come before the sampler's, in their order, and belong to log and hash") {
  const StudyHeader header = small_header(3, 12);
  const auto point = [&](int layers, const char* norm) {
    return header.space.make([&](std::size_t, const Parameter& p) -> Value {
      if (p.name == "layers") return layers;
      if (p.name == "norm") return norm;
      return p.choices() || p.count() ? p.at(0) : Value(p.real()->low);
    });
  };
  const auto storage = memory_storage(header);
  CHECK(enqueue(*storage, header.space, point(2, "rms")) == 0);
  CHECK(enqueue(*storage, header.space, point(1, "layer")) == 1);
  CHECK(enqueue(*storage, header.space, point(2, "rms")) == 2);  // a duplicate by then: passed over
  const auto objective = curve_objective();
  const StudyRun run = execute(header, *objective, *storage, with_workers(3));
  CHECK(run.finished);
  CHECK(run.history.trials.size() == 12);
  CHECK(run.history.trials[0].point == point(2, "rms"));
  CHECK(run.history.trials[1].point == point(1, "layer"));
  CHECK_FALSE(run.history.trials[2].point == point(2, "rms"));
  CHECK(run.hash == study_hash(header.json(), storage->events(0)));
  CHECK_FALSE(run.hash == reference_hash(header));
  CHECK(contains(lines_of(*storage), "0 0 enqueue point={\"layers\":2"));
  CHECK(execute(header, *objective, *storage).hash == run.hash);  // replayed
  CHECK(read_history(header.space, storage->events(0)).trials.size() == 12);
}

TEST_CASE("enqueue: a point that breaks a rule is refused") {
  StudyHeader header;
  header.space = SpaceBuilder().integer("a", 1, 4).integer("b", 1, 4).rule("a != b").build();
  const auto storage = memory_storage(header);
  CHECK(contains(message_of([&] {
                   enqueue(*storage, header.space, header.space.point({{"a", 2}, {"b", 2}}));
                 }),
                 "it breaks the rule `a != b`"));
  CHECK(storage->events(0).empty());
}

TEST_CASE("enqueue: from another process while executors run, one log results and replays") {
  for (std::uint64_t schedule = 1; schedule <= 12; ++schedule) {
    const StudyHeader header = small_header(schedule, 40);
    const auto storage = memory_storage(header, true);
    std::thread other([&] {
      Random chance(random_key(schedule, 0, "other"));
      for (std::uint32_t i = 0; i < 10; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(chance.below(3000)));
        Point p = header.space.uniform(99, schedule, i);
        if (header.space.valid(p)) enqueue(*storage, header.space, p);
      }
    });
    ShakyObjective objective(schedule, 300, 0.05);
    std::thread second([&] {
      ShakyObjective own(schedule + 50, 300, 0.05);
      CHECK(execute(header, own, *storage, with_workers(2)).finished);
    });
    const StudyRun run = execute(header, objective, *storage, with_workers(2));
    other.join();
    second.join();
    CHECK(run.finished);
    CHECK(run.history.trials.size() == 40);
    const auto log = storage->events(0);
    VirtualTime engine(header, curve_plan, nullptr);
    CHECK(engine.replay(log).recorded == log.size());
    CHECK(contains(lines_of(*storage), " enqueue "));
  }
}

TEST_CASE("enqueue: replay refuses a log from which an enqueued point was removed or changed") {
  const StudyHeader header = tiny_header(4, 9);
  const auto storage = memory_storage(header);
  enqueue(*storage, header.space, x_is(header, 7));
  std::atomic<int> runs{0};
  execute(header, *counting(runs), *storage);
  auto log = storage->events(0);
  const auto plan = [](const Point&) { return Plan{{{0, 1, 2}, {0, 2, 3}}, ""}; };
  CHECK(VirtualTime(header, plan, nullptr).replay(log).recorded == log.size());
  log[0].line = R"(0 0 enqueue point={"x":8})";
  CHECK(message_of([&] { VirtualTime(header, plan, nullptr).replay(log); }) ==
        "event 1: recorded `1 0 propose trial=0 worker=0 plan=0/1/2,0/2/3 point={\"x\":7}`, but this configuration gives `1 0 "
        "propose "
        "trial=0 worker=0 plan=0/1/2,0/2/3 point={\"x\":8}`");
  log[0].line = R"(0 0 enqueue point={"x":18})";
  CHECK(contains(message_of([&] { VirtualTime(header, plan, nullptr).replay(log); }), "event 0: recorded"));
}

TEST_CASE("duplicates: rejected, run again, or given the earlier results") {
  std::atomic<int> runs{0};
  const auto run = [&](Duplicates duplicates, int workers = 1) {
    StudyHeader header = tiny_header(24);
    header.duplicates = duplicates;
    runs = 0;
    const auto storage = memory_storage(header, workers > 1);
    StudyRun out = execute(header, *counting(runs), *storage, with_workers(workers));
    CHECK(out.finished);
    CHECK(execute(header, *counting(runs), *storage).hash == out.hash);
    return out;
  };
  CHECK(run(Duplicates::reject).history.trials.size() == 4);
  CHECK(runs == 8);
  const StudyRun allowed = run(Duplicates::allow);
  CHECK(allowed.history.trials.size() == 24);
  CHECK_FALSE(allowed.exhausted);
  CHECK(runs == 48);
  const StudyRun reused = run(Duplicates::reuse);
  CHECK(reused.history.trials.size() == 24);
  int own = 0;
  std::set<std::string> complete;
  for (const Trial& t : reused.history.trials) {
    CHECK(t.state == TrialState::complete);
    own += t.reused < 0;
    if (t.reused < 0) continue;
    const Trial& from = reused.history.trials[static_cast<std::size_t>(t.reused)];
    CHECK(from.point == t.point);
    CHECK(from.reused < 0);  // the first one of all
    CHECK(from.finished <= t.started);
    CHECK(from.values == t.values);
    CHECK(t.reports.size() == 2);
    CHECK(t.finished == t.started + 5);  // charged as if it ran
  }
  CHECK(own >= 4);
  CHECK(own < 12);
  CHECK(runs == 2 * own);  // no work for the others
  for (const int workers : {2, 3, 5, 8}) CHECK(run(Duplicates::reuse, workers).hash == reused.hash);
  StudyHeader header = tiny_header(1);
  CHECK_FALSE(contains(header.json(), "duplicates"));
  header.duplicates = Duplicates::reuse;
  CHECK(contains(header.json(), R"("duplicates":"reuse")"));
}

TEST_CASE("warm start: finished trials that fit are seen by the sampler; the others are counted") {
  struct Watching final : Sampler {
    std::vector<std::size_t>* seen;
    explicit Watching(std::vector<std::size_t>* s) : seen(s) {}
    std::optional<Point> draw(const SamplerView& view, std::uint32_t attempt) override {
      seen->push_back(view.history.trials.size());
      for (std::size_t i = 0; i < view.history.trials.size(); ++i)
        CHECK(view.history.trials[i].number == static_cast<std::int64_t>(i));
      for (const std::int64_t n : view.history.finished)
        CHECK(view.history.trials[static_cast<std::size_t>(n)].state != TrialState::running);
      return view.header.space.uniform(view.header.seed, static_cast<std::uint64_t>(view.number), attempt);
    }
  };
  std::atomic<int> runs{0};
  const StudyHeader old_header = tiny_header(8, 9);
  const auto old_storage = memory_storage(old_header);
  const StudyRun old_run = execute(old_header, *counting(runs), *old_storage);

  StudyHeader header = tiny_header(4, 6);  // 7, 8, 9 do not fit
  const WarmStart earlier = warm_start(*old_storage, header);
  std::int64_t fit = 0;
  for (const Trial& t : old_run.history.trials) fit += t.point.integer("x") <= 6;
  CHECK(earlier.hash == old_run.hash);
  CHECK(static_cast<std::int64_t>(earlier.trials.size()) == fit);
  CHECK(earlier.dropped == 8 - fit);
  CHECK(earlier.dropped > 0);
  CHECK(contains(earlier.text(), str(earlier.dropped, " left out (trial ")));
  const auto refused = memory_storage(header);
  CHECK(contains(message_of([&] { adopt(*refused, header, earlier); }), "as warm_start"));
  header.warm_start = earlier.hash;
  CHECK(contains(header.json(), earlier.hash));
  std::vector<std::size_t> seen;
  header.sampler = "watching@1";
  ExecutorOptions options;
  options.samplers.add("watching@1", [&](const StudyHeader&) { return std::make_unique<Watching>(&seen); });
  std::string hash;
  for (const int workers : {1, 3}) {
    const auto storage = memory_storage(header, workers > 1);
    VirtualTime engine(header, nullptr, nullptr, options.samplers);
    for (const Trial& t : earlier.trials) engine.adopt(t);
    CHECK(engine.sampler_history().trials.size() == earlier.trials.size());
    CHECK(engine.history().trials.empty());
    adopt(*storage, header, earlier);
    CHECK(contains(message_of([&] { adopt(*storage, header, earlier); }), "has begun"));
    seen.clear();
    options.workers = workers;
    const StudyRun run = execute(header, *counting(runs), *storage, options);
    CHECK(run.finished);
    CHECK(run.history.trials.size() == 4);
    CHECK(seen.front() == earlier.trials.size());
    CHECK(seen.back() >= earlier.trials.size() + 3);
    if (hash.empty()) hash = run.hash;
    CHECK(run.hash == hash);
  }
  StudyHeader other = header;
  other.directions = {Direction::minimise};
  CHECK(contains(message_of([&] { warm_start(*old_storage, other); }), "the earlier study has other objectives"));
  other = header;
  other.constraints = {"memory"};
  CHECK(contains(message_of([&] { warm_start(*old_storage, other); }), "the earlier study has other constraints: none"));
  // Another parameter: nothing fits.
  other = header;
  other.space = SpaceBuilder().integer("y", 0, 6).build();
  CHECK(warm_start(*old_storage, other).dropped == 8);
}
