#include <lathe/base/error.h>
#include <lathe/base/file.h>
#include <lathe/base/json_writer.h>
#include <lathe/base/text.h>
#include <lathe/nas/transformer/supernet_preparation.h>
#include <lathe/train/trainer.h>

#include <nlohmann/json.hpp>

namespace lathe::nas {
namespace {

/// Goes on from the file, if there is one that can be used.
void resume(SupernetTrainer& trainer, const std::filesystem::path& file, const SupernetJob& job) {
  if (!std::filesystem::exists(file)) return;
  try {
    trainer.restore(read_file(file), file.string());
  } catch (const InputError& error) {
    // A cache: it costs the epochs that it held, never a result.
    if (job.warn) job.warn(str(error.what(), "; the supernet is trained again"));
    return;
  }
  if (job.on_epoch)
    for (const SupernetEpoch& epoch : trainer.history()) job.on_epoch(epoch);
}

void check_expected(const SupernetFacts& expected, const SupernetFacts& facts) {
  if (expected == facts) return;
  throw InputError(str("[supernet] the study was made with ", expected.json(), ", this configuration gives ", facts.json()));
}

}  // namespace

std::string SupernetFacts::json() const {
  return JsonWriter()
      .begin_object()
      .member("epochs", options.epochs)
      .member("random", options.random)
      .member("distill", options.distill)
      .member("weights", weights)
      .member("flops", flops)
      .end_object()
      .text();
}

SupernetFacts SupernetFacts::parse(const std::string& text) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    SupernetFacts facts;
    facts.options.epochs = json.at("epochs").get<std::int64_t>();
    facts.options.random = json.at("random").get<std::int64_t>();
    facts.options.distill = json.at("distill").get<bool>();
    facts.weights = json.at("weights").get<std::string>();
    facts.flops = json.at("flops").get<std::int64_t>();
    return facts;
  } catch (const nlohmann::json::exception& error) {
    throw InputError(str("[supernet] `", text, "` does not describe a supernet: ", error.what()));
  }
}

SupernetPreparation prepare_supernet(const SupernetJob& job) {
  LATHE_CHECK(job.space && job.training && job.train && job.valid);
  if (job.valid->rows() == 0) throw InputError("[supernet] a search on inherited weights needs validation rows");
  const TrainingSetting& setting = job.training->setting();
  SharedSpace shared = share_space(*job.space, setting.base, setting.task, job.seed,
                                   [&](const Point& point) { return !job.training->refuse(point); });
  Context context({.backend = setting.backend, .threads = job.threads, .seed = job.seed, .trial = kSupernetTrial});
  SupernetTrainer trainer(context, std::move(shared), setting.base.training, job.options, *job.train, *job.valid);
  const std::filesystem::path file = job.folder / "supernet.ckpt";
  resume(trainer, file, job);
  trainer.on_step = [&](std::int64_t step, std::int64_t steps, double loss) {
    if (job.on_step) job.on_step(trainer.epoch() + 1, step, steps, loss);
  };
  try {
    while (!trainer.done()) {
      const SupernetEpoch& epoch = trainer.run_epoch(job.stop_requested);
      write_file_atomic(file, trainer.checkpoint());
      if (job.on_epoch) job.on_epoch(epoch);
    }
  } catch (const train::Stopped&) {
    write_file_atomic(file, trainer.checkpoint());
    throw Interrupted();
  }
  SupernetPreparation prepared;
  prepared.supernet = std::make_shared<Supernet>(trainer.supernet());
  prepared.facts = {job.options, prepared.supernet->hash(), trainer.flops()};
  prepared.history = trainer.history();
  if (job.expected) check_expected(*job.expected, prepared.facts);
  return prepared;
}

}  // namespace lathe::nas
