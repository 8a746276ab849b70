#include <cmath>
#include <cstdio>
#include <filesystem>

#include "tests/nas/support.h"

#include <lathe/base/sha256.h>

using namespace lathe;
using namespace lathe::nas;
using nas::test::contains;
using nas::test::message_of;

namespace {

Trial done(std::int64_t number, double value, Point point = {}, TrialState state = TrialState::complete) {
  Trial t;
  t.number = number;
  t.point = std::move(point);
  t.state = state;
  if (state == TrialState::complete) t.values = {value};
  t.finish_event = static_cast<std::uint64_t>(10 + number);
  return t;
}

}  // namespace

TEST_CASE("results: text and back") {
  SegmentResult r{{0.1, -2e-300, 12345678}, true, Failure::none, "sha:9f-Z_.", {}, "note", "{}"};
  CHECK(to_text(r) == "values=0.1,-2e-300,12345678 end digest=sha:9f-Z_.");
  SegmentResult back = parse_segment_result(to_text(r));
  CHECK(back.values == r.values);
  CHECK(back.unit_done);
  CHECK(back.digest == r.digest);
  CHECK(back.note.empty());
  CHECK(parse_segment_result("failure=memory_limit").failure == Failure::memory_limit);
  for (const char* bad : {"", "values=", "values=nan", "values=inf", "values=1,", "values=1 failure=error", "failure=none",
                          "failure=x", "end", "values=1 x", "values=1  end"})
    CHECK_THROWS_AS(parse_segment_result(bad), InputError);
  const SegmentResult nan = checked(SegmentResult::of(std::nan("")), 1);
  CHECK(nan.failure == Failure::non_finite);
  CHECK(nan.values.empty());
  CHECK(to_text(checked(SegmentResult::of(-0.0), 1)) == "values=0");
  r.digest = "a b";
  CHECK(contains(message_of([&] { checked(r, 3); }), "digest"));
  CHECK(contains(message_of([&] { checked(SegmentResult::of(1), 2); }), "1 values, expected 2"));
}

TEST_CASE("results: constraints follow the values, and only where there are any") {
  SegmentResult r = SegmentResult::of(0.5);
  r.constraints = {-1, 0.25};
  r.unit_done = true;
  CHECK(to_text(r) == "values=0.5 constraints=-1,0.25 end");
  CHECK(parse_segment_result(to_text(r)) == r);
  for (const char* bad : {"values=1 constraints=", "values=1 constraints=inf", "values=1 constraints=x", "constraints=1",
                          "failure=error constraints=1"})
    CHECK_THROWS_AS(parse_segment_result(bad), InputError);
  CHECK(checked(r, 1, 2) == r);
  CHECK(contains(message_of([&] { checked(r, 1); }), "2 constraints, expected 0"));
  CHECK(contains(message_of([&] { checked(SegmentResult::of(1), 1, 1); }), "0 constraints, expected 1"));
  r.constraints[0] = -0.0;
  CHECK(to_text(checked(r, 1, 2)) == "values=0.5 constraints=0,0.25 end");
  r.constraints[1] = std::nan("");
  const SegmentResult nan = checked(r, 1, 2);
  CHECK(nan.failure == Failure::non_finite);
  CHECK(nan.note == "the objective reported the constraint nan");
  CHECK(to_text(nan) == "failure=non_finite");
  CHECK(checked(SegmentResult::failed(Failure::error, "x"), 1, 2).failure == Failure::error);
}

TEST_CASE("constraints: of the report that counts, the largest over the units") {
  const std::vector<Direction> up = {Direction::maximise};
  Trial t;
  t.reports = {
      {0, 0, 1, {0.5}, 0, {-1, 2}}, {1, 0, 2, {0.9}, 0, {-2, 1}}, {2, 0, 3, {0.7}, 0, {5, 5}}, {3, 1, 1, {0.3}, 0, {-3, 3}}};
  Judging j;
  CHECK(constraints_of(t, j, up) == std::vector<double>{-2, 3});
  j.unit_value = Judging::UnitValue::last;
  CHECK(constraints_of(t, j, up) == std::vector<double>{5, 5});
  CHECK(feasible(t));  // nothing is decided yet
  t.constraints = {-2, 3, 0, 0.5};
  CHECK(violation(t) == 3.5);
  CHECK_FALSE(feasible(t));
  t.constraints = {-2, 0};
  CHECK(feasible(t));
  CHECK(constraints_of(Trial{}, j, up).empty());
}

TEST_CASE("verdict: units, aggregates, directions") {
  const std::vector<Direction> up = {Direction::maximise}, down = {Direction::minimise};
  Trial t;
  t.reports = {{0, 0, 1, {0.5}, 0}, {1, 0, 2, {0.9}, 0}, {2, 0, 3, {0.7}, 0}, {3, 1, 1, {0.3}, 0}};
  Judging j;
  CHECK(verdict(t, j, up)[0] == (0.9 + 0.3) / 2);
  CHECK(verdict(t, j, down)[0] == (0.5 + 0.3) / 2);
  j.unit_value = Judging::UnitValue::last;
  CHECK(verdict(t, j, up)[0] == (0.7 + 0.3) / 2);
  j.aggregate = Judging::Aggregate::worst;
  CHECK(verdict(t, j, up)[0] == 0.3);
  CHECK(verdict(t, j, down)[0] == 0.7);
  j.aggregate = Judging::Aggregate::weighted;
  j.weights = {3, 1};
  CHECK(verdict(t, j, up)[0] == (3 * 0.7 + 1 * 0.3) / 4);
  j.weights = {3};
  CHECK_THROWS_AS(verdict(t, j, up), InputError);
  CHECK(verdict(Trial{}, Judging{}, up).empty());
  // Several objectives: a unit's best report is chosen by the first one and taken whole.
  Trial two;
  two.reports = {{0, 0, 1, {0.5, 10}, 0}, {1, 0, 2, {0.9, 30}, 0}};
  CHECK(verdict(two, Judging{}, std::vector{Direction::maximise, Direction::minimise}) == std::vector<double>{0.9, 30});
}

TEST_CASE("header: canonical JSON, name left out, differences named") {
  StudyHeader h;
  h.space = SpaceBuilder().integer("a", 1, 2).build();
  h.configuration = R"({"train":{"lr":0.001,"epochs":3},"x":[1,{"y":"},{"}]})";
  CHECK(
      h.json() ==
      R"({"lathe_study":1,"numerics":"numerics v0","seed":1,"trials":100,"virtual_workers":4,)"
      R"("objectives":[{"metric":"value","direction":"maximise"}],"judging":{"aggregate":"mean","unit_value":"best","weights":[]},)"
      R"("sampler":"random@1","sampler_settings":{},"pruner":"none@1","pruner_settings":{},"data_hash":"",)"
      R"("space":{"parameters":[{"name":"a","kind":"integer","low":1,"high":2,"step":1,"log":false}],"rules":[]},)"
      R"("configuration":{"train":{"lr":0.001,"epochs":3},"x":[1,{"y":"},{"}]}})");
  StudyHeader other = h;
  other.name = "another name";
  CHECK(other.json() == h.json());
  CHECK_FALSE(header_difference(h.json(), other.json()).has_value());
  other.seed = 2;
  CHECK(header_difference(h.json(), other.json()) == "`seed` was 1, is 2");
  other = h;
  other.configuration = R"({"train":{"lr":0.002,"epochs":3},"x":[1,{"y":"},{"}]})";
  CHECK(header_difference(h.json(), other.json()) == "`configuration.train.lr` was 0.001, is 0.002");
  other.configuration = R"({"train":{"lr":0.001},"x":[1,{"y":"},{"}]})";
  CHECK(header_difference(h.json(), other.json()) == "`configuration.train.epochs` was 3, is absent");
  other.configuration = R"({"train":{"lr":0.001,"epochs":3,"clip":1},"x":[1,{"y":"},{"}]})";
  CHECK(header_difference(h.json(), other.json()) == "`configuration.train.clip` was absent, is 1");
  other = h;
  other.numerics = "numerics v1";
  CHECK(header_difference(h.json(), other.json()) == "`numerics` was \"numerics v0\", is \"numerics v1\"");
  other = h;
  other.pruner_settings = {{"percentile", 25}};
  CHECK(header_difference(h.json(), other.json()) == "`pruner_settings.percentile` was absent, is 25");
  h.configuration = "{\n}";
  CHECK_THROWS_AS(h.check(), InputError);
}

TEST_CASE("study hash: header and lines, nothing else") {
  const std::vector<RecordedEvent> events = {{"0 0 propose", "a", "b"}, {"1 1 report", "", ""}};
  const std::string hash = study_hash("{}", events);
  CHECK(hash == to_hex(sha256("{}\n0 0 propose\n1 1 report\n")));
  auto same = events;
  same[0].note = "other";
  same[1].attributes = "{\"seconds\":3}";
  CHECK(study_hash("{}", same) == hash);
  same[1].line += " end";
  CHECK_FALSE(study_hash("{}", same) == hash);
  CHECK_FALSE(study_hash("{ }", events) == hash);
}

TEST_CASE("history: read from a log, and lines that cannot be read") {
  const Space space = SpaceBuilder().categorical("t", {"a b", "c"}).build();
  const std::vector<RecordedEvent> log = {{R"(0 0 propose trial=0 worker=2 plan=0/1/3,1/1/4 point={"t":"a b"})", "", R"({"p":1})"},
                                          {"1 3 report trial=0 segment=0 values=0.5", "", ""},
                                          {"2 7 report trial=0 segment=1 failure=error", "boom", ""},
                                          {"3 7 finish trial=0 state=failed failure=error", "", ""},
                                          {"4 7 extend trials=2", "", ""}};
  const History h = read_history(space, log);
  REQUIRE(h.trials.size() == 1);
  const Trial& t = h.trials[0];
  CHECK(t.worker == 2);
  CHECK(t.point.text("t") == "a b");
  CHECK(t.plan.segments[1] == Segment{1, 1, 4});
  CHECK(t.plan.attributes == R"({"p":1})");
  CHECK(t.reports.size() == 1);
  CHECK(t.state == TrialState::failed);
  CHECK(t.failure == Failure::error);
  CHECK(t.note == "boom");
  CHECK(t.finished == 7);
  CHECK(t.finish_event == 3);
  CHECK(h.finished == std::vector<std::int64_t>{0});
  CHECK(intermediate_step(t.plan, 1) == 2);
  CHECK(intermediate_step({{{0, 5, 1}, {0, 9, 1}}, ""}, 1) == 9);
  for (const char* bad :
       {"", "0", "0 0", "0 0 dance", "x 0 extend trials=1", "0 0 extend trials=-1", "0 0 extend",
        "0 0 propose trial=0 worker=0 plan=0/1 point={}", "0 0 propose trial=0 worker=0 plan=0/1/1",
        "0 0 report trial=0 segment=0 values=1", "0 0 finish trial=0 state=running", "0 0 finish trial=0 state=complete values=x",
        "0 0 propose trial=1 worker=0 plan=0/1/1 point={\"t\":\"c\"}",
        "0 0 propose trial=0 worker=0 plan=0/1/1 point={\"t\":\"d\"}", "0 0 report trial=0 segment=99999999999 values=1"})
    CHECK_THROWS_AS(read_history(space, std::vector<RecordedEvent>{{bad, "", ""}}), InputError);
}

TEST_CASE("analysis: leaderboard, best so far, counts") {
  History h;
  h.trials = {done(0, 0.5),
              done(1, 0.9),
              done(2, 0, {}, TrialState::pruned),
              done(3, 0.9),
              done(4, 0.7),
              done(5, 0, {}, TrialState::failed),
              done(6, 0, {}, TrialState::running)};
  h.finished = {1, 0, 5, 2, 4, 3};
  CHECK(leaderboard(h, Direction::maximise) == std::vector<std::int64_t>{1, 3, 4, 0});
  CHECK(leaderboard(h, Direction::minimise) == std::vector<std::int64_t>{0, 4, 1, 3});
  const auto best = best_so_far(h, Direction::minimise);
  REQUIRE(best.size() == 4);
  CHECK(best[0].trial == 1);
  CHECK(best[1].trial == 0);
  CHECK(best[1].event == 10);
  CHECK(best[3].trial == 0);
  CHECK(best[3].value == 0.5);
  const Counts c = count_states(h);
  CHECK(c.complete == 4);
  CHECK(c.pruned == 1);
  CHECK(c.failed == 1);
  CHECK(c.running == 1);
  CHECK(leaderboard(History{}, Direction::minimise).empty());
}

TEST_CASE("analysis: feasible trials come first, then the least infeasible") {
  History h;
  h.trials = {done(0, 0.9), done(1, 0.5), done(2, 0.8), done(3, 0.6), done(4, 0.7)};
  h.trials[0].constraints = {-1, 3};
  h.trials[2].constraints = {1, 1};
  h.trials[3].constraints = {0, -5};
  h.trials[4].constraints = {2, -9};
  h.finished = {0, 2, 4, 1, 3};
  CHECK(leaderboard(h, Direction::maximise) == std::vector<std::int64_t>{3, 1, 2, 4, 0});
  const auto best = best_so_far(h, Direction::maximise);
  std::vector<std::int64_t> trials;
  for (const BestSoFar& entry : best) trials.push_back(entry.trial);
  CHECK(trials == std::vector<std::int64_t>{0, 2, 2, 1, 3});
}

TEST_CASE("analysis: the best lies on the edge of the range") {
  const Space space = SpaceBuilder()
                          .real("lr", 1e-4, 1e-2, {.log = true})
                          .integer("h", 1, 9)
                          .categorical("c", {"a", "b", "z"})
                          .integer("two", 0, 1)
                          .build();
  History h;
  const auto add = [&](double value, double lr, int hidden) {
    h.trials.push_back(
        done(static_cast<std::int64_t>(h.trials.size()), value, space.point({{"lr", lr}, {"h", hidden}, {"c", "z"}, {"two", 1}})));
  };
  CHECK(edge_warnings(space, h, std::vector{Direction::maximise}).empty());
  add(5, 9.9e-3, 1), add(4, 8.5e-3, 1), add(3, 9e-3, 1), add(2, 1e-3, 1), add(1, 9.5e-3, 5), add(0, 1e-4, 9);
  const auto warnings = edge_warnings(space, h, std::vector{Direction::maximise});
  REQUIRE(warnings.size() == 2);
  CHECK(warnings[0].text() == "`lr` is at the top of its range in 4 of the 5 best trials: widen it");
  CHECK(warnings[1].text() == "`h` is at the bottom of its range in 4 of the 5 best trials: widen it");
}

TEST_CASE("constraints: part of header and hash only where there are names") {
  StudyHeader h;
  const std::string plain = h.json();
  CHECK_FALSE(contains(plain, "constraints"));
  h.constraints = {"latency_ms"};
  CHECK(contains(h.json(), R"(],"constraints":["latency_ms"],"judging":)"));
  CHECK(header_difference(plain, h.json()) == "`constraints` was absent, is [\"latency_ms\"]");
  h.check();
  h.constraints = {"a", "b", "a"};
  CHECK(message_of([&] { h.check(); }) == "study: two constraints have the name `a`");
  h.constraints = {""};
  CHECK(message_of([&] { h.check(); }) == "study: constraint 0 has no name");
}

TEST_CASE("checkpoints: the newest before a segment; a cache") {
  const auto check = [](CheckpointStore& store) {
    CHECK_FALSE(Checkpoint(&store, 1, 0).load().has_value());
    CHECK_FALSE(Checkpoint(&store, 1, 5).load().has_value());
    Checkpoint(&store, 1, 0).save("zero");
    Checkpoint(&store, 11, 0).save("other trial");
    CHECK(Checkpoint(&store, 1, 1).load()->bytes == "zero");
    CHECK(Checkpoint(&store, 1, 3).load()->segment == 0);
    Checkpoint(&store, 1, 1).save(std::string("one\0\n", 5));
    Checkpoint(&store, 1, 2).save("two");
    CHECK(Checkpoint(&store, 1, 2).load()->bytes == std::string("one\0\n", 5));
    CHECK_FALSE(Checkpoint(&store, 1, 1).load().has_value());  // only the newest two are kept
    store.drop(1);
    CHECK_FALSE(Checkpoint(&store, 1, 9).load().has_value());
    CHECK(Checkpoint(&store, 11, 1).load()->bytes == "other trial");
  };
  check(*memory_checkpoints());
  const auto folder =
      std::filesystem::temp_directory_path() / str("lathe-checkpoints-", owner_name().substr(owner_name().find(':') + 1));
  check(*file_checkpoints(folder.string()));
  std::filesystem::remove_all(folder);
  CHECK_FALSE(Checkpoint(nullptr, 0, 3).load().has_value());
  Checkpoint(nullptr, 0, 3).save("nowhere");
}

TEST_CASE("owners: this process lives") {
  const std::string me = owner_name();
  CHECK_FALSE(me == owner_name());
  CHECK_FALSE(owner_is_dead(me));
  CHECK_FALSE(owner_is_dead("somewhere else:1:2:3"));
  CHECK_FALSE(owner_is_dead("garbage"));
  auto parts = split(me, ':');
  CHECK(owner_is_dead(str(parts[0], ":", parts[1], ":1:1")));    // the number was given to another process
  CHECK(owner_is_dead(str(parts[0], ":", 2147483646, ":1:1")));  // no such process
}
