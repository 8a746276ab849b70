// Trains the next points of sst2_space() and adds their rows to a file, which it can be called for again until all are there:
//
//   bench_sst2_train FILE.csv train=…/glue-sst2/train.tsv valid=…/glue-sst2/dev.tsv [runs=20] [from=0] [to=864]
//
// `from`, `to`: the points of this file, for several processes at once; put their rows together in order.
// 4,000 phrases of train.tsv, a vocabulary of 2,000 pieces learned from them, at most 48 tokens, 2 heads, mean pooling, 4 epochs of
// AdamW in batches of 32 with a cosine schedule, one thread. Run i has seed 1 and trial number i. Exit code 1 while rows are
// missing.
#include "sst2_data.h"
#include "sst2_table.h"

#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/objective.h>
#include <lathe/train/trainer.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>

namespace lathe::bench {
namespace {

Sst2Run train_one(const Sst2Data& data, const nas::Point& point, std::uint64_t trial) {
  const nas::Candidate candidate = nas::apply(sst2_base(), point);
  const nas::CandidateCost cost = nas::cost_of(candidate, data.task, data.train);
  Context context({.threads = 1, .seed = 1, .trial = trial});
  train::Trainer trainer(context, candidate.architecture(data.task), candidate.training, data.train, data.valid);
  Sst2Run run{{}, {}, cost.parameters, cost.epoch_flops, cost.sentence_flops};
  for (int epoch = 0; epoch < kSst2Epochs; ++epoch) {
    const train::EpochResult result = trainer.run_epoch();
    run.accuracy[epoch] = result.valid.accuracy;
    run.loss[epoch] = result.valid.loss;
  }
  return run;
}

std::string heading(const Sst2Data& data) {
  return str(
      "# Every point of sst2_space() trained by lathe, made by bench_sst2_train (bench/search_quality/sst2_train.cpp says "
      "how).\n# ",
      data.train.rows(), " training phrases of SST-2, ", data.valid.rows(), " validation sentences, vocabulary ",
      data.task.vocab_size, ". accuracy1 … loss", kSst2Epochs, ": on the validation rows after each epoch.\n", sst2_columns(),
      "\n");
}

int run(const std::string& file, std::map<std::string, std::string> arguments) {
  const auto number = [&](const char* name, std::int64_t otherwise) {
    return arguments.contains(name) ? parse_int(arguments[name]).value_or(otherwise) : otherwise;
  };
  const nas::Space space = sst2_space();
  std::vector<nas::Point> points;
  space.enumerate([&](const nas::Point& point) { return points.push_back(point), true; });
  const Sst2Data data = load_sst2(arguments);
  const auto first = static_cast<std::size_t>(number("from", 0));
  const auto end = std::min(points.size(), static_cast<std::size_t>(number("to", static_cast<std::int64_t>(points.size()))));
  std::size_t next = first;
  if (std::ifstream old(file); old) {
    for (std::string line; std::getline(old, line);) next += !line.empty() && line[0] != '#' && line != sst2_columns();
  } else {
    write_file_atomic(file, heading(data));
  }
  std::ofstream out(file, std::ios::app);
  const std::size_t stop = std::min(end, next + static_cast<std::size_t>(number("runs", 20)));
  const auto start = std::chrono::steady_clock::now();
  for (; next < stop; ++next) out << sst2_row(points[next], train_one(data, points[next], next)) << std::endl;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::fprintf(stderr, "%zu of %zu runs, %.1f s\n", next - first, end - first, seconds);
  return next == end ? 0 : 1;
}

}  // namespace
}  // namespace lathe::bench

int main(int argc, char** argv) try {
  if (argc < 4) throw lathe::InputError("usage: bench_sst2_train FILE.csv train=FILE valid=FILE [runs=20] [from=0] [to=864]");
  return lathe::bench::run(argv[1], lathe::bench::named_arguments(argc, argv, 2));
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
