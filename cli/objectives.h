// What a configuration asks of its models: search.objectives, and [limits].
#pragma once
#include <lathe/cli/model_config.h>
#include <lathe/nas/preparation.h>
#include <lathe/nas/study.h>
#include <lathe/nas/transformer/baseline.h>
#include <lathe/nas/transformer/latency.h>

#include <memory>
#include <optional>
#include <vector>

namespace lathe::cli {

/// "lathe.toml:14:1: " of a key that was set, else "": how a message about it begins.
std::string place_of(const Config& config, std::string_view key);

/// search.objectives; empty for the default, the metric alone.
std::vector<nas::Quantity> objectives_of(const Config& config);
/// limits.target. InputError with its place.
std::vector<nas::Target> targets_of(const Config& config);

/// Metrics, directions and constraints of a training's study into its header. InputError with the place of the key: nothing that
/// training tells, an early stopping that cannot work.
void describe_objectives(const Config& config, nas::StudyHeader& header);

/// Is latency_ms an objective, a limit or part of a target?
bool needs_latency(const Config& config);
/// The latency model in a study's preparation; null if there is none.
std::shared_ptr<const nas::LatencyModel> latency_of(const nas::Preparation& preparation);

/// Everything that a TrainingObjective needs to run the study that has this preparation. LATHE_CHECK: the preparation lacks a part.
nas::TrainingSetting training_setting(const Config& config, const LoadedData& data, const nas::Preparation& preparation);
/// The same before everything is prepared: what is not known yet (latency; measured targets relative to the default) is left out.
nas::TrainingSetting planning_setting(const Config& config, const LoadedData& data, const nas::Preparation& preparation);

/// No architecture that was drawn is within the limits: says which limit excludes them all, and what the smallest would be.
[[noreturn]] void nothing_within_limits(const Config& config, const nas::TrainingSetting& setting, const nas::Space& space,
                                        const LoadedData& data);

}  // namespace lathe::cli
