#include <lathe/nas/storage/sqlite_foreign.h>

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/json_reader.h>

#include <limits>
#include <utility>

namespace lathe::nas {

const char* const kOutsideSchema = R"sql(
CREATE TABLE IF NOT EXISTS lathe_outside (
  trial_id INTEGER PRIMARY KEY, study_id INTEGER NOT NULL, event INTEGER NOT NULL, state TEXT NOT NULL, UNIQUE (study_id, event));
)sql";

namespace {

/// Rows of ?1 that are neither trials of the log nor, as they are now, written by lathe.
constexpr const char* kForeign =
    "t.study_id = ?1 AND t.trial_id NOT IN (SELECT trial_id FROM lathe_trials WHERE study_id = ?1) AND NOT EXISTS "
    "(SELECT 1 FROM lathe_outside o WHERE o.trial_id = t.trial_id AND o.state = t.state)";

std::int64_t trial_of_number(SqliteConnection& db, std::int64_t study, std::int64_t number) {
  Statement row(db, "SELECT trial_id FROM trials WHERE study_id = ? AND number = ?");
  row.bind(study).bind(number);
  if (!row.step()) throw InfrastructureError(str(db.file().string(), ": trial ", number, " of another program is gone"));
  return row.integer(0);
}

double number_of(const Statement& row, int value, int type) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::string kind = row.text(type);
  return kind == "INF_POS" ? kInfinity : kind == "INF_NEG" ? -kInfinity : row.real(value);
}

/// Reads what belongs to single trials.
class TrialReader {
 public:
  explicit TrialReader(SqliteConnection& db)
      : parameters_(db, "SELECT param_name, param_value, distribution_json FROM trial_params WHERE trial_id = ? ORDER BY param_id"),
        values_(db, "SELECT value, value_type FROM trial_values WHERE trial_id = ? ORDER BY objective"),
        steps_(db, "SELECT coalesce(max(step), 0) FROM trial_intermediate_values WHERE trial_id = ?"),
        attributes_(db,
                    "SELECT \"key\", value_json FROM trial_system_attributes WHERE trial_id = ? AND (\"key\" IN ('constraints', "
                    "'fixed_params') OR substr(\"key\", 1, 12) = 'constraints:') ORDER BY \"key\"") {}

  ForeignTrial read(std::int64_t id, std::int64_t number, const std::string& state) {
    ForeignTrial trial;
    trial.number = number;
    trial.state = state == "COMPLETE" ? ForeignTrial::State::complete
                  : state == "PRUNED" ? ForeignTrial::State::pruned
                                      : ForeignTrial::State::waiting;
    for (parameters_.bind(id); parameters_.step();)
      trial.parameters.push_back({parameters_.text(0), parameters_.real(1), parameters_.text(2)});
    for (values_.bind(id); values_.step();) trial.values.push_back(number_of(values_, 0, 1));
    if (steps_.bind(id).step()) trial.last_step = steps_.integer(0);
    for (attributes_.bind(id); attributes_.step();) {
      if (attributes_.text(0) == "fixed_params")
        trial.fixed = attributes_.text(1);
      else
        trial.constraints.emplace_back(attributes_.text(0), attributes_.text(1));
    }
    for (Statement* statement : {&parameters_, &values_, &steps_, &attributes_}) statement->reset();
    return trial;
  }

 private:
  Statement parameters_, values_, steps_, attributes_;
};

std::vector<ForeignTrial> read_trials(SqliteConnection& db, std::int64_t study, const std::string& where) {
  const std::string sql = "SELECT t.trial_id, t.number, t.state FROM trials t WHERE " + where +
                          " AND t.state IN ('COMPLETE', 'PRUNED', 'WAITING') ORDER BY t.number";
  Statement rows(db, sql.c_str());
  rows.bind(study);
  std::optional<TrialReader> reader;
  std::vector<ForeignTrial> trials;
  while (rows.step()) {
    if (!reader) reader.emplace(db);
    trials.push_back(reader->read(rows.integer(0), rows.integer(1), rows.text(2)));
  }
  return trials;
}

}  // namespace

void OutsideRows::enqueue(const Event& event) {
  std::int64_t id = 0;
  if (event.foreign >= 0) {
    id = trial_of_number(db_, study_, event.foreign);
  } else {
    Statement(db_, "INSERT INTO trials (number, study_id, state) SELECT count(*), ?1, 'WAITING' FROM trials WHERE study_id = ?1")
        .bind(study_)
        .execute();
    id = db_.last_insert();
    Statement(db_, "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) VALUES (?, 'fixed_params', ?)")
        .bind(id)
        .bind(event.point.json())
        .execute();
  }
  Statement insert(db_, "INSERT INTO lathe_outside (trial_id, study_id, event, state) VALUES (?, ?, ?, 'WAITING')");
  insert.bind(id).bind(study_).bind(static_cast<std::int64_t>(event.index)).execute();
}

void OutsideRows::adopt(const Event& event) {
  if (event.foreign < 0) return;
  // A trial that waited for lathe and was run by another program is here already.
  Statement insert(db_,
                   "INSERT INTO lathe_outside (trial_id, study_id, event, state) VALUES (?, ?, ?, 'ADOPTED') "
                   "ON CONFLICT (trial_id) DO UPDATE SET event = excluded.event, state = excluded.state");
  insert.bind(trial_of_number(db_, study_, event.foreign)).bind(study_).bind(static_cast<std::int64_t>(event.index)).execute();
}

/// The trial of an enqueueing from WAITING to `state`, with the present time in column `time`.
std::optional<std::int64_t> OutsideRows::change(std::int64_t enqueueing, const char* state, const char* time) {
  Statement row(db_, "SELECT trial_id FROM lathe_outside WHERE study_id = ? AND event = ? AND state = 'WAITING'");
  row.bind(study_).bind(enqueueing);
  if (!row.step()) return std::nullopt;
  const std::int64_t id = row.integer(0);
  const std::string sql = str("UPDATE trials SET state = ?, ", time, " = ", kNow, " WHERE trial_id = ? AND state = 'WAITING'");
  Statement(db_, sql.c_str()).bind(state).bind(id).execute();
  if (db_.changes() == 1) return id;
  Statement(db_, "DELETE FROM lathe_outside WHERE trial_id = ?").bind(id).execute();
  return std::nullopt;
}

std::optional<std::int64_t> OutsideRows::take(std::int64_t enqueueing) {
  const auto id = change(enqueueing, "RUNNING", "datetime_start");
  if (id) Statement(db_, "DELETE FROM lathe_outside WHERE trial_id = ?").bind(*id).execute();
  return id;
}

std::optional<std::int64_t> OutsideRows::pass_over(std::int64_t enqueueing) {
  const auto id = change(enqueueing, "FAIL", "datetime_complete");
  if (id) Statement(db_, "UPDATE lathe_outside SET state = 'FAIL' WHERE trial_id = ?").bind(*id).execute();
  return id;
}

std::vector<ForeignTrial> OutsideRows::unknown() {
  return read_trials(db_, study_,
                     std::string(kForeign) +
                         " AND NOT EXISTS (SELECT 1 FROM lathe_outside a WHERE a.trial_id = t.trial_id AND a.state = 'ADOPTED')");
}

std::int64_t OutsideRows::foreign() {
  const std::string sql = std::string("SELECT count(*) FROM trials t WHERE ") + kForeign;
  Statement count(db_, sql.c_str());
  count.bind(study_).step();
  return count.integer(0);
}

ForeignStudy read_foreign_study(SqliteConnection& db, std::int64_t study) {
  ForeignStudy out;
  Statement directions(db, "SELECT direction FROM study_directions WHERE study_id = ? ORDER BY objective");
  for (directions.bind(study); directions.step();)
    out.directions.push_back(directions.text(0) == "MAXIMIZE" ? Direction::maximise : Direction::minimise);
  Statement names(db, "SELECT value_json FROM study_system_attributes WHERE study_id = ? AND \"key\" = 'study:metric_names'");
  names.bind(study);
  if (names.step()) {
    const std::string json = names.text(0);
    JsonReader in("metric names", json);
    in.array([&] { out.metrics.push_back(in.text()); });
  }
  out.trials = read_trials(db, study, "t.study_id = ?1");
  return out;
}

}  // namespace lathe::nas
