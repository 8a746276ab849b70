// One study whatever runs it: workers, checkpoints, observers; studies that end and are extended.
#include <barrier>
#include <mutex>
#include <set>
#include <vector>

#include "tests/nas/executor_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

TEST_CASE("executor: one study hash for 1, 2, 3, 5 and 8 workers with random sleeps") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const StudyHeader header = nas::test::small_header(seed);
    const std::string hash = reference_hash(header);
    for (const int workers : {1, 2, 3, 5, 8})
      for (const bool shared : {false, true}) {
        const auto storage = memory_storage(header, shared);
        ShakyObjective objective(seed * 100 + static_cast<std::uint64_t>(workers), 300, 0);
        const StudyRun run = execute(header, objective, *storage, with_workers(workers));
        CHECK(run.finished);
        CHECK(run.hash == hash);
        CHECK(run.hash == study_hash(header.json(), storage->events(0)));
        CHECK(storage->tasks().empty());
      }
  }
}

TEST_CASE("executor: the study of small_header(1) has this hash on every machine, compiler and instruction set") {
  // A change here is a change of semantics: it needs a new sampler tag, pruner tag or numerics version.
  CHECK(reference_hash(nas::test::small_header(1)) == "ee2c4bb4904529aee59d377d525437f06b592c7f200af3fd28aaee8c6a51a7d8");
}

TEST_CASE("executor: one worker computes nothing that the study does not need") {
  const StudyHeader header = nas::test::small_header(5);
  const auto storage = memory_storage(header);
  ShakyObjective objective(1, 0, 0);
  const StudyRun run = execute(header, objective, *storage);
  int reports = 0;
  for (const RecordedEvent& e : storage->events(0)) reports += contains(e.line, " report ");
  CHECK(objective.runs == reports);
  CHECK(count_states(run.history).pruned > 0);
}

TEST_CASE("executor: refuses another configuration, malformed results, no workers, an impossible space") {
  StudyHeader header = plain_header();
  const auto objective = objective_of([](const Point&) { return 1.0; });
  const auto storage = memory_storage(header);
  StudyHeader other = header;
  other.data_hash = "77c0";
  CHECK(message_of([&] { execute(other, *objective, *storage); }) ==
        "study `study` was made with another configuration: `data_hash` was \"\", is \"77c0\"");
  CHECK(contains(message_of([&] { execute(header, *objective, *storage, with_workers(0)); }), "workers is 0"));
  const auto two = objective_of([](const Point&) { return Plan{}; },
                                [](const Point&, const SegmentContext&, const Checkpoint&) {
                                  SegmentResult r = SegmentResult::of(1);
                                  r.values.push_back(2);
                                  return r;
                                });
  CHECK(contains(message_of([&] { execute(header, *two, *storage, with_workers(2)); }),
                 "the objective reported 2 values, expected 1"));
  CHECK(execute(header, *objective, *storage).finished);  // nothing was broken by it
  // The same header, but an objective that plans differently.
  const auto planner = objective_of(
      [](const Point&) {
        return Plan{{{0, 1, 5}}, ""};
      },
      [](const Point&, const SegmentContext&, const Checkpoint&) { return SegmentResult::of(1); });
  CHECK(contains(message_of([&] { execute(header, *planner, *storage); }),
                 "event 0: recorded `0 0 propose trial=0 worker=0 plan=0/1/1"));
  struct Picky final : Objective {
    std::optional<std::string> refuse(const Point&) const override { return "too slow"; }
    SegmentResult run(const Point&, const SegmentContext&, const Checkpoint&) override { return SegmentResult::of(1); }
  } picky;
  CHECK_THROWS_AS(execute(header, picky, *memory_storage(header)), SpaceExhausted);
}

TEST_CASE("executor: a small space ends the study; a finished study is extended") {
  StudyHeader header = plain_header(6);
  const auto objective = objective_of([](const Point& p) { return static_cast<double>(p.integer("x")); });
  const auto storage = memory_storage(header);
  StudyRun run = execute(header, *objective, *storage);
  CHECK(run.finished);
  CHECK_FALSE(run.exhausted);
  const StudyRun same = execute(header, *objective, *storage);
  CHECK(same.hash == run.hash);
  ExecutorOptions options = with_workers(2);
  options.extend_to = 8;
  run = execute(header, *objective, *storage, options);
  CHECK(run.finished);
  CHECK(run.history.trials.size() == 8);
  CHECK(execute(header, *objective, *storage, options).hash == run.hash);  // extended already
  options.extend_to = 50;
  run = execute(header, *objective, *storage, options);
  CHECK(run.finished);
  CHECK(run.exhausted);
  CHECK(run.history.trials.size() == 10);
}

TEST_CASE("executor: checkpoints carry state between segments and are only a cache") {
  StudyHeader header = nas::test::small_header(11, 12);
  header.pruner = "none@1";
  header.pruner_settings.clear();
  struct Summing final : Objective {
    Plan plan(const Point& p) const override { return nas::test::curve_plan(p); }
    SegmentResult run(const Point& p, const SegmentContext& c, const Checkpoint& checkpoint) override {
      double sum = 0;
      int next = 0;
      if (const auto state = checkpoint.load()) {
        sum = *parse_double(state->bytes);
        next = state->segment + 1;
        ++loaded;
      }
      for (; next <= c.index; ++next) {
        sum += p.real("lr") * (next + 1);
        ++steps;
      }
      checkpoint.save(number(sum));
      return SegmentResult::of(sum);
    }
    std::atomic<int> loaded{0}, steps{0};
  };
  struct Forgetful final : CheckpointStore {
    std::optional<std::pair<int, std::string>> load(std::int64_t, int) override { return std::nullopt; }
    void save(std::int64_t, int, std::string) override {}
    void drop(std::int64_t) override {}
  } forgetful;
  Summing with, without;
  const StudyRun kept = execute(header, with, *memory_storage(header), with_workers(3));
  ExecutorOptions options = with_workers(1);
  options.checkpoints = &forgetful;
  const StudyRun redone = execute(header, without, *memory_storage(header), options);
  CHECK(kept.hash == redone.hash);
  CHECK(with.loaded == 12 * 7);
  CHECK(with.steps == 12 * 8);
  CHECK(without.steps == 12 * 36);
}

TEST_CASE("executor: workers that wait lend their threads") {
  for (const int trials : {1, 3}) {
    StudyHeader header = plain_header(trials);
    header.virtual_workers = trials;
    std::barrier together(trials);
    std::mutex mutex;
    std::vector<int> seen;
    const auto objective = objective_of([](const Point&) { return Plan{}; },
                                        [&](const Point&, const SegmentContext& c, const Checkpoint&) {
                                          together.arrive_and_wait();
                                          const int threads = c.threads();
                                          together.arrive_and_wait();
                                          const std::lock_guard lock(mutex);
                                          seen.push_back(threads);
                                          return SegmentResult::of(1);
                                        });
    ExecutorOptions options = with_workers(6);
    options.threads = 6;  // whatever the machine has
    CHECK(execute(header, *objective, *memory_storage(header), options).finished);
    CHECK(seen == std::vector<int>(static_cast<std::size_t>(trials), 6 / trials));
  }
  CHECK(SegmentContext().threads() == 1);
}

TEST_CASE("executor: an observer sees every event once and in order") {
  const StudyHeader header = nas::test::small_header(12, 10);
  struct Log final : Observer {
    void resumed(const VirtualTime& vt) override { first = vt.events(); }
    void committed(const Event& e, const VirtualTime& vt) override {
      lines.push_back(e.line());
      CHECK(vt.events() > e.index);
    }
    void started(const TaskKey& key, const Segment&) override { running.insert(key); }
    void computed(const TaskKey& key, const SegmentResult&) override { CHECK(running.erase(key) == 1); }
    std::uint64_t first = 0;
    std::vector<std::string> lines;
    std::set<TaskKey> running;
  } log;
  const auto objective = nas::test::curve_objective();
  const auto storage = memory_storage(header);
  ExecutorOptions options = with_workers(3);
  options.observer = &log;
  options.until_event = 20;
  execute(header, *objective, *storage, options);
  options.until_event = ExecutorOptions{}.until_event;
  execute(header, *objective, *storage, options);
  CHECK(log.first > 0);
  const auto events = storage->events(0);
  REQUIRE(log.lines.size() == events.size());
  for (std::size_t i = 0; i < events.size(); ++i) CHECK(log.lines[i] == events[i].line);
}
