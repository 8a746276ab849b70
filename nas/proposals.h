// Proposals that do not come from the sampler: points that a user enqueues, and what an earlier study found.
//
//   WarmStart earlier = warm_start(*old_storage, new_header);     // which trials fit the new space; says how many do not
//   new_header.warm_start = earlier.hash;
//   auto storage = memory_storage(new_header);
//   adopt(*storage, new_header, earlier);
//   enqueue(*storage, new_header.space, new_header.space.point({{"layers", 2}, {"lr", 1e-3}}));
//   execute(new_header, *objective, *storage);
//
// Both are events of the log, so that resume, replay and the study hash cover them. A study therefore depends on what was enqueued
// and behind which event, and on nothing else: to repeat it, enqueue before it begins. While it runs, any process may enqueue;
// every executor takes the point up where the log has it.
#pragma once
#include <lathe/nas/storage/storage.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::nas {

/// Appends `point` to the queue of the study in `storage`, behind its newest event; the commit index of the enqueueing. A point
/// with only some parameters (Space::partial) gets the others from the sampler when its turn comes. InputError: it breaks a rule of
/// the space. InfrastructureError: the storage failed.
std::uint64_t enqueue(Storage& storage, const Space& space, const Point& point);

/// What a new study can take from an earlier one.
struct WarmStart {
  std::string hash;           ///< study hash of the earlier one, as far as it has got; for StudyHeader::warm_start
  std::vector<Trial> trials;  ///< complete and pruned ones, in the order in which they finished, as points of the new space
  std::int64_t dropped = 0;   ///< complete and pruned ones that do not fit
  std::string why;            ///< of the first one dropped: "trial 3: hidden: 256 is not …"
  std::string text() const;   ///< "12 trials of an earlier study, 3 left out (…)"
};

/// Finished trials of the study in `earlier` for a study of `header`. A trial is dropped if it has a parameter that the new space
/// lacks, lacks one that is active there, has a value outside of its new domain, or breaks a new rule. Failed trials are not
/// counted. InputError: other objectives (metrics or directions), other constraints, not a study of lathe.
WarmStart warm_start(Storage& earlier, const StudyHeader& header);

/// Writes them into the log of a study that has not begun. InputError: its log is not empty, or its header names another
/// warm_start.
void adopt(Storage& storage, const StudyHeader& header, const WarmStart& earlier);

}  // namespace lathe::nas
