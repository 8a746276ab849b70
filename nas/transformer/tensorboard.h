// TensorBoard's event files, written without protobuf: one folder a trial, scalars by epoch, the point as HParams.
//
// A file is a row of records: length (u64), masked CRC-32C of it, bytes, masked CRC-32C of them, all little-endian. Bytes are
// protobuf messages of tensorboard/compat/proto/event.proto, summary.proto and plugins/hparams/plugin_data.proto. The first says
// "brain.Event:2". Weights & Biases, Aim and SwanLab read the same files.
#pragma once
#include <lathe/nas/transformer/results.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lathe::nas {

/// CRC-32C (Castagnoli), turned right by 15 bits, plus 0xa282ead8.
std::uint32_t masked_crc32c(std::string_view bytes);

class EventFile {
 public:
  /// `wall_time` of every event, seconds since 1970: events carry no clock of their own, so equal runs give equal files.
  explicit EventFile(double wall_time);

  void scalar(std::string_view tag, std::int64_t step, double value);
  /// The point: numbers as numbers, true and false as such, other values as texts. `group` joins sessions of one point.
  void start(const std::vector<std::pair<std::string, std::string>>& parameters, std::string_view group);
  enum class Status { success = 1, failure = 2, running = 3 };
  void end(Status status);

  const std::string& bytes() const { return bytes_; }

 private:
  void event(std::string_view fields);
  void hparams(std::string_view tag, std::string_view content);
  double wall_time_;
  std::string bytes_;
};

/// Writes <folder>/trial-0031/events.out.tfevents.… for each trial and <folder>/finalist-31-seed-1/… for each final training.
/// Earlier files of the same run are replaced. `date`: seconds since 1970, in names and events.
void write_tensorboard(const RunResults& results, const std::filesystem::path& folder, std::int64_t date = 0);

}  // namespace lathe::nas
