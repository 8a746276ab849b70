// What samplers make of trials that were not run in the study: of an earlier study, and of another program, at any time.
#include <lathe/nas/proposals.h>

#include <algorithm>
#include <set>

#include "tests/nas/combinations.h"
#include "tests/nas/executor_support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

/// The history that a sampler must see, kept from the events alone and in the plainest way.
class Mirror {
 public:
  explicit Mirror(const StudyHeader& header) : header_(header) {}
  void apply(const Event& e) {
    switch (e.kind) {
      case Event::Kind::adopt: {
        Trial& t = add(e.point, e.plan);
        t.plan.segments = {{0, e.planned.step, 1}};
        if (e.planned.step) t.reports.push_back({0, 0, e.planned.step, e.values, 0, e.constraints});
        finish(t, e);
        if (e.foreign >= 0) known_.insert(e.point.json());
        break;
      }
      case Event::Kind::propose:
        place_.push_back(history_.trials.size());
        add(e.point, e.plan).started = e.time;
        known_.insert(e.point.json());
        break;
      case Event::Kind::report:
        if (e.result.failure == Failure::none)
          own(e.trial).reports.push_back(
              {e.segment, e.planned.unit, e.planned.step, e.result.values, e.time, e.result.constraints});
        break;
      case Event::Kind::finish:
        finish(own(e.trial), e);
        own(e.trial).finished = e.time;
        break;
      case Event::Kind::extend:
      case Event::Kind::enqueue:
        break;
    }
  }
  /// What a sampler that has never seen anything proposes for this trial. (grid visits each point once even where duplicates are
  /// allowed, so that it needs to know what it visited.)
  std::optional<Point> proposal(std::int64_t number) {
    if (!sampler_ || header_.sampler != "grid@1") sampler_ = all_samplers().make(header_);
    const SamplerView view{header_, history_, number, [&](const Point& p) {
                             return header_.space.valid(p) && (header_.duplicates != Duplicates::reject || !known_.count(p.json()));
                           }};
    return ask(*sampler_, view);
  }

 private:
  Trial& add(const Point& point, const Plan& plan) {
    Trial& t = history_.trials.emplace_back();
    t.number = static_cast<std::int64_t>(history_.trials.size()) - 1;
    t.point = point;
    t.plan = plan;
    return t;
  }
  void finish(Trial& t, const Event& e) {
    t.state = e.state;
    t.values = e.values;
    t.constraints = e.constraints;
    history_.finished.push_back(t.number);
  }
  Trial& own(std::int64_t number) { return history_.trials[place_[static_cast<std::size_t>(number)]]; }
  const StudyHeader& header_;
  std::unique_ptr<Sampler> sampler_;
  History history_;
  std::vector<std::size_t> place_;
  std::set<std::string> known_;
};

SegmentResult judged(const StudyHeader& header, const Point& p, const Segment& s, std::int64_t trial) {
  SegmentResult result = curve(p, s, trial, header.seed);
  if (result.failure != Failure::none) return result;
  if (header.directions.size() == 2) result.values.push_back(static_cast<double>(p.integer("hidden") * p.integer("layers")));
  if (!header.constraints.empty()) result.constraints = {static_cast<double>(p.integer("layers")) - 2.5};
  return result;
}

Trial earlier_trial(const StudyHeader& header, std::uint64_t number) {
  Trial t;
  for (std::uint32_t attempt = 0;; ++attempt) {
    t.point = header.space.uniform(77, number, attempt);
    if (header.space.valid(t.point)) break;
  }
  const SegmentResult result =
      judged(header, t.point, {0, static_cast<int>(1 + number % 4), 1}, 1000 + static_cast<std::int64_t>(number));
  t.state = number % 5 == 3 ? TrialState::pruned : TrialState::complete;
  t.values = result.values;
  t.constraints = result.constraints;
  if (number % 2) t.reports.push_back({0, 0, static_cast<int>(1 + number % 4), t.values, 0, t.constraints});
  return t;
}

struct Played {
  std::vector<RecordedEvent> log;
  int compared = 0, adopted = 0;
};

/// Plays a study: `before` trials of an earlier study, then now and then one of another program, and points of which some
/// parameters are fixed. Each of the sampler's proposals is compared with the mirror's.
Played play(const StudyHeader& header, std::uint64_t before) {
  Played out;
  VirtualTime vt(header, curve_plan, nullptr, all_samplers());
  Mirror mirror(header);
  std::uint64_t next = 0;
  const auto take = [&](const std::vector<Event>& batch) {
    for (const Event& e : batch) {
      if (e.kind == Event::Kind::propose && e.queued < 0) {
        const auto expected = mirror.proposal(e.trial);
        REQUIRE(expected.has_value());
        REQUIRE(e.point.json() == expected->json());
        ++out.compared;
      }
      mirror.apply(e);
      out.log.push_back(record(e));
      out.adopted += e.kind == Event::Kind::adopt;
    }
    return !batch.empty();
  };
  const auto adopt_one = [&](bool foreign) {
    const Trial t = earlier_trial(header, next++);
    if (!t.values.empty()) take(vt.adopt(t, foreign ? static_cast<std::int64_t>(next) : -1));
  };
  for (std::uint64_t i = 0; i < before; ++i) adopt_one(false);
  for (int step = 0; !vt.finished(); ++step) {
    if (step % 9 == 8) adopt_one(true);
    if (step % 23 == 11) take(vt.enqueue(header.space.partial({{"layers", 2}, {"norm", "rms"}})));
    if (take(vt.step())) continue;
    const Task task = vt.tasks().at(0);
    const Trial& t = vt.history().trials[static_cast<std::size_t>(task.key.trial)];
    vt.submit(task.key, judged(header, t.point, t.plan.segments[static_cast<std::size_t>(task.key.segment)], t.number));
  }
  return out;
}

}  // namespace

TEST_CASE("adopted trials: every sampler proposes as one that has only the events to go by") {
  for (const Choice& sampler : kEverySampler)
    for (const std::size_t objectives : {std::size_t{1}, std::size_t{2}})
      for (const bool constrained : {false, true})
        for (const std::uint64_t before : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{25}}) {
          if (objectives == 2 && serves_one(sampler.tag)) continue;
          StudyHeader header = combined(sampler, kEveryPruner[2], 22, 3);
          if (sampler.tag == "evolution@1") header.sampler_settings["population_size"] = 24;
          if (sampler.tag != "grid@1") header.space = small_space();
          if (before) header.warm_start = "an earlier study";
          if (constrained) header.constraints = {"layers"};
          if (objectives == 2) {
            header.directions = {Direction::maximise, Direction::minimise};
            header.metrics = {"quality", "size"};
          }
          header.duplicates = before == 1 ? Duplicates::reuse : Duplicates::reject;
          CAPTURE(sampler.tag);
          CAPTURE(objectives);
          CAPTURE(constrained);
          CAPTURE(before);
          const Played played = play(header, before);
          CHECK(played.compared >= 12);
          CHECK(played.adopted > static_cast<int>(before / 2) + 3);
          // A restart anywhere makes the same of it.
          VirtualTime again(header, curve_plan, nullptr, all_samplers());
          CHECK(again.replay(played.log).recorded == played.log.size());
          const auto adopted = read_adopted(header.space, played.log);
          CHECK(static_cast<int>(adopted.size()) == played.adopted);
          CHECK(again.sampler_history().trials.size() == adopted.size() + again.history().trials.size());
        }
}

TEST_CASE("adopted trials: what they teach is used at once") {
  // 40 trials of an earlier study know where the bowl's bottom is; random ones do not use it.
  const auto bowl = [](const Point& p) {
    return (p.real("x") - 0.3) * (p.real("x") - 0.3) + (p.real("y") + 0.2) * (p.real("y") + 0.2);
  };
  for (const Choice& sampler : kEverySampler) {
    if (sampler.tag == "grid@1" || sampler.tag == "sobol@1" || sampler.tag == "random@1") continue;
    CAPTURE(sampler.tag);
    double warm = 0, cold = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed)
      for (const bool starts_warm : {false, true}) {
        StudyHeader header;
        header.space = SpaceBuilder().real("x", -1, 1).real("y", -1, 1).build();
        header.directions = {Direction::minimise};
        header.sampler = sampler.tag;
        header.sampler_settings = sampler.settings;
        header.seed = seed;
        header.trials = 6;
        header.virtual_workers = 1;
        header.warm_start = "x";
        VirtualTime vt(header, nullptr, nullptr, all_samplers());
        for (std::uint64_t i = 0; starts_warm && i < 40; ++i) {
          Trial t;
          t.point = header.space.uniform(9, i, 0);
          t.state = TrialState::complete;
          t.values = {bowl(t.point)};
          vt.adopt(t);
        }
        double sum = 0;
        while (!vt.finished()) {
          vt.step();
          for (const Task& task : vt.tasks()) {
            const double v = bowl(vt.history().trials[static_cast<std::size_t>(task.key.trial)].point);
            sum += v;
            vt.submit(task.key, SegmentResult::of(v));
          }
        }
        (starts_warm ? warm : cold) += sum;
      }
    CHECK(warm < 0.7 * cold);
  }
}

TEST_CASE("adopted trials: what does not fit is refused with the reason, and changes nothing") {
  StudyHeader header = combined(kEverySampler[7], kEveryPruner[3], 8);
  header.constraints = {"c"};
  VirtualTime vt(header, curve_plan, nullptr, all_samplers());
  Trial t = earlier_trial(header, 1);
  t.state = TrialState::complete;
  t.constraints = {0};
  t.values = {1};
  const auto refusal = [&](auto change, std::int64_t foreign = 7) {
    Trial other = t;
    change(other);
    return message_of([&] { vt.adopt(other, foreign); });
  };
  CHECK(contains(refusal([](Trial& o) { o.state = TrialState::failed; }),
                 "(trial 7 of another program) cannot be adopted: it is neither"));
  CHECK(contains(refusal([](Trial& o) { o.values = {}; }), "it has 0 values, expected 1"));
  CHECK(contains(refusal([](Trial& o) { o.values = {0.0 / 0.0}; }), "its values are not finite"));
  CHECK(contains(refusal([](Trial& o) { o.constraints = {1.0 / 0.0}; }), "its values are not finite"));
  CHECK(contains(refusal([](Trial& o) { o.constraints = {}; }), "it has 0 constraints, expected 1"));
  CHECK(contains(refusal([](Trial&) {}, -1), "of an earlier study cannot be adopted: the header names no study"));
  CHECK(vt.events() == 0);
  CHECK(vt.adopt(t, 7).size() == 1);
  CHECK(vt.known(7, Event::Kind::adopt));
  CHECK_FALSE(vt.known(7, Event::Kind::enqueue));
  CHECK(contains(refusal([](Trial&) {}), "it is known already"));
  CHECK(vt.enqueue(t.point, 8)[0].line() == str("1 0 enqueue foreign=8 point=", t.point.json()));
  CHECK(contains(message_of([&] { vt.enqueue(t.point, 8); }), "was enqueued already"));
  vt.step();  // the enqueued point is that of an adopted trial: passed over
  CHECK(vt.queued() == 0);
  for (const Trial& own : vt.history().trials) CHECK_FALSE(own.point == t.point);
}

TEST_CASE("partial points: what is fixed stays, the rest is the sampler's, and a restart gives the same") {
  for (const Choice& sampler : kEverySampler) {
    CAPTURE(sampler.tag);
    const StudyHeader header = combined(sampler, kEveryPruner[3], 16, 5);
    std::string hash;
    for (const int workers : {1, 3}) {
      const auto storage = memory_storage(header);
      enqueue(*storage, header.space, header.space.partial({{"layers", 2}, {"norm", "rms"}}));
      enqueue(*storage, header.space, header.space.partial({{"norm", "layer"}, {"eps", 0.2}}));  // eps is inactive: nothing to fix
      enqueue(*storage, header.space, header.space.partial({}));
      const auto objective = curve_objective();
      const StudyRun run = execute(header, *objective, *storage, knowing_all(with_workers(workers)));
      REQUIRE(run.finished);
      const auto& trials = run.history.trials;
      CHECK(trials[0].point.integer("layers") == 2);
      CHECK(trials[0].point.text("norm") == "rms");
      CHECK(trials[0].point.has("eps"));
      CHECK(trials[1].point.text("norm") == "layer");
      CHECK_FALSE(trials[1].point.has("eps"));
      for (const Trial& t : trials) CHECK(header.space.valid(t.point));
      std::set<std::string> points;
      for (const Trial& t : trials) CHECK(points.insert(t.point.json()).second);
      CHECK(contains(storage->events(0)[0].line, "0 0 enqueue fixed={\"layers\":2,\"norm\":\"rms\"}"));
      if (hash.empty()) hash = run.hash;
      CHECK(run.hash == hash);
      CHECK(execute(header, *objective, *storage, knowing_all()).hash == hash);
    }
  }
  const Space space = finite_space();
  // As Python writes 3 · 0.1: on a step but for rounding.
  CHECK(space.partial({{"eps", 0.1 + 0.2}}).json() == "{\"eps\":0.3}");
  CHECK(contains(message_of([&] { space.partial({{"eps", 0.3000001}}); }), "outside of its range"));
  CHECK(contains(message_of([&] { space.partial({{"layer", 2}}); }), "did you mean `layers`?"));
  CHECK(contains(message_of([&] { space.partial({{"layers", 9}}); }), "outside of its range"));
  CHECK(contains(message_of([&] { space.parse_partial("{\"layers\":}"); }), "expected true, false, a number or a text"));
  CHECK_FALSE(space.whole(space.partial({{"layers", 2}})));
}

TEST_CASE("partial points: one that no draw can complete is passed over") {
  StudyHeader header;
  header.space = SpaceBuilder().integer("a", 0, 3).integer("b", 0, 3).rule("a + b != 3").build();
  header.trials = 6;
  header.virtual_workers = 1;
  VirtualTime vt(header, nullptr, nullptr, all_samplers());
  for (int b = 0; b < 4; ++b) vt.enqueue(header.space.partial({{"a", 1}}));  // (1, 2) is forbidden: three points, then none
  while (!vt.finished()) {
    vt.step();
    for (const Task& task : vt.tasks()) vt.submit(task.key, SegmentResult::of(1));
  }
  const auto& trials = vt.history().trials;
  CHECK(trials.size() == 6);
  for (std::size_t i = 0; i < 3; ++i) CHECK(trials[i].point.integer("a") == 1);
  for (std::size_t i = 3; i < 6; ++i) CHECK(trials[i].point.integer("a") != 1);
}
