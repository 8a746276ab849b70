// Every sampler with every pruner, on one small space, for the tests of determinism.
#pragma once
#include <lathe/nas/controller/controller.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/nas/support.h"

namespace lathe::nas::test {

/// A tag with settings that make it act within a study of some twenty trials.
struct Choice {
  std::string tag;
  Settings settings;
};

inline const std::vector<Choice> kEverySampler = {{"controller@1", {{"update_every", 5}, {"window", 10}, {"epochs", 2}}},
                                                  {"evolution@1", {{"population_size", 6}, {"sample_size", 3}}},
                                                  {"gp@1", {{"n_startup_trials", 5}, {"n_candidates", 32}}},
                                                  {"grid@1", {{"shuffle", 1}}},
                                                  {"nsga2@1", {{"population_size", 5}}},
                                                  {"random@1", {}},
                                                  {"sobol@1", {}},
                                                  {"tpe@optuna-5.0", {{"n_startup_trials", 5}}}};
inline const std::vector<Choice> kEveryPruner = {
    {"asha@1", {{"min_resource", 1}, {"reduction_factor", 2}}},
    {"hyperband@1", {{"max_resource", 4}, {"reduction_factor", 2}}},
    {"median@1", {{"n_startup_trials", 3}}},
    {"none@1", {}},
    {"patient@1:asha@1", {{"patience", 0}, {"min_resource", 1}, {"reduction_factor", 2}}},
    {"threshold@1", {{"lower", 0.55}, {"n_warmup_steps", 2}}},
    {"wilcoxon@1", {{"p_threshold", 0.3}}},
};

/// Options of execute() under which every one of them is known.
inline ExecutorOptions knowing_all(ExecutorOptions options = {}) {
  options.samplers = all_samplers();
  return options;
}

/// Does it serve one objective only?
inline bool serves_one(const std::string& sampler) {
  return sampler == "controller@1" || sampler == "evolution@1" || sampler == "gp@1";
}

/// small_space() with a stepped rate, so that a grid exists, of 58,752 points.
inline Space finite_space() {
  return SpaceBuilder()
      .integer("layers", 1, 3)
      .integer("hidden", 32, 128, {.step = 32})
      .categorical("layers[i].heads", {1, 2, 4, 8})
      .real("lr", 0.001, 0.01, {.step = 0.001})
      .categorical("norm", {"layer", "rms"})
      .real("eps", 0.1, 0.5, {.step = 0.1, .when = "norm == 'rms'"})
      .rule("hidden % layers[i].heads == 0")
      .build();
}

inline StudyHeader combined(const Choice& sampler, const Choice& pruner, std::int64_t trials, std::uint64_t seed = 1) {
  StudyHeader header;
  header.name = "combined";
  header.space = finite_space();
  header.trials = trials;
  header.seed = seed;
  header.sampler = sampler.tag;
  header.sampler_settings = sampler.settings;
  header.pruner = pruner.tag;
  header.pruner_settings = pruner.settings;
  return header;
}

}  // namespace lathe::nas::test
