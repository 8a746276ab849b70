#include <lathe/nas/virtual_time.h>

#include <lathe/base/text.h>
#include <lathe/nas/event_reader.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace lathe::nas {
namespace {

constexpr std::uint64_t kMostTicks = std::uint64_t{1} << 56;  // of one plan
constexpr std::uint64_t kMostTime = std::uint64_t{1} << 62;
constexpr std::size_t kMostSegments = 1'000'000;

/// The first segment behind `after` whose unit is not done; −1 if there is none.
int next_segment(const Plan& plan, int after, const std::set<int>& done_units) {
  for (auto i = static_cast<std::size_t>(after + 1); i < plan.segments.size(); ++i)
    if (!done_units.count(plan.segments[i].unit)) return static_cast<int>(i);
  return -1;
}

std::uint64_t ticks(const Plan& plan, int segment) { return plan.segments[static_cast<std::size_t>(segment)].ticks; }

std::uint64_t later(std::uint64_t time, std::uint64_t by) {
  if (by > kMostTime - time) throw InputError("the virtual time of the study exceeds 2^62 ticks: choose a coarser unit of cost");
  return time + by;
}

}  // namespace

VirtualTime::VirtualTime(StudyHeader header, PlanFunction plan, RefuseFunction refuse, const SamplerRegistry& samplers,
                         const PrunerRegistry& pruners)
    : header_(std::move(header)), plan_(std::move(plan)), refuse_(std::move(refuse)), samplers_(samplers) {
  header_.check();
  sampler_ = samplers_.make(header_);
  pruner_ = pruners.make(header_);
  workers_.resize(static_cast<std::size_t>(header_.virtual_workers));
  budget_ = header_.trials;
}

Plan VirtualTime::checked_plan(const Point& point) const {
  Plan plan = plan_ ? plan_(point) : Plan{};
  const auto require = [](bool good, const std::string& message) {
    if (!good) throw InputError("plan of a trial: " + message);
  };
  require(!plan.segments.empty() && plan.segments.size() <= kMostSegments,
          str(plan.segments.size(), " segments, expected 1 to ", kMostSegments));
  std::map<int, int> last_step;
  std::uint64_t total = 0;
  for (const Segment& s : plan.segments) {
    require(s.unit >= 0 && s.step >= 0, "units and steps must not be negative");
    const auto [entry, first] = last_step.emplace(s.unit, s.step);
    require(first || s.step > entry->second, str("steps of unit ", s.unit, " must ascend"));
    entry->second = s.step;
    require(s.ticks >= 1 && s.ticks <= kMostTicks - total, "a segment costs at least 1 tick, and all of them at most 2^56");
    total += s.ticks;
  }
  return plan;
}

bool VirtualTime::admits(const Point& point) const {
  return header_.space.valid(point) && (header_.duplicates != Duplicates::reject || !known_.count(point.json())) &&
         !(refuse_ && refuse_(point));
}

const VirtualTime::Running* VirtualTime::running(std::int64_t number) const {
  for (const auto& worker : workers_)
    if (worker && worker->trial == number) return &*worker;
  return nullptr;
}

bool VirtualTime::submit(TaskKey key, SegmentResult result) {
  if (key.trial < 0 || static_cast<std::size_t>(key.trial) >= history_.trials.size())
    throw InputError(str("there is no trial ", key.trial));
  if (key.segment < 0 || static_cast<std::size_t>(key.segment) >= trial(key.trial).plan.segments.size())
    throw InputError(str("trial ", key.trial, " has no segment ", key.segment));
  result = checked(std::move(result), header_.directions.size(), header_.constraints.size());
  for (auto& worker : workers_)
    if (worker && worker->trial == key.trial && key.segment >= worker->segment)
      return worker->results.emplace(key.segment, std::move(result)).second;
  return false;
}

bool VirtualTime::has_result(TaskKey key) const {
  const Running* r = running(key.trial);
  return r && r->results.count(key.segment);
}

std::optional<Task> VirtualTime::first_missing(const Running& r) const {
  const Plan& plan = trial(r.trial).plan;
  std::set<int> done = r.done_units;
  int segment = r.segment;
  std::uint64_t finish = r.finish;
  for (auto found = r.results.find(segment); found != r.results.end(); found = r.results.find(segment)) {
    if (found->second.failure != Failure::none) return std::nullopt;
    if (found->second.unit_done) done.insert(plan.segments[static_cast<std::size_t>(segment)].unit);
    segment = next_segment(plan, segment, done);
    if (segment < 0) return std::nullopt;
    finish = later(finish, ticks(plan, segment));
  }
  return Task{{r.trial, segment}, finish};
}

std::vector<Task> VirtualTime::tasks() const {
  std::vector<Task> out;
  for (const auto& worker : workers_)
    if (worker)
      if (const auto task = first_missing(*worker)) out.push_back(*task);
  std::sort(out.begin(), out.end(),
            [](const Task& a, const Task& b) { return a.priority != b.priority ? a.priority < b.priority : a.key < b.key; });
  return out;
}

bool VirtualTime::finished() const {
  return started_ && std::none_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker.has_value(); });
}

Event& VirtualTime::add_event(std::vector<Event>& batch, Event::Kind kind, std::int64_t number) {
  Event& event = batch.emplace_back();
  event.index = index_++;
  event.time = now_;
  event.kind = kind;
  event.trial = number;
  return event;
}

void VirtualTime::end_trial(Trial& t, TrialState state, std::vector<Event>& batch) {
  if (state != TrialState::failed) {
    t.values = verdict(t, header_.judging, header_.directions);
    t.constraints = constraints_of(t, header_.judging, header_.directions);
  }
  const bool finite = std::all_of(t.values.begin(), t.values.end(), [](double v) { return std::isfinite(v); });
  if (!finite) {  // the aggregate of huge values may overflow
    t.values.clear();
    t.constraints.clear();
    t.failure = Failure::non_finite;
    t.note = "the aggregate over the units is not finite";
    state = TrialState::failed;
  }
  t.state = state;
  t.finished = now_;
  Event& event = add_event(batch, Event::Kind::finish, t.number);
  event.state = t.state;
  event.values = t.values;
  event.constraints = t.constraints;
  event.failure = t.failure;
  event.note = t.note;
  t.finish_event = event.index;
  history_.finished.push_back(t.number);
  show(t);
  if (adopted_) seen_.finished.push_back(seen_as_[static_cast<std::size_t>(t.number)]);
}

/// Commits the segment that finishes now. True if the trial reported and has a segment left.
bool VirtualTime::commit(Running& r, std::vector<Event>& batch) {
  Trial& t = trial(r.trial);
  const Segment& planned = t.plan.segments[static_cast<std::size_t>(r.segment)];
  SegmentResult result = std::move(r.results.extract(r.segment).mapped());
  Event& event = add_event(batch, Event::Kind::report, r.trial);
  event.segment = r.segment;
  event.planned = planned;
  event.plan = t.plan;
  event.result = result;
  if (header_.duplicates == Duplicates::reuse) r.done.emplace(r.segment, result);
  if (result.failure != Failure::none) {
    t.failure = result.failure;
    t.note = result.note;
    end_trial(t, TrialState::failed, batch);
    return false;
  }
  t.reports.push_back({r.segment, planned.unit, planned.step, std::move(result.values), now_, std::move(result.constraints)});
  if (result.unit_done) r.done_units.insert(planned.unit);
  if (next_segment(t.plan, r.segment, r.done_units) >= 0) return show(t), true;
  end_trial(t, TrialState::complete, batch);
  if (t.state == TrialState::complete && header_.duplicates == Duplicates::reuse)
    reusable_.emplace(t.point.json(), Reusable{t.number, std::move(r.done)});
  return false;
}

/// Keeps what the sampler sees up to date.
void VirtualTime::show(const Trial& t) {
  if (!adopted_) return;
  const auto index = static_cast<std::size_t>(t.number);
  if (index == seen_as_.size()) {
    seen_as_.push_back(static_cast<std::int64_t>(seen_.trials.size()));
    seen_.trials.emplace_back();
  }
  Trial& shown = seen_.trials[static_cast<std::size_t>(seen_as_[index])];
  shown = t;
  shown.number = seen_as_[index];
}

/// The next point that may become a trial: enqueued ones first. `queued`: the enqueueing that it comes from.
std::optional<Point> VirtualTime::next_point(std::int64_t number, std::int64_t& queued) {
  const auto admitted = [this](const Point& p) { return admits(p); };
  while (!queue_.empty()) {
    const Queued next = std::move(queue_.front());
    queue_.pop_front();
    auto point = header_.space.whole(next.point) ? std::optional<Point>(next.point) : fill(next.point, number);
    queued = next.event;
    if (point && admits(*point)) return point;
    passed_over_.push_back(next.event);
  }
  queued = -1;
  if (exhausted_) return std::nullopt;
  auto point = ask(*sampler_, {header_, sampler_history(), number, admitted});
  exhausted_ = !point;
  return point;
}

/// The first admitted point that has the values of `fixed`, the others from the sampler's draws and then uniform ones. A sampler of
/// its own makes them: one that remembers what was refused (grid) must not take a point for refused that was only overlaid.
std::optional<Point> VirtualTime::fill(const Point& fixed, std::int64_t number) const {
  const auto trial = static_cast<std::uint64_t>(number);
  const Space& space = header_.space;
  const auto sampler = samplers_.make(header_);
  std::uint32_t attempt = 0;
  const auto filled = [&](const Point& other) { return space.filled(fixed, other, header_.seed, trial, attempt); };
  const SamplerView view{header_, sampler_history(), number, [&](const Point& p) { return admits(filled(p)); }};
  for (; attempt < kSamplerDraws + kUniformDraws; ++attempt) {
    auto other = attempt < kSamplerDraws ? sampler->draw(view, attempt) : space.uniform(header_.seed, trial, attempt);
    if (!other) attempt = kSamplerDraws - 1;
    if (!other) continue;
    Point point = filled(*other);
    if (admits(point)) return point;
  }
  return std::nullopt;
}

void VirtualTime::start(Trial t, std::int64_t queued, std::vector<Event>& batch) {
  Running running{t.number, 0, later(now_, ticks(t.plan, 0)), {}, {}, {}};
  if (const auto found = reusable_.find(t.point.json()); found != reusable_.end()) {
    t.reused = found->second.trial;
    running.results = found->second.results;
  }
  known_.insert(t.point.json());
  workers_[static_cast<std::size_t>(t.worker)] = std::move(running);
  Event& event = add_event(batch, Event::Kind::propose, t.number);
  event.worker = t.worker;
  event.point = t.point;
  event.plan = t.plan;
  event.reused = t.reused;
  event.queued = queued;
  event.passed_over = std::exchange(passed_over_, {});
  show(t);
  history_.trials.push_back(std::move(t));
}

void VirtualTime::propose(std::vector<Event>& batch) {
  for (std::size_t w = 0; w < workers_.size(); ++w) {
    if (workers_[w] || static_cast<std::int64_t>(history_.trials.size()) >= budget_) continue;
    Trial t;
    t.number = static_cast<std::int64_t>(history_.trials.size());
    std::int64_t queued = -1;
    auto point = next_point(t.number, queued);
    if (!point) return;
    t.worker = static_cast<int>(w);
    t.point = std::move(*point);
    t.plan = checked_plan(t.point);
    t.started = now_;
    start(std::move(t), queued, batch);
  }
}

std::vector<Event> VirtualTime::step() {
  std::vector<Event> batch;
  if (!started_) {
    propose(batch);
    if (batch.empty())
      throw SpaceExhausted(str("no point could be proposed: ", kSamplerDraws, " draws of ", header_.sampler, " and ", kUniformDraws,
                               " uniform ones were all invalid or outside the limits"));
    started_ = true;
    return batch;
  }
  std::vector<std::size_t> due;  // workers whose segment finishes next
  for (std::size_t w = 0; w < workers_.size(); ++w) {
    if (!workers_[w]) continue;
    if (!due.empty() && workers_[w]->finish < workers_[due[0]]->finish) due.clear();
    if (due.empty() || workers_[w]->finish == workers_[due[0]]->finish) due.push_back(w);
  }
  for (const std::size_t w : due)
    if (!workers_[w]->results.count(workers_[w]->segment)) return {};
  if (due.empty()) return {};
  now_ = workers_[due[0]]->finish;
  std::sort(due.begin(), due.end(), [&](std::size_t a, std::size_t b) { return workers_[a]->trial < workers_[b]->trial; });
  std::vector<std::size_t> survivors;
  for (const std::size_t w : due) {
    if (commit(*workers_[w], batch))
      survivors.push_back(w);
    else
      workers_[w].reset();
  }
  for (const std::size_t w : survivors) {
    Running& r = *workers_[w];
    Trial& t = trial(r.trial);
    if (pruner_->stops(history_, t)) {
      end_trial(t, TrialState::pruned, batch);
      workers_[w].reset();
    } else {
      r.segment = next_segment(t.plan, r.segment, r.done_units);
      r.finish = later(now_, ticks(t.plan, r.segment));
    }
  }
  propose(batch);
  return batch;
}

std::vector<Event> VirtualTime::extend(std::int64_t trials) {
  if (!finished()) throw InputError("only a finished study can be extended");
  if (trials <= budget_)
    throw InputError(str("the study has ", budget_, " trials already; extend it to more than that, not to ", trials));
  budget_ = trials;
  std::vector<Event> batch;
  add_event(batch, Event::Kind::extend, 0).trials = trials;
  propose(batch);
  return batch;
}

std::vector<Event> VirtualTime::enqueue(const Point& point, std::int64_t foreign) {
  if (const auto rule = header_.space.broken_rule(point))
    throw InputError(str("the point ", point.json(), " cannot be enqueued: it breaks the rule `", *rule, "`"));
  if (foreign >= 0 && !foreign_.insert({Event::Kind::enqueue, foreign}).second)
    throw InputError(str("the point in trial ", foreign, " of another program was enqueued already"));
  std::vector<Event> batch;
  Event& event = add_event(batch, Event::Kind::enqueue, 0);
  event.point = point;
  event.foreign = foreign;
  event.partial = !header_.space.whole(point);
  queue_.push_back({point, static_cast<std::int64_t>(event.index)});
  return batch;
}

/// InputError: this study cannot take `earlier` for a trial that it knows the result of.
void VirtualTime::check_adoption(const Trial& earlier, std::int64_t foreign) const {
  const auto require = [&](bool good, const std::string& message) {
    if (good) return;
    const std::string whose = foreign < 0 ? " of an earlier study" : str(" (trial ", foreign, " of another program)");
    throw InputError(str("the trial ", earlier.point.json(), whose, " cannot be adopted: ", message));
  };
  const auto finite = [](const std::vector<double>& numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [](double v) { return std::isfinite(v); });
  };
  require(foreign >= 0 || !started_, "the study has begun");
  require(foreign >= 0 || !header_.warm_start.empty(), "the header names no study as warm_start");
  require(foreign < 0 || !known(foreign, Event::Kind::adopt), "it is known already");
  require(earlier.state == TrialState::complete || earlier.state == TrialState::pruned, "it is neither complete nor pruned");
  require(earlier.values.size() == header_.directions.size(),
          str("it has ", earlier.values.size(), " values, expected ", header_.directions.size()));
  require(earlier.constraints.size() == header_.constraints.size(),
          str("it has ", earlier.constraints.size(), " constraints, expected ", header_.constraints.size()));
  require(finite(earlier.values) && finite(earlier.constraints), "its values are not finite");
  if (const auto rule = header_.space.broken_rule(earlier.point)) require(false, str("it breaks the rule `", *rule, "`"));
}

std::vector<Event> VirtualTime::adopt(const Trial& earlier, std::int64_t foreign) {
  check_adoption(earlier, foreign);
  if (!adopted_) {  // until now the sampler saw the study's own trials under their own numbers, and it still does
    seen_ = history_;
    for (const Trial& t : history_.trials) seen_as_.push_back(t.number);
    adopted_ = true;
  }
  const int step = earlier.reports.empty() ? 0 : earlier.reports.back().step;
  Trial t;
  t.number = static_cast<std::int64_t>(seen_.trials.size());
  t.point = earlier.point;
  t.state = earlier.state;
  t.values = earlier.values;
  t.constraints = earlier.constraints;
  t.foreign = foreign;
  t.plan.segments[0].step = step;
  if (step > 0) t.reports.push_back({0, 0, step, t.values, 0, t.constraints});
  std::vector<Event> batch;
  Event& event = add_event(batch, Event::Kind::adopt, 0);
  event.state = t.state;
  event.planned.step = step;
  event.values = t.values;
  event.constraints = t.constraints;
  event.point = t.point;
  event.foreign = foreign;
  t.finish_event = event.index;
  if (foreign >= 0) {
    foreign_.insert({Event::Kind::adopt, foreign});
    known_.insert(t.point.json());
  }
  seen_.finished.push_back(t.number);
  seen_.trials.push_back(std::move(t));
  return batch;
}

/// One event that came from outside, made anew from its record; nothing if it is none.
std::optional<std::vector<Event>> VirtualTime::replay_outside(const EventFields& fields) {
  if (fields.kind == Event::Kind::extend) return extend(fields.trial);
  if (fields.kind == Event::Kind::enqueue)
    return enqueue(fields.partial ? header_.space.parse_partial(fields.point) : header_.space.parse(fields.point), fields.foreign);
  if (fields.kind != Event::Kind::adopt) return std::nullopt;
  return adopt(adopted_trial(header_.space, fields), fields.foreign);
}

/// The batch that begins with record[0], made anew from the results that the record holds.
std::vector<Event> VirtualTime::replay_batch(std::span<const RecordedEvent> record) {
  const EventFields first = read_event(record[0].line);
  if (auto batch = replay_outside(first)) return std::move(*batch);
  for (const RecordedEvent& event : record) {
    EventFields fields = read_event(event.line);
    if (fields.time != first.time || comes_from_outside(fields.kind)) break;
    if (fields.kind != Event::Kind::report) continue;
    fields.result.note = event.note;
    fields.result.attributes = event.attributes;
    submit({fields.trial, fields.segment}, std::move(fields.result));
  }
  return step();
}

VirtualTime::Replayed VirtualTime::replay(std::span<const RecordedEvent> record) {
  Replayed out;
  const auto differ = [](std::uint64_t index, const std::string& recorded, const std::string& made) -> InputError {
    return InputError(str("event ", index, ": recorded `", recorded, "`, but this configuration gives ", made));
  };
  while (out.recorded < record.size()) {
    const std::uint64_t index = index_;
    std::vector<Event> batch;
    try {
      batch = replay_batch(record.subspan(out.recorded));
    } catch (const InputError& e) {
      throw differ(index, record[out.recorded].line, str("an error: ", e.what()));
    }
    if (batch.empty())
      throw differ(index, record[out.recorded].line, finished() ? "no further event" : "no event here without further results");
    for (Event& event : batch) {
      if (out.recorded < record.size()) {
        const std::string& line = record[out.recorded].line;
        if (const std::string made = event.line(); made != line) throw differ(event.index, line, str("`", made, "`"));
        ++out.recorded;
      }
      out.events.push_back(std::move(event));
    }
  }
  return out;
}

}  // namespace lathe::nas
