#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <set>
#include <system_error>
#include <thread>
#include <type_traits>

#include "tests/nas/support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace std::chrono_literals;
using test::contains;
using test::message_of;

namespace {

/// Sleeps that have nothing to do with the segment: another schedule in every run.
void sleep_somewhat(Random& chance, std::mutex& mutex, std::uint32_t most_us) {
  std::uint32_t us = 0;
  {
    const std::lock_guard lock(mutex);
    us = chance.below(most_us + 1);
  }
  std::this_thread::sleep_for(std::chrono::microseconds(us));
}

/// The curves of support.h, late, and sometimes lost for reasons of the machine.
class ShakyObjective final : public Objective {
 public:
  ShakyObjective(std::uint64_t schedule, std::uint32_t most_us, double failures)
      : chance_(random_key(schedule, 0, "schedule")), most_us_(most_us), failures_(failures) {}
  Plan plan(const Point& p) const override { return test::curve_plan(p); }
  SegmentResult run(const Point& p, const SegmentContext& c, const Checkpoint&) override {
    ++runs;
    if (most_us_) sleep_somewhat(chance_, mutex_, most_us_);
    bool fails = false;
    {
      const std::lock_guard lock(mutex_);
      fails = c.attempt == 1 && chance_.uniform() < failures_;
    }
    if (fails) throw InfrastructureError("the disk is full");
    return test::curve(p, c.segment, c.trial, c.seed);
  }
  std::atomic<int> runs{0};

 private:
  Random chance_;
  std::mutex mutex_;
  std::uint32_t most_us_;
  double failures_;
};

struct Killed {};  // not a std::exception: nothing may handle it

/// A storage whose process is killed at one of its calls, before or after the call took effect.
class DyingStorage final : public Storage {
 public:
  DyingStorage(Storage& storage, int calls, bool after) : storage_(storage), left_(calls), after_(after) {}
  std::string name() const override { return storage_.name(); }
  std::string header() const override { return storage_.header(); }
  bool shared() const override { return storage_.shared(); }
  std::vector<RecordedEvent> events(std::uint64_t from) override {
    return call([&] { return storage_.events(from); });
  }
  bool append(std::uint64_t from, std::span<const Event> events, const Space& space) override {
    return call([&] { return storage_.append(from, events, space); });
  }
  bool offer(std::uint64_t at, std::span<const Task> tasks) override {
    return call([&] { return storage_.offer(at, tasks); });
  }
  std::optional<Lease> claim(const std::string& owner, std::chrono::milliseconds lease, int max) override {
    return call([&] { return storage_.claim(owner, lease, max); });
  }
  int renew(const std::string& owner, std::chrono::milliseconds lease) override { return dead_ ? 0 : storage_.renew(owner, lease); }
  bool release(const Lease& lease, Release how, const std::string& reason) override {
    return call([&] { return storage_.release(lease, how, reason); });
  }
  bool submit(const Lease& lease, const SegmentResult& result) override {
    return call([&] { return storage_.submit(lease, result); });
  }
  std::vector<TaskRow> tasks() override {
    return call([&] { return storage_.tasks(); });
  }
  int abandon(const std::string& owner, const std::string& reason) override {
    return call([&] { return storage_.abandon(owner, reason); });
  }
  void reset_failures() override {
    call([&] {
      storage_.reset_failures();
      return 0;
    });
  }

 private:
  template <class F>
  std::invoke_result_t<F> call(const F& f) {
    if (dead_) throw Killed{};  // threads that outlive the kill for a moment change nothing
    if (--left_ > 0) return f();
    dead_ = true;
    if (after_) f();
    throw Killed{};
  }
  Storage& storage_;
  int left_;
  bool after_;
  std::atomic<bool> dead_{false};
};

std::string reference_hash(const StudyHeader& header) {
  const auto storage = memory_storage(header);
  const auto objective = test::curve_objective();
  const StudyRun run = execute(header, *objective, *storage);
  CHECK(run.finished);
  CHECK(run.history.trials.size() == static_cast<std::size_t>(header.trials));
  return run.hash;
}

ExecutorOptions with_workers(int workers) {
  ExecutorOptions options;
  options.workers = workers;
  options.poll = 1ms;
  return options;
}

/// A study of one segment a trial, x = 0 … 9.
StudyHeader plain_header(std::int64_t trials = 10) {
  StudyHeader header;
  header.space = SpaceBuilder().integer("x", 0, 9).build();
  header.sampler = "grid@1";
  header.trials = trials;
  return header;
}

}  // namespace

TEST_CASE("executor: one study hash for 1, 2, 3, 5 and 8 workers with random sleeps") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const StudyHeader header = test::small_header(seed);
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
  CHECK(reference_hash(test::small_header(1)) == "ef700ffe1cb35887bb95e0a35b30440fcad087303db630ae786d3eb2097319aa");
}

TEST_CASE("executor: one worker computes nothing that the study does not need") {
  const StudyHeader header = test::small_header(5);
  const auto storage = memory_storage(header);
  ShakyObjective objective(1, 0, 0);
  const StudyRun run = execute(header, objective, *storage);
  int reports = 0;
  for (const RecordedEvent& e : storage->events(0)) reports += contains(e.line, " report ");
  CHECK(objective.runs == reports);
  CHECK(count_states(run.history).pruned > 0);
}

TEST_CASE("executor: failures of the machine do not show in the study") {
  const StudyHeader header = test::small_header(4);
  const std::string hash = reference_hash(header);
  for (const int workers : {1, 3, 8}) {
    struct Count final : Observer {
      void retried(const TaskKey&, const std::string& reason) override {
        CHECK(reason == "the disk is full");
        ++retries;
      }
      int retries = 0;
    } count;
    const auto storage = memory_storage(header);
    ShakyObjective objective(static_cast<std::uint64_t>(workers), 100, 0.3);
    ExecutorOptions options = with_workers(workers);
    options.observer = &count;
    CHECK(execute(header, objective, *storage, options).hash == hash);
    CHECK(count.retries > 20);
  }
}

TEST_CASE("executor: killed at any call of the storage, resumed to the same study") {
  const StudyHeader header = test::small_header(6, 20);
  const std::string hash = reference_hash(header);
  Random chance(random_key(6, 0, "kills"));
  int kills = 0;
  for (const int workers : {1, 2, 3, 5, 8})
    for (int round = 0; round < 6; ++round) {
      const auto storage = memory_storage(header);
      for (;;) {
        DyingStorage dying(*storage, 1 + static_cast<int>(chance.below(120)), chance.below(2) == 1);
        ShakyObjective objective(chance.next(), 50, 0.05);
        try {
          const StudyRun run = execute(header, objective, dying, with_workers(workers));
          CHECK(run.finished);
          CHECK(run.hash == hash);
          break;
        } catch (const Killed&) {
          ++kills;
        }
      }
    }
  CHECK(kills > 60);
  MESSAGE(kills << " kills in 30 studies");
}

TEST_CASE("executor: several processes on one storage, one of which dies") {
  const StudyHeader header = test::small_header(8, 30);
  const std::string hash = reference_hash(header);
  for (int round = 0; round < 5; ++round) {
    const auto backend = memory_backend();
    backend->create(header);
    std::vector<std::thread> processes;
    std::mutex mutex;
    std::vector<std::string> hashes;
    std::atomic<int> deaths{0};
    for (int p = 0; p < 4; ++p)
      processes.emplace_back([&, p, storage = backend->open(header.name)] {
        ShakyObjective objective(static_cast<std::uint64_t>(10 * round + p), 300, 0.02);
        ExecutorOptions options = with_workers(2);
        options.lease = 60ms;
        options.resume = p == 0;
        options.max_failures = 100;
        DyingStorage dying(*storage, p == 3 ? 40 + 15 * round : 1'000'000'000, round % 2 == 1);
        try {
          const StudyRun run = execute(header, objective, dying, options);
          const std::lock_guard lock(mutex);
          hashes.push_back(run.hash);
        } catch (const Killed&) {
          ++deaths;
        }
      });
    for (std::thread& t : processes) t.join();
    CHECK(deaths == 1);
    REQUIRE(hashes.size() == 3);
    for (const std::string& h : hashes) CHECK(h == hash);
  }
}

TEST_CASE("executor: a long segment keeps its lease on a shared storage") {
  const StudyHeader header = plain_header(2);
  const auto backend = memory_backend();
  backend->create(header);
  std::atomic<int> runs{0};
  const auto objective = objective_of([&](const Point&) {
    ++runs;
    std::this_thread::sleep_for(250ms);
    return 1.0;
  });
  std::vector<std::thread> processes;
  for (int p = 0; p < 2; ++p)
    processes.emplace_back([&, storage = backend->open(header.name)] {
      ExecutorOptions options = with_workers(2);
      options.lease = 60ms;
      CHECK(execute(header, *objective, *storage, options).finished);
    });
  for (std::thread& t : processes) t.join();
  CHECK(runs == 2);
}

TEST_CASE("executor: outcome failures fail the trial, failures of the machine stop the study at the third") {
  const StudyHeader header = plain_header();
  const auto thrower = [](const Point& p) -> double {
    switch (p.integer("x")) {
      case 1:
        throw NonFiniteError("loss is NaN in layer 3");
      case 2:
        throw MemoryLimitError("64 MB");
      case 3:
        throw InputError("bad\nmodel");
      case 4:
        throw std::runtime_error("of the model");
      case 5:
        throw 17;
      case 6:
        return 0.0 / 0.0;
      default:
        return 1;
    }
  };
  const auto storage = memory_storage(header);
  const auto objective = objective_of(thrower);
  const StudyRun run = execute(header, *objective, *storage, with_workers(2));
  CHECK(run.finished);
  const auto& t = run.history.trials;
  CHECK(t[1].failure == Failure::non_finite);
  CHECK(t[1].note == "loss is NaN in layer 3");
  CHECK(t[2].failure == Failure::memory_limit);
  CHECK(t[3].failure == Failure::error);
  CHECK(t[3].note == "bad model");
  CHECK(t[4].failure == Failure::error);
  CHECK(t[5].failure == Failure::error);
  CHECK(t[6].failure == Failure::non_finite);
  CHECK(count_states(run.history).complete == 4);

  int calls = 0;
  std::function<void()> trouble;
  const auto broken = objective_of([&](const Point& p) {
    if (p.integer("x") == 4 && trouble) {
      ++calls;
      trouble();
    }
    return thrower(p);
  });
  const std::vector<std::pair<std::function<void()>, std::string>> kinds = {
      {[] { throw InfrastructureError("no space left on device"); }, "no space left on device"},
      {[] { throw std::bad_alloc(); }, "out of memory"},
      {[] { throw std::system_error(std::make_error_code(std::errc::io_error)); }, "error"}};
  for (const auto& [kind, reason] : kinds) {
    calls = 0;
    trouble = kind;
    const auto again = memory_storage(header);
    const std::string message = message_of<InfrastructureError>([&] { execute(header, *broken, *again, with_workers(1)); });
    CHECK(contains(message, "segment 0 of trial 4 failed 3 times for reasons of the machine, at last:"));
    CHECK(contains(message, reason));
    CHECK(calls == 3);
    ExecutorOptions joins = with_workers(1);
    joins.resume = false;  // a worker that merely joins does not forget
    CHECK_THROWS_AS(execute(header, *broken, *again, joins), InfrastructureError);
    CHECK(calls == 3);
    trouble = nullptr;  // the machine is repaired
    CHECK(execute(header, *broken, *again, with_workers(3)).hash == run.hash);
  }

  trouble = [] { LATHE_CHECK(1 + 1 == 3); };
  const auto again = memory_storage(header);
  CHECK(contains(message_of<InternalError>([&] { execute(header, *broken, *again, with_workers(2)); }), "1 + 1 == 3"));
  trouble = nullptr;
  CHECK(execute(header, *broken, *again, with_workers(2)).hash == run.hash);
}

TEST_CASE("executor: stopped anywhere, a study is a prefix, and goes on to the same end") {
  const StudyHeader header = test::small_header(9, 20);
  const auto full = memory_storage(header);
  const auto objective = test::curve_objective();
  const StudyRun whole = execute(header, *objective, *full);
  const auto log = full->events(0);
  const auto is_prefix = [&](const StudyRun& run, Storage& storage) {
    auto events = storage.events(0);
    CHECK(events.size() == run.events);
    REQUIRE(events.size() <= log.size());
    for (std::size_t i = 0; i < events.size(); ++i) REQUIRE(events[i].line == log[i].line);
    CHECK(run.hash == study_hash(header.json(), std::span(log).first(events.size())));
    std::size_t reports = 0, recorded = 0;
    for (const Trial& t : run.history.trials) reports += t.reports.size() + (t.failure != Failure::none);
    for (const RecordedEvent& e : events) recorded += contains(e.line, " report ");
    CHECK(reports == recorded);
  };
  const auto storage = memory_storage(header);
  StudyRun run;
  for (std::uint64_t limit = 0; limit <= log.size() + 7; limit += 7) {  // by commit index
    ExecutorOptions options = with_workers(1 + static_cast<int>(limit % 3));
    options.until_event = limit;
    run = execute(header, *objective, *storage, options);
    CHECK(run.events <= limit);
    is_prefix(run, *storage);
  }
  CHECK(run.finished);
  CHECK(run.hash == whole.hash);

  const auto timed = memory_storage(header);  // by the clock
  int rounds = 0;
  do {
    ShakyObjective slow(static_cast<std::uint64_t>(rounds), 1500, 0);
    ExecutorOptions options = with_workers(2);
    options.deadline = std::chrono::steady_clock::now() + 5ms * (1 + rounds / 10);  // longer and longer: it must end
    run = execute(header, slow, *timed, options);
    is_prefix(run, *timed);
  } while (!run.finished && ++rounds < 1000);
  CHECK(rounds > 1);
  CHECK(run.hash == whole.hash);
}

TEST_CASE("executor: a stop request interrupts a segment without counting it as failed") {
  const StudyHeader header = plain_header(6);
  ExecutorOptions options = with_workers(2);
  std::atomic<int> interrupted{0};
  bool block = true;
  const auto objective = objective_of([](const Point&) { return Plan{}; },
                                      [&](const Point& p, const SegmentContext& c, const Checkpoint&) {
                                        if (block && p.integer("x") == 3) {
                                          options.stop.request();
                                          while (!c.stop_requested()) std::this_thread::sleep_for(1ms);
                                          ++interrupted;
                                          throw Interrupted();
                                        }
                                        return SegmentResult::of(static_cast<double>(p.integer("x")));
                                      });
  const auto storage = memory_storage(header);
  const StudyRun stopped = execute(header, *objective, *storage, options);
  CHECK_FALSE(stopped.finished);
  CHECK(interrupted == 1);
  for (const TaskRow& row : storage->tasks()) {
    CHECK(row.state != TaskState::claimed);
    CHECK(row.failures == 0);
  }
  block = false;
  const StudyRun resumed = execute(header, *objective, *storage, with_workers(2));
  CHECK(resumed.finished);
  CHECK(resumed.hash == execute(header, *objective, *memory_storage(header)).hash);

  // Interrupted although nobody asked: a mistake of the objective, not an endless loop.
  const auto liar = objective_of([](const Point&) -> double { throw Interrupted(); });
  const StudyRun failed = execute(header, *liar, *memory_storage(header));
  CHECK(count_states(failed.history).failed == 6);
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
  StudyHeader header = test::small_header(11, 12);
  header.pruner = "none@1";
  header.pruner_settings.clear();
  struct Summing final : Objective {
    Plan plan(const Point& p) const override { return test::curve_plan(p); }
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

TEST_CASE("executor: an observer sees every event once and in order") {
  const StudyHeader header = test::small_header(12, 10);
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
  const auto objective = test::curve_objective();
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
