#include <lathe/nas/pruner/hyperband.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/sampler/sampler.h>

#include <algorithm>
#include <numeric>

namespace lathe::nas {

std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

HyperbandPruner::HyperbandPruner(const StudyHeader& header) : directions_(header.directions), seed_(header.seed) {
  const Settings& s = header.pruner_settings;
  check_settings("pruner hyperband", s, {"min_resource", "max_resource", "reduction_factor", "bootstrap_count"});
  least_ = whole_setting("pruner hyperband", s, "min_resource", 1, 1);
  factor_ = whole_setting("pruner hyperband", s, "reduction_factor", 3, 2);
  bootstrap_ = whole_setting("pruner hyperband", s, "bootstrap_count", 0, 0);
  const std::int64_t most = whole_setting("pruner hyperband", s, "max_resource", 0, 0);
  if (bootstrap_ > 0 && most == 0)
    throw InputError(
        "pruner hyperband: bootstrap_count needs a max_resource, which is found from the first complete trial otherwise");
  if (most > 0 && most < least_)
    throw InputError(str("pruner hyperband: max_resource is ", most, ", expected at least min_resource, ", least_));
  if (most > 0) begin(most);
}

void HyperbandPruner::begin(std::int64_t most) {
  std::int64_t count = 1;
  for (std::int64_t step = least_; step <= most / factor_; step *= factor_) ++count;
  for (std::int64_t b = 0; b < count; ++b) {
    const std::int64_t t = count - 1 - b;
    std::int64_t power = 1;  // η^t ≤ R / r ≤ 10⁹
    for (std::int64_t i = 0; i < t; ++i) power *= factor_;
    shares_.push_back(static_cast<std::uint64_t>((count * power + t) / (t + 1)));
    brackets_.emplace_back(least_, factor_, b, bootstrap_, directions_);
  }
}

std::size_t HyperbandPruner::bracket(std::int64_t number) const {
  const std::uint64_t total = std::accumulate(shares_.begin(), shares_.end(), std::uint64_t{0});
  std::uint64_t n = crc32(str(seed_, "_", number)) % total;
  std::size_t b = 0;
  for (; n >= shares_[b]; ++b) n -= shares_[b];
  return b;
}

bool HyperbandPruner::stops(const History& history, const Trial& trial) {
  if (trial.reports.empty()) return false;
  bool stop = false;
  for (const Question& question : questions_.until(history, trial)) {
    if (brackets_.empty()) {
      const auto largest = largest_complete_step(history, question.trial->reports[question.report].time);
      if (!largest) continue;
      begin(std::max(*largest + 1, least_));
    }
    const bool answer = brackets_[bracket(question.trial->number)].stops(question);
    if (question.trial == &trial && question.report + 1 == trial.reports.size()) stop = answer;
  }
  return stop;
}

}  // namespace lathe::nas
