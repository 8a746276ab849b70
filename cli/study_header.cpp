#include <lathe/cli/study_header.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/cli/objectives.h>
#include <lathe/nas/controller/controller.h>
#include <lathe/nas/pruner/pruner.h>
#include <lathe/tensor/backend.h>

#include <nlohmann/json.hpp>

namespace lathe::cli {
namespace {

using Json = nlohmann::ordered_json;
using Judging = nas::Judging;

nas::Duplicates duplicates_of(const std::string& name) {
  for (const auto d : {nas::Duplicates::reject, nas::Duplicates::reuse, nas::Duplicates::allow})
    if (name == nas::duplicates_name(d)) return d;
  throw InputError(str("there is no rule for duplicates `", name, "`"));
}

nas::Direction direction_of(const std::string& name) {
  return name == "minimise" ? nas::Direction::minimise : nas::Direction::maximise;
}

nas::Value value_of(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  return json.get<std::string>();
}

std::vector<nas::Value> values_of(const Json& json) {
  std::vector<nas::Value> out;
  for (const Json& value : json) out.push_back(value_of(value));
  return out;
}

/// A domain as Space::json() writes it.
nas::Domain domain_of(const Json& json) {
  const auto kind = json.at("kind").get<std::string>();
  if (kind == "integer")
    return nas::IntegerRange{json.at("low").get<std::int64_t>(), json.at("high").get<std::int64_t>(),
                             json.at("step").get<std::int64_t>(), json.at("log").get<bool>()};
  if (kind == "real")
    return nas::RealRange{json.at("low").get<double>(), json.at("high").get<double>(), json.at("step").get<double>(),
                          json.at("log").get<bool>()};
  if (kind == "ordinal") return nas::Ordinal{values_of(json.at("choices"))};
  return nas::Categorical{values_of(json.at("choices"))};
}

/// Space::json() with all its parameters as they are: for spaces without choices per layer.
nas::Space plain_space(const Json& json) {
  nas::SpaceBuilder builder;
  for (const Json& p : json.at("parameters"))
    builder.add({p.at("name").get<std::string>(), domain_of(p), p.value("when", std::string())});
  for (const Json& rule : json.at("rules")) builder.rule(rule.get<std::string>());
  return builder.build();
}

/// What SpaceConfig::write_json() wrote.
SpaceConfig space_config(const Json& json) {
  SpaceConfig out;
  for (const Json& entry : json.at("parameters")) {
    SpaceParameter p;
    p.name = entry.at("name").get<std::string>();
    p.when = entry.value("when", std::string());
    if (entry.contains("choices")) {
      for (const Json& choice : entry.at("choices")) {
        if (choice.is_boolean()) {
          p.choices.emplace_back(choice.get<bool>());
        } else if (choice.is_number_integer()) {
          p.choices.emplace_back(choice.get<std::int64_t>());
        } else if (choice.is_number()) {
          p.choices.emplace_back(choice.get<double>());
        } else {
          p.choices.emplace_back(choice.get<std::string>());
        }
      }
      p.ordered = entry.value("ordered", false);
    } else {
      p.kind = entry.at("type") == "integer" ? SpaceParameter::Kind::integers : SpaceParameter::Kind::numbers;
      p.min = entry.at("min").get<double>();
      p.max = entry.at("max").get<double>();
      p.step = entry.value("step", 0.0);
      p.log = entry.value("log", false);
    }
    out.parameters.push_back(std::move(p));
  }
  for (const Json& rule : json.at("valid")) out.valid.push_back(rule.get<std::string>());
  return out;
}

nas::Space space_of(const Json& header) {
  const Json& configuration = header.at("configuration");
  if (configuration.contains("space")) return make_space(space_config(configuration.at("space")));
  return plain_space(header.at("space"));
}

Judging judging_of(const Json& json) {
  Judging out;
  const auto aggregate = json.at("aggregate").get<std::string>();
  out.aggregate = aggregate == "worst"      ? Judging::Aggregate::worst
                  : aggregate == "weighted" ? Judging::Aggregate::weighted
                                            : Judging::Aggregate::mean;
  out.unit_value = json.at("unit_value") == "best" ? Judging::UnitValue::best : Judging::UnitValue::last;
  out.weights = json.at("weights").get<std::vector<double>>();
  return out;
}

nas::StudyHeader parsed(const Json& json) {
  nas::StudyHeader header;
  header.numerics = json.at("numerics").get<std::string>();
  header.seed = json.at("seed").get<std::uint64_t>();
  header.trials = json.at("trials").get<std::int64_t>();
  header.virtual_workers = json.at("virtual_workers").get<int>();
  header.metrics.clear();
  header.directions.clear();
  for (const Json& objective : json.at("objectives")) {
    header.metrics.push_back(objective.at("metric").get<std::string>());
    header.directions.push_back(direction_of(objective.at("direction").get<std::string>()));
  }
  if (json.contains("constraints")) header.constraints = json.at("constraints").get<std::vector<std::string>>();
  header.duplicates = duplicates_of(json.value("duplicates", std::string("reject")));
  header.warm_start = json.value("warm_start", std::string());
  header.judging = judging_of(json.at("judging"));
  header.sampler = json.at("sampler").get<std::string>();
  header.sampler_settings = json.at("sampler_settings").get<Settings>();
  header.pruner = json.at("pruner").get<std::string>();
  header.pruner_settings = json.at("pruner_settings").get<Settings>();
  header.data_hash = json.at("data_hash").get<std::string>();
  header.space = space_of(json);
  return header;
}

/// Runs `make`, and says with which key of the configuration it does not agree.
template <class Make>
void require_made(const Config& config, const std::string& key, const Make& make) {
  try {
    make();
  } catch (const InputError& error) {
    const std::string settings = key + "_settings";
    const std::string& origin = config.settings(settings).empty() ? config.origin(key) : config.origin(settings);
    throw InputError(str(origin, origin.empty() ? "" : ": ", error.what()));
  }
}

}  // namespace

std::string header_object(const std::string& header, std::string_view member) {
  int depth = 0;
  std::size_t begin = 0;  // of the member's object, once it is found
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (header[i] == '"') {
      const std::size_t name = i + 1;
      while (header[++i] != '"')
        if (header[i] == '\\') ++i;
      const bool found = depth == 1 && std::string_view(header).substr(name, i - name) == member && header.substr(i + 1, 2) == ":{";
      if (found) begin = i + 2;
    } else if (header[i] == '{') {
      ++depth;
    } else if (header[i] == '}' && --depth == 1 && begin > 0) {
      return header.substr(begin, i + 1 - begin);
    }
  }
  return {};
}

nas::StudyHeader study_header(const Config& config, const std::string& name) {
  nas::StudyHeader header;
  header.name = name;
  header.configuration = config.identity_json();
  header.space = make_space(config);
  header.trials = config.integer("search.trials");
  header.virtual_workers = static_cast<int>(config.integer("search.virtual_workers"));
  header.seed = static_cast<std::uint64_t>(config.integer("seed"));
  header.sampler = nas::all_samplers().resolve(config.text("search.sampler"));
  header.sampler_settings = config.settings("search.sampler_settings");
  header.pruner = nas::PrunerRegistry::builtin().resolve(config.text("search.pruner"));
  header.pruner_settings = config.settings("search.pruner_settings");
  header.duplicates = duplicates_of(config.text("search.duplicates"));
  if (config.own_objective()) {
    header.metrics = config.texts("objective.metrics");
    header.directions.clear();
    for (const std::string& direction : config.texts("objective.directions")) header.directions.push_back(direction_of(direction));
    header.constraints = config.texts("objective.constraints");
    header.judging.unit_value = Judging::UnitValue::last;  // the final value, not the best report
  } else {
    describe_objectives(config, header);
  }
  header.check();
  require_made(config, "search.sampler", [&] { nas::all_samplers().make(header); });
  require_made(config, "search.pruner", [&] { nas::PrunerRegistry::builtin().make(header); });
  return header;
}

nas::StudyHeader training_header(const Config& config, const LoadedData& data, const std::string& name) {
  nas::StudyHeader header = study_header(config, name);
  header.data_hash = to_hex(data.hash);
  header.numerics = numerics_tag(backend_name(config));
  return header;
}

nas::StudyHeader read_header(const std::string& json, const std::string& name) {
  if (json.empty()) throw InputError(str("study `", name, "` was not made by lathe"));
  nas::StudyHeader header;
  try {
    header = parsed(Json::parse(json));
  } catch (const nlohmann::json::exception& error) {
    throw InputError(str("study `", name, "`: its header cannot be read: ", error.what()));
  }
  header.name = name;
  header.configuration = header_object(json, "configuration");
  header.preparation = header_object(json, "preparation");
  if (const auto difference = nas::header_difference(json, header.json()))
    throw InputError(str("study `", name, "`: only the program that made it can go on with it (", *difference, ")"));
  return header;
}

std::optional<int> own_reports(const nas::StudyHeader& header) {
  const Json json = Json::parse(header.configuration, nullptr, false);
  if (!json.is_object() || !json.contains("search") || json.contains("train")) return {};
  return json.contains("objective") ? json.at("objective").value("max_reports", 0) : 0;
}

nas::Plan own_plan(int max_reports) {
  nas::Plan plan;
  plan.segments.clear();
  for (int step = 1; step <= max_reports + 1; ++step) plan.segments.push_back({0, step, 1});
  return plan;
}

std::optional<std::vector<double>> given_reference(const Invocation& invocation, const std::vector<std::string>& metrics) {
  const std::string text = invocation.value("--reference");
  if (text.empty()) return std::nullopt;
  std::vector<double> out;
  for (const std::string_view part : split(text, ',')) {
    const auto value = parse_double(trim(part));
    if (!value || !std::isfinite(*value)) throw InputError(str("--reference ", text, ": `", part, "` is no finite number"));
    out.push_back(*value);
  }
  if (out.size() != metrics.size())
    throw InputError(str("--reference ", text, ": expected ", metrics.size(), " numbers, one for each of ", join(metrics, ", ")));
  return out;
}

}  // namespace lathe::cli
