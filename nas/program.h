// Any program as a function to optimise.
//
//   StudyHeader header;
//   header.space = SpaceBuilder().real("x", -5, 5).integer("layers", 1, 6).build();
//   Study study(header);
//   study.optimize(program({.command = "python3 train.py", .log_folder = "logs"}), 2);
//
// The command is run by /bin/sh, once for each trial. It reads one line of JSON from standard input, the
// parameters: {"x":0.25,"layers":3}; LATHE_TRIAL and LATHE_SEED in its environment are the trial's number and the study's seed. It
// writes JSON objects to standard output, one a line; other lines that do not begin with { are passed over:
//   {"step": 1, "value": 0.5}            an intermediate report, steps 1, 2, 3, … up to Study::max_reports(); it may be killed
//   after it
//   {"value": 0.7}                       the final value; with several objectives {"values": [0.7, 12]}, with constraints, in
//                                        reports too, {"value": 0.7, "constraints": [-1.5]}
// Its standard error goes to trial-<number>.err in the log folder, the attempts one behind the other.
//
// How it ends:
//   exit code 0 with a final value                    the trial is complete
//   exit code 75, 126 or 127, or a signal             the machine's fault (75: it asks to be run again; 126, 127: the shell cannot
//                                                     run it; SIGKILL: usually out of memory; codes 129 to 159 are how a shell
//                                                     tells the signal that ended what it ran): it runs again, and the third time
//                                                     the study stops
//   any other exit code, longer than time_limit, no final value, a line that is no such object       the trial failed, for ever
// To keep the study deterministic it must print the same values for the same parameters, trial and seed.
#pragma once
#include <lathe/nas/optimize.h>

#include <chrono>
#include <filesystem>
#include <string>

namespace lathe::nas {

struct ProgramOptions {
  std::string command;
  std::chrono::milliseconds time_limit{0};  ///< of one trial; 0: none
  std::filesystem::path log_folder;         ///< is made if it is missing; empty: standard error is thrown away
  std::filesystem::path folder = {};        ///< where the program runs; empty: the working directory
  /// How many values and constraints a line has, else the trial fails. 0 values: whatever comes is passed on, and a wrong number is
  /// an InputError of the study.
  std::size_t objectives = 0, constraints = 0;
};

/// The program as a function for Study::optimize(), whose header needs a space. InputError: no command. Programs are killed, with
/// all that they started, when their trial is stopped or the study is.
Study::Function program(ProgramOptions options);

}  // namespace lathe::nas
