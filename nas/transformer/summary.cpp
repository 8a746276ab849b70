// Parts of RunResults that come straight from the data, the study and the machine.
#include <lathe/base/text.h>
#include <lathe/nas/preparation.h>
#include <lathe/nas/transformer/calibration.h>
#include <lathe/nas/transformer/search.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <thread>

#include <sys/utsname.h>

namespace lathe::nas {

DataSummary summarise_data(const SearchJob& job) {
  const data::EncodedSplits& rows = *job.rows;
  DataSummary summary;
  summary.name = job.data_name;
  summary.notes = job.text->notes;
  summary.warnings = job.warnings;
  summary.labels = job.text->label_names;
  summary.class_rows = job.text->train.counts();
  summary.train_rows = static_cast<std::int64_t>(rows.train.rows());
  summary.valid_rows = static_cast<std::int64_t>(rows.valid.rows());
  summary.test_rows = static_cast<std::int64_t>(rows.test.rows());
  summary.train_tokens = static_cast<std::int64_t>(rows.train.tokens());
  summary.max_tokens = job.setting.task.max_tokens;
  summary.cut_rows = rows.train.cut_rows;
  summary.vocabulary = job.tokenizer->vocab_size();
  summary.length_counts.assign(static_cast<std::size_t>(std::max(rows.train.longest(), 0)), 0);
  for (std::size_t row = 0; row < rows.train.rows(); ++row)
    ++summary.length_counts[static_cast<std::size_t>(rows.train.length(row)) - 1];
  summary.hash = to_hex(rows.hash);
  return summary;
}

namespace {

/// The first measured quantity of a report: an objective, or what a constraint was computed from.
std::optional<double> measured_in(const Report& report, const TrainingSetting& setting) {
  if (report.values.empty()) return {};
  if (setting.objectives.empty()) return report.values[0];
  for (std::size_t i = 0; i < setting.objectives.size() && i < report.values.size(); ++i)
    if (is_measured(setting.objectives[i])) return report.values[i];
  for (const Limit& limit : setting.limits)
    if (is_measured(limit.quantity) && !report.constraints.empty())
      return limit.at_least ? limit.bound - report.constraints[0] : limit.bound + report.constraints[0];
  return {};
}

/// What the study says about a trial beyond its first value, and what was known before.
std::vector<std::pair<std::string, double>> measures_of(const Trial& trial, const StudyHeader& header, const CandidateCost& cost,
                                                        const TrainingSetting& setting) {
  std::vector<std::pair<std::string, double>> out;
  for (std::size_t i = 1; i < trial.values.size(); ++i) out.emplace_back(header.metrics[i], trial.values[i]);
  for (const QuantityInfo& q : quantities()) {
    if (q.measured || (q.quantity == Quantity::kLatency && cost.latency_ns < 0)) continue;
    if (std::find(header.metrics.begin(), header.metrics.end(), q.name) == header.metrics.end() || trial.values.empty())
      out.emplace_back(q.name, known_value(q.quantity, cost));
  }
  std::vector<Limit> measured;  // the constraints, in their order
  for (const Limit& limit : setting.limits)
    if (is_measured(limit.quantity)) measured.push_back(limit);
  for (std::size_t i = 0; i < trial.constraints.size(); ++i) {
    const double value = trial.constraints[i];
    if (const std::string name = i < measured.size() ? info(measured[i].quantity).name : "";
        !name.empty() && std::none_of(out.begin(), out.end(), [&](const auto& known) { return known.first == name; }) &&
        std::find(header.metrics.begin(), header.metrics.end(), name) == header.metrics.end())
      out.emplace_back(name, measured[i].at_least ? measured[i].bound - value : measured[i].bound + value);
    out.emplace_back(header.constraints[i], value);
  }
  return out;
}

}  // namespace

std::vector<TrialRow> summarise_trials(const History& history, const StudyHeader& header, const TrainingObjective& objective) {
  std::vector<TrialRow> rows;
  for (const Trial& trial : history.trials) {
    TrialRow row;
    row.number = trial.number;
    row.state = trial.state;
    if (!trial.values.empty()) row.value = trial.values[0];
    row.architecture = objective.candidate(trial.point).architecture(objective.setting().task).summary();
    for (std::size_t i = 0; i < trial.point.size(); ++i)
      if (const auto& value = trial.point.value(i)) row.parameters.emplace_back(trial.point.name(i), value->show());
    for (const Report& report : trial.reports)
      if (const auto value = measured_in(report, objective.setting())) row.curve.push_back(*value);
    const CandidateCost cost = objective.cost(trial.point);
    row.params = cost.parameters;
    row.flops = cost.sentence_flops;
    row.memory = cost.training_bytes;
    row.finish_event = trial.finish_event;
    row.violation = violation(trial);
    row.note = trial.note;
    row.measures = measures_of(trial, header, cost, objective.setting());
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<EdgeWarning> widenable_edges(const Space& space, const History& history, std::span<const Direction> directions) {
  std::vector<EdgeWarning> edges = edge_warnings(space, history, directions);
  std::erase_if(edges, [&](const EdgeWarning& edge) {
    const Parameter& p = space.parameter(space.index(edge.parameter));
    const auto count = p.count();
    const double end = !count ? (edge.top ? p.real()->high : p.real()->low)
                              : p.at(edge.top ? *count - 1 : 0).number().value_or(std::numeric_limits<double>::quiet_NaN());
    const ParameterBounds bounds = bounds_of(p.name);
    return edge.top ? end >= bounds.high : end <= bounds.low;
  });
  return edges;
}

StudySummaryRow summarise_study(const StudyRun& run, const SearchJob& job) {
  const StudyHeader& header = job.header;
  StudySummaryRow row;
  row.evaluation = job.evaluation_name;
  row.name = header.name;
  row.hash = run.hash;
  row.metric = header.metrics[0];
  row.sampler = header.sampler;
  row.pruner = header.pruner;
  row.numerics = header.numerics;
  row.seed = header.seed;
  row.events = run.events;
  row.virtual_workers = header.virtual_workers;
  row.budget = header.trials;
  row.finished = run.finished;
  row.exhausted = run.exhausted;
  row.space = header.space.count().text();
  for (std::size_t i = 0; i < header.metrics.size(); ++i)
    row.objectives.emplace_back(header.metrics[i], header.directions[i] == Direction::maximise ? "maximise" : "minimise");
  for (const EdgeWarning& warning : widenable_edges(header.space, run.history, header.directions))
    row.hints.push_back(warning.text());
  return row;
}

std::optional<CalibrationSummary> summarise_calibration(const std::string& preparation) {
  const Preparation parts = Preparation::parse(preparation);
  if (!parts.has("calibration")) return {};
  const Calibration calibration = Calibration::parse(parts.get("calibration"));
  CalibrationSummary out;
  out.metric = calibration.metric;
  out.architectures = static_cast<std::int64_t>(calibration.rows.size());
  out.tau = calibration.cheap.tau.value;
  out.low = calibration.cheap.tau.interval.low;
  out.high = calibration.cheap.tau.interval.high;
  out.params_tau = calibration.params.tau.value;
  out.threshold = calibration.threshold;
  out.trusted = calibration.trusted();
  return out;
}

HostFacts host_facts(int workers, const std::string& backend) {
  HostFacts facts;
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; facts.cpu.empty() && std::getline(cpuinfo, line);)
    if (line.starts_with("model name") || line.starts_with("Model"))
      facts.cpu = std::string(trim(std::string_view(line).substr(line.find(':') + 1)));
  if (facts.cpu.empty()) facts.cpu = "unknown processor";
  facts.backend = backend;
#if defined(__clang__)
  facts.compiler = str("clang ", __clang_major__, ".", __clang_minor__, ".", __clang_patchlevel__);
#elif defined(__GNUC__)
  facts.compiler = str("gcc ", __GNUC__, ".", __GNUC_MINOR__, ".", __GNUC_PATCHLEVEL__);
#endif
  utsname system{};
  if (uname(&system) == 0)
    facts.system =
        str(std::string_view(system.sysname), " ", std::string_view(system.release), " ", std::string_view(system.machine));
  facts.cores = static_cast<int>(std::thread::hardware_concurrency());
  facts.workers = workers;
  return facts;
}

}  // namespace lathe::nas
