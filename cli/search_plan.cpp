#include <lathe/cli/search_plan.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/format.h>
#include <lathe/cli/objectives.h>
#include <lathe/cli/preparation.h>
#include <lathe/data/baseline.h>
#include <lathe/nas/controller/controller.h>
#include <lathe/nas/transformer/plan.h>

#include <algorithm>
#include <chrono>
#include <functional>
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
  size.baselines = nas::needs_baseline(targets_of(config)) && config.text("search.evaluate") != "inherited" ? 1 : 0;
  if (config.text("search.evaluate") != "train") size.calibrated = config.integer("proxy.architectures");
  if (config.text("search.evaluate") == "inherited") {
    size.shared_epochs = config.integer("supernet.epochs");
    size.shared_random = config.integer("supernet.random");
  }
  size.ablations = config.integer("finalists.ablations");
  return size;
}

void resolve_finalists(Config& config, const nas::SearchSize& size) {
  config.resolve("finalists.count", size.finalists);
  config.resolve("finalists.seeds", size.seeds);
  config.resolve("finalists.epochs", size.finalist_epochs);
}

void resolve(Config& config, const nas::SearchSize& size) {
  config.resolve("search.trials", size.trials);
  config.resolve("train.epochs", size.epochs);
  config.resolve("search.time", std::string());
  resolve_finalists(config, size);
}

struct Plan {
  nas::SearchSize size;
  nas::Estimate estimate;
  double admissible = 0, flops_per_second = 0;
  std::int64_t drawn = 0;
  std::string space;
  int workers = 1;
  nas::SpeedModel speed{{}};
  double behind_seconds = 0;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The bag of words is fitted to all rows in the end; here to some, to see how long that takes.
double baseline_seconds(const LoadedData& data) {
  constexpr std::size_t kRows = 2000;
  const auto some = [](const data::Examples& rows, std::size_t most) {
    std::vector<std::size_t> chosen(std::min(rows.size(), most));
    for (std::size_t i = 0; i < chosen.size(); ++i) chosen[i] = i * rows.size() / chosen.size();
    return rows.select(chosen);
  };
  const data::Examples train = some(data.text.train, kRows), valid = some(data.text.valid, kRows / 10);
  const auto start = std::chrono::steady_clock::now();
  data::BagOfWords::fit(train, valid);
  return seconds_since(start) * static_cast<double>(data.text.train.size()) /
         static_cast<double>(std::max<std::size_t>(train.size(), 1));
}

/// What nas::measure_models takes, most of it given as a time.
double measuring_seconds(const Config& config, std::int64_t finalists) {
  return config.flag("finalists.measure") && finalists > 0 ? static_cast<double>(finalists + 1) * 1.1 + 1.5 : 0;
}

/// What nas::measure_table takes if it is still to be done: its visits, a quarter more to warm up, a quarter more at the reference.
double latency_seconds(const Config& config, const nas::Preparation& preparation) {
  if (!needs_latency(config) || preparation.has("latency")) return 0;
  const nas::MeasureOptions options;
  return 1.5e-9 * static_cast<double>(options.visit_ns * options.rounds * config.integer("latency.samples"));
}

Plan make_plan(Config& config, const LoadedData& data, const nas::StudyHeader& header, const nas::Preparation& preparation,
               double elapsed) {
  const auto start = std::chrono::steady_clock::now();
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
  nas::add_first(sample, header, objective, nas::all_samplers());
  const nas::CandidateCost base = nas::cost_of(setting.base, data.task, data.rows.train);
  Plan plan;
  plan.workers = worker_count(config);
  plan.speed = nas::measure_speed(sample, objective, plan.workers);
  plan.size = size_of(config);
  const std::vector<nas::Quantity> objectives = objectives_of(config);  // none: the metric
  plan.size.larger =
      nas::learns_from_results(header.sampler) && std::all_of(objectives.begin(), objectives.end(), nas::is_measured);
  if (const nas::PointCount all = space.count(); header.duplicates == nas::Duplicates::reject && !all.infinite && !all.saturated)
    plan.size.most_trials = static_cast<std::int64_t>(  // about as many as are valid
        std::clamp(static_cast<double>(all.points) * sample.admissible(), 1.0, static_cast<double>(plan.size.most_trials)));
  const Cheapness cheap = cheapness(config, data, header, objective, sample.points);
  plan.size.cheap_share = cheap.share;
  const double baseline = plan.size.finalists > 0 ? baseline_seconds(data) : 0;
  nas::StudyHeader sized = header;  // how much is stopped depends on how many trials there are
  const auto fill = [&] {
    sized.trials = plan.size.trials;
    plan.size.kept_share = nas::epochs_kept(sized, std::min(cheap.reports, plan.size.epochs));
    const double measuring = measuring_seconds(config, plan.size.finalists);
    plan.behind_seconds = baseline + measuring;
    plan.size.other_seconds = elapsed + seconds_since(start) + latency_seconds(config, preparation) + plan.behind_seconds;
  };
  fill();
  if (const double seconds = config.seconds("search.time"); seconds > 0) {
    const nas::SearchSize wanted = plan.size;
    for (int round = 0; round < 2; ++round) {
      nas::SearchSize asked = wanted;
      asked.kept_share = plan.size.kept_share;
      asked.other_seconds = plan.size.other_seconds;
      plan.size = nas::resolve_time(seconds, sample, plan.speed, asked, base, plan.workers);
      fill();
    }
    resolve(config, plan.size);
  }
  plan.estimate = nas::estimate(sample, plan.speed, plan.size, base, plan.workers);
  plan.admissible = sample.admissible();
  plan.drawn = sample.drawn;
  plan.flops_per_second = plan.speed.flops_per_second();
  plan.space = space_size(space);
  return plan;
}

void print_json(const Plan& plan, Console& console) {
  console.json_line("plan", [&](JsonWriter& json) {
    json.member("space", plan.space).member("admissible", plan.admissible).member("trials", plan.size.trials);
    json.member("epochs", plan.size.epochs).member("finalists", plan.size.finalists).member("seeds", plan.size.seeds);
    json.member("finalist_epochs", plan.size.finalist_epochs).member("workers", plan.workers);
    json.member("search_seconds", plan.estimate.search_seconds).member("finalist_seconds", plan.estimate.finalist_seconds);
    json.member("preparation_seconds", plan.estimate.preparation_seconds)
        .member("ablation_seconds", plan.estimate.ablation_seconds);
    json.member("other_seconds", plan.estimate.other_seconds).member("total_seconds", plan.estimate.total());
    json.member("worker_bytes", plan.estimate.worker_bytes).member("flops_per_second", plan.flops_per_second);
  });
}

}  // namespace

int worker_count(const Config& config) {
  const std::int64_t workers = config.integer("search.workers");
  return workers > 0 ? static_cast<int>(workers) : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

namespace {

std::string preparation_text(const Config& config) {
  std::vector<std::string> parts;
  if (config.text("search.evaluate") == "inherited") parts.push_back("shared weights");
  if (config.text("search.evaluate") != "train") parts.push_back("calibration");
  if (nas::needs_baseline(targets_of(config))) parts.push_back("the default, for limits.target");
  return join(parts, ", ");
}

void print_plan(const Config& config, const Plan& plan, const nas::Preparation& preparation,
                const std::function<void(const std::string&)>& print) {
  const nas::SearchSize& size = plan.size;
  const nas::Estimate& estimate = plan.estimate;
  print(str("space   ", plan.space, "; ", format_percent(plan.admissible, 0), " of ", plan.drawn,
            " drawn ones are valid and within the limits"));
  std::string line = "plan    ";
  if (estimate.preparation_seconds > 0)
    line += str(format_duration(estimate.preparation_seconds), ": ", preparation_text(config), " | ");
  line +=
      str(format_duration(estimate.search_seconds), " search: ", plural(size.trials, "trial"), ", ", plural(size.epochs, "epoch"),
          ", ", config.text("search.sampler"), " sampler, ", config.text("search.pruner"), " stopping");
  if (size.finalists > 0)
    line += str(" | ", format_duration(estimate.finalist_seconds), ": ", plural(size.finalists, "finalist"), " and the default x ",
                plural(size.seeds, "seed"), ", ", plural(size.finalist_epochs, "epoch"));
  if (estimate.ablation_seconds > 0)
    line += str(" | ", format_duration(estimate.ablation_seconds), ": ", plural(size.ablations, "one-step change"));
  if (estimate.other_seconds >= 0.5)
    line +=
        str(" | ", format_duration(estimate.other_seconds), size.finalists > 0 ? ": reading, baselines, measuring" : ": reading");
  print(line);
  print(str("total   about ", format_duration(estimate.total()), " with ", plural(plan.workers, "worker"), " at ",
            fixed(plan.flops_per_second * 1e-9, 0), " GFLOP/s each; memory ", format_bytes(estimate.worker_bytes), " a worker"));
  if (needs_latency(config) && !preparation.has("latency"))
    print("        not counted: that latency, which is measured first, leaves out some of them");
}

}  // namespace

TimePlan plan_search(Config& config, const LoadedData& data, const nas::StudyHeader& header, const nas::Preparation& preparation,
                     double elapsed, Console& console, bool is_result) {
  const double seconds = config.seconds("search.time");
  const nas::SearchSize wanted = size_of(config);
  const Plan plan = make_plan(config, data, header, preparation, elapsed);
  if (console.json())
    print_json(plan, console);
  else
    print_plan(config, plan, preparation,
               [&](const std::string& line) { is_result ? console.result(line + "\n") : console.note(line); });
  return {seconds, wanted, plan.speed, plan.behind_seconds};
}

std::int64_t resolve_finalists(Config& config, const TimePlan& plan, double elapsed, double searched, const nas::History& history,
                               const nas::SearchJob& job) {
  const nas::TrainingObjective objective(job.setting, job.rows->train, job.rows->valid);
  const auto epoch_seconds = [&](const nas::CandidateCost& cost) {
    return plan.speed.epoch_seconds(static_cast<double>(cost.epoch_flops));
  };
  // What the trials should have taken here. Where other processes took part it says nothing of the speed here: never faster.
  double foreseen = 0, slower = 1;
  if (config.text("search.evaluate") == "train") {
    for (const nas::Trial& trial : history.trials)
      foreseen += static_cast<double>(trial.reports.size()) * epoch_seconds(objective.cost(trial.point)) / job.workers;
    if (foreseen > 0) slower = std::clamp(searched / foreseen, 1.0, 2.0);
  }
  nas::SearchSize wanted = plan.wanted;
  wanted.epochs = config.integer("train.epochs");  // the plan may have made it smaller
  std::vector<double> best;
  double of_base = 0;
  for (const nas::Finalist& finalist :
       nas::choose_finalists(history, job.header, job.setting.base, wanted.finalists, wanted.finalist_epochs)) {
    const double seconds =
        slower * epoch_seconds(nas::cost_of(finalist.candidate, job.setting.task, *objective.train_rows(finalist.candidate)));
    if (finalist.trial < 0)
      of_base = seconds;
    else
      best.push_back(seconds);
  }
  resolve_finalists(config,
                    nas::resolve_finalists(plan.seconds - elapsed - plan.behind_seconds, best, of_base, wanted, job.workers));
  return static_cast<std::int64_t>(best.size());
}

}  // namespace lathe::cli
