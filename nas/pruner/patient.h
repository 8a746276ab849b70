// patient@1 and patient@1:<tag>: lets another pruner stop a trial only once it no longer improves, the rule of Optuna's
// PatientPruner. `patient:asha` asks asha; `patient` alone stops by itself.
//
// With more than patience + 1 reports in the current unit, a trial is out of patience iff its best value before the last
// patience + 1 reports, made worse by min_delta, is still better than the best of these (NaN left out; all NaN: not out of
// patience). Only then the other pruner is asked. Several objectives: iff that holds for each of them.
//
// Settings and defaults: patience 3 (at least 0), min_delta 0; all others go to the other pruner.
#pragma once
#include <lathe/nas/pruner/pruner.h>

#include <memory>

namespace lathe::nas {

class PatientPruner final : public Pruner {
 public:
  /// `wrapped` makes the other pruner from a header with its tag and settings; null: there is none.
  PatientPruner(const StudyHeader& header, const std::function<std::unique_ptr<Pruner>(const StudyHeader&)>& wrapped);
  bool stops(const History& history, const Trial& trial) override;
  void only(std::function<bool(const Trial&, std::size_t)> asked) override;

 private:
  bool out_of_patience(const Trial& trial, std::size_t report) const;
  std::vector<Direction> directions_;
  std::size_t patience_;
  double delta_;
  std::unique_ptr<Pruner> wrapped_;
};

}  // namespace lathe::nas
