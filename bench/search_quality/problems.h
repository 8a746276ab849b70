// What the search-quality benchmark optimises: functions whose best value is known, sets of objectives, and a table of real runs.
#pragma once
#include <lathe/nas/objective.h>
#include <lathe/nas/space.h>

#include <functional>
#include <string>
#include <vector>

namespace lathe::bench {

struct Outcome {
  std::vector<double> values;       ///< all are minimised
  std::vector<double> constraints;  ///< c ≤ 0 holds
};

struct Problem {
  std::string name;
  nas::Space space;
  std::vector<std::string> metrics, constraints;
  double optimum = 0;             ///< one objective: the best value there is
  std::vector<double> reference;  ///< several objectives: of the hypervolume
  std::function<Outcome(const nas::Point&)> evaluate;
};

/// branin, hartmann6, rosenbrock10 (the usual ones); mixed (8 parameters of a made-up training: reals, integers, choices,
/// logarithms, an optimum that depends on the choice); tree (three kinds of model, each with parameters of its own); zdt1, zdt2,
/// zdt3 (Zitzler, Deb, Thiele 2000, 10 parameters); c2dtlz2 (Deb et al. 2005, constrained as C2-DTLZ2 by Jain and Deb 2014, 3
/// objectives, 5 parameters); sst2 (validation error of the runs in sst2_runs.csv), sst2_loss (their validation loss) and
/// sst2_flops (error and log10 of the FLOPs of an answer). `table`: that file. InputError: no such problem (nearest name).
Problem problem(const std::string& name, const std::string& table);
const std::vector<std::string>& problem_names();

}  // namespace lathe::bench
