// 16 worker processes on one PostgreSQL server that stops for ten seconds in the middle: nothing doubled, lost or stuck.
#include <doctest/doctest.h>
#include <lathe/nas/storage/memory.h>
#include <lathe/nas/storage/open.h>
#include <lathe/nas/storage/postgresql_connection.h>

#include <atomic>
#include <map>
#include <thread>
#include <tuple>

#include <sys/wait.h>
#include <unistd.h>

#include "tests/storage/server.h"
#include "tests/storage/study.h"

namespace lathe::nas {
namespace {

using namespace std::chrono_literals;
using test::PostgresServer;
using test::small_objective;
using test::small_study;

constexpr int kProcesses = 16;
constexpr std::int64_t kTrials = 2000;

/// What a worker process tells at the start of every segment.
struct Started {
  std::int64_t trial, attempt;
  int segment, process;
};

class Telling final : public Objective {
 public:
  Telling(int pipe, int process) : inner_(small_objective(20000)), pipe_(pipe), process_(process) {}
  Plan plan(const Point& point) const override { return inner_->plan(point); }
  SegmentResult run(const Point& point, const SegmentContext& context, const Checkpoint& checkpoint) override {
    const Started record{context.trial, context.attempt, context.index, process_};
    if (write(pipe_, &record, sizeof record) != sizeof record) _exit(9);  // one piece, as short as it is
    return inner_->run(point, context, checkpoint);
  }

 private:
  std::unique_ptr<Objective> inner_;
  int pipe_, process_;
};

int count(const std::string& url, const std::string& sql) {
  PostgresqlConnection connection(url, "test");
  connection.open(10s);
  return std::atoi(PQgetvalue(connection.run(sql).get(), 0, 0));
}

TEST_CASE("16 processes, 2,000 trials, the server stopped for 10 s: 0 double claims, 0 lost results, 0 stuck trials") {
  PostgresServer* server = PostgresServer::instance();
  if (!server) {
    MESSAGE("SKIPPED: " << PostgresServer::missing());
    return;
  }
  StudyHeader header = small_study(kTrials);
  header.virtual_workers = 2 * kProcesses;
  const auto memory = memory_storage(header);
  const std::string expected = execute(header, *small_objective(), *memory).hash;
  const std::string url = server->fresh_database();
  open_backend(url, true)->create(header);

  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const auto begun = std::chrono::steady_clock::now();
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      int code = 70;
      try {
        close(ends[0]);
        Telling objective(ends[1], i);
        auto storage = open_backend(url, false)->open("small");
        const StudyRun run = execute(header, objective, *storage, {.resume = false});
        code = run.finished && run.hash == expected ? 0 : 1;
      } catch (const std::exception& error) {
        fprintf(stderr, "process %d: %s\n", i, error.what());
      }
      _exit(code);
    }
    children.push_back(child);
  }
  close(ends[1]);
  std::map<std::tuple<std::int64_t, int, std::int64_t>, int> claims;
  std::map<std::pair<std::int64_t, int>, int> runs;
  std::map<int, int> by_process;
  std::atomic<int> started{0};
  std::thread reader([&] {
    for (Started record; read(ends[0], &record, sizeof record) == sizeof record; ++started) {
      ++claims[{record.trial, record.segment, record.attempt}];
      ++runs[{record.trial, record.segment}];
      ++by_process[record.process];
    }
  });
  while (started < kTrials / 2) std::this_thread::sleep_for(10ms);  // some way into it
  server->stop(PostgresServer::Stop::fast);
  std::this_thread::sleep_for(10s);
  const int during = started;
  server->start();
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  reader.join();
  close(ends[0]);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();

  int doubles = 0, again = 0;
  for (const auto& [claim, times] : claims) doubles += times > 1;
  for (const auto& [segment, times] : runs) again += times - 1;
  CHECK(doubles == 0);
  CHECK(again == 0);  // no lease was lost: the server's absence is shorter
  CHECK(by_process.size() == kProcesses);
  CHECK(during < started);
  auto storage = open_backend(url, false)->open("small");
  const std::vector<RecordedEvent> events = storage->events(0);
  CHECK(study_hash(header.json(), events) == expected);
  CHECK(storage->tasks().empty());
  CHECK(storage->foreign_changes().empty());
  CHECK(count(url, "SELECT count(*) FROM trials") == kTrials);
  CHECK(count(url, "SELECT count(*) FROM trials WHERE state IN ('RUNNING', 'WAITING')") == 0);
  const Counts states = count_states(read_history(header.space, events));
  CHECK(count(url, "SELECT count(*) FROM trial_values") == states.complete + states.pruned);
  MESSAGE(seconds << " s, 10 s of them without a server; " << claims.size() << " claims, " << doubles << " double, " << again
                  << " segments run again");
}

}  // namespace
}  // namespace lathe::nas
