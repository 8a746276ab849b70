#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/storage/optuna_schema.h>
#include <lathe/nas/storage/sql_database.h>
#include <lathe/nas/storage/sql_foreign.h>
#include <lathe/nas/storage/sql_rows.h>

#include <algorithm>
#include <random>
#include <utility>

namespace lathe::nas {
namespace {

constexpr const char* kLatheSchema = R"sql(
CREATE TABLE IF NOT EXISTS lathe_studies (
  study_id INTEGER PRIMARY KEY REFERENCES studies (study_id) ON DELETE CASCADE, header TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lathe_events (
  study_id INTEGER NOT NULL, number {integer} NOT NULL, line TEXT NOT NULL, note TEXT NOT NULL, attributes TEXT NOT NULL,
  PRIMARY KEY (study_id, number)) {clustered};
CREATE TABLE IF NOT EXISTS lathe_trials (
  study_id INTEGER NOT NULL, trial {integer} NOT NULL, trial_id INTEGER NOT NULL, state TEXT NOT NULL, plan TEXT NOT NULL,
  PRIMARY KEY (study_id, trial)) {clustered};
CREATE TABLE IF NOT EXISTS lathe_tasks (
  study_id INTEGER NOT NULL, trial {integer} NOT NULL, segment INTEGER NOT NULL, priority {integer} NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('ready', 'claimed', 'done')), owner TEXT NOT NULL, attempt {integer} NOT NULL,
  failures INTEGER NOT NULL, reason TEXT NOT NULL, lease_until {integer} NOT NULL, result TEXT NOT NULL, note TEXT NOT NULL,
  attributes TEXT NOT NULL, PRIMARY KEY (study_id, trial, segment)) {clustered};
)sql";

constexpr const char* kLatheTables[] = {"lathe_studies", "lathe_events", "lathe_trials", "lathe_tasks", "lathe_outside"};

// A database gives the number of a deleted study to a new one, and Optuna deletes studies without lathe's rows. So a study carries
// a random token among its system attributes, which go with it whoever deletes it: rows of lathe's are this study's while it is
// there.
std::string token_of(SqlDatabase& db, std::int64_t study) {
  std::string token;
  db.query("SELECT value_json FROM study_system_attributes WHERE study_id = $1 AND \"key\" = 'lathe:token'", {study},
           [&](const SqlRow& row) { token = row.text(0); });
  return token;
}

void add_token(SqlDatabase& db, std::int64_t study) {
  const std::string token = '"' + random_token() + '"';
  db.execute("INSERT INTO study_system_attributes (study_id, \"key\", value_json) VALUES ($1, 'lathe:token', $2)", {study, token});
}

class SqlStorage final : public Storage {
 public:
  SqlStorage(std::shared_ptr<SqlDatabase> database, std::int64_t study, std::string name)
      : db_(std::move(database)), study_(study), name_(std::move(name)), token_(token_of(*db_, study)) {
    bool found = false;
    db_->query("SELECT header FROM lathe_studies WHERE study_id = $1", {study_}, [&](const SqlRow& row) {
      found = true;
      header_ = row.text(0);
    });
    if (!found || token_.empty()) throw InputError(db_->place() + ": study `" + name_ + "` was not made by lathe");
    db_->query("SELECT count(*) FROM study_directions WHERE study_id = $1", {study_},
               [&](const SqlRow& row) { multi_objective_ = row.integer(0) > 1; });
  }

  std::string name() const override { return name_; }
  std::string header() const override { return header_; }
  bool shared() const override { return true; }

  std::vector<RecordedEvent> events(std::uint64_t from) override {
    constexpr std::size_t kPage = 20000;  // a database may hand over a whole answer at once: keep it small
    std::vector<RecordedEvent> events;
    require_alive();
    for (std::size_t before = 0;; before = events.size()) {
      db_->query("SELECT line, note, attributes FROM lathe_events WHERE study_id = $1 AND number >= $2 ORDER BY number LIMIT $3",
                 {study_, from + before, kPage}, [&](const SqlRow& row) {
                   events.push_back({row.text(0), row.text(1), row.text(2)});
                 });
      if (events.size() - before < kPage) return events;
    }
  }

  bool append(std::uint64_t from, std::span<const Event> events, const Space& space) override {
    bool added = false;
    db_->transaction(SqlWork::log, [&] {
      lock_log();
      added = length() == from;
      if (!added) return;
      SqlRows rows(*db_, study_, multi_objective_);
      std::uint64_t number = from;
      for (const Event& event : events) {
        const RecordedEvent recorded = record(event);
        db_->execute("INSERT INTO lathe_events (study_id, number, line, note, attributes) VALUES ($1, $2, $3, $4, $5)",
                     {study_, number++, recorded.line, recorded.note, recorded.attributes});
        rows.write(event, space);
      }
    });
    return added;
  }

  bool offer(std::uint64_t at, std::span<const Task> tasks) override {
    bool offered = false;
    db_->transaction(SqlWork::tasks, [&] {
      lock_log();
      offered = length() == at;
      if (!offered) return;
      for (const Task& task : tasks)
        db_->execute(
            "INSERT INTO lathe_tasks (study_id, trial, segment, priority, state, owner, attempt, failures, reason, lease_until, "
            "result, note, attributes) VALUES ($1, $2, $3, $4, 'ready', '', 0, 0, '', 0, '', '', '') ON CONFLICT DO NOTHING",
            {study_, task.key.trial, task.key.segment, task.priority});
    });
    return offered;
  }

  std::optional<Lease> claim(const std::string& owner, std::chrono::milliseconds lease, int max_failures) override {
    std::optional<Lease> won;
    db_->transaction(SqlWork::tasks, [&] {
      require_alive();
      won.reset();
      while (!won) {
        std::optional<Candidate> next = most_urgent(max_failures);
        if (!next) return;
        const bool take = next->failures < max_failures;
        const std::int64_t changed = db_->execute(
            "UPDATE lathe_tasks SET state = $1, owner = $2, attempt = $3, failures = $4, "
            "lease_until = CASE WHEN $1 = 'claimed' THEN {now_ms} + CAST($5 AS {integer}) ELSE 0 END, "
            "reason = CASE WHEN state = 'claimed' THEN 'lease of ' || owner || ' ran out' ELSE reason END "
            "WHERE study_id = $6 AND trial = $7 AND segment = $8 AND state = $9 AND attempt = $10",
            {take ? "claimed" : "ready", take ? owner : std::string_view(), next->attempt + (take ? 1 : 0), next->failures,
             lease.count(), study_, next->key.trial, next->key.segment, next->state, next->attempt});
        if (changed == 1 && take) won = Lease{next->key, owner, next->attempt + 1};
      }
    });
    return won;
  }

  int renew(const std::string& owner, std::chrono::milliseconds lease) override {
    return change(
        "UPDATE lathe_tasks SET lease_until = {now_ms} + CAST($1 AS {integer}) WHERE study_id = $2 AND state = 'claimed' AND "
        "owner = $3",
        {lease.count(), study_, owner});
  }

  bool release(const Lease& lease, Release how, const std::string& reason) override {
    const int failed = how == Release::failed ? 1 : 0;
    return change(
               "UPDATE lathe_tasks SET state = 'ready', owner = '', lease_until = 0, failures = failures + CAST($1 AS INTEGER), "
               "reason = CASE WHEN CAST($1 AS INTEGER) = 1 THEN $2 ELSE reason END "
               "WHERE study_id = $3 AND trial = $4 AND segment = $5 AND state = 'claimed' AND owner = $6 AND attempt = $7",
               {failed, reason, study_, lease.key.trial, lease.key.segment, lease.owner, lease.attempt}) == 1;
  }

  bool submit(const Lease& lease, const SegmentResult& result) override {
    const std::string text = to_text(result);
    return change(
               "UPDATE lathe_tasks SET state = 'done', lease_until = 0, result = $1, note = $2, attributes = $3 "
               "WHERE study_id = $4 AND trial = $5 AND segment = $6 AND state = 'claimed' AND owner = $7 AND attempt = $8",
               {text, result.note, result.attributes, study_, lease.key.trial, lease.key.segment, lease.owner, lease.attempt}) == 1;
  }

  std::vector<TaskRow> tasks() override {
    std::vector<TaskRow> tasks;
    db_->query(
        "SELECT trial, segment, priority, state, owner, attempt, failures, reason, result, note, attributes "
        "FROM lathe_tasks WHERE study_id = $1 ORDER BY trial, segment",
        {study_}, [&](const SqlRow& found) {
          TaskRow row;
          row.task = {{found.integer(0), static_cast<int>(found.integer(1))}, static_cast<std::uint64_t>(found.integer(2))};
          const std::string state = found.text(3);
          row.state = state == "done" ? TaskState::done : state == "claimed" ? TaskState::claimed : TaskState::ready;
          row.owner = found.text(4);
          row.attempt = found.integer(5);
          row.failures = static_cast<int>(found.integer(6));
          row.reason = found.text(7);
          if (row.state == TaskState::done) {
            row.result = parse_segment_result(found.text(8));
            row.result->note = found.text(9);
            row.result->attributes = found.text(10);
          }
          tasks.push_back(std::move(row));
        });
    return tasks;
  }

  int abandon(const std::string& owner, const std::string& reason) override {
    return change(
        "UPDATE lathe_tasks SET state = 'ready', owner = '', lease_until = 0, failures = failures + 1, reason = $1 "
        "WHERE study_id = $2 AND state = 'claimed' AND owner = $3",
        {reason, study_, owner});
  }

  void reset_failures() override { change("UPDATE lathe_tasks SET failures = 0, reason = '' WHERE study_id = $1", {study_}); }

  std::vector<ForeignTrial> foreign_trials() override { return OutsideRows(*db_, study_).unknown(); }

  std::vector<std::string> foreign_changes() override {
    std::vector<std::string> changes;
    if (const std::int64_t n = OutsideRows(*db_, study_).foreign())
      changes.push_back(str(n, n == 1 ? " trial was" : " trials were", " added by another program"));
    db_->query(
        "SELECT l.trial, l.state, t.state FROM lathe_trials l LEFT JOIN trials t ON t.trial_id = l.trial_id "
        "WHERE l.study_id = $1 AND (t.state IS NULL OR CAST(t.state AS TEXT) <> l.state) ORDER BY l.trial",
        {study_}, [&](const SqlRow& edited) {
          const std::string state = edited.is_null(2) ? std::string("removed") : "set to " + edited.text(2);
          changes.push_back(str("trial ", edited.integer(0), " (", edited.text(1), ") was ", state, " by another program"));
        });
    return changes;
  }

  void settle() override { db_->settle(); }

 private:
  struct Candidate {
    TaskKey key;
    std::string state;
    std::int64_t attempt = 0, failures = 0;  // failures: with the lease that ran out
  };

  std::optional<Candidate> most_urgent(int max_failures) {
    std::optional<Candidate> next;
    db_->query(
        "SELECT trial, segment, state, attempt, failures FROM lathe_tasks WHERE study_id = $1 AND "
        "((state = 'ready' AND failures < $2) OR (state = 'claimed' AND lease_until < {now_ms} {and leases hold})) "
        "ORDER BY priority, trial, segment LIMIT 1 {for update skip locked}",
        {study_, max_failures}, [&](const SqlRow& row) {
          next = Candidate{{row.integer(0), static_cast<int>(row.integer(1))}, row.text(2), row.integer(3), row.integer(4)};
          if (next->state == "claimed") ++next->failures;
        });
    return next;
  }

  int change(std::string_view sql, const SqlValues& values) {
    std::int64_t changed = 0;
    db_->transaction(SqlWork::tasks, [&] {
      require_alive();
      changed = db_->execute(sql, values);
    });
    return static_cast<int>(changed);
  }

  /// Until the transaction ends nobody else adds events, nor Optuna trials: it takes the same lock.
  void lock_log() {
    db_->query("SELECT study_id FROM studies WHERE study_id = $1 {for update}", {study_}, [](const SqlRow&) {});
    require_alive();
  }

  void require_alive() {
    if (token_of(*db_, study_) != token_) throw InputError(str(db_->place(), ": study `", name_, "` was deleted meanwhile"));
  }

  std::uint64_t length() {
    std::int64_t length = 0;
    db_->query("SELECT coalesce(max(number) + 1, 0) FROM lathe_events WHERE study_id = $1", {study_},
               [&](const SqlRow& row) { length = row.integer(0); });
    return static_cast<std::uint64_t>(length);
  }

  std::shared_ptr<SqlDatabase> db_;
  std::int64_t study_;
  std::string name_, token_, header_;
  bool multi_objective_ = false;
};

class SqlBackend final : public Backend {
 public:
  SqlBackend(std::shared_ptr<SqlDatabase> database, bool create) : db_(std::move(database)) {
    if (has_table("alembic_version")) {
      std::string found = "none";
      db_->query("SELECT version_num FROM alembic_version", {}, [&](const SqlRow& row) { found = row.text(0); });
      if (found != optuna::kAlembicRevision)
        throw InputError(str(db_->place(), ": database revision ", found, ", expected ", optuna::kAlembicRevision,
                             "; upgrade it with Optuna 3.2 or later: optuna storage upgrade"));
    } else if (!create && !has_table("studies")) {
      throw InputError(db_->place() + ": holds no studies");
    }
    if (!has_table(db_->fill("{last table}")))
      db_->transaction(SqlWork::structure, [&] {
        db_->script(db_->fill("{alone}"));
        db_->script(db_->fill(optuna::kSchema));
        db_->script(db_->fill(kLatheSchema));
        db_->script(db_->fill(kOutsideSchema));
        db_->script(db_->fill("{own tables}"));
        give_tokens();
      });
  }

  std::vector<StudySummary> studies() override {
    std::vector<StudySummary> studies;
    db_->query(
        "SELECT s.study_name, coalesce(l.header, ''), (SELECT count(*) FROM trials t WHERE t.study_id = s.study_id), "
        "(SELECT coalesce(max(number) + 1, 0) FROM lathe_events e WHERE e.study_id = l.study_id) "
        "FROM studies s LEFT JOIN lathe_studies l ON l.study_id = s.study_id AND EXISTS (SELECT 1 FROM study_system_attributes a "
        "WHERE a.study_id = s.study_id AND a.\"key\" = 'lathe:token')",
        {}, [&](const SqlRow& row) {
          studies.push_back({row.text(0), row.text(1), row.integer(2), static_cast<std::uint64_t>(row.integer(3))});
        });
    // Not by the database, whose order of letters is its own.
    std::sort(studies.begin(), studies.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return studies;
  }

  std::unique_ptr<Storage> create(const StudyHeader& header) override {
    header.check();
    check_names(header);
    std::int64_t study = 0;
    db_->transaction(SqlWork::structure, [&] {
      db_->script(db_->fill("{alone}"));
      if (find(header.name)) throw InputError(db_->place() + ": holds a study `" + header.name + "` already");
      db_->query("INSERT INTO studies (study_name) VALUES ($1) RETURNING study_id", {header.name},
                 [&](const SqlRow& row) { study = row.integer(0); });
      add_header(study, header);
      for (std::size_t i = 0; i < header.directions.size(); ++i)
        db_->execute("INSERT INTO study_directions (direction, study_id, objective) VALUES ($1, $2, $3)",
                     {header.directions[i] == Direction::maximise ? "MAXIMIZE" : "MINIMIZE", study, i});
    });
    return std::make_unique<SqlStorage>(db_, study, header.name);
  }

  std::unique_ptr<Storage> open(const std::string& name) override { return std::make_unique<SqlStorage>(db_, require(name), name); }

  void remove(const std::string& name) override {
    static constexpr const char* kOfTrials[] = {"trial_user_attributes", "trial_system_attributes",   "trial_params",
                                                "trial_values",          "trial_intermediate_values", "trial_heartbeats"};
    static constexpr const char* kOfStudies[] = {"trials", "study_directions", "study_user_attributes", "study_system_attributes"};
    db_->transaction(SqlWork::structure, [&] {
      const std::int64_t study = require(name);
      // The locks of everybody who adds to the log, or to a trial: what they add is either seen here or refused to them.
      db_->query("SELECT study_id FROM studies WHERE study_id = $1 {for update}", {study}, [](const SqlRow&) {});
      db_->query("SELECT trial_id FROM trials WHERE study_id = $1 {for update}", {study}, [](const SqlRow&) {});
      for (const char* table : kOfTrials)
        db_->execute(str("DELETE FROM ", table, " WHERE trial_id IN (SELECT trial_id FROM trials WHERE study_id = $1)"), {study});
      for (const char* table : kOfStudies) db_->execute(str("DELETE FROM ", table, " WHERE study_id = $1"), {study});
      for (const char* table : kLatheTables) db_->execute(str("DELETE FROM ", table, " WHERE study_id = $1"), {study});
      db_->execute("DELETE FROM studies WHERE study_id = $1", {study});
    });
  }

  ForeignStudy foreign_study(const std::string& name) override { return read_foreign_study(*db_, require_foreign(name)); }

  std::unique_ptr<Storage> take_over(const StudyHeader& header) override {
    header.check();
    check_names(header);
    std::int64_t study = 0;
    db_->transaction(SqlWork::structure, [&] {
      db_->script(db_->fill("{alone}"));
      study = require_foreign(header.name);
      if (read_foreign_study(*db_, study).directions != header.directions)
        throw InputError(db_->place() + ": study `" + header.name + "` has other directions than the header says");
      add_header(study, header);
    });
    return std::make_unique<SqlStorage>(db_, study, header.name);
  }

 private:
  void add_header(std::int64_t study, const StudyHeader& header) {
    const std::string json = header.json(), metrics = optuna::json_list(header.metrics);
    for (const char* table : kLatheTables)  // of a study that had this number, and that another program deleted
      db_->execute(str("DELETE FROM ", table, " WHERE study_id = $1"), {study});
    db_->execute("INSERT INTO lathe_studies (study_id, header) VALUES ($1, $2)", {study, json});
    add_token(*db_, study);
    db_->execute(
        "INSERT INTO study_system_attributes (study_id, \"key\", value_json) VALUES ($1, 'study:metric_names', $2) "
        "ON CONFLICT (study_id, \"key\") DO NOTHING",
        {study, metrics});
  }

  std::int64_t require_foreign(const std::string& name) {
    const std::int64_t study = require(name);
    if (!token_of(*db_, study).empty()) throw InputError(db_->place() + ": study `" + name + "` was made by lathe");
    return study;
  }

  /// To the studies of a database from before there were tokens.
  void give_tokens() {
    std::vector<std::int64_t> without;
    db_->query(
        "SELECT l.study_id FROM lathe_studies l JOIN studies s ON s.study_id = l.study_id WHERE NOT EXISTS (SELECT 1 FROM "
        "study_system_attributes a WHERE a.study_id = l.study_id AND a.\"key\" = 'lathe:token')",
        {}, [&](const SqlRow& row) { without.push_back(row.integer(0)); });
    for (const std::int64_t study : without) add_token(*db_, study);
  }

  std::int64_t require(const std::string& name) {
    if (const auto study = find(name)) return *study;
    std::vector<std::string> names;
    for (const StudySummary& study : studies()) names.push_back(study.name);
    const auto near = nearest(name, names);
    throw InputError(db_->place() + ": no study `" + name + "`" +
                     (near            ? "; did you mean `" + *near + "`?"
                      : names.empty() ? "; it holds none"
                                      : "; it holds: " + join(names, ", ")));
  }

  /// What Optuna's schema has room for, and what every database can hold.
  void check_names(const StudyHeader& header) const {
    constexpr std::size_t kLongest = 512;
    const auto check = [&](const char* what, const std::string& name) {
      if (name.size() > kLongest)
        throw InputError(str(db_->place(), ": the name of ", what, " has ", name.size(), " bytes, expected at most ", kLongest));
      if (const auto at = invalid_utf8(name))
        throw InputError(str(db_->place(), ": the name of ", what, " is not UTF-8 (byte ", *at, ")"));
    };
    check("the study", header.name);
    for (std::size_t i = 0; i < header.space.size(); ++i) check("a parameter", header.space.parameter(i).name);
    if (const auto at = invalid_utf8(header.json()))
      throw InputError(str(db_->place(), ": the study's header is not UTF-8 (byte ", *at, ")"));
  }

  bool has_table(const std::string& name) {
    bool found = false;
    db_->query("{table $1}", {name}, [&](const SqlRow&) { found = true; });
    return found;
  }
  std::optional<std::int64_t> find(const std::string& name) {
    std::optional<std::int64_t> study;
    db_->query("SELECT study_id FROM studies WHERE study_name = $1", {name}, [&](const SqlRow& row) { study = row.integer(0); });
    return study;
  }

  std::shared_ptr<SqlDatabase> db_;
};

}  // namespace

std::string random_token() {
  std::random_device random;
  return str(random(), "-", random());
}

std::string SqlDatabase::fill(std::string_view sql) const {
  std::string out;
  for (std::size_t at = 0; at < sql.size();) {
    const std::size_t open = std::min(sql.find('{', at), sql.size());
    out += sql.substr(at, open - at);
    if (open == sql.size()) break;
    const std::size_t close = sql.find('}', open);
    LATHE_CHECK(close != std::string_view::npos, std::string(sql));
    const auto word = words_.find(sql.substr(open + 1, close - open - 1));
    LATHE_CHECK(word != words_.end(), std::string(sql.substr(open, close - open + 1)));
    out += word->second;
    at = close + 1;
  }
  return out;
}

std::unique_ptr<Backend> sql_backend(std::shared_ptr<SqlDatabase> database, bool create) {
  return std::make_unique<SqlBackend>(std::move(database), create);
}

}  // namespace lathe::nas
