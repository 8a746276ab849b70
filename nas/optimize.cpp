#include <lathe/nas/optimize.h>

#include <lathe/base/text.h>
#include <lathe/nas/define_by_run.h>
#include <lathe/nas/foreign.h>
#include <lathe/nas/proposals.h>
#include <lathe/nas/storage/memory.h>

#include <algorithm>
#include <thread>

namespace lathe::nas {

double TrialHandle::real(const std::string& name, double low, double high, SpaceBuilder::RealOptions options) {
  return *value_of({name, RealRange{low, high, options.step, options.log}, ""}).number();
}

std::int64_t TrialHandle::integer(const std::string& name, std::int64_t low, std::int64_t high,
                                  SpaceBuilder::IntegerOptions options) {
  return *value_of({name, IntegerRange{low, high, options.step, options.log}, ""}).integer();
}

Value TrialHandle::categorical(const std::string& name, std::vector<Value> choices) {
  return value_of({name, Categorical{std::move(choices)}, ""});
}

namespace {

/// Tells the callbacks, and the objective whose trial is over.
class Watch final : public Observer {
 public:
  Watch(Study& study, std::vector<Study::Callback>& callbacks, FunctionRunner& runner, std::vector<std::string>& left_out,
        Observer* next)
      : study_(study), callbacks_(callbacks), runner_(runner), left_out_(left_out), next_(next ? next : &silent_) {}
  void resumed(const VirtualTime& engine) override { next_->resumed(engine); }
  void started(const TaskKey& key, const Segment& segment) override { next_->started(key, segment); }
  void computed(const TaskKey& key, const SegmentResult& result) override { next_->computed(key, result); }
  void retried(const TaskKey& key, const std::string& reason) override { next_->retried(key, reason); }
  void refused(std::int64_t trial, const std::string& why) override {
    left_out_.push_back(str("trial ", trial, ": ", why));
    next_->refused(trial, why);
  }
  void committed(const Event& event, const VirtualTime& engine) override {
    next_->committed(event, engine);
    if (event.kind != Event::Kind::finish) return;
    runner_.end(event.trial);
    const Trial& trial = engine.history().trials[static_cast<std::size_t>(event.trial)];
    for (const auto& callback : callbacks_) callback(study_, trial);
  }

 private:
  Study& study_;
  std::vector<Study::Callback>& callbacks_;
  FunctionRunner& runner_;
  std::vector<std::string>& left_out_;
  Observer silent_;
  Observer* next_;
};

}  // namespace

Study::Study(StudyHeader header, Backend* backend, SamplerRegistry samplers)
    : header_(std::move(header)), backend_(backend), samplers_(std::move(samplers)) {
  header_.judging.unit_value = Judging::UnitValue::last;  // what the function returns, not the best report
}

Study::~Study() = default;

void Study::open() {
  if (storage_) return;
  header_.pruner = PrunerRegistry::builtin().resolve(header_.pruner);
  header_.sampler = samplers_.resolve(header_.sampler);
  header_.check();
  if (!backend_) {
    storage_ = memory_storage(header_);
    return;
  }
  const auto studies = backend_->studies();
  const auto found = std::find_if(studies.begin(), studies.end(), [&](const StudySummary& s) { return s.name == header_.name; });
  if (found == studies.end())
    storage_ = backend_->create(header_);
  else
    storage_ = found->header.empty() ? backend_->take_over(header_) : backend_->open(header_.name);
}

StudyRun Study::optimize(Function function, int workers) {
  ExecutorOptions options;
  options.workers = workers;
  return optimize(std::move(function), std::move(options));
}

StudyRun Study::optimize(Function function, ExecutorOptions options) {
  if (engine_) throw InputError(str("study `", header_.name, "`: ask() has begun; optimize() cannot go on with it"));
  if (max_reports_ < 0) throw InputError(str("max_reports is ", max_reports_, ", expected at least 0"));
  const bool defines = header_.space.size() == 0;
  if (defines) header_.space = scouted_space(function, header_.seed);
  open();
  stop_ = options.stop;
  FunctionRunner runner(std::move(function), {max_reports_, header_.directions.size(), header_.space, defines});
  Watch watch(*this, callbacks_, runner, left_out_, options.observer);
  options.observer = &watch;
  options.samplers = samplers_;
  StudyRun run = execute(header_, runner, *storage_, options);
  history_ = run.history;
  return run;
}

StudyRun Study::optimize(const std::function<double(TrialHandle&)>& function, int workers) {
  return optimize(Function([function](TrialHandle& t) { return std::vector<double>{function(t)}; }), workers);
}

void Study::begin_asking() {
  if (engine_) return;
  if (header_.space.size() == 0) throw InputError(str("study `", header_.name, "`: ask() needs a space in the header"));
  open();
  if (const auto difference = header_difference(storage_->header(), header_.json()))
    throw InputError(str("study `", header_.name, "` was made with another configuration: ", *difference));
  engine_.emplace(header_, nullptr, nullptr, samplers_);
  const auto replayed = engine_->replay(storage_->events(0));
  if (replayed.recorded < replayed.events.size())
    throw InfrastructureError(str("the log of study `", header_.name, "` ends within a step"));
  for (const ForeignTrial& trial : storage_->foreign_trials()) {
    const std::uint64_t from = engine_->events();
    std::vector<Event> batch;
    try {
      batch = take_up(*engine_, trial);
    } catch (const InputError& e) {
      left_out_.push_back(str("trial ", trial.number, ": ", e.what()));
      continue;
    }
    append(from, batch);
  }
  advance();
}

void Study::append(std::uint64_t from, const std::vector<Event>& batch) {
  if (!storage_->append(from, batch, header_.space))
    throw InputError(str("study `", header_.name, "` was changed by another process; open it anew"));
}

/// Commits what can be committed, and tells the callbacks.
void Study::advance() {
  while (!engine_->finished()) {
    const std::uint64_t from = engine_->events();
    const auto batch = engine_->step();
    if (batch.empty()) break;
    append(from, batch);
    history_ = engine_->history();
    for (const Event& event : batch)
      if (event.kind == Event::Kind::finish)
        for (const auto& callback : callbacks_) callback(*this, history_.trials[static_cast<std::size_t>(event.trial)]);
  }
  history_ = engine_->history();
}

std::optional<Study::Asked> Study::ask() {
  begin_asking();
  for (const Task& task : engine_->tasks())
    if (asked_.insert(task.key.trial).second)
      return Asked{task.key.trial, engine_->history().trials[static_cast<std::size_t>(task.key.trial)].point};
  if (engine_->finished()) return std::nullopt;
  throw InputError(str("study `", header_.name, "`: ", header_.virtual_workers,
                       " trials are open at a time; tell() the values of trial ", engine_->tasks().front().key.trial, " first"));
}

void Study::submit(std::int64_t number, SegmentResult result) {
  if (!asked_.count(number) || !engine_->submit({number, 0}, std::move(result)))
    throw InputError(str("study `", header_.name, "`: trial ", number, " was not asked for, or has been told already"));
  advance();
}

void Study::tell(std::int64_t number, std::vector<double> values) {
  submit(number, SegmentResult{std::move(values), false, Failure::none, {}, {}, {}, {}});
}

void Study::tell_failure(std::int64_t number, std::string why) {
  submit(number, SegmentResult::failed(Failure::error, std::move(why)));
}

void Study::enqueue(const Point& point) {
  if (header_.space.size() == 0) throw InputError(str("study `", header_.name, "`: enqueue() needs a space in the header"));
  open();
  if (!engine_) {
    nas::enqueue(*storage_, header_.space, point);
    return;
  }
  const std::uint64_t from = engine_->events();
  append(from, engine_->enqueue(point));
}

std::string Study::hash() {
  open();
  return study_hash(storage_->header(), storage_->events(0));
}

const Trial& Study::best() const {
  const auto order = leaderboard(history_, header_.directions[0]);
  if (order.empty()) throw InputError(str("study `", header_.name, "` has no complete trial"));
  return history_.trials[static_cast<std::size_t>(order[0])];
}

}  // namespace lathe::nas
