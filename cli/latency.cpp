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

/// A run folder without latency.json may still have a study whose header has the table: it took it from elsewhere itself.
nas::LatencyModel earlier_model(const fs::path& place) {
  const bool folder = fs::is_directory(place);
  if (folder && fs::exists(place / "latency.json")) return nas::load_latency(place / "latency.json");
  if (!folder && place.extension() == ".json") return nas::load_latency(place);
  const StudySource source = open_study(place.string(), "");
  const std::string latency = header_member(header_member(source.storage->header(), "preparation"), "latency");
  if (latency.empty()) throw InputError(str("latency.from = ", place.string(), ": this study measured no latency"));
  return nas::LatencyModel::parse(latency, place.string());
}

void say_quality(const nas::LatencyModel& model, const std::string& how, Console& console) {
  const auto [error, tau] = model.quality();
  const nas::LatencyLoad& load = model.facts().load;
  console.note(str("latency ", plural(static_cast<std::int64_t>(model.table().samples.size()), "architecture"), " ", how,
                   ", batch ", load.batch, " x ", plural(load.tokens, "token"), ", ", plural(load.threads, "thread"),
                   "; unseen ones predicted within ", format_percent(error), " (mean), tau ", fixed(tau, 2)));
}

}  // namespace

nas::LatencyModel latency_model(const Config& config, const nas::Space& space, const nas::TaskShape& task, const fs::path& folder,
                                const nas::StopFlag& stop, Console& console) {
  nas::LatencyRequest request;
  request.space = &space;
  request.base = base_candidate(config);
  request.task = task;
  request.samples = config.integer("latency.samples");
  request.load = {config.integer("latency.batch"), config.integer("latency.tokens"),
                  static_cast<int>(config.integer("latency.threads"))};
  request.backend = backend_name(config);
  request.seed = static_cast<std::uint64_t>(config.integer("seed"));
  request.cache = folder / "latency.json";
  request.stop = stop;
  request.note = [&](const std::string& text) { console.warn(text); };
  if (const fs::path from = config.file("latency.from"); !from.empty()) {
    nas::LatencyModel model = earlier_model(from);
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

}  // namespace lathe::cli
