// What several pruners need: which questions were asked so far, whole settings, the rhythm of checks.
#pragma once
#include <lathe/nas/pruner/pruner.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace lathe::nas {

/// "Shall this trial stop?", asked after a report.
struct Question {
  const Trial* trial = nullptr;
  std::size_t report = 0;  ///< index into trial->reports
};

/// The questions that the engine asks in the course of a study, told from its history alone: after each report that did not
/// complete its trial, by (virtual time, trial number). A pruner that remembers goes through them, so that a fresh one gets
/// to the same memory, whatever it was asked before.
class Questions {
 public:
  /// Leaves a question out (a wrapper that answers it by itself). Null: every question counts.
  using Asked = std::function<bool(const Trial&, std::size_t report)>;
  void only(Asked asked) { asked_ = std::move(asked); }

  /// Those not given yet, up to the one about the newest report of `trial`, which is a trial of `history`.
  std::vector<Question> until(const History& history, const Trial& trial);

 private:
  struct Open {
    std::int64_t trial = 0;
    std::size_t given = 0;  // so many of its reports
  };
  Asked asked_;
  std::vector<Open> open_;
  std::size_t known_ = 0;  // trials
};

/// A whole number among the settings of `of`. InputError: below `least`, above 10⁹, or not whole.
std::int64_t whole_setting(const std::string& of, const Settings& settings, const std::string& name, std::int64_t otherwise,
                           std::int64_t least);

/// Is the report `index` of `trial` the first of its unit since the last multiple of `interval` steps, counted from `warmup`?
bool first_in_interval(const Trial& trial, std::size_t index, std::int64_t warmup, std::int64_t interval);

/// Does `a` dominate `b`: nowhere worse and somewhere better? With one objective: is it better? NaN is worse than any number.
bool dominates(std::span<const double> a, std::span<const double> b, std::span<const Direction> directions);

}  // namespace lathe::nas
