#include <lathe/base/text.h>
#include <lathe/nas/storage/postgresql.h>
#include <lathe/nas/storage/postgresql_connection.h>

#include <algorithm>
#include <thread>
#include <utility>

namespace lathe::nas {
namespace {

using Clock = std::chrono::steady_clock;

std::string enum_type(const char* name, const char* values) {
  return str("DO $$ BEGIN CREATE TYPE ", name, " AS ENUM (", values, "); EXCEPTION WHEN duplicate_object THEN NULL; END $$;\n");
}

std::map<std::string, std::string, std::less<>> words() {
  return {
      {"types", enum_type("studydirection", "'NOT_SET', 'MINIMIZE', 'MAXIMIZE'") +
                    enum_type("trialstate", "'RUNNING', 'COMPLETE', 'PRUNED', 'FAIL', 'WAITING'") +
                    enum_type("trialvaluetype", "'FINITE', 'INF_POS', 'INF_NEG'") +
                    enum_type("trialintermediatevaluetype", "'FINITE', 'INF_POS', 'INF_NEG', 'NAN'")},
      {"id", "SERIAL"},
      {"integer", "BIGINT"},
      {"float", "FLOAT(53)"},
      {"time", "TIMESTAMP WITHOUT TIME ZONE"},
      {"direction", "studydirection"},
      {"state", "trialstate"},
      {"kind", "trialvaluetype"},
      {"step kind", "trialintermediatevaluetype"},
      {"clustered", ""},
      {"now", "(clock_timestamp() AT TIME ZONE 'UTC')"},
      {"now_ms", "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)"},
      {"and leases hold", "AND pg_postmaster_start_time() < clock_timestamp() - interval '5 seconds'"},
      {"alone", "SELECT pg_advisory_xact_lock(465557414245)"},  // "lathe": CREATE … IF NOT EXISTS of two sessions may fail
      {"own tables",
       "CREATE TABLE IF NOT EXISTS lathe_sessions (session TEXT PRIMARY KEY, number BIGINT NOT NULL, seen TIMESTAMP NOT NULL)"},
      {"last table", "lathe_sessions"},
      {"for update", "FOR UPDATE"},
      {"for update skip locked", "FOR UPDATE SKIP LOCKED"},
      {"table $1", "SELECT 1 WHERE to_regclass(CAST($1 AS TEXT)) IS NOT NULL"},
      {"members of $2 after $1",
       "SELECT DISTINCT ON (member) CAST($1 AS INTEGER), left(member, 512), CAST(content AS TEXT) "
       "FROM json_each(CAST($2 AS JSON)) WITH ORDINALITY AS members (member, content, place) ORDER BY member, place DESC"},
  };
}

class Row final : public SqlRow {
 public:
  Row(const PGresult* result, int row) : result_(result), row_(row) {}
  std::int64_t integer(int column) const override {
    const std::string_view value = view(column);
    const auto parsed = parse_int(value);
    LATHE_CHECK(parsed.has_value(), std::string(value));
    return *parsed;
  }
  double real(int column) const override {
    const std::string_view value = view(column);
    const auto parsed = parse_double(value);
    LATHE_CHECK(parsed.has_value(), std::string(value));
    return *parsed;
  }
  std::string text(int column) const override { return std::string(view(column)); }
  bool is_null(int column) const override { return PQgetisnull(result_, row_, column) != 0; }

 private:
  std::string_view view(int column) const {
    return {PQgetvalue(result_, row_, column), static_cast<std::size_t>(PQgetlength(result_, row_, column))};
  }
  const PGresult* result_;
  int row_;
};

/// Takes "lathe_patience=SECONDS" out of an URL.
std::optional<std::chrono::seconds> take_patience(std::string& url) {
  const std::string name = "lathe_patience=";
  const std::size_t at = url.find(name);
  if (at == std::string::npos || at == 0 || (url[at - 1] != '?' && url[at - 1] != '&')) return {};
  const std::size_t end = std::min(url.find('&', at), url.size());
  const std::string text = url.substr(at + name.size(), end - at - name.size());
  const auto seconds = parse_int(text);
  if (!seconds || *seconds < 0 || *seconds > 1'000'000)
    throw InputError(str(without_password(url), ": lathe_patience is `", text, "`, expected seconds from 0 to 1,000,000"));
  if (end < url.size())
    url.erase(at, end + 1 - at);
  else
    url.erase(at - 1);
  return std::chrono::seconds(*seconds);
}

class PostgresqlDatabase final : public SqlDatabase {
 public:
  PostgresqlDatabase(std::string url, ServerOptions options) : SqlDatabase(words()), options_(std::move(options)) {
    if (const auto patience = take_patience(url)) options_.patience = *patience;
    place_ = without_password(url);
    connection_ = std::make_unique<PostgresqlConnection>(url, place_);
    try {
      connection_->open(kAttempt);
    } catch (const ConnectionLost& lost) {
      if (!lost.starting()) throw;  // a wrong host or port will not get better
      gone(lost);
      reconnect();
    }
    answered();
  }

  std::string place() const override { return place_; }

  void transaction(SqlWork, const std::function<void()>& body) override {
    const std::lock_guard lock(mutex());
    for (int conflicts = 0;;) {
      std::int64_t number = 0;  // of the transaction, from the moment COMMIT may have been carried out
      try {
        reconnect();
        connection_->run("BEGIN ISOLATION LEVEL READ COMMITTED");  // what is read after a lock must be new
        inside_ = true;
        body();
        number = sign();
        finish("COMMIT");
        return answered();
      } catch (const ConnectionLost& lost) {
        inside_ = false;
        gone(lost);
        if (number > 0 && was_committed(number)) return answered();
      } catch (const LockTimeout& locked) {
        roll_back();
        blocked(locked);
      } catch (const TransactionConflict&) {
        roll_back();
        if (++conflicts > kConflicts) throw;
      } catch (...) {
        roll_back();
        throw;
      }
    }
  }

  void script(const std::string& sql) override { connection_->run(sql); }

  /// Rows of sessions that ended long ago without this. They are harmless and the next study removes them too: so this waits for no
  /// server, and what is complete does not fail because of it.
  void settle() override {
    const std::lock_guard lock(mutex());
    if (!connection_->is_open()) return;
    try {
      connection_->run(fill("DELETE FROM lathe_sessions WHERE seen < {now} - interval '30 days'"));
    } catch (const InfrastructureError& error) {
      if (dynamic_cast<const ConnectionLost*>(&error)) connection_->close();
      if (options_.notice) options_.notice(str(error.what(), "; the rows of old sessions stay"));
    }
  }

  std::int64_t execute(std::string_view sql, const SqlValues& values) override {
    const PgResult result = run(sql, values);
    return parse_int(PQcmdTuples(result.get())).value_or(0);
  }

  void query(std::string_view sql, const SqlValues& values, const std::function<void(const SqlRow&)>& row) override {
    const std::lock_guard lock(mutex());
    const PgResult result = inside_ ? run(sql, values) : insist([&] { return run(sql, values); });
    for (int i = 0; i < PQntuples(result.get()); ++i) row(Row(result.get(), i));
  }

 private:
  static constexpr std::chrono::milliseconds kAttempt{10'000}, kPause{500};
  static constexpr int kConflicts = 100;

  PgResult run(std::string_view sql, const SqlValues& values) {
    return connection_->run(
        sql, [&] { return fill(sql); }, values);
  }

  /// A question outside transactions, asked until it is answered.
  PgResult insist(const std::function<PgResult()>& ask) {
    for (;;) {
      try {
        reconnect();
        PgResult result = ask();
        answered();
        return result;
      } catch (const ConnectionLost& lost) {
        gone(lost);
      } catch (const LockTimeout& locked) {
        blocked(locked);
      }
    }
  }

  // ---- what became of a transaction whose COMMIT was not answered
  // Each that changes something leaves its number in this session's row. The server's own numbers would not do: one that a crash
  // swallowed is given to another transaction. https://www.postgresql.org/docs/current/functions-info.html, pg_xact_status

  /// The transaction's number, or 0 if it has changed nothing.
  std::int64_t sign() {
    const PgResult signed_ =
        run("INSERT INTO lathe_sessions (session, number, seen) SELECT $1, CAST($2 AS BIGINT), {now} "
            "WHERE pg_current_xact_id_if_assigned() IS NOT NULL "
            "ON CONFLICT (session) DO UPDATE SET number = excluded.number, seen = excluded.seen RETURNING number",
            {session_, transactions_ + 1});
    return PQntuples(signed_.get()) == 1 ? ++transactions_ : 0;
  }

  bool was_committed(std::int64_t number) {
    if (!has_sessions()) return false;
    // Waits for the old session, where the server has not noticed its end yet: it holds the row until the server's keepalives end
    // it.
    const PgResult found = insist([&] {
      return run(
          "INSERT INTO lathe_sessions (session, number, seen) VALUES ($1, 0, {now}) "
          "ON CONFLICT (session) DO UPDATE SET seen = excluded.seen RETURNING number",
          {session_});
    });
    return parse_int(PQgetvalue(found.get(), 0, 0)) == number;
  }

  /// Or was the transaction the one that makes the tables?
  bool has_sessions() {
    for (const char* first : {"SELECT 1", "SELECT pg_advisory_xact_lock(465557414245)"}) {  // its lock: it may be at work still
      insist([&] { return run(first, {}); });
      const PgResult table = insist([&] { return run("SELECT to_regclass('lathe_sessions')", {}); });
      if (PQgetisnull(table.get(), 0, 0) == 0) return true;
    }
    return false;
  }

  void finish(const char* how) {
    const PgResult result = connection_->run(how);
    inside_ = false;
    if (std::string_view(PQcmdStatus(result.get())) != how)
      throw InfrastructureError(str(place_, ": the transaction was rolled back (", PQcmdStatus(result.get()), ")"));
  }

  void roll_back() {
    if (!inside_) return;
    inside_ = false;
    try {
      connection_->run("ROLLBACK");
    } catch (const InfrastructureError&) {
      connection_->close();  // which rolls back as well
    }
  }

  // ---- a server that goes away, and locks that are not released

  /// After every failed attempt. Throws when it is time to stop trying.
  void gone(const ConnectionLost& lost) {
    connection_->close();
    wait_on(lost, "the server", "the server is back", {});
  }

  /// After every kLockTimeout in vain. Throws when it is time to stop trying.
  void blocked(const LockTimeout& locked) { wait_on(locked, "it", "the lock was released", kLockTimeout); }

  void wait_on(const InfrastructureError& reason, const char* what, const char* over, std::chrono::milliseconds waited) {
    const bool first = !waiting_since_;
    if (first) waiting_since_ = Clock::now() - waited;
    over_ = over;
    if (Clock::now() - *waiting_since_ >= options_.patience)
      throw InfrastructureError(str(reason.what(), " (waited ", options_.patience.count(), " s)"));
    if (options_.give_up && options_.give_up()) throw InfrastructureError(str(reason.what(), " (stopped while waiting)"));
    if (first && options_.notice)
      options_.notice(str(reason.what(), "; waiting up to ", options_.patience.count(), " s for ", what));
  }

  void answered() {
    if (waiting_since_ && options_.notice) options_.notice(str(place_, ": ", over_));
    waiting_since_.reset();
    attempts_ = 0;
  }

  void reconnect() {
    while (!connection_->is_open()) {
      if (attempts_++ > 0) std::this_thread::sleep_for(kPause);
      try {
        connection_->open(kAttempt);
      } catch (const ConnectionLost& lost) {
        gone(lost);
      } catch (const InputError& refused) {  // it was right before: somebody is at work on the server
        gone(ConnectionLost(refused.what(), false));
      }
    }
  }

  ServerOptions options_;
  std::string place_;
  std::unique_ptr<PostgresqlConnection> connection_;
  const std::string session_ = random_token();  // no part of any study
  std::int64_t transactions_ = 0;
  bool inside_ = false;
  std::optional<Clock::time_point> waiting_since_;  // no transaction or query has succeeded since
  const char* over_ = "";                           // what will be told then
  int attempts_ = 0;                                // to connect, since then
};

}  // namespace

std::unique_ptr<Backend> postgresql_backend(const std::string& url, bool create, const ServerOptions& options) {
  return sql_backend(std::make_shared<PostgresqlDatabase>(url, options), create);
}

}  // namespace lathe::nas
