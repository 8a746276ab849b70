// Settings of a sampler, read with their ranges. Every mistake is one InputError line that names sampler, setting and range.
#pragma once
#include <lathe/nas/study.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace lathe::nas {

class Options {
 public:
  /// InputError: a setting that is not among `names` (nearest one).
  Options(std::string sampler, const Settings& settings, const std::vector<std::string>& names);
  std::int64_t whole(const std::string& name, std::int64_t otherwise, std::int64_t least, std::int64_t most = 1'000'000'000) const;
  double real(const std::string& name, double otherwise, double least, double most) const;
  bool flag(const std::string& name, bool otherwise) const;  ///< 0 or 1

 private:
  std::string sampler_;
  Settings settings_;
};

}  // namespace lathe::nas
