#include <algorithm>
#include <map>

#include "tests/nas/support.h"

using namespace lathe;
using namespace lathe::nas;
using nas::test::contains;
using nas::test::message_of;

namespace {

/// Two workers, points x = 0, 1, 2, …; ticks and values by trial.
struct Table {
  struct Row {
    std::vector<std::uint64_t> ticks;
    std::vector<double> values;
  };
  std::vector<Row> rows;
  StudyHeader header;

  explicit Table(std::vector<Row> r) : rows(std::move(r)) {
    header.space = SpaceBuilder().integer("x", 0, static_cast<std::int64_t>(rows.size()) - 1).build();
    header.sampler = "grid@1";
    header.trials = static_cast<std::int64_t>(rows.size());
    header.virtual_workers = 2;
  }
  Plan plan(const Point& p) const {
    Plan out;
    out.segments.clear();
    for (const std::uint64_t t : rows[static_cast<std::size_t>(p.integer("x"))].ticks)
      out.segments.push_back({0, static_cast<int>(out.segments.size()) + 1, t});
    return out;
  }
  VirtualTime engine() const {
    return VirtualTime(
        header, [this](const Point& p) { return plan(p); }, nullptr);
  }
  /// Gives every result as soon as its segment may run; the lines of the whole log.
  std::vector<std::string> run(VirtualTime& vt) const {
    std::vector<std::string> lines;
    for (;;) {
      for (const Event& e : vt.step()) lines.push_back(e.line());
      const auto tasks = vt.tasks();
      if (tasks.empty() && vt.finished()) return lines;
      for (const Task& t : tasks)
        vt.submit(t.key,
                  SegmentResult::of(rows[static_cast<std::size_t>(t.key.trial)].values[static_cast<std::size_t>(t.key.segment)]));
    }
  }
};

VirtualTime curve_engine(const StudyHeader& header) { return VirtualTime(header, nas::test::curve_plan, nullptr); }

/// Plays a study with `real` workers that claim, crash and finish in random order.
std::vector<RecordedEvent> play(const StudyHeader& header, int real, Random& chance, bool crashes) {
  VirtualTime vt = curve_engine(header);
  std::vector<RecordedEvent> log;
  std::vector<Task> running;
  const auto take = [&](std::vector<Event> batch) {
    for (const Event& e : batch) log.push_back(record(e));
    return !batch.empty();
  };
  take(vt.step());
  while (!vt.finished()) {
    std::vector<Task> ready;
    for (const Task& t : vt.tasks())
      if (std::none_of(running.begin(), running.end(), [&](const Task& r) { return r.key == t.key; })) ready.push_back(t);
    if (!ready.empty() && static_cast<int>(running.size()) < real) {
      running.push_back(ready[chance.below(static_cast<std::uint32_t>(ready.size()))]);
      continue;
    }
    if (running.empty()) {  // everything that may run has its result
      REQUIRE(take(vt.step()));
      continue;
    }
    const auto pick = chance.below(static_cast<std::uint32_t>(running.size()));
    const Task task = running[pick];
    running.erase(running.begin() + static_cast<std::ptrdiff_t>(pick));
    if (crashes && chance.uniform() < 0.2) continue;  // the result is lost; the task is handed out again
    const Trial& trial = vt.history().trials[static_cast<std::size_t>(task.key.trial)];
    vt.submit(task.key, nas::test::curve(trial.point, trial.plan.segments[static_cast<std::size_t>(task.key.segment)], trial.number,
                                         header.seed));
    if (chance.uniform() < 0.7)
      while (take(vt.step())) {
      }
  }
  return log;
}

}  // namespace

TEST_CASE("virtual time: a study by hand") {
  // w0: trial 0 [0,3) [3,6)            trial 2 [6,7)
  // w1: trial 1 [0,4)        trial 3?  — trial 2 is proposed at 4, when worker 1 is free first
  const Table table({{{3, 3}, {1, 2}}, {{4}, {5}}, {{1, 1}, {7, 3}}, {{2}, {4}}});
  VirtualTime vt = table.engine();
  const std::vector<std::string> expected = {
      R"(0 0 propose trial=0 worker=0 plan=0/1/3,0/2/3 point={"x":0})",
      R"(1 0 propose trial=1 worker=1 plan=0/1/4 point={"x":1})",
      R"(2 3 report trial=0 segment=0 values=1)",
      R"(3 4 report trial=1 segment=0 values=5)",
      R"(4 4 finish trial=1 state=complete values=5)",
      R"(5 4 propose trial=2 worker=1 plan=0/1/1,0/2/1 point={"x":2})",
      R"(6 5 report trial=2 segment=0 values=7)",
      R"(7 6 report trial=0 segment=1 values=2)",
      R"(8 6 finish trial=0 state=complete values=2)",
      R"(9 6 report trial=2 segment=1 values=3)",
      R"(10 6 finish trial=2 state=complete values=7)",
      R"(11 6 propose trial=3 worker=0 plan=0/1/2 point={"x":3})",
      R"(12 8 report trial=3 segment=0 values=4)",
      R"(13 8 finish trial=3 state=complete values=4)",
  };
  CHECK(table.run(vt) == expected);
  CHECK(vt.now() == 8);
  CHECK(vt.events() == 14);
  CHECK(vt.history().finished == std::vector<std::int64_t>{1, 0, 2, 3});
}

TEST_CASE("virtual time: results are invisible before their time, and workers may run ahead") {
  const Table table({{{10, 10}, {1, 2}}, {{3, 3, 3}, {5, 6, 7}}, {{1}, {1}}});
  VirtualTime vt = table.engine();
  CHECK_FALSE(vt.finished());
  CHECK(vt.tasks().empty());
  CHECK(vt.step().size() == 2);
  auto tasks = vt.tasks();
  REQUIRE(tasks.size() == 2);
  CHECK(tasks[0].key == TaskKey{1, 0});  // needed first
  CHECK(tasks[0].priority == 3);
  CHECK(tasks[1].priority == 10);
  CHECK(vt.step().empty());
  CHECK(vt.submit({0, 0}, SegmentResult::of(1)));
  CHECK(vt.step().empty());  // trial 1 finishes earlier in virtual time and is not ready
  CHECK(vt.history().trials[0].reports.empty());
  CHECK(vt.has_result({0, 0}));
  CHECK_FALSE(vt.submit({0, 0}, SegmentResult::of(9)));  // the first result stays
  tasks = vt.tasks();
  CHECK(tasks[1].key == TaskKey{0, 1});  // run ahead
  CHECK(tasks[1].priority == 20);
  CHECK(vt.submit({0, 1}, SegmentResult::of(2)));
  CHECK(vt.tasks().size() == 1);
  CHECK(vt.submit({1, 2}, SegmentResult::of(7)));  // even before its predecessor
  CHECK(vt.submit({1, 0}, SegmentResult::of(5)));
  CHECK(vt.step().size() == 1);
  CHECK(vt.now() == 3);
  CHECK(vt.submit({1, 1}, SegmentResult::of(6)));
  CHECK_FALSE(vt.submit({1, 0}, SegmentResult::of(5)));  // committed
  CHECK_THROWS_AS(vt.submit({5, 0}, SegmentResult::of(1)), InputError);
  CHECK_THROWS_AS(vt.submit({0, 2}, SegmentResult::of(1)), InputError);
  CHECK_THROWS_AS(vt.submit({-1, 0}, SegmentResult::of(1)), InputError);
  SegmentResult two = SegmentResult::of(1);
  two.values.push_back(2);
  CHECK_THROWS_AS(vt.submit({0, 1}, two), InputError);
}

TEST_CASE("virtual time: failures and patience are charged in full, skipped units are not") {
  StudyHeader header;
  header.space = SpaceBuilder().integer("x", 0, 9).build();
  header.sampler = "grid@1";
  header.virtual_workers = 1;
  header.trials = 3;
  const auto plan = [](const Point&) { return Plan{{{0, 1, 5}, {1, 1, 7}, {0, 2, 5}, {1, 2, 7}}, "{\"params\":1}"}; };
  VirtualTime vt(header, plan, nullptr);
  vt.step();
  SegmentResult done = SegmentResult::of(0.5);
  done.unit_done = true;
  done.digest = "ab12";
  vt.submit({0, 0}, done);
  CHECK(vt.tasks()[0].key == TaskKey{0, 1});
  vt.submit({0, 1}, SegmentResult::of(0.25));
  CHECK(vt.tasks()[0].key == TaskKey{0, 3});  // segment 2 belongs to the unit that is done
  CHECK(vt.tasks()[0].priority == 5 + 7 + 7);
  CHECK(vt.step()[0].line() == "1 5 report trial=0 segment=0 values=0.5 end digest=ab12");
  CHECK(vt.step()[0].line() == "2 12 report trial=0 segment=1 values=0.25");
  vt.submit({0, 3}, SegmentResult::failed(Failure::error, "boom"));
  CHECK(vt.tasks().empty());
  auto batch = vt.step();
  REQUIRE(batch.size() == 3);
  CHECK(batch[0].line() == "3 19 report trial=0 segment=3 failure=error");
  CHECK(batch[1].line() == "4 19 finish trial=0 state=failed failure=error");
  CHECK(batch[1].note == "boom");
  CHECK(record(batch[0]).note == "boom");
  CHECK(record(batch[2]).attributes == "{\"params\":1}");
  // Values that are not finite are a failure, whatever the objective thinks.
  vt.submit({1, 0}, SegmentResult::of(1.0 / 0.0));
  batch = vt.step();
  CHECK(batch[1].line() == "7 24 finish trial=1 state=failed failure=non_finite");
  // Every unit ended by patience: the trial is complete.
  vt.submit({2, 0}, done);
  vt.submit({2, 1}, done);
  vt.step();
  CHECK(vt.step()[1].line() == "11 36 finish trial=2 state=complete values=0.5");
  CHECK(vt.finished());
}

TEST_CASE("virtual time: stop decisions see all commits of their time, and cut off what ran ahead") {
  // Trial 0 ends at 4, when trial 1 reports: the pruner already knows trial 0.
  Table table({{{2, 2}, {1, 10}}, {{2, 2, 2}, {1, 5, 9}}, {{1}, {1}}});
  table.header.pruner = "median@1";
  table.header.pruner_settings = {{"n_startup_trials", 1}};
  VirtualTime vt = table.engine();
  vt.step();
  for (const int s : {0, 1, 2}) vt.submit({1, s}, SegmentResult::of(table.rows[1].values[static_cast<std::size_t>(s)]));
  for (const int s : {0, 1}) vt.submit({0, s}, SegmentResult::of(table.rows[0].values[static_cast<std::size_t>(s)]));
  CHECK(vt.step().size() == 2);
  const auto batch = vt.step();
  REQUIRE(batch.size() == 5);
  CHECK(batch[1].line() == "5 4 finish trial=0 state=complete values=10");
  CHECK(batch[3].line() == "7 4 finish trial=1 state=pruned values=5");
  CHECK(batch[4].line() == R"(8 4 propose trial=2 worker=0 plan=0/1/1 point={"x":2})");
  CHECK_FALSE(vt.submit({1, 2}, SegmentResult::of(1)));
  CHECK_FALSE(vt.has_result({1, 2}));
}

TEST_CASE("virtual time: one log for every order of results, number of real workers and crash") {
  const std::vector<std::pair<std::string, Settings>> pruners = {{"median@1", {{"n_startup_trials", 3}}},
                                                                 {"asha@1", {{"min_resource", 1}, {"reduction_factor", 2}}},
                                                                 {"hyperband@1", {{"reduction_factor", 2}}},
                                                                 {"wilcoxon@1", {{"p_threshold", 0.3}}},
                                                                 {"patient@1:asha@1", {{"patience", 0}, {"reduction_factor", 2}}}};
  std::size_t pruned = 0, failed = 0, histories = 0;
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    StudyHeader header = nas::test::small_header(seed, 30);
    header.virtual_workers = 1 + static_cast<int>(seed % 6);
    const auto& [pruner, settings] = pruners[seed % pruners.size()];
    header.pruner = pruner;
    header.pruner_settings = settings;
    Random chance(random_key(seed, 0, "test"));
    const auto reference = play(header, 1, chance, false);
    const std::string hash = study_hash(header.json(), reference);
    const History history = read_history(header.space, reference);
    const Counts counts = count_states(history);
    CHECK(counts.running == 0);
    CHECK(history.trials.size() == 30);
    pruned += static_cast<std::size_t>(counts.pruned);
    failed += static_cast<std::size_t>(counts.failed);
    for (int round = 0; round < 20; ++round)
      for (const int real : {1, 2, 3, 5, 8}) {
        ++histories;
        const auto log = play(header, real, chance, round % 2 == 1);
        REQUIRE(study_hash(header.json(), log) == hash);
      }
  }
  CHECK(histories == 2400);
  CHECK(pruned > 50);  // the histories exercise what they should
  CHECK(failed > 50);
  MESSAGE(histories << " random histories, " << pruned << " pruned and " << failed << " failed trials in the 24 studies");
}

TEST_CASE("virtual time: seed and V are part of the study") {
  Random chance(random_key(1, 0, "test"));
  const auto lines = [&](std::uint64_t seed, int v) {
    StudyHeader header = nas::test::small_header(seed, 12);
    header.virtual_workers = v;
    return play(header, 2, chance, false);
  };
  CHECK_FALSE(lines(1, 4) == lines(2, 4));
  CHECK_FALSE(lines(1, 4) == lines(1, 3));
}

TEST_CASE("virtual time: replay continues a study from every event") {
  const StudyHeader header = nas::test::small_header(7, 15);
  Random chance(random_key(7, 0, "test"));
  const auto log = play(header, 3, chance, false);
  for (std::size_t cut = 0; cut <= log.size(); ++cut) {
    VirtualTime vt = curve_engine(header);
    VirtualTime::Replayed replayed;
    try {
      replayed = vt.replay(std::span(log).first(cut));
    } catch (const InputError& e) {
      // Cut inside a step, before all of its reports: the storage's transactions exclude it, and the engine says so.
      CHECK(contains(e.what(), "no event here without further results"));
      continue;
    }
    CHECK(replayed.recorded == cut);
    std::vector<RecordedEvent> again(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(cut));
    for (std::size_t i = cut; i < replayed.events.size(); ++i) again.push_back(record(replayed.events[i]));
    while (!vt.finished()) {
      for (const Event& e : vt.step()) again.push_back(record(e));
      for (const Task& t : vt.tasks()) {
        const Trial& trial = vt.history().trials[static_cast<std::size_t>(t.key.trial)];
        vt.submit(t.key, nas::test::curve(trial.point, trial.plan.segments[static_cast<std::size_t>(t.key.segment)], trial.number,
                                          header.seed));
      }
    }
    CHECK(study_hash(header.json(), again) == study_hash(header.json(), log));
  }
}

TEST_CASE("virtual time: replay refuses another study and names the event") {
  const StudyHeader header = nas::test::small_header(7, 15);
  Random chance(random_key(7, 0, "test"));
  const auto log = play(header, 3, chance, false);
  const auto refusal = [&](const StudyHeader& other, const std::vector<RecordedEvent>& events) {
    return message_of([&] { curve_engine(other).replay(events); });
  };
  StudyHeader other = header;
  other.seed = 8;
  CHECK(contains(refusal(other, log), "event 0: recorded `0 0 propose trial=0 worker=0"));
  CHECK(contains(refusal(other, log), "but this configuration gives `0 0 propose trial=0 worker=0"));
  other = header;
  other.pruner = "none@1";
  other.pruner_settings.clear();
  CHECK(contains(refusal(other, log), "state=pruned"));
  other = header;
  other.trials = 10;
  CHECK(contains(refusal(other, log), "propose trial=10"));
  // A changed plan (a new cost model) and a forged proposal.
  CHECK(contains(message_of([&] {
                   VirtualTime(
                       header,
                       [](const Point& p) {
                         Plan plan = nas::test::curve_plan(p);
                         ++plan.segments.back().ticks;
                         return plan;
                       },
                       nullptr)
                       .replay(log);
                 }),
                 "event 0: recorded"));
  auto forged = log;
  const auto later =
      std::find_if(forged.begin() + 10, forged.end(), [](const RecordedEvent& e) { return contains(e.line, " propose "); });
  const auto index = later - forged.begin();
  later->line.replace(later->line.find("\"lr\":"), 7, "\"lr\":0.5");
  CHECK(contains(refusal(header, forged), str("event ", index, ": recorded")));
  forged = log;
  forged.pop_back();
  forged.push_back({"nonsense", "", ""});
  CHECK(contains(refusal(header, forged), "cannot be read"));
  forged = log;
  forged.push_back({str(log.size(), " 99999999 report trial=0 segment=0 values=1"), "", ""});
  CHECK(contains(refusal(header, forged), "no further event"));
}

TEST_CASE("virtual time: extension is an event and replays") {
  StudyHeader header = nas::test::small_header(3, 6);
  Random chance(random_key(1, 0, "test"));
  const auto first = play(header, 2, chance, false);
  const auto finish = [&](VirtualTime& vt, std::vector<RecordedEvent> log) {
    while (!vt.finished()) {
      for (const Event& e : vt.step()) log.push_back(record(e));
      for (const Task& t : vt.tasks()) {
        const Trial& trial = vt.history().trials[static_cast<std::size_t>(t.key.trial)];
        vt.submit(t.key, nas::test::curve(trial.point, trial.plan.segments[static_cast<std::size_t>(t.key.segment)], trial.number,
                                          header.seed));
      }
    }
    return log;
  };
  VirtualTime vt = curve_engine(header);
  CHECK_THROWS_AS(vt.extend(9), InputError);
  vt.replay(first);
  CHECK_THROWS_AS(vt.extend(6), InputError);
  auto log = first;
  for (const Event& e : vt.extend(9)) log.push_back(record(e));
  CHECK(contains(log[first.size()].line, "extend trials=9"));
  log = finish(vt, log);
  CHECK(vt.history().trials.size() == 9);
  VirtualTime again = curve_engine(header);
  CHECK(again.replay(log).recorded == log.size());
  CHECK(again.budget() == 9);
  CHECK(again.finished());
  CHECK(read_history(header.space, log).trials.size() == 9);
}

TEST_CASE("virtual time: duplicates never become trials, and a small space ends the study") {
  StudyHeader header;
  header.space = SpaceBuilder().integer("a", 1, 4).integer("b", 1, 4).rule("a != b").build();
  header.trials = 100;
  const auto run = [&](const VirtualTime::RefuseFunction& refuse) {
    VirtualTime vt(header, nullptr, refuse);
    while (!vt.finished()) {
      vt.step();
      for (const Task& t : vt.tasks()) vt.submit(t.key, SegmentResult::of(1));
    }
    CHECK(vt.exhausted());
    std::set<std::string> seen;
    for (const Trial& t : vt.history().trials) CHECK(seen.insert(t.point.json()).second);
    return vt.history().trials.size();
  };
  CHECK(run(nullptr) == 12);
  CHECK(run([](const Point& p) { return p.integer("a") == 1 ? std::optional<std::string>("too slow") : std::nullopt; }) == 9);
  header.sampler = "grid@1";
  CHECK(run(nullptr) == 12);
  VirtualTime none(header, nullptr, [](const Point&) { return std::optional<std::string>("no"); });
  CHECK(contains(message_of<SpaceExhausted>([&] { none.step(); }), "no point could be proposed"));
}

TEST_CASE("virtual time: plans are checked") {
  StudyHeader header;
  header.space = SpaceBuilder().integer("a", 1, 4).build();
  const auto refusal = [&](Plan plan) {
    return message_of([&] {
      VirtualTime(
          header, [&](const Point&) { return plan; }, nullptr)
          .step();
    });
  };
  CHECK(contains(refusal({{}, ""}), "0 segments"));
  CHECK(contains(refusal({{{0, 1, 0}}, ""}), "at least 1 tick"));
  CHECK(contains(refusal({{{0, 1, std::uint64_t{1} << 57}}, ""}), "at most 2^56"));
  CHECK(contains(refusal({{{0, 2, 1}, {0, 1, 1}}, ""}), "must ascend"));
  CHECK(contains(refusal({{{-1, 2, 1}}, ""}), "negative"));
  CHECK(ticks_of_flops(0) == 1);
  CHECK(ticks_of_flops((1u << 20) - 1) == 1);
  CHECK(ticks_of_flops(5u << 20) == 5);
}

TEST_CASE("virtual time: headers are checked") {
  const auto refusal = [&](auto change) {
    StudyHeader header = nas::test::small_header();
    change(header);
    return message_of([&] { curve_engine(header); });
  };
  CHECK(contains(refusal([](StudyHeader& h) { h.virtual_workers = 0; }), "virtual_workers is 0"));
  CHECK(contains(refusal([](StudyHeader& h) { h.trials = 0; }), "trials is 0"));
  CHECK(contains(refusal([](StudyHeader& h) { h.directions.clear(); }), "no objective"));
  CHECK(contains(refusal([](StudyHeader& h) { h.metrics.push_back("x"); }), "1 directions but 2 metrics"));
  CHECK(contains(refusal([](StudyHeader& h) { h.judging.aggregate = Judging::Aggregate::weighted; }), "no weights"));
  CHECK(contains(refusal([](StudyHeader& h) { h.judging.weights = {1}; }), "not weighted"));
  CHECK(contains(refusal([](StudyHeader& h) { h.sampler = "tpee"; }), "there is no sampler `tpee`"));
  CHECK(contains(refusal([](StudyHeader& h) { h.pruner = "medain"; }), "did you mean `median`?"));
  CHECK(contains(refusal([](StudyHeader& h) { h.pruner_settings = {{"percentil", 1}}; }), "did you mean `percentile`?"));
}
