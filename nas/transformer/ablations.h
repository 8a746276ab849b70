// One-step changes of the winner, trained for this purpose: what each of its decisions was worth, where the study cannot tell.
// Private to nas/transformer.
#pragma once
#include <lathe/nas/transformer/search.h>

namespace lathe::nas {

/// Trains the winner's point again and up to job.ablations of its one_step_neighbours(), the most important parameters first, as in
/// the search (its epochs) and with job.seeds seeds and equal random streams, in <folder>/ablations; adds the
/// differences of their validation metric, with errors over rows and seeds (score_difference() of intervals.h), to
/// `results.why.effects`. What the objective refuses is passed over. The test rows
/// are not read. A call that was interrupted goes on where it was.
void retrain_neighbours(RunResults& results, const SearchJob& job, const History& history, const TrainingObjective& objective);

}  // namespace lathe::nas
