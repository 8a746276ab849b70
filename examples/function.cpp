// Searches a function that defines its space as it runs: which curve learns best, and how fast? Bad trials are stopped early.
#include <lathe/base/math.h>
#include <lathe/nas/optimize.h>

#include <cstdio>

int main() {
  lathe::nas::StudyHeader header;
  header.trials = 60;
  header.pruner = "asha";
  header.pruner_settings = {{"min_resource", 1}, {"reduction_factor", 2}};
  lathe::nas::Study study(header);
  study.set_max_reports(8);
  const auto run = study.optimize(
      [](lathe::nas::TrialHandle& t) {
        const double rate = t.real("rate", 0.01, 1, {.log = true});
        const double limit = t.categorical("curve", {"steep", "flat"}) == "steep" ? 0.8 : 0.9;
        t.begin();  // all parameters are known: the work begins
        double value = 0;
        for (int step = 1; step <= 8 && !t.should_stop(); ++step) t.report(step, value += rate * (limit - value));
        return value;
      },
      2);  // two workers; with any other number the same study comes out
  std::printf("best %.4f with %s\nstudy %s\n", study.best().values[0], study.best().point.json().c_str(), run.hash.c_str());
}
