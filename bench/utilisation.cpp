// How busy are real workers while the study is deterministic? Segments that sleep for log-normal times (sigma = 1) under ASHA.
//
//   utilisation [TRIALS]
//
// One line for each number of real workers W, number of virtual workers V, and kind of cost: `known` (a trial's ticks are
// proportional to its times, as FLOPs are) or `unknown` (every segment is one tick). busy: share of the workers' time in which they
// run a segment; useful: share that belongs to results in the log, and not to segments that a stop decision cut off.
#include <lathe/base/math.h>
#include <lathe/base/random.h>
#include <lathe/nas/executor.h>
#include <lathe/nas/storage/memory.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <thread>

using namespace lathe;
using namespace lathe::nas;

namespace {

constexpr int kEpochs = 9;
constexpr double kMedianMs = 6;

/// Milliseconds of every segment of a point.
double duration_ms(const Point& point) {
  Random chance(random_key(7, static_cast<std::uint64_t>(point.integer("x")), "duration"));
  return kMedianMs * math::exp(chance.normal());
}

class Sleeping final : public Objective {
 public:
  explicit Sleeping(bool known) : known_(known) {}
  Plan plan(const Point& p) const override {
    Plan plan;
    plan.segments.clear();
    const auto ticks = known_ ? static_cast<std::uint64_t>(std::max(1.0, 100 * duration_ms(p))) : 1;
    for (int epoch = 1; epoch <= kEpochs; ++epoch) plan.segments.push_back({0, epoch, ticks});
    return plan;
  }
  SegmentResult run(const Point& p, const SegmentContext& c, const Checkpoint&) override {
    const auto begin = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(duration_ms(p)));
    busy_ns += std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin).count();
    Random chance(random_key(8, static_cast<std::uint64_t>(p.integer("x")), "quality"), static_cast<std::uint32_t>(c.segment.step));
    return SegmentResult::of(p.real("quality") * (1 - 1.0 / (1 + c.segment.step)) + 0.05 * chance.normal());
  }
  std::atomic<std::int64_t> busy_ns{0};

 private:
  bool known_;
};

void measure(int workers, int virtual_workers, bool known, std::int64_t trials) {
  StudyHeader header;
  header.space = SpaceBuilder().integer("x", 0, 1'000'000'000).real("quality", 0, 1).build();
  header.trials = trials;
  header.virtual_workers = virtual_workers;
  header.pruner = "asha@1";
  header.pruner_settings = {{"min_resource", 1}, {"reduction_factor", 3}};
  Sleeping objective(known);
  const auto storage = memory_storage(header);
  const auto begin = std::chrono::steady_clock::now();
  const StudyRun run = execute(header, objective, *storage, {.workers = workers});
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  double useful = 0;
  for (const Trial& trial : run.history.trials)
    useful += 1e-3 * duration_ms(trial.point) * static_cast<double>(trial.reports.size());
  std::printf("W %d  V %2d  cost %-7s  busy %5.1f %%  useful %5.1f %%  %lld segments in %.1f s\n", workers, virtual_workers,
              known ? "known" : "unknown", 100 * 1e-9 * static_cast<double>(objective.busy_ns) / (wall * workers),
              100 * useful / (wall * workers), static_cast<long long>([&] {
                std::size_t reports = 0;
                for (const Trial& trial : run.history.trials) reports += trial.reports.size();
                return reports;
              }()),
              wall);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t trials = argc > 1 ? std::atoll(argv[1]) : 300;
  if (trials < 1) {
    std::fprintf(stderr, "utilisation: TRIALS is `%s`, expected a whole number of at least 1\n", argv[1]);
    return 2;
  }
  for (const bool known : {true, false})
    for (const int workers : {2, 8}) {
      std::set<int> all = {4, 2 * workers};
      for (const int v : all) measure(workers, v, known, trials);
    }
}
