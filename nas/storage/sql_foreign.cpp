#include <lathe/nas/storage/sql_foreign.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/json_reader.h>
#include <lathe/nas/storage/sql_rows.h>

#include <limits>
#include <utility>

namespace lathe::nas {

const char* const kOutsideSchema = R"sql(
CREATE TABLE IF NOT EXISTS lathe_outside (
  trial_id INTEGER PRIMARY KEY, study_id INTEGER NOT NULL, event {integer} NOT NULL, state TEXT NOT NULL,
  UNIQUE (study_id, event));
)sql";

namespace {

/// Rows of $1 that are neither trials of the log nor, as they are now, written by lathe.
constexpr const char* kForeign =
    "t.study_id = $1 AND t.trial_id NOT IN (SELECT trial_id FROM lathe_trials WHERE study_id = $1) AND NOT EXISTS "
    "(SELECT 1 FROM lathe_outside o WHERE o.trial_id = t.trial_id AND o.state = CAST(t.state AS TEXT))";

std::int64_t trial_of_number(SqlDatabase& db, std::int64_t study, std::int64_t number) {
  std::optional<std::int64_t> id;
  db.query("SELECT trial_id FROM trials WHERE study_id = $1 AND number = $2", {study, number},
           [&](const SqlRow& row) { id = row.integer(0); });
  if (!id) throw InfrastructureError(str(db.place(), ": trial ", number, " of another program is gone"));
  return *id;
}

double number_of(const SqlRow& row, int value, int kind) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::string name = row.text(kind);
  return name == "INF_POS" ? kInfinity : name == "INF_NEG" ? -kInfinity : row.real(value);
}

/// Reads what belongs to the trial with this id.
void read_trial(SqlDatabase& db, std::int64_t id, ForeignTrial& trial) {
  db.query("SELECT param_name, param_value, distribution_json FROM trial_params WHERE trial_id = $1 ORDER BY param_id", {id},
           [&](const SqlRow& row) {
             trial.parameters.push_back({row.text(0), row.real(1), row.text(2)});
           });
  db.query("SELECT value, value_type FROM trial_values WHERE trial_id = $1 ORDER BY objective", {id},
           [&](const SqlRow& row) { trial.values.push_back(number_of(row, 0, 1)); });
  db.query("SELECT coalesce(max(step), 0) FROM trial_intermediate_values WHERE trial_id = $1", {id},
           [&](const SqlRow& row) { trial.last_step = row.integer(0); });
  db.query(
      "SELECT \"key\", value_json FROM trial_system_attributes WHERE trial_id = $1 AND (\"key\" IN ('constraints', 'fixed_params') "
      "OR substr(\"key\", 1, 12) = 'constraints:') ORDER BY \"key\"",
      {id}, [&](const SqlRow& row) {
        if (row.text(0) == "fixed_params")
          trial.fixed = row.text(1);
        else
          trial.constraints.emplace_back(row.text(0), row.text(1));
      });
}

std::vector<ForeignTrial> read_trials(SqlDatabase& db, std::int64_t study, const std::string& where) {
  std::vector<std::int64_t> ids;
  std::vector<ForeignTrial> trials;
  db.query("SELECT t.trial_id, t.number, t.state FROM trials t WHERE " + where +
               " AND t.state IN ('COMPLETE', 'PRUNED', 'WAITING') ORDER BY t.number",
           {study}, [&](const SqlRow& row) {
             ids.push_back(row.integer(0));
             ForeignTrial trial;
             trial.number = row.integer(1);
             const std::string state = row.text(2);
             trial.state = state == "COMPLETE" ? ForeignTrial::State::complete
                           : state == "PRUNED" ? ForeignTrial::State::pruned
                                               : ForeignTrial::State::waiting;
             trials.push_back(std::move(trial));
           });
  for (std::size_t i = 0; i < ids.size(); ++i) read_trial(db, ids[i], trials[i]);
  return trials;
}

}  // namespace

void OutsideRows::enqueue(const Event& event) {
  std::int64_t id = 0;
  if (event.foreign >= 0) {
    id = trial_of_number(db_, study_, event.foreign);
  } else {
    db_.query("INSERT INTO trials (number, study_id, state) VALUES ($1, $2, 'WAITING') RETURNING trial_id",
              {next_trial_number(db_, study_), study_}, [&](const SqlRow& row) { id = row.integer(0); });
    const std::string fixed = event.point.json();
    db_.execute("INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) VALUES ($1, 'fixed_params', $2)", {id, fixed});
  }
  db_.execute("INSERT INTO lathe_outside (trial_id, study_id, event, state) VALUES ($1, $2, $3, 'WAITING')",
              {id, study_, event.index});
}

void OutsideRows::adopt(const Event& event) {
  if (event.foreign < 0) return;
  // A trial that waited for lathe and was run by another program is here already.
  db_.execute(
      "INSERT INTO lathe_outside (trial_id, study_id, event, state) VALUES ($1, $2, $3, 'ADOPTED') "
      "ON CONFLICT (trial_id) DO UPDATE SET event = excluded.event, state = excluded.state",
      {trial_of_number(db_, study_, event.foreign), study_, event.index});
}

/// Applies `update` to the trial of an enqueueing, if that waits still.
std::optional<std::int64_t> OutsideRows::change(std::int64_t enqueueing, std::string_view update) {
  std::optional<std::int64_t> id;
  db_.query("SELECT trial_id FROM lathe_outside WHERE study_id = $1 AND event = $2 AND state = 'WAITING'", {study_, enqueueing},
            [&](const SqlRow& row) { id = row.integer(0); });
  if (!id || db_.execute(update, {*id}) == 1) return id;
  db_.execute("DELETE FROM lathe_outside WHERE trial_id = $1", {*id});
  return std::nullopt;
}

std::optional<std::int64_t> OutsideRows::take(std::int64_t enqueueing) {
  const auto id =
      change(enqueueing, "UPDATE trials SET state = 'RUNNING', datetime_start = {now} WHERE trial_id = $1 AND state = 'WAITING'");
  if (id) db_.execute("DELETE FROM lathe_outside WHERE trial_id = $1", {*id});
  return id;
}

std::optional<std::int64_t> OutsideRows::pass_over(std::int64_t enqueueing) {
  const auto id =
      change(enqueueing, "UPDATE trials SET state = 'FAIL', datetime_complete = {now} WHERE trial_id = $1 AND state = 'WAITING'");
  if (id) db_.execute("UPDATE lathe_outside SET state = 'FAIL' WHERE trial_id = $1", {*id});
  return id;
}

std::vector<ForeignTrial> OutsideRows::unknown() {
  return read_trials(db_, study_,
                     std::string(kForeign) +
                         " AND NOT EXISTS (SELECT 1 FROM lathe_outside a WHERE a.trial_id = t.trial_id AND a.state = 'ADOPTED')");
}

std::int64_t OutsideRows::foreign() {
  std::int64_t count = 0;
  db_.query(std::string("SELECT count(*) FROM trials t WHERE ") + kForeign, {study_},
            [&](const SqlRow& row) { count = row.integer(0); });
  return count;
}

ForeignStudy read_foreign_study(SqlDatabase& db, std::int64_t study) {
  ForeignStudy out;
  db.query("SELECT direction FROM study_directions WHERE study_id = $1 ORDER BY objective", {study}, [&](const SqlRow& row) {
    out.directions.push_back(row.text(0) == "MAXIMIZE" ? Direction::maximise : Direction::minimise);
  });
  std::string metrics = "[]";
  db.query("SELECT value_json FROM study_system_attributes WHERE study_id = $1 AND \"key\" = 'study:metric_names'", {study},
           [&](const SqlRow& row) { metrics = row.text(0); });
  JsonReader in("metric names", metrics);
  in.array([&] { out.metrics.push_back(in.text()); });
  out.trials = read_trials(db, study, "t.study_id = $1");
  return out;
}

}  // namespace lathe::nas
