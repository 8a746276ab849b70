// What storage.h demands, of every storage alike.
#include <doctest/doctest.h>
#include <lathe/base/error.h>

#include <thread>

#include "tests/storage/place.h"
#include "tests/storage/study.h"

namespace lathe::nas {
namespace {

using namespace std::chrono_literals;
using test::kinds_of_storage;
using test::Place;
using test::small_objective;
using test::small_study;

std::vector<Event> first_batch(const StudyHeader& header) {
  auto objective = std::shared_ptr<Objective>(small_objective());
  VirtualTime engine(
      header, [objective](const Point& p) { return objective->plan(p); },
      [](const Point&) { return std::optional<std::string>(); });
  return engine.step();
}

std::vector<Task> tasks_of(std::initializer_list<std::pair<int, std::uint64_t>> trials) {
  std::vector<Task> tasks;
  for (const auto& [trial, priority] : trials) tasks.push_back({{trial, 0}, priority});
  return tasks;
}

TEST_CASE("the log grows by compare-and-swap and is given back as it was") {
  for (const std::string& kind : kinds_of_storage()) {
    CAPTURE(kind);
    const StudyHeader header = small_study();
    const auto p = std::make_unique<Place>(kind);
    auto storage = p->backend->create(header);
    CHECK(storage->header() == header.json());
    CHECK(storage->events(0).empty());
    const std::vector<Event> batch = first_batch(header);
    REQUIRE(batch.size() == 4);
    CHECK_FALSE(storage->append(1, batch, header.space));
    CHECK(storage->events(0).empty());
    CHECK(storage->append(0, batch, header.space));
    CHECK_FALSE(storage->append(0, batch, header.space));
    const std::vector<RecordedEvent> events = storage->events(0);
    REQUIRE(events.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) CHECK(events[i] == record(batch[i]));
    CHECK(storage->events(3).size() == 1);
    CHECK(storage->events(9).empty());
    CHECK(storage->foreign_changes().empty());
  }
}

TEST_CASE("studies are found by name") {
  for (const std::string& kind : kinds_of_storage()) {
    CAPTURE(kind);
    const auto p = std::make_unique<Place>(kind);
    CHECK(p->backend->studies().empty());
    p->backend->create(small_study());
    CHECK_THROWS_AS(p->backend->create(small_study()), InputError);
    CHECK_THROWS_WITH_AS(p->backend->open("smal"), doctest::Contains("did you mean `small`?"), InputError);
    REQUIRE(p->backend->studies().size() == 1);
    CHECK(p->backend->studies()[0].name == "small");
    CHECK(p->backend->studies()[0].header == small_study().json());
    CHECK(p->backend->open("small")->name() == "small");
  }
}

TEST_CASE("a deleted study is gone with its tasks, and the others stay") {
  for (const std::string& kind : kinds_of_storage()) {
    CAPTURE(kind);
    const auto p = std::make_unique<Place>(kind);
    const StudyHeader header = small_study();
    StudyHeader other = header;
    other.name = "other";
    const std::vector<Event> batch = first_batch(header);
    for (const StudyHeader& h : {header, other}) {
      auto storage = p->backend->create(h);
      REQUIRE(storage->append(0, batch, h.space));
      REQUIRE(storage->offer(batch.size(), tasks_of({{0, 3}, {1, 2}})));
    }
    CHECK_THROWS_WITH_AS(p->backend->remove("smal"), doctest::Contains("did you mean `small`?"), InputError);
    p->backend->remove("small");
    CHECK_THROWS_AS(p->backend->open("small"), InputError);
    REQUIRE(p->backend->studies().size() == 1);
    CHECK(p->backend->open("other")->events(0).size() == batch.size());
    CHECK(p->backend->open("other")->tasks().size() == 2);
    auto again = p->backend->create(header);
    CHECK(again->events(0).empty());
    CHECK(again->tasks().empty());
  }
}

TEST_CASE("a study that was deleted and made again is not the one that somebody still works on") {
  for (const std::string& kind : kinds_of_storage()) {
    if (kind == "memory") continue;  // there the old one lives on, unseen
    CAPTURE(kind);
    const auto p = std::make_unique<Place>(kind);
    const StudyHeader header = small_study();
    auto old = p->backend->create(header);
    REQUIRE(old->offer(0, tasks_of({{0, 1}})));
    const auto lease = old->claim("a", 60s, 3);
    REQUIRE(lease);
    const auto other = open_backend(p->url, false);
    other->remove("small");
    for (const bool made_again : {false, true}) {
      if (made_again) {
        REQUIRE(other->create(header)->offer(0, tasks_of({{0, 1}})));
        REQUIRE(other->open("small")->claim("a", 60s, 3));  // even the lease looks the same
      }
      CHECK_THROWS_WITH_AS(old->events(0), doctest::Contains("study `small` was deleted meanwhile"), InputError);
      CHECK_THROWS_AS(old->append(0, first_batch(header), header.space), InputError);
      CHECK_THROWS_AS(old->offer(0, tasks_of({{1, 1}})), InputError);
      CHECK_THROWS_AS(old->claim("b", 60s, 3), InputError);
      CHECK_THROWS_AS(old->submit(*lease, SegmentResult::of(1)), InputError);
      CHECK_THROWS_AS(old->renew("a", 60s), InputError);
    }
    CHECK(other->open("small")->events(0).empty());
    CHECK(other->open("small")->tasks().size() == 1);
  }
}

TEST_CASE("a search whose study is deleted ends and says so") {
  for (const std::string& kind : kinds_of_storage()) {
    if (kind == "memory") continue;
    CAPTURE(kind);
    const auto p = std::make_unique<Place>(kind);
    const StudyHeader header = small_study(1000);
    auto storage = p->backend->create(header);
    std::thread deletes([&] {
      std::this_thread::sleep_for(200ms);
      open_backend(p->url, false)->remove("small");
    });
    CHECK_THROWS_WITH_AS(execute(header, *small_objective(2000), *storage, {.workers = 2}),
                         doctest::Contains("was deleted meanwhile"), InputError);
    deletes.join();
  }
}

TEST_CASE("a task is claimed once, in the order of priority, and fenced") {
  for (const std::string& kind : kinds_of_storage()) {
    CAPTURE(kind);
    const auto p = std::make_unique<Place>(kind);
    auto storage = p->backend->create(small_study());
    CHECK_FALSE(storage->offer(5, tasks_of({{0, 1}})));  // computed for another state of the log
    CHECK(storage->tasks().empty());
    CHECK(storage->offer(0, tasks_of({{0, 30}, {1, 10}, {2, 20}})));
    CHECK(storage->offer(0, tasks_of({{1, 99}})));  // known already: left alone
    const auto first = storage->claim("a", 60s, 3), second = storage->claim("b", 60s, 3);
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->key == TaskKey{1, 0});
    CHECK(second->key == TaskKey{2, 0});
    CHECK(first->attempt == 1);
    CHECK(storage->renew("a", 60s) == 1);
    CHECK(storage->renew("nobody", 60s) == 0);

    Lease stolen = *first;
    stolen.owner = "b";
    CHECK_FALSE(storage->submit(stolen, SegmentResult::of(1)));
    stolen = *first;
    stolen.attempt = 2;
    CHECK_FALSE(storage->submit(stolen, SegmentResult::of(1)));
    SegmentResult result = SegmentResult::of(0.1);
    result.attributes = R"({"x":1})";
    result.digest = "abc";
    CHECK(storage->submit(*first, result));
    CHECK_FALSE(storage->submit(*first, result));
    CHECK_FALSE(storage->release(*first, Release::stopped, ""));

    CHECK(storage->release(*second, Release::stopped, "asked to stop"));
    CHECK_FALSE(storage->submit(*second, result));
    const auto again = storage->claim("c", 60s, 3);
    REQUIRE(again);
    CHECK(again->key == TaskKey{2, 0});
    CHECK(again->attempt == 2);
    const std::vector<TaskRow> rows = storage->tasks();
    REQUIRE(rows.size() == 3);
    CHECK(rows[1].state == TaskState::done);
    REQUIRE(rows[1].result);
    CHECK(*rows[1].result == result);
    CHECK(rows[2].state == TaskState::claimed);
    CHECK(rows[2].owner == "c");
    CHECK(rows[2].failures == 0);
  }
}

TEST_CASE("infrastructure failures are counted, and a task with too many is not handed out") {
  for (const std::string& kind : kinds_of_storage()) {
    CAPTURE(kind);
    const auto p = std::make_unique<Place>(kind);
    auto storage = p->backend->create(small_study());
    CHECK(storage->offer(0, tasks_of({{0, 1}})));
    const auto a = storage->claim("a", 60s, 2);
    REQUIRE(a);
    CHECK(storage->release(*a, Release::failed, "disk full"));
    CHECK(storage->tasks()[0].reason == "disk full");
    const auto b = storage->claim("b", 60s, 2);
    REQUIRE(b);
    CHECK(storage->abandon("b", "b is dead") == 1);
    CHECK(storage->tasks()[0].failures == 2);
    CHECK_FALSE(storage->claim("c", 60s, 2));
    storage->reset_failures();
    const auto c = storage->claim("c", 60s, 2);
    REQUIRE(c);
    CHECK(c->attempt == 3);  // never reused
  }
}

TEST_CASE("a lease that ran out is taken over, unless its owner submits first") {
  for (const std::string& kind : kinds_of_storage()) {
    CAPTURE(kind);
    const auto p = std::make_unique<Place>(kind);
    auto storage = p->backend->create(small_study());
#ifdef LATHE_WITH_POSTGRESQL
    if (kind == "postgresql") test::PostgresServer::instance()->wait_for_uptime(5500ms);  // younger ones spare leases
#endif
    CHECK(storage->offer(0, tasks_of({{0, 1}, {1, 2}})));
    const auto slow = storage->claim("slow", 500ms, 3), late = storage->claim("late", 500ms, 3);
    REQUIRE(slow);
    REQUIRE(late);
    std::this_thread::sleep_for(600ms);
    const auto taken = storage->claim("other", 60s, 3);
    REQUIRE(taken);
    CHECK(taken->key == slow->key);
    CHECK(taken->attempt == 2);
    CHECK_FALSE(storage->submit(*slow, SegmentResult::of(1)));
    CHECK(storage->submit(*taken, SegmentResult::of(2)));
    CHECK(storage->submit(*late, SegmentResult::of(3)));  // nobody took it over
    CHECK(storage->tasks()[0].failures == 1);
    CHECK(storage->tasks()[0].reason.find("slow") != std::string::npos);
    CHECK(storage->tasks()[1].failures == 0);
  }
}

TEST_CASE("a study has one hash in every storage, resumed at any event") {
  const StudyHeader header = small_study(25);
  std::string hash;
  for (const std::string& kind : kinds_of_storage()) {
    CAPTURE(kind);
    for (const std::uint64_t stop : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{17}, std::uint64_t{50}}) {
      const auto p = std::make_unique<Place>(kind);
      {
        auto storage = p->backend->create(header);
        if (stop > 0) {
          const StudyRun run = execute(header, *small_objective(), *storage, {.workers = 2, .until_event = stop});
          CHECK(run.events <= stop);
          CHECK_FALSE(run.finished);
        }
      }
      auto storage = p->backend->open("small");
      const StudyRun run = execute(header, *small_objective(), *storage);
      CHECK(run.finished);
      if (hash.empty()) hash = run.hash;
      CHECK(run.hash == hash);
      CHECK(storage->tasks().empty());
    }
  }
}

}  // namespace
}  // namespace lathe::nas
