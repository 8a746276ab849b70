#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/latency_json.h>
#include <lathe/nn/config_json.h>

#include <nlohmann/json.hpp>

namespace lathe::nas {
namespace {

using Json = nlohmann::json;

void write_samples(JsonWriter& json, const std::vector<LatencySample>& samples) {
  json.key("samples").begin_array();
  for (const LatencySample& sample : samples) {
    json.begin_object().member("median_ns", sample.median_ns).member("mad_ns", sample.mad_ns);
    json.key("architecture").raw(sample.architecture.to_json()).end_object();
  }
  json.end_array();
}

/// Numbers must be what they are called: 1.5 is no count.
template <class T>
T get(const Json& json, const char* name) {
  const Json& value = json.at(name);
  const bool fits = std::is_floating_point_v<T> ? value.is_number() : std::is_integral_v<T> ? value.is_number_integer() : true;
  if (!fits)
    throw InputError(str("`", name, "` is ", value.dump(), ", expected ", std::is_integral_v<T> ? "an integer" : "a number"));
  return value.get<T>();
}

LatencyTable read_table(const Json& json) {
  LatencyTable table;
  const Json& course = json.at("reference");
  table.reference = {get<std::int64_t>(course, "median_ns"), get<std::int64_t>(course, "mad_ns"),
                     get<std::int64_t>(course, "visits"), get<std::int64_t>(course, "rejected"), get<double>(course, "range")};
  const Json& samples = json.at("samples");
  if (!samples.is_array()) throw InputError("`samples` is no list");
  for (const Json& item : samples)
    table.samples.push_back({nn::config_from_json(item.at("architecture").dump(), "`architecture`"),
                             get<std::int64_t>(item, "median_ns"), get<std::int64_t>(item, "mad_ns")});
  return table;
}

LatencyModel::Facts read_facts(const Json& json) {
  LatencyModel::Facts facts;
  facts.load = {get<std::int64_t>(json, "batch"), get<std::int64_t>(json, "tokens"), get<int>(json, "threads")};
  facts.backend = get<std::string>(json, "backend");
  facts.cpu = get<std::string>(json, "cpu");
  facts.cores = get<int>(json, "cores");
  return facts;
}

LatencyModel read_model(const Json& json) {
  const int version = get<int>(json, "features");
  if (version != kLatencyFeatures)
    throw InputError(str("made by another version of lathe (features ", version, ", this one has ", kLatencyFeatures, ")"));
  LatencyModel model(read_table(json), read_facts(json));
  const Json& stored = json.at("coefficients");
  const std::vector<std::string>& names = latency_feature_names();
  bool same = stored.is_object() && stored.size() == names.size();
  for (std::size_t i = 0; same && i < names.size(); ++i)
    same = stored.contains(names[i]) && get<double>(stored, names[i].c_str()) == model.coefficients()[i];
  if (!same) throw InputError("the coefficients are not those of the samples");
  return model;
}

template <class Read>
auto reading(const std::string& where, Read read) {
  try {
    return read();
  } catch (const Json::exception& error) {
    throw InputError(str(where, ": is not a latency model: ", error.what()));
  } catch (const InputError& error) {
    throw InputError(str(where, ": is not a latency model: ", error.what()));
  }
}

}  // namespace

std::string LatencyModel::json() const {
  JsonWriter json;
  json.begin_object().member("features", kLatencyFeatures);
  json.member("batch", facts_.load.batch).member("tokens", facts_.load.tokens).member("threads", facts_.load.threads);
  json.member("backend", facts_.backend).member("cpu", facts_.cpu).member("cores", facts_.cores);
  const ReferenceCourse& course = table_.reference;
  json.key("reference").begin_object().member("median_ns", course.median_ns).member("mad_ns", course.mad_ns);
  json.member("visits", course.visits).member("rejected", course.rejected).member("range", course.range).end_object();
  write_samples(json, table_.samples);
  json.key("coefficients").begin_object();
  for (std::size_t i = 0; i < coefficients_.size(); ++i) json.member(latency_feature_names()[i], coefficients_[i]);
  return json.end_object().end_object().text();
}

LatencyModel LatencyModel::parse(std::string_view text, const std::string& where) {
  return reading(where, [&] { return read_model(Json::parse(text)); });
}

std::string latency_file(const std::string& identity, const LatencyModel& model) {
  JsonWriter json;
  json.begin_object().member("identity", identity).key("latency").raw(model.json());
  return json.end_object().text() + "\n";
}

CachedLatency read_latency_file(std::string_view text, const std::string& where) {
  return reading(where, [&] {
    const Json json = Json::parse(text);
    return CachedLatency{get<std::string>(json, "identity"), read_model(json.at("latency"))};
  });
}

}  // namespace lathe::nas
