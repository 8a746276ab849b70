#include <lathe/nas/study.h>

#include <lathe/base/json_writer.h>
#include <lathe/base/sha256.h>
#include <lathe/base/text.h>
#include <lathe/nas/event_reader.h>

#include <algorithm>
#include <cmath>

namespace lathe::nas {
namespace {

constexpr int kMostWorkers = 100'000;

void write_settings(JsonWriter& w, std::string_view name, const Settings& settings) {
  w.key(name).begin_object();
  for (const auto& [key, value] : settings) w.member(key, value);
  w.end_object();
}

const char* aggregate_name(Judging::Aggregate aggregate) {
  switch (aggregate) {
    case Judging::Aggregate::mean:
      return "mean";
    case Judging::Aggregate::worst:
      return "worst";
    case Judging::Aggregate::weighted:
      return "weighted";
  }
  return "";
}

// Members of a JSON object as (name with quotes, text of the value); nothing if `json` is not an object. Enough structure to
// say where two texts differ; not a validating parser.
std::optional<std::vector<std::pair<std::string_view, std::string_view>>> members(std::string_view json) {
  json = trim(json);
  if (json.size() < 2 || json.front() != '{' || json.back() != '}') return std::nullopt;
  std::vector<std::pair<std::string_view, std::string_view>> out;
  std::size_t start = 1, colon = 0;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 1; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (c == ':' && depth == 0 && colon == 0) colon = i;
    if ((c == ',' || i + 1 == json.size()) && depth == 0) {
      if (colon) out.emplace_back(trim(json.substr(start, colon - start)), trim(json.substr(colon + 1, i - colon - 1)));
      start = i + 1;
      colon = 0;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
  }
  return out;
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kMost = 60;
  return text.size() <= kMost ? std::string(text) : str(text.substr(0, kMost), "…");
}

std::string unquoted(std::string_view name) {
  return std::string(name.size() >= 2 && name.front() == '"' ? name.substr(1, name.size() - 2) : name);
}

std::optional<std::string> difference(const std::string& path, std::string_view recorded, std::string_view now) {
  if (recorded == now) return std::nullopt;
  const auto before = members(recorded), after = members(now);
  if (!before || !after) return str("`", path, "` was ", shortened(recorded), ", is ", shortened(now));
  const auto name = [&](std::string_view key) { return path.empty() ? unquoted(key) : str(path, ".", unquoted(key)); };
  const auto find = [](const auto& list, std::string_view key) -> const std::string_view* {
    for (const auto& [k, value] : list)
      if (k == key) return &value;
    return nullptr;
  };
  for (const auto& [key, value] : *before) {
    const std::string_view* other = find(*after, key);
    if (!other) return str("`", name(key), "` was ", shortened(value), ", is absent");
    if (auto found = difference(name(key), value, *other)) return found;
  }
  for (const auto& [key, value] : *after)
    if (!find(*before, key)) return str("`", name(key), "` was absent, is ", shortened(value));
  return str("`", path.empty() ? "header" : path, "` has the same members in another order");
}

}  // namespace

const char* duplicates_name(Duplicates duplicates) {
  switch (duplicates) {
    case Duplicates::reject:
      return "reject";
    case Duplicates::reuse:
      return "reuse";
    case Duplicates::allow:
      return "allow";
  }
  return "";
}

std::string StudyHeader::json() const {
  JsonWriter w;
  w.begin_object().member("lathe_study", 1).member("numerics", numerics);
  w.member("seed", static_cast<std::uint64_t>(seed)).member("trials", trials).member("virtual_workers", virtual_workers);
  w.key("objectives").begin_array();
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    w.begin_object().member("metric", metrics[i]);
    w.member("direction", directions[i] == Direction::minimise ? "minimise" : "maximise").end_object();
  }
  w.end_array();
  if (!constraints.empty()) {
    w.key("constraints").begin_array();
    for (const std::string& constraint : constraints) w.value(constraint);
    w.end_array();
  }
  if (duplicates != Duplicates::reject) w.member("duplicates", duplicates_name(duplicates));
  if (!warm_start.empty()) w.member("warm_start", warm_start);
  w.key("judging").begin_object().member("aggregate", aggregate_name(judging.aggregate));
  w.member("unit_value", judging.unit_value == Judging::UnitValue::best ? "best" : "last").key("weights").begin_array();
  for (const double weight : judging.weights) w.value(weight);
  w.end_array().end_object();
  w.member("sampler", sampler);
  write_settings(w, "sampler_settings", sampler_settings);
  w.member("pruner", pruner);
  write_settings(w, "pruner_settings", pruner_settings);
  w.member("data_hash", data_hash);
  if (!preparation.empty()) w.key("preparation").raw(preparation);
  w.key("space").raw(space.json()).key("configuration").raw(configuration.empty() ? "{}" : configuration);
  return w.end_object().text();
}

void StudyHeader::check() const {
  const auto require = [](bool good, const std::string& message) {
    if (!good) throw InputError("study: " + message);
  };
  require(!directions.empty(), "there is no objective");
  require(directions.size() == metrics.size(), str(directions.size(), " directions but ", metrics.size(), " metrics"));
  for (std::size_t i = 0; i < constraints.size(); ++i) {
    require(!constraints[i].empty(), str("constraint ", i, " has no name"));
    require(std::find(constraints.begin(), constraints.begin() + static_cast<std::ptrdiff_t>(i), constraints[i]) ==
                constraints.begin() + static_cast<std::ptrdiff_t>(i),
            str("two constraints have the name `", constraints[i], "`"));
  }
  require(virtual_workers >= 1 && virtual_workers <= kMostWorkers,
          str("virtual_workers is ", virtual_workers, ", expected 1 to ", kMostWorkers));
  require(trials >= 1, str("trials is ", trials, ", expected at least 1"));
  require(configuration.find_first_of("\r\n") == std::string::npos, "the configuration must be JSON on one line");
  const bool weighted = judging.aggregate == Judging::Aggregate::weighted;
  require(weighted || judging.weights.empty(), "weights are given, but the aggregate is not weighted");
  require(!weighted || !judging.weights.empty(), "the aggregate is weighted, but no weights are given");
  for (const double weight : judging.weights)
    require(std::isfinite(weight) && weight > 0, str("weight ", weight, " is not a positive number"));
}

std::string study_hash(const std::string& header_json, std::span<const RecordedEvent> events) {
  Sha256 hash;
  hash.add(header_json).add("\n");
  for (const RecordedEvent& event : events) hash.add(event.line).add("\n");
  return to_hex(hash.finish());
}

namespace {

Trial& trial_of(History& history, const EventFields& fields, const RecordedEvent& event) {
  if (static_cast<std::size_t>(fields.trial) >= history.trials.size())
    throw InputError(str("event `", event.line, "` speaks of a trial that was not proposed"));
  return history.trials[static_cast<std::size_t>(fields.trial)];
}

void apply(History& history, const Space& space, const RecordedEvent& event, const EventFields& fields) {
  switch (fields.kind) {
    case Event::Kind::propose: {
      if (static_cast<std::size_t>(fields.trial) != history.trials.size())
        throw InputError(str("event `", event.line, "` skips a trial"));
      Trial trial;
      trial.number = fields.trial;
      trial.worker = fields.worker;
      trial.reused = fields.reused;
      trial.point = space.parse(fields.point);
      trial.plan = fields.plan;
      trial.plan.attributes = event.attributes;
      trial.started = fields.time;
      history.trials.push_back(std::move(trial));
      return;
    }
    case Event::Kind::report: {
      Trial& trial = trial_of(history, fields, event);
      if (static_cast<std::size_t>(fields.segment) >= trial.plan.segments.size())
        throw InputError(str("event `", event.line, "` speaks of a segment that was not planned"));
      if (fields.result.failure != Failure::none) {
        trial.note = event.note;
        return;
      }
      const Segment& planned = trial.plan.segments[static_cast<std::size_t>(fields.segment)];
      trial.reports.push_back(
          {fields.segment, planned.unit, planned.step, fields.result.values, fields.time, fields.result.constraints});
      return;
    }
    case Event::Kind::finish: {
      Trial& trial = trial_of(history, fields, event);
      trial.state = fields.state;
      trial.values = fields.result.values;
      trial.constraints = fields.result.constraints;
      trial.failure = fields.result.failure;
      trial.finished = fields.time;
      trial.finish_event = fields.index;
      history.finished.push_back(trial.number);
      return;
    }
    case Event::Kind::extend:
    case Event::Kind::enqueue:
    case Event::Kind::adopt:
      return;
  }
}

}  // namespace

History read_history(const Space& space, std::span<const RecordedEvent> events) {
  History history;
  for (const RecordedEvent& event : events) apply(history, space, event, read_event(event.line));
  return history;
}

std::vector<Trial> read_adopted(const Space& space, std::span<const RecordedEvent> events) {
  std::vector<Trial> out;
  for (const RecordedEvent& event : events) {
    if (event.line.find(" adopt ") == std::string::npos) continue;  // a quick look: points may contain anything
    const EventFields fields = read_event(event.line);
    if (fields.kind != Event::Kind::adopt) continue;
    out.push_back(adopted_trial(space, fields));
    out.back().number = static_cast<std::int64_t>(out.size()) - 1;
  }
  return out;
}

std::optional<std::string> header_difference(const std::string& recorded, const std::string& now) {
  return difference("", recorded, now);
}

}  // namespace lathe::nas
