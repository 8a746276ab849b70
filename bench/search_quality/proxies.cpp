// How well cheap evaluations rank the transformers of the table of real runs (sst2_runs.csv), as Markdown:
//
//   bench_proxies sst2_runs.csv train=…/glue-sst2/train.tsv valid=…/glue-sst2/dev.tsv [space=all|architectures] [count=100]
//                 [only=NAME]
//
// space=all: `count` of the 864 points, drawn as a calibration draws them. space=architectures: the 108 points with lr = 0.003 and
// dropout = 0, which differ in nothing that a score at initialisation cannot see (but post-norm's warm-up). Reference: the best
// accuracy of four epochs in the table. Every proxy has random streams of its own; "again" is the training in full with others than
// the table's, the most that any proxy can be expected to reach. Cost: share of the FLOPs of training in full (params: none).
#include "sst2_data.h"
#include "sst2_table.h"

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/rank_correlation.h>
#include <lathe/nas/transformer/calibration.h>
#include <lathe/nas/transformer/proxy.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace lathe::bench {
namespace {

struct Proxy {
  std::string name;
  nas::ProxySetting setting;
  bool again = false;  // the training in full, with another seed
};

std::vector<Proxy> proxies() {
  std::vector<Proxy> out;
  for (const nas::ProxyScore score : nas::proxy_scores()) out.push_back({nas::name_of(score), {.score = score}});
  const auto add = [&](const char* name, const nas::Fidelity& fidelity) {
    out.push_back({name, {.score = {}, .fidelity = fidelity}});
  };
  add("steps 1/4", {.steps = 0.25});
  add("steps 1/16", {.steps = 0.0625});
  add("data 1/4", {.data = 0.25});
  add("data 1/16", {.data = 0.0625});
  add("8 tokens", {.max_tokens = 8});
  add("width 1/2", {.width = 0.5});
  add("depth 1/3", {.depth = 1.0 / 3});
  add("steps 1/4, 16 tokens, width 1/2", {.steps = 0.25, .max_tokens = 16, .width = 0.5});
  out.push_back({"again", {}, true});
  return out;
}

/// The best report of a trial and its planned ticks.
struct Result {
  double value = -1e300;  // failed
  std::uint64_t ticks = 0;
};

Result evaluate(nas::Objective& objective, const nas::Point& point, std::int64_t trial) {
  Result out;
  const nas::Plan plan = objective.plan(point);
  const auto checkpoints = nas::memory_checkpoints();
  for (int i = 0; i < static_cast<int>(plan.segments.size()); ++i) {
    nas::SegmentContext context;
    context.trial = trial;
    context.index = i;
    context.segment = plan.segments[static_cast<std::size_t>(i)];
    context.seed = 2;  // the table's is 1
    out.ticks += context.segment.ticks;
    const nas::SegmentResult result = objective.run(point, context, nas::Checkpoint(checkpoints.get(), trial, i));
    if (result.failure == nas::Failure::none) out.value = std::max(out.value, result.values[0]);
  }
  return out;
}

std::string cell(const nas::RankEstimate& e) {
  if (std::isnan(e.value)) return "undefined";
  return str(fixed(e.value, 2), " (", fixed(e.interval.low, 2), "–", fixed(e.interval.high, 2), ")");
}

std::vector<nas::Point> points_of(const std::string& space, std::int64_t count) {
  nas::StudyHeader header;
  header.space = sst2_space();
  if (space == "all")
    return nas::calibration_points(
        header, [](const nas::Point&) { return true; },
        [](const nas::Point& p) { return p.integer("hidden") * p.integer("hidden") * p.integer("layers"); }, count, 5);
  std::vector<nas::Point> out;
  header.space.enumerate([&](const nas::Point& p) {
    if (p.real("lr") == 0.003 && p.real("dropout") == 0) out.push_back(p);
    return true;
  });
  return out;
}

void run(const std::string& file, std::map<std::string, std::string> arguments) {
  const Sst2Table table(file);
  const std::string space = arguments.contains("space") ? arguments["space"] : "all";
  const std::vector<nas::Point> points = points_of(space, parse_int(arguments["count"]).value_or(100));
  const Sst2Data data = load_sst2(arguments);
  nas::TrainingObjective full({sst2_base(), data.task}, data.train, data.valid);
  std::vector<double> reference;
  std::uint64_t full_ticks = 0;
  for (const nas::Point& point : points) {
    const Sst2Run& known = table.at(point);
    reference.push_back(*std::max_element(std::begin(known.accuracy), std::end(known.accuracy)));
    full_ticks += kSst2Epochs * nas::ticks_of_flops(static_cast<std::uint64_t>(known.epoch_flops));
  }
  std::printf("%zu points of %s\n\n| proxy | τ | τ in the top fifth | top-10 recall | cost | s |\n|-|-|-|-|-|-|\n", points.size(),
              space.c_str());
  for (const Proxy& proxy : proxies()) {
    if (arguments.contains("only") && arguments["only"] != proxy.name) continue;
    std::unique_ptr<nas::Objective> cheap;
    if (!proxy.again) cheap = std::make_unique<nas::ProxyObjective>(full, proxy.setting, data.train, data.valid, 2);
    const auto start = std::chrono::steady_clock::now();
    std::vector<double> values;
    std::uint64_t ticks = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Result result = evaluate(proxy.again ? full : *cheap, points[i], static_cast<std::int64_t>(i));
      values.push_back(result.value);
      ticks += result.ticks;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const nas::RankAgreement agreement = nas::rank_agreement(reference, values, {.top_k = 10});
    std::printf("| %s | %s | %s | %s | %s | %.1f |\n", proxy.name.c_str(), cell(agreement.tau).c_str(),
                cell(agreement.tau_top).c_str(), cell(agreement.recall).c_str(),
                proxy.name == "params" ? "0" : fixed(static_cast<double>(ticks) / static_cast<double>(full_ticks), 4).c_str(),
                seconds);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace lathe::bench

int main(int argc, char** argv) try {
  if (argc < 4)
    throw lathe::InputError(
        "usage: bench_proxies sst2_runs.csv train=FILE valid=FILE [space=all|architectures] [count=100] [only=NAME]");
  lathe::bench::run(argv[1], lathe::bench::named_arguments(argc, argv, 2));
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
