// What is PostgreSQL's own: a server that goes away, COMMITs without an answer, types, users and databases.
#include <doctest/doctest.h>
#include <lathe/base/error.h>
#include <lathe/nas/storage/memory.h>
#include <lathe/nas/storage/postgresql.h>
#include <lathe/nas/storage/postgresql_connection.h>

#include <atomic>
#include <thread>

#include "tests/storage/proxy.h"
#include "tests/storage/server.h"
#include "tests/storage/study.h"

namespace lathe::nas {
namespace {

using namespace std::chrono_literals;
using test::PostgresServer;
using test::Proxy;
using test::small_objective;
using test::small_study;

PostgresServer* server() {
  PostgresServer* found = PostgresServer::instance();
  if (!found) MESSAGE("SKIPPED: " << PostgresServer::missing());
  return found;
}

/// The first columns of the answer, separated by commas; "" for NULL.
std::string ask(const std::string& url, const std::string& sql) {
  PostgresqlConnection connection(url, "test");
  connection.open(10s);
  const PgResult result = connection.run(sql);
  std::string out;
  for (int i = 0; i < PQntuples(result.get()); ++i) out += (i ? "," : "") + std::string(PQgetvalue(result.get(), i, 0));
  return out;
}

/// The events of a study as they are decided, batch by batch.
struct Batches {
  std::shared_ptr<Objective> objective = small_objective();
  VirtualTime engine;
  explicit Batches(const StudyHeader& header)
      : engine(
            header, [o = objective](const Point& p) { return o->plan(p); },
            [](const Point&) { return std::optional<std::string>(); }) {}
};

TEST_CASE("the rows and types are what Optuna writes") {
  if (!server()) return;
  const std::string url = server()->fresh_database();
  auto storage = postgresql_backend(url, true)->create(small_study(30));
  CHECK(execute(small_study(30), *small_objective(), *storage).finished);
  CHECK(ask(url, "SELECT version_num FROM alembic_version") == "v3.2.0.a");
  CHECK(ask(url, "SELECT enum_range(NULL::trialstate)") == "{RUNNING,COMPLETE,PRUNED,FAIL,WAITING}");
  CHECK(ask(url, "SELECT enum_range(NULL::studydirection)") == "{NOT_SET,MINIMIZE,MAXIMIZE}");
  CHECK(ask(url, "SELECT enum_range(NULL::trialvaluetype)") == "{FINITE,INF_POS,INF_NEG}");
  CHECK(ask(url, "SELECT enum_range(NULL::trialintermediatevaluetype)") == "{FINITE,INF_POS,INF_NEG,NAN}");
  CHECK(ask(url,
            "SELECT DISTINCT data_type FROM information_schema.columns WHERE column_name IN ('param_value', 'value', "
            "'intermediate_value') AND table_schema = 'public'") == "double precision");
  CHECK(ask(url, "SELECT direction FROM study_directions") == "MAXIMIZE");
  CHECK(ask(url, "SELECT string_agg(number::text, ' ' ORDER BY trial_id) FROM trials WHERE number < 5") == "0 1 2 3 4");
  CHECK(ask(url, "SELECT count(*) FROM trials WHERE state NOT IN ('COMPLETE', 'PRUNED', 'FAIL') OR datetime_complete IS NULL") ==
        "0");
  CHECK(ask(url, "SELECT state FROM trials WHERE number IN (12, 25)") == "FAIL,FAIL");
  CHECK(ask(url, "SELECT count(*) FROM trial_values v JOIN trials t USING (trial_id) WHERE t.state = 'FAIL'") == "0");
  CHECK(ask(url,
            "SELECT value_json FROM trial_user_attributes WHERE trial_id = 1 AND key IN ('params', 'arch', 'flag', 'list', "
            "'train_loss') ORDER BY key") == "\"L\\\"2\\\"\",true,[1,2],1234,0.5");
  CHECK(ask(url, "SELECT abs(extract(epoch FROM (now() AT TIME ZONE 'UTC') - max(datetime_complete))) < 60 FROM trials") == "t");
  CHECK(ask(url, "SELECT count(*) FROM lathe_tasks") == "0");
  CHECK(storage->foreign_changes().empty());
  ask(url,
      "INSERT INTO trials (number, study_id, state) VALUES (30, 1, 'WAITING'); "
      "UPDATE trials SET state = 'RUNNING' WHERE number = 0");
  REQUIRE(storage->foreign_changes().size() == 2);
  CHECK(storage->foreign_changes()[0] == "1 trial was added by another program");
  CHECK(storage->foreign_changes()[1].ends_with("was set to RUNNING by another program"));
}

TEST_CASE("what cannot be opened is refused with one line that says why") {
  if (!server()) return;
  const auto refusal = [](const std::string& url, bool create = false) {
    try {
      postgresql_backend(url, create);
    } catch (const InputError& error) {
      return std::string("input ") + error.what();
    } catch (const InfrastructureError& error) {
      return std::string("machine ") + error.what();
    }
    return std::string();
  };
  std::string url = server()->url("nowhere");
  CHECK(refusal(url).starts_with("input postgresql://lathe@/nowhere?host="));
  CHECK_MESSAGE(refusal(url).ends_with("FATAL: database \"nowhere\" does not exist"), refusal(url));
  url.replace(url.find("lathe@"), 6, "nobody:secret@");
  CHECK(refusal(url).ends_with("role \"nobody\" does not exist"));
  CHECK(refusal(url).find("secret") == std::string::npos);
  CHECK(refusal("postgresql://u@/db?host=/no/such/folder").starts_with("machine "));
  CHECK(refusal("postgresql://u@/db?hots=/tmp").find("invalid URI query parameter") != std::string::npos);
  CHECK(refusal("postgresql://u@/db?lathe_patience=soon").find("expected seconds") != std::string::npos);
  url = server()->fresh_database();
  CHECK(refusal(url).ends_with("holds no studies"));
  ask(url, "CREATE TABLE alembic_version (version_num VARCHAR(32)); INSERT INTO alembic_version VALUES ('v1.3.0.a')");
  CHECK(refusal(url, true).find("database revision v1.3.0.a, expected v3.2.0.a") != std::string::npos);
}

TEST_CASE("connections that make the tables at the same moment all succeed") {
  if (!server()) return;
  const std::string url = server()->fresh_database();
  std::atomic<int> failed{0}, waiting{8};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      try {
        StudyHeader header = small_study();
        header.name = "of " + std::to_string(i);
        postgresql_backend(url, true)->create(header);
      } catch (const Error& error) {
        MESSAGE(std::string(error.what()));
        ++failed;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(postgresql_backend(url, false)->studies().size() == 8);
}

TEST_CASE("text that PostgreSQL cannot hold is stored all the same") {
  if (!server()) return;
  auto storage = postgresql_backend(server()->fresh_database(), true)->create(small_study());
  CHECK(storage->offer(0, std::vector<Task>{{{0, 0}, 1}}));
  const auto lease = storage->claim("a", 60s, 3);
  REQUIRE(lease);
  const std::string reason("caf\xe9 \0 ü", 9);
  CHECK(storage->release(*lease, Release::failed, reason));
  CHECK(storage->tasks()[0].reason == "caf\xef\xbf\xbd \xef\xbf\xbd \xc3\xbc");
  StudyHeader header = small_study();
  header.name = "n\xff";
  CHECK_THROWS_AS(postgresql_backend(server()->fresh_database(), true)->create(header), InputError);
}

TEST_CASE("a server that goes away is waited for") {
  if (!server()) return;
  std::vector<std::string> told;
  const ServerOptions options{.patience = 60s, .notice = [&](const std::string& line) { told.push_back(line); }};
  const StudyHeader header = small_study();
  const std::string url = server()->fresh_database();
  auto storage = postgresql_backend(url, true, options)->create(header);
  Batches batches(header);
  const std::vector<Event> batch = batches.engine.step();
  for (const auto how : {PostgresServer::Stop::fast, PostgresServer::Stop::crash}) {
    CAPTURE(how == PostgresServer::Stop::crash);
    told.clear();
    server()->stop(how);
    bool added = false;
    std::thread waits([&] { added = storage->append(0, batch, header.space); });
    std::this_thread::sleep_for(1500ms);
    server()->start();  // by this thread: the server ends with the one that started it
    waits.join();
    CHECK(added == (how == PostgresServer::Stop::fast));  // the second time the events are there
    CHECK(storage->events(0).size() == batch.size());
    REQUIRE(told.size() == 2);
    CHECK(told[0].find("waiting up to 60 s") != std::string::npos);
    CHECK(told[1].ends_with("the server is back"));
  }
  // A restart between two calls.
  server()->stop(PostgresServer::Stop::fast);
  server()->start();
  CHECK(storage->offer(batch.size(), std::vector<Task>{{{0, 0}, 1}}));
  CHECK(storage->tasks().size() == 1);
}

TEST_CASE("waiting has an end, and then the storage works as soon as the server does") {
  if (!server()) return;
  const std::string url = server()->fresh_database();
  postgresql_backend(url, true)->create(small_study());
  auto patient = postgresql_backend(url + "&lathe_patience=1", false)->open("small");
  std::atomic<bool> stop{false};
  ServerOptions options;
  options.give_up = [&] { return stop.load(); };
  auto stopped = postgresql_backend(url, false, options)->open("small");
  server()->stop(PostgresServer::Stop::fast);
  const auto begun = std::chrono::steady_clock::now();
  CHECK_THROWS_WITH_AS(patient->tasks(), doctest::Contains("(waited 1 s)"), InfrastructureError);
  CHECK(std::chrono::steady_clock::now() - begun >= 1s);
  std::thread asks([&] {
    std::this_thread::sleep_for(300ms);
    stop = true;
  });
  CHECK_THROWS_WITH_AS(stopped->tasks(), doctest::Contains("(stopped while waiting)"), InfrastructureError);
  asks.join();
  CHECK(std::chrono::steady_clock::now() - begun < 10s);
  server()->start();
  CHECK(patient->tasks().empty());
}

/// Holds its locks as a client that the network lost inside its transaction; not for ever, so that a test fails rather than hangs.
class LostClient {
 public:
  LostClient(const std::string& url, const std::string& lock) : connection_(url, "lost client") {
    connection_.open(10s);
    connection_.run("SET idle_in_transaction_session_timeout = 30000");
    connection_.run("BEGIN");
    connection_.run(lock);
  }
  void end() { connection_.run("COMMIT"); }

 private:
  PostgresqlConnection connection_;
};

TEST_CASE("a lock that another session holds is waited for, with an end") {
  if (!server()) return;
  const std::string url = server()->fresh_database();
  std::vector<std::string> told;
  std::atomic<bool> waits{false}, stop{false}, added{false};
  const auto notice = [&](const std::string& line) {
    told.push_back(line);
    waits = true;
  };
  const auto make = [](const std::string& place, const std::string& name, const ServerOptions& options) {
    StudyHeader header = small_study();
    header.name = name;  // a row for each, so that each waits for the lost client alone
    return postgresql_backend(place, true, options)->create(header);
  };
  auto patient = make(url, "patient", {.patience = 60s, .notice = notice});
  auto impatient = make(url + "&lathe_patience=1", "impatient", {});
  auto stopped = make(url, "stopped", {.give_up = [&] { return stop.load(); }});
  const StudyHeader header = small_study();
  Batches batches(header);
  const std::vector<Event> batch = batches.engine.step();
  LostClient lost(url, "SELECT study_id FROM studies FOR UPDATE");
  const auto begun = std::chrono::steady_clock::now();
  std::thread goes_on([&] { added = patient->append(0, batch, header.space); });
  std::thread interrupted([&] {
    std::this_thread::sleep_for(200ms);
    stop = true;
    CHECK_THROWS_WITH_AS(stopped->append(0, batch, header.space), doctest::Contains("(stopped while waiting)"),
                         InfrastructureError);
  });
  CHECK_THROWS_WITH_AS(impatient->append(0, batch, header.space), doctest::Contains("another session holds a lock (waited 1 s)"),
                       InfrastructureError);
  interrupted.join();
  CHECK(std::chrono::steady_clock::now() - begun < kLockTimeout + 8s);
  while (!waits && std::chrono::steady_clock::now() - begun < 20s) std::this_thread::sleep_for(1ms);
  CHECK(!added);
  lost.end();
  goes_on.join();
  CHECK(added);
  CHECK(patient->events(0).size() == batch.size());
  CHECK(impatient->append(0, batch, header.space));  // its transaction is over, and its connection works
  REQUIRE(told.size() == 2);
  CHECK(told[0].ends_with("another session holds a lock; waiting up to 60 s for it"));
  CHECK(told[1].ends_with("the lock was released"));
}

TEST_CASE("asking what became of a COMMIT has an end where the lost session's row stays locked") {
  if (!server()) return;
  std::string url = server()->fresh_database();
  const std::string direct = url;
  Proxy proxy(url.substr(url.find("host=") + 5) + "/.s.PGSQL.5432");
  url.replace(url.find("host="), std::string::npos, "host=" + proxy.host() + "&lathe_patience=1");
  auto storage = postgresql_backend(url, true)->create(small_study());
  proxy.hold(true);  // the client at work keeps its connection
  proxy.cut(Proxy::Cut::before_commit);
  std::string failure;
  std::thread asks([&] {
    try {
      storage->offer(0, std::vector<Task>{{{0, 0}, 1}});
    } catch (const InfrastructureError& error) {
      failure = error.what();
    }
  });
  while (proxy.cuts() == 0) std::this_thread::sleep_for(1ms);
  LostClient lost(direct, "SELECT session FROM lathe_sessions FOR UPDATE");
  proxy.hold(false);
  asks.join();
  CHECK_MESSAGE(failure.ends_with("another session holds a lock (waited 1 s)"), failure);
  lost.end();
  CHECK(storage->offer(0, std::vector<Task>{{{0, 0}, 1}}));
  CHECK(storage->tasks().size() == 1);
}

TEST_CASE("the server notices as soon as its client that the other is gone") {
  if (!server()) return;
  // The settings themselves are 0 on a Unix socket; where they come from is told all the same.
  CHECK(ask(server()->fresh_database(),
            "SELECT name FROM pg_settings WHERE source = 'session' AND name IN ('tcp_keepalives_idle', 'tcp_keepalives_interval', "
            "'tcp_keepalives_count', 'tcp_user_timeout', 'lock_timeout') ORDER BY name") ==
        "lock_timeout,tcp_keepalives_count,tcp_keepalives_idle,tcp_keepalives_interval,tcp_user_timeout");
}

TEST_CASE("a study that is finished is not failed by its housekeeping") {
  if (!server()) return;
  std::string url = server()->fresh_database();
  std::vector<std::string> told;
  const ServerOptions options{.patience = 60s, .notice = [&](const std::string& line) { told.push_back(line); }};
  auto storage = postgresql_backend(url, true, options)->create(small_study());
  ask(url, "INSERT INTO lathe_sessions VALUES ('old', 1, '2000-01-01')");
  // By a role that may do everything but this.
  ask(url,
      "CREATE ROLE worker LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO worker; "
      "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO worker; REVOKE DELETE ON lathe_sessions FROM worker");
  std::string as_worker = url;
  as_worker.replace(as_worker.find("lathe@"), 6, "worker@");
  auto of_worker = postgresql_backend(as_worker, false, options)->open("small");
  CHECK(execute(small_study(), *small_objective(), *of_worker).finished);
  REQUIRE(told.size() == 1);
  CHECK(told[0].ends_with("permission denied for table lathe_sessions; the rows of old sessions stay"));
  // On a server that is gone.
  server()->stop(PostgresServer::Stop::fast);
  const auto begun = std::chrono::steady_clock::now();
  storage->settle();
  storage->settle();
  CHECK(std::chrono::steady_clock::now() - begun < 5s);
  CHECK(told.size() == 2);
  server()->start();
  CHECK(ask(url, "SELECT session FROM lathe_sessions WHERE session = 'old'") == "old");
  CHECK(execute(small_study(), *small_objective(), *storage).finished);
  CHECK(ask(url, "SELECT session FROM lathe_sessions WHERE session = 'old'") == "");
  ask(url, "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM worker; DROP OWNED BY worker; DROP ROLE worker");
}

TEST_CASE("a COMMIT without an answer has its effect exactly once") {
  if (!server()) return;
  const StudyHeader header = small_study();
  for (const auto cut : {Proxy::Cut::before_commit, Proxy::Cut::after_commit}) {
    CAPTURE(cut == Proxy::Cut::after_commit);
    std::string url = server()->fresh_database();
    Proxy proxy(url.substr(url.find("host=") + 5) + "/.s.PGSQL.5432");
    const std::string direct = url;
    url.replace(url.find("host="), std::string::npos, "host=" + proxy.host());
    auto storage = postgresql_backend(url, true, {.patience = 20s})->create(header);
    Batches batches(header);
    const std::vector<Event> batch = batches.engine.step();
    const auto with_cut = [&](const auto& call) {
      const int before = proxy.cuts();
      proxy.cut(cut);
      call();
      CHECK(proxy.cuts() == before + 1);
    };
    with_cut([&] { CHECK(storage->append(0, batch, header.space)); });
    CHECK(storage->events(0).size() == batch.size());
    CHECK(ask(direct, "SELECT string_agg(number::text, ' ' ORDER BY number) FROM trials") == "0 1 2 3");
    with_cut([&] { CHECK(storage->offer(batch.size(), std::vector<Task>{{{0, 0}, 1}})); });
    std::optional<Lease> lease;
    with_cut([&] { lease = storage->claim("a", 60s, 3); });
    REQUIRE(lease);
    CHECK(storage->tasks()[0].attempt == lease->attempt);
    with_cut([&] { CHECK(storage->submit(*lease, SegmentResult::of(0.25))); });
    const std::vector<TaskRow> rows = storage->tasks();
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].state == TaskState::done);
    CHECK(rows[0].attempt == 1);
    CHECK(rows[0].failures == 0);
    REQUIRE(rows[0].result);
    CHECK(rows[0].result->values == std::vector<double>{0.25});
  }
}

TEST_CASE("a COMMIT that a crash swallowed is not taken for that of another transaction") {
  if (!server()) return;
  const StudyHeader header = small_study();
  std::string url = server()->fresh_database();
  const std::string direct = url;
  Proxy proxy(url.substr(url.find("host=") + 5) + "/.s.PGSQL.5432");
  url.replace(url.find("host="), std::string::npos, "host=" + proxy.host());
  auto storage = postgresql_backend(url, true, {.patience = 60s})->create(header);
  Batches batches(header);
  const std::vector<Event> batch = batches.engine.step();
  proxy.cut(Proxy::Cut::before_commit);
  bool added = false;
  std::thread waits([&] { added = storage->append(0, batch, header.space); });
  proxy.hold(true);  // the client at work keeps its connection
  while (proxy.cuts() == 0) std::this_thread::sleep_for(1ms);
  server()->stop(PostgresServer::Stop::crash);
  server()->start();
  // The server forgot the transaction and gives its number away.
  ask(direct, "CREATE TABLE others (x INTEGER)");
  for (int i = 0; i < 20; ++i) ask(direct, "INSERT INTO others VALUES (1)");
  proxy.hold(false);
  waits.join();
  CHECK(added);
  CHECK(storage->events(0).size() == batch.size());
}

TEST_CASE("a study whose every third COMMIT goes unanswered has the same hash") {
  if (!server()) return;
  const StudyHeader header = small_study(20);
  auto memory = memory_storage(header);
  const std::string expected = execute(header, *small_objective(), *memory).hash;
  std::string url = server()->fresh_database();
  Proxy proxy(url.substr(url.find("host=") + 5) + "/.s.PGSQL.5432");
  url.replace(url.find("host="), std::string::npos, "host=" + proxy.host());
  auto storage = postgresql_backend(url, true, {.patience = 20s})->create(header);
  proxy.cut_every(3);
  const StudyRun run = execute(header, *small_objective(), *storage, {.workers = 2});
  CHECK(run.finished);
  CHECK(run.hash == expected);
  CHECK(proxy.cuts() > 10);
  CHECK(storage->tasks().empty());
}

}  // namespace
}  // namespace lathe::nas
