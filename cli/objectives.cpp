#include <lathe/cli/objectives.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/plan.h>

#include <algorithm>

namespace lathe::cli {
namespace {

using nas::Quantity;

/// Keys of [limits] that bound one quantity from above.
constexpr const char* kLimits[] = {"latency_ms", "params", "flops", "memory_mb", "size_mb"};

std::vector<nas::Limit> named_limits(const Config& config) {
  std::vector<nas::Limit> limits;
  for (const char* name : kLimits) {
    const std::string key = str("limits.", name);
    const Value& value = config.value(key);
    const std::int64_t* whole = std::get_if<std::int64_t>(&value);
    const double bound = whole ? static_cast<double>(*whole) : config.number(key);
    if (bound > 0) limits.push_back({nas::quantity(name), false, bound, str(key, " = ", shown(value))});
  }
  return limits;
}

train::Metric metric_of(const Config& config) { return base_candidate(config).training.metric; }

/// "limits.params = 100" and a target have different places.
std::string place_of(const Config& config, const nas::Limit& limit) {
  const bool named = limit.text.starts_with("limits.");
  return named ? place_of(config, limit.text.substr(0, limit.text.find(' '))) : place_of(config, "limits.target");
}

}  // namespace

std::string place_of(const Config& config, std::string_view key) {
  const std::string& origin = config.origin(key);
  return origin.empty() ? "" : origin + ": ";
}

std::vector<Quantity> objectives_of(const Config& config) {
  const Texts& names = config.texts("search.objectives");
  if (names == Texts{"metric"}) return {};
  std::vector<Quantity> out;
  for (const std::string& name : names) out.push_back(name == "metric" ? nas::quantity_of(metric_of(config)) : nas::quantity(name));
  return out;
}

std::vector<nas::Target> targets_of(const Config& config) {
  std::vector<nas::Target> out;
  for (const std::string& text : config.texts("limits.target")) {
    try {
      out.push_back(nas::parse_target(text));
    } catch (const InputError& error) {
      throw InputError(place_of(config, "limits.target") + error.what());
    }
    if (std::count(out.begin(), out.end(), out.back()) > 1)
      throw InputError(str(place_of(config, "limits.target"), "limits.target: \"", out.back().text(), "\" occurs twice"));
  }
  return out;
}

void describe_objectives(const Config& config, nas::StudyHeader& header) {
  const std::vector<Quantity> objectives = objectives_of(config);
  if (config.texts("search.objectives").empty())
    throw InputError(place_of(config, "search.objectives") + "search.objectives is empty; expected metric, or some of its like");
  try {
    nas::set_objectives(header, objectives, metric_of(config), targets_of(config));
  } catch (const InputError& error) {
    throw InputError(place_of(config, "search.objectives") + error.what());
  }
  if (objectives.size() == 1 && !nas::is_measured(objectives[0]) && !header.pruner.starts_with("none@"))
    throw InputError(str(place_of(config, "search.pruner"), "search.pruner = ", shown(config.value("search.pruner")),
                         " would stop trials by ", nas::info(objectives[0]).name,
                         " alone, which training does not change; set search.pruner = \"none\""));
}

bool needs_latency(const Config& config) {
  const std::vector<Quantity> objectives = objectives_of(config);
  const std::vector<nas::Target> targets = targets_of(config);
  return config.number("limits.latency_ms") > 0 || std::count(objectives.begin(), objectives.end(), Quantity::kLatency) > 0 ||
         std::any_of(targets.begin(), targets.end(), [](const nas::Target& t) { return t.quantity == Quantity::kLatency; });
}

std::shared_ptr<const nas::LatencyModel> latency_of(const nas::Preparation& preparation) {
  if (!preparation.has("latency")) return nullptr;
  return std::make_shared<nas::LatencyModel>(nas::LatencyModel::parse(preparation.get("latency"), "preparation of the study"));
}

nas::TrainingSetting training_setting(const Config& config, const LoadedData& data, const nas::Preparation& preparation) {
  LATHE_CHECK(preparation.has("latency") || !needs_latency(config));
  LATHE_CHECK(preparation.has("baseline") || !nas::needs_baseline(targets_of(config)));
  return planning_setting(config, data, preparation);
}

nas::TrainingSetting planning_setting(const Config& config, const LoadedData& data, const nas::Preparation& preparation) {
  nas::TrainingSetting setting{base_candidate(config), data.task, named_limits(config), backend_name(config)};
  setting.objectives = objectives_of(config);
  setting.encodings = data.encodings.get();
  if (const auto model = latency_of(preparation))
    setting.latency = [model](const nn::TransformerConfig& architecture) { return model->predict_ns(architecture); };
  std::vector<nas::Target> targets = targets_of(config);
  if (!setting.latency) {
    std::erase_if(setting.limits, [](const nas::Limit& limit) { return limit.quantity == Quantity::kLatency; });
    std::erase_if(targets, [](const nas::Target& target) { return target.quantity == Quantity::kLatency; });
    std::erase(setting.objectives, Quantity::kLatency);
  }
  if (targets.empty()) return setting;
  nas::CandidateCost cost = nas::cost_of(setting.base, data.task, data.rows.train);
  if (setting.latency) cost.latency_ns = setting.latency(setting.base.architecture(data.task));
  std::optional<nas::Baseline> baseline;
  if (preparation.has("baseline")) baseline = nas::Baseline::parse(preparation.get("baseline"), "preparation of the study");
  for (nas::Limit& limit : nas::resolve(targets, cost, baseline ? &*baseline : nullptr)) setting.limits.push_back(std::move(limit));
  return setting;
}

void nothing_within_limits(const Config& config, const nas::TrainingSetting& setting, const nas::Space& space,
                           const LoadedData& data) {
  nas::TrainingSetting free = setting;
  free.limits.clear();
  const nas::TrainingObjective objective(free, data.rows.train, data.rows.valid);
  const nas::SpaceSample sample = nas::sample_space(space, objective);  // InputError: no valid point at all
  std::vector<std::string> texts;
  for (const nas::Limit& limit : setting.limits) {
    if (nas::is_measured(limit.quantity)) continue;
    texts.push_back(limit.text);
    const auto value = [&](std::size_t i) { return nas::known_value(limit.quantity, sample.costs[i]); };
    std::size_t nearest = 0;
    for (std::size_t i = 1; i < sample.costs.size(); ++i)
      if (limit.excess(value(i)) < limit.excess(value(nearest))) nearest = i;
    if (limit.holds(value(nearest))) continue;
    const nas::Candidate candidate = objective.candidate(sample.points[nearest]);
    const bool predicted = limit.quantity == Quantity::kLatency;
    throw InputError(str(place_of(config, limit), limit.text, " excludes every architecture that was drawn; the ",
                         limit.at_least ? "largest" : "smallest", predicted ? " predicted" : "", " is ",
                         nas::show_value(limit.quantity, value(nearest)), " (layers ", candidate.layers, ", hidden ",
                         candidate.hidden, ")"));
  }
  throw InputError(str(join(texts, " and "), " together exclude every architecture that was drawn"));
}

}  // namespace lathe::cli
