// What a search does before its first proposal, and how it then judges architectures: search.evaluate, [proxy], [supernet],
// [latency], and the default architecture where limits.target is relative to it.
#pragma once
#include <lathe/cli/config.h>
#include <lathe/cli/console.h>
#include <lathe/cli/model_config.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/preparation.h>
#include <lathe/nas/study.h>

#include <filesystem>
#include <memory>

namespace lathe::cli {

/// The study that is to begin, resumed or joined.
struct StudyPlace {
  const Config& config;
  const LoadedData& data;
  const nas::StudyHeader& header;  ///< space, seed, objectives
  std::filesystem::path folder;    ///< of the run, where what was prepared is kept until the study has it, and large parts of it
  int workers = 1;                 ///< the result does not depend on it
  nas::StopFlag stop;
  Console& console;
};

/// What tells the values of trials, as nas::StudySummaryRow::evaluation.
std::string evaluation_name(const Config& config);

/// What judging candidates costs beside training them in full.
struct Cheapness {
  double share = 1;          ///< of the time of training, by the FLOPs of the points
  std::int64_t reports = 1;  ///< values of a trial that early stopping could look at
};
Cheapness cheapness(const Config& config, const LoadedData& data, const nas::StudyHeader& header,
                    const nas::TrainingObjective& full, std::span<const nas::Point> points);

/// InputError with the place of the key: what search.evaluate asks for is not possible on these data and in this space, or a target
/// cannot be judged by it. Asked before anything is written.
void check_evaluation(const Config& config, const LoadedData& data, const nas::StudyHeader& header, const nas::Preparation& done);

/// Latency where it is asked for, the default architecture, judged as candidates are, where a target is relative to it, shared
/// weights where candidates inherit them, and the calibration of whatever stands for training in full. `done`: parts that are there
/// already. nas::ProxyRefused: what is to stand for training does not rank well enough; nas::Interrupted.
nas::Preparation prepare_study(const StudyPlace& study, nas::Preparation done = {});

/// What the study executes in place of `full`, which must outlive it; null for search.evaluate = "train". `preparation`: complete.
/// Shared weights are read from the folder, or trained again where it lacks them.
std::unique_ptr<nas::Objective> study_objective(const StudyPlace& study, const nas::TrainingObjective& full,
                                                const nas::Preparation& preparation);

}  // namespace lathe::cli
