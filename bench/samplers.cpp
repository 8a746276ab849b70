// Milliseconds that a sampler takes to propose a point: 32 mixed parameters, a history of random trials, one objective or two.
//
//   bench_samplers <sampler> <trials> <objectives> [asks = 20]
//
// Prints one line of JSON: `first_ms` of a fresh sampler that has to read the whole history, `median_ms` of the asks after it, each
// after one more finished trial. bench/peers/samplers.py runs it beside Optuna.
#include <lathe/base/math.h>
#include <lathe/base/text.h>
#include <lathe/nas/controller/controller.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

using namespace lathe;
using namespace lathe::nas;

namespace {

Space mixed_space() {
  SpaceBuilder builder;
  for (int i = 0; i < 8; ++i) builder.real(str("real", i), -1, 1);
  for (int i = 0; i < 4; ++i) builder.real(str("rate", i), 1e-5, 1, {.log = true});
  for (int i = 0; i < 8; ++i) builder.integer(str("count", i), 1, 16);
  for (int i = 0; i < 2; ++i) builder.integer(str("size", i), 1, 1024, {.log = true});
  for (int i = 0; i < 2; ++i) builder.real(str("share", i), 0, 1, {.step = 0.05});
  for (int i = 0; i < 8; ++i) builder.categorical(str("kind", i), {"a", "b", "c", "d"});
  return builder.build();
}

// Shapes of every parameter count; the second objective pulls the other way.
std::vector<double> values_of(const Point& p, std::size_t objectives) {
  double near = 0, far = 0;
  for (int i = 0; i < 8; ++i) {
    const double x = p.real(str("real", i)), n = static_cast<double>(p.integer(str("count", i))) / 16;
    near += (x - 0.3) * (x - 0.3) + (n - 0.5) * (n - 0.5);
    far += (x + 0.3) * (x + 0.3) + (n - 0.8) * (n - 0.8);
    near += p.text(str("kind", i)) == "b" ? 0 : 0.3;
  }
  std::vector<double> out = {near};
  if (objectives == 2) out.push_back(far);
  return out;
}

void add(History& history, Point point, std::size_t objectives) {
  Trial trial;
  trial.number = static_cast<std::int64_t>(history.trials.size());
  trial.values = values_of(point, objectives);
  trial.point = std::move(point);
  trial.state = TrialState::complete;
  history.finished.push_back(trial.number);
  history.trials.push_back(std::move(trial));
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::fprintf(stderr, "usage: bench_samplers <sampler> <trials> <objectives> [asks]\n");
    return 2;
  }
  const auto trials = parse_int(argv[2]), objectives = parse_int(argv[3]), asks = parse_int(argc > 4 ? argv[4] : "20");
  if (!trials || !objectives || !asks || *trials < 1 || *objectives < 1 || *objectives > 2 || *asks < 2)
    throw InputError("expected trials >= 1, objectives 1 or 2, asks >= 2");
  StudyHeader header;
  header.space = mixed_space();
  header.directions.assign(static_cast<std::size_t>(*objectives), Direction::minimise);
  header.sampler = argv[1];
  History history;
  for (std::int64_t n = 0; n < *trials; ++n)
    add(history, header.space.uniform(1, static_cast<std::uint64_t>(n), 0), header.directions.size());
  const auto sampler = all_samplers().make(header);
  std::vector<double> times;
  for (std::int64_t n = 0; n < *asks; ++n) {
    const auto start = std::chrono::steady_clock::now();
    auto point = sampler->draw({header, history, *trials + n, [](const Point&) { return true; }}, 0);
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    if (!point) throw Error("the sampler found no point");
    add(history, std::move(*point), header.directions.size());
  }
  const double first = times.front();
  std::sort(times.begin() + 1, times.end());
  double mean = 0;
  for (std::size_t i = 1; i < times.size(); ++i) mean += times[i] / static_cast<double>(times.size() - 1);
  std::printf("{\"first_ms\": %.4f, \"median_ms\": %.4f, \"mean_ms\": %.4f}\n", first, times[times.size() / 2], mean);
  return 0;
} catch (const lathe::Error& e) {
  std::fprintf(stderr, "bench_samplers: %s\n", e.what());
  return 2;
}
