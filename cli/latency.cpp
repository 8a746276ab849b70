#include <lathe/cli/latency.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/format.h>
#include <lathe/cli/model_config.h>
#include <lathe/cli/study_source.h>

#include <chrono>

namespace lathe::cli {
namespace {

namespace fs = std::filesystem;

/// A table may lie in a run folder without a study: the run was stopped before it made one. Where there is a study its header
/// decides: it may have joined one that was measured elsewhere.
nas::LatencyModel earlier_model(const std::string& place) {
  const fs::path path(place);
  if (path.extension() == ".json") return nas::load_latency(path);
  Config config;
  if (fs::exists(path / "latency.json") && !fs::exists(path / "study.db") && study_elsewhere(path, config).empty())
    return nas::load_latency(path / "latency.json");
  const StudySource source = open_named_study(place);
  const std::string latency = header_member(header_member(source.storage->header(), "preparation"), "latency");
  if (latency.empty()) throw InputError(str("latency.from = ", place, ": this study measured no latency"));
  return nas::LatencyModel::parse(latency, place);
}

void say_quality(const nas::LatencyModel& model, const std::string& how, Console& console) {
  const auto [error, tau] = model.quality();
  const nas::LatencyLoad& load = model.facts().load;
  console.note(str("latency ", plural(static_cast<std::int64_t>(model.table().samples.size()), "architecture"), " ", how,
                   ", batch ", load.batch, " x ", plural(load.tokens, "token"), ", ", plural(load.threads, "thread"),
                   "; unseen ones predicted within ", format_percent(error), " (mean), tau ", fixed(tau, 2)));
}

nas::LatencyRequest request_of(const Config& config, const nas::Space& space, const nas::TaskShape& task, const fs::path& folder) {
  nas::LatencyRequest request;
  request.space = &space;
  request.base = base_candidate(config);
  request.task = task;
  request.samples = config.integer("latency.samples");
  request.load = {config.integer("latency.batch"), config.integer("latency.tokens"),
                  static_cast<int>(config.integer("latency.threads"))};
  request.backend = backend_name(config);
  request.seed = static_cast<std::uint64_t>(config.integer("seed"));
  if (!folder.empty()) request.cache = folder / "latency.json";
  return request;
}

}  // namespace

nas::LatencyModel latency_model(const Config& config, const nas::Space& space, const nas::TaskShape& task, const fs::path& folder,
                                const nas::StopFlag& stop, Console& console) {
  nas::LatencyRequest request = request_of(config, space, task, folder);
  request.stop = stop;
  request.note = [&](const std::string& text) { console.warn(text); };
  if (const fs::path from = config.file("latency.from"); !from.empty()) {
    nas::LatencyModel model = earlier_model(from.string());
    nas::require_usable(model, request, "latency.from = " + from.string());
    say_quality(model, "of " + from.string(), console);
    return model;
  }
  const auto start = std::chrono::steady_clock::now();
  if (console.can_redraw())
    request.progress = [&](std::int64_t done, std::int64_t total) {
      console.draw_block(str("latency measured ", done, "/", total, "\n"));
    };
  nas::LatencyModel model = nas::prepare_latency(request);
  if (console.can_redraw()) console.clear_block();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  say_quality(model, "measured in " + format_duration(seconds), console);
  return model;
}

void keep_latency(const Config& config, const nas::Space& space, const nas::TaskShape& task, const nas::LatencyModel& model,
                  const fs::path& folder) {
  nas::save_latency(model, request_of(config, space, task, folder));
}

}  // namespace lathe::cli
