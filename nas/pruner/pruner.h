// Pruners: stop decisions between trials. (Patience, which looks at one trial only, is the objective's.)
//
// A pruner is a pure function of (header, committed history, trial), asked once after each committed report that neither
// ended nor failed the trial. It sees every report and every completed trial of the same virtual time. Constraints stop nothing.
//
// Several objectives: every pruner of lathe stops a trial only if it is worse in all of them (asha and hyperband: if enough
// others dominate it), so that no point of the Pareto front is lost to one of its prices. `threshold` looks at one of them.
//
// Adding one: a file in nas/pruner/ with a class and a factory, and a line in registry.cpp.
#pragma once
#include <lathe/nas/study.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lathe::nas {

class Pruner {
 public:
  virtual ~Pruner() = default;
  /// Stop `trial`, whose last report is the newest? It is one of `history`.
  virtual bool stops(const History& history, const Trial& trial) = 0;
  /// Tells a pruner that remembers earlier questions that a wrapper keeps some of them to itself: only those after a report of
  /// this index for which `asked` holds are put to it. Others need not care.
  virtual void only(std::function<bool(const Trial&, std::size_t report)> asked) { (void)asked; }
};

/// Pruners by tag, as SamplerRegistry; and `patient:<name>`, resolved to `patient@1:<tag>` (patient.h).
class PrunerRegistry {
 public:
  using Factory = std::function<std::unique_ptr<Pruner>(const StudyHeader&)>;
  static PrunerRegistry builtin();
  void add(std::string tag, Factory factory);
  std::string resolve(const std::string& name) const;
  std::unique_ptr<Pruner> make(const StudyHeader& header) const;
  std::vector<std::string> tags() const;

 private:
  std::map<std::string, Factory> factories_;
};

}  // namespace lathe::nas
