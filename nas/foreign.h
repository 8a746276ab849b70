// What another program (Optuna) wrote into the tables that a study lies in, and studies that it made.
//
// A study of lathe that Optuna went on with: execute() takes up what it finds when it begins and, on a shared storage, about once a
// second while it runs. Finished trials that fit are adopted, so that the sampler knows them from then on; points that were
// enqueued there come before the sampler's. Both are events of the log, so resume, replay and hash cover them: the study is the
// same function of its log as ever, but others decided about part of the log: it is `mixed` (Storage::foreign_changes()).
//
// A study that Optuna made:
//   StudyHeader header = foreign_header(*backend, "their study");   // its space, objectives, constraints; change what you like
//   header.trials = 50;                                             // lathe's own, beside those that are there
//   header.sampler = "tpe@optuna-5.0";
//   const auto storage = backend->take_over(header);                // from now on open(name)
//   execute(header, *objective, *storage);                          // adopts its trials first
#pragma once
#include <lathe/nas/storage/storage.h>
#include <lathe/nas/virtual_time.h>

#include <string>
#include <vector>

namespace lathe::nas {

/// A header for a study that another program made: name, directions, names of metrics and constraints as they are there, and the
/// space of foreign_space(); all else has its defaults. InputError: as foreign_space(), or trials with different constraints.
StudyHeader foreign_header(Backend& backend, const std::string& name);

/// The space that the parameters of `trials` come from. A range that moved becomes the one that covers all of them. A parameter
/// that some trials lack gets a condition on another one, if that one's values tell the trials with it from those without it: a
/// list of choices, or a bound of a number. InputError: no trial has a parameter; a parameter whose absence cannot be told so; a
/// choice that is null; changed kinds, steps or choices; names that SpaceBuilder refuses.
Space foreign_space(const std::vector<ForeignTrial>& trials);

/// Adopts or enqueues in `engine` what `trial` holds; the events to be appended. InputError says why it does not fit (unknown or
/// missing parameters, a value outside of its range, a broken rule, other constraints, values that are not finite); the engine is
/// then unchanged.
std::vector<Event> take_up(VirtualTime& engine, const ForeignTrial& trial);
/// Has that been done?
bool taken_up(const VirtualTime& engine, const ForeignTrial& trial);

}  // namespace lathe::nas
