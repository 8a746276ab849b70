// What must not show in a study: failures of the machine, deaths, requests to stop. And what must: failures of the model.
#include <new>
#include <system_error>

#include "tests/nas/executor_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace std::chrono_literals;
using namespace lathe::nas::test;

TEST_CASE("executor: failures of the machine do not show in the study") {
  const StudyHeader header = nas::test::small_header(4);
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
  const StudyHeader header = nas::test::small_header(6, 20);
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

TEST_CASE("executor: a full disk ends the run, whoever meets it, and nothing is lost") {
  const StudyHeader header = nas::test::small_header(7, 20);
  const std::string hash = reference_hash(header);
  const auto storage = memory_storage(header);
  for (int round = 0; round < 20; ++round) {
    FullStorage full(*storage, round % 3);
    ShakyObjective objective(static_cast<std::uint64_t>(round), 50, 0);
    CHECK(message_of<InfrastructureError>([&] { execute(header, objective, full, with_workers(3)); }) == "no space left on device");
  }
  ShakyObjective objective(1, 50, 0);
  CHECK(execute(header, objective, *storage, with_workers(2)).hash == hash);
}

TEST_CASE("executor: several processes on one storage, one of which dies") {
  const StudyHeader header = nas::test::small_header(8, 30);
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
  const StudyHeader header = nas::test::small_header(9, 20);
  const auto full = memory_storage(header);
  const auto objective = nas::test::curve_objective();
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
