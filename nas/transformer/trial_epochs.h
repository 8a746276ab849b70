// Losses and scores of trials by epoch, which the study keeps as attributes of its reports. Private to nas/transformer.
#pragma once
#include <lathe/nas/transformer/results.h>

#include <span>

namespace lathe::nas {

/// Fills TrialRow::epochs from the reports of TrainingObjective among `events`; reports without such attributes are passed over.
void add_epochs(std::vector<TrialRow>& trials, std::span<const RecordedEvent> events);

}  // namespace lathe::nas
