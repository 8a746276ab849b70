#include <lathe/nas/storage/sql_rows.h>

#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/storage/optuna_schema.h>

#include <cmath>

namespace lathe::nas {
namespace {

/// Optuna keeps the kind of a number beside it, because a database column cannot hold NaN or infinities everywhere.
SqlValue finite_or_null(double value) { return std::isfinite(value) ? SqlValue(value) : SqlValue(); }
const char* kind_of_number(double value) {
  return std::isfinite(value) ? "FINITE" : std::isnan(value) ? "NAN" : value > 0 ? "INF_POS" : "INF_NEG";
}

}  // namespace

std::int64_t next_trial_number(SqlDatabase& db, std::int64_t study) {
  std::int64_t number = 0;
  db.query("SELECT number + 1 FROM trials WHERE study_id = $1 ORDER BY trial_id DESC LIMIT 1", {study},
           [&](const SqlRow& row) { number = row.integer(0); });
  return number;
}

void SqlRows::write(const Event& event, const Space& space) {
  switch (event.kind) {
    case Event::Kind::propose:
      return propose(event, space);
    case Event::Kind::report:
      return report(event);
    case Event::Kind::finish:
      return finish(event);
    case Event::Kind::enqueue:
      return outside_.enqueue(event);
    case Event::Kind::adopt:
      return outside_.adopt(event);
    case Event::Kind::extend:
      return;
  }
}

void SqlRows::propose(const Event& event, const Space& space) {
  for (const std::int64_t enqueueing : event.passed_over)
    if (const auto waited = outside_.pass_over(enqueueing))
      attribute(*waited, "lathe:note", "passed over: a duplicate, or refused by the objective");
  const auto waiting = event.queued < 0 ? std::nullopt : outside_.take(event.queued);
  std::int64_t id = waiting.value_or(0);
  if (!waiting)
    db_.query("INSERT INTO trials (number, study_id, state, datetime_start) VALUES ($1, $2, 'RUNNING', {now}) RETURNING trial_id",
              {next_trial_number(db_, study_), study_}, [&](const SqlRow& row) { id = row.integer(0); });
  std::string steps = "[";  // intermediate_step() of every segment
  for (std::size_t i = 0; i < event.plan.segments.size(); ++i)
    steps += (i ? "," : "") + std::to_string(intermediate_step(event.plan, static_cast<int>(i)));
  steps += "]";
  db_.execute("INSERT INTO lathe_trials (study_id, trial, trial_id, state, plan) VALUES ($1, $2, $3, 'RUNNING', $4)",
              {study_, event.trial, id, steps});
  for (std::size_t i = 0; i < event.point.size(); ++i) {
    if (!event.point.value(i)) continue;
    const Parameter& parameter = space.parameter(space.index(event.point.name(i)));
    const std::string distribution = optuna::distribution_json(parameter);
    db_.execute("INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES ($1, $2, $3, $4)",
                {id, parameter.name, optuna::internal_value(parameter, *event.point.value(i)), distribution});
  }
  attributes(id, event.plan.attributes);
}

void SqlRows::report(const Event& event) {
  const bool more = !event.result.values.empty() || !event.result.attributes.empty();
  const std::int64_t id = more ? trial_id(event.trial) : 0;
  if (!event.result.values.empty()) {
    const double value = event.result.values[0];
    db_.execute(
        "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) VALUES ($1, $2, $3, "
        "$4) ON CONFLICT (trial_id, step) DO UPDATE SET intermediate_value = excluded.intermediate_value, "
        "intermediate_value_type = excluded.intermediate_value_type",  // where another program wrote one, the log is right
        {id, intermediate_step(event.plan, event.segment), finite_or_null(value), kind_of_number(value)});
  }
  attributes(id, event.result.attributes);
  db_.execute("DELETE FROM lathe_tasks WHERE study_id = $1 AND trial = $2 AND segment = $3", {study_, event.trial, event.segment});
}

void SqlRows::finish(const Event& event) {
  const std::int64_t id = trial_id(event.trial);
  const char* state = optuna::trial_state(event.state, multi_objective_);
  db_.execute("UPDATE trials SET state = $1, datetime_complete = {now} WHERE trial_id = $2", {state, id});
  db_.execute("UPDATE lathe_trials SET state = $1 WHERE study_id = $2 AND trial = $3", {state, study_, event.trial});
  // Optuna gives values to complete trials, and to pruned ones their last report.
  if (event.state == TrialState::complete || (event.state == TrialState::pruned && !multi_objective_)) {
    for (std::size_t i = 0; i < event.values.size(); ++i)
      db_.execute(
          "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES ($1, $2, $3, $4) "
          "ON CONFLICT (trial_id, objective) DO UPDATE SET value = excluded.value, value_type = excluded.value_type",
          {id, i, finite_or_null(event.values[i]), kind_of_number(event.values[i])});
  }
  if (!event.constraints.empty()) {
    const std::string constraints = optuna::json_list(event.constraints);
    db_.execute(
        "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) VALUES ($1, 'constraints', $2) "
        "ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
        {id, constraints});
  }
  if (event.state == TrialState::pruned && multi_objective_) attribute(id, "lathe:state", "PRUNED");
  if (event.state == TrialState::failed) {
    attribute(id, "lathe:failure", failure_name(event.failure));
    if (!event.note.empty()) attribute(id, "lathe:note", event.note);
  }
  db_.execute("DELETE FROM lathe_tasks WHERE study_id = $1 AND trial = $2", {study_, event.trial});
}

std::int64_t SqlRows::trial_id(std::int64_t trial) {
  std::int64_t id = -1;
  db_.query("SELECT trial_id FROM lathe_trials WHERE study_id = $1 AND trial = $2", {study_, trial},
            [&](const SqlRow& row) { id = row.integer(0); });
  LATHE_CHECK(id >= 0, "trial " + std::to_string(trial) + " is not in the database");
  return id;
}

void SqlRows::attributes(std::int64_t id, const std::string& json) {
  if (json.empty()) return;
  db_.execute(
      "INSERT INTO trial_user_attributes (trial_id, \"key\", value_json) {members of $2 after $1} "
      "ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
      {id, json});
}

void SqlRows::attribute(std::int64_t id, const char* key, const std::string& text) {
  attributes(id, JsonWriter().begin_object().member(key, text).end_object().text());
}

}  // namespace lathe::nas
