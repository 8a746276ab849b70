// Before a search runs: how large its space is, what it will take, and a time budget turned into numbers.
#pragma once
#include <lathe/cli/model_config.h>
#include <lathe/nas/preparation.h>

namespace lathe::cli {

/// Trials trained at the same time: search.workers, or one a core.
int worker_count(const Config& config);

/// Measures the speed of training, resolves search.time into trials, epochs and finalists (and empties it: from then on the numbers
/// define the study, not the clock), and prints the plan: as a result if it is all that was asked for, else as notes.
/// `preparation`: what there is of it; without latency its limits are left out of the plan, which says so. InputError if no
/// architecture is valid and within the limits, or the time is too short.
void plan_search(Config& config, const LoadedData& data, const nas::Preparation& preparation, Console& console, bool is_result);

}  // namespace lathe::cli
