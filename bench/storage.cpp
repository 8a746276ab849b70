// What keeping a study costs: milliseconds to tell a result, memory and seconds to open a long study.
//
//   bench_storage PLACE TRIALS [PARAMETERS = 10]
//
// Makes a new study of random trials at PLACE (a file, or postgresql://…) with one report each, times the last 1,000 results one by
// one (a report and a finish, in one transaction, on the disk when it returns), then opens the study in fresh processes: `read` as
// lathe study show does (events and history), `resume` as the search does (every proposal is made anew and compared).
#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/storage/open.h>
#include <lathe/nas/virtual_time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace lathe;
using namespace lathe::nas;

namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begun) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
}

StudyHeader header_of(std::int64_t trials, int parameters) {
  SpaceBuilder builder;
  for (int i = 0; i < parameters; ++i) {
    if (i % 5 == 0) builder.integer(str("layers", i), 1, 12);
    if (i % 5 == 1) builder.categorical(str("activation", i), {"relu", "gelu", "silu"});
    if (i % 5 == 2) builder.real(str("dropout", i), 0, 0.5);
    if (i % 5 == 3) builder.real(str("rate", i), 1e-5, 1e-2, {.log = true});
    if (i % 5 == 4) builder.ordinal(str("hidden", i), {32, 64, 128, 256});
  }
  StudyHeader header;
  header.name = "bench";
  header.space = builder.build();
  header.trials = trials;
  header.virtual_workers = 1;
  return header;
}

VirtualTime engine_of(const StudyHeader& header) {
  return VirtualTime(
      header,
      [](const Point&) {
        return Plan{{{0, 1, 1}}, {}};
      },
      [](const Point&) { return std::optional<std::string>(); });
}

double resident_mb() {  // the most this process ever had
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

double cpu_seconds() {  // of this process: what remains the same on a busy machine
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void fill(const StudyHeader& header, const std::string& place) {
  constexpr std::size_t kChunk = 3000;
  const auto storage = open_backend(place, true)->create(header);
  VirtualTime engine = engine_of(header);
  const auto begun = Clock::now();
  std::vector<Event> waiting;
  std::vector<double> tells;
  double tell_cpu = 0;
  const auto append = [&](std::vector<Event> events) {
    if (events.empty()) return;
    const std::uint64_t from = events.front().index;
    if (!storage->append(from, events, header.space)) throw InfrastructureError("somebody else writes to this study");
  };
  for (;;) {
    for (const Task& task : engine.tasks())
      engine.submit(task.key, SegmentResult::of(1 / (1.0 + static_cast<double>(task.key.trial))));
    const std::vector<Event> batch = engine.step();
    if (batch.empty()) break;
    if (static_cast<std::int64_t>(engine.history().finished.size()) + 1000 < header.trials) {
      waiting.insert(waiting.end(), batch.begin(), batch.end());
      if (waiting.size() >= kChunk) append(std::exchange(waiting, {}));
      continue;
    }
    append(std::exchange(waiting, {}));
    if (batch.size() < 2 || batch[1].kind != Event::Kind::finish) {
      append(batch);
      continue;
    }
    const auto told = Clock::now();
    const double cpu = cpu_seconds();
    append({batch.begin(), batch.begin() + 2});
    tells.push_back(milliseconds_since(told));
    tell_cpu += cpu_seconds() - cpu;
    append({batch.begin() + 2, batch.end()});
  }
  const double seconds = milliseconds_since(begun) / 1000;
  std::sort(tells.begin(), tells.end());
  const auto at = [&](double share) { return tells[static_cast<std::size_t>(share * static_cast<double>(tells.size() - 1))]; };
  std::printf("made    %lld trials, %.1f s\ntell    median %.3f ms, 99 %% %.3f ms, %.3f ms of CPU, of the last %zu\n",
              static_cast<long long>(header.trials), seconds, at(0.5), at(0.99),
              tell_cpu * 1000 / static_cast<double>(tells.size()), tells.size());
  storage->settle();
}

void open_again(const StudyHeader& header, const std::string& place, bool resume) {
  const double before = resident_mb();
  const auto begun = Clock::now();
  const auto storage = open_backend(place, false)->open(header.name);
  std::size_t trials = 0;
  std::optional<History> history;  // kept, as a caller would
  std::optional<VirtualTime> engine;
  if (resume) {
    engine.emplace(engine_of(header));
    engine->replay(storage->events(0));
    trials = engine->history().trials.size();
  } else {
    history = read_history(header.space, storage->events(0));
    trials = history->trials.size();
  }
  std::printf("%-7s %zu trials, %.2f s, %.2f s of CPU, %.0f MB at most (%.0f before)\n", resume ? "resume" : "read", trials,
              milliseconds_since(begun) / 1000, cpu_seconds(), resident_mb(), before);
}

template <class F>
void in_a_process(F body) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    int code = 0;
    try {
      body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "bench_storage: %s\n", error.what());
      code = 3;
    }
    std::fflush(stdout);
    _exit(code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) std::exit(3);
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i, std::int64_t otherwise) { return argc > i ? parse_int(argv[i]).value_or(0) : otherwise; };
  const std::int64_t trials = number(2, 0), parameters = number(3, 10);
  if (argc < 3 || trials < 1 || parameters < 1) {
    std::fprintf(stderr, "usage: bench_storage PLACE TRIALS [PARAMETERS = 10]\n");
    return 2;
  }
  const StudyHeader header = header_of(trials, static_cast<int>(parameters));
  const std::string place = argv[1];
  in_a_process([&] { fill(header, place); });
  in_a_process([&] { open_again(header, place, false); });
  in_a_process([&] { open_again(header, place, true); });
}
