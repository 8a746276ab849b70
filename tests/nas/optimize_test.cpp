// Studies as programs write them: functions that define their space, ask() and tell().
#include <lathe/nas/optimize.h>

#include "tests/nas/executor_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

StudyHeader header_of(std::int64_t trials, const std::string& pruner = "none") {
  StudyHeader header;
  header.trials = trials;
  header.seed = 3;
  header.pruner = pruner;
  if (pruner == "asha") header.pruner_settings = {{"min_resource", 1}, {"reduction_factor", 2}};
  return header;
}

/// A curve of six steps with a branch; sleeps as it likes.
double curve_function(TrialHandle& t, Random* chance, std::mutex& mutex) {
  const double x = t.real("x", -5, 5);
  const auto layers = t.integer("layers", 1, 6);
  double level = -x * x - static_cast<double>(layers);
  if (t.categorical("kind", {"plain", "deep"}) == "deep") level += t.real("depth", 0.1, 10, {.log = true});
  t.begin();
  for (int step = 1; step <= 6; ++step) {
    if (chance) sleep_somewhat(*chance, mutex, 300);
    t.report(step, level * (1 + 1.0 / step));
    if (t.should_stop()) return 1e9;  // comes to nothing
  }
  return level;
}

}  // namespace

TEST_CASE("study: a function that defines its space gives one study for any number of workers, pruned ones included") {
  std::string hash;
  for (const int workers : {1, 2, 3, 5, 8}) {
    Random chance(random_key(static_cast<std::uint64_t>(workers), 0, "schedule"));
    std::mutex mutex;
    Study study(header_of(40, "asha"));
    study.set_max_reports(6);
    const StudyRun run = study.optimize([&](TrialHandle& t) { return curve_function(t, &chance, mutex); }, workers);
    CHECK(run.finished);
    CHECK(study.header().space.size() == 4);
    CHECK(count_states(run.history).pruned > 5);
    CHECK(study.best().values[0] < 11);
    for (const Trial& t : run.history.trials)
      if (t.state == TrialState::complete) CHECK(t.reports.size() == 7);
    if (hash.empty()) hash = run.hash;
    CHECK(run.hash == hash);
    CHECK(study.hash() == hash);
  }
}

TEST_CASE("study: stopped by a callback it is a prefix, and goes on in the same backend") {
  std::mutex mutex;
  const auto function = [&](TrialHandle& t) { return curve_function(t, nullptr, mutex); };
  Study whole(header_of(20));
  whole.set_max_reports(6);
  const std::string hash = whole.optimize(function).hash;
  std::string prefix;
  for (const int workers : {1, 3}) {
    const auto backend = memory_backend();
    int finished = 0;
    {
      Study study(header_of(20), backend.get());
      study.set_max_reports(6);
      study.on_finished([&](Study& s, const Trial&) {
        if (++finished == 7) s.stop();
      });
      const StudyRun run = study.optimize(function, workers);
      CHECK_FALSE(run.finished);
      if (prefix.empty()) prefix = run.hash;
      CHECK(run.hash == prefix);
    }
    Study again(header_of(20), backend.get());
    again.set_max_reports(6);
    CHECK(again.optimize(function, workers).hash == hash);
    Study other(header_of(20), backend.get());
    CHECK(contains(message_of([&] { other.optimize([](TrialHandle& t) { return t.real("y", 0, 1); }); }),
                   "was made with another configuration: `space"));
  }
}

TEST_CASE("study: what a function does wrong fails its trial or is said at once") {
  Study two_ways(header_of(3));
  CHECK(contains(message_of([&] { two_ways.optimize([](TrialHandle& t) { return t.real("x", 0, 1) + t.real("x", 0, 2); }); }),
                 "the parameter `x` is asked for in two ways"));
  Study none(header_of(3));
  CHECK(contains(message_of([&] { none.optimize([](TrialHandle&) { return 1.0; }); }), "asked for no parameter"));
  Study failing(header_of(6));
  const StudyRun run = failing.optimize([](TrialHandle& t) -> double {
    const double x = t.real("x", 0, 1);
    t.begin();
    if (t.number() == 1) throw std::runtime_error("no such file");
    if (t.number() == 2) t.report(1, x);  // max_reports is 0
    return x;
  });
  CHECK(run.history.trials[1].state == TrialState::failed);
  CHECK(run.history.trials[1].note == "no such file");
  CHECK(contains(run.history.trials[2].note, "but at most 0 were announced"));
  CHECK(run.history.trials[3].state == TrialState::complete);
  StudyHeader declared = header_of(2);
  declared.space = SpaceBuilder().real("width", 0, 1).build();
  Study typo(declared);
  CHECK(contains(typo.optimize([](TrialHandle& t) { return t.real("widht", 0, 1); }).history.trials[0].note, "width"));
  CHECK(contains(message_of([&] { typo.best(); }), "no complete trial"));
}

TEST_CASE("study: a parameter that only a trial meets is drawn the same by every worker") {
  const auto hash = [](int workers) {
    Study study(header_of(12));
    return study
        .optimize(
            [](TrialHandle& t) {
              const double x = t.real("x", 0, 1);
              t.begin();
              return x + t.real("late", 0, 1);
            },
            workers)
        .hash;
  };
  CHECK(hash(1) == hash(3));
}

TEST_CASE("study: ask and tell in any order give one study, that of optimize()") {
  StudyHeader header = header_of(25);
  header.space = SpaceBuilder().real("x", -5, 5).integer("n", 1, 4).build();
  const auto value = [](const Point& p) { return p.real("x") * static_cast<double>(p.integer("n")); };
  Study reference(header);
  reference.optimize([](TrialHandle& t) {
    const double x = t.real("x", -5, 5);
    return x * static_cast<double>(t.integer("n", 1, 4));
  });
  for (std::uint64_t order = 1; order <= 40; ++order) {
    Random chance(random_key(order, 0, "order"));
    Study study(header);
    std::vector<Study::Asked> open;
    int finished = 0;
    study.on_finished([&](Study&, const Trial&) { ++finished; });
    for (;;) {
      std::optional<Study::Asked> asked;
      if (open.empty() || (open.size() < 4 && chance.uniform() < 0.5)) {
        try {
          asked = study.ask();
          if (!asked && open.empty()) break;
        } catch (const InputError& e) {
          CHECK(contains(e.what(), "tell() the values of trial"));
        }
      }
      if (asked) {
        open.push_back(*asked);
        continue;
      }
      if (open.empty()) continue;
      const auto pick = chance.below(static_cast<std::uint32_t>(open.size()));
      study.tell(open[pick].number, value(open[pick].point));
      CHECK_THROWS_AS(study.tell(open[pick].number, 1.0), InputError);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
    }
    CHECK(finished == 25);
    CHECK(study.hash() == reference.hash());
    CHECK(study.best().values == reference.best().values);
  }
  Study study(header);
  study.enqueue(header.space.point({{"x", 1.5}, {"n", 2}}));
  CHECK(study.ask()->point.real("x") == 1.5);
  CHECK(contains(message_of([&] { study.tell(3, 1.0); }), "trial 3 was not asked for"));
  CHECK(contains(message_of([&] { study.tell(0, std::vector<double>{1, 2}); }), "2 values, expected 1"));
  study.tell_failure(0, "out of ink");
  Study undefined(header_of(3));
  CHECK(contains(message_of([&] { undefined.ask(); }), "ask() needs a space"));
}
