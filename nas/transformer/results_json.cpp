// results.json: the record of a run, written and read. JSON has no NaN: a number that is not finite (the loss of a training that
// diverged) is written as null and read as NaN.
#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/results.h>
#include <lathe/nas/transformer/results_parts_json.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace lathe::nas {
namespace {

using Json = nlohmann::json;

template <class T>
void list(JsonWriter& json, const char* name, const std::vector<T>& values) {
  json.key(name).begin_array();
  for (const T& value : values) json.value(value);
  json.end_array();
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

void pairs(JsonWriter& json, const char* name, const Pairs& values) {
  json.key(name).begin_array();
  for (const auto& [key, value] : values) json.begin_array().value(key).value(value).end_array();
  json.end_array();
}

void difference(JsonWriter& json, const char* name, const std::optional<PairedDifference>& d) {
  json.key(name);
  if (d) {
    json.begin_array().value(d->mean).value(d->half_width).value(d->p_value).end_array();
  } else {
    json.null();
  }
}

void write_data(JsonWriter& json, const DataSummary& d) {
  json.key("data").begin_object().member("name", d.name);
  list(json, "notes", d.notes);
  list(json, "warnings", d.warnings);
  list(json, "labels", d.labels);
  list(json, "class_rows", d.class_rows);
  json.member("train_rows", d.train_rows).member("valid_rows", d.valid_rows).member("test_rows", d.test_rows);
  json.member("train_tokens", d.train_tokens).member("max_tokens", d.max_tokens).member("cut_rows", d.cut_rows);
  json.member("vocabulary", d.vocabulary);
  list(json, "length_counts", d.length_counts);
  json.member("hash", d.hash).end_object();
}

void write_study(JsonWriter& json, const StudySummaryRow& s) {
  json.key("study").begin_object().member("name", s.name).member("hash", s.hash).member("metric", s.metric);
  json.member("sampler", s.sampler).member("pruner", s.pruner).member("numerics", s.numerics).member("seed", s.seed);
  json.member("events", s.events).member("virtual_workers", s.virtual_workers).member("budget", s.budget);
  json.member("finished", s.finished).member("exhausted", s.exhausted).member("space", s.space);
  if (!s.objectives.empty()) pairs(json, "objectives", s.objectives);
  if (s.evaluation != "train") json.member("evaluation", s.evaluation);
  list(json, "hints", s.hints);
  json.end_object();
}

void write_trial(JsonWriter& json, const TrialRow& t) {
  json.begin_object().member("number", t.number).member("state", state_name(t.state)).key("value");
  if (t.value) {
    json.value(*t.value);
  } else {
    json.null();
  }
  json.member("architecture", t.architecture);
  pairs(json, "parameters", t.parameters);
  list(json, "curve", t.curve);
  json.member("params", t.params).member("flops", t.flops).member("memory", t.memory);
  json.member("finish_event", t.finish_event).member("note", t.note);
  write_more(json, t);
  json.end_object();
}

void write_model(JsonWriter& json, const ModelRow& m) {
  json.begin_object().member("name", m.name).member("architecture", m.architecture);
  pairs(json, "parameters", m.parameters);
  json.member("valid", m.valid).member("test", m.test).member("half_width", m.half_width).member("macro_f1", m.macro_f1);
  json.member("params", m.params).member("bytes", m.bytes).member("flops", m.flops).member("memory", m.memory);
  json.member("seeds", m.seeds).member("failed", m.failed);
  difference(json, "to_default", m.to_default);
  if (m.of_winner) difference(json, "of_winner", m.of_winner);
  json.key("curves").begin_array();
  for (const std::vector<train::EpochResult>& curve : m.curves) write_epochs(json, curve);
  json.end_array();
  write_more(json, m);
  if (!m.targets.empty()) {
    json.key("targets").begin_array();
    for (const TargetCheck& t : m.targets) {
      json.begin_object().member("text", t.text).member("value", t.value).member("bound", t.bound);
      json.member("holds", t.holds).end_object();
    }
    json.end_array();
  }
  json.end_object();
}

Pairs pairs_of(const Json& json) {
  Pairs out;
  for (const Json& item : json) out.emplace_back(item.at(0).get<std::string>(), item.at(1).get<std::string>());
  return out;
}

double real(const Json& json) { return real_of(json); }

std::optional<PairedDifference> difference_of(const Json& json) {
  if (json.is_null()) return {};
  PairedDifference d{real(json.at(0)), real(json.at(1))};
  if (json.size() > 2) d.p_value = real(json.at(2));
  return d;
}

template <class T>
void get(const Json& json, const char* name, T& out) {
  out = json.at(name).get<T>();
}

void get(const Json& json, const char* name, double& out) { out = real(json.at(name)); }

void get(const Json& json, const char* name, std::vector<double>& out) {
  for (const Json& item : json.at(name)) out.push_back(real(item));
}

TrialState state_of(const std::string& name) {
  for (const TrialState s : {TrialState::running, TrialState::complete, TrialState::pruned, TrialState::failed})
    if (name == state_name(s)) return s;
  throw InputError(str("trial state '", name, "' is none of running, complete, pruned, failed"));
}

/// What the reports index by without asking again.
void check_shape(const RunResults& r) {
  if (r.winner < -1 || r.winner >= static_cast<int>(r.models.size()))
    throw InputError(str("winner ", r.winner, " is none of the ", r.models.size(), " models (-1: none)"));
  const auto classes = static_cast<std::size_t>(std::max(r.confusion.classes, 0));
  if (r.confusion.classes < 0 || classes > r.data.labels.size() || r.confusion.counts.size() != classes * classes)
    throw InputError(str("a confusion matrix of ", r.confusion.classes, " classes with ", r.confusion.counts.size(),
                         " counts does not fit ", r.data.labels.size(), " labels"));
}

void read_data(const Json& j, DataSummary& d) {
  get(j, "name", d.name), get(j, "notes", d.notes), get(j, "warnings", d.warnings), get(j, "labels", d.labels);
  get(j, "class_rows", d.class_rows), get(j, "train_rows", d.train_rows), get(j, "valid_rows", d.valid_rows);
  get(j, "test_rows", d.test_rows), get(j, "train_tokens", d.train_tokens), get(j, "max_tokens", d.max_tokens);
  get(j, "cut_rows", d.cut_rows), get(j, "vocabulary", d.vocabulary), get(j, "length_counts", d.length_counts),
      get(j, "hash", d.hash);
}

void read_study(const Json& j, StudySummaryRow& s) {
  get(j, "name", s.name), get(j, "hash", s.hash), get(j, "metric", s.metric), get(j, "sampler", s.sampler),
      get(j, "pruner", s.pruner);
  get(j, "numerics", s.numerics), get(j, "seed", s.seed), get(j, "events", s.events), get(j, "virtual_workers", s.virtual_workers);
  get(j, "budget", s.budget), get(j, "finished", s.finished), get(j, "exhausted", s.exhausted), get(j, "space", s.space);
  get(j, "hints", s.hints);
  if (j.contains("objectives")) s.objectives = pairs_of(j.at("objectives"));
  if (j.contains("evaluation")) get(j, "evaluation", s.evaluation);
}

TrialRow read_trial(const Json& j) {
  TrialRow t;
  get(j, "number", t.number);
  t.state = state_of(j.at("state").get<std::string>());
  if (!j.at("value").is_null()) t.value = j.at("value").get<double>();
  get(j, "architecture", t.architecture);
  t.parameters = pairs_of(j.at("parameters"));
  get(j, "curve", t.curve), get(j, "params", t.params), get(j, "flops", t.flops), get(j, "memory", t.memory);
  get(j, "finish_event", t.finish_event), get(j, "note", t.note);
  read_more(j, t);
  return t;
}

ModelRow read_model(const Json& j) {
  ModelRow m;
  get(j, "name", m.name), get(j, "architecture", m.architecture);
  m.parameters = pairs_of(j.at("parameters"));
  get(j, "valid", m.valid), get(j, "test", m.test), get(j, "half_width", m.half_width), get(j, "macro_f1", m.macro_f1);
  get(j, "params", m.params), get(j, "bytes", m.bytes), get(j, "flops", m.flops), get(j, "memory", m.memory);
  get(j, "seeds", m.seeds), get(j, "failed", m.failed);
  m.to_default = difference_of(j.at("to_default"));
  if (j.contains("of_winner")) m.of_winner = difference_of(j.at("of_winner"));
  for (const Json& curve : j.at("curves")) m.curves.push_back(read_epochs(curve));
  read_more(j, m);
  if (j.contains("targets"))
    for (const Json& t : j.at("targets")) {
      parse_target(t.at("text").get<std::string>());  // the reports ask for its quantity
      m.targets.push_back({t.at("text").get<std::string>(), real(t.at("value")), real(t.at("bound")), t.at("holds").get<bool>()});
    }
  return m;
}

}  // namespace

std::string to_json(const RunResults& r) {
  JsonWriter json;
  json.begin_object().member("schema", 1).member("version", r.version);
  write_data(json, r.data);
  write_study(json, r.study);
  json.key("trials").begin_array();
  for (const TrialRow& trial : r.trials) write_trial(json, trial);
  json.end_array().key("models").begin_array();
  for (const ModelRow& model : r.models) write_model(json, model);
  json.end_array().member("winner", r.winner).member("winner_seed", r.winner_seed).member("metric", r.metric);
  json.key("baselines").begin_array();
  for (const BaselineRow& b : r.baselines)
    json.begin_object()
        .member("name", b.name)
        .member("accuracy", b.accuracy)
        .member("macro_f1", b.macro_f1)
        .member("half_width", b.half_width)
        .member("low", b.low)
        .member("high", b.high)
        .end_object();
  json.end_array();
  difference(json, "winner_to_bag_of_words", r.winner_to_bag_of_words);
  if (r.winner_to_majority) difference(json, "winner_to_majority", r.winner_to_majority);
  json.key("confusion").begin_object().member("classes", r.confusion.classes);
  list(json, "counts", r.confusion.counts);
  json.end_object().key("mistakes").begin_array();
  for (const Mistake& m : r.mistakes) {
    json.begin_object().member("place", m.place).member("text", m.text).member("truth", m.truth);
    json.member("predicted", m.predicted).member("confidence", m.confidence).end_object();
  }
  json.end_array();
  write_parts(json, r);
  pairs(json, "commands", r.commands);
  json.key("seconds").begin_array();
  for (const auto& [phase, seconds] : r.seconds) json.begin_array().value(phase).value(seconds).end_array();
  json.end_array().member("resumed", r.resumed).member("config", r.config);
  json.key("host").begin_object().member("cpu", r.host.cpu).member("backend", r.host.backend).member("compiler", r.host.compiler);
  json.member("system", r.host.system).member("cores", r.host.cores).member("workers", r.host.workers).end_object();
  return json.end_object().text();
}

RunResults run_results(std::string_view text, const std::string& where) {
  try {
    const Json j = Json::parse(text);
    if (const int schema = j.at("schema").get<int>(); schema != 1)
      throw InputError(str("has schema ", schema, ", this version reads schema 1"));
    RunResults r;
    get(j, "version", r.version);
    read_data(j.at("data"), r.data);
    read_study(j.at("study"), r.study);
    for (const Json& item : j.at("trials")) r.trials.push_back(read_trial(item));
    for (const Json& item : j.at("models")) r.models.push_back(read_model(item));
    get(j, "winner", r.winner), get(j, "winner_seed", r.winner_seed), get(j, "metric", r.metric);
    for (const Json& b : j.at("baselines"))
      r.baselines.push_back({b.at("name").get<std::string>(), real(b.at("accuracy")), real(b.at("macro_f1")),
                             real(b.at("half_width")), b.contains("low") ? real(b.at("low")) : real(Json()),
                             b.contains("high") ? real(b.at("high")) : real(Json())});
    r.winner_to_bag_of_words = difference_of(j.at("winner_to_bag_of_words"));
    if (j.contains("winner_to_majority")) r.winner_to_majority = difference_of(j.at("winner_to_majority"));
    get(j.at("confusion"), "classes", r.confusion.classes), get(j.at("confusion"), "counts", r.confusion.counts);
    for (const Json& m : j.at("mistakes"))
      r.mistakes.push_back({m.at("place").get<std::string>(), m.at("text").get<std::string>(), m.at("truth").get<std::string>(),
                            m.at("predicted").get<std::string>(), real(m.at("confidence"))});
    read_parts(j, r);
    r.commands = pairs_of(j.at("commands"));
    for (const Json& item : j.at("seconds")) r.seconds.emplace_back(item.at(0).get<std::string>(), real(item.at(1)));
    if (j.contains("resumed")) get(j, "resumed", r.resumed);
    get(j, "config", r.config);
    const Json& h = j.at("host");
    get(h, "cpu", r.host.cpu), get(h, "backend", r.host.backend), get(h, "compiler", r.host.compiler);
    get(h, "system", r.host.system), get(h, "cores", r.host.cores), get(h, "workers", r.host.workers);
    check_shape(r);
    return r;
  } catch (const Json::exception& error) {
    throw InputError(where + ": is not the record of a run: " + error.what());
  } catch (const InputError& error) {
    throw InputError(where + ": " + error.what());
  }
}

}  // namespace lathe::nas
