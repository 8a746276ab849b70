// Finished evaluations of a calibration as lines of a file. Private to nas/transformer.
#pragma once
#include <lathe/nas/objective.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <string>

namespace lathe::nas {

/// calibration.log: the identity of a calibration, then one line a finished segment, appended as it ends. A line that a kill cut
/// off is passed over; a file of another identity is begun anew. Safe to use from several threads.
class CalibrationCache {
 public:
  /// An empty path: in memory alone. InfrastructureError if the file cannot be written.
  CalibrationCache(std::filesystem::path file, const std::string& identity);

  std::optional<SegmentResult> find(const std::string& key) const;
  void add(const std::string& key, const SegmentResult& result);

 private:
  std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::map<std::string, SegmentResult> results_;
};

/// An objective whose finished segments are in a cache under `<name> <trial> <segment>`.
class CachedObjective final : public Objective {
 public:
  CachedObjective(Objective& objective, CalibrationCache& cache, std::string name)
      : objective_(objective), cache_(cache), name_(std::move(name)) {}
  Plan plan(const Point& params) const override { return objective_.plan(params); }
  std::optional<std::string> refuse(const Point& params) const override { return objective_.refuse(params); }
  SegmentResult run(const Point& params, const SegmentContext& segment, const Checkpoint& checkpoint) override;

 private:
  Objective& objective_;
  CalibrationCache& cache_;
  std::string name_;
};

}  // namespace lathe::nas
