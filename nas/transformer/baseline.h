// The default architecture, trained before the first proposal: what targets such as "accuracy >= 0.95 * default" are relative to.
//
// It is trained once with the epochs of the search, seed and trial number 2³² − 1 of the study, and judged by its best epoch on the
// validation rows, like every trial. Part "baseline" of the study's preparation.
#pragma once
#include <lathe/nas/transformer/objective.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace lathe::nas {

struct Baseline {
  std::int64_t epoch = 0;  ///< the best one
  train::Scores scores;    ///< of the validation rows, after it
  std::string weights;     ///< SHA-256 of the parameters after it
  std::string json() const;
  static Baseline parse(std::string_view json, const std::string& where);  ///< InputError "<where>: …"
  bool operator==(const Baseline& other) const { return json() == other.json(); }
};

/// Trains setting.base. `file`: where the result is kept and found again (empty: nowhere); one that is damaged, or of another
/// setting, seed or data, is made anew. Interrupted if stop_requested; NonFiniteError and MemoryLimitError of the training.
Baseline train_baseline(const TrainingSetting& setting, const data::EncodedSplits& rows, std::uint64_t seed,
                        const std::filesystem::path& file = {}, const std::function<bool()>& stop_requested = {}, int threads = 1);

/// Limits that targets mean: known quantities relative to the default's cost, measured ones to `baseline`. Without a baseline
/// (planning) targets on measured quantities relative to the default are left out.
std::vector<Limit> resolve(std::span<const Target> targets, const CandidateCost& cost_of_default, const Baseline* baseline);
/// Does any of them need the default's training?
bool needs_baseline(std::span<const Target> targets);

}  // namespace lathe::nas
