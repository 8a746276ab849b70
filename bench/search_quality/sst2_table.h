// The table of real runs: a space of 864 points, each trained once on SST-2 phrases (sst2_runs.csv, written by sst2_train.cpp). A
// search over it is exact: whatever a sampler proposes has been trained.
#pragma once
#include <lathe/nas/space.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

namespace lathe::bench {

/// Seven parameters and an eighth that post-norm alone has. Names as in configurations of `lathe search`.
nas::Space sst2_space();

constexpr int kSst2Epochs = 4;

/// What one training gave; validation rows are the 872 sentences of SST-2's dev.tsv.
struct Sst2Run {
  double accuracy[kSst2Epochs] = {}, loss[kSst2Epochs] = {};  ///< after each epoch
  std::int64_t parameters = 0;
  std::int64_t epoch_flops = 0;     ///< of training, one epoch
  std::int64_t sentence_flops = 0;  ///< of an answer for a text of the mean length
};

class Sst2Table {
 public:
  /// InputError: a row that is no point of the space or is there twice, a number that is none, a point that is missing.
  explicit Sst2Table(const std::filesystem::path& file);
  const Sst2Run& at(const nas::Point& point) const;
  std::size_t size() const { return runs_.size(); }

 private:
  std::unordered_map<std::string, Sst2Run> runs_;  // by canonical text of the point
};

/// The row of the file for a point, and the names above the rows. A parameter that is inactive has an empty cell.
std::string sst2_row(const nas::Point& point, const Sst2Run& run);
std::string sst2_columns();

}  // namespace lathe::bench
