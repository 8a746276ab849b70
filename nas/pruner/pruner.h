// Pruners: stop decisions between trials. (Patience, which looks at one trial only, is the objective's.)
//
// A pruner is a pure function of (header, committed history, trial), asked once after each committed report that neither
// ended nor failed the trial. It sees every report and every completed trial of the same virtual time.
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
  /// Stop `trial`, whose last report is the newest?
  virtual bool stops(const History& history, const Trial& trial) = 0;
};

/// Pruners by tag, as SamplerRegistry.
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
