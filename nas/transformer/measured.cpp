#include <lathe/base/text.h>
#include <lathe/nas/transformer/profile.h>
#include <lathe/nas/transformer/search.h>

#include <algorithm>

namespace lathe::nas {
namespace {

double milliseconds(std::int64_t ns) { return static_cast<double>(ns) * 1e-6; }

MeasureOptions measuring(const SearchJob& job) {
  MeasureOptions options;
  options.seed = job.header.seed;
  options.stop = job.stop;
  return options;
}

ModelLatency latency_of(const nn::TransformerConfig& architecture, const SearchJob& job, bool& drifts) {
  const LatencyMeasurement measured = measure_latency(architecture, job.load, job.setting.backend, 1, measuring(job));
  drifts = drifts || measured.reference.drifts();
  ModelLatency out;
  out.p50 = milliseconds(measured.p50_ns);
  out.p95 = milliseconds(measured.p95_ns);
  if (job.latency) out.predicted = milliseconds(job.latency->predict_ns(architecture));
  return out;
}

LatencySummary summary_of(const LatencyModel& model) {
  LatencySummary out;
  for (const LatencySample& sample : model.table().samples)
    out.samples.push_back(
        {sample.architecture.summary(), milliseconds(model.predict_ns(sample.architecture)), milliseconds(sample.median_ns)});
  const LatencyModel::Quality quality = model.quality();
  out.tau = quality.tau;
  out.mean_error = quality.mean_error;
  const LatencyLoad& load = model.facts().load;
  out.batch = load.batch;
  out.tokens = load.tokens;
  out.threads = load.threads;
  if (const ReferenceCourse& course = model.table().reference; course.drifts())
    out.note = str("the machine was not quiet: ", course.rejected, " of ", course.visits, " measurements were thrown away");
  return out;
}

std::vector<LayerCostRow> parts_of(const nn::TransformerConfig& architecture, const SearchJob& job) {
  ProfileRequest request;
  request.architecture = architecture;
  request.load = cut_to(job.load, architecture);
  request.backend = job.setting.backend;
  request.stop = job.stop;
  const ModelProfile profile = profile_model(request);
  std::vector<LayerCostRow> rows;
  for (std::size_t i = 0; i < profile.parts.size(); ++i) {
    const nn::PartCost& part = profile.parts[i];
    if (part.inference_flops.total() == 0) continue;  // the optimizer
    rows.push_back({part.name, part.parameters, part.inference_flops.total(),
                    part.parameter_bytes + part.packed_bytes + part.working_bytes, milliseconds(profile.part_ns[i])});
  }
  return rows;
}

/// The limits of latency; one that is relative to the default is so to the default as it was measured here.
std::vector<Limit> measured_limits(const RunResults& results, const SearchJob& job) {
  std::vector<Limit> limits;
  for (Limit limit : job.setting.limits) {
    if (limit.quantity != Quantity::kLatency) continue;
    for (const Target& target : job.targets)
      if (target.of_default && target.text() == limit.text)
        for (const ModelRow& model : results.models)
          if (model.name == "default" && model.latency) limit = target.limit(model.latency->p50);
    limits.push_back(std::move(limit));
  }
  return limits;
}

}  // namespace

void measure_models(RunResults& results, std::span<const nn::TransformerConfig> architectures, const SearchJob& job) {
  bool drifts = false;
  for (std::size_t i = 0; i < architectures.size() && i < results.models.size(); ++i)
    results.models[i].latency = latency_of(architectures[i], job, drifts);
  if (job.latency) results.latency = summary_of(*job.latency);
  if (drifts && results.latency) {
    std::string& note = results.latency->note;
    note += str(note.empty() ? "" : "; ", "it was not quiet while the finalists were measured either");
  }
  const std::vector<Limit> limits = measured_limits(results, job);
  for (ModelRow& model : results.models)
    for (const Limit& limit : limits)
      if (model.latency && model.name != "default" && !limit.holds(model.latency->p50))
        model.violations.push_back(str(limit.text, " does not hold when measured: p50 is ",
                                       show_value(Quantity::kLatency, model.latency->p50), ", the bound ",
                                       show_value(Quantity::kLatency, limit.bound)));
  if (results.winner < 0) return;
  results.layers = parts_of(architectures[static_cast<std::size_t>(results.winner)], job);
}

}  // namespace lathe::nas
