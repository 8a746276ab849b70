// Before a search runs: how large its space is, what it will take, and a time budget turned into numbers.
#pragma once
#include <lathe/cli/model_config.h>
#include <lathe/nas/preparation.h>
#include <lathe/nas/transformer/plan.h>
#include <lathe/nas/transformer/search.h>

namespace lathe::cli {

/// Trials trained at the same time: search.workers, or one a core.
int worker_count(const Config& config);

/// What a search does with the time that it was given, as far as that is known before it begins.
struct TimePlan {
  double seconds = 0;      ///< search.time; 0: none was asked for
  nas::SearchSize wanted;  ///< as the configuration had it before the time was shared out
  nas::SpeedModel speed{{}};
  double behind_seconds = 0;  ///< of what comes behind the training of finalists
};

/// Measures the speed of training, resolves search.time into trials, epochs and finalists (and empties it: from then on the numbers
/// define the study, not the clock), and prints the plan: as a result if it is all that was asked for, else as notes.
/// `preparation`: what there is of it; without latency its limits are left out of the plan, which says so. InputError if no
/// architecture is valid and within the limits, or the time is too short. `elapsed`: seconds since the command began, which count.
TimePlan plan_search(Config& config, const LoadedData& data, const nas::StudyHeader& header, const nas::Preparation& preparation,
                     double elapsed, Console& console, bool is_result);

/// Once the study is done, for which `searched` of the `elapsed` seconds since the command began were spent: as many trainings of
/// finalists as fit into the time that is left, by the sizes of the best trials and the speed that was seen. Resolves
/// finalists.count, seeds and epochs to it. The study is what it is, and these numbers are recorded, so a search from the
/// configuration that is left gives the same winner. Returns of how many trials finalists could be chosen, at most as many as
/// were wanted.
std::int64_t resolve_finalists(Config& config, const TimePlan& plan, double elapsed, double searched, const nas::History& history,
                               const nas::SearchJob& job);

}  // namespace lathe::cli
