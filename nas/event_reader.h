// Private: the fields of a recorded event line.
#pragma once
#include <lathe/nas/space.h>
#include <lathe/nas/trial.h>

#include <string>
#include <string_view>

namespace lathe::nas {

struct EventFields {
  std::uint64_t index = 0, time = 0;
  Event::Kind kind = Event::Kind::propose;
  std::int64_t trial = 0;                  // extend: the new budget
  int worker = 0;                          // propose
  std::int64_t reused = -1;                // propose
  Plan plan;                               // propose
  std::string_view point;                  // propose, enqueue, adopt: JSON
  std::int64_t foreign = -1;               // enqueue, adopt
  bool partial = false;                    // enqueue
  int segment = 0;                         // report
  int step = 0;                            // adopt
  SegmentResult result;                    // report; finish, adopt: values and failure
  TrialState state = TrialState::running;  // finish, adopt
};

/// InputError names the line. The views point into `line`.
EventFields read_event(std::string_view line);

/// The trial that an adopt event tells of. InputError: its point is none of `space`.
Trial adopted_trial(const Space& space, const EventFields& fields);

}  // namespace lathe::nas
