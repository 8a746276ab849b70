#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/calibration_cache.h>

namespace lathe::nas {

namespace fs = std::filesystem;

CalibrationCache::CalibrationCache(fs::path file, const std::string& identity) : file_(std::move(file)) {
  if (file_.empty()) return;
  const std::string head = "calibration " + identity;
  if (fs::exists(file_)) {
    const std::string text = read_file(file_);
    const std::vector<std::string_view> lines = split(text, '\n');
    if (lines[0] == head && lines.size() > 1) {
      for (std::size_t i = 1; i + 1 < lines.size(); ++i) {  // what stands behind the last line feed was cut off
        const std::size_t tab = lines[i].find('\t');
        if (tab == std::string_view::npos) continue;
        try {
          results_.insert_or_assign(std::string(lines[i].substr(0, tab)), parse_segment_result(lines[i].substr(tab + 1)));
        } catch (const InputError&) {
          // A line that was cut off before another was written behind it: its segment is worked out again.
        }
      }
      if (!lines.back().empty()) append_line(file_, "");
      return;
    }
  }
  write_file_atomic(file_, head + "\n");
}

std::optional<SegmentResult> CalibrationCache::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = results_.find(key);
  return found == results_.end() ? std::nullopt : std::optional(found->second);
}

void CalibrationCache::add(const std::string& key, const SegmentResult& result) {
  const std::lock_guard lock(mutex_);
  if (!file_.empty()) append_line(file_, str(key, "\t", to_text(result)));
  results_.insert_or_assign(key, result);
}

SegmentResult CachedObjective::run(const Point& params, const SegmentContext& segment, const Checkpoint& checkpoint) {
  const std::string key = str(name_, " ", segment.trial, " ", segment.index);
  if (auto known = cache_.find(key)) return *known;
  SegmentResult result = objective_.run(params, segment, checkpoint);
  cache_.add(key, result);
  return result;
}

}  // namespace lathe::nas
