// What a configuration asks of its models: search.objectives, [limits], and what has to be prepared for them before a study begins.
#pragma once
#include <lathe/cli/model_config.h>
#include <lathe/nas/preparation.h>
#include <lathe/nas/study.h>
#include <lathe/nas/transformer/baseline.h>

#include <functional>
#include <optional>
#include <vector>

namespace lathe::cli {

/// search.objectives; empty for the default, the metric alone.
std::vector<nas::Quantity> objectives_of(const Config& config);
/// limits.target. InputError with its place.
std::vector<nas::Target> targets_of(const Config& config);

/// Metrics, directions and constraints of a training's study into its header. InputError with the place of the key: nothing that
/// training tells, an early stopping that cannot work.
void describe_objectives(const Config& config, nas::StudyHeader& header);

/// Everything that a TrainingObjective needs. Without a baseline in `preparation` (planning), targets on measured quantities
/// relative to the default are left out.
nas::TrainingSetting training_setting(const Config& config, const LoadedData& data, const nas::Preparation& preparation = {});

/// What has to be measured or trained before the first proposal, done; `folder` keeps it until the study has it. Interrupted if
/// stop_requested.
nas::Preparation prepare_study(const Config& config, const LoadedData& data, const std::filesystem::path& folder, Console& console,
                               const std::function<bool()>& stop_requested);

/// No architecture that was drawn is within the limits: says which limit excludes them all, and what the smallest would be.
[[noreturn]] void nothing_within_limits(const Config& config, const nas::TrainingSetting& setting, const nas::Space& space,
                                        const LoadedData& data);

}  // namespace lathe::cli
