// Trains the next points of sst2_space() and adds their rows to a file, which it can be called for again until all are there:
//
//   bench_sst2_train FILE.csv train=…/glue-sst2/train.tsv valid=…/glue-sst2/dev.tsv [runs=20] [from=0] [to=864]
//
// `from`, `to`: the points of this file, for several processes at once; put their rows together in order.
// 4,000 phrases of train.tsv, a vocabulary of 2,000 pieces learned from them, at most 48 tokens, 2 heads, mean pooling, 4 epochs of
// AdamW in batches of 32 with a cosine schedule, one thread. Run i has seed 1 and trial number i. Exit code 1 while rows are
// missing.
#include "sst2_table.h"

#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/text.h>
#include <lathe/data/encode.h>
#include <lathe/data/load.h>
#include <lathe/nas/transformer/objective.h>
#include <lathe/tokenizer/wordpiece_trainer.h>
#include <lathe/train/trainer.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>

namespace lathe::bench {
namespace {

struct Data {
  data::EncodedDataset train, valid;
  nas::TaskShape task;
};

Data load(std::map<std::string, std::string>& arguments) {
  data::DataConfig source;
  source.train = arguments["train"];
  source.valid = arguments["valid"];
  source.max_tokens = 48;
  source.max_rows = 4000;
  source.split = {.train = 1, .valid = 0, .test = 0};
  const data::ClassificationData text = data::load_classification(source);
  tokenizer::WordPieceTrainer trainer({.vocab_size = 2000});
  for (const std::string_view row : text.train.text) trainer.add(row);
  const tokenizer::Tokenizer tokenizer = trainer.train();
  return {data::encode(text.train, tokenizer, source.max_tokens),
          data::encode(text.valid, tokenizer, source.max_tokens),
          {.vocab_size = tokenizer.vocab_size(), .max_tokens = source.max_tokens, .classes = 2}};
}

Sst2Run train_one(const Data& data, const nas::Point& point, std::uint64_t trial) {
  nas::Candidate base;
  base.all.heads = 2;
  base.training.epochs = kSst2Epochs;
  base.training.patience = 0;
  base.training.warmup = 0.05;
  const nas::Candidate candidate = nas::apply(base, point);
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

std::string heading(const Data& data) {
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
  const Data data = load(arguments);
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
  std::map<std::string, std::string> arguments;
  for (int i = 2; i < argc; ++i) {
    const std::string text = argv[i];
    const std::size_t at = text.find('=');
    if (at == std::string::npos) throw lathe::InputError(text + ": expected name=value");
    arguments[text.substr(0, at)] = text.substr(at + 1);
  }
  return lathe::bench::run(argv[1], arguments);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
