// [latency] of a configuration as a latency model.
#pragma once
#include <lathe/cli/config.h>
#include <lathe/cli/console.h>
#include <lathe/nas/transformer/latency.h>

#include <filesystem>

namespace lathe::cli {

/// The model of latency.from (a run folder, a study's database, or a latency.json), if that is set; else the one of
/// `folder`/latency.json, measured now if it is not there (`folder` may be empty: measured and not kept). Says on `console` what it
/// does, how long it takes and how well it predicts. InputError: a model for another load or space, or none at that place;
/// nas::Interrupted.
nas::LatencyModel latency_model(const Config& config, const nas::Space& space, const nas::TaskShape& task,
                                const std::filesystem::path& folder, const nas::StopFlag& stop, Console& console);

/// Writes `model`, measured for just these without a folder, where latency_model() finds it when the run is resumed.
void keep_latency(const Config& config, const nas::Space& space, const nas::TaskShape& task, const nas::LatencyModel& model,
                  const std::filesystem::path& folder);

}  // namespace lathe::cli
