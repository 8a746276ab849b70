// One training step, or one prediction, of an encoder classifier at the sizes that a search visits, as a program that a peer can be
// run against: the same model, shapes and work as a line of JSON a size (pre-norm, LayerNorm, tanh GELU, mean pooling, cross
// entropy, AdamW). Fifty batches of random tokens come in turn, so that the embedding is reached as in real training.
//
//   bench_train_step --hidden 64,128,256 --batch 32 --seq 64 --threads 1 --backend avx512
//   bench_train_step --hidden 64 --batch 1 --seq 16 --predict 1
//   bench_train_step --hidden 256 --phases 1   # where the time goes, kernel by kernel (one thread)
#include "bench/phases.h"
#include "bench/support.h"

#include <lathe/base/text.h>
#include <lathe/nn/transformer.h>
#include <lathe/optim/optimizer.h>

#include <sys/resource.h>

#include <cstdio>
#include <cstring>
#include <ctime>
#include <map>
#include <numeric>
#include <span>
#include <sstream>

namespace lathe::bench {
namespace {

struct Options {
  std::vector<Index> hidden{64, 128, 256, 512};
  Index layers = 4, head_dim = 32, ffn = 4, batch = 32, seq = 64, vocab = 8192;
  int threads = 1;
  Index group = -1;            // tokens; −1: as the model has it; 0: the whole batch
  Index predict = 0;           // 1: prediction instead of training
  Index phases = 0;            // 1: a table of kernels instead of the line of JSON
  std::vector<Index> lengths;  // of the rows; empty: `batch` rows of `seq`
  double seconds = 4, dropout = 0;
  std::string backend;
};

[[noreturn]] void usage(const std::string& why) {
  std::fprintf(stderr,
               "%s\nusage: bench_train_step [--hidden 64,128] [--layers N] [--head-dim N] [--ffn N] [--batch N] [--seq N] "
               "[--vocab N] [--group N] [--lengths 9,25] [--predict 1] [--phases 1] [--threads N] [--seconds S] [--dropout P] "
               "[--backend NAME]\n",
               why.c_str());
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options o;
  const std::map<std::string, Index*> numbers{{"--layers", &o.layers}, {"--head-dim", &o.head_dim}, {"--ffn", &o.ffn},
                                              {"--batch", &o.batch},   {"--seq", &o.seq},           {"--vocab", &o.vocab},
                                              {"--group", &o.group},   {"--predict", &o.predict},   {"--phases", &o.phases}};
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc) usage(name + ": expected a value");
    const char* value = argv[i + 1];
    if (const auto number = numbers.find(name); number != numbers.end()) {
      *number->second = std::atoll(value);
    } else if (name == "--hidden" || name == "--lengths") {
      std::vector<Index>& list = name == "--hidden" ? o.hidden : o.lengths;
      list.clear();
      std::stringstream items(value);
      for (std::string item; std::getline(items, item, ',');) list.push_back(std::atoll(item.c_str()));
    } else if (name == "--threads") {
      o.threads = std::atoi(value);
    } else if (name == "--seconds") {
      o.seconds = std::atof(value);
    } else if (name == "--dropout") {
      o.dropout = std::atof(value);
    } else if (name == "--backend") {
      o.backend = value;
    } else {
      usage(name + ": unknown option");
    }
  }
  if (o.lengths.empty()) o.lengths.assign(static_cast<std::size_t>(o.batch), o.seq);
  o.batch = static_cast<Index>(o.lengths.size());
  if (o.phases && o.threads != 1) usage("--phases: one thread only");
  o.seq = *std::max_element(o.lengths.begin(), o.lengths.end());
  return o;
}

/// Multiplications and additions of the products, three times the forward pass: as train_step.py of the peers counts them.
double step_flops(const Options& o, Index hidden) {
  const double h = static_cast<double>(hidden), layers = static_cast<double>(o.layers);
  double tokens = 0, pairs = 0;
  for (const Index length : o.lengths) {
    tokens += static_cast<double>(length);
    pairs += static_cast<double>(length * length);
  }
  return 6 * tokens * layers * (4 + 2 * static_cast<double>(o.ffn)) * h * h + 12 * layers * pairs * h;
}

/// MiB, the highest so far.
double resident() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void run(const Options& o, Index hidden) {
  const double resident_before = resident();
  ContextOptions options;
  options.threads = o.threads;
  options.seed = 1;
  options.backend = o.backend;
  if (o.phases) options.table = &timed_table(o.backend);
  Context context(options);
  nn::TransformerConfig config = nn::TransformerConfig::uniform(
      {.layers = o.layers, .hidden = hidden, .heads = std::max<Index>(1, hidden / o.head_dim), .ffn = o.ffn * hidden});
  config.vocab_size = o.vocab;
  config.max_tokens = o.seq;
  config.classes = 2;
  config.dropout = config.attention_dropout = o.dropout;
  nn::Classifier model(context, config);
  const Index group_tokens = o.group < 0 ? nn::group_tokens_of(config) : o.group;
  optim::AdamW optimizer(model.parameters(), 0.01);

  Random random(random_key(1, 0, "bench"));
  std::vector<std::int32_t> offsets{0}, labels;
  for (Index row = 0; row < o.batch; ++row) {
    offsets.push_back(offsets.back() + static_cast<std::int32_t>(o.lengths[static_cast<std::size_t>(row)]));
    labels.push_back(static_cast<std::int32_t>(row % 2));
  }
  std::vector<nn::Batch> batches;
  for (int i = 0; i < 50; ++i) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(offsets.back()));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(o.vocab)));
    batches.push_back(nn::make_batch(context, ids, Offsets(offsets)));
  }
  const Tensor targets = Tensor::from(context, std::span<const std::int32_t>(labels), {o.batch});

  std::uint32_t step = 0;
  const auto train = [&] {
    const nn::Batch& batch = batches[step % batches.size()];
    context.set_step(step++);
    if (o.predict) {
      const NoGrad no_grad(context);
      for (const nn::Batch& group : nn::groups_of(batch, group_tokens))
        benchmark::DoNotOptimize(*model.logits(group, nn::Mode::kEvaluate).value().data<float>());
      return;
    }
    optimizer.zero_grad();
    model.backward(batch, targets, group_tokens);
    optimizer.step(3e-4);
  };
  for (int i = 0; i < 5; ++i) train();
  const auto before = context.allocator().statistics();
  context.allocator().reset_peak();
  reset_phases();
  std::vector<double> times;
  using Clock = std::chrono::steady_clock;
  const auto processor_seconds = [] {
    std::timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
  };
  const double processor_start = processor_seconds();
  const auto seconds_since = [](Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); };
  for (const auto start = Clock::now(); seconds_since(start) < o.seconds || times.size() < 5;) {
    const auto begin = Clock::now();
    train();
    times.push_back(seconds_since(begin));
  }
  const double processor = (processor_seconds() - processor_start) / static_cast<double>(times.size());
  if (o.phases) {
    std::printf(
        "%s", phases(std::accumulate(times.begin(), times.end(), 0.0), static_cast<int>(times.size()), fma_peak(context.backend()))
                  .c_str());
    return;
  }
  const auto after = context.allocator().statistics();
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2], flops = step_flops(o, hidden) / (o.predict ? 3 : 1),
               peak = fma_peak(context.backend()) * o.threads;
  std::printf(
      "{\"peer\": \"lathe\", \"backend\": \"%s\", \"threads\": %d, \"hidden\": %lld, \"layers\": %lld, \"batch\": %lld, \"seq\": "
      "%lld, "
      "\"ms\": %.3f, \"ms_min\": %.3f, \"ms_95\": %.3f, \"processor_ms\": %.3f, \"tokens_per_s\": %.0f, \"gflops\": %.1f, "
      "\"peak_share\": %s, \"memory_mib\": %.1f, \"resident_mib\": %.1f, "
      "\"new_allocations\": %lld, \"steps\": %zu}\n",
      std::string(context.backend()).c_str(), o.threads, static_cast<long long>(hidden), static_cast<long long>(o.layers),
      static_cast<long long>(o.batch), static_cast<long long>(o.seq), median * 1e3, times.front() * 1e3,
      times[times.size() * 95 / 100] * 1e3, processor * 1e3, static_cast<double>(offsets.back()) / median, flops / median * 1e-9,
      peak > 0 ? str(flops / median / peak).c_str() : "null", static_cast<double>(after.peak) / 1048576,
      resident() - resident_before, static_cast<long long>(after.system_allocations - before.system_allocations), times.size());
  std::fflush(stdout);
}

}  // namespace
}  // namespace lathe::bench

int main(int argc, char** argv) try {
  const lathe::bench::Options options = lathe::bench::parse(argc, argv);
  for (const lathe::Index hidden : options.hidden) lathe::bench::run(options, hidden);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
