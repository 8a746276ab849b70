// How well latency is foretold: 100 architectures of the default space are measured and fitted, 100 others are predicted and then
// measured.
//
//   bench_latency [BATCH:THREADS ...]      (1:1 32:1 1:2 32:2; 32 tokens each; --save FILE keeps all measurements)
#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/cli/model_config.h>
#include <lathe/nas/transformer/latency.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace lathe;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

constexpr std::int64_t kSamples = 100;

/// One row of the table.
std::string row(const std::string& setting, std::string& save) {
  const std::vector<std::string_view> parts = split(setting, ':');
  const auto batch = parse_int(parts[0]), threads = parts.size() == 2 ? parse_int(parts[1]) : std::nullopt;
  if (!batch || !threads) throw InputError(setting + ": expected BATCH:THREADS");
  const nas::LatencyLoad load{*batch, 32, static_cast<int>(*threads)};
  cli::Config config;
  const nas::TaskShape task{.vocab_size = 8000, .max_tokens = 128, .classes = 2};
  const std::vector<nn::TransformerConfig> all =
      nas::draw_architectures(cli::make_space(config), cli::base_candidate(config), task, 2 * kSamples, 1);
  if (all.size() < 2 * kSamples) throw InputError("the space is too small");
  const nas::LatencyMeter meter = nas::network_meter(load);
  const double start = now();
  const nas::LatencyModel model(nas::measure_table({all.data(), kSamples}, meter),
                                {.load = load, .backend = "", .cpu = "", .cores = 0});
  const double seconds = now() - start;
  const nas::LatencyTable unseen = nas::measure_table({all.data() + kSamples, kSamples}, meter);
  const auto [error, tau] = model.quality(unseen.samples);
  std::vector<std::int64_t> times;
  for (const nas::LatencySample& sample : unseen.samples) times.push_back(sample.median_ns);
  const auto us = [&](double share) { return fixed(static_cast<double>(nas::percentile(times, share)) / 1000, 0); };
  for (const nas::LatencyTable* table : {&model.table(), &unseen})
    for (const nas::LatencySample& sample : table->samples)
      save += str(setting, "\t", sample.median_ns, "\t", sample.mad_ns, "\t", sample.architecture.to_json(), "\n");
  return str("| ", *batch, " | ", *threads, " | ", us(0.01), " to ", us(1), " µs | ", fixed(100 * error, 1), " % | ", fixed(tau, 3),
             " | ", fixed(100 * model.quality().mean_error, 1), " % | ", fixed(seconds, 0), " s | ",
             model.table().reference.rejected, " of ", model.table().reference.visits, " |\n");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::vector<std::string> settings;
    std::string file, save;
    for (int i = 1; i < argc; ++i) {
      if (std::string(argv[i]) == "--save" && i + 1 < argc)
        file = argv[++i];
      else
        settings.emplace_back(argv[i]);
    }
    if (settings.empty()) settings = {"1:1", "32:1", "1:2", "32:2"};
    std::cout << "| batch | threads | measured | mean error | Kendall τ | error by folds | calibration | rejected |\n"
                 "|---|---|---|---|---|---|---|---|\n";
    for (const std::string& setting : settings) std::cout << row(setting, save) << std::flush;
    if (!file.empty()) write_file_atomic(file, save);
    return 0;
  } catch (const Error& error) {
    std::cerr << "bench_latency: " << error.what() << "\n";
    return 2;
  }
}
