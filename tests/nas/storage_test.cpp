#include "tests/nas/support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace std::chrono_literals;
using nas::test::contains;
using nas::test::message_of;

namespace {

struct Fixture {
  std::int64_t now = 1000;
  StudyHeader header = nas::test::small_header();
  std::unique_ptr<Storage> storage = memory_storage(header, true, [this] { return now; });

  static Event propose(std::uint64_t index, std::int64_t trial) {
    Event e;
    e.index = index;
    e.trial = trial;
    return e;
  }
  static Event report(std::uint64_t index, std::int64_t trial, int segment) {
    Event e = propose(index, trial);
    e.kind = Event::Kind::report;
    e.segment = segment;
    e.result = SegmentResult::of(1);
    return e;
  }
  static Event finish(std::uint64_t index, std::int64_t trial) {
    Event e = propose(index, trial);
    e.kind = Event::Kind::finish;
    e.state = TrialState::pruned;
    return e;
  }
  bool append(std::uint64_t from, std::vector<Event> events) { return storage->append(from, events, header.space); }
  bool offer(std::vector<Task> tasks) { return storage->offer(storage->events(0).size(), tasks); }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "storage: the log grows only where the caller believes it ends") {
  CHECK(storage->header() == header.json());
  CHECK(append(0, {propose(0, 0), propose(1, 1)}));
  CHECK_FALSE(append(0, {propose(0, 0)}));
  CHECK_FALSE(append(3, {propose(3, 2)}));
  CHECK(append(2, {report(2, 0, 0)}));
  CHECK(storage->events(0).size() == 3);
  CHECK(storage->events(2).size() == 1);
  CHECK(storage->events(2)[0].line == "2 0 report trial=0 segment=0 values=1");
  CHECK(storage->events(3).empty());
  CHECK(storage->events(99).empty());
}

TEST_CASE_FIXTURE(Fixture, "storage: the most urgent task is claimed once") {
  CHECK(offer({{{0, 0}, 20}, {{1, 0}, 10}, {{2, 0}, 10}}));
  CHECK(offer({{{1, 0}, 5}}));  // exists: left alone
  CHECK_FALSE(storage->offer(7, std::vector<Task>{{{9, 0}, 1}}));
  CHECK(storage->claim("a", 10ms, 3)->key == TaskKey{1, 0});
  CHECK(storage->claim("b", 10ms, 3)->key == TaskKey{2, 0});
  CHECK(storage->claim("b", 10ms, 3)->key == TaskKey{0, 0});
  CHECK_FALSE(storage->claim("c", 10ms, 3).has_value());
  CHECK(storage->tasks().size() == 3);
}

TEST_CASE_FIXTURE(Fixture, "storage: fencing") {
  offer({{{0, 0}, 1}});
  const Lease first = *storage->claim("a", 10ms, 3);
  now += 9;
  CHECK_FALSE(storage->claim("b", 10ms, 3).has_value());
  now += 1;
  const Lease second = *storage->claim("b", 10ms, 3);
  CHECK(second.attempt == first.attempt + 1);
  CHECK(storage->tasks()[0].failures == 1);
  CHECK(storage->tasks()[0].reason == "lease of a ran out");
  CHECK_FALSE(storage->submit(first, SegmentResult::of(1)));
  CHECK_FALSE(storage->release(first, Release::failed, "late"));
  CHECK(storage->submit(second, SegmentResult::of(2)));
  CHECK_FALSE(storage->submit(second, SegmentResult::of(3)));
  CHECK(storage->tasks()[0].result->values[0] == 2);
  CHECK_FALSE(storage->claim("c", 10ms, 3).has_value());
}

TEST_CASE_FIXTURE(Fixture, "storage: fencing within one owner, by attempt") {
  offer({{{0, 0}, 1}});
  const Lease first = *storage->claim("a", 10ms, 3);
  now += 10;
  const Lease second = *storage->claim("a", 10ms, 3);
  CHECK_FALSE(storage->submit(first, SegmentResult::of(1)));
  CHECK_FALSE(storage->release(first, Release::stopped, "late"));
  CHECK(storage->submit(second, SegmentResult::of(2)));
}

TEST_CASE_FIXTURE(Fixture, "storage: renewal, and a lease that ran out but was not taken") {
  offer({{{0, 0}, 1}, {{1, 0}, 2}});
  const Lease a = *storage->claim("a", 10ms, 3);
  CHECK(storage->renew("a", 50ms) == 1);
  CHECK(storage->renew("b", 50ms) == 0);
  now += 40;
  CHECK(storage->claim("b", 10ms, 3)->key == TaskKey{1, 0});
  CHECK_FALSE(storage->claim("b", 10ms, 3).has_value());
  now += 20;
  CHECK(storage->submit(a, SegmentResult::of(1)));
}

TEST_CASE_FIXTURE(Fixture, "storage: infrastructure failures") {
  offer({{{0, 0}, 1}});
  for (int i = 1; i <= 3; ++i) {
    const Lease lease = *storage->claim("a", 10ms, 3);
    CHECK(lease.attempt == i);
    CHECK(storage->release(lease, Release::failed, str("disk ", i)));
  }
  CHECK_FALSE(storage->claim("a", 10ms, 3).has_value());
  CHECK(storage->tasks()[0].failures == 3);
  CHECK(storage->tasks()[0].reason == "disk 3");
  storage->reset_failures();
  const Lease lease = *storage->claim("a", 10ms, 3);
  CHECK(lease.attempt == 4);
  CHECK(storage->release(lease, Release::stopped, "asked"));
  CHECK(storage->tasks()[0].failures == 0);
  // The third lease that runs out makes the task unclaimable, too.
  for (int i = 0; i < 3; ++i) {
    CHECK(storage->claim("a", 10ms, 3).has_value());
    now += 10;
  }
  CHECK_FALSE(storage->claim("a", 10ms, 3).has_value());
  storage->reset_failures();
  CHECK(storage->claim("dead", 1000ms, 3).has_value());
  CHECK(storage->abandon("dead", "killed") == 1);
  CHECK(storage->tasks()[0].failures == 1);
  CHECK(storage->claim("b", 10ms, 3).has_value());
}

TEST_CASE_FIXTURE(Fixture, "storage: commits and stop decisions remove tasks") {
  append(0, {propose(0, 0), propose(1, 1)});
  offer({{{0, 0}, 1}, {{1, 0}, 1}});
  const Lease a = *storage->claim("a", 10ms, 3), b = *storage->claim("b", 10ms, 3);
  storage->submit(a, SegmentResult::of(1));
  append(2, {report(2, 0, 0)});
  CHECK(storage->tasks().size() == 1);
  append(3, {finish(3, 1)});
  CHECK(storage->tasks().empty());
  CHECK_FALSE(storage->submit(b, SegmentResult::of(1)));
  // A process that lags behind cannot bring the task back.
  CHECK_FALSE(storage->offer(2, std::vector<Task>{{{0, 0}, 1}}));
  CHECK(storage->tasks().empty());
}

TEST_CASE("memory backend: studies by name") {
  const auto backend = memory_backend();
  StudyHeader header = nas::test::small_header();
  header.name = "reviews";
  backend->create(header);
  CHECK(contains(message_of([&] { backend->create(header); }), "`reviews` exists already"));
  CHECK(backend->open("reviews")->header() == header.json());
  CHECK(message_of([&] { backend->open("review"); }) == "there is no study `review`; did you mean `reviews`?");
  CHECK(backend->studies().size() == 1);
  CHECK(backend->studies()[0].events == 0);
}
