#include <lathe/cli/search_plan.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/format.h>
#include <lathe/cli/objectives.h>
#include <lathe/nas/transformer/plan.h>

#include <algorithm>
#include <thread>

namespace lathe::cli {
namespace {

nas::SearchSize size_of(const Config& config) {
  nas::SearchSize size;
  size.trials = config.integer("search.trials");
  size.epochs = config.integer("train.epochs");
  size.finalists = config.integer("finalists.count");
  size.seeds = config.integer("finalists.seeds");
  size.finalist_epochs = config.integer("finalists.epochs");
  if (size.finalist_epochs == 0) size.finalist_epochs = size.epochs;
  size.baselines = nas::needs_baseline(targets_of(config)) ? 1 : 0;
  return size;
}

void resolve(Config& config, const nas::SearchSize& size) {
  config.resolve("search.trials", size.trials);
  config.resolve("train.epochs", size.epochs);
  config.resolve("finalists.count", size.finalists);
  config.resolve("finalists.seeds", size.seeds);
  config.resolve("finalists.epochs", size.finalist_epochs);
  config.resolve("search.time", std::string());
}

struct Plan {
  nas::SearchSize size;
  nas::Estimate estimate;
  double admissible = 0, flops_per_second = 0;
  std::int64_t drawn = 0;
  std::string space;
  int workers = 1;
};

Plan make_plan(Config& config, const LoadedData& data, const nas::Preparation& preparation) {
  const nas::TrainingSetting setting = planning_setting(config, data, preparation);
  const nas::TrainingObjective objective(setting, data.rows.train, data.rows.valid);
  const nas::Space space = make_space(config);
  nas::SpaceSample sample;
  try {
    sample = nas::sample_space(space, objective);
  } catch (const InputError&) {
    const auto known = [](const nas::Limit& limit) { return !nas::is_measured(limit.quantity); };
    if (std::any_of(setting.limits.begin(), setting.limits.end(), known)) nothing_within_limits(config, setting, space, data);
    throw;
  }
  const nas::CandidateCost base = nas::cost_of(setting.base, data.task, data.rows.train);
  const nas::SpeedModel speed = nas::measure_speed(sample, objective);
  Plan plan;
  plan.workers = worker_count(config);
  plan.size = size_of(config);
  if (const double seconds = config.seconds("search.time"); seconds > 0) {
    plan.size = nas::resolve_time(seconds, sample, speed, plan.size, base, plan.workers);
    resolve(config, plan.size);
  }
  plan.estimate = nas::estimate(sample, speed, plan.size, base, plan.workers);
  plan.admissible = sample.admissible();
  plan.drawn = sample.drawn;
  plan.flops_per_second = speed.flops_per_second();
  plan.space = space_size(space);
  return plan;
}

void print_json(const Plan& plan, Console& console) {
  console.json_line("plan", [&](JsonWriter& json) {
    json.member("space", plan.space).member("admissible", plan.admissible).member("trials", plan.size.trials);
    json.member("epochs", plan.size.epochs).member("finalists", plan.size.finalists).member("seeds", plan.size.seeds);
    json.member("finalist_epochs", plan.size.finalist_epochs).member("workers", plan.workers);
    json.member("search_seconds", plan.estimate.search_seconds).member("finalist_seconds", plan.estimate.finalist_seconds);
    json.member("preparation_seconds", plan.estimate.preparation_seconds);
    json.member("worker_bytes", plan.estimate.worker_bytes).member("flops_per_second", plan.flops_per_second);
  });
}

}  // namespace

int worker_count(const Config& config) {
  const std::int64_t workers = config.integer("search.workers");
  return workers > 0 ? static_cast<int>(workers) : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void plan_search(Config& config, const LoadedData& data, const nas::Preparation& preparation, Console& console, bool is_result) {
  const Plan plan = make_plan(config, data, preparation);
  if (console.json()) return print_json(plan, console);
  const auto print = [&](const std::string& line) { is_result ? console.result(line + "\n") : console.note(line); };
  const nas::SearchSize& size = plan.size;
  print(str("space   ", plan.space, "; ", format_percent(plan.admissible, 0), " of ", plan.drawn,
            " drawn ones are valid and within the limits"));
  const double before = plan.estimate.preparation_seconds;
  print(str("plan    ", before > 0 ? format_duration(before) + ": the default, for limits.target | " : "",
            format_duration(plan.estimate.search_seconds), " search: ", plural(size.trials, "trial"), ", ",
            plural(size.epochs, "epoch"), ", ", config.text("search.sampler"), " sampler, ", config.text("search.pruner"),
            " stopping | ", format_duration(plan.estimate.finalist_seconds), ": ", plural(size.finalists, "finalist"),
            " and the default x ", plural(size.seeds, "seed"), ", ", plural(size.finalist_epochs, "epoch")));
  print(str("total   at most about ", format_duration(plan.estimate.total()), " with ", plural(plan.workers, "worker"), " at ",
            fixed(plan.flops_per_second * 1e-9, 0), " GFLOP/s each; memory ", format_bytes(plan.estimate.worker_bytes),
            " a worker"));
  std::vector<std::string> left_out;
  if (needs_latency(config) && !preparation.has("latency")) left_out.push_back("limits of latency, which is measured first");
  if (config.text("search.evaluate") == "proxy") left_out.push_back("the calibration, and that trials cost less");
  if (config.text("search.evaluate") == "inherited")
    left_out.push_back("training shared weights and the calibration, and that trials cost next to nothing");
  if (!left_out.empty()) print("        not counted: " + join(left_out, "; "));
}

}  // namespace lathe::cli
