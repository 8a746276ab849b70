// Parts of results.json that not every run has. Private to nas/transformer.
#pragma once
#include <lathe/base/json_writer.h>
#include <lathe/nas/transformer/results.h>

#include <nlohmann/json.hpp>

namespace lathe::nas {

/// A number that may be missing: null is not a number.
double real_of(const nlohmann::json& json);

/// A list of epochs, as a value. Of those of the study's log, which has no steps (0), only what it has is written.
void write_epochs(JsonWriter& json, const std::vector<train::EpochResult>& epochs);
std::vector<train::EpochResult> read_epochs(const nlohmann::json& json);

/// Members of a trial and of a model beyond the first ones.
void write_more(JsonWriter& json, const TrialRow& trial);
void read_more(const nlohmann::json& json, TrialRow& trial);
void write_more(JsonWriter& json, const ModelRow& model);
void read_more(const nlohmann::json& json, ModelRow& model);

/// Why, limits, latency, calibration, layers, reliability. A record without them is read as a run without them.
void write_parts(JsonWriter& json, const RunResults& results);
void read_parts(const nlohmann::json& json, RunResults& results);

}  // namespace lathe::nas
