// Trains a supernet for the architectures of sst2_space() and tells how good each is with inherited weights; supernet.py compares
// that with trainings from scratch.
//
//   bench_supernet train=…/glue-sst2/train.tsv valid=…/glue-sst2/dev.tsv [epochs=16] [random=2] [distill=1] [lr=0.003] [dropout=0]
//                  [norm_place=pre] [seed=1] [threads=1] [scratch=0]
//
// The space: layers, hidden, expansion and activation of sst2_space(), 36 architectures; norm place, learning rate and dropout are
// one for all. Rows and the rest of the training: sst2_data.h. Prints a row for each architecture, and "# name value" lines with
// what the training cost.
#include "sst2_data.h"
#include "sst2_table.h"

#include <lathe/base/error.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/supernet_objective.h>
#include <lathe/nas/transformer/supernet_trainer.h>
#include <lathe/nn/cost.h>
#include <lathe/train/trainer.h>

#include <chrono>
#include <cstdio>

namespace lathe::bench {
namespace {

nas::Space architectures() {
  const nas::Space space = sst2_space();
  nas::SpaceBuilder builder;
  for (const char* name : {"layers", "hidden", "expansion", "activation"}) builder.add(space.parameter(space.index(name)));
  return builder.build();
}

double number(std::map<std::string, std::string>& arguments, const char* name, double otherwise) {
  if (!arguments.contains(name)) return otherwise;
  const auto value = parse_double(arguments[name]);
  if (!value) throw InputError(str(name, "=", arguments[name], ": expected a number"));
  return *value;
}

nas::Candidate base_of(std::map<std::string, std::string>& arguments) {
  nas::Candidate base = sst2_base();
  base.training.lr = number(arguments, "lr", 0.003);
  base.training.warmup = number(arguments, "warmup", 0.05);
  base.dropout = number(arguments, "dropout", 0);
  if (arguments.contains("norm_place")) base.norm_place = nn::norm_place(arguments["norm_place"]);
  return base;
}

nas::Supernet train(nas::SupernetTrainer& trainer) {
  const auto start = std::chrono::steady_clock::now();
  while (!trainer.done()) {
    const nas::SupernetEpoch& e = trainer.run_epoch();
    std::fprintf(stderr, "epoch %d: largest loss %.4f valid %.4f, smallest loss %.4f valid %.4f\n", static_cast<int>(e.epoch),
                 e.largest_loss, e.largest_valid.accuracy, e.smallest_loss, e.smallest_valid.accuracy);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("# seconds %.1f\n# flops %lld\n# weights %s\n", seconds, static_cast<long long>(trainer.flops()),
              trainer.weights_hash().c_str());
  return trainer.supernet();
}

/// Trains every architecture by itself; columns as in sst2_runs.csv, of the last epoch.
int from_scratch(const Sst2Data& data, const nas::Space& space, const nas::Candidate& base, std::uint64_t seed) {
  std::printf("layers,hidden,expansion,activation,norm_place,warmup,lr,dropout,accuracy4,loss4,epoch_flops\n");
  std::uint64_t trial = 0;
  space.enumerate([&](const nas::Point& point) {
    const nas::Candidate candidate = nas::apply(base, point);
    Context context({.seed = seed, .trial = trial++});
    train::Trainer trainer(context, candidate.architecture(data.task), candidate.training, data.train, data.valid);
    while (!trainer.done()) trainer.run_epoch();
    for (const auto& value : point.values()) std::printf("%s,", value->show().c_str());
    const train::Scores& scores = trainer.history().back().valid;
    std::printf("%s,,%s,%s,%.6f,%.6f,%lld\n", nn::name_of(base.norm_place), nas::Value(base.training.lr).show().c_str(),
                nas::Value(base.dropout).show().c_str(), scores.accuracy, scores.loss,
                static_cast<long long>(nas::cost_of(candidate, data.task, data.train).epoch_flops));
    std::fflush(stdout);
    return true;
  });
  return 0;
}

int run(std::map<std::string, std::string> arguments) {
  const Sst2Data data = load_sst2(arguments);
  const nas::Space space = architectures();
  const nas::Candidate base = base_of(arguments);
  nas::SupernetOptions options;
  options.epochs = static_cast<std::int64_t>(number(arguments, "epochs", 16));
  options.random = static_cast<std::int64_t>(number(arguments, "random", 2));
  options.distill = number(arguments, "distill", 1) != 0;
  const auto seed = static_cast<std::uint64_t>(number(arguments, "seed", 1));
  if (number(arguments, "scratch", 0) != 0) return from_scratch(data, space, base, seed);
  Context context({.threads = static_cast<int>(number(arguments, "threads", 1)), .seed = seed, .trial = nas::kSupernetTrial});
  nas::SupernetTrainer trainer(context, share_space(space, base, data.task, seed, [](const nas::Point&) { return true; }),
                               base.training, options, data.train, data.valid);
  const nas::Supernet supernet = train(trainer);
  std::vector<std::int32_t> lengths;
  for (std::size_t i = 0; i < data.valid.rows(); ++i) lengths.push_back(data.valid.length(i));
  std::printf("layers,hidden,expansion,activation,accuracy,loss,parameters,evaluation_flops\n");
  space.enumerate([&](const nas::Point& point) {
    const nn::TransformerConfig architecture = nas::apply(base, point).architecture(data.task);
    Context own;
    const train::Scores scores = train::score(train::predict(supernet.network(own, architecture), data.valid), data.valid.labels);
    for (const auto& value : point.values()) std::printf("%s,", value->show().c_str());
    std::printf("%.6f,%.6f,%lld,%lld\n", scores.accuracy, scores.loss, static_cast<long long>(nn::count_parameters(architecture)),
                static_cast<long long>(nn::cost_of(architecture, lengths).inference_flops.total()));
    return true;
  });
  return 0;
}

}  // namespace
}  // namespace lathe::bench

int main(int argc, char** argv) try {
  if (argc < 3) throw lathe::InputError("usage: bench_supernet train=FILE valid=FILE [epochs=16] [random=2] [distill=1] …");
  return lathe::bench::run(lathe::bench::named_arguments(argc, argv, 1));
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
