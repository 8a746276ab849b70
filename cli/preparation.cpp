#include <lathe/cli/preparation.h>

#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/cli/format.h>
#include <lathe/cli/latency.h>
#include <lathe/cli/objectives.h>
#include <lathe/nas/transformer/calibration.h>
#include <lathe/nas/transformer/proxy.h>
#include <lathe/nas/transformer/supernet_objective.h>
#include <lathe/nas/transformer/supernet_preparation.h>

#include <algorithm>
#include <optional>
#include <string>

namespace lathe::cli {
namespace {

const std::string& evaluation(const Config& config) { return config.text("search.evaluate"); }

// ---- shared weights

nas::SupernetPreparation share_weights(const StudyPlace& study, const nas::TrainingObjective& training,
                                       std::optional<nas::SupernetFacts> expected) {
  const Config& config = study.config;
  nas::SupernetJob job;
  job.folder = study.folder;
  job.space = &study.header.space;
  job.training = &training;
  job.train = &study.data.rows.train;
  job.valid = &study.data.rows.valid;
  job.seed = study.header.seed;
  job.options.epochs = config.integer("supernet.epochs");
  job.options.random = config.integer("supernet.random");
  job.options.distill = config.flag("supernet.distill");
  job.threads = study.workers;
  job.stop_requested = [stop = study.stop] { return stop.requested(); };
  job.expected = std::move(expected);
  job.warn = [&](const std::string& message) { study.console.warn(message); };
  bool trains = false;  // else they are only read
  job.on_step = [&](std::int64_t, std::int64_t, std::int64_t, double) {
    if (!trains) study.console.note("prepare train the weights that all architectures share");
    trains = true;
  };
  job.on_epoch = [&](const nas::SupernetEpoch& epoch) {
    if (!trains) return;
    study.console.note(str("share   epoch ", epoch.epoch, "/", job.options.epochs, ": accuracy ",
                           fixed(epoch.largest_valid.accuracy, 4), " of the largest, ", fixed(epoch.smallest_valid.accuracy, 4),
                           " of the smallest architecture"));
  };
  return nas::prepare_supernet(job);
}

// ---- cheaper evaluation

nas::ProxySetting proxy_setting(const Config& config) {
  nas::ProxySetting setting = nas::ProxySetting::of_kind(config.text("proxy.kind"));
  setting.fidelity.steps = config.number("proxy.steps");
  setting.fidelity.data = config.number("proxy.data");
  setting.fidelity.max_tokens = config.integer("proxy.max_tokens");
  setting.fidelity.width = config.number("proxy.width");
  setting.fidelity.depth = config.number("proxy.depth");
  setting.batch_rows = config.integer("proxy.batch_rows");
  return setting;
}

std::unique_ptr<nas::ProxyObjective> proxy(const Config& config, const LoadedData& data, std::uint64_t seed,
                                           const nas::TrainingObjective& full) {
  try {
    return std::make_unique<nas::ProxyObjective>(full, proxy_setting(config), data.rows.train, data.rows.valid, seed);
  } catch (const InputError& error) {
    throw InputError(place_of(config, "proxy.kind") + error.what());
  }
}

/// Something that stands for training in full, and what it is.
struct Cheaper {
  std::unique_ptr<nas::Objective> objective;
  std::string what;          ///< JSON object
  std::size_t compared = 0;  ///< which of the study's objectives it stands for
};

Cheaper cheaper(const StudyPlace& study, const nas::TrainingObjective& full,
                const std::optional<nas::SupernetPreparation>& shared) {
  Cheaper out;
  if (evaluation(study.config) == "proxy") {
    auto objective = proxy(study.config, study.data, study.header.seed, full);
    out.what = objective->setting().json();
    out.compared = objective->measured_objective();
    out.objective = std::move(objective);
  } else if (shared) {
    out.what = JsonWriter().begin_object().member("kind", "inherited").member("weights", shared->facts.weights).end_object().text();
    const std::vector<nas::Quantity>& objectives = full.setting().objectives;
    const auto measured = std::find_if(objectives.begin(), objectives.end(), nas::is_measured);
    if (measured != objectives.end()) out.compared = static_cast<std::size_t>(measured - objectives.begin());
    out.objective = std::make_unique<nas::SupernetObjective>(shared->supernet, full, study.data.rows.valid);
  }
  return out;
}

// ---- the default architecture, judged as candidates are: a cheap score says nothing beside a training in full

void require_default_in_space(const Config& config, const LoadedData& data, const nas::Space& space) {
  const nas::Candidate base = base_candidate(config);
  try {
    const nn::TransformerConfig architecture = base.architecture(data.task);
    architecture.validate();
    nas::check_part(nas::whole_of(space, base, data.task), architecture);
  } catch (const InputError& error) {
    throw InputError(str(place_of(config, "limits.target"),
                         "limits.target is relative to the default architecture, which does not lie in [space]: ", error.what()));
  }
}

nas::Baseline inherited_default(const StudyPlace& study, const nas::TrainingObjective& planned,
                                const nas::SupernetPreparation& shared) {
  const nas::SupernetObjective objective(shared.supernet, planned, study.data.rows.valid);
  nas::Baseline baseline;
  baseline.weights = shared.facts.weights;
  baseline.scores = objective.scores(planned.setting().base.architecture(study.data.task));
  return baseline;
}

nas::Baseline trained_default(const StudyPlace& study, const nas::TrainingObjective& planned) {
  const auto train = [&](const nas::TrainingSetting& setting, const data::EncodedSplits& rows) {
    return nas::train_baseline(
        setting, rows, study.header.seed, study.folder / "baseline.json", [stop = study.stop] { return stop.requested(); },
        study.workers);
  };
  study.console.note("prepare train the default architecture, which limits.target is relative to");
  if (evaluation(study.config) != "proxy") return train(planned.setting(), study.data.rows);
  const auto objective = proxy(study.config, study.data, study.header.seed, planned);
  const nas::CheapTraining& cheap = objective->cheap();
  const Digest hash = sha256(to_hex(study.data.rows.hash) + objective->setting().json());
  return train(cheap.setting, {cheap.train, cheap.valid, {}, hash});
}

std::string judged_default(const StudyPlace& study, const nas::TrainingObjective& planned,
                           const std::optional<nas::SupernetPreparation>& shared) {
  try {
    const nas::Baseline baseline = shared ? inherited_default(study, planned, *shared) : trained_default(study, planned);
    study.console.note(str("default accuracy ", fixed(baseline.scores.accuracy, 4), ", macro F1 ",
                           fixed(baseline.scores.macro_f1, 4), ", loss ", fixed(baseline.scores.loss, 4),
                           " on the validation rows"));
    return baseline.json();
  } catch (const NonFiniteError& error) {
    throw InputError(str(place_of(study.config, "limits.target"),
                         "limits.target is relative to the default architecture, which cannot be trained: ", error.what()));
  }
}

std::string calibrated(const StudyPlace& study, nas::TrainingObjective& full, const Cheaper& cheap) {
  const Config& config = study.config;
  nas::CalibrationOptions options;
  options.architectures = config.integer("proxy.architectures");
  options.objective = cheap.compared;
  options.threshold = config.number("proxy.threshold");
  options.force = config.flag("proxy.force");
  options.workers = study.workers;
  options.stop = study.stop;
  options.folder = study.folder;
  study.console.note(str("prepare train ", plural(options.architectures, "architecture"),
                         " in full, to see how well the cheaper evaluation ranks them"));
  if (study.console.can_redraw())
    options.progress = [&](std::int64_t done, std::int64_t of) {
      study.console.draw_block(str("calibrate ", done, "/", of, "\n"));
    };
  const nas::Calibration calibration = nas::prepare_calibration(study.header, full, *cheap.objective, cheap.what, options);
  if (study.console.can_redraw()) study.console.clear_block();
  study.console.note("ranks   " + calibration.reason());
  return calibration.json();
}

std::optional<nas::SupernetPreparation> shared_weights(const StudyPlace& study, const nas::TrainingObjective& training,
                                                       const nas::Preparation& done) {
  if (evaluation(study.config) != "inherited") return {};
  std::optional<nas::SupernetFacts> expected;
  if (done.has("supernet")) expected = nas::SupernetFacts::parse(done.get("supernet"));
  return share_weights(study, training, std::move(expected));
}

}  // namespace

std::string evaluation_name(const Config& config) {
  const bool scored = evaluation(config) == "proxy" && config.text("proxy.kind") != "training";
  return scored ? config.text("proxy.kind") : evaluation(config);
}

Cheapness cheapness(const Config& config, const LoadedData& data, const nas::StudyHeader& header,
                    const nas::TrainingObjective& full, std::span<const nas::Point> points) {
  const std::int64_t epochs = config.integer("train.epochs");
  if (evaluation(config) == "train") return {1, epochs};
  if (evaluation(config) == "inherited")  // the validation rows once, a third of training's FLOPs a token
    return {static_cast<double>(data.rows.valid.tokens()) /
                (3.0 * static_cast<double>(data.rows.train.tokens() * static_cast<std::size_t>(epochs))),
            1};
  const auto ticks = [](const nas::Plan& plan) {
    double sum = 0;
    for (const nas::Segment& segment : plan.segments) sum += static_cast<double>(segment.ticks);
    return sum;
  };
  const auto cheap = proxy(config, data, header.seed, full);
  double all = 0, of_cheap = 0;
  std::size_t reports = 1;
  for (const nas::Point& point : points) {
    const nas::Plan plan = cheap->plan(point);
    all += ticks(full.plan(point));
    of_cheap += ticks(plan);
    reports = std::max(reports, plan.segments.size());
  }
  return {of_cheap / all, static_cast<std::int64_t>(reports)};
}

void check_evaluation(const Config& config, const LoadedData& data, const nas::StudyHeader& header, const nas::Preparation& done) {
  if (evaluation(config) == "train") return;
  for (const nas::Target& target : targets_of(config))
    if (nas::is_measured(target.quantity) && !target.of_default)
      throw InputError(str(place_of(config, "limits.target"), "limits.target \"", target.text(), "\": search.evaluate = \"",
                           evaluation(config), "\" ranks candidates and does not tell their ", nas::info(target.quantity).name,
                           "; expected a target relative to the default"));
  if (evaluation(config) == "inherited") {
    nas::check_shareable(header.space);
    if (nas::needs_baseline(targets_of(config))) require_default_in_space(config, data, header.space);
    return;
  }
  const nas::TrainingObjective full(planning_setting(config, data, done), data.rows.train, data.rows.valid);
  const auto objective = proxy(config, data, header.seed, full);
  if (objective->setting().score && nas::needs_baseline(targets_of(config)))
    throw InputError(str(place_of(config, "limits.target"),
                         "limits.target: only training tells, and proxy.kind = ", objective->setting().kind(), " trains nothing"));
}

nas::Preparation prepare_study(const StudyPlace& study, nas::Preparation done) {
  const Config& config = study.config;
  const data::EncodedSplits& rows = study.data.rows;
  if (needs_latency(config) && !done.has("latency"))
    done.set("latency", latency_model(config, study.header.space, study.data.task, study.folder, study.stop, study.console).json());
  const nas::TrainingObjective planned(planning_setting(config, study.data, done), rows.train, rows.valid);
  const std::optional<nas::SupernetPreparation> shared = shared_weights(study, planned, done);
  if (shared) done.set("supernet", shared->facts.json());
  if (nas::needs_baseline(targets_of(config)) && !done.has("baseline"))
    done.set("baseline", judged_default(study, planned, shared));
  nas::TrainingObjective full(training_setting(config, study.data, done), rows.train, rows.valid);
  if (const Cheaper cheap = cheaper(study, full, shared); cheap.objective && !done.has("calibration"))
    done.set("calibration", calibrated(study, full, cheap));
  return done;
}

std::unique_ptr<nas::Objective> study_objective(const StudyPlace& study, const nas::TrainingObjective& full,
                                                const nas::Preparation& preparation) {
  return cheaper(study, full, shared_weights(study, full, preparation)).objective;
}

}  // namespace lathe::cli
