#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/calibration.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace lathe::nas {
namespace {

using Json = nlohmann::ordered_json;  // members stay in their order, so that parts are written again as they were

void write(JsonWriter& json, const char* name, const RankEstimate& estimate) {
  json.key(name).begin_array().value(estimate.value).value(estimate.interval.low).value(estimate.interval.high).end_array();
}

void write(JsonWriter& json, const char* name, const RankAgreement& agreement) {
  json.key(name).begin_object();
  write(json, "tau", agreement.tau);
  write(json, "tau_top", agreement.tau_top);
  write(json, "recall", agreement.recall);
  json.end_object();
}

void write(JsonWriter& json, const std::optional<double>& value) {
  if (value) json.value(*value);
  if (!value) json.null();
}

/// The text that JsonWriter makes of it: parts of a calibration are JSON of their own and must come back as they were.
void write_again(JsonWriter& out, const Json& json) {
  if (json.is_object()) {
    out.begin_object();
    for (const auto& [name, member] : json.items()) write_again(out.key(name), member);
    out.end_object();
  } else if (json.is_array()) {
    out.begin_array();
    for (const Json& element : json) write_again(out, element);
    out.end_array();
  } else if (json.is_string()) {
    out.value(json.get<std::string>());
  } else if (json.is_number_float()) {
    out.value(json.get<double>());
  } else {
    out.raw(json.dump());
  }
}

std::string as_written(const Json& json) {
  JsonWriter out;
  write_again(out, json);
  return out.text();
}

double number_or_undefined(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

RankEstimate estimate(const Json& json) {
  return {number_or_undefined(json.at(0)), {number_or_undefined(json.at(1)), number_or_undefined(json.at(2))}};
}

RankAgreement agreement(const Json& json, std::size_t entries) {
  return {static_cast<std::int64_t>(entries), estimate(json.at("tau")), estimate(json.at("tau_top")), estimate(json.at("recall"))};
}

std::optional<double> value_of(const Json& json) { return json.is_null() ? std::nullopt : std::optional(json.get<double>()); }

std::string interval(const RankEstimate& estimate) {
  if (std::isnan(estimate.value)) return "undefined, all values are equal";
  return str(fixed(estimate.value, 2), " (", fixed(estimate.interval.low, 2), " to ", fixed(estimate.interval.high, 2), ")");
}

}  // namespace

std::string Calibration::json() const {
  JsonWriter json;
  json.begin_object().key("proxy").raw(proxy).member("metric", metric);
  json.member("direction", direction == Direction::maximise ? "maximise" : "minimise").member("threshold", threshold);
  json.member("confidence", confidence).member("top_k", top_k).member("forced", forced);
  json.member("full_ticks", full_ticks).member("cheap_ticks", cheap_ticks);
  write(json, "cheap", cheap);
  write(json, "params", params);
  json.key("rows").begin_array();
  for (const CalibrationRow& row : rows) {
    json.begin_object().key("point").raw(row.point).member("params", row.params).key("full");
    write(json, row.full);
    json.key("cheap");
    write(json, row.cheap);
    json.end_object();
  }
  return json.end_array().end_object().text();
}

Calibration Calibration::parse(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    Calibration out;
    out.proxy = as_written(json.at("proxy"));
    out.metric = json.at("metric").get<std::string>();
    out.direction = json.at("direction").get<std::string>() == "minimise" ? Direction::minimise : Direction::maximise;
    out.threshold = json.at("threshold").get<double>();
    out.confidence = json.at("confidence").get<double>();
    out.top_k = json.at("top_k").get<std::int64_t>();
    out.forced = json.at("forced").get<bool>();
    out.full_ticks = json.at("full_ticks").get<std::uint64_t>();
    out.cheap_ticks = json.at("cheap_ticks").get<std::uint64_t>();
    for (const Json& row : json.at("rows"))
      out.rows.push_back(
          {as_written(row.at("point")), row.at("params").get<std::int64_t>(), value_of(row.at("full")), value_of(row.at("cheap"))});
    out.cheap = agreement(json.at("cheap"), out.rows.size());
    out.params = agreement(json.at("params"), out.rows.size());
    return out;
  } catch (const nlohmann::json::exception& error) {
    throw InputError(str("the calibration cannot be read: ", error.what()));
  }
}

std::string Calibration::reason() const {
  const Json what = Json::parse(proxy);
  const std::string kind = what.is_object() && what.contains("kind") ? what.at("kind").get<std::string>() : proxy;
  std::string text = str("proxy `", kind, "`: Kendall's tau with the training in full is ", interval(cheap.tau), " on ",
                         rows.size(), " architectures, that of the number of parameters alone ", interval(params.tau));
  text += str("; among the best fifth ", interval(cheap.tau_top), ", ", fixed(100 * cheap.recall.value, 0), " % of the best ",
              top_k, " found");
  if (trusted()) return text + str("; the interval's lower end is not below proxy.threshold = ", threshold);
  text += str("; the interval's lower end is below proxy.threshold = ", threshold);
  return text + (forced ? ": used all the same, as proxy.force says" : ": refused; set proxy.force = true to use it all the same");
}

}  // namespace lathe::nas
