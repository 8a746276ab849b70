#include <lathe/nas/define_by_run.h>

#include <lathe/base/text.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <thread>

namespace lathe::nas {
namespace {

constexpr int kQuietScouts = 32;  // so many without a new parameter end the scouting

struct Unwind {};  // leaves the function; not a std::exception, which it might handle

Space space_with(const Parameter& parameter) { return SpaceBuilder().add(parameter).build(); }

/// InputError if `now` is another parameter than the one of this name that was met before.
void require_same(const Parameter& before, const Parameter& now) {
  const std::string was = space_with(before).json(), is = space_with(now).json();
  if (was != is) throw InputError(str("the parameter `", now.name, "` is asked for in two ways: ", was, " and ", is));
}

Value drawn(const Parameter& parameter, std::uint64_t seed, std::int64_t trial) {
  return *space_with(parameter).uniform(seed, static_cast<std::uint64_t>(trial), 0).value(0);
}

class Scout final : public TrialHandle {
 public:
  Scout(std::vector<Parameter>& met, std::uint64_t seed, std::int64_t number) : met_(met), seed_(seed), number_(number) {}
  std::int64_t number() const override { return number_; }
  std::uint64_t seed() const override { return seed_; }
  const Point& point() const override { throw Unwind{}; }
  void begin() override { throw Unwind{}; }
  void report(int, std::vector<double>) override { throw Unwind{}; }
  bool should_stop() const override { return false; }
  std::exception_ptr error;

 protected:
  Value value_of(const Parameter& parameter) override {
    try {
      for (const Parameter& before : met_)
        if (before.name == parameter.name) {
          require_same(before, parameter);
          return drawn(parameter, seed_, number_);
        }
      const Value value = drawn(parameter, seed_, number_);
      met_.push_back(parameter);
      return value;
    } catch (...) {
      error = std::current_exception();
      throw;
    }
  }

 private:
  std::vector<Parameter>& met_;
  std::uint64_t seed_;
  std::int64_t number_;
};

}  // namespace

Space scouted_space(const Study::Function& function, std::uint64_t seed) {
  std::vector<Parameter> met;
  int quiet = 0;
  for (std::int64_t number = 0; quiet < kQuietScouts; ++number) {
    const std::size_t before = met.size();
    Scout scout(met, seed, number);
    try {
      function(scout);
    } catch (const Unwind&) {          // as far as a scout goes
    } catch (const std::exception&) {  // the function's own: its trial will fail
      if (scout.error) std::rethrow_exception(scout.error);
    }
    quiet = met.size() > before ? 0 : quiet + 1;
  }
  if (met.empty()) throw InputError("the function asked for no parameter before its first report or begin()");
  SpaceBuilder builder;
  for (const Parameter& parameter : met) builder.add(parameter);
  return builder.build();
}

/// One trial's function in its thread.
class FunctionRunner::Fiber final : public TrialHandle {
 public:
  Fiber(const FunctionRunner& runner, Point point, const SegmentContext& context)
      : runner_(runner), point_(std::move(point)), number_(context.trial), seed_(context.seed) {}
  ~Fiber() override { join(); }

  void start() {
    thread_ = std::thread([this] { work(); });
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  void cancel() {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }
  bool over() const {
    const std::lock_guard lock(mutex_);
    return over_;
  }

  /// Report number `segment`, or what the function returned instead of it. Throws what the function threw.
  SegmentResult wait_for(int segment, const std::function<bool()>& stop_requested) {
    std::unique_lock lock(mutex_);
    const auto index = static_cast<std::size_t>(segment);
    wanted_ = std::max(wanted_, index + 1);
    changed_.notify_all();
    while (reports_.size() <= index && !over_) {
      if (stop_requested()) throw Interrupted();
      changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
    if (index < reports_.size()) return result_of(reports_[index]);
    if (error_) std::rethrow_exception(error_);
    if (cancelled_) {
      if (stop_requested()) throw Interrupted();
      return SegmentResult::failed(Failure::error, "the trial was stopped");  // comes to nothing: its task is gone
    }
    SegmentResult result = result_of(returned_);
    result.unit_done = segment < runner_.setup_.max_reports;
    return result;
  }

  std::int64_t number() const override { return number_; }
  std::uint64_t seed() const override { return seed_; }
  const Point& point() const override { return point_; }
  void begin() override {}
  bool should_stop() const override {
    const std::lock_guard lock(mutex_);
    return cancelled_;
  }
  void report(int step, std::vector<double> values) override {
    std::unique_lock lock(mutex_);
    if (cancelled_) throw Unwind{};
    const auto expected = static_cast<int>(reports_.size()) + 1;
    if (step != expected) throw InputError(str("report of step ", step, ", expected ", expected, ": steps count 1, 2, 3, …"));
    if (step > runner_.setup_.max_reports)
      throw InputError(str("report of step ", step, ", but at most ", runner_.setup_.max_reports,
                           " were announced (objective.max_reports, or Study::set_max_reports())"));
    reports_.push_back(std::move(values));
    changed_.notify_all();
    changed_.wait(lock, [this] { return cancelled_ || wanted_ > reports_.size(); });
  }

 protected:
  Value value_of(const Parameter& parameter) override {
    for (const Parameter& known : runner_.setup_.space.parameters())
      if (known.name == parameter.name) {
        require_same({known.name, known.domain, ""}, parameter);
        if (const Value* value = point_.find(parameter.name)) return *value;
        throw InputError(str("the parameter `", parameter.name, "` is inactive: ", known.when, " does not hold"));
      }
    if (!runner_.setup_.defines) runner_.setup_.space.index(parameter.name);  // throws, with the nearest name
    return drawn(parameter, seed_, number_);
  }

 private:
  SegmentResult result_of(std::vector<double> numbers) const {
    SegmentResult result;
    const auto end = numbers.begin() + static_cast<std::ptrdiff_t>(std::min(numbers.size(), runner_.setup_.objectives));
    result.constraints.assign(end, numbers.end());
    numbers.erase(end, numbers.end());
    result.values = std::move(numbers);
    return result;
  }

  void work() {
    std::vector<double> values;
    std::exception_ptr error;
    try {
      values = runner_.function_(*this);
    } catch (const Unwind&) {
    } catch (...) {
      error = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    returned_ = std::move(values);
    error_ = error;
    over_ = true;
    changed_.notify_all();
  }

  const FunctionRunner& runner_;
  const Point point_;
  const std::int64_t number_;
  const std::uint64_t seed_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<double>> reports_;
  std::vector<double> returned_;
  std::exception_ptr error_;
  std::size_t wanted_ = 0;
  bool cancelled_ = false, over_ = false;
  std::thread thread_;
};

FunctionRunner::FunctionRunner(Study::Function function, Setup setup) : function_(std::move(function)), setup_(std::move(setup)) {}

FunctionRunner::~FunctionRunner() {
  {
    const std::lock_guard lock(mutex_);
    for (auto& [trial, fiber] : fibers_) {
      fiber->cancel();
      retired_.push_back(fiber);
    }
    fibers_.clear();
  }
  reap(true);
}

Plan FunctionRunner::plan(const Point&) const {
  Plan plan;
  plan.segments.clear();
  for (int step = 1; step <= setup_.max_reports + 1; ++step) plan.segments.push_back({0, step, 1});
  return plan;
}

std::shared_ptr<FunctionRunner::Fiber> FunctionRunner::fiber_of(const Point& params, const SegmentContext& segment) {
  const std::lock_guard lock(mutex_);
  auto& fiber = fibers_[segment.trial];
  if (!fiber) {
    fiber = std::make_shared<Fiber>(*this, params, segment);
    fiber->start();
  }
  return fiber;
}

SegmentResult FunctionRunner::run(const Point& params, const SegmentContext& segment, const Checkpoint&) {
  reap(false);
  const auto fiber = fiber_of(params, segment);
  try {
    return fiber->wait_for(segment.index, segment.stop_requested);
  } catch (...) {  // the next attempt begins anew
    retire(segment.trial, fiber);
    throw;
  }
}

void FunctionRunner::retire(std::int64_t trial, const std::shared_ptr<Fiber>& fiber) {
  const std::lock_guard lock(mutex_);
  const auto found = fibers_.find(trial);
  if (found == fibers_.end() || (fiber && found->second != fiber)) return;
  found->second->cancel();
  retired_.push_back(std::move(found->second));
  fibers_.erase(found);
}

void FunctionRunner::end(std::int64_t trial) { retire(trial, nullptr); }

/// Joins the threads of trials that are over; `wait`: of all.
void FunctionRunner::reap(bool wait) {
  std::vector<std::shared_ptr<Fiber>> over;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(retired_, [&](const std::shared_ptr<Fiber>& fiber) {
      if (!wait && !fiber->over()) return false;
      over.push_back(fiber);
      return true;
    });
  }
  for (const auto& fiber : over) fiber->join();
}

}  // namespace lathe::nas
