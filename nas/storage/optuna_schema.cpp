#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/storage/optuna_schema.h>

namespace lathe::nas::optuna {

const char* const kAlembicRevision = "v3.2.0.a";

const char* const kSchema = R"sql(
{types}
CREATE TABLE IF NOT EXISTS studies (
  study_id {id} NOT NULL, study_name VARCHAR(512) NOT NULL, PRIMARY KEY (study_id));
CREATE UNIQUE INDEX IF NOT EXISTS ix_studies_study_name ON studies (study_name);
CREATE TABLE IF NOT EXISTS version_info (
  version_info_id {id} NOT NULL, schema_version INTEGER, library_version VARCHAR(256),
  PRIMARY KEY (version_info_id), CHECK (version_info_id = 1));
CREATE TABLE IF NOT EXISTS study_directions (
  study_direction_id {id} NOT NULL, direction {direction} NOT NULL, study_id INTEGER NOT NULL, objective INTEGER NOT NULL,
  PRIMARY KEY (study_direction_id), UNIQUE (study_id, objective), FOREIGN KEY(study_id) REFERENCES studies (study_id));
CREATE TABLE IF NOT EXISTS study_user_attributes (
  study_user_attribute_id {id} NOT NULL, study_id INTEGER, "key" VARCHAR(512), value_json TEXT,
  PRIMARY KEY (study_user_attribute_id), UNIQUE (study_id, "key"), FOREIGN KEY(study_id) REFERENCES studies (study_id));
CREATE TABLE IF NOT EXISTS study_system_attributes (
  study_system_attribute_id {id} NOT NULL, study_id INTEGER, "key" VARCHAR(512), value_json TEXT,
  PRIMARY KEY (study_system_attribute_id), UNIQUE (study_id, "key"), FOREIGN KEY(study_id) REFERENCES studies (study_id));
CREATE TABLE IF NOT EXISTS trials (
  trial_id {id} NOT NULL, number INTEGER, study_id INTEGER, state {state} NOT NULL, datetime_start {time},
  datetime_complete {time}, PRIMARY KEY (trial_id), FOREIGN KEY(study_id) REFERENCES studies (study_id));
CREATE INDEX IF NOT EXISTS ix_trials_study_id ON trials (study_id);
CREATE TABLE IF NOT EXISTS trial_user_attributes (
  trial_user_attribute_id {id} NOT NULL, trial_id INTEGER, "key" VARCHAR(512), value_json TEXT,
  PRIMARY KEY (trial_user_attribute_id), UNIQUE (trial_id, "key"), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE IF NOT EXISTS trial_system_attributes (
  trial_system_attribute_id {id} NOT NULL, trial_id INTEGER, "key" VARCHAR(512), value_json TEXT,
  PRIMARY KEY (trial_system_attribute_id), UNIQUE (trial_id, "key"), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE IF NOT EXISTS trial_params (
  param_id {id} NOT NULL, trial_id INTEGER, param_name VARCHAR(512), param_value {float}, distribution_json TEXT,
  PRIMARY KEY (param_id), UNIQUE (trial_id, param_name), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE IF NOT EXISTS trial_values (
  trial_value_id {id} NOT NULL, trial_id INTEGER NOT NULL, objective INTEGER NOT NULL, value {float},
  value_type {kind} NOT NULL, PRIMARY KEY (trial_value_id), UNIQUE (trial_id, objective),
  FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE IF NOT EXISTS trial_intermediate_values (
  trial_intermediate_value_id {id} NOT NULL, trial_id INTEGER NOT NULL, step INTEGER NOT NULL, intermediate_value {float},
  intermediate_value_type {step kind} NOT NULL, PRIMARY KEY (trial_intermediate_value_id), UNIQUE (trial_id, step),
  FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE IF NOT EXISTS trial_heartbeats (
  trial_heartbeat_id {id} NOT NULL, trial_id INTEGER NOT NULL, heartbeat {time} NOT NULL,
  PRIMARY KEY (trial_heartbeat_id), UNIQUE (trial_id), FOREIGN KEY(trial_id) REFERENCES trials (trial_id));
CREATE TABLE IF NOT EXISTS alembic_version (
  version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO alembic_version SELECT 'v3.2.0.a' WHERE NOT EXISTS (SELECT 1 FROM alembic_version);
INSERT INTO version_info SELECT 1, 12, 'lathe' WHERE NOT EXISTS (SELECT 1 FROM version_info);
)sql";

namespace {

/// Optuna wants `high` to be a value of the range.
std::int64_t last_value(const IntegerRange& range) { return range.low + (range.high - range.low) / range.step * range.step; }

void write_choices(JsonWriter& json, const std::vector<Value>& choices) {
  json.key("choices").begin_array();
  for (const Value& choice : choices) json.raw(choice.json());
  json.end_array();
}

template <class T>
std::string list_of(const std::vector<T>& values) {
  JsonWriter json;
  json.begin_array();
  for (const T& value : values) json.value(value);
  return json.end_array().text();
}

}  // namespace

std::string json_list(const std::vector<double>& numbers) { return list_of(numbers); }
std::string json_list(const std::vector<std::string>& texts) { return list_of(texts); }

std::string distribution_json(const Parameter& parameter) {
  JsonWriter json;
  const char* name = parameter.integer() ? "IntDistribution" : parameter.real() ? "FloatDistribution" : "CategoricalDistribution";
  json.begin_object().member("name", name).key("attributes").begin_object();
  if (const IntegerRange* range = parameter.integer()) {
    json.member("log", range->log).member("step", range->step).member("low", range->low).member("high", last_value(*range));
  } else if (const RealRange* real = parameter.real()) {
    json.key("step");
    if (real->step > 0) {
      json.value(real->step);
    } else {
      json.null();
    }
    const auto count = parameter.count();
    const double high = count ? *parameter.at(*count - 1).number() : real->high;
    json.member("low", real->low).member("high", high).member("log", real->log);
  } else {
    write_choices(json, *parameter.choices());
  }
  return json.end_object().end_object().text();
}

double internal_value(const Parameter& parameter, const Value& value) {
  if (!parameter.choices()) return *value.number();
  const auto index = parameter.index_of(value);
  LATHE_CHECK(index.has_value(), parameter.name);
  return static_cast<double>(*index);
}

const char* trial_state(TrialState state, bool multi_objective) {
  switch (state) {
    case TrialState::running:
      return "RUNNING";
    case TrialState::complete:
      return "COMPLETE";
    case TrialState::pruned:
      return multi_objective ? "FAIL" : "PRUNED";
    case TrialState::failed:
      return "FAIL";
  }
  throw InternalError("unknown trial state");
}

}  // namespace lathe::nas::optuna
