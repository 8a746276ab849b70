#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/results_parts_json.h>

#include <limits>

namespace lathe::nas {
namespace {

using Json = nlohmann::json;

void strings(JsonWriter& json, std::string_view name, const std::vector<std::string>& values) {
  json.key(name).begin_array();
  for (const std::string& value : values) json.value(value);
  json.end_array();
}

void write_after(JsonWriter& json, std::string_view name, const std::vector<BestAfter>& curve) {
  json.key(name).begin_array();
  for (const BestAfter& b : curve)
    json.begin_array().value(static_cast<std::uint64_t>(b.trials)).value(b.low).value(b.median).value(b.high).end_array();
  json.end_array();
}

std::vector<BestAfter> read_after(const Json& json) {
  std::vector<BestAfter> out;
  for (const Json& b : json) out.push_back({b.at(0).get<std::size_t>(), real_of(b.at(1)), real_of(b.at(2)), real_of(b.at(3))});
  return out;
}

Effect::Source source_of(const std::string& name) {
  for (const auto s : {Effect::Source::trials, Effect::Source::estimate, Effect::Source::retrained})
    if (name == source_name(s)) return s;
  throw InputError(str("source of an effect '", name, "' is none of trials, estimate, retrained"));
}

void write_why(JsonWriter& json, const Explanation& why) {
  json.key("why").begin_object().key("parameters").begin_array();
  for (const ParameterRow& p : why.parameters) {
    json.begin_object().member("name", p.name).member("log", p.log).member("low", p.low).member("high", p.high);
    strings(json, "choices", p.choices);
    json.member("importance", p.importance).member("edge", p.edge).end_object();
  }
  json.end_array().member("trial", why.trial).key("effects").begin_array();
  for (const Effect& e : why.effects) {
    json.begin_object().member("parameter", e.parameter).member("chosen", e.chosen).member("other", e.other);
    json.member("source", source_name(e.source)).member("difference", e.difference).member("error", e.error);
    json.member("trials", e.trials);
    if (e.source == Effect::Source::retrained) json.member("quantile", e.quantile);
    json.end_object();
  }
  json.end_array();
  write_after(json, "outlook", why.outlook);
  write_after(json, "by_luck", why.by_luck);
  json.member("random_trials", why.random_trials).member("finished_trials", why.finished_trials).end_object();
}

void read_why(const Json& j, Explanation& why) {
  for (const Json& p : j.at("parameters")) {
    ParameterRow row;
    row.name = p.at("name").get<std::string>();
    row.log = p.at("log").get<bool>();
    row.low = real_of(p.at("low"));
    row.high = real_of(p.at("high"));
    row.choices = p.at("choices").get<std::vector<std::string>>();
    row.importance = real_of(p.at("importance"));
    row.edge = p.at("edge").get<std::string>();
    why.parameters.push_back(std::move(row));
  }
  why.trial = j.at("trial").get<std::int64_t>();
  for (const Json& e : j.at("effects")) {
    why.effects.push_back({e.at("parameter").get<std::string>(), e.at("chosen").get<std::string>(),
                           e.at("other").get<std::string>(), source_of(e.at("source").get<std::string>()),
                           real_of(e.at("difference")), real_of(e.at("error")), real_of(e.at("trials"))});
    if (e.contains("quantile")) why.effects.back().quantile = real_of(e.at("quantile"));
  }
  why.outlook = read_after(j.at("outlook"));
  why.by_luck = read_after(j.at("by_luck"));
  why.random_trials = j.at("random_trials").get<std::int64_t>();
  why.finished_trials = j.at("finished_trials").get<std::int64_t>();
}

void write_latency(JsonWriter& json, const LatencySummary& l) {
  json.key("latency").begin_object().member("tau", l.tau).member("mean_error", l.mean_error).member("batch", l.batch);
  json.member("tokens", l.tokens).member("threads", l.threads).member("note", l.note).key("samples").begin_array();
  for (const LatencyRow& s : l.samples) json.begin_array().value(s.name).value(s.predicted).value(s.measured).end_array();
  json.end_array().end_object();
}

LatencySummary read_latency(const Json& j) {
  LatencySummary l;
  l.tau = real_of(j.at("tau"));
  l.mean_error = real_of(j.at("mean_error"));
  l.batch = j.at("batch").get<std::int64_t>();
  l.tokens = j.at("tokens").get<std::int64_t>();
  l.threads = j.at("threads").get<std::int64_t>();
  l.note = j.at("note").get<std::string>();
  for (const Json& s : j.at("samples")) l.samples.push_back({s.at(0).get<std::string>(), real_of(s.at(1)), real_of(s.at(2))});
  return l;
}

void write_calibration(JsonWriter& json, const CalibrationSummary& c) {
  json.key("calibration").begin_object().member("metric", c.metric).member("architectures", c.architectures);
  json.key("tau").begin_array().value(c.tau).value(c.low).value(c.high).end_array().member("params_tau", c.params_tau);
  json.member("threshold", c.threshold).member("trusted", c.trusted).end_object();
}

CalibrationSummary read_calibration(const Json& j) {
  CalibrationSummary c;
  c.metric = j.at("metric").get<std::string>();
  c.architectures = j.at("architectures").get<std::int64_t>();
  const Json& tau = j.at("tau");
  c.tau = real_of(tau.at(0)), c.low = real_of(tau.at(1)), c.high = real_of(tau.at(2));
  c.params_tau = real_of(j.at("params_tau"));
  c.threshold = real_of(j.at("threshold"));
  c.trusted = j.at("trusted").get<bool>();
  return c;
}

}  // namespace

double real_of(const Json& json) { return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>(); }

void write_epochs(JsonWriter& json, const std::vector<train::EpochResult>& epochs) {
  json.begin_array();
  for (const train::EpochResult& e : epochs) {
    json.begin_object().member("epoch", e.epoch).member("train_loss", e.train_loss);
    if (e.steps > 0) json.member("best", e.best).member("steps", e.steps).member("tokens", e.tokens);
    json.key("valid").begin_array();
    json.value(e.valid.accuracy).value(e.valid.macro_f1).value(e.valid.loss).end_array().end_object();
  }
  json.end_array();
}

std::vector<train::EpochResult> read_epochs(const Json& json) {
  std::vector<train::EpochResult> out;
  for (const Json& item : json) {
    train::EpochResult e;
    e.epoch = item.at("epoch").get<std::int64_t>();
    e.train_loss = real_of(item.at("train_loss"));
    if (item.contains("steps")) {
      e.best = item.at("best").get<bool>();
      e.steps = item.at("steps").get<std::int64_t>();
      e.tokens = item.at("tokens").get<std::int64_t>();
    }
    const Json& valid = item.at("valid");
    e.valid = {real_of(valid.at(0)), real_of(valid.at(1)), real_of(valid.at(2))};
    out.push_back(e);
  }
  return out;
}

void write_more(JsonWriter& json, const TrialRow& t) {
  if (!t.epochs.empty()) write_epochs(json.key("epochs"), t.epochs);
  if (t.latency_ms) json.member("latency_ms", *t.latency_ms);
  if (t.violation != 0) json.member("violation", t.violation);
  if (t.measures.empty()) return;
  json.key("measures").begin_array();
  for (const auto& [name, value] : t.measures) json.begin_array().value(name).value(value).end_array();
  json.end_array();
}

void read_more(const Json& j, TrialRow& t) {
  if (j.contains("epochs")) t.epochs = read_epochs(j.at("epochs"));
  if (j.contains("latency_ms")) t.latency_ms = real_of(j.at("latency_ms"));
  if (j.contains("violation")) t.violation = real_of(j.at("violation"));
  if (j.contains("measures"))
    for (const Json& item : j.at("measures")) t.measures.emplace_back(item.at(0).get<std::string>(), real_of(item.at(1)));
}

void write_more(JsonWriter& json, const ModelRow& m) {
  json.member("low", m.low).member("high", m.high).member("config", m.config);
  if (m.answer_memory > 0) json.member("answer_memory", m.answer_memory);
  if (m.latency)
    json.key("latency").begin_array().value(m.latency->predicted).value(m.latency->p50).value(m.latency->p95).end_array();
  if (!m.violations.empty()) strings(json, "violations", m.violations);
}

void read_more(const Json& j, ModelRow& m) {
  if (j.contains("low")) m.low = real_of(j.at("low")), m.high = real_of(j.at("high"));
  if (j.contains("answer_memory")) m.answer_memory = j.at("answer_memory").get<std::int64_t>();
  if (j.contains("config")) m.config = j.at("config").get<std::string>();
  if (j.contains("latency")) {
    const Json& l = j.at("latency");
    m.latency = ModelLatency{real_of(l.at(0)), real_of(l.at(1)), real_of(l.at(2))};
  }
  if (j.contains("violations")) m.violations = j.at("violations").get<std::vector<std::string>>();
}

void write_parts(JsonWriter& json, const RunResults& r) {
  write_why(json, r.why);
  json.key("reliability").begin_array();
  for (const ReliabilityBin& b : r.reliability) json.begin_array().value(b.rows).value(b.confidence).value(b.right).end_array();
  json.end_array().key("limits").begin_array();
  for (const LimitRow& l : r.limits) json.begin_array().value(l.quantity).value(l.limit).value(l.text).end_array();
  json.end_array();
  if (r.latency) write_latency(json, *r.latency);
  if (r.calibration) write_calibration(json, *r.calibration);
  json.key("layers").begin_array();
  for (const LayerCostRow& l : r.layers) {
    json.begin_object().member("name", l.name).member("params", l.params).member("flops", l.flops);
    json.member("memory", l.memory).member("ms", l.ms).end_object();
  }
  json.end_array();
}

void read_parts(const Json& j, RunResults& r) {
  if (j.contains("why")) read_why(j.at("why"), r.why);
  if (j.contains("reliability"))
    for (const Json& b : j.at("reliability"))
      r.reliability.push_back({b.at(0).get<std::int64_t>(), real_of(b.at(1)), b.at(2).get<std::int64_t>()});
  if (j.contains("limits"))
    for (const Json& l : j.at("limits"))
      r.limits.push_back({l.at(0).get<std::string>(), real_of(l.at(1)), l.at(2).get<std::string>()});
  if (j.contains("latency")) r.latency = read_latency(j.at("latency"));
  if (j.contains("calibration")) r.calibration = read_calibration(j.at("calibration"));
  if (j.contains("layers"))
    for (const Json& l : j.at("layers"))
      r.layers.push_back({l.at("name").get<std::string>(), l.at("params").get<std::int64_t>(), l.at("flops").get<std::int64_t>(),
                          l.at("memory").get<std::int64_t>(), real_of(l.at("ms"))});
}

}  // namespace lathe::nas
