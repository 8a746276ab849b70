#include <lathe/cli/preparation.h>

#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/cli/format.h>
#include <lathe/cli/latency.h>
#include <lathe/cli/objectives.h>
#include <lathe/nas/transformer/calibration.h>
#include <lathe/nas/transformer/proxy.h>
#include <lathe/nas/transformer/supernet_objective.h>
#include <lathe/nas/transformer/supernet_preparation.h>

#include <optional>
#include <string>

namespace lathe::cli {
namespace {

std::string place_of(const Config& config, std::string_view key) {
  const std::string& origin = config.origin(key);
  return origin.empty() ? "" : origin + ": ";
}

std::string train_default(const StudyPlace& study, const nas::TrainingSetting& setting) {
  study.console.note("prepare train the default architecture, which limits.target is relative to");
  try {
    const nas::Baseline baseline = nas::train_baseline(setting, study.data.rows, study.header.seed, study.folder / "baseline.json",
                                                       [stop = study.stop] { return stop.requested(); });
    study.console.note(str("default accuracy ", fixed(baseline.scores.accuracy, 4), ", macro F1 ",
                           fixed(baseline.scores.macro_f1, 4), ", loss ", fixed(baseline.scores.loss, 4),
                           " on the validation rows"));
    return baseline.json();
  } catch (const NonFiniteError& error) {
    throw InputError(str(place_of(study.config, "limits.target"),
                         "limits.target is relative to the default architecture, which cannot be trained: ", error.what()));
  }
}

// ---- shared weights

nas::SupernetPreparation share_weights(const StudyPlace& study, const nas::TrainingObjective& full,
                                       std::optional<nas::SupernetFacts> expected) {
  const Config& config = study.config;
  nas::SupernetJob job;
  job.folder = study.folder;
  job.space = &study.header.space;
  job.training = &full;
  job.train = &study.data.rows.train;
  job.valid = &study.data.rows.valid;
  job.seed = study.header.seed;
  job.options.epochs = config.integer("supernet.epochs");
  job.options.random = config.integer("supernet.random");
  job.options.distill = config.flag("supernet.distill");
  job.threads = study.workers;
  job.stop_requested = [stop = study.stop] { return stop.requested(); };
  const bool quiet = expected.has_value();  // read, not trained
  job.expected = std::move(expected);
  job.warn = [&](const std::string& message) { study.console.warn(message); };
  job.on_epoch = [&](const nas::SupernetEpoch& epoch) {
    if (quiet) return;
    study.console.note(str("share   epoch ", epoch.epoch, "/", job.options.epochs, ": accuracy ",
                           fixed(epoch.largest_valid.accuracy, 4), " of the largest, ", fixed(epoch.smallest_valid.accuracy, 4),
                           " of the smallest architecture"));
  };
  if (!quiet) study.console.note("prepare train the weights that all architectures share");
  return nas::prepare_supernet(job);
}

// ---- cheaper evaluation

nas::ProxySetting proxy_setting(const StudyPlace& study) {
  const Config& config = study.config;
  nas::ProxySetting setting = nas::ProxySetting::of_kind(config.text("proxy.kind"));
  setting.fidelity.steps = config.number("proxy.steps");
  setting.fidelity.data = config.number("proxy.data");
  setting.fidelity.max_tokens = config.integer("proxy.max_tokens");
  setting.fidelity.width = config.number("proxy.width");
  setting.fidelity.depth = config.number("proxy.depth");
  setting.batch_rows = config.integer("proxy.batch_rows");
  try {
    setting.validate();
  } catch (const InputError& error) {
    throw InputError(place_of(config, "proxy.kind") + error.what());
  }
  return setting;
}

/// Something that stands for training in full, and what it is.
struct Cheaper {
  std::unique_ptr<nas::Objective> objective;
  std::string what;            ///< JSON object
  std::size_t compared = 0;    ///< which of the study's objectives it stands for
  std::string shared_weights;  ///< facts of a supernet, for the preparation
};

Cheaper cheaper(const StudyPlace& study, const nas::TrainingObjective& full, const nas::Preparation& done) {
  const data::EncodedSplits& rows = study.data.rows;
  Cheaper out;
  if (study.config.text("search.evaluate") == "proxy") {
    auto proxy = std::make_unique<nas::ProxyObjective>(full, proxy_setting(study), rows.train, rows.valid, study.header.seed);
    out.what = proxy->setting().json();
    out.compared = proxy->measured_objective();
    out.objective = std::move(proxy);
  } else if (study.config.text("search.evaluate") == "inherited") {
    std::optional<nas::SupernetFacts> expected;
    if (done.has("supernet")) expected = nas::SupernetFacts::parse(done.get("supernet"));
    const nas::SupernetPreparation shared = share_weights(study, full, std::move(expected));
    out.shared_weights = shared.facts.json();
    out.what = JsonWriter().begin_object().member("kind", "inherited").member("weights", shared.facts.weights).end_object().text();
    const std::vector<nas::Quantity>& objectives = full.setting().objectives;
    while (out.compared < objectives.size() && !nas::is_measured(objectives[out.compared])) ++out.compared;
    if (out.compared == objectives.size()) out.compared = 0;
    out.objective = std::make_unique<nas::SupernetObjective>(shared.supernet, full, rows.valid);
  }
  return out;
}

std::string calibrated(const StudyPlace& study, nas::TrainingObjective& full, const Cheaper& cheap, const std::string& recorded) {
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
  const nas::Calibration calibration =
      nas::prepare_calibration(study.header, full, *cheap.objective, cheap.what, options, recorded);
  if (study.console.can_redraw()) study.console.clear_block();
  study.console.note("ranks   " + calibration.reason());
  return calibration.json();
}

}  // namespace

nas::Preparation prepare_study(const StudyPlace& study, nas::Preparation done) {
  const Config& config = study.config;
  if (needs_latency(config) && !done.has("latency"))
    done.set("latency", latency_model(config, study.header.space, study.data.task, study.folder, study.stop, study.console).json());
  if (nas::needs_baseline(targets_of(config)) && !done.has("baseline"))
    done.set("baseline", train_default(study, training_setting(config, study.data, done)));
  nas::TrainingObjective full(training_setting(config, study.data, done), study.data.rows.train, study.data.rows.valid);
  if (const Cheaper cheap = cheaper(study, full, done); cheap.objective) {
    if (!cheap.shared_weights.empty()) done.set("supernet", cheap.shared_weights);
    if (!done.has("calibration")) done.set("calibration", calibrated(study, full, cheap, {}));
  }
  return done;
}

std::unique_ptr<nas::Objective> study_objective(const StudyPlace& study, const nas::TrainingObjective& full,
                                                const nas::Preparation& preparation) {
  return cheaper(study, full, preparation).objective;
}

}  // namespace lathe::cli
