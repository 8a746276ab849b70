// The virtual-time state machine on thousands of random studies: plans, results, failures, stop decisions, duplicates, points and
// trials from outside, orders of arrival, lost results and restarts are all drawn. What must hold whatever is drawn is checked.
#include <algorithm>
#include <map>
#include <set>

#include "tests/nas/support.h"

using namespace lathe;
using namespace lathe::nas;
using namespace lathe::nas::test;

namespace {

/// A study whose every part is drawn from its seed. Nothing in it depends on the order of events.
class Universe {
 public:
  explicit Universe(std::uint64_t seed) : seed_(seed), chance_(random_key(seed, 0, "universe")) {
    header.seed = seed;
    header.virtual_workers = 1 + static_cast<int>(chance_.below(8));
    header.trials = 1 + chance_.below(20);
    header.space = SpaceBuilder().integer("a", 0, 5).integer("b", 0, 5).rule("a + b != 7").build();
    header.duplicates = std::vector{Duplicates::reject, Duplicates::reuse, Duplicates::allow}[chance_.below(3)];
    const std::vector<std::pair<const char*, Settings>> samplers = {{"random@1", {}},
                                                                    {"sobol@1", {}},
                                                                    {"tpe@optuna-5.0", {{"n_startup_trials", 3}}},
                                                                    {"nsga2@1", {{"population_size", 4}}},
                                                                    {"evolution@1", {{"population_size", 4}, {"sample_size", 2}}}};
    const auto& [sampler, settings] = samplers[chance_.below(5)];
    header.sampler = sampler;
    header.sampler_settings = settings;
    header.pruner = "dice@1";
    if (chance_.below(2)) header.constraints = {"c"};
    if (header.sampler != "evolution@1" && chance_.below(3) == 0) {
      header.directions.push_back(Direction::minimise);
      header.metrics.push_back("second");
    }
    equal_ticks_ = chance_.below(3) == 0;
    stops_ = chance_.below(2) * 0.3;
    fails_ = chance_.below(2) * 0.15;
    pruners.add("dice@1", [this](const StudyHeader&) { return std::make_unique<Dice>(*this); });
  }

  VirtualTime engine() const {
    return VirtualTime(
        header, [this](const Point& p) { return plan(p); }, nullptr, SamplerRegistry::builtin(), pruners);
  }
  Plan plan(const Point& p) const {
    Random r(random_key(seed_, static_cast<std::uint64_t>(p.integer("a") * 6 + p.integer("b")), "plan"));
    Plan out;
    out.segments.clear();
    const auto units = static_cast<int>(1 + r.below(3));
    for (int step = 1; step <= static_cast<int>(1 + r.below(4)); ++step)
      for (int unit = 0; unit < units; ++unit)
        out.segments.push_back({unit, step, equal_ticks_ ? 3 : std::uint64_t{1} << r.below(20)});
    return out;
  }
  SegmentResult result(const TaskKey& key) const {
    Random r(random_key(seed_, static_cast<std::uint64_t>(key.trial), "result"), static_cast<std::uint32_t>(key.segment));
    if (r.uniform() < fails_) return SegmentResult::failed(Failure::error, "drawn");
    SegmentResult out;
    for (std::size_t i = 0; i < header.directions.size(); ++i) out.values.push_back(r.normal());
    if (r.uniform() < 0.02) out.values[0] = 1.0 / 0.0;
    for (std::size_t i = 0; i < header.constraints.size(); ++i) out.constraints.push_back(r.normal());
    out.unit_done = r.uniform() < 0.1;
    return out;
  }
  /// What comes from outside when the log has this many events: mostly nothing.
  std::vector<Event> outside(VirtualTime& vt) const {
    Random r(random_key(seed_, vt.events(), "outside"));
    const auto kind = r.below(30);
    Point point = header.space.uniform(seed_, 1000 + vt.events(), 0);
    if (!header.space.valid(point)) return {};
    if (kind == 0) return vt.enqueue(point);
    if (kind == 1) return vt.enqueue(header.space.partial({{"a", *point.value(0)}}));
    if (kind == 2) return vt.enqueue(header.space.partial({}));
    if (kind > 4) return {};
    Trial earlier;
    earlier.point = point;
    earlier.state = kind == 3 ? TrialState::complete : TrialState::pruned;
    for (std::size_t i = 0; i < header.directions.size(); ++i) earlier.values.push_back(r.normal());
    for (std::size_t i = 0; i < header.constraints.size(); ++i) earlier.constraints.push_back(r.normal());
    if (kind == 4) earlier.reports.push_back({0, 0, 2, earlier.values, 0, earlier.constraints});
    return vt.adopt(earlier, static_cast<std::int64_t>(vt.events()));
  }

  StudyHeader header;
  PrunerRegistry pruners = PrunerRegistry::builtin();

 private:
  /// Stop decisions by dice, a pure function of trial and report.
  struct Dice final : Pruner {
    explicit Dice(const Universe& u) : universe(u) {}
    bool stops(const History&, const Trial& t) override {
      Random r(random_key(universe.seed_, static_cast<std::uint64_t>(t.number), "dice"),
               static_cast<std::uint32_t>(t.reports.size()));
      return r.uniform() < universe.stops_;
    }
    const Universe& universe;
  };
  std::uint64_t seed_;
  Random chance_;
  bool equal_ticks_ = false;
  double stops_ = 0, fails_ = 0;
};

/// A driver that computes in a random order, loses results, delivers some twice and starts again in the middle.
class Play {
 public:
  Play(const Universe& universe, std::uint64_t schedule, bool calm)
      : universe_(universe), chance_(random_key(schedule, 0, "schedule")), calm_(calm), vt_(universe.engine()) {}

  std::vector<RecordedEvent> run() {
    for (std::uint64_t looked = kNever; !vt_.finished();) {
      if (looked != vt_.events()) {
        looked = vt_.events();
        if (take(universe_.outside(vt_))) continue;
      }
      if (take(vt_.step())) {
        if (!calm_ && chance_.below(40) == 0) restart();
        continue;
      }
      deliver();
    }
    return log_;
  }
  std::size_t outside_events = 0;

 private:
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};

  bool take(const std::vector<Event>& batch) {
    for (const Event& e : batch) {
      REQUIRE(e.index == log_.size());
      REQUIRE((log_.empty() || e.time >= time_));
      time_ = e.time;
      log_.push_back(record(e));
      outside_events += e.kind == Event::Kind::enqueue || e.kind == Event::Kind::adopt;
    }
    if (!batch.empty()) check();
    return !batch.empty();
  }

  /// Never more than V trials are open, and what is finished stays as it is.
  void check() {
    std::int64_t open = 0;
    std::set<int> workers;
    for (const Trial& t : vt_.history().trials) {
      if (t.state == TrialState::running) {
        ++open;
        REQUIRE(workers.insert(t.worker).second);
        continue;
      }
      std::string all = str(state_name(t.state), t.finished, t.finish_event, t.point.json());
      for (const double v : t.values) all += number(v) + ";";
      for (const Report& r : t.reports) all += str(r.segment, "=", number(r.values[0]), ";");
      const auto [kept, first] = finished_.emplace(t.number, all);
      REQUIRE(kept->second == all);
    }
    REQUIRE(open <= universe_.header.virtual_workers);
    REQUIRE(vt_.history().finished.size() == finished_.size());
    REQUIRE(vt_.sampler_history().trials.size() >= vt_.history().trials.size());
  }

  void deliver() {
    const auto tasks = vt_.tasks();
    REQUIRE_FALSE(tasks.empty());  // else the study hangs
    const Task& task = tasks[calm_ ? 0 : chance_.below(static_cast<std::uint32_t>(tasks.size()))];
    if (!calm_ && chance_.below(5) == 0) return;  // lost on the way
    const SegmentResult result = universe_.result(task.key);
    REQUIRE(vt_.submit(task.key, result));
    REQUIRE(vt_.has_result(task.key));
    computed_[task.key] = result;
    if (calm_) return;
    SegmentResult other = result;
    if (other.failure == Failure::none) other.values[0] = 99;
    REQUIRE_FALSE(vt_.submit(task.key, other));  // the first one counts
    const auto old = std::next(computed_.begin(), chance_.below(static_cast<std::uint32_t>(computed_.size())));
    REQUIRE_FALSE(vt_.submit(old->first, old->second));  // delivered, committed, or cut off
  }

  void restart() {
    vt_ = universe_.engine();
    const auto replayed = vt_.replay(log_);
    REQUIRE(replayed.recorded == log_.size());
    REQUIRE(replayed.events.size() == log_.size());
    for (std::size_t i = 0; i < log_.size(); ++i) REQUIRE(record(replayed.events[i]) == log_[i]);
    for (const auto& [key, result] : computed_)
      if (chance_.below(2)) vt_.submit(key, result);  // some tasks outlived the crash
    for (auto it = computed_.begin(); it != computed_.end();) it = kept(it->first) ? std::next(it) : computed_.erase(it);
    check();
  }
  /// Was it committed or cut off, or does the engine have it again? Then a second delivery must come to nothing.
  bool kept(const TaskKey& key) const {
    if (vt_.has_result(key)) return true;
    const Trial& t = vt_.history().trials[static_cast<std::size_t>(key.trial)];
    return t.state != TrialState::running || (!t.reports.empty() && t.reports.back().segment >= key.segment);
  }

  const Universe& universe_;
  Random chance_;
  bool calm_;
  VirtualTime vt_;
  std::vector<RecordedEvent> log_;
  std::uint64_t time_ = 0;
  std::map<std::int64_t, std::string> finished_;
  std::map<TaskKey, SegmentResult> computed_;
};

}  // namespace

TEST_CASE("histories: one log for every order, loss and restart, in 400 random studies") {
  std::size_t histories = 0, outside = 0, events = 0;
  std::set<std::string> hashes;
  Counts counts;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    const Universe universe(seed);
    Play calm(universe, 0, true);
    const auto log = calm.run();
    outside += calm.outside_events;
    events += log.size();
    hashes.insert(study_hash(universe.header.json(), log));
    const Counts c = count_states(read_history(universe.header.space, log));
    CHECK(c.running == 0);
    counts.complete += c.complete;
    counts.pruned += c.pruned;
    counts.failed += c.failed;
    for (std::uint64_t schedule = 1; schedule <= 8; ++schedule, ++histories) {
      const auto again = Play(universe, seed * 100 + schedule, false).run();
      REQUIRE(again.size() == log.size());
      for (std::size_t i = 0; i < log.size(); ++i) REQUIRE(again[i].line == log[i].line);
    }
  }
  CHECK(histories == 3200);
  CHECK(hashes.size() == 400);
  CHECK(outside > 500);
  CHECK(counts.pruned > 200);
  CHECK(counts.failed > 200);
  CHECK(counts.complete > 1000);
  MESSAGE(histories << " histories, " << events << " events in the 400 studies, " << outside << " of them from outside");
}

TEST_CASE("histories: replay refuses a log in which anything was changed, and says where") {
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    const Universe universe(seed);
    const auto log = Play(universe, 0, true).run();
    Random chance(random_key(seed, 0, "forger"));
    for (std::size_t i = 0; i < log.size(); ++i) {
      const bool proposal = contains(log[i].line, " propose ");
      if (!proposal && !contains(log[i].line, " finish ")) continue;
      auto forged = log;
      // Another value in the point of a proposal; a finish that becomes another one.
      const char* mark = proposal ? "\"b\":" : "trial=";
      auto& digit = forged[i].line[forged[i].line.find(mark) + std::string_view(mark).size()];
      digit = static_cast<char>('0' + (digit - '0' + 1 + static_cast<char>(chance.below(8))) % 10);
      auto engine = universe.engine();
      const std::string message = message_of([&] { engine.replay(forged); });
      CHECK(contains(message, str("event ", i, ": recorded `")));
      CHECK(contains(message, "but this configuration gives"));
      ++refused;
    }
  }
  CHECK(refused > 500);
}
