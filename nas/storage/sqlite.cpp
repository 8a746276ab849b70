#include <lathe/base/error.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/storage/optuna_schema.h>
#include <lathe/nas/storage/sqlite.h>
#include <lathe/nas/storage/sqlite_connection.h>
#include <lathe/nas/storage/sqlite_foreign.h>

#include <chrono>
#include <cmath>
#include <thread>
#include <utility>

namespace lathe::nas {
namespace {

constexpr const char* kLatheSchema = R"sql(
CREATE TABLE IF NOT EXISTS lathe_studies (
  study_id INTEGER PRIMARY KEY REFERENCES studies (study_id), header TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lathe_events (
  study_id INTEGER NOT NULL, number INTEGER NOT NULL, line TEXT NOT NULL, note TEXT NOT NULL, attributes TEXT NOT NULL,
  PRIMARY KEY (study_id, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lathe_trials (
  study_id INTEGER NOT NULL, trial INTEGER NOT NULL, trial_id INTEGER NOT NULL, state TEXT NOT NULL, plan TEXT NOT NULL,
  PRIMARY KEY (study_id, trial)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lathe_tasks (
  study_id INTEGER NOT NULL, trial INTEGER NOT NULL, segment INTEGER NOT NULL, priority INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('ready', 'claimed', 'done')), owner TEXT NOT NULL, attempt INTEGER NOT NULL,
  failures INTEGER NOT NULL, reason TEXT NOT NULL, lease_until INTEGER NOT NULL, result TEXT NOT NULL, note TEXT NOT NULL,
  attributes TEXT NOT NULL, PRIMARY KEY (study_id, trial, segment)) WITHOUT ROWID;
)sql";

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Optuna keeps the kind of a number beside it, because a database column cannot hold NaN or infinities everywhere.
void bind_number(Statement& statement, double value) {
  if (std::isfinite(value)) {
    statement.bind(value).bind("FINITE");
  } else {
    statement.bind_null().bind(std::isnan(value) ? "NAN" : value > 0 ? "INF_POS" : "INF_NEG");
  }
}

class SqliteStorage final : public Storage {
 public:
  SqliteStorage(std::shared_ptr<SqliteConnection> connection, std::int64_t study, std::string name)
      : db_(std::move(connection)), study_(study), outside_(*db_, study), name_(std::move(name)) {
    Statement header(*db_, "SELECT header FROM lathe_studies WHERE study_id = ?");
    header.bind(study_);
    if (!header.step()) throw InputError(db_->file().string() + ": study `" + name_ + "` was not made by lathe");
    header_ = header.text(0);
    Statement objectives(*db_, "SELECT count(*) FROM study_directions WHERE study_id = ?");
    objectives.bind(study_).step();
    multi_objective_ = objectives.integer(0) > 1;
  }

  std::string name() const override { return name_; }
  std::string header() const override { return header_; }
  bool shared() const override { return true; }

  std::vector<RecordedEvent> events(std::uint64_t from) override {
    Statement rows(*db_, "SELECT line, note, attributes FROM lathe_events WHERE study_id = ? AND number >= ? ORDER BY number");
    rows.bind(study_).bind(static_cast<std::int64_t>(from));
    std::vector<RecordedEvent> events;
    while (rows.step()) events.push_back({rows.text(0), rows.text(1), rows.text(2)});
    return events;
  }

  bool append(std::uint64_t from, std::span<const Event> events, const Space& space) override {
    write_ahead();
    db_->run("PRAGMA synchronous = FULL");  // the log is the study: it must be on the disk when append() returns
    Transaction transaction(*db_);
    if (length() != from) return false;
    Statement insert(*db_, "INSERT INTO lathe_events (study_id, number, line, note, attributes) VALUES (?, ?, ?, ?, ?)");
    for (const Event& event : events) {
      const RecordedEvent recorded = record(event);
      insert.bind(study_).bind(static_cast<std::int64_t>(from++)).bind(recorded.line).bind(recorded.note).bind(recorded.attributes);
      insert.execute();
      insert.reset();
      if (event.kind == Event::Kind::propose) propose(event, space);
      if (event.kind == Event::Kind::report) report(event);
      if (event.kind == Event::Kind::finish) finish(event);
      if (event.kind == Event::Kind::enqueue) outside_.enqueue(event);
      if (event.kind == Event::Kind::adopt) outside_.adopt(event);
    }
    transaction.commit();
    return true;
  }

  bool offer(std::uint64_t at, std::span<const Task> tasks) override {
    write_ahead();
    cache_durability();
    Transaction transaction(*db_);
    if (length() != at) return false;
    Statement insert(*db_,
                     "INSERT OR IGNORE INTO lathe_tasks (study_id, trial, segment, priority, state, owner, attempt, failures, "
                     "reason, lease_until, result, note, attributes) VALUES (?, ?, ?, ?, 'ready', '', 0, 0, '', 0, '', '', '')");
    for (const Task& task : tasks) {
      insert.bind(study_).bind(task.key.trial).bind(task.key.segment).bind(static_cast<std::int64_t>(task.priority));
      insert.execute();
      insert.reset();
    }
    transaction.commit();
    return true;
  }

  std::optional<Lease> claim(const std::string& owner, std::chrono::milliseconds lease, int max_failures) override {
    write_ahead();
    cache_durability();
    Transaction transaction(*db_);
    const std::int64_t now = now_ms();
    std::optional<Lease> won;
    for (;;) {
      Statement next(*db_,
                     "SELECT trial, segment, state, attempt, failures, owner FROM lathe_tasks WHERE study_id = ? AND "
                     "((state = 'ready' AND failures < ?) OR (state = 'claimed' AND lease_until < ?)) "
                     "ORDER BY priority, trial, segment LIMIT 1");
      next.bind(study_).bind(max_failures).bind(now);
      if (!next.step()) break;
      const TaskKey key{next.integer(0), static_cast<int>(next.integer(1))};
      const std::string state = next.text(2);
      const std::int64_t attempt = next.integer(3);
      const bool expired = state == "claimed";
      const std::int64_t failures = next.integer(4) + (expired ? 1 : 0);
      const std::string reason = "lease of " + next.text(5) + " ran out";
      const bool take = failures < max_failures;
      Statement swap(*db_,
                     "UPDATE lathe_tasks SET state = ?, owner = ?, attempt = ?, failures = ?, lease_until = ?, "
                     "reason = CASE WHEN ? THEN ? ELSE reason END "
                     "WHERE study_id = ? AND trial = ? AND segment = ? AND state = ? AND attempt = ?");
      swap.bind(take ? "claimed" : "ready").bind(take ? owner : "").bind(attempt + (take ? 1 : 0)).bind(failures);
      swap.bind(take ? now + lease.count() : 0).bind(expired ? 1 : 0).bind(reason);
      swap.bind(study_).bind(key.trial).bind(key.segment).bind(state).bind(attempt);
      swap.execute();
      if (db_->changes() == 1 && take) {
        won = Lease{key, owner, attempt + 1};
        break;
      }
    }
    transaction.commit();
    return won;
  }

  int renew(const std::string& owner, std::chrono::milliseconds lease) override {
    cache_durability();
    Statement update(*db_, "UPDATE lathe_tasks SET lease_until = ? WHERE study_id = ? AND state = 'claimed' AND owner = ?");
    update.bind(now_ms() + lease.count()).bind(study_).bind(owner).execute();
    return db_->changes();
  }

  bool release(const Lease& lease, Release how, const std::string& reason) override {
    cache_durability();
    Statement update(*db_,
                     "UPDATE lathe_tasks SET state = 'ready', owner = '', lease_until = 0, failures = failures + ?, "
                     "reason = CASE WHEN ? THEN ? ELSE reason END "
                     "WHERE study_id = ? AND trial = ? AND segment = ? AND state = 'claimed' AND owner = ? AND attempt = ?");
    const int failed = how == Release::failed ? 1 : 0;
    update.bind(failed).bind(failed).bind(reason);
    bind_lease(update, lease).execute();
    return db_->changes() == 1;
  }

  bool submit(const Lease& lease, const SegmentResult& result) override {
    cache_durability();
    Statement update(*db_,
                     "UPDATE lathe_tasks SET state = 'done', lease_until = 0, result = ?, note = ?, attributes = ? "
                     "WHERE study_id = ? AND trial = ? AND segment = ? AND state = 'claimed' AND owner = ? AND attempt = ?");
    update.bind(to_text(result)).bind(result.note).bind(result.attributes);
    bind_lease(update, lease).execute();
    return db_->changes() == 1;
  }

  std::vector<TaskRow> tasks() override {
    Statement rows(*db_,
                   "SELECT trial, segment, priority, state, owner, attempt, failures, reason, result, note, attributes "
                   "FROM lathe_tasks WHERE study_id = ? ORDER BY trial, segment");
    rows.bind(study_);
    std::vector<TaskRow> tasks;
    while (rows.step()) {
      TaskRow row;
      row.task = {{rows.integer(0), static_cast<int>(rows.integer(1))}, static_cast<std::uint64_t>(rows.integer(2))};
      const std::string state = rows.text(3);
      row.state = state == "done" ? TaskState::done : state == "claimed" ? TaskState::claimed : TaskState::ready;
      row.owner = rows.text(4);
      row.attempt = rows.integer(5);
      row.failures = static_cast<int>(rows.integer(6));
      row.reason = rows.text(7);
      if (row.state == TaskState::done) {
        row.result = parse_segment_result(rows.text(8));
        row.result->note = rows.text(9);
        row.result->attributes = rows.text(10);
      }
      tasks.push_back(std::move(row));
    }
    return tasks;
  }

  int abandon(const std::string& owner, const std::string& reason) override {
    cache_durability();
    Statement update(*db_,
                     "UPDATE lathe_tasks SET state = 'ready', owner = '', lease_until = 0, failures = failures + 1, reason = ? "
                     "WHERE study_id = ? AND state = 'claimed' AND owner = ?");
    update.bind(reason).bind(study_).bind(owner).execute();
    return db_->changes();
  }

  void reset_failures() override {
    cache_durability();
    Statement update(*db_, "UPDATE lathe_tasks SET failures = 0, reason = '' WHERE study_id = ?");
    update.bind(study_).execute();
  }

  std::vector<ForeignTrial> foreign_trials() override { return outside_.unknown(); }

  std::vector<std::string> foreign_changes() override {
    std::vector<std::string> changes;
    if (const std::int64_t n = outside_.foreign())
      changes.push_back(str(n, n == 1 ? " trial was" : " trials were", " added by another program"));
    Statement edited(*db_,
                     "SELECT l.trial, l.state, t.state FROM lathe_trials l LEFT JOIN trials t ON t.trial_id = l.trial_id "
                     "WHERE l.study_id = ? AND (t.state IS NULL OR t.state <> l.state) ORDER BY l.trial");
    edited.bind(study_);
    while (edited.step()) {
      const std::string state = edited.is_null(2) ? std::string("removed") : "set to " + edited.text(2);
      changes.push_back(str("trial ", edited.integer(0), " (", edited.text(1), ") was ", state, " by another program"));
    }
    return changes;
  }

  void settle() override {
    db_->run("PRAGMA wal_checkpoint(TRUNCATE)");
    // Only the last connection can leave WAL mode; where another process still works on the study, it will.
    Statement mode(*db_, "PRAGMA journal_mode = DELETE");
    try {
      mode.step();
      wal_ = false;
    } catch (const InfrastructureError&) {
      if (!other_connections()) throw;
    }
  }

 private:
  /// SQLite refuses to leave WAL mode only because of other connections: a probe tells that refusal from a failing disk.
  bool other_connections() {
    Statement mode(*db_, "PRAGMA journal_mode");
    return mode.step() && mode.text(0) == "wal";
  }

  std::uint64_t length() {
    Statement rows(*db_, "SELECT coalesce(max(number) + 1, 0) FROM lathe_events WHERE study_id = ?");
    rows.bind(study_).step();
    return static_cast<std::uint64_t>(rows.integer(0));
  }

  /// Of connections that make this switch at the same moment SQLite refuses some at once, without its busy timeout: each holds what
  /// the other waits for. Processes that start together meet here, so the refused one tries again.
  void write_ahead() {
    constexpr auto kPatience = std::chrono::seconds(30);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!wal_) {
      try {
        Statement(*db_, "PRAGMA journal_mode = WAL").step();
        wal_ = true;
      } catch (const InfrastructureError&) {
        if (!db_->busy() || std::chrono::steady_clock::now() > deadline) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    }
  }
  /// Tasks are a cache of work: losing the latest of them in a power cut costs time, never a result.
  void cache_durability() { db_->run("PRAGMA synchronous = NORMAL"); }

  Statement& bind_lease(Statement& statement, const Lease& lease) const {
    return statement.bind(study_).bind(lease.key.trial).bind(lease.key.segment).bind(lease.owner).bind(lease.attempt);
  }

  std::int64_t trial_id(std::int64_t trial) {
    Statement row(*db_, "SELECT trial_id FROM lathe_trials WHERE study_id = ? AND trial = ?");
    row.bind(study_).bind(trial);
    LATHE_CHECK(row.step(), "trial " + std::to_string(trial) + " is not in the database");
    return row.integer(0);
  }

  void attributes(std::int64_t id, const std::string& json) {
    if (json.empty()) return;
    Statement insert(*db_,
                     "INSERT INTO trial_user_attributes (trial_id, \"key\", value_json) SELECT ?, key, CASE type "
                     "WHEN 'object' THEN value WHEN 'array' THEN value WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
                     "ELSE json_quote(value) END FROM json_each(?) "
                     "WHERE true ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json");
    insert.bind(id).bind(json).execute();
  }
  void attribute(std::int64_t id, const char* key, const std::string& text) {
    attributes(id, JsonWriter().begin_object().member(key, text).end_object().text());
  }

  void propose(const Event& event, const Space& space) {
    for (const std::int64_t enqueueing : event.passed_over)
      if (const auto id = outside_.pass_over(enqueueing))
        attribute(*id, "lathe:note", "passed over: a duplicate, or refused by the objective");
    const auto waiting = event.queued < 0 ? std::nullopt : outside_.take(event.queued);
    if (!waiting) {
      const std::string sql = str("INSERT INTO trials (number, study_id, state, datetime_start) SELECT count(*), ?1, 'RUNNING', ",
                                  kNow, " FROM trials WHERE study_id = ?1");
      Statement(*db_, sql.c_str()).bind(study_).execute();
    }
    const std::int64_t id = waiting ? *waiting : db_->last_insert();
    Statement own(*db_, "INSERT INTO lathe_trials (study_id, trial, trial_id, state, plan) VALUES (?, ?, ?, 'RUNNING', ?)");
    std::string steps;  // intermediate_step() of every segment, so that a report needs no plan
    for (std::size_t i = 0; i < event.plan.segments.size(); ++i)
      steps += (i ? "," : "[") + std::to_string(intermediate_step(event.plan, static_cast<int>(i)));
    own.bind(study_).bind(event.trial).bind(id).bind(steps.empty() ? "[]" : steps + "]").execute();
    Statement insert(*db_, "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)");
    for (std::size_t i = 0; i < event.point.size(); ++i) {
      if (!event.point.value(i)) continue;
      const Parameter& parameter = space.parameter(space.index(event.point.name(i)));
      insert.bind(id).bind(parameter.name).bind(optuna::internal_value(parameter, *event.point.value(i)));
      insert.bind(optuna::distribution_json(parameter)).execute();
      insert.reset();
    }
    attributes(id, event.plan.attributes);
  }

  void report(const Event& event) {
    const std::int64_t id = trial_id(event.trial);
    if (!event.result.values.empty()) {
      Statement insert(*db_,
                       "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
                       "SELECT ?, json_extract(plan, '$[' || ? || ']'), ?, ? FROM lathe_trials WHERE study_id = ? AND trial = ?");
      insert.bind(id).bind(event.segment);
      bind_number(insert, event.result.values[0]);
      insert.bind(study_).bind(event.trial).execute();
    }
    attributes(id, event.result.attributes);
    Statement remove(*db_, "DELETE FROM lathe_tasks WHERE study_id = ? AND trial = ? AND segment = ?");
    remove.bind(study_).bind(event.trial).bind(event.segment).execute();
  }

  void finish(const Event& event) {
    const std::int64_t id = trial_id(event.trial);
    const char* state = optuna::trial_state(event.state, multi_objective_);
    const std::string sql = std::string("UPDATE trials SET state = ?, datetime_complete = ") + kNow + " WHERE trial_id = ?";
    Statement(*db_, sql.c_str()).bind(state).bind(id).execute();
    Statement(*db_, "UPDATE lathe_trials SET state = ? WHERE study_id = ? AND trial = ?")
        .bind(state)
        .bind(study_)
        .bind(event.trial)
        .execute();
    // Optuna gives values to complete trials, and to pruned ones their last report.
    if (event.state == TrialState::complete || (event.state == TrialState::pruned && !multi_objective_)) {
      Statement insert(*db_, "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, ?, ?, ?)");
      for (std::size_t i = 0; i < event.values.size(); ++i) {
        insert.bind(id).bind(static_cast<std::int64_t>(i));
        bind_number(insert, event.values[i]);
        insert.execute();
        insert.reset();
      }
    }
    if (!event.constraints.empty()) {
      Statement insert(*db_, "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) VALUES (?, 'constraints', ?)");
      insert.bind(id).bind(optuna::json_list(event.constraints)).execute();
    }
    if (event.state == TrialState::pruned && multi_objective_) attribute(id, "lathe:state", "PRUNED");
    if (event.state == TrialState::failed) {
      attribute(id, "lathe:failure", failure_name(event.failure));
      if (!event.note.empty()) attribute(id, "lathe:note", event.note);
    }
    Statement(*db_, "DELETE FROM lathe_tasks WHERE study_id = ? AND trial = ?").bind(study_).bind(event.trial).execute();
  }

  std::shared_ptr<SqliteConnection> db_;
  std::int64_t study_;
  OutsideRows outside_;
  std::string name_, header_;
  bool multi_objective_ = false, wal_ = false;
};

class SqliteBackend final : public Backend {
 public:
  SqliteBackend(const std::filesystem::path& file, bool create) : db_(std::make_shared<SqliteConnection>(file, create)) {
    if (has_table("alembic_version")) {
      Statement revision(*db_, "SELECT version_num FROM alembic_version");
      const std::string found = revision.step() ? revision.text(0) : "none";
      if (found != optuna::kAlembicRevision)
        throw InputError(str(file.string(), ": database revision ", found, ", expected ", optuna::kAlembicRevision,
                             "; upgrade it with Optuna 3.2 or later: optuna storage upgrade"));
    } else if (!create && !has_table("studies")) {
      throw InputError(file.string() + ": holds no studies");
    }
    if (create || !has_table("lathe_studies") || !has_table("lathe_outside")) {
      Transaction transaction(*db_);
      db_->run(optuna::kSqliteSchema);
      db_->run(kLatheSchema);
      db_->run(kOutsideSchema);
      transaction.commit();
    }
  }

  std::vector<StudySummary> studies() override {
    Statement rows(*db_,
                   "SELECT s.study_name, coalesce(l.header, ''), (SELECT count(*) FROM trials t WHERE t.study_id = s.study_id), "
                   "(SELECT count(*) FROM lathe_events e WHERE e.study_id = s.study_id) "
                   "FROM studies s LEFT JOIN lathe_studies l ON l.study_id = s.study_id ORDER BY s.study_name");
    std::vector<StudySummary> studies;
    while (rows.step())
      studies.push_back({rows.text(0), rows.text(1), rows.integer(2), static_cast<std::uint64_t>(rows.integer(3))});
    return studies;
  }

  std::unique_ptr<Storage> create(const StudyHeader& header) override {
    Transaction transaction(*db_);
    if (find(header.name)) throw InputError(db_->file().string() + ": holds a study `" + header.name + "` already");
    Statement(*db_, "INSERT INTO studies (study_name) VALUES (?)").bind(header.name).execute();
    const std::int64_t study = db_->last_insert();
    add_header(study, header);
    Statement direction(*db_, "INSERT INTO study_directions (direction, study_id, objective) VALUES (?, ?, ?)");
    for (std::size_t i = 0; i < header.directions.size(); ++i) {
      direction.bind(header.directions[i] == Direction::maximise ? "MAXIMIZE" : "MINIMIZE").bind(study);
      direction.bind(static_cast<std::int64_t>(i)).execute();
      direction.reset();
    }
    transaction.commit();
    return std::make_unique<SqliteStorage>(db_, study, header.name);
  }

  std::unique_ptr<Storage> open(const std::string& name) override {
    return std::make_unique<SqliteStorage>(db_, require(name), name);
  }

  ForeignStudy foreign_study(const std::string& name) override { return read_foreign_study(*db_, require_foreign(name)); }

  std::unique_ptr<Storage> take_over(const StudyHeader& header) override {
    header.check();
    Transaction transaction(*db_);
    const std::int64_t study = require_foreign(header.name);
    if (read_foreign_study(*db_, study).directions != header.directions)
      throw InputError(db_->file().string() + ": study `" + header.name + "` has other directions than the header says");
    add_header(study, header);
    transaction.commit();
    return std::make_unique<SqliteStorage>(db_, study, header.name);
  }

 private:
  void add_header(std::int64_t study, const StudyHeader& header) {
    Statement(*db_, "INSERT INTO lathe_studies (study_id, header) VALUES (?, ?)").bind(study).bind(header.json()).execute();
    Statement(*db_,
              "INSERT OR IGNORE INTO study_system_attributes (study_id, \"key\", value_json) VALUES (?, 'study:metric_names', ?)")
        .bind(study)
        .bind(optuna::json_list(header.metrics))
        .execute();
  }
  std::int64_t require_foreign(const std::string& name) {
    const std::int64_t study = require(name);
    Statement header(*db_, "SELECT 1 FROM lathe_studies WHERE study_id = ?");
    if (header.bind(study).step()) throw InputError(db_->file().string() + ": study `" + name + "` was made by lathe");
    return study;
  }
  std::int64_t require(const std::string& name) {
    if (const auto study = find(name)) return *study;
    std::vector<std::string> names;
    for (const StudySummary& study : studies()) names.push_back(study.name);
    const auto near = nearest(name, names);
    throw InputError(db_->file().string() + ": no study `" + name + "`" +
                     (near            ? "; did you mean `" + *near + "`?"
                      : names.empty() ? "; it holds none"
                                      : "; it holds: " + join(names, ", ")));
  }

  bool has_table(const char* name) {
    Statement row(*db_, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?");
    return row.bind(name).step();
  }
  std::optional<std::int64_t> find(const std::string& name) {
    Statement row(*db_, "SELECT study_id FROM studies WHERE study_name = ?");
    row.bind(name);
    if (!row.step()) return {};
    return row.integer(0);
  }

  std::shared_ptr<SqliteConnection> db_;
};

}  // namespace

std::unique_ptr<Backend> sqlite_backend(const std::filesystem::path& file, bool create) {
  return std::make_unique<SqliteBackend>(file, create);
}

}  // namespace lathe::nas
