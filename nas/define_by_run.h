// Private: a function that asks for its parameters as it runs, as an objective of segments.
#pragma once
#include <lathe/nas/optimize.h>

#include <map>
#include <mutex>

namespace lathe::nas {

/// The parameters that `function` asks for (optimize.h says how they are found). InputError: one name with two meanings.
Space scouted_space(const Study::Function& function, std::uint64_t seed);

/// Runs each trial's function in a thread of its own, which rests after a report until the segment of the next one is claimed. A
/// segment that is claimed without such a thread (after a restart, a lost lease) runs the function from its beginning.
class FunctionRunner final : public Objective {
 public:
  struct Setup {
    int max_reports = 0;
    std::size_t objectives = 1;  ///< what the function gives beyond are constraints
    Space space;
    bool defines = false;  ///< parameters that are not in the space are drawn by themselves instead of refused
  };
  FunctionRunner(Study::Function function, Setup setup);
  ~FunctionRunner() override;
  Plan plan(const Point& params) const override;
  SegmentResult run(const Point& params, const SegmentContext& segment, const Checkpoint& checkpoint) override;
  /// The trial is over: its function is told to stop. Does not wait for it.
  void end(std::int64_t trial);

 private:
  class Fiber;
  std::shared_ptr<Fiber> fiber_of(const Point& params, const SegmentContext& segment);
  void retire(std::int64_t trial, const std::shared_ptr<Fiber>& fiber);
  void reap(bool wait);
  Study::Function function_;
  Setup setup_;
  std::mutex mutex_;
  std::map<std::int64_t, std::shared_ptr<Fiber>> fibers_;
  std::vector<std::shared_ptr<Fiber>> retired_;
};

}  // namespace lathe::nas
